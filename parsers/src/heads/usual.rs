//! The few shapes that nearly all lines of nearly all files have, in one pass without trying others first.
//!
//! What is found here is what the scanners of the groups find; where anything is unusual they are asked. A property test
//! compares the two.

use super::BRACKET_BYTES_MAX;
use crate::Family;
use crate::head::Head;
use crate::level;
use crate::near;
use crate::span::Part;
use crate::stamp::{self, USUAL_BYTES};

/// The head that `line` is, when it is one of the usual ones.
#[inline]
pub(crate) fn recognise(line: &[u8]) -> Option<Head> {
    match line {
        [b'T', b'I', b'D', b':', b' ', b'[', ..] => tid(line),
        [b'[', b'2', b'0', ..] => timed(line),
        _ => None,
    }
}

/// `TID: [tenant] [app] [time] LVL {logger} - `, with or without a correlation id after the time.
#[inline]
fn tid(line: &[u8]) -> Option<Head> {
    let tenant = short(line, 6)?;
    let at = tenant.end();
    // A time in the place of one of them makes another shape of it.
    if line.get(at..)?.first_chunk::<3>() != Some(b"] [") || begins_time(line, 6) || begins_time(line, at + 3) {
        return None;
    }
    let app = short(line, at + 3)?;
    let at = app.end();
    if line.get(at..)?.first_chunk::<3>() != Some(b"] [") {
        return None;
    }
    let stamp = stamp::usual(&line[at + 2..])?;
    let mut at = at + 2 + USUAL_BYTES;
    let mut head = Head { tenant, app, ..Head::new(Family::Tid, stamp) };
    if line.get(at..)?.first_chunk::<2>() == Some(b" [") {
        head.family = Family::TidIs;
        let window = &line[at + 2..line.len().min(at + 2 + BRACKET_BYTES_MAX)];
        let end = at + 2 + near::find(b']', window)?;
        head.correlation = Part::new(at + 2, end);
        at = end + 1;
    }
    let at = level_and_logger(line, at, &mut head)?;
    dash(line, at, head)
}

/// `[time] LVL {logger} - ` or `[time] LVL - Logger `.
#[inline]
fn timed(line: &[u8]) -> Option<Head> {
    let mut head = Head::new(Family::Plain, stamp::usual(line)?);
    let at = level_of(line, USUAL_BYTES, &mut head)?;
    let rest = line.get(at..)?;
    if rest.first_chunk::<2>() == Some(b" {") {
        let at = logger(line, at, &mut head)?;
        return dash(line, at, head);
    }
    if rest.first_chunk::<3>() != Some(b" - ") || matches!(rest.get(3), None | Some(b' ' | b'{')) {
        return None;
    }
    head.family = Family::Console;
    let from = at + 3;
    let end = from + near::find(b' ', &line[from..])?;
    head.logger = Part::new(from, end);
    head.message = end as u16 + 1;
    Some(head)
}

fn begins_time(line: &[u8], at: usize) -> bool {
    matches!(line.get(at..), Some([b'2', b'0', ..]))
}

/// The inside of a bracket that begins at `at`.
#[inline]
fn short(line: &[u8], at: usize) -> Option<Part> {
    let rest = line.get(at..)?;
    let len = near::find(b']', rest)?;
    Some(Part::new(at, at + len))
}

#[inline]
fn level_of(line: &[u8], mut at: usize, head: &mut Head) -> Option<usize> {
    while line.get(at) == Some(&b' ') {
        at += 1;
    }
    let (level, len) = level::usual(line.get(at..)?.first_chunk()?)?;
    head.severity = level;
    head.level = Part::new(at, at + len);
    Some(at + len)
}

#[inline]
fn logger(line: &[u8], at: usize, head: &mut Head) -> Option<usize> {
    let rest = line.get(at + 2..)?;
    // With a blank, a method stands behind the class; [`crate::fields::carbon`] relies on there being none.
    let len = near::find2(b'}', b' ', rest).filter(|len| rest[*len] == b'}')?;
    let end = at + 2 + len;
    head.logger = Part::new(at + 2, end);
    Some(end + 1)
}

#[inline]
fn level_and_logger(line: &[u8], at: usize, head: &mut Head) -> Option<usize> {
    let at = level_of(line, at, head)?;
    if line.get(at..)?.first_chunk::<2>() != Some(b" {") {
        return None;
    }
    logger(line, at, head)
}

#[inline]
fn dash(line: &[u8], at: usize, mut head: Head) -> Option<Head> {
    if line.get(at..)?.first_chunk::<3>() != Some(b" - ") {
        return None;
    }
    head.message = at as u16 + 3;
    Some(head)
}
