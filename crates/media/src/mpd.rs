//! DASH manifests (ISO/IEC 23009-1): the one fact that a Cache-Control needs.

use std::time::Duration;

/// `MPD@minimumUpdatePeriod`: how soon clients ask for the manifest again. `None` if the document is not UTF-8, its
/// root is no MPD, or it has no such attribute that is a duration.
pub fn minimum_update_period(body: &[u8]) -> Option<Duration> {
    let mut attributes = root_attributes(std::str::from_utf8(body).ok()?)?;
    loop {
        let (name, rest) = attributes.trim_start().split_once('=')?;
        if name.contains('>') {
            return None;
        }
        let rest = rest.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, rest) = rest[1..].split_once(quote)?;
        if name.trim_end() == "minimumUpdatePeriod" {
            return parse_duration(value.trim());
        }
        attributes = rest;
    }
}

/// What follows `<MPD` (or `<prefix:MPD`) in its start tag and beyond; what stands before the root element (XML
/// sections 2.1 and 2.8) is skipped.
fn root_attributes(document: &str) -> Option<&str> {
    let mut rest = document.strip_prefix('\u{feff}').unwrap_or(document);
    loop {
        rest = rest.trim_start();
        let (_, after) = if let Some(comment) = rest.strip_prefix("<!--") {
            comment.split_once("-->")?
        } else if let Some(instruction) = rest.strip_prefix("<?") {
            instruction.split_once("?>")?
        } else if let Some(declaration) = rest.strip_prefix("<!") {
            declaration.split_once('>')?
        } else {
            let tag = rest.strip_prefix('<')?;
            let name = &tag[..tag.find(|c: char| c.is_whitespace() || matches!(c, '>' | '/'))?];
            let local = name.rsplit(':').next()?;
            return (local == "MPD").then(|| &tag[name.len()..]);
        };
        rest = after;
    }
}

/// Parses an `xs:duration` (ISO 8601) of days, hours, minutes and seconds, the last with a fraction, which is read to
/// the millisecond. Negative ones are refused, and years and months too: they have no fixed length, and no live
/// manifest needs them.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.strip_prefix('P')?;
    let (mut date, mut time) = text.split_once('T').unwrap_or((text, ""));
    if text.is_empty() || text.ends_with('T') {
        return None;
    }
    let mut millis = take_field(&mut date, 'D', 24 * 3_600_000)?;
    millis = millis.checked_add(take_field(&mut time, 'H', 3_600_000)?)?;
    millis = millis.checked_add(take_field(&mut time, 'M', 60_000)?)?;
    if let Some(seconds) = time.strip_suffix('S') {
        let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
        if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let thousandths: String = fraction.chars().chain("00".chars()).take(3).collect();
        millis = millis.checked_add(digits(whole)?.checked_mul(1000)?)?.checked_add(digits(&thousandths)?)?;
        time = "";
    }
    (date.is_empty() && time.is_empty()).then(|| Duration::from_millis(millis))
}

/// Takes a field that ends with `unit` off the front: 0 if there is none, `None` if it is no number or too large.
fn take_field(text: &mut &str, unit: char, unit_millis: u64) -> Option<u64> {
    match text.split_once(unit) {
        Some((value, rest)) => {
            *text = rest;
            digits(value)?.checked_mul(unit_millis)
        }
        None => Some(0),
    }
}

/// A number of digits only.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("PT2S", Some(2000)),
            ("PT0S", Some(0)),
            ("PT1.5S", Some(1500)),
            ("PT0.0015S", Some(1)),
            ("PT12.000000S", Some(12_000)),
            ("PT1M", Some(60_000)),
            ("PT1H2M3.25S", Some(3_723_250)),
            ("P1D", Some(86_400_000)),
            ("P1DT1S", Some(86_401_000)),
            ("PT18446744073709551S", Some(18_446_744_073_709_551_000)),
            ("PT18446744073709552S", None),
            ("P99999999999999999999D", None),
            ("", None),
            ("P", None),
            ("PT", None),
            ("P1DT", None),
            ("PTS", None),
            ("PT.5S", None),
            ("PT5.S", None),
            ("PT1.2.3S", None),
            ("PT1.2x4S", None),
            ("PT1.5xS", None),
            ("PT1S2M", None),
            ("PT1D", None),
            ("P1H", None),
            ("P1Y", None),
            ("P1M", None),
            ("-PT1S", None),
            ("PT-1S", None),
            ("PT+1S", None),
            ("PT1S ", None),
            ("pt1s", None),
        ] {
            assert_eq!(parse_duration(text), millis.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn the_attribute_is_the_root_s_own() {
        let two = Some(Duration::from_secs(2));
        for (document, want) in [
            (r#"<MPD minimumUpdatePeriod="PT2S">"#, two),
            (
                "\u{feff}<?xml version='1.0'?>\n<!-- <MPD minimumUpdatePeriod='PT9S'> --><!DOCTYPE MPD>\n<MPD\n\txmlns=\"a=b>c\"\n minimumUpdatePeriod = 'PT2S' />",
                two,
            ),
            (r#"<dash:MPD type="dynamic" minimumUpdatePeriod="PT2S"></dash:MPD>"#, two),
            (r#"<MPD type="static"><Period minimumUpdatePeriod="PT2S"/></MPD>"#, None),
            (r#"<MPD><Period minimumUpdatePeriod="PT2S"/></MPD>"#, None),
            (r#"<MPD><Period id="1" minimumUpdatePeriod="PT2S"/></MPD>"#, None),
            (r#"<MPD x="minimumUpdatePeriod='PT2S'">"#, None),
            (r#"<MPD xminimumUpdatePeriod="PT2S">"#, None),
            (r#"<MPDX minimumUpdatePeriod="PT2S">"#, None),
            (r#"<html><MPD minimumUpdatePeriod="PT2S"></html>"#, None),
            (r#"<MPD minimumUpdatePeriod=PT2S>"#, None),
            (r#"<MPD minimumUpdatePeriod="PT2S"#, None),
            ("<!-- <MPD minimumUpdatePeriod='PT2S'>", None),
            ("<MPD", None),
            ("", None),
        ] {
            assert_eq!(minimum_update_period(document.as_bytes()), want, "{document}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(
            start in "(<[?]x[?]>|<!--x-->)?(<MPD )?(minimumUpdatePeriod=\"P)?",
            rest: Vec<u8>,
            text in "\\PC*",
        ) {
            let _ = minimum_update_period(&[start.as_bytes(), &rest].concat());
            let _ = minimum_update_period(format!("{start}{text}").as_bytes());
            let _ = parse_duration(&text);
        }

        #[test]
        fn a_written_duration_is_read(h in 0..1000u64, m in 0..60u64, s in 0..60u64, ms in 0..1000u64) {
            let millis = ((h * 60 + m) * 60 + s) * 1000 + ms;
            let text = format!("PT{h}H{m}M{s}.{ms:03}S");
            prop_assert_eq!(parse_duration(&text), Some(Duration::from_millis(millis)));
        }
    }
}
