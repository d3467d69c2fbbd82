//! HLS playlists (RFC 8216): the two facts that a Cache-Control needs.

use std::time::Duration;

/// The target duration of a media playlist (section 4.3.3.1), in whole seconds. A fraction, which the RFC does not
/// allow but some encoders write, is cut off. `None` if there is no such tag or its value is no number.
pub fn target_duration(body: &[u8]) -> Option<Duration> {
    let value = lines(body)?.find_map(|line| line.strip_prefix(b"#EXT-X-TARGETDURATION:"))?.trim_ascii();
    let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
    let seconds = std::str::from_utf8(&value[..digits]).ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Whether it is a multivariant playlist: one with a tag that only those have (section 4.3.4).
pub fn is_multivariant(body: &[u8]) -> bool {
    let tags: [&[u8]; 3] = [b"#EXT-X-STREAM-INF:", b"#EXT-X-I-FRAME-STREAM-INF:", b"#EXT-X-MEDIA:"];
    lines(body).is_some_and(|mut lines| lines.any(|line| tags.iter().any(|tag| line.starts_with(tag))))
}

/// The lines after `#EXTM3U`, without their ends; `None` if that is not the first line. A byte order mark, which the
/// RFC does not allow, is skipped.
fn lines(body: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut lines = body.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    (lines.next()?.trim_ascii_end() == b"#EXTM3U").then_some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(body: &str) -> Option<u64> {
        target_duration(body.as_bytes()).map(|d| d.as_secs())
    }

    #[test]
    fn target_durations() {
        for (body, want) in [
            ("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n#EXTINF:6.006,\na.ts\n", Some(6)),
            ("\u{feff}#EXTM3U\r\n#EXT-X-TARGETDURATION: 10 \r\n", Some(10)),
            ("#EXTM3U\n#EXT-X-TARGETDURATION:2.002", Some(2)),
            ("#EXTM3U\n#EXT-X-TARGETDURATION:18446744073709551615\n", Some(u64::MAX)),
            ("#EXTM3U\n#EXT-X-TARGETDURATION:18446744073709551616\n", None),
            ("#EXTM3U\n#EXT-X-TARGETDURATION:-1\n", None),
            ("#EXTM3U\n#EXT-X-TARGETDURATION:\n", None),
            ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n", None),
            ("#EXT-X-TARGETDURATION:6\n#EXTM3U\n", None),
            ("#EXTM3U8\n#EXT-X-TARGETDURATION:6\n", None),
            ("", None),
        ] {
            assert_eq!(seconds(body), want, "{body:?}");
        }
    }

    #[test]
    fn multivariant_playlists_have_variants_or_renditions() {
        for tag in
            ["#EXT-X-STREAM-INF:BANDWIDTH=1", "#EXT-X-I-FRAME-STREAM-INF:URI=a", "#EXT-X-MEDIA:TYPE=AUDIO"]
        {
            assert!(is_multivariant(format!("#EXTM3U\n{tag}\n").as_bytes()), "{tag}");
        }
        assert!(!is_multivariant(b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:1\n#EXTINF:6,\n"));
        assert!(!is_multivariant(b"#EXT-X-MEDIA:TYPE=AUDIO\n"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(start in "(#EXTM3U\n)?(#EXT-X-TARGETDURATION:)?", rest: Vec<u8>) {
            let body = [start.as_bytes(), &rest].concat();
            let _ = target_duration(&body);
            let _ = is_multivariant(&body);
        }

        #[test]
        fn a_written_target_duration_is_read(
            seconds: u64,
            before in proptest::collection::vec("[^\r\n]{0,20}", 0..5),
        ) {
            prop_assume!(!before.iter().any(|line| line.starts_with("#EXT-X-TARGETDURATION:")));
            let body = format!("#EXTM3U\n{}\n#EXT-X-TARGETDURATION:{seconds}\n", before.join("\n"));
            prop_assert_eq!(target_duration(body.as_bytes()), Some(Duration::from_secs(seconds)));
        }
    }
}
