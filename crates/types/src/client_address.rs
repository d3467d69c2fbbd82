//! Where a request comes from, seen through the proxies that an operator trusts.

use http::HeaderMap;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

const X_FORWARDED_FOR: &str = "x-forwarded-for";
/// Most proxies behind one another that are looked through.
const HOPS_MAX: usize = 32;
/// Bits of the prefix of IPv4 addresses within IPv6 (RFC 4291, section 2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// The client's address: the peer, or, where that is a trusted proxy, the last address of `X-Forwarded-For` that is
/// none. What stands further left was written by whoever sent the request and is not believed; a request with trusted
/// addresses only comes from the first of them.
///
/// `None` where it is not known: an entry that a trusted proxy should not have let through.
pub fn of(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = peer.ip().to_canonical();
    if trusted.is_empty() || !is_within(peer, trusted) {
        return Some(peer);
    }
    let lines = headers.get_all(X_FORWARDED_FOR).into_iter().rev();
    let entries = lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
    let mut first = peer;
    for (hop, entry) in entries.map(str::trim).filter(|entry| !entry.is_empty()).enumerate() {
        first = parse(entry).filter(|_| hop < HOPS_MAX)?;
        if !is_within(first, trusted) {
            break;
        }
    }
    Some(first)
}

/// Some proxies add the port.
fn parse(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse::<IpAddr>().ok();
    address.or_else(|| Some(entry.parse::<SocketAddr>().ok()?.ip())).map(|address| address.to_canonical())
}

/// Whether one of the networks has this (canonical) address. A network of IPv4 addresses within IPv6 has them as such,
/// too; a wider one, such as `::/0`, does not.
pub fn is_within(address: IpAddr, nets: &[IpNet]) -> bool {
    let mapped = |net: &IpNet, address: Ipv6Addr| {
        net.prefix_len() >= MAPPED_BITS && net.contains(&IpAddr::V6(address))
    };
    nets.iter().any(|net| match (net, address) {
        (IpNet::V6(_), IpAddr::V4(v4)) => mapped(net, v4.to_ipv6_mapped()),
        _ => net.contains(&address),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn nets(list: &[&str]) -> Vec<IpNet> {
        list.iter().map(|net| net.parse().unwrap()).collect()
    }

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> Option<String> {
        let mut request = Request::get("/");
        for line in forwarded {
            request = request.header(X_FORWARDED_FOR, *line);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let peer = SocketAddr::new(peer.parse().unwrap(), 1);
        of(peer, &parts.headers, &nets(trusted)).map(|address| address.to_string())
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted = ["10.0.0.0/8", "fd00::/8"];
        for (peer, forwarded, trusted, want) in [
            ("192.0.2.1", &[][..], &[][..], Some("192.0.2.1")),
            ("192.0.2.1", &["198.51.100.7"], &[], Some("192.0.2.1")),
            ("192.0.2.1", &["198.51.100.7"], &trusted, Some("192.0.2.1")),
            ("10.0.0.1", &["198.51.100.7"], &trusted, Some("198.51.100.7")),
            ("::ffff:10.0.0.1", &["::ffff:198.51.100.7"], &trusted, Some("198.51.100.7")),
            ("10.0.0.1", &["198.51.100.7, 203.0.113.9"], &trusted, Some("203.0.113.9")),
            ("10.0.0.1", &["198.51.100.7, 203.0.113.9 ,10.9.9.9"], &trusted, Some("203.0.113.9")),
            ("10.0.0.1", &["203.0.113.9", "10.9.9.9, fd00::2"], &trusted, Some("203.0.113.9")),
            ("fd00::1", &["203.0.113.9:4711"], &trusted, Some("203.0.113.9")),
            ("fd00::1", &["[2001:db8::1]:4711"], &trusted, Some("2001:db8::1")),
            ("fd00::1", &["[2001:db8::1]"], &trusted, Some("2001:db8::1")),
            ("10.0.0.1", &[], &trusted, Some("10.0.0.1")),
            ("10.0.0.1", &[","], &trusted, Some("10.0.0.1")),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], &trusted, Some("10.0.0.3")),
            ("10.0.0.1", &["203.0.113.9, unknown"], &trusted, None),
            ("10.0.0.1", &["unknown, 203.0.113.9"], &trusted, Some("203.0.113.9")),
        ] {
            assert_eq!(client(peer, forwarded, trusted).as_deref(), want, "{peer} {forwarded:?}");
        }
        let hops = |count: usize| vec!["10.0.0.2"; count].join(",");
        assert_eq!(client("10.0.0.1", &[&hops(HOPS_MAX)], &trusted).as_deref(), Some("10.0.0.2"));
        assert_eq!(client("10.0.0.1", &[&hops(HOPS_MAX + 1)], &trusted), None);
    }

    #[test]
    fn networks_of_both_families() {
        for (address, net, want) in [
            ("192.0.2.1", "192.0.2.0/24", true),
            ("192.0.3.1", "192.0.2.0/24", false),
            ("192.0.2.1", "0.0.0.0/0", true),
            ("192.0.2.1", "::/0", false),
            ("192.0.2.1", "::ffff:192.0.2.0/120", true),
            ("192.0.3.1", "::ffff:192.0.2.0/120", false),
            ("2001:db8::1", "2001:db8::/32", true),
            ("2001:db9::1", "2001:db8::/32", false),
            ("2001:db8::1", "0.0.0.0/0", false),
        ] {
            assert_eq!(is_within(address.parse().unwrap(), &nets(&[net])), want, "{address} {net}");
        }
    }
}
