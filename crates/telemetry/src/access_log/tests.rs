use super::*;
use crate::access_log::sink::Output;
use std::{
    fs,
    sync::mpsc::{Receiver, Sender, channel},
};

/// An output whose every write is announced and then answered by the test.
struct Scripted {
    offered: Sender<Vec<u8>>,
    answers: Receiver<io::Result<usize>>,
}

impl Output for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.offered.send(bytes.to_vec()).unwrap();
        self.answers.recv().unwrap_or(Ok(bytes.len()))
    }
}

fn scripted() -> (AccessLog, Receiver<Vec<u8>>, Sender<io::Result<usize>>) {
    let (offered, writes) = channel();
    let (answer, answers) = channel();
    (AccessLog::start(Sink::new(Scripted { offered, answers })).unwrap(), writes, answer)
}

fn counts(log: &AccessLog) -> (u64, u64) {
    let shared = &log.handle.as_ref().unwrap().shared;
    (shared.dropped.get(), shared.write_errors.get())
}

#[test]
fn a_file_gets_every_line_by_the_end_of_the_shutdown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    fs::write(&path, "kept\n").unwrap();
    let log = AccessLog::file(&path).unwrap();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let log = log.clone();
            thread::spawn(move || {
                (0..1000).for_each(|n| log.line(format!("{{\"n\":\"{writer}-{n}\"}}").into_bytes()))
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    log.shutdown();
    log.line(b"too late".to_vec());

    let text = fs::read_to_string(&path).unwrap();
    let lines: std::collections::BTreeSet<_> = text.lines().collect();
    assert_eq!(
        (lines.len(), lines.contains("kept"), lines.contains("{\"n\":\"3-999\"}")),
        (4001, true, true)
    );
    assert_eq!(counts(&log), (1, 0));
}

#[test]
fn a_file_is_written_without_a_shutdown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let log = AccessLog::file(&path).unwrap();
    log.line(b"{}".to_vec());
    while fs::read(&path).unwrap() != b"{}\n" {
        thread::yield_now();
    }
}

#[test]
fn lines_and_bytes_are_bounded_while_the_disk_hangs() {
    let (log, writes, answer) = scripted();
    log.line(b"first".to_vec());
    assert_eq!(writes.recv().unwrap(), b"first\n");

    for _ in 0..=BUFFER_LINES_MAX {
        log.line(b"x".to_vec());
    }
    assert_eq!(counts(&log), (1, 0), "one past the limit of lines is dropped");
    answer.send(Ok(6)).unwrap();
    assert_eq!(writes.recv().unwrap().len(), 2 * BUFFER_LINES_MAX);

    log.line(vec![b'x'; BUFFER_BYTES_MAX]);
    assert_eq!(counts(&log), (2, 0), "with its newline it is one past the limit of bytes");
    log.line(vec![b'x'; BUFFER_BYTES_MAX - 1]);
    assert_eq!(counts(&log), (2, 0), "at the limit");
    answer.send(Ok(2 * BUFFER_LINES_MAX)).unwrap();
    assert_eq!(writes.recv().unwrap().len(), BUFFER_BYTES_MAX);
    drop(answer);
}

#[test]
fn a_failing_disk_costs_its_lines_and_later_ones_start_afresh() {
    let (log, writes, answer) = scripted();
    log.line(b"first".to_vec());
    assert_eq!(writes.recv().unwrap(), b"first\n");
    log.line(b"one".to_vec());
    log.line(b"two".to_vec());
    answer.send(Ok(6)).unwrap();
    assert_eq!(writes.recv().unwrap(), b"one\ntwo\n");
    answer.send(Ok(5)).unwrap();
    assert_eq!(writes.recv().unwrap(), b"wo\n");
    answer.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
    while counts(&log) != (2, 1) {
        thread::yield_now();
    }
    log.line(b"three".to_vec());
    assert_eq!(writes.recv().unwrap(), b"\n", "ends the line that was cut");
    answer.send(Ok(1)).unwrap();
    assert_eq!(writes.recv().unwrap(), b"three\n");
    drop(answer);
    log.shutdown();
    assert_eq!(counts(&log), (2, 1));
}

#[test]
fn a_file_that_fails_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let (path, full) = (dir.path().join("access.log"), Path::new("/dev/full"));
    std::os::unix::fs::symlink(full, &path).unwrap();
    let mut sink = Sink::new(FileOutput::open(&path).unwrap());
    assert_eq!(sink.write(b"lost\n").unwrap_err().kind(), io::ErrorKind::StorageFull);
    fs::remove_file(&path).unwrap();
    sink.write(b"kept\n").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"kept\n");
}

#[test]
fn its_metrics_are_registered_and_a_disabled_log_has_none() {
    let metrics = MetricsRegistry::new();
    let log = AccessLog::disabled();
    log.line(b"{}".to_vec());
    log.register(&metrics);
    assert!(!log.is_enabled() && !metrics.encode().contains("access_log"));
    let (log, _writes, _answer) = scripted();
    log.register(&metrics);
    assert!(log.is_enabled() && metrics.encode().contains("headwater_access_log_dropped_total 0"));
}
