//! `Accept-Encoding` (RFC 9110 section 12.5.3).

use http::{HeaderMap, header};

/// A weight in thousandths: 0 forbids, 1000 is the highest.
type Weight = u16;

/// The weight of `identity` where the header does not name it: acceptable, and less than whatever is named.
const UNNAMED: Weight = 1;

/// Reports whether a client accepts gzip and does not like the uncoded form better.
///
/// A request without the header may be answered in any coding. Clients that send none (curl, ffmpeg) do not decode
/// though, so they get the uncoded form, as from other servers.
pub(super) fn prefers_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    for (coding, weight) in lines.flat_map(|line| line.split(',')).map(entry) {
        let named = match coding {
            coding if headwater_media::gzip::is_gzip(coding) => &mut gzip,
            coding if coding.eq_ignore_ascii_case("identity") => &mut identity,
            "*" => &mut any,
            _ => continue,
        };
        *named = Some(named.map_or(weight, |other: Weight| other.max(weight)));
    }
    let gzip = gzip.or(any).unwrap_or(0);
    let identity = identity.or(any).unwrap_or(UNNAMED);
    gzip > 0 && gzip >= identity
}

/// A coding and its weight. A weight that is none asks for nothing.
fn entry(text: &str) -> (&str, Weight) {
    let mut parts = text.split(';').map(str::trim);
    let coding = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (coding, weight.map_or(1000, |text| parse_weight(text).unwrap_or(0)))
}

/// Parses a `qvalue` (section 12.4.2): 0 to 1 with at most three decimals.
fn parse_weight(text: &str) -> Option<Weight> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let are_decimals = decimals.len() <= 3 && decimals.bytes().all(|b| b.is_ascii_digit());
    let thousandths: Weight = format!("{decimals:0<3}").parse().ok().filter(|_| are_decimals)?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn prefers(lines: &[&str]) -> bool {
        let lines = lines.iter().map(|line| (header::ACCEPT_ENCODING, HeaderValue::from_str(line).unwrap()));
        let mut headers = HeaderMap::new();
        lines.for_each(|(name, value)| {
            headers.append(name, value);
        });
        prefers_gzip(&headers)
    }

    #[test]
    fn who_gets_gzip() {
        for (accept, want) in [
            ("gzip", true),
            ("GZIP", true),
            ("x-gzip", true),
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, gzip;q=0.8, *;q=0.1", true),
            ("gzip;q=0.001", true),
            ("gzip ; q=0.5 , identity;q=0.5", true),
            ("gzip;q=1.000, identity", true),
            ("*", true),
            ("*;q=0.3", true),
            ("gzip, *;q=0", true),
            ("gzip, identity;q=0", true),
            ("identity;q=0, *", true),
            ("", false),
            ("identity", false),
            ("identity, *;q=0", false),
            ("gzip;q=0", false),
            ("gzip;Q=0.000", false),
            ("gzip;q=0, *", false),
            ("*;q=0", false),
            ("br, deflate", false),
            ("gzip;q=0.4, identity;q=0.5", false),
            ("gzip;q=0.4, identity", false),
            ("gzip;q=0.4, *", false),
            ("identity;q=0.5, *;q=0.4", false),
            ("gzip;q=2", false),
            ("gzip;q=1.001", false),
            ("gzip;q=0.0001", false),
            ("gzip;q=x", false),
            ("gzip;q=", false),
            ("gzipped", false),
            (";q=1", false),
        ] {
            assert_eq!(prefers(&[accept]), want, "{accept:?}");
        }
        assert!(!prefers(&[]));
        assert!(prefers(&["br", "gzip"]));
        assert!(!prefers(&["gzip;q=0.1", "identity"]));
    }
}
