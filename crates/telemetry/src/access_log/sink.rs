//! Where the access log is written to, and how it gets over a write that failed.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// An output that may fail and be tried again.
pub trait Output: Send {
    /// Writes some of `bytes` and says how many.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
}

/// Writes whole batches of lines. After a failure it starts on a fresh line, and tells the log only that it began and
/// that it is over.
pub struct Sink {
    output: Box<dyn Output>,
    failing: bool,
    line_open: bool,
}

impl Sink {
    pub fn new(output: impl Output + 'static) -> Self {
        Self { output: Box::new(output), failing: false, line_open: false }
    }

    /// Writes `batch`, which ends in a newline.
    pub fn write(&mut self, batch: &[u8]) -> io::Result<()> {
        let result = self.write_all(batch);
        match &result {
            Err(error) if !self.failing => {
                tracing::warn!(%error, "the access log cannot be written; lines are dropped")
            }
            Ok(()) if self.failing => tracing::info!("the access log can be written again"),
            _ => {}
        }
        self.failing = result.is_err();
        result
    }

    fn write_all(&mut self, mut rest: &[u8]) -> io::Result<()> {
        if self.line_open && self.write_some(b"\n")? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while !rest.is_empty() {
            match self.write_some(rest)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => rest = &rest[written..],
            }
        }
        Ok(())
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.output.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(written) => {
                    if let Some(last) = written.checked_sub(1) {
                        self.line_open = bytes[last] != b'\n';
                    }
                    return Ok(written);
                }
            }
        }
    }
}

/// Appends to a file, so that a rotation by copy and truncate works too.
pub struct FileOutput {
    path: PathBuf,
    /// None after a failure: it is opened again for the next write.
    file: Option<File>,
}

impl FileOutput {
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: Some(append(path)?) })
    }
}

impl Output for FileOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => append(&self.path)?,
        };
        let written = file.write(bytes)?;
        self.file = Some(file);
        Ok(written)
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Standard output.
pub struct StdoutOutput;

impl Output for StdoutOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()?;
        Ok(bytes.len())
    }
}
