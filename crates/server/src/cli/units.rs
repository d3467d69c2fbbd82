//! Numbers as people write and read them.

use headwater_types::RateLimits;
use std::time::Duration;

use super::output::Cell;

/// Rate limits for people: nothing where there are none.
pub fn rates(limits: &RateLimits) -> Cell {
    let requests = |limit: Option<u64>, what| limit.map(|count| format!("{count} {what}/s"));
    let size = |limit: Option<u64>, what| limit.map(|count| format!("{} {what}/s", bytes(count)));
    let given = [
        requests(limits.read_requests_per_s, "reads"),
        size(limits.read_bytes_per_s, "read"),
        requests(limits.write_requests_per_s, "writes"),
        size(limits.write_bytes_per_s, "written"),
    ];
    let given: Vec<_> = given.into_iter().flatten().collect();
    if given.is_empty() { Cell::none() } else { given.join(", ").into() }
}

/// Reads a duration: a number with `ms`, `s`, `m`, `h` or `d`; without a unit, seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration: a number with ms, s, m, h or d is, like 30s, 5m or 7d");
    let (number, unit) = split(text);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())
}

/// As [`parse_duration`], at least one second and whole seconds.
pub fn parse_seconds(text: &str) -> Result<u64, String> {
    let duration = parse_duration(text)?;
    match duration.as_secs() {
        seconds @ 1.. if duration.subsec_nanos() == 0 => Ok(seconds),
        _ => Err(format!("{text:?} is not allowed: whole seconds, at least one")),
    }
}

/// Reads a bit rate: bits per second, or a number with `k`, `M` or `G` (powers of 1000).
pub fn parse_bitrate(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no bit rate: a number with k, M or G is, like 2500k or 2.5M");
    let (number, unit) = split(text);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let factor = match unit {
        "" => 1.0,
        "k" | "K" => 1e3,
        "m" | "M" => 1e6,
        "g" | "G" => 1e9,
        _ => return Err(wrong()),
    };
    let bits = number * factor;
    if bits.is_finite() && (1.0..=1e12).contains(&bits) { Ok(bits.round() as u64) } else { Err(wrong()) }
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    (number, unit.trim())
}

/// Bytes in binary units, at most one digit behind the point.
pub fn bytes(count: u64) -> String {
    scaled(count as f64, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
}

/// Bits per second in decimal units.
pub fn bits_per_second(count: f64) -> String {
    scaled(count, 1000.0, &["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"])
}

fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut unit = 0;
    while value >= step && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    let text = format!("{value:.1}");
    format!("{} {}", text.strip_suffix(".0").unwrap_or(&text), units[unit])
}

/// Seconds in the largest units that fit, like `7d` or `1h 30m`.
pub fn seconds(count: u64) -> String {
    let parts = [(count / 86_400, 'd'), (count / 3600 % 24, 'h'), (count / 60 % 60, 'm'), (count % 60, 's')];
    let parts: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if parts.is_empty() { "0s".into() } else { parts.join(" ") }
}

/// Milliseconds for people.
pub fn millis(count: u64) -> String {
    match count {
        0..1000 => format!("{count} ms"),
        _ => seconds(count / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("2.5"), Ok(Duration::from_millis(2500)));
        assert_eq!(parse_seconds("30d"), Ok(30 * 86_400));
        assert_eq!(parse_seconds("1h"), Ok(3600));
        for bad in ["", "s", "-1s", "1w", "1e3s", "1 2", "0", "1.5s", "99999999999999999999999d"] {
            assert!(parse_seconds(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn bit_rates() {
        assert_eq!(parse_bitrate("2500k"), Ok(2_500_000));
        assert_eq!(parse_bitrate("2.5M"), Ok(2_500_000));
        assert_eq!(parse_bitrate("750000"), Ok(750_000));
        for bad in ["", "k", "-1k", "0", "5x", "2000G"] {
            assert!(parse_bitrate(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_people_read() {
        assert_eq!([bytes(0), bytes(1023), bytes(1024)], ["0 B", "1023 B", "1 KiB"]);
        assert_eq!(bytes(850 * 1024 * 120), "99.6 MiB");
        assert_eq!(bits_per_second(4_750_000.0), "4.8 Mbit/s");
        assert_eq!([seconds(0), seconds(7 * 86_400), seconds(5400)], ["0s", "7d", "1h 30m"]);
        assert_eq!([millis(999), millis(61_000)], ["999 ms", "1m 1s"]);
    }
}
