//! Reads a request's body into a kept one: counted, hashed, checked, and copied out of the connection's read buffers.

use bytes::{Bytes, BytesMut};
use headwater_proto::BodyEnd;
use headwater_types::{BudgetFull, DigestHasher, ErrorCode, limits::CHUNK_BYTES};
use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::{checks::BodyChecks, upload::Upload};
use crate::{
    problem::Problem,
    request_body::{RequestBody, RequestBodyError},
};

/// The first buffer of a body of unknown length; each further one is twice as large, up to [`CHUNK_BYTES`].
const FIRST_CHUNK_BYTES: usize = 16 * 1024;
/// So many pieces of a body are handed on as they arrive; later ones at least [`FIRST_CHUNK_BYTES`] at a time, so that
/// a body that trickles in byte by byte does not become a list that is longer than itself.
const PROMPT_PIECES_MAX: usize = 4096;
/// What a piece costs besides its bytes.
const PIECE_BYTES: u64 = 64;

/// What a body must keep to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// What Content-Length said.
    pub declared: Option<u64>,
    /// The namespace's limit.
    pub max: u64,
}

/// Collects one body. Dropped before [`Collector::finish`], it cuts the upload: whoever waits for the rest learns it.
pub(crate) struct Collector {
    upload: Arc<Upload>,
    limits: BodyLimits,
    checks: BodyChecks,
    hasher: DigestHasher,
    buffer: BytesMut,
    /// Whether a piece that was shown keeps the buffer's memory.
    is_shared: bool,
    /// Bytes of the next buffer.
    next_buffer: usize,
    /// Bytes of all buffers so far.
    allocated: u64,
    pieces: usize,
    size: u64,
}

impl Collector {
    pub fn new(upload: Arc<Upload>, limits: BodyLimits, checks: BodyChecks) -> Self {
        let next_buffer = match limits.declared {
            Some(size) => usize::try_from(size).unwrap_or(CHUNK_BYTES).clamp(1, CHUNK_BYTES),
            None => FIRST_CHUNK_BYTES,
        };
        Self {
            upload,
            limits,
            checks,
            hasher: DigestHasher::new(),
            buffer: BytesMut::new(),
            is_shared: false,
            next_buffer,
            allocated: 0,
            pieces: 0,
            size: 0,
        }
    }

    /// Reads on to the end; returns the number of bytes. `first` was read already.
    pub async fn collect(
        mut self,
        first: Option<Bytes>,
        body: &mut RequestBody,
        now: impl Fn() -> Duration,
    ) -> Result<u64, Problem> {
        if let Some(first) = first {
            self.append(&first).await?;
        }
        loop {
            match poll_fn(|cx| self.poll_next(body, cx)).await? {
                Some(data) => self.append(&data).await?,
                None => return self.finish(now()),
            }
        }
    }

    /// The next bytes of the body. What there is of it is shown before a wait.
    fn poll_next(
        &mut self,
        body: &mut RequestBody,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Problem>> {
        if self.upload.poll_refused(cx).is_ready() {
            return Poll::Ready(Err(no_memory()));
        }
        if let Poll::Ready(next) = body.poll_next(cx) {
            return Poll::Ready(next.map_err(unreadable));
        }
        // Where there is no room for it yet, it is shown later.
        match self.poll_publish_if_prompt(cx) {
            Poll::Ready(Err(problem)) => Poll::Ready(Err(problem)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }

    /// Copies data in. Nothing is shown to others before a wait or a full buffer: a burst becomes few pieces.
    async fn append(&mut self, mut data: &[u8]) -> Result<(), Problem> {
        self.size += data.len() as u64;
        if self.size > self.limits.max {
            return Err(too_large(self.limits.max));
        }
        self.hasher.update(data);
        self.checks.update(data);
        while !data.is_empty() {
            if self.buffer.capacity() == self.buffer.len() {
                self.publish();
                self.allocate().await?;
            }
            let part = data.len().min(self.buffer.capacity() - self.buffer.len());
            self.buffer.extend_from_slice(&data[..part]);
            data = &data[part..];
        }
        Ok(())
    }

    /// Takes the next buffer, once there is room for it.
    async fn allocate(&mut self) -> Result<(), Problem> {
        let left = self.limits.declared.map(|declared| declared.saturating_sub(self.allocated).max(1));
        let bytes = self.next_buffer.min(left.and_then(|l| usize::try_from(l).ok()).unwrap_or(usize::MAX));
        poll_fn(|cx| self.poll_room(bytes as u64, cx)).await?;
        self.buffer = BytesMut::with_capacity(bytes);
        self.is_shared = false;
        self.allocated += self.buffer.capacity() as u64;
        self.next_buffer = (self.next_buffer * 2).min(CHUNK_BYTES);
        Ok(())
    }

    /// Room for `more` bytes beside what is held. What is held of a body of known length beside what was reserved for it is
    /// not worth a refusal.
    fn poll_room(&self, more: u64, cx: &mut Context<'_>) -> Poll<Result<(), Problem>> {
        let bytes = self.held() + more;
        if self.limits.declared.is_some() {
            self.upload.cover_anyway(bytes);
            return Poll::Ready(Ok(()));
        }
        self.upload.poll_cover(bytes, cx).map_err(|BudgetFull| no_memory())
    }

    fn held(&self) -> u64 {
        self.allocated + self.pieces as u64 * PIECE_BYTES
    }

    fn poll_publish_if_prompt(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Problem>> {
        let is_prompt = self.pieces < PROMPT_PIECES_MAX || self.buffer.len() >= FIRST_CHUNK_BYTES;
        if is_prompt && !self.buffer.is_empty() {
            let copied = if self.is_shown_whole() { 0 } else { self.buffer.len() as u64 };
            ready!(self.poll_room(copied + PIECE_BYTES, cx))?;
            self.publish();
        }
        Poll::Ready(Ok(()))
    }

    /// Whether a piece keeps the buffer. A piece keeps all of it, and where the length is unknown nobody can say that
    /// more will come.
    fn is_shown_whole(&self) -> bool {
        self.limits.declared.is_some() || self.buffer.len() >= self.buffer.capacity() / 8 * 7
    }

    /// Shows what is in the buffer; the rest of it is filled on. A piece that would keep much of it empty is copied out.
    fn publish(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        self.pieces += 1;
        if self.is_shown_whole() {
            self.is_shared = true;
            self.upload.push(self.buffer.split().freeze());
        } else {
            self.allocated += self.buffer.len() as u64;
            self.upload.push(Bytes::copy_from_slice(&self.buffer));
            self.buffer.clear();
        }
    }

    fn finish(mut self, now: Duration) -> Result<u64, Problem> {
        if self.limits.declared.is_some_and(|declared| declared != self.size) {
            return Err(Problem::new(
                ErrorCode::BodyIncomplete,
                "the body is not as long as Content-Length says",
            ));
        }
        std::mem::take(&mut self.checks).finish()?;
        self.publish();
        if !self.is_shared {
            self.allocated -= self.buffer.capacity() as u64;
        }
        let end = BodyEnd { digest: self.hasher.digest(), size: self.size };
        self.upload.complete(end, self.held(), now);
        Ok(self.size)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.upload.cut();
    }
}

/// The answer to a body that cannot be read on.
pub(crate) fn unreadable(error: RequestBodyError) -> Problem {
    let code = match error {
        RequestBodyError::Cut => ErrorCode::BodyIncomplete,
        RequestBodyError::Idle => ErrorCode::RequestTimeout,
    };
    Problem::new(code, format!("{error}; nothing was stored"))
}

/// The answer to a body for which there is no memory.
pub(crate) fn no_memory() -> Problem {
    Problem::new(ErrorCode::Overloaded, "no memory for another body; nothing was stored")
}

/// The answer to a body that is larger than `max` bytes.
pub(crate) fn too_large(max: u64) -> Problem {
    Problem::new(
        ErrorCode::TooLarge,
        format!("the namespace allows objects of at most {max} bytes; nothing was stored"),
    )
}

#[cfg(test)]
mod tests;
