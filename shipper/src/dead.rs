//! Dead letters: events that the indexer refuses for good (protocol rules 22 and 23), one file each.
//!
//! ```text
//! STATE/dead/STREAM-OFFSET.letter     16 and 12 hex digits
//! STATE/dead/STREAM-OFFSET.replay     the same, to be sent again
//!
//! 0    magic "ctletter"
//! 8    version u32, 1
//! 12   length of the body u32
//! 16   crc32 of the body
//! 20   crc32 of bytes 0..20
//! 24   body: protobuf of path, reason, time, and the `replay` message as it is sent
//! ```
//! Numbers are little-endian. A letter comes into being by temporary file, sync, rename, sync of the folder, and
//! only then leaves the range that is recorded `dead`; it goes only after the indexer took the replay. So at every
//! moment an event is in its log file's future, at the indexer, or here. A letter of an event that the mark has
//! not passed is itself the decision: the event is sent as dead, not tried again. All letters together have a
//! bound; when it is reached the stream waits. Being asked to replay is a rename, which any process may do.

use outside::{Files, write_whole};
use parsers::Offset;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::{EventBody, EventsPayload, Limits, Message, Replay, Request, StreamId};

const MAGIC: &[u8; 8] = b"ctletter";
const VERSION: u32 = 1;
const HEADER: usize = 24;
/// Folder inside the state folder.
pub(crate) const FOLDER: &str = "dead";
const WAITING: &str = "letter";
const REPLAY: &str = "replay";
/// A file takes whole blocks, and its name some space.
const BLOCK: u64 = 4096;
/// An event has at most 1 MiB, its parse not more than that.
const LETTER_BYTES_MAX: u64 = 16 << 20;

/// Which event.
pub(crate) type Key = (StreamId, Offset);

/// One event that was refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// Its stream.
    pub stream: StreamId,
    /// Its parse; `body.offset` is its first byte.
    pub body: EventBody,
    /// Its bytes, as they would have been sent.
    pub bytes: Vec<u8>,
    /// Why it was refused.
    pub reason: String,
    /// The file it stood in.
    pub path: String,
    /// When it was written, nanoseconds since 1970.
    pub written_ns: i64,
    /// Whether it is to be sent again.
    pub replay: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Body {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(string, tag = "2")]
    reason: String,
    #[prost(sint64, tag = "3")]
    written_ns: i64,
    #[prost(bytes = "vec", tag = "4")]
    request: Vec<u8>,
}

/// Why a letter cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LetterError {
    /// The bound is reached.
    #[error(
        "the dead letters take {} MiB, which is their limit; look at them with `carbontrail dlq list`, and replay them or move them away", .0 >> 20
    )]
    Full(u64),
    /// The file system said no.
    #[error("dead letter `{}`: {source}", path.display())]
    Io {
        /// On which file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A newer version wrote it.
    #[error("dead letter `{}` was written by version {found} of the format, this program reads up to {VERSION}; use the newer carbontrail", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Not what was written.
    #[error("dead letter `{}` is damaged; what it held is still in its log file, if that is there", .0.display())]
    Damaged(PathBuf),
}

impl Letter {
    pub(crate) fn new(stream: StreamId, body: EventBody, bytes: &[u8], reason: &str) -> Letter {
        Letter {
            stream,
            body,
            bytes: bytes.to_vec(),
            reason: reason.to_owned(),
            path: String::new(),
            written_ns: 0,
            replay: false,
        }
    }

    /// Bytes of memory held.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity() + size_of::<Letter>()
    }

    fn key(&self) -> Key {
        (self.stream, self.body.offset)
    }

    /// The message that makes it an event again.
    pub(crate) fn message(self) -> Replay {
        let payload = EventsPayload { bytes: self.bytes.into(), events: vec![self.body] };
        Replay { stream: self.stream, payload }
    }

    fn encode(&self) -> Vec<u8> {
        let replay = Message::Replay(self.clone().message());
        let request = wire::encode_request(&Request { messages: vec![replay], ..Request::default() });
        let (path, reason) = (self.path.clone(), self.reason.clone());
        let body = Body { path, reason, written_ns: self.written_ns, request }.encode_to_vec();
        let mut out = MAGIC.to_vec();
        out.extend(VERSION.to_le_bytes());
        out.extend((body.len() as u32).to_le_bytes());
        out.extend(crc32fast::hash(&body).to_le_bytes());
        out.extend(crc32fast::hash(&out).to_le_bytes());
        out.extend(body);
        out
    }

    /// Reads what [`Letter::encode`] wrote.
    fn decode(path: &Path, bytes: &[u8]) -> Result<Letter, LetterError> {
        let damaged = || LetterError::Damaged(path.to_owned());
        let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let whole = bytes.starts_with(MAGIC) && number(20) == bytes.get(..20).map(crc32fast::hash);
        let found = number(8).filter(|_| whole).ok_or_else(damaged)?;
        if found > VERSION {
            return Err(LetterError::Newer { path: path.to_owned(), found });
        }
        let body = bytes.get(HEADER..).filter(|b| number(12) == Some(b.len() as u32)).ok_or_else(damaged)?;
        if number(16) != Some(crc32fast::hash(body)) {
            return Err(damaged());
        }
        let body = Body::decode(body).map_err(|_| damaged())?;
        let limits = Limits { decoded_bytes_max: LETTER_BYTES_MAX as usize, ..Limits::default() };
        let request = wire::decode_request(&body.request, limits).map_err(|_| damaged())?;
        let Some(Message::Replay(replay)) = request.messages.into_iter().next() else { return Err(damaged()) };
        let bytes = replay.payload.bytes.to_vec();
        let event = replay.payload.events.into_iter().next().ok_or_else(damaged)?;
        Ok(Letter {
            stream: replay.stream,
            body: event,
            bytes,
            reason: body.reason,
            path: body.path,
            written_ns: body.written_ns,
            replay: path.extension().is_some_and(|e| e == REPLAY),
        })
    }
}

fn extension(replay: bool) -> &'static str {
    if replay { REPLAY } else { WAITING }
}

fn name_of(key: Key, extension: &str) -> String {
    format!("{:016x}-{:012x}.{extension}", key.0.0, key.1.0)
}

/// What a name in the folder stands for, and whether it is to be replayed.
fn key_of(name: &Path) -> Option<(Key, bool)> {
    let replay = match name.extension()?.to_str()? {
        WAITING => false,
        REPLAY => true,
        _ => return None,
    };
    let (stream, offset) = name.file_stem()?.to_str()?.split_once('-')?;
    let key = (StreamId(u64::from_str_radix(stream, 16).ok()?), Offset(u64::from_str_radix(offset, 16).ok()?));
    Some((key, replay))
}

/// All letters of a state folder, by stream and offset; those that cannot be read as errors.
///
/// # Errors
/// When the folder cannot be listed.
pub fn read_all(files: &dyn Files, state: &Path) -> io::Result<Vec<Result<Letter, LetterError>>> {
    let folder = state.join(FOLDER);
    let mut names: Vec<PathBuf> = match files.list(&folder) {
        Ok(names) => names.into_iter().filter(|name| key_of(name).is_some()).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    names.sort();
    Ok(names.into_iter().map(|name| read_letter(files, &folder.join(name))).collect())
}

fn read_letter(files: &dyn Files, path: &Path) -> Result<Letter, LetterError> {
    let bytes =
        files.read_whole(path, LETTER_BYTES_MAX).map_err(|source| LetterError::Io { path: path.to_owned(), source })?;
    Letter::decode(path, &bytes)
}

/// Asks that the letter of the event at `offset` be sent again: the running shipper, or the next one, does it.
///
/// # Errors
/// What the file system said; `NotFound` when there is no such letter that waits.
pub fn ask_for_replay(files: &dyn Files, state: &Path, stream: StreamId, offset: Offset) -> io::Result<()> {
    let (folder, key) = (state.join(FOLDER), (stream, offset));
    files.rename(&folder.join(name_of(key, WAITING)), &folder.join(name_of(key, REPLAY)))?;
    files.sync_folder(&folder)
}

/// The shipper's own dead letters.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    files: Arc<dyn Files>,
    folder: PathBuf,
    /// Bytes on disk, and whether it is to be replayed.
    known: BTreeMap<Key, (u64, bool)>,
    bytes_max: u64,
}

impl DeadLetters {
    /// Finds the letters of a state folder.
    pub(crate) fn open(files: Arc<dyn Files>, state: &Path, bytes_max: u64) -> io::Result<DeadLetters> {
        let folder = state.join(FOLDER);
        let mut dead = DeadLetters { files, folder, known: BTreeMap::new(), bytes_max };
        dead.look()?;
        if !dead.known.is_empty() {
            // A name may stand in the cache alone; what it decides must not be undone by a power cut.
            dead.files.sync_folder(&dead.folder)?;
        }
        Ok(dead)
    }

    /// Looks at the folder again: letters may have been asked for, or moved away.
    pub(crate) fn look(&mut self) -> io::Result<()> {
        let names = match self.files.list(&self.folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut known = BTreeMap::new();
        for (name, (key, replay)) in names.iter().filter_map(|name| Some((name, key_of(name)?))) {
            let size = match self.known.get(&key) {
                Some((size, _)) => *size,
                None => blocks(self.files.metadata(&self.folder.join(name))?.size),
            };
            known.insert(key, (size, replay));
        }
        self.known = known;
        Ok(())
    }

    /// Number of letters and their bytes on disk.
    pub(crate) fn size(&self) -> (usize, u64) {
        (self.known.len(), self.known.values().map(|(size, _)| size).sum())
    }

    /// Events of the stream from `mark` on that are dead already.
    pub(crate) fn behind(&self, stream: StreamId, mark: Offset) -> impl Iterator<Item = Offset> + '_ {
        let of_stream = self.known.range((stream, mark)..=(stream, Offset(u64::MAX)));
        of_stream.map(|((_, offset), _)| *offset)
    }

    /// The first letter of the stream that is to be sent again.
    pub(crate) fn to_replay(&self, stream: StreamId) -> Option<Offset> {
        let mut of_stream = self.known.range((stream, Offset(0))..=(stream, Offset(u64::MAX)));
        of_stream.find_map(|((_, offset), (_, replay))| replay.then_some(*offset))
    }

    /// Streams with letters that are to be sent again.
    pub(crate) fn streams_to_replay(&self) -> BTreeSet<StreamId> {
        self.known.iter().filter(|(_, (_, replay))| *replay).map(|((stream, _), _)| *stream).collect()
    }

    /// Makes a letter durable. One that is there already stays, unless it holds something else: what was cut for a store
    /// that is gone may go further now, and all that is recorded as dead must be in its letter.
    pub(crate) fn write(&mut self, letter: &Letter, path: &Path, now_ns: i64) -> Result<(), LetterError> {
        if self.holds(letter)? {
            return Ok(());
        }
        let key = letter.key();
        let letter = Letter { path: path.to_string_lossy().into_owned(), written_ns: now_ns, ..letter.clone() };
        let bytes = letter.encode();
        let size = blocks(bytes.len() as u64);
        if self.size_with(key, size) > self.bytes_max {
            // Someone may have made room.
            let _looked = self.look();
            if self.size_with(key, size) > self.bytes_max {
                return Err(LetterError::Full(self.bytes_max));
            }
        }
        let replay = self.known.get(&key).is_some_and(|(_, replay)| *replay);
        let path = self.path(key, extension(replay));
        self.put(&path, &bytes).map_err(|source| LetterError::Io { path, source })?;
        self.known.insert(key, (size, replay));
        Ok(())
    }

    /// Whether this letter is there.
    fn holds(&mut self, letter: &Letter) -> Result<bool, LetterError> {
        let key = letter.key();
        for looked in [false, true] {
            let Some((_, replay)) = self.known.get(&key) else { return Ok(false) };
            match read_letter(&*self.files, &self.path(key, extension(*replay))) {
                Ok(there) => return Ok(there.body.size == letter.body.size && there.bytes == letter.bytes),
                // Its event is at hand.
                Err(LetterError::Damaged(_)) => return Ok(false),
                // Renamed or moved away since the folder was looked at.
                Err(LetterError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound && !looked => {
                    self.look().map_err(|source| LetterError::Io { path: self.folder.clone(), source })?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Bytes of all letters, with one of this size in the place of that of `key`.
    fn size_with(&self, key: Key, size: u64) -> u64 {
        self.size().1 + size - self.known.get(&key).map_or(0, |(before, _)| *before)
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if self.known.is_empty() {
            self.files.create_folder_all(&self.folder)?;
            self.files.sync_folder(self.folder.parent().unwrap_or(Path::new(".")))?;
        }
        write_whole(&*self.files, path, bytes)
    }

    /// Reads a letter that is to be sent again.
    pub(crate) fn read(&self, key: Key) -> Result<Letter, LetterError> {
        read_letter(&*self.files, &self.path(key, REPLAY))
    }

    /// It is an event now.
    pub(crate) fn remove(&mut self, key: Key) -> io::Result<()> {
        self.known.remove(&key);
        self.files.remove_file(&self.path(key, REPLAY))
    }

    /// It was refused again, or cannot be sent: it waits as before.
    pub(crate) fn put_back(&mut self, key: Key) -> io::Result<()> {
        if let Some((_, replay)) = self.known.get_mut(&key) {
            *replay = false;
        }
        self.files.rename(&self.path(key, REPLAY), &self.path(key, WAITING))
    }

    fn path(&self, key: Key, extension: &str) -> PathBuf {
        self.folder.join(name_of(key, extension))
    }
}

fn blocks(size: u64) -> u64 {
    size.div_ceil(BLOCK) * BLOCK
}

/// Removes what a write that was cut short left behind; the next write of the same letter would, too.
pub(crate) fn sweep(files: &dyn Files, state: &Path) {
    let folder = state.join(FOLDER);
    for name in files.list(&folder).unwrap_or_default() {
        if name.extension().is_some_and(|e| e == "tmp") {
            let _swept = files.remove_file(&folder.join(name));
        }
    }
}

/// Whether a file of this name can be opened, for tests.
#[cfg(test)]
pub(crate) fn is_there(files: &dyn Files, state: &Path, key: Key) -> bool {
    [WAITING, REPLAY].iter().any(|e| files.metadata(&state.join(FOLDER).join(name_of(key, e))).is_ok())
}
