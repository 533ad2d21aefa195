//! From a printed time stamp to an instant.
//!
//! A local time that a clock set back shows twice is read by file order: as the earlier instant unless
//! that lies clearly before the last event. A local time that a clock set forward never showed is read with the
//! offset before the change, as a clock that was not yet set would show it.

use crate::stamp::Stamp;
use crate::zone;
use crate::{Context, EventTime, TimeNs, TimeSource, Zone, ZoneSource};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};

/// Lines are not quite ordered in a file; a step back by less than this is no clock that was set back.
const DISORDER_SECONDS: i64 = 300;

/// Clocks are set at whole quarters of an hour, so one answer of the zone's rules serves one.
const QUARTER_SECONDS: i64 = 900;

const DAY_SECONDS: i64 = 86_400;

/// The offsets, in seconds east, that a local time may have been printed with; equal unless it is doubled.
#[derive(Clone, Copy, Debug)]
struct Offsets {
    earlier: i32,
    later: i32,
}

/// Reads stamps in the zone of the context, remembering the answers for the last quarter of an hour.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    name: String,
    /// The context's zone is the one of `name` still.
    known: bool,
    rules: Option<TimeZone>,
    quarter: i64,
    offsets: Offsets,
}

impl Times {
    pub(crate) fn new() -> Times {
        Times {
            name: String::new(),
            known: false,
            rules: None,
            quarter: i64::MIN,
            offsets: Offsets { earlier: 0, later: 0 },
        }
    }

    /// The instant `stamp` tells; `None` when it is no time, or has no date and none is known.
    #[cfg(test)]
    pub(crate) fn of_stamp(&mut self, stamp: &Stamp, context: &Context) -> Option<EventTime> {
        self.of_stamp_in(stamp, context, context.zone.as_ref())
    }

    /// The instant `stamp` tells in `zone`.
    pub(crate) fn of_stamp_in(&mut self, stamp: &Stamp, context: &Context, zone: Option<&Zone>) -> Option<EventTime> {
        if !stamp.valid {
            return None;
        }
        let dated = stamp.day.map(|day| (day, TimeSource::Parsed));
        let (day, source) = match dated {
            None if !stamp.dated => self.day_of_clock(stamp, context, zone)?,
            dated => dated?,
        };
        let local = i64::from(day) * DAY_SECONDS + i64::from(stamp.second);
        let (offset, zone) = match stamp.offset {
            Some(minutes) => (i32::from(minutes) * 60, ZoneSource::Line),
            None => (self.offset(local, context, zone), zone.map_or(ZoneSource::Host, |z| z.source)),
        };
        Some(EventTime {
            utc: TimeNs((local - i64::from(offset)).checked_mul(1_000_000_000)? + i64::from(stamp.nanos)),
            offset_minutes: (offset / 60) as i16,
            source,
            zone,
        })
    }

    /// The day of a clock time without date: that of the last time of the stream, the next one when the clock
    /// went back by more than half a day, the one before when it went back a little over midnight. The first such
    /// line has the last day that brings it before the file's own time.
    fn day_of_clock(&mut self, stamp: &Stamp, context: &Context, zone: Option<&Zone>) -> Option<(i32, TimeSource)> {
        let second = i64::from(stamp.second);
        let local = |utc: TimeNs, offset: i64| utc.0.div_euclid(1_000_000_000) + offset;
        let day = match (context.last_time, context.last_zone) {
            (Some(last), Some((minutes, _))) => {
                let last = local(last, i64::from(minutes) * 60);
                let day = last.div_euclid(DAY_SECONDS);
                match second - last.rem_euclid(DAY_SECONDS) {
                    ahead if ahead < -DAY_SECONDS / 2 => day + 1,
                    ahead if ahead > DAY_SECONDS - DISORDER_SECONDS => day - 1,
                    _ => day,
                }
            }
            _ => {
                let at = context.file_time?;
                let offset = self.offset_at(at, zone);
                (local(at, offset) + DISORDER_SECONDS - second).div_euclid(DAY_SECONDS)
            }
        };
        Some((i32::try_from(day).ok()?, TimeSource::File))
    }

    /// The offset of an instant in a zone.
    fn offset_at(&mut self, at: TimeNs, zone: Option<&Zone>) -> i64 {
        self.choose(zone);
        let instant = Timestamp::from_second(at.0.div_euclid(1_000_000_000));
        match (&self.rules, instant) {
            (Some(rules), Ok(instant)) => i64::from(rules.to_offset(instant).seconds()),
            _ => 0,
        }
    }

    /// Must be told when the next stamp may have another zone than the last one.
    pub(crate) fn zone_changed(&mut self) {
        self.known = false;
    }

    /// Takes over a zone.
    fn choose(&mut self, zone: Option<&Zone>) {
        if self.known {
            return;
        }
        self.known = true;
        let name = zone.map_or("", |z| z.name.as_str());
        if self.name != name {
            name.clone_into(&mut self.name);
            self.rules = zone::rules(name);
            self.quarter = i64::MIN;
        }
    }

    /// The offset of a local time in a zone.
    fn offset(&mut self, local: i64, context: &Context, zone: Option<&Zone>) -> i32 {
        self.choose(zone);
        let quarter = local.div_euclid(QUARTER_SECONDS);
        if quarter != self.quarter {
            self.quarter = quarter;
            self.offsets = self.look_up(quarter * QUARTER_SECONDS);
        }
        let Offsets { earlier, later } = self.offsets;
        match context.last_time {
            Some(TimeNs(last)) if earlier != later => {
                let last = last.div_euclid(1_000_000_000);
                if local - i64::from(earlier) < last - DISORDER_SECONDS { later } else { earlier }
            }
            _ => earlier,
        }
    }

    fn look_up(&self, local: i64) -> Offsets {
        let none = Offsets { earlier: 0, later: 0 };
        let (Some(rules), Some(at)) = (&self.rules, civil(local)) else { return none };
        let one = |seconds| Offsets { earlier: seconds, later: seconds };
        match rules.to_ambiguous_timestamp(at).offset() {
            AmbiguousOffset::Unambiguous { offset } => one(offset.seconds()),
            AmbiguousOffset::Gap { before, .. } => one(before.seconds()),
            AmbiguousOffset::Fold { before, after } => Offsets { earlier: before.seconds(), later: after.seconds() },
        }
    }
}

/// The time of an event that tells none: the last one of its stream, else the file's.
pub(crate) fn without_own(context: &Context) -> Option<EventTime> {
    let (offset_minutes, zone) = context.last_zone.unwrap_or((0, ZoneSource::Host));
    let of = |utc, source| EventTime { utc, offset_minutes, source, zone };
    let last = context.last_time.map(|utc| of(utc, TimeSource::Inherited));
    last.or_else(|| context.file_time.map(|utc| of(utc, TimeSource::File)))
}

fn civil(local: i64) -> Option<DateTime> {
    let (day, second) = (local.div_euclid(DAY_SECONDS), local.rem_euclid(DAY_SECONDS));
    let epoch = Date::constant(1970, 1, 1);
    let date = epoch.checked_add(jiff::Span::new().try_days(day).ok()?).ok()?;
    Some(date.at((second / 3600) as i8, (second / 60 % 60) as i8, (second % 60) as i8, 0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use crate::span::Cursor;
    use crate::stamp;
    use jiff::Timestamp;

    fn in_zone(name: &str) -> Context {
        Context { zone: Some(Zone { name: name.into(), source: ZoneSource::Banner }), ..Context::default() }
    }

    fn read(text: &str, context: &Context) -> String {
        let stamp = stamp::bracketed(&mut Cursor::new(text.as_bytes(), 0)).unwrap();
        let time = Times::new().of_stamp(&stamp, context).unwrap();
        Timestamp::from_nanosecond(i128::from(time.utc.0)).unwrap().to_string()
    }

    #[test]
    fn reads_local_times_in_the_zone_of_the_context() {
        assert_eq!(read("[2026-04-22 11:02:00,317]", &in_zone("Asia/Karachi")), "2026-04-22T06:02:00.317Z");
        assert_eq!(read("[2026-04-22 11:02:00,317]", &Context::default()), "2026-04-22T11:02:00.317Z");
        assert_eq!(read("[2020-05-27 2:25:20,853]", &in_zone("+02:00")), "2020-05-27T00:25:20.853Z");
        assert_eq!(read("[2024-09-20T13:16:18.123+05:30]", &in_zone("GMT")), "2024-09-20T07:46:18.123Z");
        assert_eq!(read("[2019-05-24 10:12:13,0732]", &in_zone("GMT")), "2019-05-24T10:12:13.732Z");
    }

    #[test]
    fn doubled_hours_are_read_by_file_order() {
        let mut context = in_zone("America/New_York");
        let mut seen = Vec::new();
        for clock in ["00:59:00", "01:10:00", "01:59:59", "01:58:00", "01:00:01", "01:30:00", "02:00:00"] {
            let text = format!("[2026-11-01 {clock},000]");
            let stamp = stamp::bracketed(&mut Cursor::new(text.as_bytes(), 0)).unwrap();
            let time = Times::new().of_stamp(&stamp, &context).unwrap();
            context.last_time = Some(time.utc);
            seen.push(time.offset_minutes);
        }
        assert_eq!(seen, [-240, -240, -240, -240, -300, -300, -300]);
    }

    #[test]
    fn skipped_hours_keep_the_offset_before_the_change() {
        assert_eq!(read("[2026-03-08 02:30:00,000]", &in_zone("America/New_York")), "2026-03-08T07:30:00Z");
    }

    #[test]
    fn clocks_without_date_get_the_day_of_the_file_and_pass_midnight() {
        let day = day_seconds("2026-04-22T00:00:00Z");
        let mut context = in_zone("Asia/Colombo");
        context.file_time = Some(TimeNs((day + 20 * 3600) * 1_000_000_000)); // 01:30 of the 23rd there
        let mut seen = Vec::new();
        for clock in ["23:59:58,000", "23:59:59,999", "00:00:01,000", "23:59:59,000", "11:59:00,000", "23:00:00,000"] {
            let mut stamp = Stamp::default();
            let mut c = Cursor::new(clock.as_bytes(), 0);
            stamp::clock(&mut c, &mut stamp).unwrap();
            let time = Times::new().of_stamp(&stamp, &context).unwrap();
            context.last_time = Some(time.utc);
            context.last_zone = Some((time.offset_minutes, time.zone));
            assert_eq!(time.source, TimeSource::File);
            seen.push((time.utc.0 / 1_000_000_000 + 19_800 - day).div_euclid(DAY_SECONDS));
        }
        assert_eq!(seen, [0, 0, 1, 0, 1, 1]);
    }

    fn day_seconds(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    #[test]
    fn what_no_clock_shows_is_no_time() {
        for text in ["[2026-02-30 11:02:00,317]", "[2026-04-22 25:02:00,317]", "[2026-04-22 11:62:00,317]"] {
            let stamp = stamp::bracketed(&mut Cursor::new(text.as_bytes(), 0)).unwrap();
            assert_eq!(Times::new().of_stamp(&stamp, &Context::default()), None, "{text}");
        }
    }
}
