//! Lines of no known shape: a time and a level are still told by how they begin, whatever their layout is.
//!
//! Nothing is decided by it but these two: such a line is an event of its own only where no head was seen.

use crate::Level;
use crate::heads::dated;
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

/// A time at the line's beginning, in brackets or not; or one in brackets as access logs print it, wherever it stands.
fn time(c: &mut Cursor<'_>) -> Option<Stamp> {
    c.take_byte(b'[');
    dated::time(c).or_else(|| {
        let line = c.line;
        let at = memchr::memchr_iter(b'[', line).find(|at| stamp::access(&mut Cursor::new(line, *at)).is_some())?;
        stamp::access(&mut Cursor::new(line, at)).map(|(stamp, _)| stamp)
    })
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
            ("02-Jan-2025 03:04:05.006 WARNING [main] org.apache.A.b text", Level::Warn, Some(11045)),
            ("2025-01-02 03:04:05 +0000 text", Level::Unknown, Some(11045)),
            ("GET /x [02/Jan/2025:03:04:05 +0000] 200", Level::Unknown, Some(11045)),
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
