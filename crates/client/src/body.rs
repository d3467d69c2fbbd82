//! What is sent.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream, stream::BoxStream};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Bytes in memory are sent in pieces of this size, so that progress can be seen.
const PIECE_BYTES: usize = 64 << 10;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// Told how many bytes have been handed to the connection so far.
pub(crate) type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// The body of a PUT: bytes in memory, which can be sent again, or a stream, which cannot.
pub struct Body(Kind);

enum Kind {
    Bytes(Bytes),
    Stream { pieces: BoxStream<'static, Result<Bytes, BoxError>>, length: Option<u64> },
    Taken,
}

impl Body {
    /// A stream of unknown length: it is sent chunked. An error of the stream cuts the upload, and nothing is stored.
    pub fn stream<S, E>(pieces: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        Self(Kind::Stream { pieces: pieces.map_err(Into::into).boxed(), length: None })
    }

    /// A stream of exactly `length` bytes: the origin can refuse what is too large before it is sent.
    pub fn sized_stream<S, E>(pieces: S, length: u64) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        Self(Kind::Stream { pieces: pieces.map_err(Into::into).boxed(), length: Some(length) })
    }

    /// Whether it can be sent more than once.
    pub(crate) fn is_replayable(&self) -> bool {
        matches!(self.0, Kind::Bytes(_))
    }

    /// The body for one call and its length, if known; `None` if it was a stream and is used up. `sent` counts along.
    pub(crate) fn take(
        &mut self,
        sent: &Arc<AtomicU64>,
        progress: Option<&Progress>,
    ) -> Option<(reqwest::Body, Option<u64>)> {
        let (pieces, length) = match &mut self.0 {
            Kind::Bytes(bytes) => {
                let length = bytes.len() as u64;
                (pieces_of(bytes.clone()), Some(length))
            }
            Kind::Taken => return None,
            stream @ Kind::Stream { .. } => match std::mem::replace(stream, Kind::Taken) {
                Kind::Stream { pieces, length } => (pieces, length),
                Kind::Bytes(_) | Kind::Taken => return None,
            },
        };
        sent.store(0, Ordering::Relaxed);
        let (sent, progress) = (sent.clone(), progress.cloned());
        let counted = pieces.inspect_ok(move |piece| {
            let total = sent.fetch_add(piece.len() as u64, Ordering::Relaxed) + piece.len() as u64;
            if let Some(progress) = &progress {
                progress(total);
            }
        });
        Some((reqwest::Body::wrap_stream(counted), length))
    }
}

fn pieces_of(bytes: Bytes) -> BoxStream<'static, Result<Bytes, BoxError>> {
    let next = |mut rest: Bytes| async move {
        let piece = rest.split_to(rest.len().min(PIECE_BYTES));
        (!piece.is_empty()).then_some((Ok(piece), rest))
    };
    stream::unfold(bytes, next).boxed()
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Bytes(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Kind::Stream { length, .. } => write!(f, "Body(stream of {length:?})"),
            Kind::Taken => f.write_str("Body(sent)"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Bytes(bytes))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}
