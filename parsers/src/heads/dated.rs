//! Lines that begin with a time and a level, in layouts that are none of the known ones: other programs beside Carbon,
//! its own libraries (Tomcat, Hazelcast, log4j's status), layouts that somebody made.
//!
//! Such lines stand inside of other events too, so they are heads only in a file that begins with one, or is fixed to
//! them. Their family is `-`: it says that the shape is no known one. A level must stand right behind the time, with
//! nothing before it but numbers, a zone, names in brackets and one word; or before the time.

use super::bracket_before;
use crate::head::Head;
use crate::heads::fixed::iso;
use crate::span::{Cursor, Part};
use crate::stamp::{self, Stamp};
use crate::{Family, Level, level};

/// How many words and brackets may stand between time and message.
const WORDS: usize = 8;

/// The head that `line` is by its time and level.
pub(crate) fn recognise(line: &[u8]) -> Option<Head> {
    let mut c = Cursor::new(line, 0);
    let first = level_first(&mut c);
    c.take_byte(b'[');
    let clock = Cursor { ..c };
    let stamp = time(&mut c).or_else(|| bare_clock(&mut c)).filter(|stamp| stamp.valid)?;
    let mut head = Head::new(Family::None, stamp);
    if first.is_none() && clock.at == 0 && line[c.at..].first() == Some(&b' ') && line[..c.at].ends_with(b"M") {
        return julian(c, head);
    }
    c.take_byte(b']');
    head.level = first.unwrap_or_default();
    if !stamp.dated && c.peek() != Some(b' ') {
        return None;
    }
    names(&mut c, &mut head).then_some(())?;
    head.message = c.at as u16;
    Some(head)
}

/// `[time] "request" …` of a proxy's access log (Envoy), in any file: nothing else has this shape.
pub(crate) fn proxy_access(line: &[u8]) -> Option<Head> {
    let mut c = Cursor::new(line, 0);
    let stamp = stamp::bracketed(&mut c)?;
    let fits = line.get(11) == Some(&b'T') && stamp.offset.is_some() && c.take(b" \"");
    fits.then(|| Head { message: c.at as u16 - 1, single: true, ..Head::new(Family::None, stamp) })
}

/// A level before the time, in brackets or not.
fn level_first(c: &mut Cursor<'_>) -> Option<Part> {
    let mut t = *c;
    let bracket = t.take_byte(b'[');
    let from = t.at;
    t.at += t.rest().iter().take_while(|b| b.is_ascii_uppercase()).count();
    let word = Part::new(from, t.at);
    if level::of_log4j(word.of(t.line)) == Level::Unknown {
        return None;
    }
    t.blanks();
    if bracket {
        t.take_byte(b']').then_some(())?;
        t.blanks();
    }
    (t.at > word.end()).then_some(())?;
    *c = t;
    Some(word)
}

/// What `java.util.logging` prints by itself: the class and method on this line, level and message on the next.
fn julian(mut c: Cursor<'_>, mut head: Head) -> Option<Head> {
    c.take_byte(b' ');
    head.logger = Part::new(c.at, c.at + c.rest().trim_ascii_end().len());
    head.message = c.line.len() as u16;
    let name = head.logger.of(c.line);
    let words = name.split(|b| *b == b' ').count();
    ((1..=2).contains(&words) && is_logger(name.split(|b| *b == b' ').next()?)).then_some(head)
}

/// The head with the level and the message that `java.util.logging` prints on the event's second line.
pub(crate) fn with_second_line(head: &Head, bytes: &[u8]) -> Head {
    let Some(end) = memchr::memchr(b'\n', bytes).filter(|end| *end < usize::from(u16::MAX) / 2) else { return *head };
    let line = &bytes[..bytes.len().min(end + 64)];
    let mut c = Cursor::new(line, end + 1);
    let level = level::take_any(&mut c).filter(|_| c.take(b": "));
    level.map_or(*head, |level| Head { level, message: c.at as u16, ..*head })
}

/// What stands between time and message, in whatever order. Whether a level was among it.
fn names(c: &mut Cursor<'_>, head: &mut Head) -> bool {
    for word in 0..WORDS {
        while matches!(c.peek(), Some(b' ' | b'\t' | b'|' | b'-' | b',')) {
            let dash = c.rest().starts_with(b"- ") && !head.level.is_empty() && !head.logger.is_empty();
            c.at += 1;
            if dash {
                c.blanks();
                return true;
            }
        }
        let stays = *c;
        if !name(c, head, word) {
            *c = stays;
            break;
        }
        if c.take(b": ") && !head.level.is_empty() {
            break;
        }
    }
    c.take(b": ");
    !head.level.is_empty()
}

/// One word or bracket; `false` when the message begins with it.
fn name(c: &mut Cursor<'_>, head: &mut Head, number: usize) -> bool {
    let known = !head.level.is_empty();
    match c.peek() {
        Some(b'[') => {
            // A thread's name may hold brackets itself.
            let inside = bracket_before(*c, |after, inside| {
                matches!(after.peek(), None | Some(b' ' | b'[' | b':' | b'\t' | b'|')).then_some((after, inside))
            });
            let Some((after, inside)) = inside else { return false };
            let inside = trimmed(inside, c.line);
            let text = inside.of(c.line);
            *c = after;
            match () {
                () if level::of_log4j(text) != Level::Unknown && !known => head.level = inside,
                () if known && head.logger.is_empty() && (is_logger(text) || is_module(text)) => head.logger = inside,
                () if head.thread.is_empty() && head.logger.is_empty() => head.thread = inside,
                () => return false,
            }
            true
        }
        Some(b'(') if known && head.thread.is_empty() => c.enclosed(b'(', b')').is_some_and(|inside| {
            head.thread = inside;
            true
        }),
        Some(b'{') if head.logger.is_empty() => c.enclosed(b'{', b'}').is_some_and(|inside| {
            head.logger = inside;
            true
        }),
        Some(_) => plain_word(c, head, number),
        None => false,
    }
}

fn plain_word(c: &mut Cursor<'_>, head: &mut Head, number: usize) -> bool {
    let known = !head.level.is_empty();
    let from = c.at;
    c.at += c.rest().iter().take_while(|b| !matches!(b, b' ' | b'\t' | b'|' | b'[' | b'{' | b'(')).count();
    if c.line[from..c.at].ends_with(b":") {
        c.at -= 1;
    }
    let word = Part::new(from, c.at);
    let text = word.of(c.line);
    match () {
        () if text.is_empty() => return false,
        () if !known && level::of_log4j(text) != Level::Unknown => head.level = word,
        // A process, or a zone right behind the time.
        () if text.iter().all(u8::is_ascii_digit) && head.logger.is_empty() => {}
        () if number == 0 && !known && is_zone(text) => {}
        () if head.logger.is_empty()
            && (is_logger(text) || known && is_class(text) && c.rest().starts_with(b" - ")) =>
        {
            head.logger = word;
        }
        // The thread, as log4j's own status prints it.
        () if !known && head.thread.is_empty() && c.peek() == Some(b' ') => {
            let mut next = *c;
            let level = level::take(&mut next).filter(|_| matches!(next.peek(), Some(b' ' | b':')));
            if level.is_none() {
                return false;
            }
            head.thread = word;
        }
        () => return false,
    }
    true
}

fn trimmed(part: Part, line: &[u8]) -> Part {
    let text = part.of(line);
    let front = text.len() - text.trim_ascii_start().len();
    Part::new(usize::from(part.start) + front, usize::from(part.start) + front + text.trim_ascii().len())
}

/// A name with dots as loggers have them; no address, no version, no file.
fn is_logger(text: &[u8]) -> bool {
    let mut parts = text.split(|b| *b == b'.').peekable();
    let is_name = |part: &[u8]| {
        part.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
            && part.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'<' | b'>' | b'-'))
    };
    parts.next().is_some_and(is_name) && parts.peek().is_some() && parts.all(is_name)
}

/// `ballerina/http`, `wso2/gateway/src/gateway/utils:0.0.0`.
fn is_module(text: &[u8]) -> bool {
    memchr::memchr(b'/', text).is_some_and(|at| at > 0) && text.iter().all(u8::is_ascii_graphic)
}

/// A class's name, with the line maybe that the layout prints behind it.
fn is_class(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_alphabetic)
        && text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b':'))
}

/// `UTC`, `IST`, `+0530`.
fn is_zone(text: &[u8]) -> bool {
    match text.split_first() {
        Some((b'+' | b'-', digits)) => digits.len() >= 4 && digits.iter().all(|b| b.is_ascii_digit() || *b == b':'),
        _ => (1..=5).contains(&text.len()) && text.iter().all(u8::is_ascii_uppercase),
    }
}

/// A clock with a fraction and no date.
fn bare_clock(c: &mut Cursor<'_>) -> Option<Stamp> {
    let mut t = *c;
    let mut stamp = Stamp::default();
    stamp::clock(&mut t, &mut stamp)?;
    stamp::fraction(&mut t, 9, &mut stamp)?;
    *c = t;
    Some(stamp)
}

/// A date and clock at the cursor, in the forms that programs print.
pub(crate) fn time(c: &mut Cursor<'_>) -> Option<Stamp> {
    let mut t = *c;
    if let Some(mut stamp) = iso(&mut t) {
        // An offset may stand apart from the clock.
        let mut apart = t;
        if stamp.offset.is_none() && apart.take_byte(b' ') && matches!(apart.peek(), Some(b'+' | b'-')) {
            stamp::offset(&mut apart, &mut stamp);
            t = if stamp.offset.is_some() { apart } else { t };
        }
        *c = t;
        return Some(stamp);
    }
    slashed(c).or_else(|| day_first(c)).or_else(|| english(c))
}

/// `2018/04/22 11:02:13`.
fn slashed(c: &mut Cursor<'_>) -> Option<Stamp> {
    let mut t = *c;
    let (year, _) = (t.digits(4, 4)?, t.take_byte(b'/').then_some(())?);
    let (month, _) = (t.digits(2, 2)?, t.take_byte(b'/').then_some(())?);
    let (day, _) = (t.digits(2, 2)?, t.take_byte(b' ').then_some(())?);
    clock_of(t, c, Stamp::on(stamp::day_of(year, month, day)))
}

/// `22-Apr-2018 11:02:13.123` of Tomcat, `22 Apr 2018 11:02:13,123` of log4j's `DATE`.
fn day_first(c: &mut Cursor<'_>) -> Option<Stamp> {
    let mut t = *c;
    let day = t.digits(1, 2)?;
    let sign = t.peek().filter(|b| matches!(b, b'-' | b' '))?;
    t.at += 1;
    let month = stamp::month_number(t.rest().get(..3)?)?;
    t.at += 3;
    t.take_byte(sign).then_some(())?;
    let year = t.digits(4, 4)?;
    t.take_byte(b' ').then_some(())?;
    clock_of(t, c, Stamp::on(stamp::day_of(year, month, day)))
}

/// The clock behind a date.
fn clock_of<'a>(mut t: Cursor<'a>, c: &mut Cursor<'a>, mut stamp: Stamp) -> Option<Stamp> {
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
    // JDKs from 20 on print a narrow blank there.
    let blank = t.take_byte(b' ') || t.take(b"\xe2\x80\xaf");
    let afternoon = t.take(b"PM");
    if !blank || !afternoon && !t.take(b"AM") {
        return None;
    }
    stamp.valid &= (1..=12).contains(&(stamp.second / 3600));
    stamp.second = stamp.second % (12 * 3600) + if afternoon { 12 * 3600 } else { 0 };
    *c = t;
    Some(stamp)
}
