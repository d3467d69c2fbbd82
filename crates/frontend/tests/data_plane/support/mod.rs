//! A frontend over two fake storage nodes in two zones.

mod clock;
mod storage;

use axum::body::Body;
use bytes::Bytes;
use headwater_frontend::{
    Frontend, FrontendConfig, FrontendParts,
    net::{ConnInfo, ConnectionId, Handler, Protocol},
};
use headwater_meta::{
    KeyRecord, MetaCache, NamespaceRecord, NamespaceSettings, NodeRecord, NodeState, Permission, ShardEntry,
    SigningKeyRecord, State, WatchEvent, secret,
};
use headwater_proto::{Directory, Replication, Storage};
use headwater_telemetry::AccessLog;
use headwater_types::{
    ApiKey, Epoch, Incarnation, Member, NamespaceId, NamespaceName, NodeId, SeededRng, ShardId, UnixMillis,
    ZoneName, signing::SigningKey,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, header::CONTENT_LENGTH};
use http_body_util::BodyExt;
use std::{collections::BTreeMap, sync::Arc};

pub use clock::TokioClock;
pub use storage::{Data, Fake, Fault};

pub const NAMESPACE: NamespaceId = NamespaceId(7);

pub struct Bench {
    pub cache: Arc<MetaCache>,
    pub frontend: Arc<Frontend>,
    connection: Arc<ConnInfo>,
    /// In the frontend's zone; the head of every shard.
    pub near: Arc<Fake>,
    pub far: Arc<Fake>,
    pub writer: String,
    pub reader: String,
    pub live_writer: String,
    pub stranger: String,
}

#[derive(Debug)]
struct FakeDirectory(BTreeMap<NodeId, Arc<Fake>>);

impl Directory for FakeDirectory {
    fn storage(&self, node: NodeId, _address: &str) -> Arc<dyn Storage> {
        self.0[&node].clone()
    }

    fn replication(&self, _node: NodeId, _address: &str) -> Arc<dyn Replication> {
        unreachable!("a frontend does not replicate")
    }
}

/// What was answered, its body read to the end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The stable code of a problem document.
    pub fn code(&self) -> String {
        let document: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(document["request_id"], self.header("x-request-id"));
        assert_eq!(document["status"], self.status.as_u16());
        document["code"].as_str().unwrap().to_owned()
    }
}

impl Bench {
    pub fn new() -> Self {
        Self::with(FrontendConfig::default(), NamespaceSettings::default())
    }

    pub fn with(config: FrontendConfig, settings: NamespaceSettings) -> Self {
        Self::logged(config, settings, AccessLog::disabled())
    }

    pub fn logged(config: FrontendConfig, settings: NamespaceSettings, access_log: AccessLog) -> Self {
        let rng = Arc::new(SeededRng::new(1));
        let clock = Arc::new(TokioClock::new());
        let mut state = State { version: 1, ..State::default() };
        let name = NamespaceName::parse("live").unwrap();
        state.names.insert(name.clone(), NAMESPACE);
        let record = NamespaceRecord {
            id: NAMESPACE,
            name,
            created_at: UnixMillis(0),
            updated_at: UnixMillis(0),
            version: 1,
            settings,
            blocked: Vec::new(),
        };
        state.namespaces.insert(NAMESPACE, Arc::new(record));
        let mut key = |namespace, permission, prefix: Option<&str>| {
            let key = ApiKey::generate(&*rng);
            let record = KeyRecord {
                id: key.id.clone(),
                secret_sha256: secret::hash(&key),
                namespace: Some(namespace),
                permission,
                prefix: prefix.map(str::to_owned),
                created_at: UnixMillis(0),
                expires_at: None,
                cidrs: Vec::new(),
                digest: None,
                rate_limits: Default::default(),
                version: 1,
            };
            state.keys.insert(key.id.clone(), Arc::new(record));
            key.reveal()
        };
        let writer = key(NAMESPACE, Permission::ReadWrite, None);
        let reader = key(NAMESPACE, Permission::ReadOnly, None);
        let live_writer = key(NAMESPACE, Permission::ReadWrite, Some("a/"));
        let stranger = key(NamespaceId(99), Permission::ReadWrite, None);
        for (id, zone) in [(1, "zone-a"), (2, "zone-b")] {
            let node = NodeRecord {
                id: NodeId(id),
                incarnation: Incarnation(1),
                zone: ZoneName::parse(zone).unwrap(),
                address: format!("node-{id}:1"),
                hot_capacity_bytes: 0,
                state: NodeState::Active,
                process: None,
            };
            state.nodes.insert(node.id, node);
        }
        set_heads(&mut state, 1, 1);
        let data = Arc::new(Data::default());
        let near = Arc::new(Fake::new(data.clone(), clock.clone()));
        let far = Arc::new(Fake::new(data, clock.clone()));
        let cache = MetaCache::new();
        cache.apply(WatchEvent::Snapshot(Box::new(state)));
        let nodes = [(NodeId(1), near.clone()), (NodeId(2), far.clone())];
        let frontend = Frontend::new(FrontendParts {
            config: FrontendConfig { zone: Some(ZoneName::parse("zone-a").unwrap()), ..config },
            cache: cache.clone(),
            directory: Arc::new(FakeDirectory(nodes.into())),
            clock,
            rng,
            access_log,
            readiness: Default::default(),
        });
        let peer = "192.0.2.1:5000".parse().unwrap();
        let connection = Arc::new(ConnInfo::new(ConnectionId(1), peer, Protocol::Http1));
        Self { cache, frontend, connection, near, far, writer, reader, live_writer, stranger }
    }

    /// Another frontend over the same nodes, of which it has read nothing.
    pub fn beside(&self) -> Self {
        let (near, far) = (self.near.clone(), self.far.clone());
        let nodes = [(NodeId(1), near.clone()), (NodeId(2), far.clone())];
        let frontend = Frontend::new(FrontendParts {
            config: FrontendConfig::default(),
            cache: self.cache.clone(),
            directory: Arc::new(FakeDirectory(nodes.into())),
            clock: Arc::new(TokioClock::new()),
            rng: Arc::new(SeededRng::new(2)),
            access_log: AccessLog::disabled(),
            readiness: Default::default(),
        });
        let [writer, reader, live_writer, stranger] =
            [&self.writer, &self.reader, &self.live_writer, &self.stranger].map(Clone::clone);
        let (cache, connection) = (self.cache.clone(), self.connection.clone());
        Self { cache, frontend, connection, near, far, writer, reader, live_writer, stranger }
    }

    /// The map names another head, in a new epoch.
    pub fn fail_over(&self, head: u64, epoch: u64) {
        self.change(|state| set_heads(state, head, epoch));
    }

    /// The metadata changes.
    pub fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = State::clone(&self.cache.state());
        state.version += 1;
        change(&mut state);
        assert!(self.cache.apply(WatchEvent::Snapshot(Box::new(state))));
    }

    /// Makes a signing key of the namespace.
    pub fn signing_key(&self) -> SigningKey {
        let key = SigningKey::generate(&SeededRng::new(77));
        let record = SigningKeyRecord {
            id: key.id.clone(),
            namespace: NAMESPACE,
            secret: key.reveal(),
            created_at: UnixMillis(0),
            version: 1,
        };
        self.change(|state| {
            state.signing_keys.insert(key.id.clone(), Arc::new(record));
        });
        key
    }

    /// Sends a request as it is.
    pub async fn raw(&self, request: Request<Body>) -> Response<Body> {
        let mut response = self.frontend.handle(&self.connection, request).await;
        // As the protocol does: it says the length of a body where that is known.
        if let Some(size) = http_body::Body::size_hint(response.body()).exact() {
            response.headers_mut().entry(CONTENT_LENGTH).or_insert(size.into());
        }
        response.map(Body::new)
    }

    /// Sends a request and reads the answer.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.raw(request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A request for a path below the namespace, as the key that may do everything.
    pub fn request(&self, method: Method, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("/cache/live/{path}"))
            .header("authorization", &self.writer)
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.bodiless(Method::GET, path, headers).await
    }

    pub async fn bodiless(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.request(method, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub fn put_request(&self, path: &str, body: impl Into<Bytes>, headers: &[(&str, &str)]) -> Request<Body> {
        let body = body.into();
        let mut request = self.request(Method::PUT, path).header("content-length", body.len());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::from(body)).unwrap()
    }

    pub async fn put(&self, path: &str, body: impl Into<Bytes>, headers: &[(&str, &str)]) -> Answer {
        self.send(self.put_request(path, body, headers)).await
    }

    /// All metrics.
    pub fn metrics(&self) -> String {
        let mut registry = prometheus_client::registry::Registry::default();
        self.frontend.metrics().register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    /// A sample of the metrics.
    pub fn metric(&self, sample: &str) -> u64 {
        let text = self.metrics();
        let line = text
            .lines()
            .find(|line| line.starts_with(sample))
            .unwrap_or_else(|| panic!("no {sample} in {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }
}

fn set_heads(state: &mut State, head: u64, epoch: u64) {
    let member = |id| Member { node: NodeId(id), incarnation: Incarnation(1) };
    for shard in ShardId::all() {
        let entry = ShardEntry {
            epoch: Epoch(epoch),
            head: member(head),
            insync: vec![member(1), member(2)],
            syncing: Vec::new(),
            retiring: Vec::new(),
        };
        state.shards.insert(shard, Arc::new(entry));
    }
}
