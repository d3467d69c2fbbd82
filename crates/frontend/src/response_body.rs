//! A response's body: chunks as they are in memory, or a stream, without a box per frame.

use bytes::Bytes;
use futures_core::stream::BoxStream;
use headwater_proto::{ObjectBody, StorageError};
use headwater_types::Chunks;
use http_body::{Body, Frame, SizeHint};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use crate::access_log::Completion;

/// The bytes of an answer. An error cuts the connection, so that a reader cannot take a part for the whole.
#[derive(Debug)]
pub struct ResponseBody {
    kind: Kind,
    sent: u64,
    /// Told how it went when the body is dropped.
    completion: Option<Completion>,
}

enum Kind {
    /// No bytes, and nothing said of how many there would be: 204, 304, and HEAD of what is still arriving.
    Nothing,
    /// One piece, `None` once sent.
    Whole(Option<Bytes>),
    Chunks {
        chunks: Chunks,
        next: usize,
        left: u64,
    },
    /// `left` is `None` where the length is not known.
    Stream {
        stream: BoxStream<'static, Result<Bytes, StorageError>>,
        left: Option<u64>,
        ended: bool,
    },
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("Nothing"),
            Self::Whole(bytes) => write!(f, "Whole({})", bytes.as_ref().map_or(0, Bytes::len)),
            Self::Chunks { left, .. } => write!(f, "Chunks({left} left)"),
            Self::Stream { left, .. } => write!(f, "Stream({left:?} left)"),
        }
    }
}

impl ResponseBody {
    /// No body and no length.
    pub(crate) fn nothing() -> Self {
        Self::of(Kind::Nothing)
    }

    /// A body in one piece.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::of(Kind::Whole((!bytes.is_empty()).then_some(bytes)))
    }

    /// An object's bytes, of which there are `size`; `None` while it is still arriving.
    pub(crate) fn object(body: ObjectBody, size: Option<u64>) -> Self {
        Self::of(match body {
            ObjectBody::Memory(chunks) => Kind::Chunks { left: chunks.len(), chunks, next: 0 },
            ObjectBody::Stream(stream) => Kind::Stream { stream, left: size, ended: size == Some(0) },
        })
    }

    fn of(kind: Kind) -> Self {
        Self { kind, sent: 0, completion: None }
    }

    /// Tells `completion` how it went.
    pub(crate) fn with_completion(mut self, completion: Completion) -> Self {
        self.completion = Some(completion);
        self
    }
}

impl Kind {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StorageError>>> {
        match self {
            Self::Nothing => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(Ok)),
            Self::Chunks { chunks, next, left } => {
                let chunk = chunks.as_slice().get(*next).cloned();
                if let Some(chunk) = &chunk {
                    *next += 1;
                    *left -= chunk.len() as u64;
                }
                Poll::Ready(chunk.map(Ok))
            }
            Self::Stream { ended: true, .. } => Poll::Ready(None),
            Self::Stream { stream, left, ended } => {
                let polled = stream.as_mut().poll_next(cx);
                let Poll::Ready(item) = polled else { return Poll::Pending };
                let item = counted(item, left);
                *ended = *left == Some(0) || !matches!(item, Some(Ok(_)));
                Poll::Ready(item)
            }
        }
    }
}

/// Holds a stream to the length that was promised: too few or too many bytes cut it.
fn counted(
    item: Option<Result<Bytes, StorageError>>,
    left: &mut Option<u64>,
) -> Option<Result<Bytes, StorageError>> {
    match (&item, left) {
        (Some(Ok(bytes)), Some(left)) => match left.checked_sub(bytes.len() as u64) {
            Some(rest) => {
                *left = rest;
                item
            }
            None => Some(Err(StorageError::Invalid("a body is longer than its size".into()))),
        },
        (None, Some(left)) if *left > 0 => Some(Err(StorageError::BodyCut)),
        _ => item,
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = StorageError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StorageError>>> {
        let this = &mut *self;
        let Poll::Ready(item) = this.kind.poll_next(cx) else { return Poll::Pending };
        match &item {
            Some(Ok(bytes)) => this.sent += bytes.len() as u64,
            Some(Err(error)) => {
                tracing::warn!(%error, sent = this.sent, "a response was cut: its body could not be read to the end");
                if let Some(completion) = &mut this.completion {
                    completion.failed();
                }
            }
            None => {}
        }
        Poll::Ready(item.map(|result| result.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Nothing => true,
            Kind::Whole(bytes) => bytes.is_none(),
            Kind::Chunks { left, .. } => *left == 0,
            Kind::Stream { ended, .. } => *ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Nothing | Kind::Stream { left: None, .. } => SizeHint::default(),
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Chunks { left, .. } | Kind::Stream { left: Some(left), .. } => SizeHint::with_exact(*left),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if let Some(completion) = self.completion.take() {
            completion.finish(self.sent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn stream(pieces: &[&'static str]) -> ObjectBody {
        let items: Vec<_> = pieces.iter().map(|p| Ok(Bytes::from_static(p.as_bytes()))).collect();
        ObjectBody::Stream(Box::pin(futures_util::stream::iter(items)))
    }

    #[tokio::test]
    async fn lengths_are_exact_and_are_kept() {
        let memory =
            ObjectBody::Memory(Chunks::new(vec![Bytes::from_static(b"ab"), Bytes::from_static(b"c")]));
        for (body, size) in [(memory, Some(3)), (stream(&["ab", "c"]), Some(3)), (stream(&["abc"]), None)] {
            let body = ResponseBody::object(body, size);
            assert_eq!(body.size_hint().exact(), size);
            assert_eq!(body.collect().await.unwrap().to_bytes(), "abc");
        }
        for wrong in [2, 4] {
            let body = ResponseBody::object(stream(&["abc"]), Some(wrong));
            assert!(body.collect().await.is_err(), "{wrong}");
        }
        assert!(ResponseBody::nothing().is_end_stream());
        assert_eq!(ResponseBody::nothing().size_hint().exact(), None);
    }
}
