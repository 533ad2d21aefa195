//! Heads that begin with a bare date or clock: the gateway's and ESB's own files, correlation logs, the
//! diagnostics tool.

use super::bracket::threaded;
use crate::Family;
use crate::head::Head;
use crate::span::{Cursor, Part};
use crate::stamp::{self, Stamp, day_of};

pub(crate) fn recognise(line: &[u8]) -> Option<Head> {
    match line {
        [_, b':', ..] | [_, _, b':', ..] => gwtrace(line),
        [b'2', b'0', _, _, b'-', ..] => dated(line),
        [_, _, b'-', _, _, b'-', ..] => mi_otel(line),
        _ => None,
    }
}

/// Time without date: traces, metrics, analytics. The date comes from the payload or the file.
fn gwtrace(line: &[u8]) -> Option<Head> {
    let mut c = Cursor::new(line, 0);
    let mut stamp = Stamp::default();
    stamp::clock(&mut c, &mut stamp)?;
    stamp::fraction(&mut c, 4, &mut stamp)?;
    c.take_byte(b' ').then_some(())?;
    threaded(c, Head::new(Family::Gwtrace, stamp))
}

/// `MM-dd-yyyy-time [ip-host] [thread]LVL text`.
fn mi_otel(line: &[u8]) -> Option<Head> {
    let mut c = Cursor::new(line, 0);
    let month = two(&mut c)?;
    c.take_byte(b'-').then_some(())?;
    let day = two(&mut c)?;
    c.take(b"-20").then_some(())?;
    let year = 2000 + two(&mut c)?;
    c.take_byte(b'-').then_some(())?;
    let mut stamp = Stamp::on(day_of(year, month, day));
    stamp::clock(&mut c, &mut stamp)?;
    stamp::fraction(&mut c, 4, &mut stamp)?;
    c.take_byte(b' ').then_some(())?;
    threaded(c, Head::new(Family::MiOtel, stamp))
}

/// Two digits, whatever follows.
fn two(c: &mut Cursor<'_>) -> Option<u32> {
    match c.rest() {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', ..] => {
            c.at += 2;
            Some(u32::from(a - b'0') * 10 + u32::from(b - b'0'))
        }
        _ => None,
    }
}

fn dated(line: &[u8]) -> Option<Head> {
    let mut c = Cursor::new(line, 0);
    let mut stamp = Stamp::on(stamp::date(&mut c)?);
    let blank = c.take_byte(b' ');
    let t = !blank && c.take_byte(b'T');
    let clock = c.at;
    stamp::clock(&mut c, &mut stamp)?;
    if stamp::fraction(&mut c, 4, &mut stamp).is_none() {
        let padded = c.at - clock == 8;
        return if blank && padded { diagtool(c, Head::new(Family::Diagtool, stamp)) } else { None };
    }
    if c.take_byte(b'|') {
        return if t { None } else { corr(c, Head::new(Family::Corr, stamp)) };
    }
    if !(blank || t) || !c.take_byte(b' ') {
        return None;
    }
    threaded(c, Head::new(Family::Gwerr, stamp))
}

/// `correlation id|thread|text`, or with `Tenant:domain` between them.
fn corr(mut c: Cursor<'_>, mut head: Head) -> Option<Head> {
    head.correlation = piped(&mut c)?;
    head.thread = piped(&mut c)?;
    if head.thread.of(c.line).starts_with(b"Tenant:") {
        let mut t = c;
        if let Some(thread) = piped(&mut t) {
            head.domain = Part { start: head.thread.start + 7, len: head.thread.len - 7 };
            head.thread = thread;
            c = t;
        }
    }
    if let Some((pipe, thread)) = pipes_in_id(c) {
        head.correlation = Part::new(usize::from(head.correlation.start), pipe);
        head.thread = Part::new(pipe + 1, thread);
        c.at = thread + 1;
    }
    head.message = c.at as u16;
    Some(head)
}

/// How far behind the first pipes more of them may belong to the id.
const ID_BYTES_MAX: usize = 256;

/// A client chooses its correlation id, and may put pipes into it. Where no duration follows the thread, but one does
/// behind a later pipe, the pipes before the real thread belong to the id: gives the places of the two around it.
fn pipes_in_id(c: Cursor<'_>) -> Option<(usize, usize)> {
    let rest = c.rest();
    if duration(rest) || memchr::memchr(b'|', rest).is_none() {
        return None;
    }
    let mut before = c.at - 1;
    for at in memchr::memchr_iter(b'|', &rest[..rest.len().min(ID_BYTES_MAX)]) {
        let pipe = c.at + at;
        if duration(&c.line[pipe + 1..]) {
            return Some((before, pipe));
        }
        before = pipe;
    }
    None
}

/// `12|HTTP` or `832 |jdbc`: a number, a pipe and a call's type.
fn duration(text: &[u8]) -> bool {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let rest = text[digits..].strip_prefix(b" ").unwrap_or(&text[digits..]);
    const TYPES: [&[u8]; 5] = [b"METHOD|", b"HTTP", b"jdbc|", b"ldap|", b"Thread switch latency"];
    digits > 0 && rest.strip_prefix(b"|").is_some_and(|kind| TYPES.iter().any(|t| kind.starts_with(t)))
}

/// What stands up to the next pipe, which is passed over.
fn piped(c: &mut Cursor<'_>) -> Option<Part> {
    let len = memchr::memchr(b'|', c.rest())?;
    let span = Part::new(c.at, c.at + len);
    c.at += len + 1;
    Some(span)
}

/// ` Class [LEVEL] text`.
fn diagtool(mut c: Cursor<'_>, mut head: Head) -> Option<Head> {
    c.take_byte(b' ').then_some(())?;
    let len = c.rest().iter().take_while(|b| !matches!(b, b' ' | b'[')).count();
    if len == 0 {
        return None;
    }
    head.logger = Part::new(c.at, c.at + len);
    c.at += len;
    c.take_byte(b' ').then_some(())?;
    head.level = c.bracket()?;
    let word = head.level.of(c.line);
    if word.is_empty() || !word.iter().all(u8::is_ascii_uppercase) || !c.take_byte(b' ') {
        return None;
    }
    head.message = c.at as u16;
    Some(head)
}
