//! Decides an event's `@timestamp` and partition, once, when it is received (protocol rules 32, 37).

use super::Judge;
use crate::store::marks::StreamMark;
use crate::store::snapshot::PartitionKey;
use crate::store::wal::Slot;
use parsers::{EventTime, Flags, TimeNs, TimeSource, ZoneSource};
use std::sync::Arc;
use std::time::Duration;
use wire::EventBody;

pub(crate) const HOUR_NS: i64 = 3_600_000_000_000;
pub(crate) const DAY_NS: i64 = 24 * HOUR_NS;

/// The day of a time, counted from 1970-01-01 UTC.
pub(crate) fn day_of(time: TimeNs) -> i32 {
    // 2^63 ns are some hundred thousand days.
    time.0.div_euclid(DAY_NS) as i32
}

fn hour_of(time: TimeNs) -> u8 {
    (time.0.rem_euclid(DAY_NS) / HOUR_NS) as u8
}

/// What is too old: whole days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Retention {
    /// The oldest day kept.
    pub(crate) oldest_day: Option<i32>,
}

impl Retention {
    /// What is kept at `now` of an `age`.
    pub(crate) fn at(now: TimeNs, age: Option<Duration>) -> Retention {
        let oldest = age.map(|age| {
            let age = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
            day_of(TimeNs(now.0.saturating_sub(age)))
        });
        Retention { oldest_day: oldest }
    }

    /// The oldest time accepted.
    pub(crate) fn oldest(self) -> Option<TimeNs> {
        self.oldest_day.map(|day| TimeNs(i64::from(day).saturating_mul(DAY_NS)))
    }

    pub(crate) fn is_expired(self, day: i32) -> bool {
        self.oldest_day.is_some_and(|oldest| day < oldest)
    }
}

/// Places the events of one message, in order.
pub(crate) struct Placing<'a> {
    judge: &'a Judge<'a>,
    last: Option<EventTime>,
    born: Option<i64>,
    /// The day looked at last, and whether it is large.
    day: Option<(i32, bool)>,
    /// How many were older than the retention.
    pub(super) expired: u64,
}

impl<'a> Placing<'a> {
    pub(crate) fn new(judge: &'a Judge<'a>, mark: &StreamMark) -> Placing<'a> {
        Placing { judge, last: mark.last_time, born: mark.info.factors.born_ns, day: None, expired: 0 }
    }

    /// Decides; an event without time gets one, and its source says from where.
    pub(crate) fn place(&mut self, body: &mut EventBody) -> (TimeNs, Slot) {
        let time = match body.time {
            Some(time) => {
                self.last = Some(time);
                time
            }
            None => self.substitute(),
        };
        body.time = Some(time);
        let received = self.judge.received;
        let mut placed = time.utc;
        if time.utc.0.saturating_sub(received.0) > DAY_NS {
            body.flags.set(Flags::FUTURE);
            placed = received;
        }
        let day = day_of(placed);
        if self.judge.retention.is_expired(day) {
            return (time.utc, Slot::Expired);
        }
        let hour = self.is_large(day).then(|| hour_of(placed));
        (time.utc, Slot::Day { day, hour })
    }

    /// The last time of its stream, else the file's, else the moment of receipt.
    fn substitute(&self) -> EventTime {
        let other = |utc, source| EventTime { utc, offset_minutes: 0, source, zone: ZoneSource::Host };
        match (self.last, self.born) {
            (Some(last), _) => EventTime { source: TimeSource::Inherited, ..last },
            (None, Some(born)) => other(TimeNs(born), TimeSource::File),
            (None, None) => other(self.judge.received, TimeSource::Received),
        }
    }

    fn is_large(&mut self, day: i32) -> bool {
        if let Some((looked_at, large)) = self.day
            && looked_at == day
        {
            return large;
        }
        let (owner, environment) = (Arc::clone(self.judge.owner), Arc::clone(self.judge.environment));
        let large = (self.judge.is_large)(&PartitionKey { owner, environment, day, hour: None });
        self.day = Some((day, large));
        large
    }
}
