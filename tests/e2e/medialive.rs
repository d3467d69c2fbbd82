//! A MediaLive channel with three renditions: window, restart, backlog, and players that poll meanwhile.

use crate::manifest::{MediaPlaylist, uris};
use bytes::Bytes;
use flate2::read::GzDecoder;
use headwater_client::{Client, RetryPolicy};
use headwater_testkit::{Dev, MediaLive, MediaLiveConfig, RawConn, until};
use std::{
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

const RENDITIONS: [&str; 3] = ["1080p60", "720p30", "480p30"];
const WINDOW: usize = 3;
const TTL_SECONDS: u64 = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunked_bodies_and_gzip_playlists() {
    channel(true, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_with_a_length() {
    channel(false, false).await;
}

fn config(dev: &Dev, chunked: bool, gzip: bool) -> MediaLiveConfig {
    MediaLiveConfig {
        destination: dev.info.url("channel"),
        query: format!("ttl_seconds={TTL_SECONDS}&role=origin"),
        base_name: "show".into(),
        renditions: RENDITIONS.map(str::to_owned).into(),
        password: dev.info.encoder_api_key.clone(),
        chunked,
        gzip,
        window: WINDOW,
        segment_seconds: 2,
        retry_interval: Duration::from_millis(200),
    }
}

/// An overload that is over before the last of a channel's three retries costs it no segment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_outlast_a_short_overload() {
    const BUDGET: usize = 10 << 20;
    /// Leaves less than a segment takes.
    const ALL: usize = BUDGET - UPLOAD_BYTES - 100_000;
    /// What an upload takes beside its body.
    const UPLOAD_BYTES: usize = 128 << 10;
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(dir.path(), &[&format!("--ingest-budget={BUDGET}")]).await.unwrap();
    let mut all = RawConn::connect(dev.info.data_address()).await.unwrap();
    let head = format!(
        "PUT /cache/{}/other/s_1.ts HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer {}\r\n\
         Content-Length: {ALL}\r\nExpect: 100-continue\r\n\r\n",
        dev.info.namespace, dev.info.encoder_api_key
    );
    all.send(head).await.unwrap();
    assert_eq!(all.head().await.unwrap().0, 100);
    let mut channel = MediaLive::new(config(&dev, false, false)).unwrap();
    let pushing = tokio::spawn(async move {
        channel.push_segment(|r, c| segment(0, r, c)).await.map(|()| channel.failures())
    });
    until("an upload is refused", Duration::from_secs(30), || async {
        let metrics =
            reqwest::get(format!("{}/metrics", dev.info.admin_url)).await.ok()?.text().await.ok()?;
        let refused =
            metrics.lines().find_map(|line| line.strip_prefix("headwater_ingest_refused_total "))?;
        (refused != "0").then_some(())
    })
    .await;
    assert_eq!(all.exchange(vec![b'x'; ALL]).await.unwrap().status, 201);
    let failures = pushing.await.unwrap().expect("a retry succeeds");
    assert!(failures > 0, "nothing was refused");
    let client = Client::new(&dev.info.data_url, &dev.info.namespace, &dev.info.player_api_key).unwrap();
    for (r, rendition) in RENDITIONS.iter().enumerate() {
        let name = format!("channel/show_{rendition}_00001.ts");
        assert_eq!(client.get(&name).await.unwrap().bytes().await.unwrap(), segment(0, r, 1), "{name}");
    }
    dev.stop(&[]).await.unwrap();
}

/// The bytes of a segment, which say which one they are.
fn segment(epoch: u32, rendition: usize, counter: u32) -> Bytes {
    let mut bytes = vec![b'.'; 100_000 + counter as usize];
    let label = format!("{epoch} {rendition} {counter} ");
    bytes[..label.len()].copy_from_slice(label.as_bytes());
    bytes.into()
}

async fn channel(chunked: bool, gzip: bool) {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(dir.path(), &[]).await.unwrap();
    let mut channel = MediaLive::new(config(&dev, chunked, gzip)).unwrap();
    // Without retries: a player's failed request is a failure.
    let builder = Client::builder().retry(RetryPolicy::none());
    let client = builder.client(&dev.info.data_url, &dev.info.namespace, &dev.info.player_api_key).unwrap();
    let progress = Arc::new(Progress::default());

    channel.push_master().await.unwrap();
    channel.push_segment(|r, c| segment(0, r, c)).await.unwrap();
    let master = playlist_text(&client, "channel/show.m3u8").await;
    let expected = RENDITIONS.map(|r| format!("show_{r}.m3u8?ttl_seconds={TTL_SECONDS}&role=origin"));
    assert_eq!(uris(&master), expected);
    let players: Vec<_> = (0..RENDITIONS.len())
        .map(|r| tokio::spawn(Player::new(r, client.clone(), progress.clone()).watch()))
        .collect();

    // Live, with a window that slides and deletes.
    for _ in 0..8 {
        channel.push_segment(|r, c| segment(0, r, c)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // An outage of the network between them: what was kept comes at once.
    channel.push_backlog(20, |r, c| segment(0, r, c)).await.unwrap();
    // The channel restarts: the same names again, the numbers from the beginning.
    progress.caught_up().await;
    progress.epoch.fetch_add(1, Ordering::SeqCst);
    channel.restart();
    for _ in 0..8 {
        channel.push_segment(|r, c| segment(1, r, c)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    progress.caught_up().await;
    progress.over.store(true, Ordering::SeqCst);
    for player in players {
        let (polls, regressions) = player.await.expect("the player saw nothing wrong");
        assert!(polls > 10, "only {polls} polls");
        assert_eq!(regressions, 1, "MEDIA-SEQUENCE begins again once: at the restart");
    }
    assert_eq!(channel.failures(), 0);

    // What is left are the playlists, the window, and the one from before the restart, which the channel has forgotten.
    // All of it for as long as the destination says.
    let listing = client.list("channel/").await.unwrap();
    let names: Vec<&str> = listing.objects.iter().map(|object| object.name.as_str()).collect();
    assert_eq!(names.len(), 1 + RENDITIONS.len() * (1 + 2 * WINDOW), "{names:?}");
    for object in &listing.objects {
        let headers = client.head(&object.name).await.unwrap().expect("listed, so there");
        let time = |name| httpdate::parse_http_date(headers[name].to_str().unwrap()).unwrap();
        let ttl = time("sunset").duration_since(time("last-modified")).unwrap();
        // Both headers are cut to whole seconds.
        assert!(ttl.as_secs().abs_diff(TTL_SECONDS) <= 1, "{}: {ttl:?}", object.name);
    }
    dev.stop(&[]).await.unwrap();
}

/// What the channel and its players know of each other.
#[derive(Debug, Default)]
struct Progress {
    /// Restarts of the channel so far.
    epoch: AtomicU32,
    over: AtomicBool,
    /// Rounds that each player has finished.
    rounds: [AtomicU32; RENDITIONS.len()],
}

impl Progress {
    /// Waits until every player has seen what is there now: a whole round that began after this call.
    async fn caught_up(&self) {
        let before = self.rounds.each_ref().map(|rounds| rounds.load(Ordering::SeqCst));
        until("every player reads two more rounds", Duration::from_secs(60), || async {
            let now = self.rounds.each_ref().map(|rounds| rounds.load(Ordering::SeqCst));
            now.iter().zip(before).all(|(now, before)| *now >= before + 2).then_some(())
        })
        .await;
    }
}

/// Polls one media playlist and reads everything that it lists.
struct Player {
    rendition: usize,
    client: Client,
    progress: Arc<Progress>,
    sequence: u64,
    regressions: u32,
}

impl Player {
    fn new(rendition: usize, client: Client, progress: Arc<Progress>) -> Self {
        Self { rendition, client, progress, sequence: 0, regressions: 0 }
    }

    /// Until the channel is over. Answers how often it polled and how often the numbers went back.
    async fn watch(mut self) -> (u32, u32) {
        let mut polls = 0;
        while !self.progress.over.load(Ordering::SeqCst) {
            let playlist = self.poll().await;
            for name in &playlist.segments {
                self.read(name).await;
            }
            polls += 1;
            self.progress.rounds[self.rendition].fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        (polls, self.regressions)
    }

    /// The playlist, whose numbers go back at a restart of the channel and never else.
    async fn poll(&mut self) -> MediaPlaylist {
        let key = format!("channel/show_{}.m3u8", RENDITIONS[self.rendition]);
        let playlist = MediaPlaylist::parse(&playlist_text(&self.client, &key).await);
        if playlist.sequence < self.sequence {
            self.regressions += 1;
            let restarts = self.progress.epoch.load(Ordering::SeqCst);
            assert!(self.regressions <= restarts, "{key}: from {} back to {playlist:?}", self.sequence);
        }
        self.sequence = playlist.sequence;
        playlist
    }

    /// Reads a listed segment. It may be gone only if it is not listed any more; what is there is what was pushed under
    /// that name, in this epoch or a later one.
    async fn read(&mut self, name: &str) {
        let epoch = self.regressions;
        let body = match self.client.get(&format!("channel/{name}")).await {
            Ok(object) => object.bytes().await.unwrap_or_else(|e| panic!("{name} was cut: {e}")),
            Err(error) => {
                let now = self.poll().await;
                assert!(!now.segments.iter().any(|n| n == name), "{name} is listed: {error}; {now:?}");
                return;
            }
        };
        let counter: u32 = name.rsplit('_').next().unwrap().trim_end_matches(".ts").parse().unwrap();
        let epochs = epoch..=self.progress.epoch.load(Ordering::SeqCst);
        let pushed =
            epochs.map(|epoch| segment(epoch, self.rendition, counter)).any(|expected| expected == body);
        assert!(pushed, "{name} of epoch {epoch} or later begins {:?}", String::from_utf8_lossy(&body[..20]));
    }
}

/// A playlist as text, whatever its encoding.
async fn playlist_text(client: &Client, key: &str) -> String {
    let object = client.get(key).await.unwrap_or_else(|e| panic!("{key}: {e}"));
    let gzip = object.headers().get("content-encoding").is_some_and(|value| value == "gzip");
    let bytes = object.bytes().await.unwrap_or_else(|e| panic!("{key} was cut: {e}"));
    let mut text = String::new();
    if gzip {
        GzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("gzip of text");
    } else {
        text.push_str(std::str::from_utf8(&bytes).expect("text"));
    }
    text
}
