//! One module for each group of head shapes that begin alike.
//!
//! Within a group the shapes are tried in a fixed order and the first that fits wins; which shape a line has
//! must not depend on where it stands.

pub(crate) mod access;
pub(crate) mod bracket;
pub(crate) mod dated;
pub(crate) mod digits;
pub(crate) mod fixed;
pub(crate) mod tid;
pub(crate) mod usual;

use crate::Family;
use crate::head::Head;
use crate::level;
use crate::span::{Cursor, Part};
use crate::stamp::{self, Stamp};

/// `ThreadID: [id] TenantID: [tenant] [time] LVL {logger} - `.
pub(crate) fn governance(line: &[u8]) -> Option<Head> {
    let mut c = Cursor::new(line, 0);
    if !c.take(b"ThreadID: ") {
        return None;
    }
    let thread = c.bracket()?;
    if !c.take(b" TenantID: ") {
        return None;
    }
    let tenant = c.bracket()?;
    if !c.take_byte(b' ') {
        return None;
    }
    let stamp = stamp::bracketed(&mut c)?;
    let mut head = Head { thread, tenant, ..Head::new(Family::Governance, stamp) };
    head.level = level::take(&mut c)?;
    tid::logger(&mut c, &mut head)?;
    tid::dash(&mut c, &mut head, b" - ")
}

/// `!SESSION `, `!ENTRY `, `!SUBENTRY ` of the OSGi framework log. The time stands at the end, before the
/// dashes of a session.
pub(crate) fn equinox(line: &[u8]) -> Option<Head> {
    let mut c = Cursor::new(line, 0);
    let session = c.take(b"!SESSION ");
    let nested = !session && c.take(b"!SUBENTRY ");
    if !session && !nested && !c.take(b"!ENTRY ") {
        return None;
    }
    let mut head = Head { message: c.at as u16, ..Head::new(Family::Equinox, Stamp::default()) };
    if session {
        head.stamp = unbracketed(&mut c).unwrap_or_default();
        return Some(head);
    }
    if nested {
        word(&mut c);
    }
    head.logger = word(&mut c);
    head.level = word(&mut c);
    word(&mut c);
    head.stamp = unbracketed(&mut c).unwrap_or_default();
    Some(head)
}

/// Date, blank, clock, fraction without brackets.
fn unbracketed(c: &mut Cursor<'_>) -> Option<Stamp> {
    let mut stamp = Stamp::on(stamp::date(c)?);
    if !c.take_byte(b' ') {
        return None;
    }
    stamp::clock(c, &mut stamp)?;
    stamp::fraction(c, 9, &mut stamp)?;
    Some(stamp)
}

/// What stands up to the next blank, which is passed over.
pub(crate) fn word(c: &mut Cursor<'_>) -> Part {
    let len = memchr::memchr(b' ', c.rest()).unwrap_or(c.rest().len());
    let span = Part::new(c.at, c.at + len);
    c.at += len;
    c.take_byte(b' ');
    span
}

/// How long a bracket may be that holds brackets itself.
const BRACKET_BYTES_MAX: usize = 512;

/// A bracket whose inside nobody checks (a client's correlation id, a thread's name) and what follows it: it ends
/// at the first closing bracket behind which `rest` fits.
pub(crate) fn bracket_before<'a, T>(c: Cursor<'a>, rest: impl Fn(Cursor<'a>, Part) -> Option<T>) -> Option<T> {
    if c.peek() != Some(b'[') {
        return None;
    }
    let inside = c.at + 1;
    let window = &c.line[inside..c.line.len().min(inside + BRACKET_BYTES_MAX)];
    memchr::memchr_iter(b']', window).find_map(|i| {
        let end = inside + i;
        rest(Cursor::new(c.line, end + 1), Part::new(inside, end))
    })
}
