//! What tools put around each line: docker-compose's name column, the CRI prefix, Docker's JSON object, the columns of
//! the Windows service wrapper, colours. Heads and fields are looked for in what is inside.
//!
//! Several programs write through one such tool: a line's [`Wrapper::channel`] tells which one it was.
//!
//! The event's bytes stay as they are in the file. A value that lies in one piece within the first line is
//! still a span; one that runs over several lines, or over escapes, is a literal.

use crate::heads::fixed;
use crate::span::Cursor;
use crate::stamp::Stamp;

/// How each line of an event is wrapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wrapper {
    /// Not at all.
    #[default]
    None,
    /// `service_1  | line`.
    Compose,
    /// `2024-09-20T13:16:18.123456789Z stdout F line`; `P` instead of `F`: the line goes on in the next one.
    Cri,
    /// `{"log":"line\n","stream":"stdout","time":"…"}`.
    DockerJson,
    /// `INFO   | jvm 1    | 2024/09/20 13:16:18 | line`, as the service wrapper on Windows logs its program's output.
    Service,
    /// Sequences that colour a terminal.
    Ansi,
}

/// How far into a line a wrapper shows.
const SHOWS_WITHIN: usize = 256;

const ESCAPE: u8 = 0x1b;

/// How Docker's JSON objects begin.
const DOCKER: &[u8] = b"{\"log\":\"";

/// Whether a line that begins like that is wrapped, whatever else it looks like.
pub(crate) fn is_certain(line: &[u8]) -> bool {
    match line.first() {
        Some(b'{') => line.starts_with(DOCKER),
        Some(&first) => first == ESCAPE,
        None => false,
    }
}

/// How a line that is no head as it stands is wrapped.
pub(crate) fn of_line(line: &[u8]) -> Wrapper {
    let start = &line[..line.len().min(SHOWS_WITHIN)];
    match start.first() {
        None | Some(b' ' | b'\t') => Wrapper::None,
        Some(b'{') if line.starts_with(DOCKER) => Wrapper::DockerJson,
        Some(b'2') if cri(line).is_some() => Wrapper::Cri,
        Some(b'A'..=b'Z') if service(start).is_some() => Wrapper::Service,
        _ if compose(start).is_some() => Wrapper::Compose,
        _ if memchr::memchr(ESCAPE, start).is_some() => Wrapper::Ansi,
        _ => Wrapper::None,
    }
}

impl Wrapper {
    /// Where the inside of `line` begins, when it stands there as it is to the line's end.
    pub(crate) fn slice_of(self, line: &[u8]) -> Option<usize> {
        match self {
            Wrapper::None => Some(0),
            Wrapper::Compose => Some(compose(line).unwrap_or(0)),
            Wrapper::Cri => Some(cri(line).map_or(0, |(skip, _)| skip)),
            Wrapper::Service => Some(service(line).unwrap_or(0)),
            Wrapper::DockerJson | Wrapper::Ansi => None,
        }
    }

    /// Adds the inside of `line`, which has its line end, to `out`.
    pub(crate) fn unwrap_into(self, line: &[u8], out: &mut Vec<u8>) {
        match self {
            Wrapper::None => out.extend_from_slice(line),
            Wrapper::Compose => out.extend_from_slice(&line[compose(line).unwrap_or(0)..]),
            Wrapper::Cri => {
                let (skip, partial) = cri(line).unwrap_or((0, false));
                let inside = &line[skip..];
                let inside = if partial { inside.strip_suffix(b"\n").unwrap_or(inside) } else { inside };
                out.extend_from_slice(inside);
            }
            Wrapper::Service => out.extend_from_slice(&line[service(line).unwrap_or(0)..]),
            Wrapper::DockerJson => match line.strip_prefix(DOCKER) {
                Some(inside) => unescape(inside, out),
                None => out.extend_from_slice(line),
            },
            Wrapper::Ansi => without_colours(line, out),
        }
    }
}

impl Wrapper {
    /// Which of the programs that write through the tool printed `line`: a container's name, or stdout or stderr.
    pub(crate) fn channel(self, line: &[u8]) -> &[u8] {
        match self {
            Wrapper::None | Wrapper::Ansi | Wrapper::Service => b"",
            Wrapper::Compose => {
                let len = compose(line).map_or(0, |_| memchr::memchr2(b' ', b'|', line).unwrap_or(0));
                &line[..len]
            }
            Wrapper::Cri => match (cri(line), memchr::memchr(b' ', line)) {
                (Some(_), Some(time)) => &line[time + 1..time + 7],
                _ => b"",
            },
            Wrapper::DockerJson => {
                let tail = &line[line.len().saturating_sub(SHOWS_WITHIN)..];
                let key = b"\"stream\":\"";
                let stream = memchr::memmem::rfind(tail, key).map_or(&b""[..], |at| &tail[at + key.len()..]);
                &stream[..memchr::memchr(b'"', stream).unwrap_or(0)]
            }
        }
    }

    /// When the tool took `line`: the time of lines that tell none themselves.
    pub(crate) fn time(self, line: &[u8]) -> Option<Stamp> {
        let at = match self {
            Wrapper::Cri => 0,
            Wrapper::DockerJson => {
                let key = b"\"time\":\"";
                memchr::memmem::rfind(line, key)? + key.len()
            }
            Wrapper::None | Wrapper::Ansi | Wrapper::Compose | Wrapper::Service => return None,
        };
        fixed::iso(&mut Cursor::new(line, at)).filter(|s| s.valid)
    }
}

/// The length of `LEVEL  | jvm 1    | yyyy/MM/dd hh:mm:ss | `.
fn service(line: &[u8]) -> Option<usize> {
    let start = &line[..line.len().min(64)];
    let level = start.iter().take_while(|b| b.is_ascii_uppercase()).count();
    let mut bars = memchr::memchr_iter(b'|', start);
    let (first, second, third) = (bars.next()?, bars.next()?, bars.next()?);
    let blank = |part: &[u8]| part.iter().all(|b| *b == b' ');
    let program = start[first + 1..second].trim_ascii();
    let known = program == b"wrapper" || program == b"wrapperp" || program.starts_with(b"jvm ");
    let time = start[second + 1..third].trim_ascii();
    let shape = time.len() == 19 && (time[4], time[7], time[10], time[13]) == (b'/', b'/', b' ', b':');
    let fits = level > 0 && blank(&start[level..first]) && known && shape;
    fits.then_some(third + 1 + usize::from(line.get(third + 1) == Some(&b' ')))
}

/// The length of `name  | ` at the start of a line.
fn compose(line: &[u8]) -> Option<usize> {
    let start = &line[..line.len().min(SHOWS_WITHIN)];
    let name = start.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')).count();
    let blanks = start[name..].iter().take_while(|b| **b == b' ').count();
    let bar = name + blanks;
    let ends = start[bar..].starts_with(b"| ") || start[bar..] == *b"|" || start[bar..].starts_with(b"|\n");
    (name > 0 && blanks > 0 && ends).then_some(bar + 1 + usize::from(start.get(bar + 1) == Some(&b' ')))
}

/// The length of the CRI prefix, and whether the line goes on in the next one.
fn cri(line: &[u8]) -> Option<(usize, bool)> {
    let start = &line[..line.len().min(64)];
    let time = memchr::memchr(b' ', start)?;
    let stamp = &start[..time];
    let shape = (20..=35).contains(&time)
        && stamp[4] == b'-'
        && stamp[7] == b'-'
        && stamp[10] == b'T'
        && stamp[13] == b':'
        && stamp[16] == b':';
    let rest = &start[time + 1..];
    let tag = rest.strip_prefix(b"stdout ").or_else(|| rest.strip_prefix(b"stderr "))?;
    let partial = match tag {
        [b'F', b' ' | b'\n', ..] | [b'F'] => false,
        [b'P', b' ' | b'\n', ..] | [b'P'] => true,
        _ => return None,
    };
    let skip = time + 1 + 7 + 1;
    shape.then_some((skip + usize::from(line.get(skip) == Some(&b' ')), partial))
}

/// A JSON string up to its closing quote.
pub(crate) fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'\\', b'"', rest) {
        out.extend_from_slice(&rest[..at]);
        if rest[at] == b'"' {
            return;
        }
        let (byte, used) = match rest.get(at + 1) {
            Some(b'n') => (b'\n', 2),
            Some(b't') => (b'\t', 2),
            Some(b'r') => (b'\r', 2),
            Some(b'b') => (8, 2),
            Some(b'f') => (12, 2),
            Some(b'u') => {
                let code = rest.get(at + 2..at + 6).and_then(|h| std::str::from_utf8(h).ok());
                let code = code.and_then(|h| u32::from_str_radix(h, 16).ok());
                let shown = code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(shown.encode_utf8(&mut [0; 4]).as_bytes());
                rest = rest.get(at + 6..).unwrap_or_default();
                continue;
            }
            Some(other) => (*other, 2),
            None => return,
        };
        out.push(byte);
        rest = &rest[at + used..];
    }
    out.extend_from_slice(rest);
}

/// The line without `ESC [ … letter`.
fn without_colours(line: &[u8], out: &mut Vec<u8>) {
    let mut rest = line;
    while let Some(at) = memchr::memchr(ESCAPE, rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(sequence) = rest.strip_prefix(b"[") {
            let len = sequence.iter().take_while(|b| b.is_ascii_digit() || matches!(b, b';' | b'?')).count();
            let ends = sequence.get(len).is_some_and(u8::is_ascii_alphabetic);
            rest = &sequence[len + usize::from(ends)..];
        }
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(line: &str) -> (Wrapper, String) {
        let wrapper = of_line(line.as_bytes());
        let mut out = Vec::new();
        wrapper.unwrap_into(line.as_bytes(), &mut out);
        (wrapper, String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn takes_off_what_container_tools_put_on() {
        for (line, wrapper, text) in [
            ("api-manager_1    | [2020] x\n", Wrapper::Compose, "[2020] x\n"),
            ("enforcer_1  |   at a.b.C\n", Wrapper::Compose, "  at a.b.C\n"),
            ("enforcer_1  | \n", Wrapper::Compose, "\n"),
            ("2024-09-20T13:16:18.123456789Z stdout F [2024] x\n", Wrapper::Cri, "[2024] x\n"),
            ("2024-09-20T13:16:18.123456789+05:30 stderr P part\n", Wrapper::Cri, "part"),
            ("{\"log\":\"a \\\"b\\\"\\tc\\u003e\\n\",\"stream\":\"stdout\"}\n", Wrapper::DockerJson, "a \"b\"\tc>\n"),
            ("\u{1b}[31mERROR\u{1b}[0m x\n", Wrapper::Ansi, "ERROR x\n"),
            ("plain | text\n", Wrapper::Compose, "text\n"),
            ("INFO   | jvm 1    | 2018/04/22 11:02:13 | \tat a.b.C\n", Wrapper::Service, "\tat a.b.C\n"),
            ("INFO   | text\n", Wrapper::Compose, "text\n"),
            ("two words | text\n", Wrapper::None, "two words | text\n"),
        ] {
            assert_eq!(inside(line), (wrapper, text.to_owned()));
        }
    }
}
