//! One stream as the core works with it: what is kept, and what lives in memory.

use crate::batch::{Batch, BatchSize, InFlight};
use crate::core::Ticket;
use crate::doubt::Doubt;
use crate::kept::{Kept, LastEvent, MarkStep, Phase};
use crate::rate::Bucket;
use crate::tail::Tail;
use outside::{File, Metadata};
use parsers::{Context, Offset};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::time::Duration;
use wire::{Anchor, MarkState, StreamId};

/// Whether the indexer's mark is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    No,
    Asked,
    Yes,
}

/// What the stream's file is called now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// Not looked yet, or it could not be seen.
    Unknown,
    /// The name it was first seen under, and nothing newer took its place.
    Own,
    /// Another name, or a newer generation stands beside it.
    Rotated,
    /// None.
    Nameless,
}

/// How a stream lost its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It has no name any more, and nobody held it.
    Vanished,
    /// It was truncated, or holds other bytes.
    Rewritten,
}

/// A stream without a file waits for one that holds its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Orphan {
    pub(crate) since: Duration,
    pub(crate) how: Lost,
}

/// Times and sizes of the last reads and batches, by this process: most streams rest, and have none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// When the first event went into the batch that is built.
    pub(crate) building_since: Duration,
    /// What the last batch held: the next will hold as much.
    pub(crate) batch_size: BatchSize,
    /// When the last batch was sent, and the one before it.
    pub(crate) batches_sent_at: Option<(Duration, Option<Duration>)>,
    /// When bytes were last read.
    pub(crate) read_at: Option<Duration>,
    /// Its file was closed for others: unless it grows it is read again then.
    pub(crate) rests_until: Duration,
}

/// All streams. Boxed: in the map itself a good part of their size would stand empty.
pub(crate) type Streams = HashMap<StreamId, Box<Stream>, BuildHasherDefault<IdHasher>>;

/// An id is a hash already. The order of streams is the same for the same ids that came in the same order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, id: u128) {
        self.0 = (id >> 64) as u64 ^ id as u64;
    }
}

/// A stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) kept: Kept,
    pub(crate) tail: Option<Box<Tail>>,
    /// The file of a tail that went back to the mark: its name may be gone, and this handle all that is left.
    pub(crate) held: Option<Box<dyn File>>,
    /// Up to where this process read the file once, though it went back.
    pub(crate) furthest: Option<Anchor>,
    pub(crate) opened: Opened,
    /// The indexer should hear of the head again: it grew.
    pub(crate) head_grew: bool,
    pub(crate) building: Option<Box<Batch>>,
    /// How it was read and sent lately; `None` while it rests.
    pub(crate) pace: Option<Box<Pace>>,
    pub(crate) in_flight: Option<Box<InFlight>>,
    /// The request that speaks of it and is not answered; one at a time (protocol rule 20).
    pub(crate) busy: Option<Ticket>,
    pub(crate) naming: Naming,
    /// Bytes of the file when last looked at.
    pub(crate) size: u64,
    pub(crate) modified_ns: i64,
    /// When size or time of the file was last seen to change.
    pub(crate) grew_at: Duration,
    /// When the file was last found to hold this generation, by this process.
    pub(crate) looked_at: Option<Duration>,
    /// Since when there are bytes that are not settled.
    pub(crate) behind_since: Option<Duration>,
    pub(crate) retry_at: Duration,
    /// What may be read of it now.
    pub(crate) bucket: Bucket,
    pub(crate) failures: u32,
    pub(crate) error: Option<String>,
    /// Offset and size of the open event as the indexer shows it.
    pub(crate) shown: Option<(Offset, u32)>,
    /// Where `--until-idle` ends.
    pub(crate) target: Option<u64>,
    /// It comes from the state files.
    pub(crate) loaded: bool,
    /// The record of the stream is in the state files.
    pub(crate) durable: bool,
    /// The id could be computed again alike if the record were lost.
    pub(crate) repeatable: bool,
    /// The head must be compared before the next read.
    pub(crate) suspect: bool,
    pub(crate) missing_since: Option<Duration>,
    pub(crate) orphan: Option<Orphan>,
    /// The context at the mark could not be read and counted as empty.
    pub(crate) context_lost: bool,
    pub(crate) last_event: Option<LastEvent>,
    /// A whole request with its events was refused.
    pub(crate) doubt: Option<Box<Doubt>>,
    /// Events behind the mark that are sent as dead, and why.
    pub(crate) condemned: BTreeMap<Offset, String>,
    /// Bytes on disk that only this shipper keeps there.
    pub(crate) held_bytes: u64,
}

impl Stream {
    /// A stream as it comes from the state files, or as just made.
    pub(crate) fn new(kept: Kept, now: Duration) -> Stream {
        Stream {
            tail: None,
            held: None,
            furthest: None,
            opened: Opened::No,
            head_grew: false,
            building: None,
            pace: None,
            in_flight: None,
            busy: None,
            naming: Naming::Unknown,
            size: kept.copy_ends.unwrap_or_else(|| kept.size_seen.max(kept.mark.0)),
            modified_ns: kept.modified_ns,
            grew_at: now,
            looked_at: None,
            behind_since: None,
            retry_at: Duration::ZERO,
            bucket: Bucket::default(),
            failures: 0,
            error: None,
            shown: None,
            target: None,
            loaded: false,
            durable: false,
            repeatable: false,
            suspect: false,
            missing_since: None,
            orphan: None,
            context_lost: false,
            last_event: kept.last_event,
            doubt: None,
            condemned: BTreeMap::new(),
            held_bytes: 0,
            kept,
        }
    }

    /// How it was read and sent lately.
    pub(crate) fn pace(&self) -> Pace {
        self.pace.as_deref().copied().unwrap_or_default()
    }

    /// The same, to be changed.
    pub(crate) fn pace_mut(&mut self) -> &mut Pace {
        self.pace.get_or_insert_default()
    }

    /// Whether bytes can still be read for it.
    pub(crate) fn has_file(&self) -> bool {
        matches!(self.kept.phase, Phase::Following | Phase::Ended) && self.orphan.is_none()
    }

    /// Bytes were seen that are not settled.
    pub(crate) fn behind_seen(&self) -> bool {
        self.kept.size_seen > self.kept.mark.0
    }

    /// Closes the file.
    pub(crate) fn let_go(&mut self) {
        self.tail = None;
        self.held = None;
    }

    /// Whether a handle keeps the file's bytes, whatever becomes of its name.
    pub(crate) fn is_held_open(&self) -> bool {
        self.tail.is_some() || self.held.is_some()
    }

    /// The handle that keeps the file's bytes.
    pub(crate) fn held_file(&self) -> Option<&dyn File> {
        match &self.tail {
            Some(tail) => Some(tail.file()),
            None => self.held.as_deref(),
        }
    }

    /// Facts of the file by the handle that is held; `None` when none is.
    pub(crate) fn held_metadata(&self) -> Option<io::Result<Metadata>> {
        self.held_file().map(File::metadata)
    }

    /// The file was found to be so long by its handle.
    pub(crate) fn grown_to(&mut self, size: u64, now: Duration) {
        if size > self.size {
            self.size = size;
            self.grew_at = now;
            self.behind_since.get_or_insert(now);
        }
    }

    /// Up to where the file was read; the mark when it is not open.
    pub(crate) fn read_to(&self) -> Offset {
        self.tail.as_ref().map_or(self.kept.mark, |t| t.read_to())
    }

    /// Where reading stops.
    pub(crate) fn read_limit(&self) -> u64 {
        self.target.map_or(self.size, |t| t.min(self.size))
    }

    /// Bytes of the file not read yet.
    pub(crate) fn unread(&self) -> u64 {
        if self.has_file() { self.read_limit().saturating_sub(self.read_to().0) } else { 0 }
    }

    /// Bytes not settled at the indexer.
    pub(crate) fn behind(&self) -> u64 {
        let lost = self.kept.losses.iter().filter_map(|l| l.to).map(|to| to.0).max().unwrap_or(0);
        let end = match self.kept.phase {
            Phase::Following | Phase::Ended => self.size.max(self.read_to().0),
            Phase::Detached | Phase::Gone => self.read_to().0.max(lost),
        };
        end.saturating_sub(self.kept.mark.0)
    }

    /// Bytes read and not closed.
    pub(crate) fn open_bytes(&self) -> usize {
        self.tail.as_ref().map_or(0, |t| t.open_bytes().len())
    }

    /// Nothing closed waits or travels.
    pub(crate) fn is_settled(&self) -> bool {
        let no_loss = self.kept.losses.is_empty() || self.kept.phase == Phase::Gone;
        self.building.is_none() && self.in_flight.is_none() && no_loss
    }

    /// All that is there is acknowledged.
    pub(crate) fn is_done(&self) -> bool {
        self.is_settled() && self.unread() == 0 && self.open_bytes() == 0
    }

    /// Bytes of memory held.
    pub(crate) fn memory(&self) -> usize {
        self.tail.as_ref().map_or(0, |t| t.memory())
            + self.building.as_ref().map_or(0, |batch| batch.memory())
            + self.in_flight.as_ref().map_or(0, |f| f.bytes)
    }

    /// What comes next is lost: the indexer hears of that before more is read.
    pub(crate) fn waits_for_loss(&self) -> bool {
        let mark = self.kept.mark;
        self.kept.losses.iter().any(|loss| loss.from <= mark && loss.to.is_some_and(|to| to > mark))
    }

    /// Where closing of events stops for now.
    pub(crate) fn stop(&self) -> Offset {
        self.doubt.as_deref().map_or(Offset(u64::MAX), Doubt::stop)
    }

    /// Whether all that may be closed for now is closed.
    pub(crate) fn is_stopped(&self) -> bool {
        self.tail.as_ref().is_some_and(|tail| tail.parser.offset() >= self.stop())
    }

    /// Forgets what was read and not acknowledged; the file still holds it. `false` when it does not.
    pub(crate) fn go_back_to_mark(&mut self) -> bool {
        let cut_off = self.tail.as_ref().is_some_and(|t| t.cut_off);
        self.building = None;
        self.in_flight = None;
        self.shown = None;
        self.last_event = self.kept.last_event;
        if let Some(tail) = self.tail.take() {
            self.furthest = (!cut_off).then(|| tail.furthest());
            self.held = (!cut_off).then(|| tail.into_file());
        }
        !cut_off
    }

    /// The context at the mark, for a parser that begins there.
    pub(crate) fn mark_context(&mut self) -> Context {
        let decoded = Context::decode(&self.kept.context);
        self.context_lost = decoded.is_err();
        decoded.unwrap_or_default()
    }

    /// The mark with what goes with it, as it is to be kept after the indexer told where it stands.
    pub(crate) fn step_to(&self, state: &MarkState) -> MarkStep {
        let anchor = state.anchors.iter().rev().find(|a| a.at == state.mark).copied();
        MarkStep {
            mark: state.mark,
            context: state.context.to_vec(),
            anchor: anchor.or_else(|| self.kept.anchors.at(state.mark)),
            last_event: state.last_event.map(|id| LastEvent { offset: id.offset, head_hash: id.head_hash }),
            ledger_whole: self.kept.ledger_whole && state.mark == self.kept.mark,
            ledger: state.books.as_ref().map_or(self.kept.ledger, |books| books.taken),
            other: state.books.as_ref().map_or(self.kept.other, |books| books.other),
            ..self.kept.mark_step()
        }
    }
}
