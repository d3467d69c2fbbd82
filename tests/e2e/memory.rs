//! Memory of a process under a thousand uploads of unknown length at once.

use headwater_client::Client;
use headwater_testkit::{Dev, RawConn, until};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

const MIB: u64 = 1 << 20;
const INGEST_BUDGET: u64 = 128 * MIB;
const HOT_CAPACITY: u64 = 32 * MIB;
/// What a process may take beside that budget: the hot tier, which two zones in a process share, code, all the rest.
const REST: u64 = 200 * MIB;
const UPLOADS: usize = 1000;
/// What an upload sends at once, and how long it pauses then: a slow encoder.
const PIECE: usize = 64 << 10;
const PAUSE: Duration = Duration::from_millis(100);
/// In which an upload must have an answer.
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_uploads_of_unknown_length_stay_within_the_budget() {
    // 256 KiB to 1 MiB.
    let dev = Flooded::by(|i| 4 + i % 13).await;
    dev.goes_on_as_if_nothing_had_happened().await;
}

/// All of them are let in while they are small, and together they grow to a multiple of the budget.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_uploads_of_unknown_length_that_outgrow_the_budget_stay_within_it() {
    // 4 MiB to 7 MiB.
    let dev = Flooded::by(|i| 64 + i % 49).await;
    dev.goes_on_as_if_nothing_had_happened().await;
}

/// An origin that has had a thousand uploads at once, in not more memory than it may take.
struct Flooded {
    dev: Dev,
    _dir: tempfile::TempDir,
}

impl Flooded {
    /// Each upload is of so many pieces.
    async fn by(pieces: impl Fn(usize) -> usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let budgets = [format!("--ingest-budget={INGEST_BUDGET}"), format!("--hot-capacity={HOT_CAPACITY}")];
        let dev = Dev::start(dir.path(), &budgets.each_ref().map(String::as_str)).await.unwrap();
        let mut this = Self { dev, _dir: dir };
        let pid = this.dev.process().id();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let sampling = tokio::spawn(async move {
            let mut peak = 0;
            while !stopped.load(Ordering::Relaxed) {
                peak = resident_bytes(pid).max(peak);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            peak
        });

        let mut uploads = JoinSet::new();
        for i in 0..UPLOADS {
            let address = this.dev.info.data_address().to_owned();
            let head = this.head(&format!("many/s_{i:05}.ts"));
            let pieces = pieces(i);
            uploads.spawn(async move {
                let upload = upload(&address, &head, pieces);
                tokio::time::timeout(LIMIT, upload)
                    .await
                    .unwrap_or_else(|_| panic!("upload {i} has no answer in {LIMIT:?}"))
            });
        }
        let mut answers = BTreeMap::<String, usize>::new();
        while let Some(answer) = uploads.join_next().await {
            *answers.entry(answer.unwrap()).or_default() += 1;
        }
        stop.store(true, Ordering::Relaxed);
        let peak = sampling.await.unwrap();
        assert!(peak > 0, "nothing was measured");
        println!("at most {} MiB resident; {answers:?}", peak / MIB);
        let bound = INGEST_BUDGET + REST;
        assert!(peak <= bound, "{} MiB resident, allowed are {}; {answers:?}", peak / MIB, bound / MIB);
        assert!(
            answers.keys().all(|answer| ["201", "503 overloaded"].contains(&answer.as_str())),
            "{answers:?}"
        );
        assert!(answers.get("201").is_some_and(|stored| *stored >= 10), "{answers:?}");
        this
    }

    fn client(&self) -> Client {
        let info = &self.dev.info;
        Client::new(&info.data_url, &info.namespace, &info.encoder_api_key).unwrap()
    }

    fn head(&self, key: &str) -> String {
        let info = &self.dev.info;
        format!(
            "PUT /cache/{}/{key} HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer {}\r\n\
             Transfer-Encoding: chunked\r\n\r\n",
            info.namespace, info.encoder_api_key
        )
    }

    async fn goes_on_as_if_nothing_had_happened(self) {
        let client = self.client();
        client.put("after/s_1.ts", &b"whole"[..]).send().await.unwrap();
        assert_eq!(client.get("after/s_1.ts").await.unwrap().bytes().await.unwrap(), "whole");
        let mut cut = RawConn::connect(self.dev.info.data_address()).await.unwrap();
        let half = self.head("after/s_2.ts") + "5\r\nhalf \r\n";
        cut.send(half).await.unwrap();
        until("the upload is under way", Duration::from_secs(30), || async {
            client.head("after/s_2.ts").await.unwrap().map(drop)
        })
        .await;
        drop(cut);
        until("nothing of the cut upload is left", Duration::from_secs(30), || async {
            let gone = client.head("after/s_2.ts").await.unwrap().is_none();
            let listed =
                client.list("after/").await.unwrap().objects.iter().any(|o| o.name == "after/s_2.ts");
            (gone && !listed).then_some(())
        })
        .await;
        self.dev.stop(&[]).await.unwrap();
    }
}

/// Uploads that are let in do not wait for each other: the one begun last ends first, and so on, while all others are
/// held half-way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_end_in_any_order_while_others_are_held() {
    const HELD: usize = 200;
    let dir = tempfile::tempdir().unwrap();
    let budgets = [format!("--ingest-budget={INGEST_BUDGET}"), "--hot-capacity=67108864".to_owned()];
    let dev = Dev::start(dir.path(), &budgets.each_ref().map(String::as_str)).await.unwrap();
    let client = Client::new(&dev.info.data_url, &dev.info.namespace, &dev.info.encoder_api_key).unwrap();
    let piece = [format!("{PIECE:x}\r\n").as_bytes(), &[b'x'; PIECE], b"\r\n"].concat();
    let mut held = Vec::new();
    for i in 1..=HELD {
        let mut conn = RawConn::connect(dev.info.data_address()).await.unwrap();
        let head = format!(
            "PUT /cache/{}/held/s_{i}.ts HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer {}\r\n\
             Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
            dev.info.namespace, dev.info.encoder_api_key
        );
        conn.send(head).await.unwrap();
        assert_eq!(conn.head().await.unwrap().0, 100, "upload {i} is let in while {} are held", i - 1);
        conn.send(piece.repeat(2)).await.unwrap();
        held.push(conn);
    }
    for (i, mut conn) in held.into_iter().enumerate().rev() {
        let rest = [piece.repeat(2).as_slice(), b"0\r\n\r\n"].concat();
        let answer = tokio::time::timeout(LIMIT, conn.exchange(rest)).await;
        let answer = answer.unwrap_or_else(|_| panic!("upload {} waits for those before it", i + 1)).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    assert_eq!(client.list("held/").await.unwrap().objects.len(), HELD);
    dev.stop(&[]).await.unwrap();
}

/// `VmRSS` of a process.
fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// One slow upload: reads while it writes, and stops when it is answered. The status, and the code of an error.
async fn upload(address: &str, head: &str, pieces: usize) -> String {
    let stream = TcpStream::connect(address).await.expect("the origin accepts");
    let (mut reader, mut writer) = stream.into_split();
    let send = async {
        writer.write_all(head.as_bytes()).await?;
        let piece = [format!("{PIECE:x}\r\n").as_bytes(), &[b'x'; PIECE], b"\r\n"].concat();
        for _ in 0..pieces {
            writer.write_all(&piece).await?;
            tokio::time::sleep(PAUSE).await;
        }
        writer.write_all(b"0\r\n\r\n").await
    };
    let receive = async {
        let mut answer = Vec::new();
        // An empty answer, or one of an error, with its code, and then the end of the connection.
        while !answer.starts_with(b"HTTP/1.1 20") || !answer.ends_with(b"\r\n\r\n") {
            match reader.read_buf(&mut answer).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return format!("HTTP/1.1 {}", error.kind()),
            }
        }
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::pin!(receive);
    let answer = tokio::select! {
        answer = &mut receive => answer,
        // Whether sending failed or not, the answer says why.
        _ = send => receive.await,
    };
    let status = answer.split(' ').nth(1).unwrap_or("no answer").to_owned();
    if status == "503" && answer.contains("overloaded") { "503 overloaded".to_owned() } else { status }
}
