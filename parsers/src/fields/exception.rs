//! Stack traces: where one begins, its class and text, its causes, its first application frame, its group.
//!
//! log4j2 prints `Class: text` behind the message on the head line, log4j1 on a line of its own; the text may go
//! on over lines before the first frame. A line is a frame when it is indented and reads
//! `at name.with.dots(`; the places an XML parser prints (`at [row,col …]`) are text.

use super::group::{Group, without_module};
use super::{Fields, trimmed, trimmed_end};
use crate::FieldId;
use crate::span::Span;

/// A stack within an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stack {
    /// Where the class of the exception stands; the first frame when there is none.
    pub(crate) start: usize,
}

/// Finds the stack in `bytes[from..to]`, where `from` is the beginning of the message on the head line, and adds
/// its fields.
pub(crate) fn find(bytes: &[u8], from: usize, to: usize, fields: &mut Fields) -> Option<Stack> {
    let mut header = Header::default();
    let mut at = from;
    let mut n = 0;
    while at < to {
        let end = line_end(bytes, at, to);
        let line = &bytes[at..end];
        if n > 0 {
            if frame_of(line).is_some() || begins_cause(line).is_some() {
                return Some(take_apart(bytes, from, at, to, header, fields));
            }
            header.look_at(line, at, n);
        }
        at = end;
        n += 1;
    }
    None
}

/// Lines that begin with a class, before the first frame.
#[derive(Clone, Copy, Debug, Default)]
struct Header {
    second_line: Option<Span>,
    later: Option<Span>,
    weak: Option<Span>,
}

impl Header {
    fn look_at(&mut self, line: &[u8], at: usize, n: usize) {
        let Some(class) = class_at(line) else { return };
        let span = Span::new(at, at + class.len());
        match is_throwable(class) {
            true if n == 1 => self.second_line = Some(span),
            true => self.later = self.later.or(Some(span)),
            false => self.weak = self.weak.or(Some(span)),
        }
    }

    /// The class of the exception whose frames begin at `frames`.
    fn choose(self, bytes: &[u8], from: usize, frames: usize) -> Option<Span> {
        let second = line_end(bytes, from, frames);
        let head_line = || in_line(bytes, from, second);
        // Behind the last line of a message of several: `%m%ex`.
        let inside = || in_line(bytes, second, frames);
        self.second_line.or_else(head_line).or(self.later).or_else(inside).or(self.weak)
    }
}

fn take_apart(bytes: &[u8], from: usize, frames: usize, to: usize, header: Header, fields: &mut Fields) -> Stack {
    let class = header.choose(bytes, from, frames);
    let start = class.map_or(frames, |c| c.start as usize);
    let mut group = Group::default();
    if let Some(class) = class {
        fields.span(FieldId::ERROR_TYPE, class);
        group.class(class.of(bytes));
        let after = class.end();
        if bytes.get(after) == Some(&b':') {
            fields.span(FieldId::ERROR_MESSAGE, trimmed(bytes, after + 1, frames));
        }
    }
    let mut first = Span::default();
    let mut application = Span::default();
    let mut at = frames;
    while at < to {
        let end = line_end(bytes, at, to);
        let line = &bytes[at..end];
        if let Some(frame) = frame_of(line) {
            group.frame(&line[frame.start..frame.paren]);
            if application.is_empty() {
                let library = is_library(&line[frame.start..frame.paren]);
                if first.is_empty() {
                    first = frame.span(line, at);
                }
                if !library {
                    application = frame.span(line, at);
                }
            }
        } else if let Some((class, id)) = cause_of(line) {
            group.class(&line[class.0..class.1]);
            fields.span(id, Span::new(at + class.0, at + class.1));
        }
        at = end;
    }
    fields.span(FieldId::ERROR_FRAME, if application.is_empty() { first } else { application });
    fields.literal(FieldId::ERROR_GROUP, group.hex(&mut [0; 16]));
    fields.span(FieldId::ERROR_STACK_TRACE, Span::new(start, trimmed_end(bytes, start, to)));
    Stack { start }
}

/// The end of the line at `at`, its newline included.
fn line_end(bytes: &[u8], at: usize, to: usize) -> usize {
    memchr::memchr(b'\n', &bytes[at..to]).map_or(to, |i| at + i + 1)
}

/// A frame within its line: where the class begins, and the parenthesis after the method.
struct Frame {
    start: usize,
    paren: usize,
}

impl Frame {
    /// Class, method and place: up to the closing parenthesis.
    fn span(&self, line: &[u8], at: usize) -> Span {
        let method = &line[self.start..self.paren];
        let start = self.start + (method.len() - without_module(method).len());
        let close = memchr::memchr(b')', &line[self.paren..]).map_or(self.paren, |i| self.paren + i + 1);
        Span::new(at + start, at + close)
    }
}

fn frame_of(line: &[u8]) -> Option<Frame> {
    let indent = line.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let rest = line.get(indent..)?;
    if indent == 0 || !rest.starts_with(b"at ") {
        return None;
    }
    let name = &rest[3..];
    let paren = memchr::memchr3(b'(', b' ', b'\n', name)?;
    if name[paren] != b'(' || name.first() == Some(&b'[') || memchr::memchr(b'.', &name[..paren]).is_none() {
        return None;
    }
    Some(Frame { start: indent + 3, paren: indent + 3 + paren })
}

/// What follows `Caused by: ` or `Wrapped by: `.
fn begins_cause(line: &[u8]) -> Option<&[u8]> {
    let text = line.trim_ascii_start();
    match text.first()? {
        b'C' => text.strip_prefix(b"Caused by: "),
        b'W' => text.strip_prefix(b"Wrapped by: "),
        _ => None,
    }
}

/// The class of a cause, or of an exception that was suppressed, as a range of its line, and which field it is. Data
/// services print other things than classes there.
fn cause_of(line: &[u8]) -> Option<((usize, usize), FieldId)> {
    let (rest, id) = match begins_cause(line) {
        Some(rest) => (rest, FieldId::ERROR_CAUSES),
        None => (line.trim_ascii_start().strip_prefix(b"Suppressed: ")?, FieldId::ERROR_SUPPRESSED),
    };
    let from = line.len() - rest.len();
    let len = rest.iter().take_while(|b| is_name(**b) || **b == b'.').count();
    memchr::memchr(b'.', &rest[..len]).map(|_| ((from, from + len), id))
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

/// A class name with a package that begins `line` and that a colon or the line's end follows.
fn class_at(line: &[u8]) -> Option<&[u8]> {
    if !line.first()?.is_ascii_alphabetic() {
        return None;
    }
    let len = line.iter().take_while(|b| is_name(**b) || **b == b'.').count();
    let class = &line[..len];
    let ends = matches!(line.get(len), None | Some(b':' | b'\r' | b'\n'))
        || line.get(len) == Some(&b' ') && line[len..].trim_ascii().is_empty();
    let last = class.rsplit(|b| *b == b'.').next()?;
    (ends && last.len() < class.len() && last.first()?.is_ascii_uppercase()).then_some(class)
}

fn is_throwable(class: &[u8]) -> bool {
    [&b"Exception"[..], b"Error", b"Fault", b"Throwable", b"Failure"].iter().any(|end| class.ends_with(end))
}

/// The first class of an exception among the words of `bytes[from..to]`.
fn in_line(bytes: &[u8], from: usize, to: usize) -> Option<Span> {
    let mut at = from;
    while at < to {
        let blank = bytes[at..to].iter().take_while(|b| b.is_ascii_whitespace()).count();
        at += blank;
        if let Some(class) = bytes[at..to].first().and_then(|_| class_at(&bytes[at..to]))
            && is_throwable(class)
        {
            return Some(Span::new(at, at + class.len()));
        }
        at += bytes[at..to].iter().take_while(|b| !b.is_ascii_whitespace()).count();
    }
    None
}

/// Packages of the JDK and of libraries below the products: a frame there is not where to look first.
fn is_library(method: &[u8]) -> bool {
    const OTHERS: [&[u8]; 18] = [
        b"jakarta.",
        b"jdk.",
        b"sun.",
        b"scala.",
        b"io.netty.",
        b"io.grpc.",
        b"oracle.",
        b"okhttp3.",
        b"reactor.",
        b"rx.",
        b"kotlin.",
        b"groovy.",
        b"net.sf.",
        b"antlr.",
        b"freemarker.",
        b"joptsimple.",
        b"redis.",
        b"akka.",
    ];
    const COM: [&[u8]; 12] = [
        b"sun.",
        b"fasterxml.",
        b"google.",
        b"mysql.",
        b"microsoft.",
        b"zaxxer.",
        b"ctc.",
        b"hazelcast.",
        b"atomikos.",
        b"nimbusds.",
        b"ibm.",
        b"mchange.",
    ];
    const ORG: [&[u8]; 14] = [
        b"apache.",
        b"eclipse.",
        b"springframework.",
        b"hibernate.",
        b"h2.",
        b"codehaus.",
        b"xml.",
        b"w3c.",
        b"mozilla.",
        b"ops4j.",
        b"postgresql.",
        b"mariadb.",
        b"jaxen.",
        b"bouncycastle.",
    ];
    let method = without_module(method);
    let one_of = |rest: &[u8], names: &[&[u8]]| names.iter().any(|n| rest.starts_with(n));
    match method {
        [b'o', b'r', b'g', b'.', rest @ ..] => one_of(rest, &ORG),
        [b'c', b'o', b'm', b'.', rest @ ..] => one_of(rest, &COM),
        [b'j', b'a', b'v', b'a', b'.', ..] | [b'j', b'a', b'v', b'a', b'x', b'.', ..] => true,
        _ => one_of(method, &OTHERS),
    }
}
