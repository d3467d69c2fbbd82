//! `cargo xtask demo`: a live channel on this machine, from nothing: server, encoder, watch page, a status line.

mod channel;
mod ladder;
mod probe;
mod status;

use crate::{
    fleet::Fleet,
    http,
    install::{self, FFMPEG},
    ports,
    stop::Stop,
    wait::Deadline,
    workspace::{self, Profile},
};
use anyhow::{Context, bail};
use channel::Channel;
use headwater_types::SystemClock;
use ladder::{LADDER, MULTIVARIANT, channel_url};
use serde::Deserialize;
use std::{
    fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

/// The ports that documentation uses, taken if they are free.
const DATA_PORT: u16 = 8080;
const ADMIN_PORT: u16 = 8081;
/// How long until the encoder's first segments of all renditions are there.
const FIRST_PLAY_LIMIT: Duration = Duration::from_secs(30);

/// Options of `cargo xtask demo`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// End after so many seconds of playing, with a check by ffprobe.
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Keep the server's data here instead of in a folder that is removed at the end.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Run this binary instead of building one.
    #[arg(long, value_name = "PATH")]
    headwater: Option<PathBuf>,
}

/// `dev.json`, as far as the demo needs it.
#[derive(Debug, Deserialize)]
struct Dev {
    data_url: String,
    admin_url: String,
    namespace: String,
    encoder_api_key: String,
    player_api_key: String,
    admin_token: String,
}

/// Runs the task.
pub fn run(options: &Options) -> anyhow::Result<()> {
    install::programs(&[FFMPEG])?;
    let ffmpeg = install::find("ffmpeg").context("ffmpeg is not installed")?;
    let ffprobe = install::find("ffprobe").context("ffprobe is not installed")?;
    let headwater = workspace::headwater(options.headwater.as_deref(), Profile::Release)?;

    let temporary = tempfile::Builder::new().prefix("headwater-demo-").tempdir()?;
    let logs = temporary.path();
    let data_dir = options.data_dir.clone().unwrap_or_else(|| logs.join("data"));
    fs::create_dir_all(&data_dir).with_context(|| format!("create {}", data_dir.display()))?;

    let stop = Stop::on_signals()?;
    let mut fleet = Fleet::new()?;
    let dev = start_server(&headwater, &data_dir, logs, &mut fleet, &stop)?;
    let clock = SystemClock::new();
    let channel = Channel {
        server: http::address_of(&dev.data_url)?,
        namespace: &dev.namespace,
        key: &dev.player_api_key,
        clock: &clock,
    };
    let url = channel_url(&dev.data_url, &dev.namespace);
    fleet.start(
        "encoder",
        &mut ladder::encoder(&ffmpeg, &url, &dev.encoder_api_key),
        &logs.join("encoder.log"),
    )?;
    fleet.wait_for("the channel to play", FIRST_PLAY_LIMIT, &stop, || Ok(channel.plays().then_some(())))?;
    print_how_to_watch(&dev, &url);
    watch(options.seconds, &dev, &channel, &mut fleet, &stop)?;

    if options.seconds.is_some() && !stop.requested() {
        for rendition in &LADDER {
            let playlist = format!("{url}/{}", rendition.playlist());
            println!("{}", probe::check(&ffprobe, &playlist, &dev.player_api_key, rendition, logs, &stop)?);
        }
        println!("every rendition plays");
    }
    Ok(())
}

/// Starts `headwater dev` and waits until it is ready.
fn start_server(
    headwater: &Path,
    data_dir: &Path,
    logs: &Path,
    fleet: &mut Fleet,
    stop: &Stop,
) -> anyhow::Result<Dev> {
    let data = ports::preferred(DATA_PORT)?;
    let admin = ports::preferred(ADMIN_PORT)?;
    let mut command = Command::new(headwater);
    command.args(["dev", "--listen", &data.to_string(), "--admin-listen", &admin.to_string(), "--data-dir"]);
    command.arg(data_dir);
    fleet.start("headwater", &mut command, &logs.join("headwater.log"))?;
    fleet.wait_ready("the server to be ready", &[admin], stop)?;
    // Written before the server is ready, and again at each start.
    let json = fs::read(data_dir.join("dev.json")).context("read dev.json")?;
    serde_json::from_slice(&json).context("dev.json")
}

/// The addresses to open. The page comes first: it sends the key with every request, while a player that is given a
/// bare URL does so only for the playlist that it was given.
fn print_how_to_watch(dev: &Dev, url: &str) {
    let Dev { data_url, admin_url, namespace, player_api_key: key, .. } = dev;
    println!("\nWatch it in a browser:\n  {admin_url}/#data={data_url}&namespace={namespace}&token={key}");
    println!("\nOr in a player:\n  ffplay -headers 'Authorization: {key}' {url}/{MULTIVARIANT}");
    println!("\nMultivariant playlist:\n  {url}/{MULTIVARIANT}?token={key}\n\nCtrl-C stops everything.\n");
}

/// Prints the state each second, until the time is over or a stop is requested.
///
/// # Errors
/// The server or the encoder died.
fn watch(
    seconds: Option<u64>,
    dev: &Dev,
    channel: &Channel<'_>,
    fleet: &mut Fleet,
    stop: &Stop,
) -> anyhow::Result<()> {
    let admin = http::address_of(&dev.admin_url)?;
    let end = seconds.map(|seconds| Deadline::after(Duration::from_secs(seconds)));
    let in_place = io::stdout().is_terminal();
    while !stop.requested() && !end.as_ref().is_some_and(Deadline::passed) {
        let dead = fleet.take_dead()?;
        if !dead.is_empty() {
            bail!("{}", dead.join("\n"));
        }
        let line = status::line(channel, admin, &dev.admin_token);
        // A terminal shows one line that changes, a file keeps them all.
        let (before, after) = if in_place { ("\r\x1b[2K", "") } else { ("", "\n") };
        print!("{before}{line}{after}");
        io::stdout().flush()?;
        thread::sleep(Duration::from_secs(1));
    }
    println!();
    Ok(())
}
