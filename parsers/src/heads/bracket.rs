//! Heads that begin with a time in brackets: Micro Integrator, Carbon 5, EI 6.3 to 6.5, consoles, audit files of
//! log4j1, Identity Server's console, Choreo Connect, websocket access.

use super::tid::{dash, logger, tenant_text};
use super::{bracket_before, word};
use crate::Family;
use crate::head::Head;
use crate::level;
use crate::span::{Cursor, Part};
use crate::stamp;

pub(crate) fn recognise(line: &[u8]) -> Option<Head> {
    let mut c = Cursor::new(line, 0);
    let stamp = stamp::bracketed(&mut c)?;
    let head = Head::new(Family::Plain, stamp);
    // What stands after the time's bracket tells which shapes are possible.
    let bracket = matches!(c.rest(), [b'[', ..] | [b' ', b'[', ..]);
    if bracket {
        ei63(c, head)
            .or_else(|| brk_corr(c, head))
            .or_else(|| enforcer(c, head))
            .or_else(|| plain(c, head))
            .or_else(|| mi_metric(c, head))
            .or_else(|| console(c, head))
            .or_else(|| websocket(c, head))
            .or_else(|| envoy(c, head))
    } else {
        plain(c, head).or_else(|| console(c, head)).or_else(|| transaction(c, head))
    }
}

/// ` [tenant] [server] [thread] LVL {logger} - `.
fn ei63(mut c: Cursor<'_>, mut head: Head) -> Option<Head> {
    head.family = Family::Ei63;
    c.take_byte(b' ').then_some(())?;
    head.tenant = c.bracket()?;
    let id = head.tenant.of(c.line);
    let digits = id.strip_prefix(b"-").unwrap_or(id);
    if !digits.iter().all(u8::is_ascii_digit) || !c.take_byte(b' ') {
        return None;
    }
    head.server = c.bracket()?;
    c.take_byte(b' ').then_some(())?;
    bracket_before(c, |mut c, thread| {
        c.take_byte(b' ');
        after_tenant(c, Head { thread, ..head }, |mut c, mut head| {
            head.level = level::take(&mut c)?;
            logger(&mut c, &mut head)?;
            dash(&mut c, &mut head, b" - ")
        })
    })
}

/// What follows a place where log4j1 may print another tenant than the super tenant.
fn after_tenant(c: Cursor<'_>, head: Head, rest: impl Fn(Cursor<'_>, Head) -> Option<Head>) -> Option<Head> {
    rest(c, head).or_else(|| {
        let (mut t, mut other) = (c, head);
        tenant_text(&mut t, &mut other)?;
        rest(t, other)
    })
}

/// ` [x]LVL {logger} - `: x is a correlation id, a tenant, or the name of an EI profile.
fn brk_corr(mut c: Cursor<'_>, mut head: Head) -> Option<Head> {
    head.family = Family::BrkCorr;
    c.take_byte(b' ');
    let inside = c.bracket()?;
    let rest = |mut c: Cursor<'_>, mut head: Head| {
        head.level = level::take(&mut c)?;
        logger(&mut c, &mut head)?;
        let mut head = dash(&mut c, &mut head, b" - ")?;
        name_bracket(inside, c, &mut head);
        Some(head)
    };
    rest(c, head).or_else(|| {
        c.take_byte(b' ');
        tenant_text(&mut c, &mut head)?;
        rest(c, head)
    })
}

/// A tenant is a number, a profile's name stands in layouts of log4j1 (two blanks after the dash), all else is a
/// correlation id.
fn name_bracket(inside: Part, after_dash: Cursor<'_>, head: &mut Head) {
    let text = inside.of(after_dash.line);
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.iter().all(u8::is_ascii_digit) && digits.len() < 10 {
        head.tenant = inside;
    } else if text.starts_with(b"EI-") || after_dash.peek() == Some(b' ') {
        head.server = inside;
    } else {
        head.correlation = inside;
    }
}

/// `[trace][stack]LVL - {logger} - `, right after the time.
fn enforcer(mut c: Cursor<'_>, mut head: Head) -> Option<Head> {
    head.family = Family::Enforcer;
    head.correlation = c.bracket()?;
    let rest = |mut c: Cursor<'_>, mut head: Head| {
        head.level = level::take(&mut c)?;
        if !c.take(b" - ") && !c.take_byte(b' ') {
            return None;
        }
        head.logger = c.enclosed(b'{', b'}')?;
        dash(&mut c, &mut head, b" - ")
    };
    let mut second = c;
    rest(c, head).or_else(|| {
        second.bracket()?;
        rest(second, head)
    })
}

/// ` LVL {logger} - text`, with or without the dash. Without it the API's name may stand there.
fn plain(mut c: Cursor<'_>, head: Head) -> Option<Head> {
    c.take_byte(b' ');
    after_tenant(c, head, plain_rest)
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
    } else if let Some((name, dash)) = named(c) {
        head.artifact = name;
        c.at = dash + 3;
    }
    head.message = c.at as u16;
    Some(head)
}

/// What stands before ` - ` in one word, or in a bracket with a label, and where the dash stands: the API's name in the
/// API log, the archive's in Micro Integrator's. `{MediatorId:…}` is neither.
fn named(c: Cursor<'_>) -> Option<(Part, usize)> {
    let rest = c.rest();
    let (from, to, end) = if rest.first() == Some(&b'[') {
        let close = memchr::memchr2(b']', b'\n', rest).filter(|i| rest[*i] == b']')?;
        let label = memchr::memrchr(b':', &rest[..close])?;
        (label + 1, close, close + 1)
    } else {
        let len = rest.iter().take_while(|b| **b != b' ').count();
        let name = if rest.first() == Some(&b'{') { 0 } else { len };
        (0, name, len)
    };
    let blanks = rest[from..to].iter().take_while(|b| **b == b' ').count();
    let kept = rest[from..to].trim_ascii().len();
    let name = Part::new(c.at + from + blanks, c.at + from + blanks + kept);
    rest[end..].starts_with(b" - ").then_some((name, c.at + end))
}

/// ` [ip-host] [thread]LVL logger text`.
fn mi_metric(mut c: Cursor<'_>, mut head: Head) -> Option<Head> {
    head.family = Family::MiMetric;
    c.take_byte(b' ').then_some(())?;
    threaded(c, head)
}

/// `[ip-host] [thread]LVL logger text`, common to the gateway's files.
pub(super) fn threaded(mut c: Cursor<'_>, mut head: Head) -> Option<Head> {
    c.bracket()?;
    c.take_byte(b' ').then_some(())?;
    let rest = bracket_before(c, |mut c, thread| {
        let level = level::take(&mut c)?;
        c.take_byte(b' ').then_some((c, thread, level))
    });
    (c, head.thread, head.level) = rest?;
    if head.family != Family::MiOtel {
        head.logger = logger_word(&mut c);
    }
    head.message = c.at as u16;
    Some(head)
}

/// A logger in braces or as a bare word, and the blank after it.
fn logger_word(c: &mut Cursor<'_>) -> Part {
    let mut t = *c;
    if let Some(inside) = t.enclosed(b'{', b'}') {
        let _ = t.take(b" - ") || t.take_byte(b' ');
        *c = t;
        return inside;
    }
    word(c)
}

/// ` [profile] LVL - Logger text`; audit files of log4j1 print no logger but two blanks.
fn console(c: Cursor<'_>, mut head: Head) -> Option<Head> {
    head.family = Family::Console;
    let rest = |mut c: Cursor<'_>, mut head: Head| {
        head.level = level::take(&mut c)?;
        dash(&mut c, &mut head, b" - ")?;
        if c.peek() != Some(b' ') {
            head.logger = logger_word(&mut c);
            head.message = c.at as u16;
        }
        Some(head)
    };
    let mut with = c;
    let profile = with.take_byte(b' ').then(|| with.bracket()).flatten();
    if let Some(profile) = profile {
        with.take_byte(b' ');
        let head = Head { server: profile, ..head };
        if let Some(head) = after_tenant(with, head, rest) {
            return Some(head);
        }
    }
    let mut without = c;
    without.take_byte(b' ');
    after_tenant(without, head, rest)
}

/// ` - text` of Identity Server's transaction log.
fn transaction(mut c: Cursor<'_>, mut head: Head) -> Option<Head> {
    head.family = Family::Transaction;
    dash(&mut c, &mut head, b" - ")
}

/// ` [tenant] - [event] "…" …`.
fn websocket(mut c: Cursor<'_>, mut head: Head) -> Option<Head> {
    head.family = Family::Websocket;
    c.take_byte(b' ').then_some(())?;
    head.tenant = c.bracket()?;
    dash(&mut c, &mut head, b" - ")
}

/// `[thread][level][component] text`, right after a time with a point and three digits.
fn envoy(mut c: Cursor<'_>, mut head: Head) -> Option<Head> {
    head.family = Family::Envoy;
    let time = &c.line[..c.at];
    if time.len() != 25 || time[11] != b' ' || time[20] != b'.' {
        return None;
    }
    head.thread = c.bracket()?;
    head.level = c.bracket()?;
    let digits = head.thread.of(c.line);
    let word = head.level.of(c.line);
    let fits = !digits.is_empty()
        && digits.iter().all(u8::is_ascii_digit)
        && !word.is_empty()
        && word.iter().all(u8::is_ascii_lowercase);
    if !fits || c.peek() != Some(b'[') {
        return None;
    }
    if let Some(component) = c.bracket() {
        head.logger = component;
        c.take_byte(b' ');
    }
    head.message = c.at as u16;
    Some(head)
}

/// ` LVL Logger text`, in layouts that people made themselves.
pub(crate) fn odd(line: &[u8]) -> Option<Head> {
    let mut c = Cursor::new(line, 0);
    let stamp = stamp::bracketed(&mut c)?;
    let mut head = Head::new(Family::ConsoleOdd, stamp);
    head.level = level::take(&mut c)?;
    c.take_byte(b' ').then_some(())?;
    c.blanks();
    head.logger = logger_word(&mut c);
    head.message = c.at as u16;
    Some(head)
}
