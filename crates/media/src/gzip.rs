//! Playlists that encoders send compressed.

use flate2::read::MultiGzDecoder;
use std::io::Read;

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
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use std::io::Write;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
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
