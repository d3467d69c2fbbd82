use super::*;

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

const NODE: &str = r#"
id = 3
zone = "a"
data_dir = "/var/lib/headwater"
listen = "0.0.0.0:9001"
advertise = "node-3.example:9001"
admin_listen = "127.0.0.1:9002"
meta = ["meta-1.example:9000", "meta-2.example:9000"]
hot_capacity_bytes = 67108864
[log]
format = "json"
"#;

#[test]
fn a_whole_node_file_is_read() {
    let ready = NodeReady::load(file(NODE).path()).unwrap();
    assert_eq!(ready.advertise, "node-3.example:9001");
    assert_eq!(ready.meta.len(), 2);
    assert_eq!(ready.inflight_bytes_max, 1 << 30);
}

#[test]
fn what_is_wrong_is_named_with_what_is_allowed() {
    for (from, to, expected) in [
        ("id = 3", "id = 0", "id = \"0\" is not allowed: a number of at least 1"),
        ("zone = \"a\"", "zone = \"A\"", "zone = \"A\" is not allowed"),
        ("0.0.0.0:9001", "9001", "listen = \"9001\" is not allowed: an address and port"),
        ("node-3.example:9001", "node-3.example", "advertise = \"node-3.example\" is not allowed: host:port"),
        ("67108864", "67108863", "hot_capacity_bytes = \"67108863\" is not allowed: at least 67108864 bytes"),
        ("\"json\"", "\"xml\"", "xml"),
        ("id = 3", "id = 3\nspeling = 1", "unknown field `speling`"),
        ("id = 3", "", "missing"),
        ("[\"meta-1.example:9000\", \"meta-2.example:9000\"]", "[]", "at least one metadata voter"),
    ] {
        assert!(NODE.contains(from), "{from}");
        let error = NodeReady::load(file(&NODE.replacen(from, to, 1)).path()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} does not contain {expected:?}");
    }
    let error = NodeReady::load(Path::new("/nonexistent.toml")).unwrap_err().to_string();
    assert!(error.contains("/nonexistent.toml"), "{error}");
}
