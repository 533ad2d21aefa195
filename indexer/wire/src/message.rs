//! Messages and verdicts (protocol section 6).

use crate::{AgentId, Anchor, Epoch, EventId, LedgerHash, LedgerSum, StreamId};
use bytes::Bytes;
use parsers::{Dataset, EventTime, Family, Field, Flags, Level, Offset};

/// What a shipper sends in one `POST /v1/batches`: messages that are judged one by one, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The state folder that speaks.
    pub agent: AgentId,
    /// The epoch `hello` gave; zero before.
    pub epoch: Epoch,
    /// The messages.
    pub messages: Vec<Message>,
}

/// One message. Each has its own verdict at the same index of [`Answer::verdicts`].
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Asks for an epoch; the first message of each start of a shipper.
    Hello(Hello),
    /// Opens a stream, or asks for its mark again.
    Open(Open),
    /// Gap-free ranges of one stream.
    Ranges(Ranges),
    /// The open event at a stream's end.
    Provisional(Provisional),
    /// The file is gone and nothing more will come.
    Gone(StreamId),
    /// Dead ranges that are sent again as events.
    Replay(Replay),
    /// Asks for sums by stream; own streams only.
    Ledger(Vec<StreamId>),
    /// Asks for proof of ranges from the events themselves, which are read for it; own streams only.
    Prove(Vec<StreamRange>),
    /// Asks which streams of this host files may be (protocol rule 6).
    Claim(Claim),
}

/// What a shipper without state finds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claim {
    /// The files; whose streams they are is asked.
    pub files: Vec<Factors>,
}

/// A stream that a file of its folder and name may be. It is taken over by opening it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claimable {
    /// Its id.
    pub stream: StreamId,
    /// As it was opened.
    pub factors: Factors,
    /// Where it begins.
    pub base: Offset,
    /// Where it stands.
    pub state: MarkState,
}

/// A part of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamRange {
    /// Whose.
    pub stream: StreamId,
    /// First byte.
    pub from: Offset,
    /// One past the last.
    pub to: Offset,
}

/// First message of a shipper's start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hello {
    /// Id of the host (machine-id, configurable).
    pub host_id: String,
    /// Name of the host (`host.name`).
    pub host_name: String,
    /// Version of the shipper, for people.
    pub version: String,
    /// The shipper's wall clock, nanoseconds since 1970 (protocol rule 37).
    pub clock_ns: i64,
}

/// What tells a generation of a file from all others, sent before its first range.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Factors {
    /// Live name under which the stream was first seen (`log.file.path`).
    pub path: String,
    /// Name without folder, date, index and `.gz` (`log.file.name`).
    pub name: String,
    /// Device of the file.
    pub device: u64,
    /// Inode, or file index.
    pub number: u128,
    /// Birth time where known, nanoseconds since 1970.
    pub born_ns: Option<i64>,
    /// Bytes the head hash covers, up to 1 KiB; it grows with the file.
    pub head_len: u32,
    /// xxh3-64 of these bytes.
    pub head_hash: u64,
    /// The generation before, where known.
    pub predecessor: Option<StreamId>,
    /// Product, where known (`service.type`).
    pub product: Option<String>,
    /// Configured name (`service.name`), else the product.
    pub service: Option<String>,
    /// Further fixed fields from configuration, by full name.
    pub labels: Vec<(String, String)>,
}

/// Opens a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Open {
    /// Its id.
    pub stream: StreamId,
    /// Its factors.
    pub factors: Factors,
    /// Where it begins: 0, or the anchor that still fits (protocol rule 8).
    pub base: Offset,
    /// Context at the base, encoded by `parsers`.
    pub context: Bytes,
}

/// Ranges of one stream; each begins where the one before ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranges {
    /// Whose.
    pub stream: StreamId,
    /// In order, without gap.
    pub ranges: Vec<Range>,
}

/// Bytes `from..to` of a stream and what became of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// First byte.
    pub from: Offset,
    /// One past the last byte; `None`: unknown, only for `Lost`, closes the stream.
    pub to: Option<Offset>,
    /// What became of them.
    pub fate: Fate,
    /// Context at `to`, encoded by `parsers`.
    pub context: Bytes,
    /// Anchors inside the range and at its end (the last one is at `to`).
    pub anchors: Vec<Anchor>,
}

/// What became of a range.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// Events, gap-free.
    Events(EventsPayload),
    /// Kept in the shipper's dead-letter file: reason.
    Dead(String),
    /// Left out by a rule: which.
    Excluded(String),
    /// Lost: why.
    Lost(String),
}

impl Fate {
    /// Which of the four it is.
    pub fn kind(&self) -> FateKind {
        match self {
            Fate::Events(_) => FateKind::Events,
            Fate::Dead(_) => FateKind::Dead,
            Fate::Excluded(_) => FateKind::Excluded,
            Fate::Lost(_) => FateKind::Lost,
        }
    }
}

/// The four fates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FateKind {
    /// Searchable.
    Events = 1,
    /// In the dead-letter file.
    Dead = 2,
    /// Left out by a rule.
    Excluded = 3,
    /// Lost.
    Lost = 4,
}

/// Events of a range: their bytes one after the other, and their parse.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventsPayload {
    /// The events' bytes, one after the other (the file's own unless redacted).
    pub bytes: Bytes,
    /// Their parse; event `i` has `len` bytes of `bytes`, after those of the events before it.
    pub events: Vec<EventBody>,
}

impl EventsPayload {
    /// Each event with its bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&EventBody, Bytes)> {
        let mut at = 0usize;
        self.events.iter().map(move |event| {
            let end = (at + event.len as usize).min(self.bytes.len());
            let bytes = self.bytes.slice(at.min(end)..end);
            at = end;
            (event, bytes)
        })
    }
}

/// What an event goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContinuesFrom {
    /// An event of the same stream.
    Event(EventId),
    /// The last event of the generation before.
    Stream(StreamId),
    /// Unknown.
    Unknown,
}

/// The parse of one event.
#[derive(Clone, Debug, PartialEq)]
pub struct EventBody {
    /// First byte in the file.
    pub offset: Offset,
    /// Bytes in the file.
    pub size: u32,
    /// Bytes in the payload: `size` unless redacted.
    pub len: u32,
    /// Lines.
    pub lines: u32,
    /// [`crate::head_hash`] of its own first line in the file.
    pub head_hash: u32,
    /// Shape of its head.
    pub family: Family,
    /// What its file is for.
    pub dataset: Dataset,
    /// Severity.
    pub level: Level,
    /// Its time.
    pub time: Option<EventTime>,
    /// Yes-or-no facts.
    pub flags: Flags,
    /// The piece before it.
    pub continues: Option<ContinuesFrom>,
    /// Its other fields; spans count from its own first byte in the payload.
    pub fields: Vec<Field>,
}

/// The open event at a stream's end, whole lines only.
#[derive(Clone, Debug, PartialEq)]
pub struct Provisional {
    /// Whose.
    pub stream: StreamId,
    /// Its parse so far.
    pub event: EventBody,
    /// Its bytes so far; the first 64 KiB.
    pub bytes: Bytes,
}

/// Dead ranges sent again as events (protocol rule 23).
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// Whose.
    pub stream: StreamId,
    /// The events; all inside ranges recorded dead.
    pub payload: EventsPayload,
}

/// What the indexer answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// New after every restore, repair or wipe of the store.
    pub incarnation: u64,
    /// New at every start of the indexer.
    pub boot: u64,
    /// One verdict a message, at the same index.
    pub verdicts: Vec<Verdict>,
}

/// What became of one message. No mark in it is ahead of what is durable (protocol rule 21).
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// To `hello`.
    Hello(HelloAnswer),
    /// To `open`: where the stream stands.
    Open(MarkState),
    /// To `ranges`: taken; the mark now, and what had been covered before.
    Ranges {
        /// The durable mark.
        mark: Offset,
        /// The part of the message that the mark had passed already.
        covered: Option<Covered>,
        /// Events older than the retention, counted and not kept (protocol rule 37).
        expired: u64,
    },
    /// To `provisional`: whether it is shown.
    Provisional {
        /// `false`: passed over, without harm.
        taken: bool,
    },
    /// To `gone`.
    Gone,
    /// To `replay`: how many events became searchable.
    Replay {
        /// Events taken.
        events: u64,
    },
    /// To `ledger`: a row a stream asked for and known.
    Ledger(Vec<LedgerRow>),
    /// To `prove`: one for each range of a stream that is known.
    Proof(Vec<RangeProof>),
    /// To `claim`: streams of this host, of the folders and names asked for.
    Claim(Vec<Claimable>),
    /// Refused.
    Refused(Refusal),
}

/// Answer to `hello`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HelloAnswer {
    /// The epoch of this start.
    pub epoch: Epoch,
    /// Oldest event time kept, nanoseconds since 1970; `None`: no limit.
    pub oldest_ns: Option<i64>,
    /// Largest request accepted, bytes after decompression.
    pub request_bytes_max: u64,
    /// Streams of this host that other agents opened.
    pub host_streams: u64,
}

/// A stream's mark with all that a shipper without state needs to go on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MarkState {
    /// The durable mark.
    pub mark: Offset,
    /// Context at the mark.
    pub context: Bytes,
    /// Anchors kept, oldest first; one is at the mark unless the mark is the base.
    pub anchors: Vec<Anchor>,
    /// Id of the last event before the mark, for continuations.
    pub last_event: Option<EventId>,
    /// A lost range of unknown end closed it.
    pub closed: bool,
    /// What everything before the mark became; `None` from an indexer that does not say.
    pub books: Option<Box<Books>>,
}

/// What the bytes of a stream between base and mark became (protocol rule 21: the shipper takes them over).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Taken as events.
    pub taken: LedgerSum,
    /// All else.
    pub other: OtherBytes,
}

/// Bytes that did not become events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OtherBytes {
    /// In the shipper's dead-letter folder.
    pub dead: u64,
    /// Left out by a rule.
    pub excluded: u64,
    /// Lost; a loss of unknown end does not count here.
    pub lost: u64,
}

impl OtherBytes {
    /// Counts a range with one of these fates; events are no business of it.
    pub fn add(&mut self, fate: FateKind, bytes: u64) {
        match fate {
            FateKind::Events => {}
            FateKind::Dead => self.dead += bytes,
            FateKind::Excluded => self.excluded += bytes,
            FateKind::Lost => self.lost += bytes,
        }
    }

    /// All of them.
    pub fn all(self) -> u64 {
        self.dead + self.excluded + self.lost
    }
}

/// The part of a message that was settled before (protocol rule 21).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Covered {
    /// Up to here.
    pub to: Offset,
    /// Fates of the covered bytes, in order. Those before [`LedgerRow::folded_to`] are left out.
    pub fates: Vec<FateSpan>,
    /// Events, bytes and hash of what is searchable in it, as recorded; `None` where the records are no longer that fine.
    pub sum: Option<LedgerSum>,
}

/// One fate of covered bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FateSpan {
    /// First byte.
    pub from: Offset,
    /// One past the last.
    pub to: Offset,
    /// Its fate.
    pub fate: FateKind,
}

/// The indexer's books of one stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LedgerRow {
    /// Whose.
    pub stream: StreamId,
    /// The durable mark.
    pub mark: Offset,
    /// Base: where the stream began.
    pub base: Offset,
    /// Everything ever taken as events, by the mark table.
    pub taken: LedgerSum,
    /// What the stream tables of the segments and the newest lines hold now.
    pub held: LedgerSum,
    /// What retention or erasure removed.
    pub removed: LedgerSum,
    /// Dead, excluded and lost ranges.
    pub other: Vec<FateSpan>,
    /// Bytes of excluded ranges that are no longer told apart: all lie before `folded_to`.
    pub folded_excluded: u64,
    /// The same of lost ranges.
    pub folded_lost: u64,
    /// Before this offset only dead ranges are in `other`.
    pub folded_to: Offset,
    /// Hash of what is held, for comparison with the shipper's own.
    pub hash: LedgerHash,
}

/// What the store holds of a range, read and added up anew.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RangeProof {
    /// Of which bytes. It may end before what was asked for: at the mark, or where enough was read for one answer; ask
    /// again from there.
    pub range: StreamRange,
    /// Number, bytes and hash of the events that begin in it, from their bytes as they can be searched now.
    pub found: LedgerSum,
    /// Dead, excluded and lost parts of it.
    pub other: Vec<FateSpan>,
    /// Bytes of it that are neither: removed by retention or erasure, excluded or lost before
    /// [`LedgerRow::folded_to`], or a fault of the store.
    pub absent: u64,
    /// Bytes that two events have, or an event and another fate: a fault of the store.
    pub doubled: u64,
    /// A part of the store that could not be read: why.
    pub damage: Option<String>,
}

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// A newer start of this agent exists; stop.
    Fenced,
    /// The stream is not known here: open it first; or, to an `open`, its agent is not: say hello first.
    NotOpen,
    /// The first range begins behind the mark: bytes between are missing.
    Gap(MarkState),
    /// An event begins before the mark and ends after it: cut there.
    Straddles(MarkState),
    /// Too large; the limit in bytes.
    TooLarge {
        /// Bytes allowed.
        max: u64,
    },
    /// An event that can never be taken.
    Rejected {
        /// Its first byte.
        offset: Offset,
        /// Why, for people.
        reason: String,
    },
    /// Not now: too much to do, or the disk is almost full.
    Busy {
        /// Try again after this many milliseconds.
        retry_after_ms: u64,
        /// Why, for people.
        reason: String,
        /// The disk took no more: 507 where everything in a request is refused so, else 429.
        disk_full: bool,
    },
}
