//! HTTP dates as header values: the same few seconds are asked for again and again.

use headwater_types::UnixMillis;
use http::HeaderValue;
use parking_lot::Mutex;

/// Seconds that are remembered. Objects of a live window were stored within minutes.
const SLOTS: usize = 1024;

/// Remembers formatted dates, each second in a slot of its own.
#[derive(Debug)]
pub(crate) struct Dates(Box<[Slot]>);

/// A second since the epoch, and its date.
type Slot = Mutex<Option<(u64, HeaderValue)>>;

impl Dates {
    pub fn new() -> Self {
        Self((0..SLOTS).map(|_| Mutex::default()).collect())
    }

    /// The date of a time (RFC 9110 section 5.6.7), to the second.
    pub fn value(&self, time: UnixMillis) -> HeaderValue {
        let second = time.0 / 1000;
        let mut slot = self.0[second as usize % SLOTS].lock();
        match &*slot {
            Some((known, value)) if *known == second => value.clone(),
            _ => {
                let text = httpdate::fmt_http_date(time.to_system_time());
                let value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
                *slot = Some((second, value.clone()));
                value
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_serves_the_second_that_is_asked_for() {
        let dates = Dates::new();
        let at = |second: u64| UnixMillis(second * 1000 + 999);
        for second in [784_111_777, 784_111_777, 784_111_777 + SLOTS as u64, 784_111_777] {
            let expected = httpdate::fmt_http_date(at(second).to_system_time());
            assert_eq!(dates.value(at(second)), expected);
        }
        assert_eq!(dates.value(at(784_111_777)), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
