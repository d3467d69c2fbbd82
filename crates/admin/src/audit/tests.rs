use super::*;
use serde_json::json;
use std::{fs, os::unix::fs::PermissionsExt};

fn entry(number: usize) -> AuditEntry {
    AuditEntry {
        at: "2026-01-01T00:00:00.000Z".into(),
        who: "bootstrap".into(),
        client: None,
        action: "namespace.create".into(),
        target: format!("ns-{number:04}"),
        before: None,
        after: Some(json!({"unique_names": true})),
        request_id: "id".into(),
    }
}

fn read(path: &Path) -> Vec<AuditEntry> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn the_ring_is_bounded_and_newest_first() {
    let log = AuditLog::memory();
    for number in 0..=ENTRIES_KEPT {
        log.record(entry(number)).await;
    }
    let last = log.last(usize::MAX);
    assert_eq!(last.len(), ENTRIES_KEPT);
    assert_eq!((&last[0], &last[ENTRIES_KEPT - 1]), (&entry(ENTRIES_KEPT), &entry(1)));
    assert_eq!(log.last(2), [entry(ENTRIES_KEPT), entry(ENTRIES_KEPT - 1)]);
    let older: Vec<(u64, AuditEntry)> = log.before(Some(3)).collect();
    assert_eq!(older, [(2, entry(2)), (1, entry(1))], "the first one is forgotten");
    assert_eq!(log.before(Some(1)).count(), 0);
}

#[tokio::test]
async fn the_file_is_appended_to_over_restarts_and_moved_aside_when_full() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let line = serde_json::to_string(&entry(0)).unwrap().len() as u64 + 1;
    for number in 0..2 {
        AuditLog::bounded(&path, 2 * line).unwrap().record(entry(number)).await;
    }
    assert_eq!(read(&path), [entry(0), entry(1)], "at the limit");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let log = AuditLog::bounded(&path, 2 * line).unwrap();
    log.record(entry(2)).await;
    let aside = dir.path().join("audit.jsonl.1");
    assert_eq!((read(&aside), read(&path)), (vec![entry(0), entry(1)], vec![entry(2)]), "one past");
    for number in 3..5 {
        log.record(entry(number)).await;
    }
    assert_eq!((read(&aside), read(&path)), (vec![entry(2), entry(3)], vec![entry(4)]));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error() {
    assert!(AuditLog::file("/nonexistent/audit.jsonl").is_err());
}
