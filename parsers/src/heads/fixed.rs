//! Shapes that continuation lines have too: heads only in files that are fixed to them, by configuration or
//! because the file begins with one.
//!
//! A Go program writes logrus lines, lines of the standard logger, and JSON into one stream; so a file fixed to
//! one of the three may hold the others. The enforcer of Choreo Connect can be switched to JSON.
//!
//! log4j2's JSON layout prints each event over many lines unless told to be compact: its lines are indented but for
//! those that open and close an object.
//!
//! Whatever begins with a time and a level is cut in the same way ([`dated`]).

use super::{dated, word};
use crate::Family;
use crate::head::Head;
use crate::span::{Cursor, Part};
use crate::stamp::{self, Stamp, day_of};

/// The head that `line` is in a file fixed to `lock`.
pub(crate) fn recognise(line: &[u8], lock: Family) -> Option<Head> {
    match lock {
        Family::Tm1 => tm1(line),
        Family::Tdump => thread_dump(line),
        Family::Logfmt => logfmt(line),
        Family::Json => json(line),
        Family::Logrus | Family::Golog => {
            logrus(line).or_else(|| golog(line)).or_else(|| json(line).filter(|_| is_log_object(line)))
        }
        Family::Enforcer => json(line).filter(|_| is_log_object(line)),
        Family::None => dated::recognise(line).or_else(|| dated::proxy_access(line)),
        _ => None,
    }
}

/// The head that fixes a file that begins with it. A file that begins with a time and a level in a layout that is no
/// known one is fixed to such lines, as the family `-`.
pub(crate) fn begins(line: &[u8]) -> Option<Head> {
    let found = match line.first()? {
        b'"' => thread_dump(line),
        b'{' => json(line).filter(|_| line.trim_ascii_end() == b"{" || is_log_object(line)),
        b't' => logfmt(line),
        b'2' => logrus(line).or_else(|| golog(line)),
        b'T' | b'D' | b'I' | b'W' | b'E' | b'F' => tm1(line),
        _ => None,
    };
    found.or_else(|| match line.first()? {
        b'[' | b'0'..=b'9' | b'A'..=b'Z' => dated::recognise(line),
        _ => None,
    })
}

/// Whether heads of this family fix their file to it.
pub(crate) fn locks(family: Family) -> bool {
    matches!(
        family,
        Family::None
            | Family::Tm1
            | Family::Tdump
            | Family::Logfmt
            | Family::Json
            | Family::Logrus
            | Family::Golog
            | Family::Enforcer
    )
}

/// `LVL thread name package.Class - text`, without time: log4j1's tm.out.
fn tm1(line: &[u8]) -> Option<Head> {
    let mut c = Cursor::new(line, 0);
    let level = word(&mut c);
    let known = [&b"TRACE"[..], b"DEBUG", b"INFO", b"WARN", b"ERROR", b"FATAL"];
    if !known.contains(&level.of(line)) || c.peek().is_none_or(|b| b.is_ascii_whitespace()) {
        return None;
    }
    let thread = c.at;
    // The thread's name has blanks; the logger is the last word before a dash that looks like one.
    let end = memchr::memmem::rfind_iter(line, b" - ").find_map(|dash| {
        let logger = memchr::memrchr(b' ', &line[..dash])? + 1;
        (logger > thread + 1 && is_class(&line[logger..dash])).then_some((logger, dash))
    });
    let (logger, dash) = end?;
    let mut head = Head { level, ..Head::new(Family::Tm1, Stamp::default()) };
    head.thread = Part::new(thread, logger - 1);
    head.logger = Part::new(logger, dash);
    head.message = dash as u16 + 3;
    Some(head)
}

/// `(?:[a-z]\w*\.)+\w+`.
fn is_class(text: &[u8]) -> bool {
    let mut parts = text.rsplit(|b| *b == b'.');
    let is_word = |part: &[u8]| !part.is_empty() && part.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let last = parts.next().is_some_and(is_word);
    let mut packages = parts.peekable();
    last && packages.peek().is_some() && packages.all(|p| is_word(p) && p[0].is_ascii_lowercase())
}

/// `"name" #12 daemon prio=5 …`.
fn thread_dump(line: &[u8]) -> Option<Head> {
    let mut c = Cursor::new(line, 0);
    let name = c.enclosed(b'"', b'"').filter(|n| !n.is_empty())?;
    c.take_byte(b' ').then_some(())?;
    if c.take_byte(b'#') {
        c.digits(1, 9)?;
        c.take_byte(b' ').then_some(())?;
    }
    // Newer JVMs print the number that the system gives the thread.
    if c.bracket().is_some() {
        c.take_byte(b' ').then_some(())?;
    }
    c.take(b"daemon ");
    c.take(b"prio=").then_some(())?;
    Some(Head { thread: name, ..Head::new(Family::Tdump, Stamp::default()) })
}

/// `time=2021-05-12T11:26:00.021+05:30 level=…`.
fn logfmt(line: &[u8]) -> Option<Head> {
    let mut c = Cursor::new(line, 0);
    c.take(b"time").then_some(())?;
    c.take_byte(b' ');
    c.take_byte(b'=').then_some(())?;
    c.take_byte(b' ');
    c.take_byte(b'"');
    let rest = c.rest();
    let year = rest.len() > 4 && rest.starts_with(b"20") && rest[2].is_ascii_digit() && rest[3].is_ascii_digit();
    if !year || rest[4] != b'-' {
        return None;
    }
    let stamp = iso(&mut c).unwrap_or_default();
    Some(Head::new(Family::Logfmt, stamp))
}

/// Date, `T` or blank, clock, maybe a fraction, maybe an offset.
pub(crate) fn iso(c: &mut Cursor<'_>) -> Option<Stamp> {
    let mut stamp = Stamp::on(stamp::date(c)?);
    if !(c.take_byte(b'T') || c.take_byte(b' ')) {
        return None;
    }
    stamp::clock(c, &mut stamp)?;
    if matches!(c.peek(), Some(b'.' | b',')) {
        stamp::fraction(c, 9, &mut stamp);
    }
    stamp::offset(c, &mut stamp);
    Some(stamp)
}

/// `2022-06-10 13:30:27 ERRO [file:line] - text`.
fn logrus(line: &[u8]) -> Option<Head> {
    let mut c = Cursor::new(line, 0);
    let mut stamp = Stamp::on(stamp::date(&mut c)?);
    c.take_byte(b' ').then_some(())?;
    let clock = c.at;
    stamp::clock(&mut c, &mut stamp)?;
    if c.at - clock != 8 || !c.take_byte(b' ') {
        return None;
    }
    let level = word(&mut c);
    let known = [&b"TRAC"[..], b"DEBG", b"INFO", b"WARN", b"ERRO", b"FATL", b"PANC"];
    if level.len != 4 || !known.contains(&level.of(line)) || c.peek() != Some(b'[') {
        return None;
    }
    let mut head = Head { level, message: c.at as u16, ..Head::new(Family::Logrus, stamp) };
    if let Some(logger) = c.bracket() {
        head.logger = logger;
        if c.take(b" - ") {
            head.message = c.at as u16;
        }
    }
    Some(head)
}

/// `2021/04/29 06:07:12 text` of Go's own logger.
fn golog(line: &[u8]) -> Option<Head> {
    let b = line.get(..20)?;
    let digits = |range: std::ops::Range<usize>| b[range].iter().all(u8::is_ascii_digit);
    let number = |at: usize| u32::from(b[at] - b'0') * 10 + u32::from(b[at + 1] - b'0');
    let shape = b.starts_with(b"20")
        && digits(2..4)
        && (b[4], b[7], b[10], b[13], b[16], b[19]) == (b'/', b'/', b' ', b':', b':', b' ')
        && [5..7, 8..10, 11..13, 14..16, 17..19].into_iter().all(digits);
    if !shape {
        return None;
    }
    let mut c = Cursor::new(line, 11);
    let mut stamp = Stamp::on(day_of(2000 + number(2), number(5), number(8)));
    stamp::clock(&mut c, &mut stamp)?;
    Some(Head { message: 20, ..Head::new(Family::Golog, stamp) })
}

/// A line that begins like a JSON object, or one of many lines after the comma behind the last; its fields are found in
/// the whole event.
fn json(line: &[u8]) -> Option<Head> {
    let opens = || matches!(line.trim_ascii_end(), b"{" | b"}, {" | b"},{" | b", {" | b",{");
    (opens_object(line) || opens()).then(|| Head::new(Family::Json, Stamp::default()))
}

/// `{"`, with a blank between them or without.
fn opens_object(line: &[u8]) -> bool {
    line.starts_with(b"{\"") || line.starts_with(b"{ \"")
}

/// Whether a head of that family holds its whole event, so that lines behind it that can stand alone do.
pub(crate) fn is_whole(head: &Head, line: &[u8]) -> bool {
    head.family == Family::Json && opens_object(line) && line.trim_ascii_end().ends_with(b"}")
}

/// Under what loggers print the time.
const TIME_KEYS: [&[u8]; 7] =
    [b"\"time\"", b"\"timestamp\"", b"\"@timestamp\"", b"\"instant\"", b"\"timeMillis\"", b"\"ts\"", b"\"date\""];

/// Whether an object on one line is what a logger writes, and no payload.
fn is_log_object(line: &[u8]) -> bool {
    let has = |key: &[u8]| memchr::memmem::find(line, key).is_some();
    line.trim_ascii_end().ends_with(b"}")
        && (has(b"\"level\"") || has(b"\"log.level\"") || has(b"\"severity\""))
        && (has(b"\"message\"") || has(b"\"msg\""))
        && TIME_KEYS.iter().any(|key| has(key))
}
