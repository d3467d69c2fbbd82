//! `headwater dev`: every role in one process, talking by direct calls.

mod local_node;
mod voters;

use anyhow::{Context, Result};
use clap::Args;
use headwater_admin::AdminState;
use headwater_meta::{MetaCache, MetaStore, worker::WorkerParts};
use headwater_node::{NodeMetrics, register};
use headwater_proto::directory::LocalDirectory;
use headwater_store::HotMetrics;
use headwater_telemetry::{LogConfig, LogFormat, MetricsRegistry, Readiness};
use headwater_types::{NamespaceName, NodeId, ZoneName};
use serde::Serialize;
use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

use self::{
    local_node::{LocalNode, LocalParts, Unregistered},
    voters::LocalVoters,
};
use crate::{
    config::{AccessLogTarget, AdminReady, HttpReady, parse_bytes},
    credentials::{Credentials, write_secret},
    roles::{META_WAIT, admin, frontend, frontend::RunningPlane, system},
    stop,
};

/// The namespace that the first start makes.
const NAMESPACE: &str = "live-origin";
/// What the voters know its frontend as.
const FRONTEND: &str = "frontend-1";
/// The zones, with one node each.
const ZONES: [&str; 2] = ["a", "b"];
/// How long requests that are under way may take once Ctrl-C was pressed.
const DRAIN: Duration = Duration::from_millis(1000);
/// How long everything may take from then on.
const STOP_MAX: Duration = Duration::from_millis(1800);
/// How long the last spans have to leave, however late it is.
const FLUSH_MIN: Duration = Duration::from_millis(100);

/// Options of `headwater dev`.
#[derive(Debug, Args)]
pub struct DevOptions {
    /// Where namespaces, keys and the shard map are kept.
    #[arg(long, default_value = "headwater-data")]
    data_dir: PathBuf,
    /// The data plane: encoders push here, players pull here.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Health, metrics and the watch page.
    #[arg(long, default_value = "127.0.0.1:8081")]
    admin_listen: SocketAddr,
    /// Memory for objects in each of the two zones, like 1GiB. The zones share the bytes in this process.
    #[arg(long, default_value = "1GiB", value_parser = parse_bytes)]
    hot_capacity: u64,
    /// Memory for uploads that are not answered yet.
    #[arg(long, default_value = "512MiB", value_parser = parse_bytes)]
    ingest_budget: u64,
    /// Access log: off, stdout or a file.
    #[arg(long, default_value = "off")]
    access_log: String,
    /// Log filter, like `info` or `headwater_node=debug`.
    // The voters start one after the other in this process: that they miss each other meanwhile is no news, and one that
    // fails for good ends the process with the reason.
    #[arg(long, default_value = "info,openraft=off", env = "HEADWATER_LOG")]
    log: String,
    /// Export traces by OTLP over gRPC to this endpoint, like http://127.0.0.1:4317.
    #[arg(long)]
    otlp_endpoint: Option<String>,
    /// Share of requests that are traced, from 0 to 1.
    #[arg(long, default_value_t = 1.0)]
    trace_ratio: f64,
    /// Print dev.json on one line, then `ready`.
    #[arg(long)]
    pub json: bool,
}

/// The document `dev.json`.
#[derive(Debug, Serialize)]
struct DevInfo {
    data_url: String,
    admin_url: String,
    #[serde(flatten)]
    credentials: Credentials,
}

/// Runs it until Ctrl-C.
pub async fn run(options: DevOptions) -> Result<()> {
    let telemetry = headwater_telemetry::init(&log_config(&options))?;
    let stop = stop::on_signal()?;
    let (clock, rng) = system();
    let metrics = Arc::new(MetricsRegistry::new());
    let readiness = Readiness::new();
    let started = readiness.condition("started");

    let voters =
        LocalVoters::start(&options.data_dir.join("meta"), &clock, &rng).await.context("metadata")?;
    metrics.register(|registry| voters.first().metrics().register(registry));
    let store: Arc<dyn MetaStore> = voters.first().clone();
    let (cache, following) = MetaCache::follow(store.clone(), clock.clone(), rng.clone());

    let directory = Arc::new(LocalDirectory::new());
    let mut nodes = Vec::new();
    let zones = [ZoneName::parse(ZONES[0])?, ZoneName::parse(ZONES[1])?];
    let node_metrics = metrics.register(|registry| NodeMetrics::register(registry, &zones));
    let unregistered = (1..).map(NodeId).zip(zones);
    let unregistered = unregistered.map(|(id, zone)| Unregistered::take(&options, id, zone, rng.as_ref()));
    let unregistered = unregistered.collect::<Result<Vec<_>>>()?;
    // In one step, so that the shards begin anew with both nodes in sync.
    let registrations = unregistered.iter().map(Unregistered::registration).collect();
    let registered = register(store.as_ref(), &cache, clock.as_ref(), registrations, META_WAIT).await?;
    for ((node, member), node_metrics) in unregistered.into_iter().zip(registered.members).zip(node_metrics) {
        let parts = LocalParts { cache: &cache, directory: &directory, clock: &clock, metrics: node_metrics };
        nodes.push(LocalNode::start(&options, node, member, parts)?);
    }
    cache.wait_for(registered.version).await;
    nodes.iter().for_each(|local| local.node.take_part(store.clone()));
    let parts = WorkerParts { directory: directory.clone(), clock: clock.clone(), rng: rng.clone() };
    voters.start_workers(&parts);
    frontend::map(&cache).await;

    let namespace = NamespaceName::parse(NAMESPACE)?;
    let path = options.data_dir.join("credentials.json");
    let credentials = Credentials::load_or_make(&path, store.as_ref(), rng.as_ref(), &namespace).await?;
    cache.wait_for(store.membership().await?.applied).await;

    let access_log = frontend::access_log(&access_log_target(&options.access_log), &metrics)?;
    let tiers = nodes.iter().map(|local| (local.zone.clone(), local.tier.clone())).collect();
    metrics.register(|registry| HotMetrics::new(tiers).register(registry));
    let mut http = HttpReady::default();
    http.net.drain_timeout = DRAIN;
    let plane = frontend::DataPlane {
        listen: options.listen,
        zone: Some(ZoneName::parse(ZONES[0])?),
        ingest_budget_bytes: options.ingest_budget,
        // Its nodes are in this process.
        near_cache_bytes: 0,
        http,
        trusted_proxies: Vec::new(),
        auth_max_staleness: None,
        name: FRONTEND.to_owned(),
        store: store.clone(),
        cache: cache.clone(),
        directory: directory.clone(),
        clock: clock.clone(),
        rng: rng.clone(),
        access_log: access_log.clone(),
        readiness: readiness.clone(),
    };
    let plane_stop = CancellationToken::new();
    let RunningPlane { address: data, serving, reporting } =
        plane.start(&metrics, plane_stop.clone()).await?;
    let data_url = format!("http://{data}");
    let audit_file = Some(options.data_dir.join("audit.jsonl"));
    let admin_config = AdminReady { audit_file, ..AdminReady::default() };
    let api = admin::api(
        FRONTEND.to_owned(),
        admin_config,
        (store, cache.clone()),
        directory,
        (clock.clone(), rng),
    )?;
    let data = Some(data_url.clone());
    let state = AdminState { cache: Some(cache), metrics, readiness, data_url: data, api: Some(api) };
    // It goes on while the data plane drains, so that `/readyz` tells of that.
    let admin_stop = CancellationToken::new();
    let admin = admin::start(options.admin_listen, state, admin_stop.clone()).await?;
    let info = DevInfo { data_url, admin_url: format!("http://{}", admin.address), credentials };
    write_secret(&options.data_dir.join("dev.json"), &info)?;
    started.ready();
    announce(&info, &options)?;

    tokio::select! {
        () = stop.cancelled() => {}
        reason = voters.failed() => anyhow::bail!("the metadata failed: {reason}"),
    }
    started.not_ready("stopping");
    plane_stop.cancel();
    let stopping = clock.monotonic();
    let left = || STOP_MAX.saturating_sub(clock.monotonic().saturating_sub(stopping));
    let rest = async {
        serving.await??;
        futures_util::future::join_all(nodes.into_iter().map(LocalNode::stop)).await;
        reporting.abort();
        following.abort();
        voters.shutdown().await;
        access_log.shutdown();
        admin_stop.cancel();
        admin.stopped().await
    };
    let stopped = tokio::time::timeout(left(), rest).await;
    telemetry.end_within(left().max(FLUSH_MIN));
    stopped.unwrap_or_else(|_| {
        tracing::warn!("stopped with work under way: nothing waits for longer than {STOP_MAX:?}");
        Ok(())
    })
}

fn log_config(options: &DevOptions) -> LogConfig {
    let mut config = LogConfig {
        format: if options.json { LogFormat::Json } else { LogFormat::Human },
        filter: options.log.clone(),
        otlp_endpoint: options.otlp_endpoint.clone(),
        trace_ratio: options.trace_ratio,
        ..LogConfig::default()
    };
    config.service.role = "dev".into();
    config
}

fn access_log_target(text: &str) -> AccessLogTarget {
    match text {
        "off" => AccessLogTarget::Off,
        "stdout" => AccessLogTarget::Stdout,
        path => AccessLogTarget::File(Path::new(path).to_owned()),
    }
}

fn announce(info: &DevInfo, options: &DevOptions) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    if options.json {
        writeln!(stdout, "{}\nready", serde_json::to_string(info)?)?;
        return Ok(stdout.flush()?);
    }
    let DevInfo { data_url, admin_url, credentials } = info;
    let Credentials { namespace, encoder_api_key, player_api_key, .. } = credentials;
    writeln!(
        stdout,
        "
Headwater {version} is ready: two zones, one node each, in one process.

  push   ffmpeg -re -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine \\
           -c:v libx264 -preset veryfast -g 60 -pix_fmt yuv420p -c:a aac \\
           -f hls -hls_time 2 -hls_list_size 6 -method PUT -http_persistent 1 \\
           -headers $'Authorization: Bearer {encoder_api_key}\\r\\n' \\
           '{data_url}/cache/{namespace}/first/stream.m3u8?ttl_seconds=300'
  play   {data_url}/cache/{namespace}/first/stream.m3u8?token={player_api_key}
  watch  {admin_url}/#data={data_url}&namespace={namespace}&token={player_api_key}

  keys   {keys}
  note   namespaces, keys and the shard map survive a restart; objects live in memory and do not

Ctrl-C stops it.
",
        version = env!("CARGO_PKG_VERSION"),
        keys = options.data_dir.join("dev.json").display(),
    )?;
    Ok(stdout.flush()?)
}
