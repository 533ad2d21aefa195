//! The stretches of a histogram: round ones, at most so many, in the zone asked for.

use crate::store::segment::Window;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use parsers::TimeNs;

/// Most buckets when their size is chosen here.
const BUCKETS_AUTO_MAX: i64 = 90;
/// Most buckets of all.
pub(super) const BUCKETS_MAX: i64 = 2000;
const MS: i64 = 1_000_000;
const DAY_MS: i64 = 86_400_000;

/// Sizes that are chosen from, in milliseconds.
const ROUND_MS: &[i64] = &[
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    1000,
    2000,
    5000,
    10_000,
    15_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    900_000,
    1_800_000,
    3_600_000,
    7_200_000,
    10_800_000,
    21_600_000,
    43_200_000,
    DAY_MS,
    2 * DAY_MS,
    7 * DAY_MS,
    30 * DAY_MS,
    90 * DAY_MS,
    365 * DAY_MS,
];

/// The size of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interval {
    /// Round, so that there are at most 90.
    #[default]
    Auto,
    /// So many milliseconds.
    Millis(i64),
}

/// The text is no interval.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an interval; expected `auto`, milliseconds, or like 30s, 5m, 1h, 1d")]
pub struct NotAnInterval;

impl std::str::FromStr for Interval {
    type Err = NotAnInterval;

    fn from_str(text: &str) -> Result<Interval, NotAnInterval> {
        if matches!(text, "" | "auto") {
            return Ok(Interval::Auto);
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = match unit {
            "" | "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => DAY_MS,
            "w" => 7 * DAY_MS,
            _ => return Err(NotAnInterval),
        };
        let number: i64 = number.parse().map_err(|_| NotAnInterval)?;
        match number.checked_mul(unit) {
            Some(millis) if millis > 0 && millis <= 3650 * DAY_MS => Ok(Interval::Millis(millis)),
            _ => Err(NotAnInterval),
        }
    }
}

/// The bounds of the buckets that cover `from..to`, and their size in milliseconds. Days begin at midnight in the
/// zone, smaller stretches at a round time of day in it.
///
/// # Errors
/// The number of buckets, when they are too many.
pub(super) fn bounds(from: TimeNs, to: TimeNs, interval: Interval, zone: &TimeZone) -> Result<(i64, Vec<TimeNs>), u64> {
    let length = to.0.saturating_sub(from.0).max(1);
    let millis = match interval {
        Interval::Millis(millis) => millis,
        Interval::Auto => {
            let fits = |millis: &&i64| length / (**millis * MS) < BUCKETS_AUTO_MAX - 1;
            ROUND_MS.iter().find(fits).or(ROUND_MS.last()).copied().unwrap_or(DAY_MS)
        }
    };
    let count = length / (millis.saturating_mul(MS)).max(1) + 2;
    if count > BUCKETS_MAX {
        return Err(count as u64);
    }
    let mut bound = first_bound(from, millis, zone);
    let mut bounds = vec![bound];
    while bound < to {
        let next = next_bound(bound, millis, zone);
        // Where the clocks change, a bound can fall on the one before.
        bound = if next > bound { next } else { TimeNs(bound.0.saturating_add(millis.saturating_mul(MS))) };
        bounds.push(bound);
        if bound.0 == i64::MAX {
            break;
        }
    }
    Ok((millis, bounds))
}

fn first_bound(from: TimeNs, millis: i64, zone: &TimeZone) -> TimeNs {
    let Ok(at) = Timestamp::from_nanosecond(i128::from(from.0)) else { return from };
    if millis % DAY_MS == 0 {
        let day = at.to_zoned(zone.clone()).date();
        // Several days together begin at a multiple since a Monday, wherever the window begins.
        let since = jiff::civil::date(1970, 1, 5).until(day).map_or(0, |span| i64::from(span.get_days()));
        let first = day.checked_sub(since.rem_euclid(millis / DAY_MS).days()).unwrap_or(day);
        return start_of_day(first, zone).unwrap_or(from);
    }
    let shift = i64::from(zone.to_offset(at).seconds()) * 1_000_000_000;
    let size = millis.saturating_mul(MS);
    TimeNs(from.0.saturating_sub((from.0.saturating_add(shift)).rem_euclid(size)))
}

fn next_bound(bound: TimeNs, millis: i64, zone: &TimeZone) -> TimeNs {
    let plain = TimeNs(bound.0.saturating_add(millis.saturating_mul(MS)));
    if millis % DAY_MS != 0 {
        return plain;
    }
    let Ok(at) = Timestamp::from_nanosecond(i128::from(bound.0)) else { return plain };
    let next = at.to_zoned(zone.clone()).date().checked_add((millis / DAY_MS).days());
    next.ok().and_then(|day| start_of_day(day, zone)).unwrap_or(plain)
}

fn start_of_day(day: jiff::civil::Date, zone: &TimeZone) -> Option<TimeNs> {
    let start = day.to_zoned(zone.clone()).ok()?;
    i64::try_from(start.timestamp().as_nanosecond()).ok().map(TimeNs)
}

/// The window's own ends where it has them, else those of the events there are.
pub(super) fn ends(window: &Window, first: Option<TimeNs>, last: Option<TimeNs>) -> Option<(TimeNs, TimeNs)> {
    let from = window.from.or(first)?;
    let to = window.to.or(last.map(|last| TimeNs(last.0.saturating_add(1))))?;
    (from < to).then_some((from, to))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::query::fields::rfc3339;
    use proptest::prelude::*;

    fn at(text: &str) -> TimeNs {
        crate::query::time::parse(text, None, &TimeZone::UTC, crate::query::time::Round::Down).unwrap()
    }

    #[test]
    fn an_hour_in_minutes() {
        let (millis, bounds) =
            bounds(at("2026-11-25T10:00:30Z"), at("2026-11-25T11:00:30Z"), Interval::Auto, &TimeZone::UTC).unwrap();
        assert_eq!((millis, bounds.len()), (60_000, 62));
        assert_eq!(rfc3339(bounds[0]), "2026-11-25T10:00:00.000Z");
    }

    #[test]
    fn days_of_a_zone_over_a_change_of_clocks() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let (_, bounds) =
            bounds(at("2026-10-24T12:00:00Z"), at("2026-10-27T00:00:00Z"), Interval::Millis(DAY_MS), &zone).unwrap();
        let bounds: Vec<_> = bounds.into_iter().map(rfc3339).collect();
        assert_eq!(
            bounds,
            [
                "2026-10-23T22:00:00.000Z",
                "2026-10-24T22:00:00.000Z",
                "2026-10-25T23:00:00.000Z",
                "2026-10-26T23:00:00.000Z",
                "2026-10-27T23:00:00.000Z"
            ]
        );
    }

    #[test]
    fn intervals() {
        assert_eq!("5m".parse(), Ok(Interval::Millis(300_000)));
        assert_eq!("250".parse(), Ok(Interval::Millis(250)));
        assert_eq!("auto".parse(), Ok(Interval::Auto));
        for wrong in ["0", "x", "5x", "-1", "99999999999999999999d"] {
            assert_eq!(wrong.parse::<Interval>(), Err(NotAnInterval), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn bounds_cover_the_window_and_are_few(from in 0i64..4_000_000_000, length in 1i64..400_000_000_000, zone in 0usize..3) {
            let zone = [TimeZone::UTC, TimeZone::get("Asia/Colombo").unwrap(), TimeZone::get("Europe/Berlin").unwrap()][zone].clone();
            let (from, to) = (TimeNs(from * 1_000_000_000), TimeNs(from * 1_000_000_000 + length * MS));
            let (_, bounds) = bounds(from, to, Interval::Auto, &zone).unwrap();
            prop_assert!(bounds[0] <= from && *bounds.last().unwrap() >= to);
            prop_assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(bounds.len() as i64 - 1 <= BUCKETS_AUTO_MAX, "{}", bounds.len());
        }
    }
}
