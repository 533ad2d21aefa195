//! Minutes × levels: how many events of each level each minute has. Histograms of everything need nothing else.
//!
//! `minutes | per minute, newest first: distance to the one before | events of each of the 7 levels`

use super::varint::{Reader, put};
use crate::event::StoredEvent;
use parsers::TimeNs;

/// Nanoseconds of a minute.
pub(super) const MINUTE_NS: i64 = 60_000_000_000;
/// Number of levels.
pub(super) const LEVELS: usize = 7;

/// Counts the minutes of events that come newest first.
#[derive(Debug, Default)]
pub(super) struct Collector {
    minutes: Vec<(i64, [u64; LEVELS])>,
}

impl Collector {
    pub(super) fn add(&mut self, event: &StoredEvent) {
        let minute = event.time.0.div_euclid(MINUTE_NS);
        if self.minutes.last().is_none_or(|last| last.0 != minute) {
            self.minutes.push((minute, [0; LEVELS]));
        }
        if let Some(last) = self.minutes.last_mut() {
            last.1[event.body.level as usize] += 1;
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        encode(&self.minutes)
    }
}

fn encode(minutes: &[(i64, [u64; LEVELS])]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, minutes.len() as u64);
    let mut before = i64::MAX;
    for &(minute, counts) in minutes {
        put(&mut out, before.wrapping_sub(minute) as u64);
        before = minute;
        counts.iter().for_each(|&count| put(&mut out, count));
    }
    out
}

/// A minute's first moment and its events by level.
pub(super) fn read(bytes: &[u8]) -> Option<Vec<(TimeNs, [u64; LEVELS])>> {
    let mut reader = Reader(bytes);
    let count = reader.count()?;
    let mut before = i64::MAX;
    let minutes = (0..count).map(|_| {
        before = before.wrapping_sub(reader.number()? as i64);
        let mut counts = [0; LEVELS];
        for count in &mut counts {
            *count = reader.number()?;
        }
        Some((TimeNs(before.wrapping_mul(MINUTE_NS)), counts))
    });
    minutes.collect()
}

/// Whether every bound is the first moment of a minute.
pub(super) fn fits(bounds: impl IntoIterator<Item = TimeNs>) -> bool {
    bounds.into_iter().all(|bound| bound.0.rem_euclid(MINUTE_NS) == 0)
}
