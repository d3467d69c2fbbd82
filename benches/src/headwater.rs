//! Headwater under test: as one process, and as a cluster of processes.

use crate::{
    machine,
    nginx::free_address,
    process::Server,
    target::{Kind, Target},
};
use anyhow::Context;
use serde::{Deserialize, de::DeserializeOwned};
use std::{ffi::OsStr, fs, net::SocketAddr, path::Path};
use tempfile::TempDir;

/// `dev.json`, as far as it is needed.
#[derive(Debug, Deserialize)]
struct Dev {
    data_url: String,
    admin_url: String,
    encoder_api_key: String,
    player_api_key: String,
}

/// `cluster.json`, as far as it is needed.
#[derive(Debug, Deserialize)]
struct Cluster {
    data_urls: Vec<String>,
    encoder_api_key: String,
    player_api_key: String,
}

/// Starts every role in one process; `kind` says of which build.
///
/// # Errors
/// It does not become ready.
pub async fn dev(kind: Kind, program: &Path) -> anyhow::Result<Target> {
    let files = folder("dev")?;
    let data = files.path().join("data");
    fs::create_dir(&data)?;
    let (listen, admin) = (free_address()?.to_string(), free_address()?.to_string());
    let arguments: [&OsStr; 7] = [
        "dev".as_ref(),
        "--data-dir".as_ref(),
        data.as_os_str(),
        "--listen".as_ref(),
        listen.as_ref(),
        "--admin-listen".as_ref(),
        admin.as_ref(),
    ];
    let mut server = Server::start("headwater dev", program, arguments, &files.path().join("log"))?;
    let dev: Dev = server.wait_for(async || read_json(&data.join("dev.json"))).await?;
    let admin = address_of(&dev.admin_url)?;
    server.wait_for(async || crate::client::Connection::new(admin, "").get("/readyz").await.ok()).await?;
    let address = address_of(&dev.data_url)?;
    Ok(Target::new(kind, address, dev.encoder_api_key, dev.player_api_key, server, files))
}

/// Starts a voter, a node in each zone and a frontend as processes; `kind` says of which build.
///
/// # Errors
/// They do not become ready.
pub async fn cluster(kind: Kind, xtask: &Path, program: &Path) -> anyhow::Result<Target> {
    let files = folder("cluster")?;
    let dir = files.path().join("cluster");
    let arguments: [&OsStr; 7] = [
        "cluster".as_ref(),
        "--dir".as_ref(),
        dir.as_os_str(),
        "--headwater".as_ref(),
        program.as_os_str(),
        "--log".as_ref(),
        "warn".as_ref(),
    ];
    let mut server = Server::start("the cluster", xtask, arguments, &files.path().join("log"))?;
    // Written once every process is ready.
    let cluster: Cluster = server.wait_for(async || read_json(&dir.join("cluster.json"))).await?;
    let address = address_of(cluster.data_urls.first().context("no frontend")?)?;
    Ok(Target::new(kind, address, cluster.encoder_api_key, cluster.player_api_key, server, files))
}

/// A folder where files are in memory, as nginx's are.
fn folder(name: &str) -> anyhow::Result<TempDir> {
    let prefix = format!("headwater-bench-{name}-");
    Ok(tempfile::Builder::new().prefix(&prefix).tempdir_in(machine::memory_folder())?)
}

/// A file that may not be there, or not be whole, yet.
fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn address_of(url: &str) -> anyhow::Result<SocketAddr> {
    let address = url.strip_prefix("http://").and_then(|rest| rest.trim_end_matches('/').parse().ok());
    address.with_context(|| format!("not http://ADDRESS:PORT: {url:?}"))
}
