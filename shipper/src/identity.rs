//! What tells files and their generations apart: names, first bytes, ids.

use crate::kept::Head;
use outside::{File, FileId};
use std::io;
use std::path::Path;
use wire::{AgentId, StreamId};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Bytes of the first line that go into a stream's id.
const FIRST_LINE_BYTES_MAX: usize = 256;

/// Whether `name` fits a pattern of `*` (any bytes) and `?` (one byte).
pub(crate) fn fits_pattern(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    p = at + 1;
                    n = from + 1;
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// Whether a file of that name is followed.
pub(crate) fn is_followed(name: &str, include: &[String], exclude: &[String]) -> bool {
    fits_any(name, include) && !fits_any(name, exclude)
}

/// Whether a name fits one of the patterns.
pub(crate) fn fits_any(name: &str, patterns: &[String]) -> bool {
    patterns.iter().any(|pattern| fits_pattern(pattern, name))
}

/// `log.file.name`: the name without date, index and `.gz`.
///
/// Dates are `MM-dd-yyyy`, `yyyy-MM-dd` (also with hour and minute) and `yyyyMMdd`; an index is up to three
/// digits after a dot at the name's end, or after a dot or dash just before the extension of a dated name.
pub fn plain_name(file_name: &str) -> String {
    let mut name = file_name;
    for packed in [".gz", ".zip"] {
        name = name.strip_suffix(packed).unwrap_or(name);
    }
    let mut out = name.to_owned();
    if let Some((from, to)) = find_date(out.as_bytes()) {
        out = without(&out, from, to);
    }
    strip_last_index(&mut out);
    // `http_access_.log` is the live name of `http_access_2026-11-25.log`.
    match out.rsplit_once('.') {
        Some((front, last)) => format!("{}.{last}", front.trim_end_matches(['.', '-', '_'])),
        None => out.trim_end_matches(['.', '-', '_']).to_owned(),
    }
}

/// Product by the folder it is installed in: `/opt/wso2am-4.5.0/repository/logs/wso2carbon.log` is `wso2am`.
pub(crate) fn product_of(path: &Path) -> Option<String> {
    let parts = path.parent()?.components().rev();
    let mut names = parts.filter_map(|part| part.as_os_str().to_str()?.strip_prefix("wso2"));
    let rest = names.find(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))?;
    let short = rest.split_once('-').map_or(rest, |(short, _)| short);
    short.bytes().all(|b| b.is_ascii_lowercase()).then(|| format!("wso2{short}"))
}

/// Whether the name carries a date or an index, as rotated files do.
pub(crate) fn is_dated(file_name: &str) -> bool {
    let mut without_index = file_name.to_owned();
    strip_last_index(&mut without_index);
    find_date(file_name.as_bytes()).is_some() || without_index != file_name
}

/// Takes a date out, with the separator before it and the index behind it.
fn without(name: &str, mut from: usize, mut to: usize) -> String {
    let bytes = name.as_bytes();
    let digits = bytes[to..].iter().skip(1).take_while(|b| b.is_ascii_digit()).count();
    let follows = bytes.get(to + 1 + digits);
    if matches!(bytes.get(to), Some(b'.' | b'-' | b'_'))
        && (1..=3).contains(&digits)
        && matches!(follows, None | Some(b'.'))
    {
        to += 1 + digits;
    }
    while from > 0 && matches!(bytes[from - 1], b'.' | b'-' | b'_') {
        from -= 1;
    }
    format!("{}{}", &name[..from], &name[to..])
}

/// `x.log.3` → `x.log`.
fn strip_last_index(name: &mut String) {
    if let Some((front, last)) = name.rsplit_once('.')
        && (1..=3).contains(&last.len())
        && last.bytes().all(|b| b.is_ascii_digit())
        && front.contains('.')
    {
        name.truncate(front.len());
    }
}

/// Where a date stands in a name.
fn find_date(name: &[u8]) -> Option<(usize, usize)> {
    const SHAPES: [&[u8]; 4] = [b"dddd-dd-dd", b"dd-dd-dddd", b"dddd_dd_dd", b"dddddddd"];
    let fits = |at: usize, shape: &[u8]| {
        name.get(at..at + shape.len()).is_some_and(|part| {
            part.iter().zip(shape).all(|(b, s)| if *s == b'd' { b.is_ascii_digit() } else { b == s })
        })
    };
    let digit = |at: usize| name.get(at).is_some_and(u8::is_ascii_digit);
    for at in 0..name.len() {
        if at > 0 && digit(at - 1) {
            continue;
        }
        for shape in SHAPES {
            if fits(at, shape) && !digit(at + shape.len()) {
                return Some((at, date_end(name, at + shape.len())));
            }
        }
    }
    None
}

/// Takes in an hour, and a minute, after a date.
fn date_end(name: &[u8], mut end: usize) -> usize {
    for _ in 0..2 {
        let part = name.get(end..end + 3);
        let more = name.get(end + 3).is_some_and(u8::is_ascii_digit);
        match part {
            Some([b'-' | b'_' | b'T', a, b]) if a.is_ascii_digit() && b.is_ascii_digit() && !more => end += 3,
            _ => break,
        }
    }
    end
}

/// Reads the file's first bytes, up to `max`.
pub(crate) fn read_first(file: &dyn File, max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; max];
    let mut len = 0;
    while len < max {
        match file.read_at(&mut bytes[len..], len as u64)? {
            0 => break,
            n => len += n,
        }
    }
    bytes.truncate(len);
    Ok(bytes)
}

impl Head {
    /// Of a file's first bytes.
    pub(crate) fn of(first: &[u8]) -> Head {
        let part = &first[..first.len().min(Self::BYTES_MAX)];
        Head { len: part.len() as u32, hash: xxh3_64(part) }
    }

    /// Whether a file that begins with `first` begins as this one did.
    pub(crate) fn fits(&self, first: &[u8]) -> bool {
        first.get(..self.len as usize).is_some_and(|part| xxh3_64(part) == self.hash)
    }
}

/// Whether the first line is whole, or long enough, so that a stream's id can be computed again alike.
pub(crate) fn has_first_line(first: &[u8]) -> bool {
    first.len() >= FIRST_LINE_BYTES_MAX || first.contains(&b'\n')
}

/// Id of a stream (protocol rule 4): keyed by the agent, over what is known of the file at first sight.
pub(crate) fn stream_id(agent: AgentId, file: FileId, born_ns: Option<i64>, generation: u32, first: &[u8]) -> StreamId {
    let line = first.split_inclusive(|b| *b == b'\n').next().unwrap_or_default();
    let mut bytes = Vec::with_capacity(320);
    bytes.extend(agent.0);
    bytes.extend(file.device.to_le_bytes());
    bytes.extend(file.number.to_le_bytes());
    bytes.extend(born_ns.unwrap_or(i64::MIN).to_le_bytes());
    bytes.extend(generation.to_le_bytes());
    bytes.extend_from_slice(&line[..line.len().min(FIRST_LINE_BYTES_MAX)]);
    let key = xxh3_64(&agent.0);
    // The top bit is the server's: streams it makes for foreign senders.
    StreamId(xxh3_64_with_seed(&bytes, key) & !(1 << 63))
}

/// The file's name as text.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_is_told_by_its_folder() {
        let of = |path: &str| product_of(Path::new(path));
        assert_eq!(of("/opt/wso2am-4.5.0/repository/logs/wso2carbon.log").as_deref(), Some("wso2am"));
        assert_eq!(of("/opt/wso2/wso2is-7.0.0/repository/logs/audit.log").as_deref(), Some("wso2is"));
        assert_eq!(of("/home/wso2carbon/wso2mi-4.4.0/repository/logs/a.log").as_deref(), Some("wso2mi"));
        assert_eq!(of("/var/log/wso2carbon.log"), None);
        assert_eq!(of("/opt/wso2/logs/wso2carbon.log"), None);
    }

    #[test]
    fn names_lose_date_and_index() {
        for (name, plain) in [
            ("wso2carbon.log", "wso2carbon.log"),
            ("wso2carbon-11-25-2026.log", "wso2carbon.log"),
            ("wso2carbon-10-26-2022.1.log", "wso2carbon.log"),
            ("wso2carbon.log.2016-05-05", "wso2carbon.log"),
            ("wso2-apigw-errors-05-19-2026-1.log.gz", "wso2-apigw-errors.log"),
            ("x.log.1", "x.log"),
            ("wso2-apigw-service.log.10", "wso2-apigw-service.log"),
            ("http_access_2018-04-12.log", "http_access.log"),
            ("http_access_.log", "http_access.log"),
            ("http_access_.2026-05-05.log", "http_access.log"),
            ("http_access_management_console_2017-10-17.log", "http_access_management_console.log"),
            ("tm-05-19-2026.out", "tm.out"),
            ("audit-05-19-2026-12.log", "audit.log"),
            ("1433148212345.log", "1433148212345.log"),
            ("app-20260519.log", "app.log"),
            ("patches.log", "patches.log"),
            ("v1.2.log", "v1.2.log"),
        ] {
            assert_eq!(plain_name(name), plain, "{name}");
        }
        assert!(is_dated("wso2carbon-11-25-2026.log") && is_dated("x.log.1"));
        assert!(!is_dated("wso2carbon.log") && !is_dated("http_access_.log"));
    }

    #[test]
    fn patterns_take_stars_and_question_marks() {
        assert!(fits_pattern("*.log", "wso2carbon.log"));
        assert!(fits_pattern("*.log.*", "wso2carbon.log.2016-05-05"));
        assert!(!fits_pattern("*.log", "wso2carbon.log.gz"));
        assert!(fits_pattern("a?c*", "abc"));
        assert!(!fits_pattern("a?c", "abbc"));
        assert!(fits_pattern("*a*b", "xaab"));
    }
}
