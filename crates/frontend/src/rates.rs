//! Rate limits, as this frontend counts them.
//!
//! A limit is a clock that runs ahead (the generic cell rate algorithm, ITU-T I.371 annex A): what is asked for moves it on
//! by the time that the limit gives for it, and requests are let in while it is no more than a second ahead. How many
//! requests there are is known beforehand. How many bytes is not, so they are counted once they are known, also those that
//! are too many: then whoever comes next waits until they are paid for.

use hashbrown::HashMap;
use headwater_types::{ErrorCode, KeyId, NamespaceId, RateLimits};
use http::{HeaderValue, header};
use http_body::Body as _;
use parking_lot::RwLock;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{
    authorize::{Action, Grant},
    policy::Policy,
    problem::Problem,
    request_body::RequestBody,
    response_body::ResponseBody,
};

/// How far ahead a clock may run: a second's worth may come at once.
const AHEAD_MAX: u64 = NANOS;
/// Nanoseconds of a second.
const NANOS: u64 = 1_000_000_000;
/// From so many meters on, those are forgotten that would say nothing.
const METERS_SWEPT_FROM: usize = 16 * 1024;

/// Whose requests are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    Key(KeyId),
    Namespace(NamespaceId),
}

impl Subject {
    fn kind(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Namespace(_) => "namespace",
        }
    }
}

/// Which limits a request falls under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// GET, HEAD and LIST, and what is sent.
    Read,
    /// PUT, POST and DELETE, and what is received.
    Write,
}

/// The meters of everybody who has limits.
#[derive(Debug, Default)]
pub(crate) struct Rates(RwLock<Meters>);

#[derive(Debug, Default)]
struct Meters {
    of: HashMap<Subject, Arc<Meter>>,
    swept_at: usize,
}

#[derive(Debug, Default)]
struct Meter {
    read: Clocks,
    write: Clocks,
}

/// How far has been asked for, in nanoseconds of the monotonic clock.
#[derive(Debug, Default)]
struct Clocks {
    requests: AtomicU64,
    bytes: AtomicU64,
}

/// Where the bytes of a request that was let in are counted.
#[derive(Debug, Default)]
pub(crate) struct Metered(Vec<MeteredBytes>);

#[derive(Debug)]
struct MeteredBytes {
    meter: Arc<Meter>,
    direction: Direction,
    per_s: u64,
}

impl Rates {
    /// Lets a request in that came at monotonic time `now`, and counts it, by its key first. What is received is counted by
    /// its body; what is answered is for whom the bytes that are sent are to be told to.
    pub fn admit(
        &self,
        grant: &Grant,
        policy: &Policy,
        action: Action<'_>,
        body: &mut RequestBody,
        now: Duration,
    ) -> Result<Metered, Problem> {
        let direction = if action.reads() { Direction::Read } else { Direction::Write };
        let mut metered = Metered::default();
        if let Grant::Key(key) = grant {
            self.admit_one(|| Subject::Key(key.id.clone()), &key.rate_limits, direction, now, &mut metered)?;
        }
        let namespace = || Subject::Namespace(policy.id());
        self.admit_one(namespace, &policy.settings().rate_limits, direction, now, &mut metered)?;
        if direction == Direction::Write && !metered.0.is_empty() {
            body.meter(std::mem::take(&mut metered), now);
        }
        Ok(metered)
    }

    fn admit_one(
        &self,
        subject: impl FnOnce() -> Subject,
        limits: &RateLimits,
        direction: Direction,
        now: Duration,
        metered: &mut Metered,
    ) -> Result<(), Problem> {
        let (requests, bytes) = match direction {
            Direction::Read => (limits.read_requests_per_s, limits.read_bytes_per_s),
            Direction::Write => (limits.write_requests_per_s, limits.write_bytes_per_s),
        };
        if requests.is_none() && bytes.is_none() {
            return Ok(());
        }
        let subject = subject();
        let now = nanos(now);
        let meter = self.meter(&subject, now);
        let clocks = meter.clocks(direction);
        if let Some(per_s) = bytes {
            clocks.has_bytes(now).map_err(|wait| refused(&subject, direction, per_s, "bytes", wait))?;
        }
        if let Some(per_s) = requests {
            let taken = clocks.take_request(now, per_s);
            taken.map_err(|wait| refused(&subject, direction, per_s, "requests", wait))?;
        }
        metered.0.extend(bytes.map(|per_s| MeteredBytes { meter, direction, per_s }));
        Ok(())
    }

    fn meter(&self, subject: &Subject, now: u64) -> Arc<Meter> {
        if let Some(meter) = self.0.read().of.get(subject) {
            return meter.clone();
        }
        let mut meters = self.0.write();
        if meters.of.len() >= meters.swept_at.max(METERS_SWEPT_FROM) {
            meters.of.retain(|_, meter| Arc::strong_count(meter) > 1 || meter.is_ahead(now));
            meters.swept_at = 2 * meters.of.len();
        }
        meters.of.entry(subject.clone()).or_default().clone()
    }
}

impl Metered {
    /// Counts bytes that are about to be, or have been, sent or received.
    pub fn count(&self, bytes: u64, now: Duration) {
        for MeteredBytes { meter, direction, per_s } in &self.0 {
            meter.clocks(*direction).count_bytes(nanos(now), bytes, *per_s);
        }
    }

    /// Counts what is about to be sent. Where its size is not known yet it is for the caller to count it once it is.
    pub fn settle(self, answer: &ResponseBody, now: Duration) -> Option<Self> {
        if self.0.is_empty() {
            return None;
        }
        match answer.size_hint().exact() {
            Some(size) => {
                self.count(size, now);
                None
            }
            None => Some(self),
        }
    }
}

impl Meter {
    fn clocks(&self, direction: Direction) -> &Clocks {
        match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        }
    }

    /// A meter none of whose clocks is ahead says what a new one says.
    fn is_ahead(&self, now: u64) -> bool {
        [&self.read, &self.write]
            .into_iter()
            .flat_map(|clocks| [&clocks.requests, &clocks.bytes])
            .any(|clock| clock.load(Relaxed) > now)
    }
}

impl Clocks {
    /// Takes one request, or says how long to wait for it.
    fn take_request(&self, now: u64, per_s: u64) -> Result<(), u64> {
        let step = NANOS / per_s.max(1);
        let taken = self.requests.fetch_update(Relaxed, Relaxed, |at| {
            let ahead = at.max(now) + step;
            (ahead <= now + AHEAD_MAX).then_some(ahead)
        });
        taken.map(drop).map_err(|at| (at + step).saturating_sub(now + AHEAD_MAX))
    }

    /// Whether more bytes may come, or how long to wait for that.
    fn has_bytes(&self, now: u64) -> Result<(), u64> {
        match self.bytes.load(Relaxed).saturating_sub(now + AHEAD_MAX) {
            0 => Ok(()),
            wait => Err(wait),
        }
    }

    fn count_bytes(&self, now: u64, bytes: u64, per_s: u64) {
        let time = u128::from(bytes) * u128::from(NANOS) / u128::from(per_s.max(1));
        // Debts are forgiven from an hour on: a limit that was set by mistake is not to be felt for days.
        let time = time.min(u128::from(3600 * NANOS)) as u64;
        let _ = self
            .bytes
            .fetch_update(Relaxed, Relaxed, |at| Some((at.max(now) + time).min(now + 3600 * NANOS)));
    }
}

fn nanos(time: Duration) -> u64 {
    time.as_nanos() as u64
}

fn refused(subject: &Subject, direction: Direction, per_s: u64, what: &str, wait: u64) -> Problem {
    let kind = match direction {
        Direction::Read => "read",
        Direction::Write => "write",
    };
    let of = subject.kind();
    let detail =
        format!("{kind}_{what}_per_s of the {of} is {per_s}, and as much was asked of this frontend");
    let seconds = wait.div_ceil(NANOS).max(1);
    Problem::new(ErrorCode::RateLimited, detail).with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: Subject = Subject::Namespace(NamespaceId(7));

    /// What a request at this many milliseconds is answered: let in, or to come again after so many seconds.
    fn ask(
        rates: &Rates,
        limits: &RateLimits,
        direction: Direction,
        at_ms: u64,
        metered: &mut Metered,
    ) -> Result<(), String> {
        let now = Duration::from_millis(at_ms);
        rates.admit_one(|| LIVE, limits, direction, now, metered).map_err(|problem| {
            assert_eq!(problem.code, ErrorCode::RateLimited);
            let response = problem.into_response(headwater_types::RequestId(1));
            response.headers()[header::RETRY_AFTER].to_str().unwrap().to_owned()
        })
    }

    #[test]
    fn a_seconds_worth_of_requests_may_come_at_once_and_one_more_may_not() {
        for per_s in [1, 3, 7, 1000, headwater_types::limits::RATE_REQUESTS_MAX] {
            let rates = Rates::default();
            let limits = RateLimits { read_requests_per_s: Some(per_s), ..RateLimits::default() };
            let mut metered = Metered::default();
            for _ in 0..per_s {
                ask(&rates, &limits, Direction::Read, 5_000, &mut metered).unwrap();
            }
            assert_eq!(
                ask(&rates, &limits, Direction::Read, 5_000, &mut metered),
                Err("1".into()),
                "{per_s}"
            );
            ask(&rates, &limits, Direction::Write, 5_000, &mut metered).unwrap();
            assert!(metered.0.is_empty(), "no bytes are limited");
            for _ in 0..per_s {
                ask(&rates, &limits, Direction::Read, 6_000, &mut metered).unwrap();
            }
            ask(&rates, &limits, Direction::Read, 6_000, &mut metered).unwrap_err();
        }
    }

    #[test]
    fn over_a_long_time_the_rate_is_kept() {
        let rates = Rates::default();
        let limits = RateLimits { write_requests_per_s: Some(50), ..RateLimits::default() };
        let asked = (0..60_000).map(|ms| ask(&rates, &limits, Direction::Write, ms, &mut Metered::default()));
        let admitted = asked.filter(Result::is_ok).count();
        assert!(
            (3000..=3050).contains(&admitted),
            "{admitted} in a minute, 50 a second and a second's worth at once"
        );
    }

    #[test]
    fn bytes_are_paid_for_by_whoever_comes_next() {
        let rates = Rates::default();
        let limits = RateLimits { read_bytes_per_s: Some(1_000), ..RateLimits::default() };
        let mut metered = Metered::default();
        ask(&rates, &limits, Direction::Read, 0, &mut metered).unwrap();
        metered.count(1_000, Duration::ZERO);
        ask(&rates, &limits, Direction::Read, 0, &mut Metered::default()).unwrap();
        metered.count(3_001, Duration::ZERO);
        assert_eq!(ask(&rates, &limits, Direction::Read, 0, &mut Metered::default()), Err("4".into()));
        ask(&rates, &limits, Direction::Write, 0, &mut Metered::default()).unwrap();
        assert_eq!(ask(&rates, &limits, Direction::Read, 3_000, &mut Metered::default()), Err("1".into()));
        ask(&rates, &limits, Direction::Read, 3_001, &mut Metered::default()).unwrap();
        metered.count(u64::MAX, Duration::from_secs(10));
        let next = ask(&rates, &limits, Direction::Read, 10_000, &mut Metered::default());
        assert_eq!(next, Err("3599".into()), "no debt is longer than an hour");
    }

    #[test]
    fn meters_that_say_nothing_are_forgotten() {
        let rates = Rates::default();
        let limits = RateLimits { read_requests_per_s: Some(1), ..RateLimits::default() };
        let admit = |id, now| {
            let subject = || Subject::Namespace(NamespaceId(id));
            rates.admit_one(subject, &limits, Direction::Read, now, &mut Metered::default())
        };
        let count = METERS_SWEPT_FROM as u64;
        (0..count).for_each(|id| admit(id, Duration::from_secs(id / (count - 1))).unwrap());
        // At this time only the clock of the last one is ahead.
        admit(count, Duration::from_millis(1_500)).unwrap();
        assert_eq!(rates.0.read().of.len(), 2);
        admit(count - 1, Duration::from_millis(1_500)).unwrap_err();
    }
}
