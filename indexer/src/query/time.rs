//! Times as people write them: RFC 3339 and its beginnings (`2026-11-25`, `2026-11-25 10:15`), epoch
//! milliseconds, and date math (`now-1h`, `now/d`, `2026-01-31||+1M/d`; `5m` and `-15m@h` for short).
//!
//! Units: `y M w d h H m s`; weeks begin on Monday. The zone given shifts rounding and times without zone,
//! never `now`. What a rounded time means depends on the side of the range it stands on: see [`Round`].

use jiff::civil;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Unit, Zoned};
use parsers::TimeNs;

/// What a time that names a whole second, minute, day … stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// Its first moment: `>=` and `<`.
    Down,
    /// Its last moment: `>` and `<=`.
    Up,
    /// The moment after it, as the end of a half-open window. A time of day is taken as that very moment; a date
    /// or a rounded time (`now/d`) as the whole of it.
    End,
}

/// The text is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time: `{text}`; expected like 2026-11-25T10:15:00Z, 1764065700000, now-1h or now/d")]
pub struct NotATime {
    /// What was given.
    pub text: String,
}

/// Reads a time. Without `now`, times relative to it are refused.
///
/// # Errors
/// [`NotATime`] for anything else, and for years outside 1678–2261.
pub fn parse(text: &str, now: Option<TimeNs>, zone: &TimeZone, round: Round) -> Result<TimeNs, NotATime> {
    let trimmed = text.trim();
    read(trimmed, now, zone, round).ok_or_else(|| NotATime { text: trimmed.chars().take(80).collect() })
}

fn read(text: &str, now: Option<TimeNs>, zone: &TimeZone, round: Round) -> Option<TimeNs> {
    if text.len() > 100 || !text.is_ascii() {
        return None;
    }
    if let Some(ops) = text.strip_prefix("now") {
        return math(instant(now?)?.to_zoned(zone.clone()), ops, round);
    }
    if let Some((anchor, ops)) = text.split_once("||") {
        return math(absolute(anchor, zone)?.0, ops, round);
    }
    if text.len() > 4 && text.bytes().all(|b| b.is_ascii_digit()) {
        return TimeNs(text.parse::<i64>().ok()?.checked_mul(1_000_000)?).into();
    }
    if let Some((time, unit)) = absolute(text, zone) {
        return widen(time, unit, round, matches!(unit, Unit::Year | Unit::Month | Unit::Day));
    }
    let short = if text.starts_with(['-', '+']) { text.to_owned() } else { format!("-{text}") };
    math(instant(now?)?.to_zoned(zone.clone()), &short, round)
}

fn instant(time: TimeNs) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(time.0)).ok()
}

fn nanoseconds(time: &Zoned) -> Option<TimeNs> {
    i64::try_from(time.timestamp().as_nanosecond()).ok().map(TimeNs)
}

/// Applies `+1d`, `-3h`, `/d` from left to right.
fn math(mut time: Zoned, ops: &str, round: Round) -> Option<TimeNs> {
    let mut rest = ops;
    let mut rounded = None;
    while let Some(op) = rest.chars().next() {
        rest = &rest[1..];
        if matches!(op, '/' | '@') {
            let unit = unit(rest.chars().next()?)?;
            rest = &rest[1..];
            time = start_of(&time, unit)?;
            rounded = Some(unit);
            continue;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let count: i64 = if digits == 0 { 1 } else { rest[..digits].parse().ok()? };
        let unit = unit(rest[digits..].chars().next()?)?;
        rest = &rest[digits + 1..];
        time = match op {
            '+' => time.checked_add(span(unit, count)?).ok()?,
            '-' => time.checked_sub(span(unit, count)?).ok()?,
            _ => return None,
        };
    }
    match rounded {
        Some(unit) => widen(time, unit, round, true),
        None => nanoseconds(&time),
    }
}

fn unit(letter: char) -> Option<Unit> {
    Some(match letter {
        'y' => Unit::Year,
        'M' => Unit::Month,
        'w' => Unit::Week,
        'd' => Unit::Day,
        'h' | 'H' => Unit::Hour,
        'm' => Unit::Minute,
        's' => Unit::Second,
        _ => return None,
    })
}

fn span(unit: Unit, count: i64) -> Option<Span> {
    Span::new()
        .try_years(if unit == Unit::Year { count } else { 0 })
        .and_then(|span| span.try_months(if unit == Unit::Month { count } else { 0 }))
        .and_then(|span| span.try_weeks(if unit == Unit::Week { count } else { 0 }))
        .and_then(|span| span.try_days(if unit == Unit::Day { count } else { 0 }))
        .and_then(|span| span.try_hours(if unit == Unit::Hour { count } else { 0 }))
        .and_then(|span| span.try_minutes(if unit == Unit::Minute { count } else { 0 }))
        .and_then(|span| span.try_seconds(if unit == Unit::Second { count } else { 0 }))
        .ok()
}

/// The first moment of the unit a time lies in.
fn start_of(time: &Zoned, unit: Unit) -> Option<Zoned> {
    let date = time.date();
    let first_day = match unit {
        Unit::Year => civil::date(date.year(), 1, 1),
        Unit::Month => date.first_of_month(),
        Unit::Week => date.checked_sub(i64::from(date.weekday().to_monday_zero_offset()).days()).ok()?,
        Unit::Day => date,
        smaller => return time.round(jiff::ZonedRound::new().smallest(smaller).mode(jiff::RoundMode::Trunc)).ok(),
    };
    first_day.to_zoned(time.time_zone().clone()).ok()
}

/// The moment that a time of this precision stands for on its side of a range.
fn widen(time: Zoned, unit: Unit, round: Round, whole: bool) -> Option<TimeNs> {
    let first = nanoseconds(&time)?;
    if round == Round::Down || unit == Unit::Nanosecond || (round == Round::End && !whole) {
        return Some(first);
    }
    let next = nanoseconds(&time.checked_add(span(unit, 1)?).ok()?)?;
    Some(if round == Round::Up { TimeNs(next.0 - 1) } else { next })
}

/// Reads RFC 3339 or its beginning; the unit says how far it went.
fn absolute(text: &str, zone: &TimeZone) -> Option<(Zoned, Unit)> {
    let mut scan = Scan(text);
    let year = scan.number(4)?;
    let (mut unit, mut month, mut day) = (Unit::Year, 1, 1);
    let (mut hour, mut minute, mut second, mut nanos) = (0, 0, 0, 0);
    if scan.eat(&['-']) {
        (unit, month) = (Unit::Month, scan.number(2)?);
        if scan.eat(&['-']) {
            (unit, day) = (Unit::Day, scan.number(2)?);
            if scan.eat(&['T', 't', ' ']) {
                (unit, hour) = (Unit::Hour, scan.number(2)?);
                if scan.eat(&[':']) {
                    (unit, minute) = (Unit::Minute, scan.number(2)?);
                    if scan.eat(&[':']) {
                        (unit, second) = (Unit::Second, scan.number(2)?);
                        if scan.eat(&['.', ',']) {
                            (unit, nanos) = (Unit::Nanosecond, scan.fraction()?);
                        }
                    }
                }
            }
        }
    }
    let zone = scan.zone(zone)?;
    let small = |n: i32| i8::try_from(n).ok();
    let date = civil::Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok()?;
    let time = civil::Time::new(small(hour)?, small(minute)?, small(second.min(59))?, nanos).ok()?;
    Some((date.to_datetime(time).to_zoned(zone).ok()?, unit))
}

struct Scan<'a>(&'a str);

impl Scan<'_> {
    fn number(&mut self, digits: usize) -> Option<i32> {
        let number = self.0.get(..digits).filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
        let number = number.parse().ok();
        self.0 = &self.0[digits..];
        number
    }

    fn eat(&mut self, any: &[char]) -> bool {
        let rest = self.0.strip_prefix(any);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Digits of a second's fraction, as nanoseconds; those beyond nine are passed over.
    fn fraction(&mut self) -> Option<i32> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let text = self.0.get(..digits).filter(|text| !text.is_empty())?;
        self.0 = &self.0[digits..];
        format!("{:0<9}", &text[..digits.min(9)]).parse().ok()
    }

    /// `Z`, `+05:30`, `+0530`, `+05`, or the zone given when nothing is left.
    fn zone(&mut self, default: &TimeZone) -> Option<TimeZone> {
        if self.0.is_empty() {
            return Some(default.clone());
        }
        if self.eat(&['Z', 'z']) {
            return self.0.is_empty().then_some(TimeZone::UTC);
        }
        let sign = if self.eat(&['+']) {
            1
        } else if self.eat(&['-']) {
            -1
        } else {
            return None;
        };
        let hours = self.number(2)?;
        self.eat(&[':']);
        let minutes = if self.0.is_empty() { 0 } else { self.number(2)? };
        let offset = jiff::tz::Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()?;
        self.0.is_empty().then(|| offset.to_time_zone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::query::fields::rfc3339;
    use proptest::prelude::*;

    const NOW: &str = "2026-11-25T16:17:18.123Z";

    fn at(text: &str, round: Round) -> String {
        let zone = TimeZone::UTC;
        let now = parse(NOW, None, &zone, Round::Down).unwrap();
        parse(text, Some(now), &zone, round).map_or("-".to_owned(), rfc3339)
    }

    #[test]
    fn absolute_times() {
        let check = |text: &str, expect: &str| assert_eq!(at(text, Round::Down), expect, "{text}");
        check("2026-11-25T10:15:00Z", "2026-11-25T10:15:00.000Z");
        check("2026-11-25T10:15:00.5+05:30", "2026-11-25T04:45:00.500Z");
        check("2026-11-25 10:15:00,123", "2026-11-25T10:15:00.123Z");
        check("2026-11-25", "2026-11-25T00:00:00.000Z");
        check("2026", "2026-01-01T00:00:00.000Z");
        check("1764065700000", "2025-11-25T10:15:00.000Z");
        check("2026-02-30", "-");
        check("2026-11-25T10:15:00Zx", "-");
        check("", "-");
        check("nowhere", "-");
        check("3000-01-01", "-");
    }

    #[test]
    fn date_math() {
        let check = |text: &str, expect: &str| assert_eq!(at(text, Round::Down), expect, "{text}");
        check("now", "2026-11-25T16:17:18.123Z");
        check("now-1h", "2026-11-25T15:17:18.123Z");
        check("now/d", "2026-11-25T00:00:00.000Z");
        check("now/w", "2026-11-23T00:00:00.000Z");
        check("now-15m/h", "2026-11-25T16:00:00.000Z");
        check("-15m@h", "2026-11-25T16:00:00.000Z");
        check("15m", "2026-11-25T16:02:18.123Z");
        check("2026-01-31||+1M/d", "2026-02-28T00:00:00.000Z");
        check("now-9999999y", "-");
        check("now/", "-");
        check("now-5", "-");
    }

    #[test]
    fn sides() {
        assert_eq!(at("now/d", Round::Up), "2026-11-25T23:59:59.999999999Z");
        assert_eq!(at("now/d", Round::End), "2026-11-26T00:00:00.000Z");
        assert_eq!(at("2026-11-25", Round::End), "2026-11-26T00:00:00.000Z");
        assert_eq!(at("2026-11-25T10:15", Round::End), "2026-11-25T10:15:00.000Z");
        assert_eq!(at("2026-11-25T10:15", Round::Up), "2026-11-25T10:15:59.999999999Z");
        assert_eq!(at("now", Round::Up), NOW);
    }

    #[test]
    fn zones_shift_rounding_only() {
        let zone = TimeZone::get("Asia/Colombo").unwrap();
        let now = parse(NOW, None, &TimeZone::UTC, Round::Down).unwrap();
        let day = parse("now/d", Some(now), &zone, Round::Down).unwrap();
        assert_eq!(rfc3339(day), "2026-11-24T18:30:00.000Z");
        assert_eq!(parse("now", Some(now), &zone, Round::Down).unwrap(), now);
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,40}") {
            let _any = parse(&text, Some(TimeNs(0)), &TimeZone::UTC, Round::End);
        }

        #[test]
        fn never_panics_on_likely_text(text in "(now|2026-[0-9]{2}-[0-9]{2}(\\|\\|)?)?([-+/@][0-9]{0,20}[yMwdhms]){0,4}") {
            let _any = parse(&text, Some(TimeNs(i64::MAX)), &TimeZone::UTC, Round::Up);
        }

        #[test]
        fn printed_times_are_read_back(ns in any::<i64>()) {
            let ns = ns / 4;
            prop_assert_eq!(parse(&rfc3339(TimeNs(ns)), None, &TimeZone::UTC, Round::Up), Ok(TimeNs(ns)));
        }
    }
}
