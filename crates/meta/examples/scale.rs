//! Measures the metadata of many namespaces and keys: `cargo run -p headwater-meta --example scale [COUNT]`.
//!
//! Prints, for a state of COUNT (100,000) namespaces and as many keys: its snapshot's size, what encoding, decoding, a
//! copy and one more entry cost, how long a voter takes to start from it, and how long a key is looked up and checked in
//! copies of 100, 10,000 and COUNT keys, of which 100 or all are in use.

use headwater_meta::{
    Command, Envelope, MetaCache, NamespaceSettings, Outcome, Permission, RaftMeta, RaftMetaConfig, State,
    WatchEvent, offline, secret,
};
use headwater_types::{ApiKey, Clock, NamespaceId, NamespaceName, SeededRng, SystemClock, UnixMillis};
use std::{hint::black_box, sync::Arc, time::Duration};

/// Namespaces and keys, unless a number is given.
const COUNT: usize = 100_000;
/// Look-ups of a measurement.
const LOOK_UPS: usize = 200_000;
/// Keys that are in use at a time, of however many there are.
const IN_USE: usize = 100;
/// When everything is made.
const AT: UnixMillis = UnixMillis(1_700_000_000_000);

type Failed = Box<dyn std::error::Error>;

fn main() -> Result<(), Failed> {
    let count = std::env::args().nth(1).map_or(Ok(COUNT), |text| text.parse())?;
    let clock = SystemClock::new();
    let (built, building) = timed(&clock, || build(count));
    let (mut state, keys) = built?;
    println!("built            {count} namespaces and {count} keys in {building:.1?}");

    let (document, encoding) = timed(&clock, || state.encode());
    let document = document?;
    let (decoded, decoding) = timed(&clock, || State::decode(&document));
    println!(
        "snapshot         {} bytes, {} for a namespace and its key",
        document.len(),
        document.len() / count.max(1)
    );
    println!("encode           {encoding:.1?}");
    println!("decode           {decoding:.1?}, the same state: {}", decoded? == state);

    let (mut copy, copying) = timed(&clock, || state.clone());
    println!("copy             {copying:.1?}");
    let namespace = state.namespaces.keys().next().copied().ok_or("at least one namespace is needed")?;
    let key = ApiKey::generate(&SeededRng::new(2));
    let (made, in_copy) = timed(&clock, || create_key(&mut copy, &key, namespace));
    made?;
    let (made, in_place) = timed(&clock, || create_key(&mut state, &key, namespace));
    made?;
    println!("one more key     {in_copy:.1?} in a fresh copy, {in_place:.1?} in place");

    start(state)?;
    for keys_held in [100, 10_000, count] {
        look_up(keys_held, &keys, &clock)?;
    }
    Ok(())
}

/// Prints how long a voter that is alone takes from its start to its lead, with the state in its snapshot.
fn start(state: State) -> Result<(), Failed> {
    let dir = tempfile::tempdir()?;
    offline::found(dir.path(), 1, "127.0.0.1:7000", state, SystemClock::new().unix_millis())?;
    let clock = Arc::new(SystemClock::new());
    tokio::runtime::Runtime::new()?.block_on(async {
        let began = clock.monotonic();
        let voter = RaftMeta::start(RaftMetaConfig::new(1, dir.path()), clock.clone()).await?;
        voter.ready(Duration::from_secs(60)).await?;
        println!("voter's start    {:.1?}", clock.monotonic().saturating_sub(began));
        voter.shutdown().await;
        Ok(())
    })
}

/// What `work` answers and how long it took.
fn timed<T>(clock: &SystemClock, work: impl FnOnce() -> T) -> (T, Duration) {
    let began = clock.monotonic();
    let answer = work();
    (answer, clock.monotonic().saturating_sub(began))
}

/// A state with namespaces and keys, and the keys.
fn build(count: usize) -> Result<(State, Vec<ApiKey>), Failed> {
    let rng = SeededRng::new(1);
    let (mut state, mut keys) = (State::default(), Vec::with_capacity(count));
    for i in 0..count {
        let namespace = create_namespace(&mut state, &format!("channel-{i:06}"))?;
        let key = ApiKey::generate(&rng);
        create_key(&mut state, &key, namespace)?;
        keys.push(key);
    }
    Ok((state, keys))
}

fn apply(state: &mut State, command: Command) -> Result<Outcome, Failed> {
    let document = Envelope::new(command, AT).encode()?;
    match state.apply(state.version + 1, &document) {
        Outcome::Refused { code, message } => Err(format!("refused ({code}): {message}").into()),
        outcome => Ok(outcome),
    }
}

fn create_namespace(state: &mut State, name: &str) -> Result<NamespaceId, Failed> {
    let command = Command::CreateNamespace {
        name: NamespaceName::parse(name)?,
        settings: NamespaceSettings::default(),
    };
    match apply(state, command)? {
        Outcome::Namespace { id, .. } => Ok(id),
        other => Err(format!("unexpected: {other:?}").into()),
    }
}

fn create_key(state: &mut State, key: &ApiKey, namespace: NamespaceId) -> Result<(), Failed> {
    let command = Command::CreateKey {
        id: key.id.clone(),
        secret_sha256: secret::hash(key),
        namespace: Some(namespace),
        permission: Permission::ReadWrite,
        prefix: None,
        expires_at: None,
        cidrs: Vec::new(),
        digest: None,
        rate_limits: Default::default(),
    };
    apply(state, command).map(|_| ())
}

/// Prints what looking a key up costs in a copy with `held` keys, and what it costs to check one as a frontend does.
fn look_up(held: usize, keys: &[ApiKey], clock: &SystemClock) -> Result<(), Failed> {
    let mut state = State::default();
    let namespace = create_namespace(&mut state, "live")?;
    let keys = &keys[..held.min(keys.len())];
    for key in keys {
        create_key(&mut state, key, namespace)?;
    }
    let cache = MetaCache::new();
    cache.apply(WatchEvent::Snapshot(Box::new(state.clone())));
    for in_use in [IN_USE.min(keys.len()), keys.len()] {
        look_up_some(&state, &cache, keys, in_use, clock)?;
    }
    Ok(())
}

/// As [`look_up`], of `in_use` of the keys that are held.
fn look_up_some(
    state: &State,
    cache: &MetaCache,
    keys: &[ApiKey],
    in_use: usize,
    clock: &SystemClock,
) -> Result<(), Failed> {
    // A stride that is prime to the number of keys visits all of them, in no order of the map.
    let visited = || (0..LOOK_UPS).map(|i| &keys[i % in_use * 7_919 % keys.len()]);

    let (found, looked) =
        timed(clock, || visited().filter(|key| black_box(state.keys.get(&key.id)).is_some()).count());
    let (granted, checked) =
        timed(clock, || visited().filter(|key| black_box(cache.verify(key, AT)).is_some()).count());
    if (found, granted) != (LOOK_UPS, LOOK_UPS) {
        return Err(format!("{found} found and {granted} granted of {LOOK_UPS}").into());
    }
    let each = |all: Duration| all.as_nanos() / LOOK_UPS as u128;
    let (held, looked, checked) = (keys.len(), each(looked), each(checked));
    println!(
        "{held:>7} keys     {in_use:>7} in use: look-up {looked} ns, look-up and check of the secret {checked} ns"
    );
    Ok(())
}
