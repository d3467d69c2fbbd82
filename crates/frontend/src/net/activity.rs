//! What a connection is doing, and until when it may go on: shared by its reads and writes, its requests and its driver.

use super::{
    config::NetConfig,
    info::Protocol,
    metrics::Deadline,
    order::{self, Place},
};
use headwater_types::{Clock, clock::COARSE_LAG_MAX};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};

/// A connection's phase and its deadline.
///
/// The driver wakes at most once in the shortest of the limits and compares; nothing that happens on the connection
/// touches a timer. What happens is timed by the coarse clock, whose lag is added to every limit: no deadline is met
/// early, and each some milliseconds late at most.
#[derive(Debug)]
pub(super) struct Activity {
    clock: Arc<dyn Clock>,
    header: Duration,
    idle: Duration,
    write_stall: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    in_flight: usize,
    /// Over HTTP/2, where other streams go on meanwhile: since when a header block is arriving.
    header_since: Option<Duration>,
    /// Since when the peer has taken nothing of what waits to be written.
    stalled_since: Option<Duration>,
    /// No further request will be taken.
    closing: bool,
    /// The peer sends no more: it closed or it is gone.
    peer_done: bool,
    /// Input was refused, or a request answered before its body was read to its end.
    left_unread: bool,
    /// Of the request whose header block is arriving, over HTTP/1.
    place: Option<Place>,
}

/// By the monotonic clock, since when.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// A header block is arriving, over HTTP/1.
    Header(Duration),
    /// Waits for a request.
    Idle(Duration),
    /// Requests are in flight: their own limits hold.
    Busy,
}

impl Activity {
    /// A connection whose first byte has just come.
    pub(super) fn new(clock: Arc<dyn Clock>, protocol: Protocol, config: &NetConfig) -> Self {
        let now = clock.monotonic();
        let phase = match protocol {
            Protocol::Http1 => Phase::Header(now),
            // Its preface is not yet a request, and a proxy opens connections ahead of use.
            Protocol::Http2 => Phase::Idle(now),
        };
        Self {
            clock,
            header: config.header_read_timeout + COARSE_LAG_MAX,
            idle: config.keep_alive_idle + COARSE_LAG_MAX,
            write_stall: config.write_stall_timeout + COARSE_LAG_MAX,
            state: Mutex::new(State {
                phase,
                in_flight: 0,
                // Its preface is to be whole as soon as a header block.
                header_since: (protocol == Protocol::Http2).then_some(now),
                stalled_since: None,
                closing: false,
                peer_done: false,
                left_unread: false,
                place: None,
            }),
        }
    }

    /// The time, for what is timed with it.
    pub(super) fn now(&self) -> Duration {
        self.clock.coarse_monotonic()
    }

    /// The place of the request that the connection's first bytes begin.
    pub(super) fn first_request(&self, place: Place) {
        self.state.lock().place = Some(place);
    }

    /// Bytes of a header block came, over HTTP/1. Empty lines before the request are none of it.
    pub(super) fn received_head(&self, bytes: &[u8]) {
        let mut state = self.state.lock();
        if state.place.is_none() && order::first_of_request(bytes).is_none() {
            return;
        }
        state.place.get_or_insert_with(Place::next);
        if let Phase::Idle(_) = state.phase {
            state.phase = Phase::Header(self.clock.coarse_monotonic());
        }
    }

    /// A header block is arriving, over HTTP/2.
    pub(super) fn header_begins(&self) {
        self.state.lock().header_since = Some(self.clock.coarse_monotonic());
    }

    /// It is whole.
    pub(super) fn header_ended(&self) {
        self.state.lock().header_since = None;
    }

    /// The peer takes no more for now.
    pub(super) fn write_stalled(&self) {
        self.state.lock().stalled_since = Some(self.clock.coarse_monotonic());
    }

    /// The peer took some of what waited.
    pub(super) fn write_resumed(&self) {
        let mut state = self.state.lock();
        state.stalled_since = None;
        // The idle time begins when the answer is out, not when it was handed over.
        if let Phase::Idle(since) = &mut state.phase {
            *since = self.clock.coarse_monotonic();
        }
    }

    /// The peer closed its direction, or the connection is broken.
    pub(super) fn peer_done(&self) {
        self.state.lock().peer_done = true;
    }

    /// Whether nothing more can come from the peer.
    pub(super) fn is_peer_done(&self) -> bool {
        self.state.lock().peer_done
    }

    /// Input of the peer is left unread: it may be sending still, and has an answer to read.
    pub(super) fn leave_unread(&self) {
        self.state.lock().left_unread = true;
    }

    /// Whether input was left unread.
    pub(super) fn has_left_unread(&self) -> bool {
        self.state.lock().left_unread
    }

    /// The connection was asked to end after what is in flight: it may then be idle no longer than a header may take.
    pub(super) fn begin_closing(&self) {
        let mut state = self.state.lock();
        state.closing = true;
        if let Phase::Idle(since) = &mut state.phase {
            *since = self.clock.coarse_monotonic();
        }
    }

    /// A request begins; it ends when what is returned is dropped.
    pub(super) fn request_begins(self: &Arc<Self>) -> InFlight {
        let mut state = self.state.lock();
        state.in_flight += 1;
        state.phase = Phase::Busy;
        // Over HTTP/2 requests begin in the order of their HEADERS frames, which is that of these calls.
        let place = state.place.take().unwrap_or_else(Place::next);
        InFlight { activity: self.clone(), place }
    }

    fn request_ended(&self) {
        let mut state = self.state.lock();
        state.in_flight -= 1;
        if state.in_flight == 0 {
            state.phase = Phase::Idle(self.clock.coarse_monotonic());
        }
    }

    /// Waits until a deadline has passed.
    pub(super) async fn expired(&self) -> Deadline {
        let tick = self.header.min(self.idle).min(self.write_stall);
        loop {
            let wait = match self.deadline() {
                None => tick,
                Some((deadline, at)) => match at.checked_sub(self.clock.monotonic()) {
                    None | Some(Duration::ZERO) => return deadline,
                    Some(left) => left.min(tick),
                },
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// The deadline that passes first.
    fn deadline(&self) -> Option<(Deadline, Duration)> {
        let state = self.state.lock();
        let header = state.header_since.map(|since| (Deadline::Header, since + self.header));
        let other = match (state.stalled_since, state.phase) {
            (Some(since), _) => Some((Deadline::Write, since + self.write_stall)),
            (None, Phase::Header(since)) => Some((Deadline::Header, since + self.header)),
            (None, Phase::Idle(since)) => {
                let limit = if state.closing { self.header.min(self.idle) } else { self.idle };
                Some((Deadline::Idle, since + limit))
            }
            (None, Phase::Busy) => None,
        };
        header.into_iter().chain(other).min_by_key(|(_, at)| *at)
    }
}

/// A request in flight.
#[derive(Debug)]
pub(super) struct InFlight {
    activity: Arc<Activity>,
    place: Place,
}

impl InFlight {
    /// The time, for what is timed with the connection.
    pub(super) fn now(&self) -> Duration {
        self.activity.now()
    }

    /// Its body will not be read to its end.
    pub(super) fn leave_unread(&self) {
        self.activity.leave_unread();
    }

    /// Its place in the order in which requests began.
    pub(super) fn place(&self) -> Place {
        self.place
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.activity.request_ended();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_types::{ManualClock, SystemClock, UnixMillis};

    fn activity(protocol: Protocol) -> (Arc<ManualClock>, Arc<Activity>) {
        let clock = Arc::new(ManualClock::new(UnixMillis(0)));
        (clock.clone(), Arc::new(Activity::new(clock, protocol, &NetConfig::default())))
    }

    fn due(activity: &Activity) -> Option<(Deadline, u64)> {
        activity.deadline().map(|(deadline, at)| (deadline, at.as_secs()))
    }

    #[test]
    fn each_phase_has_its_own_deadline() {
        let (clock, activity) = activity(Protocol::Http1);
        assert_eq!(due(&activity), Some((Deadline::Header, 10)));
        // More of the header does not put the deadline off.
        clock.advance(Duration::from_secs(5));
        activity.received_head(b"GET");
        assert_eq!(due(&activity), Some((Deadline::Header, 10)));

        let request = activity.request_begins();
        assert_eq!(due(&activity), None);
        activity.received_head(b"GET");
        assert_eq!(due(&activity), None);
        activity.write_stalled();
        assert_eq!(due(&activity), Some((Deadline::Write, 65)));

        drop(request);
        clock.advance(Duration::from_secs(5));
        activity.write_resumed();
        assert_eq!(due(&activity), Some((Deadline::Idle, 75)));
        activity.begin_closing();
        assert_eq!(due(&activity), Some((Deadline::Idle, 20)));
    }

    #[test]
    fn a_request_has_the_place_of_its_first_byte() {
        let (_, http1) = activity(Protocol::Http1);
        let (sniffed, before) = (Place::next(), Place::next());
        http1.first_request(sniffed);
        http1.received_head(b"T /");
        assert_eq!(http1.request_begins().place(), sniffed);
        http1.received_head(b"\r\n\r");
        let after_lines = Place::next();
        http1.received_head(b"\nP");
        let between = Place::next();
        http1.received_head(b"UT / HTTP/1.1\r\n");
        let place = http1.request_begins().place();
        assert!(before < after_lines && after_lines < place, "empty lines do not begin it: {place:?}");
        assert!(place < between, "that of its first byte: {place:?}");

        let (_, http2) = activity(Protocol::Http2);
        let (first, second) = (http2.request_begins(), http2.request_begins());
        assert!(between < first.place() && first.place() < second.place());
    }

    #[test]
    fn empty_lines_begin_no_header_block() {
        let (clock, activity) = activity(Protocol::Http1);
        drop(activity.request_begins());
        clock.advance(Duration::from_secs(5));
        activity.received_head(b"\r\n");
        assert_eq!(due(&activity), Some((Deadline::Idle, 65)));
        activity.received_head(b"\r\nG");
        assert_eq!(due(&activity), Some((Deadline::Header, 15)));
    }

    #[test]
    fn over_http2_the_last_stream_begins_the_idle_time() {
        let (clock, activity) = activity(Protocol::Http2);
        activity.header_ended();
        assert_eq!(due(&activity), Some((Deadline::Idle, 65)));
        let (first, second) = (activity.request_begins(), activity.request_begins());
        drop(first);
        assert_eq!(due(&activity), None);
        clock.advance(Duration::from_secs(1));
        drop(second);
        assert_eq!(due(&activity), Some((Deadline::Idle, 66)));
    }

    #[test]
    fn over_http2_a_header_block_has_its_deadline_whatever_else_goes_on() {
        let (clock, activity) = activity(Protocol::Http2);
        assert_eq!(due(&activity), Some((Deadline::Header, 10)), "the preface");
        activity.header_ended();
        let _request = activity.request_begins();
        clock.advance(Duration::from_secs(7));
        activity.header_begins();
        assert_eq!(due(&activity), Some((Deadline::Header, 17)));
        activity.write_stalled();
        assert_eq!(due(&activity), Some((Deadline::Header, 17)));
        activity.header_ended();
        assert_eq!(due(&activity), Some((Deadline::Write, 67)));
    }

    #[tokio::test]
    async fn a_deadline_that_moves_is_met() {
        let config = NetConfig {
            header_read_timeout: Duration::from_millis(50),
            keep_alive_idle: Duration::from_millis(120),
            ..NetConfig::default()
        };
        let clock = Arc::new(SystemClock::new());
        let activity = Arc::new(Activity::new(clock.clone(), Protocol::Http1, &config));
        // Busy for longer than any limit, then idle: the watch began long before that deadline was known.
        let request = activity.request_begins();
        let watch = tokio::spawn({
            let activity = activity.clone();
            async move { activity.expired().await }
        });
        tokio::time::sleep(Duration::from_millis(180)).await;
        assert!(!watch.is_finished());
        let idle_since = clock.monotonic();
        drop(request);
        assert_eq!(watch.await.unwrap(), Deadline::Idle);
        assert!(clock.monotonic() - idle_since >= config.keep_alive_idle);
    }
}
