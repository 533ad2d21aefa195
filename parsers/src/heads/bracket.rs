//! Heads that begin with a time in brackets: Micro Integrator, Carbon 5, consoles, audit files of log4j1.

use super::tid::tenant_text;
use crate::Family;
use crate::head::Head;
use crate::level;
use crate::span::Cursor;
use crate::stamp;

pub(crate) fn recognise(line: &[u8]) -> Option<Head> {
    let mut c = Cursor::new(line, 0);
    let stamp = stamp::bracketed(&mut c)?;
    plain(c, Head::new(Family::Plain, stamp))
}

/// `[time] LVL {logger} - text`, with or without the dash.
fn plain(mut c: Cursor<'_>, mut head: Head) -> Option<Head> {
    c.take_byte(b' ');
    if let Some(found) = plain_rest(c, head) {
        return Some(found);
    }
    tenant_text(&mut c, &mut head)?;
    plain_rest(c, head)
}

fn plain_rest(mut c: Cursor<'_>, mut head: Head) -> Option<Head> {
    head.level = level::take_any(&mut c)?;
    if !c.take_byte(b' ') {
        return None;
    }
    head.logger = c.enclosed(b'{', b'}')?;
    c.blanks();
    if c.peek().is_none_or(|b| b.is_ascii_whitespace() || b == 0x0b) {
        return None;
    }
    if c.take_byte(b'-') {
        c.take_byte(b' ');
    }
    head.message = c.at as u32;
    Some(head)
}
