//! The first of the README's two commands, but for the build of the server.

use headwater_testkit::{Process, binary::binary};
use std::{process::Command, time::Duration};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_pushes_a_ladder_that_plays_and_ends_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary("xtask"));
    command.args(["demo", "--seconds", "6", "--headwater"]).arg(binary("headwater"));
    command.arg("--data-dir").arg(dir.path().join("data"));
    let mut demo = Process::start(&mut command, &dir.path().join("demo.log")).unwrap();
    let status = demo.wait(Duration::from_secs(180)).await.unwrap();
    let said = demo.output();
    assert!(status.success(), "{status}: {said}");
    for expected in ["Watch it in a browser", "every rendition plays", "?token=hw_"] {
        assert!(said.contains(expected), "no {expected:?}: {said}");
    }
}
