//! Free loopback ports. They are below the range that Linux gives to outgoing connections, so that a process which is
//! stopped and started again finds its port still free.

use anyhow::bail;
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::Range,
    process,
};

/// Below `net.ipv4.ip_local_port_range`, above most services.
const RANGE: Range<u16> = 20_000..32_000;

/// `count` different loopback addresses that nobody listens on.
///
/// # Errors
/// So many are not free.
pub fn free(count: usize) -> anyhow::Result<Vec<SocketAddr>> {
    // Each is held until all are found, so that none is given twice.
    let held: Vec<TcpListener> = candidates(process::id())
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

/// Every port of the range once. Where to begin depends on the process, so that tasks that run side by side rarely look
/// at the same ports in the moment between choosing and listening.
fn candidates(process: u32) -> impl Iterator<Item = u16> {
    let length = u32::from(RANGE.end - RANGE.start);
    let start = process.wrapping_mul(97) % length;
    (0..length).filter_map(move |step| {
        let offset = u16::try_from((start + step) % length).ok()?;
        Some(RANGE.start + offset)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn candidates_are_each_port_once() {
        for process in [0, 1, 4_194_304, u32::MAX] {
            let all: HashSet<u16> = candidates(process).collect();
            assert_eq!(all.len(), RANGE.len());
            assert!(all.iter().all(|port| RANGE.contains(port)));
        }
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
