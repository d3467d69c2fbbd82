//! The gzip content coding (RFC 9110 section 8.4.1.3): playlists that encoders send compressed, and large ones that are
//! sent to players compressed.

use flate2::{
    Compression,
    read::{GzEncoder, MultiGzDecoder},
};
use std::io::Read;

/// Reports whether a Content-Encoding is gzip and nothing else. `x-gzip` is an older name of it.
pub fn is_gzip(content_encoding: &str) -> bool {
    let coding = content_encoding.trim();
    coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip")
}

/// Compresses a whole body. Equal bodies are compressed to equal bytes by one build: no time and no name is in them.
///
/// The level is a middle one: a playlist of 400 KB takes a few milliseconds, and the highest level would save little of
/// what is left and take several times as long.
pub fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    // Reading from memory cannot fail.
    let _ = GzEncoder::new(plain, Compression::new(5)).read_to_end(&mut packed);
    packed
}

/// Why a body could not be decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GunzipError {
    /// It would be larger than allowed.
    #[error("the decompressed body has more than {max} bytes")]
    TooLarge {
        /// What is allowed.
        max: usize,
    },
    /// Not gzip (RFC 1952), cut short, or corrupt.
    #[error("the body is not valid gzip")]
    Malformed,
}

/// Decompresses a whole gzip body of any number of members to at most `max` bytes. What a small body can cost is
/// bounded by `max`, in memory and in time, whatever it claims to hold.
pub fn gunzip_bounded(bytes: &[u8], max: usize) -> Result<Vec<u8>, GunzipError> {
    let mut plain = Vec::new();
    let one_past = (max as u64).saturating_add(1);
    MultiGzDecoder::new(bytes).take(one_past).read_to_end(&mut plain).map_err(|_| GunzipError::Malformed)?;
    if plain.len() > max { Err(GunzipError::TooLarge { max }) } else { Ok(plain) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_the_coding() {
        for (content_encoding, want) in [
            ("gzip", true),
            (" GZip ", true),
            ("x-gzip", true),
            ("gzip, gzip", false),
            ("br, gzip", false),
            ("identity", false),
            ("", false),
        ] {
            assert_eq!(is_gzip(content_encoding), want, "{content_encoding:?}");
        }
    }

    #[test]
    fn a_window_of_ten_thousand_lines_shrinks_well() {
        let lines = (0..5_000).map(|n| format!("#EXTINF:6.006,\nrendition/2026/segment_{n:08}.ts\n"));
        let plain = format!("#EXTM3U\n{}", lines.collect::<String>());
        let packed = gzip(plain.as_bytes());
        assert!(packed.len() * 8 < plain.len(), "{} of {} bytes", packed.len(), plain.len());
        assert_eq!(packed, gzip(plain.as_bytes()), "equal bodies, equal bytes");
    }

    #[test]
    fn at_the_limit_and_one_past() {
        let zeros = vec![0; 1_000_000];
        let packed = gzip(&zeros);
        assert_eq!(gunzip_bounded(&packed, 1_000_000).unwrap(), zeros);
        assert_eq!(gunzip_bounded(&packed, 999_999), Err(GunzipError::TooLarge { max: 999_999 }));
        assert_eq!(gunzip_bounded(&gzip(b""), 0), Ok(Vec::new()));
        assert_eq!(gunzip_bounded(&gzip(b"x"), 0), Err(GunzipError::TooLarge { max: 0 }));
    }

    #[test]
    fn several_members_count_together_and_a_cut_one_is_refused() {
        let two = [gzip(b"#EXTM3U\n"), gzip(b"a.ts\n")].concat();
        assert_eq!(gunzip_bounded(&two, 13).unwrap(), b"#EXTM3U\na.ts\n");
        assert_eq!(gunzip_bounded(&two, 12), Err(GunzipError::TooLarge { max: 12 }));
        for bad in [&b""[..], b"#EXTM3U\n", &two[..two.len() - 1]] {
            assert_eq!(gunzip_bounded(bad, 100), Err(GunzipError::Malformed));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, max in 0..64usize) {
            let with_header = [&gzip(b"")[..10], &bytes].concat();
            for input in [&bytes, &with_header] {
                prop_assert!(gunzip_bounded(input, max).map_or(0, |plain| plain.len()) <= max);
            }
        }

        #[test]
        fn what_was_packed_comes_back(plain: Vec<u8>) {
            prop_assert_eq!(gunzip_bounded(&gzip(&plain), plain.len()).unwrap(), plain);
        }
    }
}
