//! Free loopback ports. They are below the range that Linux gives to outgoing connections, so that a process which is
//! stopped and started again finds its port still free.

use anyhow::bail;
use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::Range,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{self, UnixListener},
    },
    process,
    sync::{Mutex, PoisonError},
};

/// Below `net.ipv4.ip_local_port_range`, above most services.
const RANGE: Range<u16> = 20_000..32_000;
/// A task looks for its ports in a block of so many that it has for itself, whether somebody listens there or not: what it
/// has stopped may be started again.
const BLOCK: u16 = 100;
/// The claims on blocks, which end with the process.
static CLAIMED: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());

/// `count` different loopback addresses that nobody listens on.
///
/// # Errors
/// So many are not free.
pub fn free(count: usize) -> anyhow::Result<Vec<SocketAddr>> {
    // Each is held until all are found, so that none is given twice.
    let held: Vec<TcpListener> = candidates(claim(process::id())?)
        .filter_map(|port| TcpListener::bind(loopback(port)).ok())
        .take(count)
        .collect();
    if held.len() < count {
        bail!("only {} of {count} loopback ports are free in {RANGE:?}", held.len());
    }
    Ok(held.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?)
}

/// The port that is asked for if it is free, else another one.
///
/// # Errors
/// No port is free.
pub fn preferred(port: u16) -> anyhow::Result<SocketAddr> {
    if TcpListener::bind(loopback(port)).is_ok() {
        return Ok(loopback(port));
    }
    let found = free(1)?;
    Ok(found[0])
}

/// 127.0.0.1 with this port.
fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Claims a block that no other process has, by a name that the system forgets with the process; where it begins in the
/// range. Which one is tried first depends on the process.
fn claim(process: u32) -> io::Result<u16> {
    let blocks = u32::from(RANGE.end - RANGE.start) / u32::from(BLOCK);
    for step in 0..blocks {
        let block = process.wrapping_add(step) % blocks;
        let name = net::SocketAddr::from_abstract_name(format!("headwater-ports-{block}"))?;
        if let Ok(claimed) = UnixListener::bind_addr(&name) {
            CLAIMED.lock().unwrap_or_else(PoisonError::into_inner).push(claimed);
            return Ok(u16::try_from(block).unwrap_or(0) * BLOCK);
        }
    }
    Err(io::Error::other("every block of ports is claimed by a running task"))
}

/// Every port of the range once, from the one at `start` on.
fn candidates(start: u16) -> impl Iterator<Item = u16> {
    let length = RANGE.end - RANGE.start;
    (0..length).map(move |step| RANGE.start + (start + step) % length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn candidates_are_each_port_once() {
        for start in [0, BLOCK, RANGE.end - RANGE.start - BLOCK] {
            let all: HashSet<u16> = candidates(start).collect();
            assert_eq!(all.len(), RANGE.len());
            assert!(all.iter().all(|port| RANGE.contains(port)));
        }
    }

    #[test]
    fn tasks_that_run_side_by_side_have_blocks_of_their_own() {
        let claimed: HashSet<u16> = [7, 7, 8, u32::MAX].map(|process| claim(process).unwrap()).into();
        assert_eq!(claimed.len(), 4);
        assert!(claimed.iter().all(|start| start % BLOCK == 0 && *start <= RANGE.end - RANGE.start - BLOCK));
    }

    #[test]
    fn ports_differ_and_a_taken_one_is_passed_over() {
        let found = free(20).unwrap();
        assert_eq!(found.iter().collect::<HashSet<_>>().len(), 20);

        let taken = TcpListener::bind(found[0]).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(preferred(port).unwrap().port(), port);
        drop(taken);
    }
}
