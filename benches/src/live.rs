//! Live traffic, open loop: encoders push by the clock whatever the server does, viewers poll and read what is new.
//!
//! A latency counts from when the request was due if the one before it was late, so that a stall shows in every request
//! that it held up.

use crate::{client::Connection, target::Target};
use headwater_types::{Clock, SystemClock};
use serde::Serialize;
use std::{fmt::Write, sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::sleep};

/// A segment every so often, and as long as that.
const SEGMENT: Duration = Duration::from_secs(2);
/// Each viewer reads the playlist so often.
const POLL: Duration = Duration::from_secs(1);
/// Segments that a playlist lists.
const WINDOW: u64 = 6;

/// The size of the load.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Load {
    pub renditions: usize,
    pub viewers_per_rendition: usize,
    pub segment_bytes: usize,
    pub seconds: u64,
}

/// What was measured, by operation.
#[derive(Debug, Default)]
pub struct Latencies {
    pub put_segment: Vec<Duration>,
    pub put_playlist: Vec<Duration>,
    pub get_playlist: Vec<Duration>,
    pub get_segment: Vec<Duration>,
    /// What each failed request said.
    pub errors: Vec<String>,
}

impl Latencies {
    fn add(&mut self, other: Self) {
        self.put_segment.extend(other.put_segment);
        self.put_playlist.extend(other.put_playlist);
        self.get_playlist.extend(other.get_playlist);
        self.get_segment.extend(other.get_segment);
        self.errors.extend(other.errors);
    }
}

/// Runs the load against one server.
///
/// # Errors
/// The first segments cannot be stored. Later failures are counted.
pub async fn run(target: &Target, load: Load) -> anyhow::Result<Latencies> {
    let body: Arc<[u8]> = vec![0x47; load.segment_bytes].into();
    // So that viewers find something from the start.
    let mut writer = target.writer();
    for rendition in 0..load.renditions {
        writer.put(&segment_path(rendition, 0, true), &body).await?;
        writer.put(&playlist_path(rendition, true), playlist(rendition, 0).as_bytes()).await?;
    }
    let clock = Arc::new(SystemClock::new());
    let mut tasks = JoinSet::new();
    for rendition in 0..load.renditions {
        let schedule = Schedule::new(&clock, SEGMENT, share(rendition, load.renditions), load.seconds);
        tasks.spawn(push(target.writer(), rendition, Arc::clone(&body), schedule));
        for viewer in 0..load.viewers_per_rendition {
            let at = rendition * load.viewers_per_rendition + viewer;
            let phase = share(at * 7919, load.renditions * load.viewers_per_rendition);
            let schedule = Schedule::new(&clock, POLL, phase, load.seconds);
            tasks.spawn(watch(target.reader(), rendition, load.segment_bytes, schedule));
        }
    }
    let mut all = Latencies::default();
    while let Some(measured) = tasks.join_next().await {
        all.add(measured?);
    }
    Ok(all)
}

/// An encoder: a segment and then the playlist that lists it, at each tick.
async fn push(
    mut writer: Connection,
    rendition: usize,
    body: Arc<[u8]>,
    mut schedule: Schedule,
) -> Latencies {
    let mut measured = Latencies::default();
    let mut number = 0;
    while let Some(due) = schedule.next().await {
        number += 1;
        let stored = writer.put(&segment_path(rendition, number, true), &body).await;
        schedule.note(due, stored, &mut measured.put_segment, &mut measured.errors);
        let begin = schedule.now();
        let stored =
            writer.put(&playlist_path(rendition, true), playlist(rendition, number).as_bytes()).await;
        schedule.note(begin, stored, &mut measured.put_playlist, &mut measured.errors);
    }
    measured
}

/// A viewer: the playlist at each tick, and its newest segment if that is a new one.
async fn watch(
    mut reader: Connection,
    rendition: usize,
    segment_bytes: usize,
    mut schedule: Schedule,
) -> Latencies {
    let mut measured = Latencies::default();
    let mut seen = String::new();
    while let Some(due) = schedule.next().await {
        let text = reader.get_text(&playlist_path(rendition, false)).await;
        let Some(text) = schedule.note(due, text, &mut measured.get_playlist, &mut measured.errors) else {
            continue;
        };
        let newest =
            text.lines().rev().find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
        if newest == seen {
            continue;
        }
        let begin = schedule.now();
        let read = reader.get(&Target::path(newest)).await.and_then(|length| {
            anyhow::ensure!(length == segment_bytes, "{newest}: {length} of {segment_bytes} bytes");
            Ok(())
        });
        schedule.note(begin, read, &mut measured.get_segment, &mut measured.errors);
        newest.clone_into(&mut seen);
    }
    measured
}

/// Ticks at a fixed pace, from a phase on.
#[derive(Debug)]
struct Schedule {
    clock: Arc<SystemClock>,
    due: Duration,
    pace: Duration,
    end: Duration,
}

impl Schedule {
    /// `phase` is a share of the pace.
    fn new(clock: &Arc<SystemClock>, pace: Duration, phase: f64, seconds: u64) -> Self {
        let start = clock.monotonic();
        Self {
            clock: Arc::clone(clock),
            due: start + pace.mul_f64(phase),
            pace,
            end: start + Duration::from_secs(seconds),
        }
    }

    fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Waits for the next tick and gives the time from which its request counts. `None` once the time is over. The
    /// timer's own lateness of about a millisecond does not count.
    async fn next(&mut self) -> Option<Duration> {
        let due = self.due;
        self.due += self.pace;
        if due >= self.end {
            return None;
        }
        let early = due.saturating_sub(self.now());
        if early.is_zero() {
            return Some(due);
        }
        sleep(early).await;
        Some(self.now())
    }

    /// Notes the latency of a request that went well, or the error of one that did not.
    fn note<T>(
        &self,
        begin: Duration,
        outcome: anyhow::Result<T>,
        latencies: &mut Vec<Duration>,
        errors: &mut Vec<String>,
    ) -> Option<T> {
        match outcome {
            Ok(value) => {
                latencies.push(self.now() - begin);
                Some(value)
            }
            Err(error) => {
                errors.push(format!("{error:#}"));
                None
            }
        }
    }
}

/// Spreads `count` phases evenly over one pace.
fn share(at: usize, count: usize) -> f64 {
    (at % count) as f64 / count as f64
}

/// A name of letters, so that renditions fall into different shards.
fn name(rendition: usize) -> String {
    let mut left = rendition;
    let mut name = String::from("live");
    for _ in 0..3 {
        name.push(char::from(b'a' + (left % 26) as u8));
        left /= 26;
    }
    name
}

fn segment(rendition: usize, number: u64) -> String {
    format!("{}_{number:05}.ts", name(rendition))
}

fn segment_path(rendition: usize, number: u64, put: bool) -> String {
    format!("{}{}", Target::path(&segment(rendition, number)), if put { "?ttl_seconds=60" } else { "" })
}

fn playlist_path(rendition: usize, put: bool) -> String {
    format!(
        "{}{}",
        Target::path(&format!("{}.m3u8", name(rendition))),
        if put { "?ttl_seconds=60" } else { "" }
    )
}

/// The media playlist whose newest segment is `newest`.
fn playlist(rendition: usize, newest: u64) -> String {
    let oldest = (newest + 1).saturating_sub(WINDOW);
    let seconds = SEGMENT.as_secs();
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{seconds}\n#EXT-X-MEDIA-SEQUENCE:{oldest}\n"
    );
    for number in oldest..=newest {
        // Writing to a string does not fail.
        let _ = writeln!(text, "#EXTINF:{seconds}.000,\n{}", segment(rendition, number));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn playlists_list_a_window() {
        assert!(playlist(0, 0).contains("MEDIA-SEQUENCE:0\n#EXTINF:2.000,\nliveaaa_00000.ts\n"));
        let later = playlist(27, 9);
        assert!(later.contains("MEDIA-SEQUENCE:4\n"));
        assert_eq!(later.lines().filter(|line| line.starts_with("livebba_")).count(), 6);
        assert!(later.ends_with("livebba_00009.ts\n"));
    }

    #[test]
    fn names_differ() {
        assert_eq!((0..2000).map(name).collect::<HashSet<_>>().len(), 2000);
    }

    #[tokio::test]
    async fn ends_on_time_and_a_stall_counts_from_when_it_was_due() {
        let clock = Arc::new(SystemClock::new());
        let mut schedule = Schedule::new(&clock, Duration::from_millis(400), 0.0, 1);
        let first = schedule.next().await.unwrap();
        sleep(Duration::from_millis(500)).await;
        let second = schedule.next().await.unwrap();
        assert_eq!(second, schedule.due - Duration::from_millis(400));
        assert!(second - first <= Duration::from_millis(400));
        assert!(schedule.next().await.is_some());
        assert!(schedule.next().await.is_none());
    }
}
