//! Transparent huge pages, which the process does without: `docs/decisions/huge-pages.md` says why.

/// Switches transparent huge pages off for this process, whatever its allocator asks for (`PR_SET_THP_DISABLE`,
/// prctl(2)). To be called before the first large allocation. A kernel that does not know the switch has the pages as
/// it likes: requests stall then, and nothing else changes.
pub fn switch_off() {
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
