//! Date formats of log4j (`%d{…}`) as scanners: the named ones, and patterns of Java's letters.
//!
//! A scanner takes exactly what the format prints. Names of months are understood in English; in other languages
//! they are passed over, and the event then has no time of its own.

use crate::span::Cursor;
use crate::stamp::{self, Stamp, day_of};

/// A compiled format.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DateForm {
    parts: Box<[Part]>,
    /// Has a year, month and day, so that the line tells its date.
    dated: bool,
    clock: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(Box<[u8]>),
    Year4,
    Year2,
    Month,
    MonthName,
    Day,
    Hour,
    /// 1 to 12, with `AmPm`.
    Hour12,
    Minute,
    Second,
    /// This many digits of a second at least; 0: as many as there are.
    Fraction(usize),
    AmPm,
    /// `Z`, `+05`, `+0530`, `+05:30`.
    Offset,
    /// A zone's name, or an offset behind `GMT` or `UTC`.
    Zone,
    /// Letters: weekday, era.
    Letters,
    /// Digits that tell nothing more.
    Digits,
    EpochSeconds,
    EpochMillis,
}

/// The named formats of log4j2, as patterns.
const NAMED: &[(&str, &str)] = &[
    ("DEFAULT", "yyyy-MM-dd HH:mm:ss,SSS"),
    ("DEFAULT_MICROS", "yyyy-MM-dd HH:mm:ss,SSSSSS"),
    ("DEFAULT_NANOS", "yyyy-MM-dd HH:mm:ss,SSSSSSSSS"),
    ("DEFAULT_PERIOD", "yyyy-MM-dd HH:mm:ss.SSS"),
    ("ISO8601_BASIC", "yyyyMMdd'T'HHmmss,SSS"),
    ("ISO8601_BASIC_PERIOD", "yyyyMMdd'T'HHmmss.SSS"),
    ("ISO8601", "yyyy-MM-dd'T'HH:mm:ss,SSS"),
    ("ISO8601_PERIOD", "yyyy-MM-dd'T'HH:mm:ss.SSS"),
    ("ISO8601_PERIOD_MICROS", "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"),
    ("ISO8601_OFFSET_DATE_TIME_HH", "yyyy-MM-dd'T'HH:mm:ss,SSSX"),
    ("ISO8601_OFFSET_DATE_TIME_HHMM", "yyyy-MM-dd'T'HH:mm:ss,SSSXX"),
    ("ISO8601_OFFSET_DATE_TIME_HHCMM", "yyyy-MM-dd'T'HH:mm:ss,SSSXXX"),
    ("ABSOLUTE", "HH:mm:ss,SSS"),
    ("ABSOLUTE_MICROS", "HH:mm:ss,SSSSSS"),
    ("ABSOLUTE_NANOS", "HH:mm:ss,SSSSSSSSS"),
    ("ABSOLUTE_PERIOD", "HH:mm:ss.SSS"),
    ("COMPACT", "yyyyMMddHHmmssSSS"),
    ("DATE", "dd MMM yyyy HH:mm:ss,SSS"),
    ("DATE_PERIOD", "dd MMM yyyy HH:mm:ss.SSS"),
    ("US_MONTH_DAY_YEAR2_TIME", "dd/MM/yy HH:mm:ss.SSS"),
    ("US_MONTH_DAY_YEAR4_TIME", "dd/MM/yyyy HH:mm:ss.SSS"),
];

/// The format `text` stands for. `old`: log4j1, whose `ISO8601` has a blank where log4j2's has a `T`.
///
/// # Errors
/// What cannot be read, and where in `text`.
pub(super) fn compile(text: &str, old: bool) -> Result<DateForm, (usize, String)> {
    let name = text.trim();
    let fixed = match name {
        "" => Some("yyyy-MM-dd HH:mm:ss,SSS"),
        "ISO8601" if old => Some("yyyy-MM-dd HH:mm:ss,SSS"),
        "UNIX" => return Ok(DateForm { parts: [Part::EpochSeconds].into(), dated: true, clock: true }),
        "UNIX_MILLIS" | "UNIX_MS" => {
            return Ok(DateForm { parts: [Part::EpochMillis].into(), dated: true, clock: true });
        }
        _ => NAMED.iter().find(|(n, _)| *n == name).map(|(_, pattern)| *pattern),
    };
    of_pattern(fixed.unwrap_or(text))
}

fn of_pattern(pattern: &str) -> Result<DateForm, (usize, String)> {
    let bytes = pattern.as_bytes();
    let mut parts: Vec<Part> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let count = bytes[at..].iter().take_while(|b| **b == byte).count();
        match byte {
            b'\'' => at = quoted(bytes, at, &mut parts),
            b'a'..=b'z' | b'A'..=b'Z' => {
                parts.push(
                    of_letter(byte, count)
                        .ok_or_else(|| (at, format!("`{}` is no letter of a date format", char::from(byte))))?,
                );
                at += count;
            }
            _ => {
                text(&mut parts, &bytes[at..at + 1]);
                at += 1;
            }
        }
    }
    let has = |wanted: &[Part]| parts.iter().any(|p| wanted.contains(p));
    let dated = has(&[Part::Year4, Part::Year2]) && has(&[Part::Month, Part::MonthName]) && has(&[Part::Day]);
    let clock = has(&[Part::Hour, Part::Hour12]) && has(&[Part::Minute]);
    if parts.iter().all(|p| matches!(p, Part::Text(_))) {
        return Err((0, "a date format with no letter of a date in it".to_owned()));
    }
    Ok(DateForm { parts: parts.into(), dated, clock })
}

/// What `count` times a letter of Java's stands for.
fn of_letter(letter: u8, count: usize) -> Option<Part> {
    Some(match (letter, count) {
        (b'y' | b'u' | b'Y', 2) => Part::Year2,
        (b'y' | b'u' | b'Y', _) => Part::Year4,
        (b'M' | b'L', 1 | 2) => Part::Month,
        (b'M' | b'L', _) => Part::MonthName,
        (b'd', _) => Part::Day,
        (b'H' | b'k', _) => Part::Hour,
        (b'h' | b'K', _) => Part::Hour12,
        (b'm', _) => Part::Minute,
        (b's', _) => Part::Second,
        (b'S' | b'n' | b'N', count) => Part::Fraction(count),
        (b'a' | b'B', _) => Part::AmPm,
        (b'X' | b'x' | b'Z' | b'O', _) => Part::Offset,
        (b'z' | b'V' | b'v', _) => Part::Zone,
        (b'E' | b'e' | b'c' | b'G', _) => Part::Letters,
        (b'D' | b'w' | b'W' | b'F' | b'A' | b'Q' | b'q', _) => Part::Digits,
        _ => return None,
    })
}

/// Takes a quoted text; two quotes are one.
fn quoted(bytes: &[u8], from: usize, parts: &mut Vec<Part>) -> usize {
    let mut at = from + 1;
    if bytes.get(at) == Some(&b'\'') {
        text(parts, b"'");
        return at + 1;
    }
    while let Some(&byte) = bytes.get(at) {
        match (byte, bytes.get(at + 1)) {
            (b'\'', Some(b'\'')) => {
                text(parts, b"'");
                at += 2;
            }
            (b'\'', _) => return at + 1,
            _ => {
                text(parts, &bytes[at..at + 1]);
                at += 1;
            }
        }
    }
    at
}

fn text(parts: &mut Vec<Part>, more: &[u8]) {
    if let Some(Part::Text(last)) = parts.last_mut() {
        *last = [&**last, more].concat().into();
    } else {
        parts.push(Part::Text(more.into()));
    }
}

/// What the parts of a stamp tell while it is read.
#[derive(Default)]
struct Read {
    year: Option<u32>,
    month: Option<u32>,
    day: Option<u32>,
    hour: u32,
    afternoon: Option<bool>,
    minute: u32,
    second: u32,
    nanos: u32,
    offset: Option<i16>,
    epoch: Option<(i64, u32)>,
    /// A name that is not understood.
    foreign: bool,
}

impl DateForm {
    /// Whether the line tells its date.
    pub(super) fn dated(&self) -> bool {
        self.dated
    }

    /// Whether the line tells a time of day.
    pub(super) fn clock(&self) -> bool {
        self.clock
    }

    /// A time that it may have printed; only of formats that built-in families know.
    pub(super) fn sample(&self) -> Option<&'static [u8]> {
        const SAMPLES: [&str; 7] = [
            "2026-04-22 11:02:13,541",
            "2026-04-22T11:02:13,541",
            "2026-04-22 11:02:13.541",
            "2026-04-22T11:02:13.541+05:30",
            "11:02:13,541",
            "2026-04-22 11:02:13",
            "04-22-2026",
        ];
        SAMPLES.map(str::as_bytes).into_iter().find(|sample| {
            let mut c = Cursor::new(sample, 0);
            self.read(&mut c).is_some() && c.rest().is_empty()
        })
    }

    /// Takes a stamp of this format.
    pub(super) fn read(&self, c: &mut Cursor<'_>) -> Option<Stamp> {
        let mut t = *c;
        let mut read = Read::default();
        for (i, part) in self.parts.iter().enumerate() {
            let runs_on = matches!(self.parts.get(i + 1), Some(next) if !matches!(next, Part::Text(_)));
            read.take(part, &mut t, runs_on)?;
        }
        let stamp = read.stamp(self)?;
        *c = t;
        Some(stamp)
    }
}

/// One or two digits; two when the next part follows without a text between.
fn small(c: &mut Cursor<'_>, runs_on: bool) -> Option<u32> {
    let first = digit(c)?;
    if !runs_on && !c.peek().is_some_and(|b| b.is_ascii_digit()) {
        return Some(first);
    }
    Some(first * 10 + digit(c)?)
}

fn digit(c: &mut Cursor<'_>) -> Option<u32> {
    let digit = c.peek().filter(u8::is_ascii_digit)?;
    c.at += 1;
    Some(u32::from(digit - b'0'))
}

fn digits(c: &mut Cursor<'_>, count: usize) -> Option<u32> {
    (0..count).try_fold(0u32, |n, _| Some(n * 10 + digit(c)?))
}

/// All digits that stand here, at most 18.
fn number(c: &mut Cursor<'_>) -> Option<(i64, usize)> {
    let len = c.rest().iter().take(18).take_while(|b| b.is_ascii_digit()).count();
    let value = c.rest()[..len].iter().fold(0i64, |n, b| n * 10 + i64::from(b - b'0'));
    c.at += len;
    (len > 0).then_some((value, len))
}

impl Read {
    fn take(&mut self, part: &Part, c: &mut Cursor<'_>, runs_on: bool) -> Option<()> {
        match part {
            Part::Text(text) => return c.take_text(text).then_some(()),
            Part::Year4 => self.year = Some(digits(c, 4)?),
            Part::Year2 => self.year = Some(2000 + digits(c, 2)?),
            Part::Month => self.month = Some(small(c, runs_on)?),
            Part::MonthName => {
                self.month = month(letters(c)?);
                self.foreign |= self.month.is_none();
            }
            Part::Day => self.day = Some(small(c, runs_on)?),
            Part::Hour => self.hour = small(c, runs_on)?,
            Part::Hour12 => {
                self.hour = small(c, runs_on)?;
                self.afternoon.get_or_insert(false);
            }
            Part::Minute => self.minute = small(c, runs_on)?,
            Part::Second => self.second = small(c, runs_on)?,
            Part::Fraction(count) => self.fraction(c, *count, runs_on)?,
            Part::AmPm => self.afternoon = Some(letters(c)?.first().is_some_and(|b| b.eq_ignore_ascii_case(&b'p'))),
            Part::Offset => self.offset(c)?,
            Part::Zone => self.zone(c)?,
            Part::Letters => drop(letters(c)?),
            Part::Digits => drop(number(c)?),
            Part::EpochSeconds => {
                let (seconds, len) = number(c).filter(|(_, len)| *len <= 11)?;
                let mut nanos = Stamp::default();
                if c.peek() == Some(b'.') && len > 0 {
                    stamp::fraction(c, 9, &mut nanos);
                }
                self.epoch = Some((seconds, nanos.nanos));
            }
            Part::EpochMillis => {
                let (millis, _) = number(c).filter(|(_, len)| *len <= 14)?;
                self.epoch = Some((millis.div_euclid(1000), (millis.rem_euclid(1000) * 1_000_000) as u32));
            }
        }
        Some(())
    }

    fn fraction(&mut self, c: &mut Cursor<'_>, count: usize, runs_on: bool) -> Option<()> {
        let mut t = *c;
        let (value, len) = if runs_on && count > 0 {
            (i64::from(digits(&mut t, count.min(9))?), count.min(9))
        } else {
            number(&mut t).filter(|(_, len)| *len <= 9)?
        };
        *c = t;
        // log4j1 pads milliseconds to as many digits as there are letters.
        self.nanos = match len {
            4 if value < 1000 => value as u32 * 1_000_000,
            _ => value as u32 * 10u32.pow(9 - len as u32),
        };
        Some(())
    }

    /// `Z`, `+hh`, `+hhmm` or `+hh:mm`, also behind `GMT` and `UTC`.
    fn offset(&mut self, c: &mut Cursor<'_>) -> Option<()> {
        let named = c.take(b"GMT") || c.take(b"UTC");
        let mut stamp = Stamp::default();
        stamp::offset(c, &mut stamp);
        if stamp.offset.is_none() && matches!(c.peek(), Some(b'+' | b'-')) {
            let west = c.peek() == Some(b'-');
            let mut t = Cursor::new(c.line, c.at + 1);
            let hours = small(&mut t, false)? as i16;
            *c = t;
            stamp.offset = Some(if west { -hours * 60 } else { hours * 60 });
        }
        self.offset = stamp.offset.or(named.then_some(0));
        self.offset.is_some().then_some(())
    }

    /// An offset, or a name; of names only those of Greenwich are understood.
    fn zone(&mut self, c: &mut Cursor<'_>) -> Option<()> {
        let mut t = *c;
        if self.offset(&mut t).is_some() && !t.peek().is_some_and(|b| b.is_ascii_alphabetic()) {
            *c = t;
            return Some(());
        }
        self.offset = None;
        let rest = c.rest();
        let len = rest
            .iter()
            .take(64)
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+' | b':'))
            .count();
        c.at += len;
        (len > 0).then_some(())
    }

    fn stamp(self, form: &DateForm) -> Option<Stamp> {
        if let Some((seconds, nanos)) = self.epoch {
            let day = i32::try_from(seconds.div_euclid(86_400)).ok()?;
            let second = seconds.rem_euclid(86_400) as u32;
            return Some(Stamp { day: Some(day), dated: true, second, nanos, offset: Some(0), valid: true });
        }
        let hour = match self.afternoon {
            Some(afternoon) => self.hour % 12 + if afternoon { 12 } else { 0 },
            // `k` counts to 24.
            None if self.hour == 24 => 0,
            None => self.hour,
        };
        let valid = hour < 24 && self.minute < 60 && self.second < 61 && form.clock;
        let day = match (self.year, self.month, self.day) {
            (Some(year), Some(month), Some(day)) => day_of(year, month, day),
            _ => None,
        };
        Some(Stamp {
            day,
            dated: form.dated || self.foreign,
            second: hour * 3600 + self.minute * 60 + self.second.min(59),
            nanos: self.nanos,
            offset: self.offset,
            valid,
        })
    }
}

/// A word of letters in any language, with the point of an abbreviation.
fn letters<'a>(c: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let rest = c.rest();
    let len = rest.iter().take(32).take_while(|b| b.is_ascii_alphabetic() || **b >= 0x80 || **b == b'.').count();
    c.at += len;
    (len > 0).then_some(&rest[..len])
}

fn month(name: &[u8]) -> Option<u32> {
    const NAMES: &[u8; 36] = b"janfebmaraprmayjunjulaugsepoctnovdec";
    let short = name.get(..3)?.to_ascii_lowercase();
    NAMES.chunks(3).position(|n| n == short).map(|i| i as u32 + 1)
}

/// The formats that a time stamp of no announced format is tried in, after ISO 8601 and its kin.
pub(super) fn usual() -> Vec<DateForm> {
    let patterns = [
        "dd/MMM/yyyy:HH:mm:ss Z",
        "UNIX_MILLIS",
        "UNIX",
        "yyyy/MM/dd HH:mm:ss",
        "HH:mm:ss,SSS",
        "HH:mm:ss.SSS",
        "HH:mm:ss",
    ];
    patterns.iter().filter_map(|text| compile(text, false).ok()).collect()
}

/// Reads `text` as a whole in one of `forms`, or as ISO 8601.
pub(super) fn whole(text: &[u8], forms: &[DateForm], or_iso: bool) -> Option<Stamp> {
    let iso = |c: &mut Cursor<'_>| crate::heads::fixed::iso(c);
    let mut c = Cursor::new(text, 0);
    if or_iso && let Some(stamp) = iso(&mut c).filter(|_| c.rest().is_empty()) {
        return Some(stamp);
    }
    forms.iter().find_map(|form| {
        let mut c = Cursor::new(text, 0);
        form.read(&mut c).filter(|s| s.valid && c.rest().is_empty())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    fn read(format: &str, text: &str) -> Option<(Option<i32>, u32, u32, Option<i16>)> {
        let form = compile(format, false).unwrap();
        let mut c = Cursor::new(text.as_bytes(), 0);
        let stamp = form.read(&mut c)?;
        assert!(c.rest().is_empty(), "{format}: `{}` is left", String::from_utf8_lossy(c.rest()));
        assert!(stamp.valid, "{format}");
        Some((stamp.day, stamp.second, stamp.nanos / 1_000_000, stamp.offset))
    }

    #[test]
    fn every_named_format_reads_what_it_prints() {
        let day = day_of(2026, 4, 22);
        let at = 11 * 3600 + 2 * 60 + 13;
        for (format, text, offset) in [
            ("", "2026-04-22 11:02:13,541", None),
            ("DEFAULT", "2026-04-22 11:02:13,541", None),
            ("DEFAULT_MICROS", "2026-04-22 11:02:13,541000", None),
            ("DEFAULT_NANOS", "2026-04-22 11:02:13,541000000", None),
            ("ISO8601", "2026-04-22T11:02:13,541", None),
            ("ISO8601_BASIC", "20260422T110213,541", None),
            ("ISO8601_OFFSET_DATE_TIME_HH", "2026-04-22T11:02:13,541+05", Some(300)),
            ("ISO8601_OFFSET_DATE_TIME_HHMM", "2026-04-22T11:02:13,541+0530", Some(330)),
            ("ISO8601_OFFSET_DATE_TIME_HHCMM", "2026-04-22T11:02:13,541+05:30", Some(330)),
            ("COMPACT", "20260422110213541", None),
            ("DATE", "22 Apr 2026 11:02:13,541", None),
            ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2026-04-22T11:02:13.541-03:00", Some(-180)),
            ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2026-04-22T11:02:13.541Z", Some(0)),
            ("EEE, dd MMMM yyyy hh:mm:ss.SSS a z", "Wed, 22 April 2026 11:02:13.541 AM UTC", Some(0)),
            ("d/M/yy H:m:s,SSS", "22/4/26 11:2:13,541", None),
            ("UNIX_MILLIS", "1776855733541", Some(0)),
        ] {
            assert_eq!(read(format, text), Some((day, at, 541, offset)), "{format}");
        }
        assert_eq!(read("ABSOLUTE", "11:02:13,541"), Some((None, at, 541, None)));
        assert_eq!(read("DEFAULT", "2026-04-22T11:02:13,541"), None);
        assert!(compile("yyyy-bb", false).is_err());
        assert!(compile("--", false).is_err());
    }

    #[test]
    fn noon_and_midnight_in_twelve_hours() {
        assert_eq!(read("hh:mm a", "12:05 AM").unwrap().1, 300);
        assert_eq!(read("hh:mm a", "12:05 PM").unwrap().1, 12 * 3600 + 300);
    }
}
