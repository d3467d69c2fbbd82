//! Sending and receiving.

use anyhow::{Context, Result};
use clap::Args;
use futures_util::stream;
use headwater_client::{Body, Client, Object};
use serde::Serialize;
use std::{
    io,
    os::fd::AsFd,
    path::{Path, PathBuf},
};
use tokio::{
    fs::{self, File},
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
};

use super::{file_name, file_or_pipe, not_there, parse_range};
use crate::cli::{
    output::Out,
    progress,
    units::{self, parse_seconds},
};

/// Bytes that are read from a file or pipe at a time.
const PIECE_BYTES: usize = 256 << 10;
/// A file up to this size is kept in memory, so that it can be sent again after a failure.
const REPLAY_BYTES_MAX: u64 = 16 << 20;

/// Options of `headwater object put`.
#[derive(Debug, Args)]
pub struct PutArgs {
    /// Key of the object.
    object: String,
    /// The file; `-` for standard input.
    file: PathBuf,
    /// How long it lives, like 5m; the namespace decides otherwise.
    #[arg(long, value_name = "DURATION", value_parser = parse_seconds)]
    ttl: Option<u64>,
    /// Content-Type; chosen by the extension otherwise.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Cache-Control, as readers get it.
    #[arg(long, value_name = "VALUE")]
    cache_control: Option<String>,
    /// Only if there is no such object.
    #[arg(long)]
    if_absent: bool,
    /// Only if the stored object has this entity tag.
    #[arg(long, value_name = "ETAG", conflicts_with = "if_absent")]
    if_match: Option<String>,
}

/// Options of `headwater object get`.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// Key of the object.
    object: String,
    /// The file; `-` for standard output; by default the last part of the key, here.
    file: Option<PathBuf>,
    /// Only these bytes: FIRST-LAST, FIRST- or -COUNT, counted from 0.
    #[arg(long, value_parser = parse_range, allow_hyphen_values = true)]
    range: Option<Span>,
}

/// Bytes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// From one to another, both included.
    Between(u64, u64),
    /// From one to the end.
    From(u64),
    /// The last ones.
    Suffix(u64),
}

#[derive(Serialize)]
struct Sent<'a> {
    object: &'a str,
    bytes: u64,
    created: bool,
    etag: Option<String>,
}

#[derive(Serialize)]
struct Received<'a> {
    object: &'a str,
    bytes: u64,
    file: &'a Path,
}

/// Sends a file or standard input.
pub async fn put(args: PutArgs, client: &Client, out: &Out) -> Result<()> {
    let (body, length) = match file_or_pipe(args.file) {
        Some(path) => open(&path).await.with_context(|| format!("reading {}", path.display()))?,
        None => (Body::stream(pieces(pipe(&io::stdin())?)), None),
    };
    let bar = progress::of_bytes(out, length);
    let moved = bar.clone();
    let mut put = client.put(&args.object, body).on_progress(move |sent| moved.set_position(sent));
    if let Some(seconds) = args.ttl {
        put = put.ttl_seconds(seconds);
    }
    if let Some(value) = &args.content_type {
        put = put.content_type(value);
    }
    if let Some(value) = &args.cache_control {
        put = put.cache_control(value);
    }
    if args.if_absent {
        put = put.if_absent();
    }
    if let Some(etag) = &args.if_match {
        put = put.if_match(etag);
    }
    let outcome = put.send().await;
    let bytes = bar.position();
    bar.finish_and_clear();
    let outcome = outcome?;
    let sent = Sent { object: &args.object, bytes, created: outcome.created, etag: outcome.etag };
    out.show(&sent, |_, sent| {
        let done = if sent.created { "stored" } else { "replaced" };
        format!("{done} {} ({})", sent.object, units::bytes(sent.bytes))
    })
}

/// Standard input or output, read and written as files are: by the runtime's blocking threads.
fn pipe(of: &impl AsFd) -> io::Result<File> {
    Ok(File::from_std(of.as_fd().try_clone_to_owned()?.into()))
}

/// A body over a file, and its length where it is a regular one.
async fn open(path: &Path) -> io::Result<(Body, Option<u64>)> {
    let mut file = File::open(path).await?;
    let about = file.metadata().await?;
    if !about.is_file() {
        return Ok((Body::stream(pieces(file)), None));
    }
    let length = about.len();
    if length > REPLAY_BYTES_MAX {
        return Ok((Body::sized_stream(pieces(file), length), Some(length)));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).await?;
    let length = bytes.len() as u64;
    Ok((Body::from(bytes), Some(length)))
}

fn pieces<R: AsyncRead + Unpin + Send + 'static>(
    from: R,
) -> impl futures_util::Stream<Item = io::Result<bytes::Bytes>> + Send + 'static {
    stream::try_unfold(from, |mut from| async move {
        let mut piece = bytes::BytesMut::with_capacity(PIECE_BYTES);
        let read = from.read_buf(&mut piece).await?;
        Ok((read > 0).then(|| (piece.freeze(), from)))
    })
}

/// Receives into a file or standard output. A file appears only when it is whole.
pub async fn get(args: GetArgs, client: &Client, out: &Out) -> Result<()> {
    let object = match args.range {
        None => client.get(&args.object).await,
        Some(Span::Between(first, last)) => client.get_range(&args.object, first..=last).await,
        Some(Span::From(first)) => client.get_range(&args.object, first..).await,
        Some(Span::Suffix(count)) => client.get_suffix(&args.object, count).await,
    };
    let object = match object {
        Err(error) if error.code() == Some("not_found") => return Err(not_there(&args.object)),
        object => object?,
    };
    let path = match args.file {
        Some(path) => file_or_pipe(path),
        None => Some(file_name(&args.object)?),
    };
    let Some(path) = path else {
        copy(object, &mut pipe(&io::stdout())?, out).await?;
        return Ok(());
    };
    let mut beside = path.clone().into_os_string();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let received = to_file(object, &beside, &path, out).await;
    if received.is_err() {
        drop(fs::remove_file(&beside).await);
    }
    let received = Received { object: &args.object, bytes: received?, file: &path };
    out.show(&received, |_, r| format!("{} ({}) is in {}", r.object, units::bytes(r.bytes), r.file.display()))
}

async fn to_file(object: Object, beside: &Path, path: &Path, out: &Out) -> Result<u64> {
    let named = |what: &str| format!("{what} {}", path.display());
    let mut file = File::create(beside).await.with_context(|| named("writing"))?;
    let bytes = copy(object, &mut file, out).await?;
    fs::rename(beside, path).await.with_context(|| named("writing"))?;
    Ok(bytes)
}

async fn copy(mut object: Object, to: &mut (impl AsyncWrite + Unpin), out: &Out) -> Result<u64> {
    let bar = progress::of_bytes(out, object.content_length());
    while let Some(piece) = object.chunk().await? {
        to.write_all(&piece).await?;
        bar.inc(piece.len() as u64);
    }
    to.flush().await?;
    let bytes = bar.position();
    bar.finish_and_clear();
    Ok(bytes)
}
