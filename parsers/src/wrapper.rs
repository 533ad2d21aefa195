//! What tools put around each line: docker-compose's name column, the CRI prefix, Docker's JSON object, the time of
//! `docker logs -t` and `kubectl logs --timestamps`, the pod of `kubectl logs --prefix`, syslog's and the journal's
//! header, the columns of the Windows service wrappers, colours. Heads and fields are looked for in what is inside.
//!
//! Several programs write through one such tool: a line's [`Wrapper::channel`] tells which one it was.
//!
//! The event's bytes stay as they are in the file. A value that lies in one piece within the first line is
//! still a span; one that runs over several lines, or over escapes, is a literal.

use crate::heads::fixed;
use crate::span::Cursor;
use crate::stamp::Stamp;
use crate::{Level, level};
use xxhash_rust::xxh3::xxh3_64;

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
    /// `2024-09-20T13:16:18.123456789Z line`: `docker logs -t`, `kubectl logs --timestamps`.
    Stamped,
    /// `[pod/name/container] line`: `kubectl logs --prefix`.
    Pod,
    /// `Apr 22 11:02:13 host program[7]: line`, or with a time as ISO has it: syslog, `journalctl`.
    Journal,
}

/// How far into a line a wrapper shows.
const SHOWS_WITHIN: usize = 256;

const ESCAPE: u8 = 0x1b;

/// How the prefix of `kubectl logs` begins.
const POD: &[u8; 5] = b"[pod/";

/// How Docker's JSON objects begin.
const DOCKER: &[u8] = b"{\"log\":\"";

/// How rsyslog writes a tab at the start of a message.
const ESCAPED_TAB: &[u8] = b"#011";

/// Whether a line that begins like that is wrapped, whatever else it looks like.
pub(crate) fn is_certain(line: &[u8]) -> bool {
    match line.first() {
        Some(b'{') => line.starts_with(DOCKER),
        Some(b'2') => stamped(line).is_some(),
        Some(b'[') => line.first_chunk() == Some(POD),
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
        Some(b'2') if journal(start).is_some() => Wrapper::Journal,
        Some(b'2') if stamped(line).is_some() => Wrapper::Stamped,
        Some(b'[') if pod(start).is_some() => Wrapper::Pod,
        Some(b'A'..=b'Z') if service(start).is_some() => Wrapper::Service,
        Some(b'A'..=b'Z') if journal(start).is_some() => Wrapper::Journal,
        _ if compose(start).is_some() => Wrapper::Compose,
        _ if memchr::memchr(ESCAPE, start).is_some() => Wrapper::Ansi,
        _ => Wrapper::None,
    }
}

impl Wrapper {
    /// Length of what stands before the inside of `line`.
    fn prefix(self, line: &[u8]) -> usize {
        match self {
            Wrapper::None | Wrapper::Ansi | Wrapper::DockerJson => Some(0),
            Wrapper::Compose => compose(line),
            Wrapper::Cri => cri(line).map(|(skip, _)| skip),
            Wrapper::Service => service(line),
            Wrapper::Stamped => stamped(line),
            Wrapper::Pod => pod(line),
            Wrapper::Journal => journal(line).map(|header| header.skip),
        }
        .unwrap_or(0)
    }

    /// Where the inside of `line` begins, when it stands there as it is to the line's end.
    pub(crate) fn slice_of(self, line: &[u8]) -> Option<usize> {
        match self {
            Wrapper::None => Some(0),
            Wrapper::DockerJson | Wrapper::Ansi => None,
            _ => {
                let skip = self.prefix(line);
                let inside = &line[skip..];
                let changes = memchr::memchr(ESCAPE, inside).is_some() || inside.starts_with(ESCAPED_TAB);
                (!changes).then_some(skip)
            }
        }
    }

    /// Adds the inside of `line`, which has its line end, to `out`.
    pub(crate) fn unwrap_into(self, line: &[u8], out: &mut Vec<u8>) {
        let from = out.len();
        match self {
            Wrapper::None => return out.extend_from_slice(line),
            Wrapper::Ansi => return without_colours(line, out),
            Wrapper::DockerJson => match line.strip_prefix(DOCKER) {
                Some(inside) => unescape(inside, out),
                None => out.extend_from_slice(line),
            },
            _ => {
                let mut inside = &line[self.prefix(line)..];
                if self.goes_on(line) {
                    inside = inside.strip_suffix(b"\n").unwrap_or(inside);
                }
                if let Some(rest) = inside.strip_prefix(ESCAPED_TAB).filter(|_| self == Wrapper::Journal) {
                    out.push(b'\t');
                    inside = rest;
                }
                out.extend_from_slice(inside);
            }
        }
        if memchr::memchr(ESCAPE, &out[from..]).is_some() {
            let inside = out.split_off(from);
            without_colours(&inside, out);
        }
    }

    /// Whether the inside of `line` goes on in the next line of its channel: runtimes cut lines that are long.
    pub(crate) fn goes_on(self, line: &[u8]) -> bool {
        match self {
            Wrapper::Cri => cri(line).is_some_and(|(_, partial)| partial),
            Wrapper::DockerJson => line.strip_prefix(DOCKER).and_then(string).is_some_and(|text| {
                let slashes =
                    text.strip_suffix(b"n").map_or(0, |t| t.iter().rev().take_while(|b| **b == b'\\').count());
                slashes % 2 == 0
            }),
            _ => false,
        }
    }
}

impl Wrapper {
    /// Which of the programs that write through the tool printed `line`: a container's name, or stdout or stderr. As a
    /// number, so that it can be carried; 0 when the tool does not tell.
    pub(crate) fn channel(self, line: &[u8]) -> u32 {
        match self.channel_name(line) {
            b"" => 0,
            name => (xxh3_64(name) as u32).max(1),
        }
    }

    fn channel_name(self, line: &[u8]) -> &[u8] {
        match self {
            Wrapper::None | Wrapper::Ansi | Wrapper::Service | Wrapper::Stamped => b"",
            Wrapper::Compose => {
                let len = compose(line).map_or(0, |_| memchr::memchr2(b' ', b'|', line).unwrap_or(0));
                &line[..len]
            }
            Wrapper::Cri => match (cri(line), memchr::memchr(b' ', line)) {
                (Some(_), Some(time)) => &line[time + 1..time + 7],
                _ => b"",
            },
            Wrapper::Pod => pod(line).map_or(b"", |_| &line[..memchr::memchr(b']', line).unwrap_or(0)]),
            Wrapper::Journal => journal(line).map_or(b"", |header| &line[header.host..header.skip]),
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
            Wrapper::Cri | Wrapper::Stamped => 0,
            Wrapper::Journal if line.first() == Some(&b'2') => 0,
            // Behind the container's name, if there is one.
            Wrapper::Compose | Wrapper::Pod => prefix_only(self, line)?,
            Wrapper::DockerJson => {
                let key = b"\"time\":\"";
                memchr::memmem::rfind(line, key)? + key.len()
            }
            Wrapper::None | Wrapper::Ansi | Wrapper::Service | Wrapper::Journal => return None,
        };
        fixed::iso(&mut Cursor::new(line, at)).filter(|s| s.valid)
    }
}

/// The length of `LEVEL  | jvm 1    | yyyy/MM/dd hh:mm:ss | `, or of `LEVEL|pid/n|service|yy-MM-dd hh:mm:ss|`.
fn service(line: &[u8]) -> Option<usize> {
    let start = &line[..line.len().min(96)];
    let level = start.iter().take_while(|b| b.is_ascii_uppercase()).count();
    let mut bars = memchr::memchr_iter(b'|', start);
    let (first, second, third) = (bars.next()?, bars.next()?, bars.next()?);
    if level == 0 || !start[level..first].iter().all(|b| *b == b' ') {
        return None;
    }
    let blank = |at: usize| at + 1 + usize::from(line.get(at + 1) == Some(&b' '));
    let program = start[first + 1..second].trim_ascii();
    let time = start[second + 1..third].trim_ascii();
    let known = program == b"wrapper" || program == b"wrapperp" || program.starts_with(b"jvm ");
    if known && time.len() == 19 && (time[4], time[7], time[10], time[13]) == (b'/', b'/', b' ', b':') {
        return Some(blank(third));
    }
    // The other one prints its own lines with `wrapper`, and those of the program with its process id.
    let process = program.split(|b| *b == b'/').all(|n| !n.is_empty() && n.iter().all(u8::is_ascii_digit));
    let fourth = bars.next()?;
    let time = start[third + 1..fourth].trim_ascii();
    let separators =
        |at: usize| time.get(at..at + 12).is_some_and(|t| (t[0], t[3], t[6], t[9]) == (b'-', b' ', b':', b':'));
    let shape = time.len() == 17 && separators(5) || time.len() == 19 && separators(7);
    ((process || program == b"wrapper") && shape).then(|| fourth + 1)
}

/// The length of `name  | ` at the start of a line, and of the time behind it.
fn compose(line: &[u8]) -> Option<usize> {
    let name = compose_name(line)?;
    Some(name + stamped(&line[name..]).unwrap_or(0))
}

fn compose_name(line: &[u8]) -> Option<usize> {
    let start = &line[..line.len().min(SHOWS_WITHIN)];
    let name = start.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')).count();
    let blanks = start[name..].iter().take_while(|b| **b == b' ').count();
    let bar = name + blanks;
    let ends = start[bar..].starts_with(b"| ") || start[bar..] == *b"|" || start[bar..].starts_with(b"|\n");
    (name > 0 && blanks > 0 && ends).then_some(bar + 1 + usize::from(start.get(bar + 1) == Some(&b' ')))
}

/// The length of `[pod/name/container] `, and of the time behind it.
fn pod(line: &[u8]) -> Option<usize> {
    let name = pod_name(line)?;
    Some(name + stamped(&line[name..]).unwrap_or(0))
}

fn pod_name(line: &[u8]) -> Option<usize> {
    let start = line[..line.len().min(SHOWS_WITHIN)].strip_prefix(POD)?;
    let close = memchr::memchr2(b']', b' ', start).filter(|at| start[*at] == b']')? + POD.len();
    Some(close + 1 + usize::from(line.get(close + 1) == Some(&b' ')))
}

/// Where the time behind a container's name stands.
fn prefix_only(wrapper: Wrapper, line: &[u8]) -> Option<usize> {
    let name = if wrapper == Wrapper::Pod { pod_name(line) } else { compose_name(line) }?;
    stamped(&line[name..]).map(|_| name)
}

/// The length of a time in UTC or with an offset that is finer than milliseconds, and of the blank behind it: no
/// layout of log4j prints one, container tools do.
fn stamped(line: &[u8]) -> Option<usize> {
    if line.get(10) != Some(&b'T') || line.get(19) != Some(&b'.') {
        return None;
    }
    let mut c = Cursor::new(line, 0);
    let stamp = fixed::iso(&mut c)?;
    let fraction = line.get(20..c.at)?.iter().take_while(|b| b.is_ascii_digit()).count();
    let ends = matches!(c.peek(), None | Some(b' ' | b'\r' | b'\n'));
    (stamp.valid && stamp.offset.is_some() && fraction > 3 && ends).then(|| c.at + usize::from(c.peek() == Some(b' ')))
}

/// Where parts of a syslog header stand.
struct Header {
    host: usize,
    /// Its length.
    skip: usize,
}

/// `Apr 22 11:02:13 host program[7]: `, or with a time as ISO has it.
fn journal(line: &[u8]) -> Option<Header> {
    let mut c = Cursor::new(line, 0);
    if line.first() == Some(&b'2') {
        fixed::iso(&mut c).filter(|stamp| stamp.offset.is_some())?;
    } else {
        crate::stamp::month_number(line.get(..3)?)?;
        c.at = 3;
        c.take_byte(b' ').then_some(())?;
        c.blanks();
        c.digits(1, 2)?;
        c.take_byte(b' ').then_some(())?;
        crate::stamp::clock(&mut c, &mut Stamp::default())?;
    }
    c.take_byte(b' ').then_some(())?;
    let host = c.at;
    let word = |c: &Cursor<'_>| c.rest().iter().take(SHOWS_WITHIN).take_while(|b| b.is_ascii_graphic()).count();
    c.at += word(&c);
    let is_level = level::of_log4j(&line[host..c.at]) != Level::Unknown;
    (c.at > host && !is_level && c.take_byte(b' ')).then_some(())?;
    let program = word(&c);
    // A container tool's time may stand before any text: there a process must tell them apart.
    let process = line.first() != Some(&b'2') || c.rest()[..program].ends_with(b"]:");
    let ends = program > 1
        && process
        && c.rest()[program - 1] == b':'
        && matches!(c.rest().get(program), None | Some(b' ' | b'\n'));
    c.at += program;
    c.take_byte(b' ');
    ends.then_some(Header { host, skip: c.at })
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

/// The inside of the JSON string that begins there, with its escapes; `None` when it does not end.
fn string(text: &[u8]) -> Option<&[u8]> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'\\', b'"', text.get(from..)?)?;
        if text[at] == b'"' {
            return Some(&text[..at]);
        }
        from = at + 2;
    }
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
            ("2024-09-20T13:16:18.123456789Z \tat a.b.C\n", Wrapper::Stamped, "\tat a.b.C\n"),
            ("2024-09-20T13:16:18.123456789Z\n", Wrapper::Stamped, "\n"),
            ("2024-09-20T13:16:18.123Z  WARN 1 --- x\n", Wrapper::None, "2024-09-20T13:16:18.123Z  WARN 1 --- x\n"),
            ("am_1 | 2024-09-20T13:16:18.123456789+05:30 [2020] x\n", Wrapper::Compose, "[2020] x\n"),
            ("[pod/am-0/am] \tat a.b.C\n", Wrapper::Pod, "\tat a.b.C\n"),
            ("[pod/am-0/am] 2024-09-20T13:16:18.1234567Z x\n", Wrapper::Pod, "x\n"),
            ("Apr  2 11:02:13 host wso2[7]: #011at a.b.C\n", Wrapper::Journal, "\tat a.b.C\n"),
            ("2024-09-20T13:16:18.123456+05:30 host wso2[7]: x\n", Wrapper::Journal, "x\n"),
            ("INFO|8516/0|CARBON|15-06-12 17:51:05|\tat a.b.C\n", Wrapper::Service, "\tat a.b.C\n"),
            ("INFO|8516/0|CARBON|x\n", Wrapper::None, "INFO|8516/0|CARBON|x\n"),
            ("2024-09-20T13:16:18.1Z stdout F \u{1b}[31mERROR\u{1b}[0m x\n", Wrapper::Cri, "ERROR x\n"),
            ("{\"log\":\"\\u001b[31mERROR\\u001b[0m x\\n\"}\n", Wrapper::DockerJson, "ERROR x\n"),
        ] {
            assert_eq!(inside(line), (wrapper, text.to_owned()));
        }
    }

    #[test]
    fn tells_which_lines_go_on() {
        for (line, goes_on) in [
            ("2024-09-20T13:16:18.1Z stdout P part\n", true),
            ("2024-09-20T13:16:18.1Z stdout F part\n", false),
            ("{\"log\":\"part\",\"stream\":\"stdout\"}\n", true),
            ("{\"log\":\"whole\\n\",\"stream\":\"stdout\"}\n", false),
            ("{\"log\":\"C:\\\\n\",\"stream\":\"stdout\"}\n", true),
            ("{\"log\":\"\",\"stream\":\"stdout\"}\n", true),
            ("{\"log\":\"broken\n", false),
        ] {
            assert_eq!(of_line(line.as_bytes()).goes_on(line.as_bytes()), goes_on, "{line}");
        }
    }
}
