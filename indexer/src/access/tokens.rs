//! Agent tokens: 256 random bits each, printed once, kept as SHA-256 only, in the file `tokens` of the data folder.
//!
//! ```text
//! CTTOKENS | version u32 | crc32 of the rest u32 | a line a token: sha256-hex owner environment created-ns
//! ```
//! The server looks at the file's size and time at each use, so that a token made by another process counts at once.

use super::Source;
use crate::query::engine::base64url;
use outside::{Clock, FileId, Files, Rng, write_whole};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const MAGIC: &[u8; 8] = b"CTTOKENS";
const VERSION: u32 = 1;
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Longest name of an owner or environment.
const NAME_BYTES_MAX: usize = 63;
const PREFIX: &str = "ct1_";

/// Why an agent is not let in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It brought no token, and one is needed.
    #[error(
        "an agent token is needed here: `carbontrail token create --agent --owner O --env E` on the server makes one"
    )]
    Missing,
    /// It is not one of this server's.
    #[error("this agent token is not known here")]
    Unknown,
    /// The file of tokens cannot be read; nobody is let in.
    #[error("the file of tokens `{path}` cannot be read: {reason}")]
    File {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
}

/// Why a token cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// Not a name.
    #[error(
        "`{0}` cannot be the name of an owner or environment: 1 to {NAME_BYTES_MAX} of a-z, 0-9, `-`, `_` and `.`, a letter or digit first"
    )]
    Name(String),
    /// The file of tokens cannot be read.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The file of tokens cannot be written.
    #[error("failed to write `{path}`")]
    Write {
        /// The file.
        path: String,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
}

/// The tokens of a data folder.
#[derive(Debug)]
pub struct Tokens {
    files: Arc<dyn Files>,
    path: PathBuf,
    cached: Mutex<Cached>,
}

#[derive(Debug, Default)]
struct Cached {
    state: Option<(FileId, u64, i64)>,
    rows: Arc<Vec<Row>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    hash: [u8; 32],
    owner: String,
    environment: String,
    created_ns: i64,
}

impl Tokens {
    /// The tokens kept in the data folder `root`.
    pub fn new(files: Arc<dyn Files>, root: &Path) -> Tokens {
        Tokens { files, path: root.join("tokens"), cached: Mutex::default() }
    }

    /// Makes a token for agents that send an owner's environment. The text is not kept.
    ///
    /// # Errors
    /// See [`CreateError`].
    pub fn create(
        &self,
        owner: &str,
        environment: &str,
        clock: &dyn Clock,
        rng: &dyn Rng,
    ) -> Result<String, CreateError> {
        for name in [owner, environment] {
            if !is_name(name) {
                return Err(CreateError::Name(name.chars().take(80).collect()));
            }
        }
        let failed = |source| CreateError::Write { path: self.path.display().to_string(), source };
        if let Some(folder) = self.path.parent() {
            self.files.create_folder_all(folder).map_err(failed)?;
        }
        let _lock = self.files.lock(&self.path.with_extension("lock")).map_err(failed)?;
        let secret: Vec<u8> = (0..4).flat_map(|_| rng.next_u64().to_le_bytes()).collect();
        let token = format!("{PREFIX}{}", base64url(&secret));
        let mut rows = Vec::clone(&*self.rows()?);
        rows.push(Row {
            hash: hash(&token),
            owner: owner.to_owned(),
            environment: environment.to_owned(),
            created_ns: clock.wall_ns(),
        });
        write_whole(&*self.files, &self.path, &encode(&rows)).map_err(failed)?;
        Ok(token)
    }

    /// Whether any token was made.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn any(&self) -> Result<bool, TokenError> {
        Ok(!self.rows()?.is_empty())
    }

    /// Whether a token names that owner's environment.
    pub(super) fn names(&self, owner: &str, environment: &str) -> bool {
        self.rows().is_ok_and(|rows| rows.iter().any(|row| row.owner == owner && row.environment == environment))
    }

    /// Where the events of whoever brings this token go. `loopback`: the server listens on loopback only.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn source(&self, token: Option<&str>, loopback: bool) -> Result<Source, TokenError> {
        let rows = self.rows()?;
        let Some(token) = token else {
            return if loopback && rows.is_empty() { Ok(Source::local()) } else { Err(TokenError::Missing) };
        };
        let hash = hash(token);
        let same = |row: &&Row| aws_lc_rs::constant_time::verify_slices_are_equal(&row.hash, &hash).is_ok();
        let row = rows.iter().find(same).ok_or(TokenError::Unknown)?;
        Ok(Source { owner: row.owner.clone(), environment: row.environment.clone() })
    }

    fn rows(&self) -> Result<Arc<Vec<Row>>, TokenError> {
        let failed = |reason: String| TokenError::File { path: self.path.display().to_string(), reason };
        let facts = match self.files.metadata(&self.path) {
            Ok(facts) => facts,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Arc::default()),
            Err(error) => return Err(failed(error.to_string())),
        };
        let state = Some((facts.id, facts.size, facts.modified_ns));
        let mut cached = self.cached.lock().map_err(|_| failed("a thread died".to_owned()))?;
        if cached.state != state {
            let bytes = self.files.read_whole(&self.path, FILE_BYTES_MAX).map_err(|error| failed(error.to_string()))?;
            let rows = decode(&bytes).map_err(failed)?;
            *cached = Cached { state, rows: Arc::new(rows) };
        }
        Ok(Arc::clone(&cached.rows))
    }
}

fn hash(token: &str) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

fn is_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    name.len() <= NAME_BYTES_MAX
        && name.bytes().next().is_some_and(fits)
        && name.bytes().all(|b| fits(b) || matches!(b, b'-' | b'_' | b'.'))
}

fn encode(rows: &[Row]) -> Vec<u8> {
    let mut text = String::new();
    for row in rows {
        for byte in row.hash {
            text.push_str(&format!("{byte:02x}"));
        }
        text.push_str(&format!(" {} {} {}\n", row.owner, row.environment, row.created_ns));
    }
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(crc32fast::hash(text.as_bytes()).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Result<Vec<Row>, String> {
    let (head, text) = bytes.split_at_checked(16).ok_or("it is too short")?;
    let number = |at: usize| head.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    if &head[..8] != MAGIC {
        return Err("it is not a file of tokens".to_owned());
    }
    match number(8) {
        Some(VERSION) => {}
        version => return Err(format!("format {}, this program reads {VERSION}", version.unwrap_or_default())),
    }
    if number(12) != Some(crc32fast::hash(text)) {
        return Err("its checksum does not fit: restore it, or remove it and make new tokens".to_owned());
    }
    let text = std::str::from_utf8(text).map_err(|_| "it is not text")?;
    text.lines().map(|line| row(line).ok_or_else(|| "a line is not a token".to_owned())).collect()
}

fn row(line: &str) -> Option<Row> {
    let mut words = line.split(' ');
    let hex = words.next().filter(|hex| hex.len() == 64 && hex.is_ascii())?;
    let mut hash = [0; 32];
    for (byte, digits) in hash.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    let (owner, environment) = (words.next()?.to_owned(), words.next()?.to_owned());
    Some(Row { hash, owner, environment, created_ns: words.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::access::Scope;
    use crate::store::snapshot::Snapshot;
    use outside::real::{RealClock, RealFiles, RealRng};

    fn tokens(folder: &tempfile::TempDir) -> Tokens {
        Tokens::new(Arc::new(RealFiles), folder.path())
    }

    #[test]
    fn a_token_leads_to_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let (server, cli) = (tokens(&folder), tokens(&folder));
        assert_eq!(server.source(None, true).unwrap(), Source::local());
        assert!(matches!(server.source(None, false), Err(TokenError::Missing)));
        let token = cli.create("acme", "prod", &RealClock::default(), &RealRng).unwrap();
        let other = cli.create("acme", "test", &RealClock::default(), &RealRng).unwrap();
        assert_ne!(token, other);
        let source = server.source(Some(&token), false).unwrap();
        assert_eq!((source.owner(), source.environment()), ("acme", "prod"));
        assert!(matches!(server.source(Some("ct1_x"), true), Err(TokenError::Unknown)));
        assert!(matches!(server.source(None, true), Err(TokenError::Missing)), "needed as soon as one exists");
        assert!(matches!(cli.create("../x", "prod", &RealClock::default(), &RealRng), Err(CreateError::Name(_))));
    }

    #[test]
    fn the_file_holds_no_token_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let token = tokens(&folder).create("acme", "prod", &RealClock::default(), &RealRng).unwrap();
        let path = folder.path().join("tokens");
        let bytes = RealFiles.read_whole(&path, 1 << 20).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(&token[PREFIX.len()..]));
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::path::PathBuf::from(&path).symlink_metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_lets_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let token = tokens(&folder).create("acme", "prod", &RealClock::default(), &RealRng).unwrap();
        let path = folder.path().join("tokens");
        let mut bytes = RealFiles.read_whole(&path, 1 << 20).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        write_whole(&RealFiles, &path, &bytes).unwrap();
        assert!(matches!(tokens(&folder).source(Some(&token), true), Err(TokenError::File { .. })));
        assert!(matches!(tokens(&folder).source(None, true), Err(TokenError::File { .. })));
    }

    #[test]
    fn loopback_reads_what_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = tokens(&folder);
        tokens.create("acme", "prod", &RealClock::default(), &RealRng).unwrap();
        let scope = |owner, env| Scope::on_loopback(owner, env, &tokens, &Snapshot::default());
        assert_eq!(scope("local", "default"), Some(Scope::local()));
        assert!(scope("acme", "prod").is_some());
        assert!(scope("acme", "test").is_none() && scope("acm", "prod").is_none());
    }
}
