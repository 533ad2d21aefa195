//! Time stamps as printed: local clock fields, with or without date and offset.

use crate::span::Cursor;

/// A time stamp as it stands in a line. What it means in UTC is decided in `time`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Days since 1970-01-01; `None` when the line has no date, or no day of the calendar.
    pub(crate) day: Option<i32>,
    /// Whether the line has a date.
    pub(crate) dated: bool,
    /// Seconds since midnight of the local clock.
    pub(crate) second: u32,
    /// Nanoseconds within the second.
    pub(crate) nanos: u32,
    /// Offset it was printed with, minutes east of UTC.
    pub(crate) offset: Option<i16>,
    /// Whether the line has a time at all, and one that a clock can show.
    pub(crate) valid: bool,
}

impl Stamp {
    /// A stamp with that date, its time still to be read.
    pub(crate) fn on(day: Option<i32>) -> Stamp {
        Stamp { day, dated: true, ..Stamp::default() }
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; `None` when there is no such day.
pub(crate) fn day_of(year: u32, month: u32, day: u32) -> Option<i32> {
    const LENGTH: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    const BEFORE: [u32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let m = (month as usize).checked_sub(1)?;
    let length = LENGTH.get(m)? + u32::from(leap && month == 2);
    if !(1970..=9999).contains(&year) || day == 0 || day > length {
        return None;
    }
    let past = year - 1;
    let leaps = past / 4 - past / 100 + past / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let days = (year - 1970) * 365 + leaps + BEFORE[m] + u32::from(leap && month > 2) + day - 1;
    Some(days as i32)
}

/// The same for the years 2000 to 2099, of which every fourth has a day more.
#[inline]
fn day_of_2000(year: u32, month: u32, day: u32) -> Option<i32> {
    /// Days of each month, and of those before it; there is no month 0.
    const MONTHS: [(u32, u32); 13] = [
        (0, 0),
        (31, 0),
        (28, 31),
        (31, 59),
        (30, 90),
        (31, 120),
        (30, 151),
        (31, 181),
        (31, 212),
        (30, 243),
        (31, 273),
        (30, 304),
        (31, 334),
    ];
    const DAYS_TO_2000: u32 = 10_957;
    let (length, before) = *MONTHS.get(month as usize)?;
    let leap = u32::from(year.is_multiple_of(4));
    let length = length + (leap & u32::from(month == 2));
    let past = day.wrapping_sub(1);
    let days = DAYS_TO_2000 + year * 365 + year.div_ceil(4) + before + (leap & u32::from(month > 2));
    (past < length).then(|| (days + past) as i32)
}

fn two(bytes: &[u8], at: usize) -> Option<u32> {
    let (a, b) = (bytes.get(at)?.wrapping_sub(b'0'), bytes.get(at + 1)?.wrapping_sub(b'0'));
    (a < 10 && b < 10).then(|| u32::from(a) * 10 + u32::from(b))
}

/// `20dd-dd-dd`; the day is `None` inside when the calendar has no such day.
pub(crate) fn date(c: &mut Cursor<'_>) -> Option<Option<i32>> {
    let b = c.rest().get(..10)?;
    if b[0] != b'2' || b[1] != b'0' || b[4] != b'-' || b[7] != b'-' {
        return None;
    }
    let (year, month, day) = (two(b, 2)?, two(b, 5)?, two(b, 8)?);
    c.at += 10;
    Some(day_of(2000 + year, month, day))
}

/// `h:mm:ss` or `hh:mm:ss`, into `stamp`.
pub(crate) fn clock(c: &mut Cursor<'_>, stamp: &mut Stamp) -> Option<()> {
    let mut t = *c;
    let hour = t.digits(1, 2)?;
    let b = t.rest().get(..6)?;
    if b[0] != b':' || b[3] != b':' {
        return None;
    }
    let (minute, second) = (two(b, 1)?, two(b, 4)?);
    t.at += 6;
    *c = t;
    stamp.second = hour * 3600 + minute * 60 + second.min(59);
    stamp.valid = hour < 24 && minute < 60 && second < 61;
    Some(())
}

/// `,123` or `.123` with at most `max` digits. Four digits are a millisecond padded to four.
pub(crate) fn fraction(c: &mut Cursor<'_>, max: usize, stamp: &mut Stamp) -> Option<()> {
    let mut t = *c;
    if !(t.take_byte(b',') || t.take_byte(b'.')) {
        return None;
    }
    let from = t.at;
    let value = t.digits(1, max)?;
    let n = (t.at - from) as u32;
    stamp.nanos = match n {
        4 if value < 1000 => value * 1_000_000,
        _ => value * 10u32.pow(9 - n),
    };
    *c = t;
    Some(())
}

/// `Z`, `+hhmm` or `+hh:mm`; nothing when none stands here.
pub(crate) fn offset(c: &mut Cursor<'_>, stamp: &mut Stamp) {
    match c.peek() {
        Some(b'Z') => {
            c.at += 1;
            stamp.offset = Some(0);
        }
        Some(sign @ (b'+' | b'-')) => {
            let rest = c.rest();
            let colon = usize::from(rest.get(3) == Some(&b':'));
            if let (Some(h), Some(m)) = (two(rest, 1), two(rest, 3 + colon)) {
                c.at += 5 + colon;
                let minutes = (h * 60 + m) as i16;
                stamp.offset = Some(if sign == b'-' { -minutes } else { minutes });
            }
        }
        _ => {}
    }
}

/// The inside of the brackets of most Carbon heads: date, blank or `T`, clock, fraction, maybe an offset.
#[inline]
pub(crate) fn bracketed(c: &mut Cursor<'_>) -> Option<Stamp> {
    let rest = c.rest();
    if !rest.starts_with(b"[20") {
        return None;
    }
    if let Some(stamp) = usual(rest) {
        c.at += USUAL_BYTES;
        return Some(stamp);
    }
    unusual(c)
}

/// `[yyyy-MM-dd HH:mm:ss,SSS]`
pub(crate) const USUAL_BYTES: usize = 25;

/// The form that nearly all heads have, all its bytes checked at once.
#[inline]
pub(crate) fn usual(rest: &[u8]) -> Option<Stamp> {
    let b: &[u8; USUAL_BYTES] = rest.first_chunk()?;
    if b[..3] != *b"[20" || !matches!(b[11], b' ' | b'T') || !matches!(b[20], b',' | b'.') || b[24] != b']' {
        return None;
    }
    let (date, clock) = (pairs(&b[3..11], b"00-00-00")?, pairs(&b[12..20], b"00:00:00")?);
    let thousandths = u32::from_le_bytes([b[21], b[22], b[23], b'0']) ^ 0x3030_3030;
    if (thousandths | ((thousandths & 0x7f7f_7f7f) + 0x0606_0606)) & 0xf0f0_f0f0 != 0 {
        return None;
    }
    let [hundreds, tens, ones, _] = thousandths.to_le_bytes().map(u32::from);
    let milliseconds = hundreds * 100 + tens * 10 + ones;
    let two = |pairs: u64, at: u32| (pairs >> (8 * at) & 0xff) as u32;
    let (hour, minute, second) = (two(clock, 0), two(clock, 3), two(clock, 6));
    Some(Stamp {
        day: day_of_2000(two(date, 0), two(date, 3), two(date, 6)),
        dated: true,
        second: hour * 3600 + minute * 60 + second.min(59),
        nanos: milliseconds * 1_000_000,
        offset: None,
        valid: hour < 24 && minute < 60 && second < 61,
    })
}

/// Checks `part` against `shape`, in which each `0` stands for a digit; byte n of the answer is the number that digits n
/// and n + 1 make.
#[inline]
fn pairs(part: &[u8], shape: &[u8; 8]) -> Option<u64> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // A digit becomes its value, the shape's sign becomes 0.
    let value = u64::from_le_bytes(*part.first_chunk()?) ^ u64::from_le_bytes(*shape);
    let kept = u64::from_le_bytes(shape.map(|b| if b == b'0' { 0x0f } else { 0 }));
    // A digit is at most nine: with six added its upper half stays empty.
    if value & !kept != 0 || value.wrapping_add(6 * EACH) & (0xf0 * EACH) != 0 {
        return None;
    }
    Some(value.wrapping_mul(10).wrapping_add(value >> 8))
}

fn unusual(c: &mut Cursor<'_>) -> Option<Stamp> {
    let mut t = *c;
    if !t.take_byte(b'[') {
        return None;
    }
    let mut stamp = Stamp::on(date(&mut t)?);
    if !(t.take_byte(b' ') || t.take_byte(b'T')) {
        return None;
    }
    clock(&mut t, &mut stamp)?;
    fraction(&mut t, 9, &mut stamp)?;
    offset(&mut t, &mut stamp);
    if !t.take_byte(b']') {
        return None;
    }
    *c = t;
    Some(stamp)
}

/// `[dd/Mon/yyyy:hh:mm:ss +zzzz]` of access logs; a fraction of three digits only with `fractions`.
pub(crate) fn access(c: &mut Cursor<'_>) -> Option<(Stamp, bool)> {
    if let Some(stamp) = c.rest().first_chunk().and_then(usual_access) {
        c.at += ACCESS_BYTES;
        return Some((stamp, false));
    }
    unusual_access(c)
}

/// `[dd/Mon/yyyy:hh:mm:ss +zzzz]`
const ACCESS_BYTES: usize = 28;

/// The form without a fraction, which nearly all have, all its digits checked together; years are those from 2000 on.
#[inline]
fn usual_access(b: &[u8; ACCESS_BYTES]) -> Option<Stamp> {
    if (b[0], b[3], b[7], b[12], b[21], b[27]) != (b'[', b'/', b'/', b':', b' ', b']') {
        return None;
    }
    let sign = match b[22] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let clock = pairs(&b[13..21], b"00:00:00")?;
    // The day, the year and the offset's digits, side by side.
    let numbers = pairs(&[b[1], b[2], b[10], b[11], b[23], b[24], b[25], b[26]], b"00000000")?;
    if b[8..10] != *b"20" {
        return None;
    }
    let two = |pairs: u64, at: u32| (pairs >> (8 * at) & 0xff) as u32;
    let (hour, minute, second) = (two(clock, 0), two(clock, 3), two(clock, 6));
    Some(Stamp {
        day: day_of_2000(two(numbers, 2), month_number(&b[4..7])?, two(numbers, 0)),
        dated: true,
        second: hour * 3600 + minute * 60 + second.min(59),
        nanos: 0,
        offset: Some(sign * (two(numbers, 4) * 60 + two(numbers, 6)) as i16),
        valid: hour < 24 && minute < 60 && second < 61,
    })
}

fn unusual_access(c: &mut Cursor<'_>) -> Option<(Stamp, bool)> {
    let b = c.rest().get(..27)?;
    if b[0] != b'[' || b[3] != b'/' || b[7] != b'/' || b[12] != b':' || b[8] != b'2' || b[9] != b'0' {
        return None;
    }
    let name = &b[4..7];
    if !name[0].is_ascii_uppercase() || !name[1].is_ascii_lowercase() || !name[2].is_ascii_lowercase() {
        return None;
    }
    let (day, year) = (two(b, 1)?, 2000 + two(b, 10)?);
    let mut stamp = Stamp::default();
    let mut t = Cursor::new(c.line, c.at + 13);
    two(b, 13)?;
    clock(&mut t, &mut stamp)?;
    let mut fractions = false;
    if matches!(t.peek(), Some(b'.' | b',' | b':')) {
        t.at += 1;
        let from = t.at;
        stamp.nanos = t.digits(3, 3)? * 1_000_000;
        fractions = t.at > from;
    }
    if !t.take_byte(b' ') || t.rest().get(3) == Some(&b':') || !matches!(t.peek(), Some(b'+' | b'-')) {
        return None;
    }
    offset(&mut t, &mut stamp);
    if stamp.offset.is_none() || !t.take_byte(b']') {
        return None;
    }
    stamp.day = month_number(name).and_then(|month| day_of(year, month, day));
    stamp.dated = true;
    *c = t;
    Some((stamp, fractions))
}

pub(crate) fn month_number(name: &[u8]) -> Option<u32> {
    const NAMES: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let name: &[u8; 3] = name.try_into().ok()?;
    NAMES.as_chunks().0.iter().position(|n| n == name).map(|i| i as u32 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_calendar_is_the_long_one() {
        for (year, month) in (0..=99).flat_map(|year| (0..=13).map(move |month| (year, month))) {
            for day in 0..=32 {
                assert_eq!(day_of_2000(year, month, day), day_of(2000 + year, month, day), "{year}-{month}-{day}");
            }
        }
    }

    #[test]
    fn the_usual_time_of_access_lines_is_read_like_any() {
        let mut usual = 0;
        for text in [
            "[22/Apr/2026:11:02:03 +0530]",
            "[29/Feb/2024:23:59:60 -0330]",
            "[29/Feb/2026:11:02:03 +0000]",
            "[00/Jan/2026:24:00:00 +0000]",
            "[22/Abc/2026:11:02:03 +0530]",
            "[22/Apr/1999:11:02:03 +0530]",
            "[22/Apr/2026:11:02:03 +05:30]",
            "[22/Apr/2026:11:02:03,123 +0530]",
            "[22/Apr/2026:11:02:03 0530]",
            "[2x/Apr/2026:11:02:03 +0530]",
            "[22/Apr/2026:11:02:03 +053x]",
            "[22/Apr/2026:11:02:03 +0530",
        ] {
            let (mut one, mut other) = (Cursor::new(text.as_bytes(), 0), Cursor::new(text.as_bytes(), 0));
            assert_eq!(access(&mut one), unusual_access(&mut other), "{text}");
            assert_eq!(one.at, other.at, "{text}");
            usual += usize::from(text.as_bytes().first_chunk().and_then(usual_access).is_some());
        }
        assert_eq!(usual, 4);
    }
}
