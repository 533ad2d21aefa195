//! What tells files and their generations apart: names, first bytes, ids.

use crate::kept::Head;
use crate::packed::is_packed;
use outside::{File, FileId};
use parsers::is_dated;
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

/// Whether a file of that name is followed; a compressed one also when it would be unpacked.
pub(crate) fn is_followed(name: &str, include: &[String], exclude: &[String]) -> bool {
    let fits =
        |patterns| fits_any(name, patterns) || name.strip_suffix(".gz").is_some_and(|name| fits_any(name, patterns));
    fits(include) && !fits(exclude)
}

/// Whether a name fits one of the patterns.
pub fn fits_any(name: &str, patterns: &[String]) -> bool {
    patterns.iter().any(|pattern| fits_pattern(pattern, name))
}

/// Product by the folder it is installed in: `/opt/wso2am-4.5.0/repository/logs/wso2carbon.log` is `wso2am`.
pub(crate) fn product_of(path: &Path) -> Option<String> {
    let parts = path.parent()?.components().rev();
    let mut names = parts.filter_map(|part| part.as_os_str().to_str()?.strip_prefix("wso2"));
    let rest = names.find(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))?;
    let short = rest.split_once('-').map_or(rest, |(short, _)| short);
    short.bytes().all(|b| b.is_ascii_lowercase()).then(|| format!("wso2{short}"))
}

/// Whether a name is that of a rotated file: dated, with an index, or compressed.
pub(crate) fn is_archive(name: &str) -> bool {
    is_packed(name) || is_dated(name)
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

    /// Of the first few of them.
    pub(crate) fn start_of(first: &[u8]) -> Head {
        Head::of(&first[..first.len().min(Self::START_BYTES)])
    }

    /// Whether a file that begins with `first` begins as this one did.
    pub(crate) fn fits(&self, first: &[u8]) -> bool {
        first.get(..self.len as usize).is_some_and(|part| xxh3_64(part) == self.hash)
    }
}

/// Tells first lines apart, those of other files too; 0 where it is not whole.
pub(crate) fn line_hash(first: &[u8]) -> u32 {
    let line = first.split_inclusive(|b| *b == b'\n').next().filter(|line| line.ends_with(b"\n"));
    line.map_or(0, |line| xxh3_64(line) as u32)
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
    fn patterns_take_stars_and_question_marks() {
        assert!(fits_pattern("*.log", "wso2carbon.log"));
        assert!(fits_pattern("*.log.*", "wso2carbon.log.2016-05-05"));
        assert!(!fits_pattern("*.log", "wso2carbon.log.gz"));
        assert!(fits_pattern("a?c*", "abc"));
        assert!(!fits_pattern("a?c", "abbc"));
        assert!(fits_pattern("*a*b", "xaab"));
    }
}
