//! Heads that begin with `TID: `: the files of Carbon 4.2 and later, and the launcher's own lines.
//!
//! The brackets tell the shapes apart: two before the time (`tid`, `tid-is`), one (`tid-short`,
//! `tid-is-audit`) or none (`tid-launch`); a bracket after the time is the correlation id of Identity Server.

use super::bracket_before;
use crate::Family;
use crate::head::Head;
use crate::level;
use crate::span::{Cursor, Part};
use crate::stamp;

#[inline]
pub(crate) fn recognise(line: &[u8]) -> Option<Head> {
    let mut c = Cursor::new(line, 5);
    if let Some(stamp) = stamp::bracketed(&mut c) {
        if let Some(head) = launch(c, Head::new(Family::TidLaunch, stamp)) {
            return Some(head);
        }
        c.at = 5;
    }
    let tenant = c.bracket()?;
    if !c.take_byte(b' ') {
        return None;
    }
    let second = c;
    if let Some(stamp) = stamp::bracketed(&mut c) {
        // A time may stand in the app's bracket too; only the bracket after the next time tells.
        let mut next = c;
        if next.take_byte(b' ')
            && let Some(stamp) = stamp::bracketed(&mut next)
        {
            let app = Part::new(second.at + 1, c.at - 1);
            let head = Head { tenant, app, ..Head::new(Family::TidIs, stamp) };
            if let Some(is) = correlated(next, head) {
                return Some(is);
            }
        }
        let head = Head { tenant, ..Head::new(Family::TidShort, stamp) };
        if let Some(head) = short(c, head) {
            return Some(head);
        }
        c = second;
    }
    let other = c.bracket()?;
    if !c.take_byte(b' ') {
        return None;
    }
    let stamp = stamp::bracketed(&mut c)?;
    full(c, Head { tenant, ..Head::new(Family::Tid, stamp) }, other)
}

/// `LVL {logger} - ` right after the time.
#[inline]
fn launch(mut c: Cursor<'_>, mut head: Head) -> Option<Head> {
    head.level = level::take(&mut c)?;
    logger(&mut c, &mut head)?;
    dash(&mut c, &mut head, b" - ")
}

/// After the time of `tid-short` and `tid-is-audit`.
#[inline]
fn short(c: Cursor<'_>, mut head: Head) -> Option<Head> {
    if let Some(is) = correlated(c, Head { family: Family::TidIsAudit, ..head }) {
        return Some(is);
    }
    let mut t = c;
    head.level = level::take(&mut t)?;
    logger(&mut t, &mut head)?;
    dash_maybe_blank(&mut t, &mut head)
}

/// After the time of `tid` and `tid-is`; `other` is the second bracket: an app, or the server of log4j1.
#[inline]
fn full(c: Cursor<'_>, mut head: Head, other: Part) -> Option<Head> {
    if let Some(is) = correlated(c, Head { family: Family::TidIs, app: other, ..head }) {
        return Some(is);
    }
    let mut t = c;
    head.app = other;
    t.take_byte(b' ');
    if let Some(found) = after_tenant(t, head) {
        return Some(found);
    }
    tenant_text(&mut t, &mut head)?;
    after_tenant(t, head)
}

/// `LVL` and the line's end (copies that were wrapped), or `LVL {logger} - `.
#[inline]
fn after_tenant(c: Cursor<'_>, mut head: Head) -> Option<Head> {
    let mut t = c;
    // The usual words first; a word that is none of them may be one of another language.
    match level::take(&mut t) {
        Some(level) if t.at == t.line.len() => {
            head.level = level;
            head.message = t.at as u16;
            return Some(head);
        }
        Some(level) if t.peek() == Some(b' ') => head.level = level,
        _ => {
            t = c;
            head.level = level::take_any(&mut t)?;
        }
    }
    let any = t;
    if let Some(found) = after_level(t, head) {
        return Some(found);
    }
    // `INFO MORE {…}`: several words.
    t = c;
    head.level = level::take_any(&mut t)?;
    if t.at == any.at { None } else { after_level(t, head) }
}

#[inline]
fn after_level(mut t: Cursor<'_>, mut head: Head) -> Option<Head> {
    logger(&mut t, &mut head)?;
    dash_maybe_blank(&mut t, &mut head)
}

/// `user@domain [tenant] [server]`, which log4j1 prints for other tenants than the super tenant.
pub(crate) fn tenant_text(c: &mut Cursor<'_>, head: &mut Head) -> Option<()> {
    let mut t = *c;
    let from = t.at;
    while t.peek().is_some_and(|b| !matches!(b, b' ' | b'[' | b']' | b'{' | b'}')) {
        t.at += 1;
    }
    let at = from + t.line[from..t.at].iter().rposition(|b| *b == b'@')?;
    let domain = Part::new(at + 1, t.at);
    t.take_byte(b' ');
    let tenant = t.bracket()?;
    let mut s = t;
    if s.take_byte(b' ') && s.bracket().is_some() {
        t = s;
    }
    head.user = Part::new(from, at);
    head.domain = domain;
    head.tenant = tenant;
    *c = t;
    Some(())
}

/// ` [correlation id]LVL {logger} - `.
fn correlated(mut c: Cursor<'_>, head: Head) -> Option<Head> {
    if !c.take(b" [") {
        return None;
    }
    c.at -= 1;
    bracket_before(c, |mut c, correlation| {
        let mut head = Head { correlation, level: level::take(&mut c)?, ..head };
        logger(&mut c, &mut head)?;
        dash(&mut c, &mut head, b" - ")
    })
}

/// ` {logger}`.
#[inline]
pub(crate) fn logger(c: &mut Cursor<'_>, head: &mut Head) -> Option<()> {
    let mut t = *c;
    if !t.take_byte(b' ') {
        return None;
    }
    head.logger = t.enclosed(b'{', b'}')?;
    *c = t;
    Some(())
}

/// ` - ` with or without its first blank.
#[inline]
fn dash_maybe_blank(c: &mut Cursor<'_>, head: &mut Head) -> Option<Head> {
    c.take_byte(b' ');
    dash(c, head, b"- ")
}

/// `text`, after which the message begins. Tools that trim lines leave nothing of an empty message's blank.
#[inline]
pub(crate) fn dash<const N: usize>(c: &mut Cursor<'_>, head: &mut Head, text: &[u8; N]) -> Option<Head> {
    let rest = c.rest();
    let trimmed = || rest.len() + 1 == N && text.starts_with(rest);
    if rest.first_chunk() != Some(text) && !trimmed() {
        return None;
    }
    c.at += N.min(rest.len());
    head.message = c.at as u16;
    Some(*head)
}
