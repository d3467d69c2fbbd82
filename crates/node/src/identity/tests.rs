//! Tests of `node.json`: what outlives a process, what does not, and files of other builds.

use headwater_types::SystemRng;

use super::*;

fn take(dir: &Path) -> Result<Identity, IdentityError> {
    Identity::take(dir, NodeId(7), &SystemRng)
}

fn registration(identity: &Identity) -> Registration {
    identity.registration(ZoneName::parse("a").unwrap(), "node-7:7000".to_owned(), 5)
}

fn file(dir: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(dir.join("node.json")).unwrap()).unwrap()
}

#[test]
fn a_directory_keeps_its_disk_id_and_each_process_has_a_nonce() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = take(dir.path()).unwrap();
    let asked = registration(&first);
    assert_eq!((asked.id, asked.follows, asked.hot_capacity_bytes), (NodeId(7), None, 5));
    assert_eq!(registration(&first), asked, "one nonce a process");
    assert_eq!(file(dir.path())["disk_id"], asked.disk_id.to_string(), "before it registers");
    assert_eq!(file(dir.path())["incarnation"], serde_json::Value::Null, "it does not count");
    first.registered(Incarnation(41)).unwrap();
    assert_eq!(file(dir.path())["incarnation"], 41);
    drop(first);

    let second = take(dir.path()).unwrap();
    assert_eq!(registration(&second).disk_id, asked.disk_id);
    assert_ne!(registration(&second).nonce, asked.nonce);
    assert_eq!(file(dir.path())["incarnation"], 41, "a start changes nothing");
    drop(second);

    fs::remove_file(dir.path().join("node.json")).unwrap();
    assert_ne!(
        registration(&take(dir.path()).unwrap()).disk_id,
        asked.disk_id,
        "a wiped directory is another one"
    );
}

#[test]
fn a_directory_belongs_to_one_process_of_one_node() {
    let dir = tempfile::tempdir().unwrap();
    let first = take(dir.path()).unwrap();
    assert!(matches!(take(dir.path()), Err(IdentityError::InUse(_))));
    drop(first);
    let other = Identity::take(dir.path(), NodeId(8), &SystemRng);
    assert!(matches!(other, Err(IdentityError::OtherNode { .. })), "{other:?}");
    drop(take(dir.path()).unwrap());
    for broken in ["{", r#"{"format": 2, "node_id": 7, "disk_id": "short", "incarnation": 1}"#] {
        fs::write(dir.path().join("node.json"), broken).unwrap();
        assert!(matches!(take(dir.path()), Err(IdentityError::Malformed { .. })), "{broken}");
    }
}

#[test]
fn a_file_of_a_build_that_counted_gets_a_disk_id_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.json");
    let counted = r#"{"format": 1, "node_id": 7, "incarnation": 12}"#;
    fs::write(&path, counted).unwrap();
    let other = Identity::take(dir.path(), NodeId(8), &SystemRng);
    assert!(matches!(other, Err(IdentityError::OtherNode { .. })), "{other:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), counted, "a refusal changes nothing");
    let first = registration(&take(dir.path()).unwrap());
    assert_eq!(file(dir.path())["format"], 2);
    assert_eq!(file(dir.path())["incarnation"], serde_json::Value::Null, "the metadata did not give it");
    assert_eq!(registration(&take(dir.path()).unwrap()).disk_id, first.disk_id);
}

#[test]
fn a_document_of_a_later_format_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let before = registration(&take(dir.path()).unwrap());
    let path = dir.path().join("node.json");
    let now = fs::read_to_string(&path).unwrap();
    for later in [now.replace("\"format\": 2", "\"format\": 3"), r#"{"format": 3, "who": 7}"#.to_owned()] {
        assert_ne!(later, now);
        fs::write(&path, &later).unwrap();
        let error = take(dir.path()).unwrap_err();
        assert!(error.to_string().contains("has format 3"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), later);
    }
    fs::write(&path, now).unwrap();
    assert_eq!(registration(&take(dir.path()).unwrap()).disk_id, before.disk_id);
}
