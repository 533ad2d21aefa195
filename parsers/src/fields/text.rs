//! Lines of no known shape: a time and a level are still told by how they begin, whatever their layout is.
//!
//! Nothing is decided by it but these two: such a line is an event of its own only where no head was seen.

use crate::Level;
use crate::heads::fixed::iso;
use crate::level;
use crate::span::Cursor;
use crate::stamp::{self, Stamp};

/// Words looked at for a level.
const WORDS: usize = 7;

/// The level and the time that stand at the beginning of `bytes`.
pub(crate) fn looks(bytes: &[u8]) -> (Level, Option<Stamp>) {
    let line = &bytes[..bytes.len().min(256)];
    let line = &line[..memchr::memchr(b'\n', line).unwrap_or(line.len())];
    let mut c = Cursor::new(line, 0);
    let stamp = time(&mut c).filter(|s| s.valid);
    let words =
        c.rest().split(|b| matches!(b, b' ' | b'\t' | b'[' | b']' | b'|' | b':' | b'{')).filter(|w| !w.is_empty());
    let level = words.take(WORDS).map(level::of_log4j).find(|l| *l != Level::Unknown);
    (level.unwrap_or_default(), stamp)
}

/// A time at the line's beginning, in brackets or not.
fn time(c: &mut Cursor<'_>) -> Option<Stamp> {
    c.take_byte(b'[');
    if let Some(stamp) = iso(c) {
        return Some(stamp);
    }
    slashed(c).or_else(|| english(c))
}

/// `2018/04/22 11:02:13`.
fn slashed(c: &mut Cursor<'_>) -> Option<Stamp> {
    let mut t = *c;
    let (year, _) = (t.digits(4, 4)?, t.take_byte(b'/').then_some(())?);
    let (month, _) = (t.digits(2, 2)?, t.take_byte(b'/').then_some(())?);
    let (day, _) = (t.digits(2, 2)?, t.take_byte(b' ').then_some(())?);
    let mut stamp = Stamp::on(stamp::day_of(year, month, day));
    stamp::clock(&mut t, &mut stamp)?;
    stamp::fraction(&mut t, 9, &mut stamp);
    *c = t;
    Some(stamp)
}

/// `Apr 22, 2018 1:02:13 PM`, as `java.util.logging` prints it by itself.
fn english(c: &mut Cursor<'_>) -> Option<Stamp> {
    let mut t = *c;
    let month = stamp::month_number(t.rest().get(..3)?)?;
    t.at += 3;
    t.take_byte(b' ').then_some(())?;
    let day = t.digits(1, 2)?;
    t.take(b", ").then_some(())?;
    let year = t.digits(4, 4)?;
    t.take_byte(b' ').then_some(())?;
    let mut stamp = Stamp::on(stamp::day_of(year, month, day));
    stamp::clock(&mut t, &mut stamp)?;
    let afternoon = t.take(b" PM");
    if !afternoon && !t.take(b" AM") {
        return None;
    }
    stamp.valid &= (1..=12).contains(&(stamp.second / 3600));
    stamp.second = stamp.second % (12 * 3600) + if afternoon { 12 * 3600 } else { 0 };
    *c = t;
    Some(stamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_time_and_level_of_foreign_layouts() {
        for (line, level, second) in [
            ("2025-01-02 03:04:05,006 [main] INFO  org.wso2.Foo - text", Level::Info, Some(3 * 3600 + 4 * 60 + 5)),
            ("2025-01-02T03:04:05.006Z  WARN 1 --- [main] o.s.b.App : text", Level::Warn, Some(11045)),
            ("[2025-01-02T03:04:05.123+0000][info][gc] GC(7) Pause", Level::Unknown, Some(11045)),
            ("2025-01-02T03:04:05.123+0000: 12.345: [GC (x)", Level::Unknown, Some(11045)),
            ("Jan 02, 2025 3:04:05 PM org.A main", Level::Unknown, Some(11045 + 12 * 3600)),
            ("Jan 02, 2025 12:04:05 AM org.A main", Level::Unknown, Some(245)),
            ("2025/01/02 03:04:05 [error] 7#7: text", Level::Unknown, Some(11045)),
            ("SEVERE: text", Level::Error, None),
            ("ERROR! The program", Level::Unknown, None),
            ("Using Java memory options: -Xms256m", Level::Unknown, None),
            ("", Level::Unknown, None),
        ] {
            let (found, stamp) = looks(line.as_bytes());
            assert_eq!((found, stamp.map(|s| s.second)), (level, second), "{line}");
            assert!(stamp.is_none_or(|s| s.day == Some(20_090)), "{line}");
        }
    }
}
