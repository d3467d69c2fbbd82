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

const FRONTEND: &str = r#"
id = 1
zone = "a"
listen = "127.0.0.1:8080"
admin_listen = "127.0.0.1:8081"
meta = ["meta-1.example:9000"]
"#;

#[test]
fn the_bootstrap_token_comes_from_one_place_and_is_never_shown() {
    let load = |admin: &str| FrontendReady::load(file(&format!("{FRONTEND}\n[admin]\n{admin}")).path());
    let token = "t".repeat(32);
    let token_file = file(&format!("{token}\n"));
    let from_file = format!("token_file = \"{}\"", token_file.path().display());
    assert!(load("").unwrap().admin.bootstrap_token.is_none());
    for good in [format!("token = \"{token}\""), from_file.clone()] {
        let ready = load(&good).unwrap();
        assert!(ready.admin.bootstrap_token.is_some());
        assert!(!format!("{ready:?}").contains(&token));
    }
    for (bad, expected) in [
        (format!("token = \"{}\"", &token[1..]), "at least 32 visible ASCII characters"),
        (format!("token = \"{token}\"\n{from_file}"), "either admin.token or admin.token_file"),
        ("token_file = \"/nonexistent\"".to_owned(), "a file that can be read"),
        ("tokens = 1".to_owned(), "unknown field `tokens`"),
    ] {
        let error = load(&bad).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains(&token[1..]), "{error}");
    }
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

const META: &str = r#"
id = 1
data_dir = "/var/lib/headwater"
listen = "0.0.0.0:9000"
admin_listen = "127.0.0.1:9002"
[backup]
target = "/var/backups"
"#;

#[test]
fn backups_have_defaults_and_bounds() {
    let backup = MetaReady::load(file(META).path()).unwrap().backup.unwrap();
    assert_eq!((backup.every.as_secs(), backup.keep), (600, 144));
    for (line, expected) in [
        ("every_s = 10", None),
        ("every_s = 9", Some("backup.every_s = \"9\" is not allowed: 10 to 86400 seconds")),
        ("every_s = 86401", Some("10 to 86400 seconds")),
        ("keep = 10000", None),
        ("keep = 0", Some("backup.keep = \"0\" is not allowed: 1 to 10000")),
        ("keep = 10001", Some("1 to 10000")),
    ] {
        let loaded = MetaReady::load(file(&format!("{META}{line}\n")).path());
        match expected {
            None => assert!(loaded.is_ok(), "{line}: {loaded:?}"),
            Some(says) => assert!(loaded.unwrap_err().to_string().contains(says), "{line}"),
        }
    }
    let error = MetaReady::load(file(&META.replace("/var/backups", "ftp://there")).path()).unwrap_err();
    assert!(error.to_string().contains("s3://BUCKET/PREFIX"), "{error}");
}

#[test]
fn a_frontend_may_keep_its_copy_and_limit_its_age() {
    let text =
        "id = 1\nzone = \"a\"\nlisten = \"0.0.0.0:80\"\nadmin_listen = \"0.0.0.0:81\"\nmeta = [\"m:9000\"]\n";
    let plain = FrontendReady::load(file(text).path()).unwrap();
    assert_eq!((plain.data_dir, plain.auth_max_staleness), (None, None));
    let set = |seconds| format!("{text}data_dir = \"/var/lib/hw\"\nauth_max_staleness_s = {seconds}\n");
    let ready = FrontendReady::load(file(&set(5)).path()).unwrap();
    assert_eq!(ready.auth_max_staleness.unwrap().as_secs(), 5);
    assert_eq!(ready.data_dir.unwrap(), Path::new("/var/lib/hw"));
    let error = FrontendReady::load(file(&set(4)).path()).unwrap_err().to_string();
    assert!(error.contains("auth_max_staleness_s = \"4\" is not allowed: at least 5 seconds"), "{error}");
}

#[test]
fn the_bounds_of_http_have_defaults_and_ranges() {
    let load = |http: &str| FrontendReady::load(file(&format!("{FRONTEND}\n[http]\n{http}\n")).path());
    assert_eq!(load("").unwrap().http, HttpReady::default());
    let http = load("header_timeout_s = 3\nbody_idle_s = 90\nconnections_max = 7").unwrap().http;
    assert_eq!((http.net.header_read_timeout.as_secs(), http.net.first_byte_timeout.as_secs()), (3, 3));
    assert_eq!((http.body_idle.as_secs(), http.net.connections_max), (90, 7));
    for (key, least, most, unit) in [
        ("connections_max", 1, 1_000_000, ""),
        ("header_timeout_s", 1, 86_400, " seconds"),
        ("keep_alive_idle_s", 1, 86_400, " seconds"),
        ("body_idle_s", 1, 86_400, " seconds"),
        ("write_stall_s", 1, 86_400, " seconds"),
        ("drain_s", 0, 86_400, " seconds"),
        ("linger_silence_s", 1, 86_400, " seconds"),
        ("linger_s", 1, 86_400, " seconds"),
        ("linger_bytes_max", 0, 1 << 30, ""),
        ("linger_connections_max", 0, 1_000_000, ""),
    ] {
        for given in [least, most] {
            let ready = load(&format!("{key} = {given}")).unwrap();
            assert_eq!(ready.http.net.validate(), Ok(()), "{key} = {given}");
        }
        for given in [least - 1, most + 1] {
            let error = load(&format!("{key} = {given}")).unwrap_err().to_string();
            let expected = format!("http.{key} = \"{given}\" is not allowed: {least} to {most}{unit}");
            assert!(given < 0 || error.contains(&expected), "{error}");
        }
    }
    assert!(load("speling = 1").unwrap_err().to_string().contains("unknown field `speling`"));
}
