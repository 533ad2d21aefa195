//! Access lines, told by their time in brackets: pass-through (request quoted) and Tomcat (nothing quoted).
//!
//! Before the time stand: a forwarded-for list (pass-through only), host, ident, user. The user may be
//! empty or hold one blank, so only the number of fields decides.

use crate::Family;
use crate::head::Head;
use crate::span::{Cursor, Part};
use crate::stamp;

pub(crate) fn recognise(line: &[u8]) -> Option<Head> {
    let mut fields = Fields::default();
    let mut at = 0;
    loop {
        if line.get(at) == Some(&b'[') {
            let mut c = Cursor::new(line, at);
            if let Some(head) = stamp::access(&mut c).and_then(|(stamp, ms)| after_time(c, stamp, ms, &fields)) {
                return Some(head);
            }
        }
        let from = at;
        while line.get(at).is_some_and(|b| !b.is_ascii_whitespace() && *b != 0x0b) {
            at += 1;
        }
        if line.get(at) != Some(&b' ') || !fields.push(&line[from..at], from) {
            return None;
        }
        at += 1;
    }
}

/// What stands before the time, field by field.
#[derive(Default)]
struct Fields {
    count: usize,
    /// Fields at the start that end with a comma: all but the last host of a forwarded-for list.
    listed: usize,
    listing_ended: bool,
    /// Whether each of the last eight fields is empty, newest in bit 0.
    empty: u8,
    /// The last four fields, newest last.
    last: [Part; 4],
    first: Part,
}

impl Fields {
    /// Adds a field; `false` when no access line can have that many.
    fn push(&mut self, field: &[u8], from: usize) -> bool {
        if !self.listing_ended && field.len() > 1 && field.ends_with(b",") {
            self.listed += 1;
        } else {
            self.listing_ended = true;
        }
        self.empty = self.empty << 1 | u8::from(field.is_empty());
        let span = Part::new(from, from + field.len());
        if self.count == 0 {
            self.first = span;
        }
        let [_, third, second, first] = self.last;
        self.last = [third, second, first, span];
        self.count += 1;
        self.count <= self.listed + 4
    }

    /// The address of the other end: the first field, or the one after the forwarded-for list.
    ///
    /// `host ident user` and `host ident user with a blank` have no list: their second field is a dash.
    fn peer(&self, line: &[u8]) -> Part {
        if self.count < 4 || self.listed == 0 && self.last[4 - self.count.min(4) + 1].of(line) == b"-" {
            return self.first;
        }
        self.last[(self.listed + 5).saturating_sub(self.count).min(3)]
    }

    fn is_empty(&self, from_end: usize) -> bool {
        self.empty >> from_end & 1 == 1
    }

    /// Whether the fields are a list of `hosts` hosts, a field, and one or two more.
    fn pass_through(&self, tail: usize) -> bool {
        let Some(hosts) = self.count.checked_sub(1 + tail) else {
            return false;
        };
        // A list needs every host but its last to end with a comma; the last host and the next field exist.
        hosts >= 1 && hosts - 1 <= self.listed && !self.is_empty(tail) && !self.is_empty(tail + 1)
    }
}

fn after_time(mut c: Cursor<'_>, stamp: stamp::Stamp, fractions: bool, fields: &Fields) -> Option<Head> {
    if !c.take_byte(b' ') {
        return None;
    }
    let quoted = c.peek() == Some(b'"');
    let family = if quoted && (fields.pass_through(2) || fields.pass_through(1)) {
        Family::AccessPt
    } else if !fractions && fields.count == 3 && fields.empty & 0b111 == 0 {
        Family::AccessTc
    } else {
        return None;
    };
    let mut head = Head { message: c.at as u16, user: fields.last[3], ..Head::new(family, stamp) };
    head.peer = fields.peer(c.line);
    if head.peer != fields.first {
        head.forwarded = fields.first;
    }
    Some(head)
}
