//! The access log: one JSON document a line, to a file or standard output, never in the way of a request.
//!
//! Lines go into a bounded buffer, which a thread writes out every [`FLUSH_INTERVAL`]. What does not fit is dropped and
//! counted, so the log is bounded in memory and, by the interval, in bytes and lines a second.

mod sink;
#[cfg(test)]
mod tests;

use parking_lot::{Condvar, Mutex};
use prometheus_client::metrics::counter::Counter;
use std::{io, mem, path::Path, sync::Arc, thread, time::Duration};

use crate::metrics::MetricsRegistry;
use sink::{FileOutput, Sink, StdoutOutput};

/// How often lines are written out.
pub const FLUSH_INTERVAL: Duration = Duration::from_millis(100);
/// Most bytes that wait to be written: 4 MiB, so at most 40 MiB a second.
pub const BUFFER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most lines that wait to be written, so at most 200,000 a second.
pub const BUFFER_LINES_MAX: usize = 20_000;
/// How long a shutdown waits for the last lines.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// An access log. A clone writes to the same one; the last to be dropped flushes it as [`AccessLog::shutdown`] does.
#[derive(Debug, Clone)]
pub struct AccessLog {
    handle: Option<Arc<Handle>>,
}

impl AccessLog {
    /// Logs nothing.
    pub fn disabled() -> Self {
        Self { handle: None }
    }

    /// Logs to standard output.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn stdout() -> io::Result<Self> {
        Self::start(Sink::new(StdoutOutput))
    }

    /// Appends to a file, which is made if it is not there. A disk that fails later costs the lines of that time and no
    /// more: the file is opened again with the next lines.
    ///
    /// # Errors
    /// The file cannot be opened, or no thread could be started.
    pub fn file(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::start(Sink::new(FileOutput::open(path.as_ref())?))
    }

    fn start(sink: Sink) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        thread::Builder::new().name("access-log".into()).spawn(move || writer.write_out(sink))?;
        Ok(Self { handle: Some(Arc::new(Handle { shared })) })
    }

    /// Whether lines go anywhere; if not, they need not be made.
    pub fn is_enabled(&self) -> bool {
        self.handle.is_some()
    }

    /// Logs one JSON document without line breaks; its newline is added here. Never waits for the disk.
    pub fn line(&self, line: Vec<u8>) {
        if let Some(handle) = &self.handle {
            handle.shared.push(&line);
        }
    }

    /// Registers `access_log_dropped_total` and `access_log_write_errors_total`.
    pub fn register(&self, metrics: &MetricsRegistry) {
        let Some(handle) = &self.handle else { return };
        let Shared { dropped, write_errors, .. } = handle.shared.as_ref();
        metrics.register(|registry| {
            registry.register(
                "access_log_dropped",
                "Access log lines that were not written",
                dropped.clone(),
            );
            registry.register(
                "access_log_write_errors",
                "Failed writes of the access log",
                write_errors.clone(),
            );
        });
    }

    /// Writes out what is buffered, waiting at most two seconds. Later lines are dropped.
    pub fn shutdown(&self) {
        if let Some(handle) = &self.handle {
            handle.shared.close();
        }
    }
}

/// Ends the writer with the last [`AccessLog`].
#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.close();
    }
}

#[derive(Debug, Default)]
struct Shared {
    buffer: Mutex<Buffer>,
    /// Tells the writer that the log is closing, and the closer that the writer is done.
    changed: Condvar,
    dropped: Counter,
    write_errors: Counter,
}

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    lines: usize,
    closing: bool,
    done: bool,
}

impl Shared {
    fn push(&self, line: &[u8]) {
        let mut buffer = self.buffer.lock();
        let fits = buffer.bytes.len() + line.len() < BUFFER_BYTES_MAX && buffer.lines < BUFFER_LINES_MAX;
        if fits && !buffer.closing {
            buffer.bytes.extend_from_slice(line);
            buffer.bytes.push(b'\n');
            buffer.lines += 1;
        } else {
            self.dropped.inc();
        }
    }

    fn close(&self) {
        let mut buffer = self.buffer.lock();
        buffer.closing = true;
        self.changed.notify_all();
        let timed_out =
            self.changed.wait_while_for(&mut buffer, |buffer| !buffer.done, SHUTDOWN_TIMEOUT).timed_out();
        drop(buffer);
        if timed_out {
            tracing::warn!("the last lines of the access log could not be written in time");
        }
    }

    /// The writer thread: swaps the buffer for an empty one at each interval and writes it without the lock.
    fn write_out(&self, mut sink: Sink) {
        let mut batch = Vec::new();
        loop {
            let mut buffer = self.buffer.lock();
            self.changed.wait_while_for(&mut buffer, |buffer| !buffer.closing, FLUSH_INTERVAL);
            mem::swap(&mut buffer.bytes, &mut batch);
            let lines = mem::take(&mut buffer.lines);
            let closing = buffer.closing;
            drop(buffer);
            if lines > 0 && sink.write(&batch).is_err() {
                self.write_errors.inc();
                self.dropped.inc_by(u64::try_from(lines).unwrap_or(u64::MAX));
            }
            batch.clear();
            if closing {
                self.buffer.lock().done = true;
                self.changed.notify_all();
                return;
            }
        }
    }
}
