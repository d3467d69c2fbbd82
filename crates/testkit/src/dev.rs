//! `headwater dev` as a real process.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{binary::binary, logs, process::Process, wait::until};

/// A running `headwater dev`.
#[derive(Debug)]
pub struct Dev {
    process: Process,
    dir: PathBuf,
    /// What `dev.json` says.
    pub info: DevInfo,
}

/// The document `dev.json`.
#[derive(Debug, Clone, Deserialize)]
pub struct DevInfo {
    /// The data plane.
    pub data_url: String,
    /// Health, metrics and the watch page.
    pub admin_url: String,
    /// The namespace.
    pub namespace: String,
    /// May read and write.
    pub encoder_api_key: String,
    /// May read.
    pub player_api_key: String,
    /// For the admin plane.
    pub admin_token: String,
}

impl DevInfo {
    /// The URL of an object.
    pub fn url(&self, key: &str) -> String {
        format!("{}/cache/{}/{key}", self.data_url, self.namespace)
    }

    /// Host and port of the data plane.
    pub fn data_address(&self) -> &str {
        self.data_url.trim_start_matches("http://")
    }
}

impl Dev {
    /// Starts it on free ports with its data in `dir`, and waits until it is ready.
    pub async fn start(dir: &Path, extra: &[&str]) -> Result<Self> {
        let log = dir.join("dev.log");
        let mut command = Command::new(binary("headwater"));
        command.arg("dev").args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--json"]);
        command.arg("--data-dir").arg(dir.join("data")).args(extra);
        // Where an earlier start's output ends: only lines behind it are about this one.
        let seen = std::fs::read(&log).map_or(0, |b| b.len());
        let mut process = Process::start(&mut command, &log)?;
        let ready = until("`headwater dev` prints ready", Duration::from_secs(60), || {
            let ended = process.try_wait();
            let output = process.output();
            async move {
                let new = output.get(seen..).unwrap_or_default();
                match ended {
                    Ok(None) if new.lines().any(|line| line == "ready") => Some(Ok(())),
                    Ok(None) => None,
                    Ok(Some(status)) => Some(Err(format!("ended with {status}: {new}"))),
                    Err(error) => Some(Err(error.to_string())),
                }
            }
        });
        if let Err(why) = ready.await {
            bail!("headwater dev: {why}");
        }
        let json = std::fs::read(dir.join("data/dev.json")).context("dev.json")?;
        Ok(Self { process, dir: dir.to_owned(), info: serde_json::from_slice(&json)? })
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Its directory, for what a test wants beside it.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Everything it logged.
    pub fn log(&self) -> String {
        self.process.output()
    }

    /// Stops it as Ctrl-C does; fails if it does not end, or logged a warning that is none of `expected`.
    pub async fn stop(self, expected: &[&str]) -> Result<()> {
        // On a machine that stands still for a while it may have to give up what is under way.
        let expected = [expected, &["stopped with work under way"]].concat();
        self.stop_within(Duration::from_secs(30), &expected).await
    }

    /// [`Dev::stop`]; fails if it does not end in `limit`, too.
    pub async fn stop_within(mut self, limit: Duration, expected: &[&str]) -> Result<()> {
        self.process.interrupt()?;
        let status = self.process.wait(limit).await.context("stopping headwater dev")?;
        let loud = logs::unexpected(&self.process.output(), expected);
        if !status.success() || !loud.is_empty() {
            bail!("headwater dev ended with {status}; unexpected lines: {loud:#?}");
        }
        Ok(())
    }
}
