//! Every role runs without transparent huge pages: the first touch of one stalls a request.

use headwater_testkit::{Cluster, Dev};

/// Reports whether the kernel may give a process huge pages (`THP_enabled`, proc_pid_status(5)). `None`: the kernel has
/// none, or does not say.
fn may_have_huge_pages(pid: u32) -> Option<bool> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("THP_enabled:"))?;
    Some(line.trim() == "1")
}

#[tokio::test]
async fn no_role_has_transparent_huge_pages() {
    let own = may_have_huge_pages(std::process::id());
    if own != Some(true) {
        println!(
            "skipped: huge pages are off for this test itself ({own:?}), so its roles could not have any"
        );
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(dir.path(), &[]).await.unwrap();
    assert_eq!(may_have_huge_pages(dev.process().id()), Some(false), "dev");

    let dir = tempfile::tempdir().unwrap();
    let layout = ["--meta", "1", "--nodes-per-zone", "1", "--frontends", "1"];
    let cluster = Cluster::start(dir.path(), &layout).await.unwrap();
    for role in ["meta", "node", "frontend"] {
        assert_eq!(may_have_huge_pages(cluster.process(role, 1).unwrap().pid), Some(false), "{role}");
    }
}
