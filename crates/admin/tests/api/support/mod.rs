//! A voter, a copy of its state, two storage nodes that list, and the router.

mod nodes;
mod schema;
mod store;

use axum::{Router, body::Body, body::to_bytes};
use headwater_admin::{AdminApi, AdminState, AuditLog, BootstrapToken};
use headwater_meta::{Command, MetaCache, MetaStore, Outcome, RaftMeta, RaftMetaConfig, Registration};
use headwater_telemetry::{MetricsRegistry, Readiness};
use headwater_types::{DiskId, NodeId, Nonce, SeededRng, SystemClock, ZoneName};
use http::{HeaderMap, Request, StatusCode, header, request::Builder};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::{task::JoinHandle, time::timeout};
use tower::ServiceExt;

pub use nodes::Nodes;
pub use store::{Fault, Store};

pub const BOOTSTRAP: &str = "bootstrap-token-of-at-least-32-bytes";
pub const LIMIT: Duration = Duration::from_secs(10);

/// The registration of a node of 1 GiB that is not known yet.
pub fn registration(id: u64, zone: &str) -> Registration {
    let rng = SeededRng::new(id);
    Registration {
        id: NodeId(id),
        disk_id: DiskId::draw(&rng),
        nonce: Nonce::draw(&rng),
        follows: None,
        zone: ZoneName::parse(zone).unwrap(),
        address: format!("node-{id}:7000"),
        hot_capacity_bytes: 1 << 30,
    }
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body of an answer of this status.
    #[track_caller]
    pub fn is(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The detail of a problem document of this status and code.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert_eq!(self.header("cache-control"), "no-store");
        let request_id = self.header("x-request-id").to_owned();
        let problem = self.is(status);
        assert_eq!((&problem["code"], &problem["status"]), (&code.into(), &status.into()), "{problem}");
        assert_eq!(problem["type"], format!("urn:headwater:error:{code}"));
        assert_eq!(problem["request_id"].as_str().unwrap_or_default(), request_id, "{problem}");
        problem["detail"].as_str().unwrap().to_owned()
    }
}

fn router_of(api: &AdminApi) -> Router {
    headwater_admin::router(AdminState {
        cache: Some(api.cache.clone()),
        metrics: Arc::new(MetricsRegistry::new()),
        readiness: Readiness::new(),
        data_url: None,
        api: Some(api.clone()),
    })
}

pub struct Bench {
    pub store: Arc<Store>,
    pub cache: Arc<MetaCache>,
    pub nodes: Arc<Nodes>,
    pub audit: AuditLog,
    pub api: AdminApi,
    pub router: Router,
    pub dir: tempfile::TempDir,
    raft: Arc<RaftMeta>,
    following: JoinHandle<()>,
}

impl Bench {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (clock, rng) = (Arc::new(SystemClock::new()), Arc::new(SeededRng::new(5)));
        let config = RaftMetaConfig {
            bootstrap: true,
            placement_settle: Duration::ZERO,
            ..RaftMetaConfig::new(1, dir.path().join("meta"))
        };
        let raft = RaftMeta::start(config, clock.clone()).await.unwrap();
        raft.ready(LIMIT).await.unwrap();
        let store = Arc::new(Store::new(raft.clone()));
        let (cache, following) = MetaCache::follow(raft.clone(), clock.clone(), rng.clone());
        let nodes = Arc::new(Nodes::default());
        let audit = AuditLog::file(dir.path().join("audit.jsonl")).unwrap();
        let api = AdminApi {
            name: "frontend-9".into(),
            store: store.clone(),
            cache: cache.clone(),
            directory: Some(nodes.clone()),
            clock,
            rng,
            audit: audit.clone(),
            bootstrap_token: BootstrapToken::new(BOOTSTRAP),
            auth_max_staleness: None,
            trusted_proxies: Vec::new(),
            key_uses: Arc::default(),
        };
        let router = router_of(&api);
        Self { store, cache, nodes, audit, api, router, dir, raft, following }
    }

    /// Goes on with another API over the same parts.
    pub fn with(&mut self, change: impl FnOnce(&mut AdminApi)) {
        change(&mut self.api);
        self.router = router_of(&self.api);
    }

    /// One with a node in each of two zones, and a shard map.
    pub async fn with_nodes() -> Self {
        let bench = Self::new().await;
        let nodes = vec![registration(1, "a"), registration(2, "b")];
        let registered = bench.raft.propose(Command::Register { nodes }, LIMIT).await.unwrap();
        assert!(matches!(registered.outcome, Outcome::Registered { .. }), "{registered:?}");
        let mut version = bench.cache.subscribe();
        let mapped = async {
            while bench.cache.state().shards.is_empty() {
                version.changed().await.unwrap();
            }
        };
        timeout(LIMIT, mapped).await.expect("a shard map");
        bench
    }

    /// Sends a request as it is.
    pub async fn raw(&self, request: Builder, body: impl Into<Body>) -> Answer {
        let request = request.body(body.into()).unwrap();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = timeout(LIMIT * 2, self.router.clone().oneshot(request)).await.unwrap().unwrap();
        let (head, body) = response.into_parts();
        let body = to_bytes(body, 16 << 20).await.unwrap().to_vec();
        let answer = Answer { status: head.status, headers: head.headers, body };
        schema::check(&method, &path, &answer);
        answer
    }

    /// Sends a request with the bootstrap token, and a JSON body if there is one.
    pub async fn send(&self, method: &str, path: &str, body: Value) -> Answer {
        self.send_as(BOOTSTRAP, method, path, body).await
    }

    pub async fn send_as(&self, token: &str, method: &str, path: &str, body: Value) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        if body.is_null() {
            self.raw(request, Body::empty()).await
        } else {
            self.raw(request.header(header::CONTENT_TYPE, "application/json"), body.to_string()).await
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, Value::Null).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, body).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, Value::Null).await
    }

    /// Makes a namespace.
    pub async fn namespace(&self, name: &str) -> Value {
        self.post("/v1/namespaces", serde_json::json!({"name": name})).await.is(201)
    }

    pub async fn stop(self) {
        self.following.abort();
        self.raft.shutdown().await;
    }
}
