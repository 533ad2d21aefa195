//! Records of the state files, and their conversion from and to the working types.
//!
//! Protobuf: fields are only ever added, so that an older state folder always opens. A record kind that is not
//! known is refused with the version of the slot file, not here.

use crate::kept::{Anchors, Head, Kept, LastEvent, LeftOut, Loss, MarkStep, Packed, Phase};
use outside::FileId;
use parsers::{Formats, Input, InputAt, Offset, TimeNs, Zone, ZoneSource};
use prost::Message;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::{AgentId, Anchor, LedgerHash, LedgerSum, OtherBytes, StreamId};

/// What the folder knows of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Agent {
    pub(crate) id: AgentId,
    /// Host it was made on; with the folder's own identity it tells a copy (protocol rule 2).
    pub(crate) host_id: String,
    pub(crate) folder_device: u64,
    pub(crate) folder_number: u128,
    /// Incarnation of the store when last heard of.
    pub(crate) incarnation: u64,
    /// Wall clock when last written.
    pub(crate) seen_ns: i64,
    /// It was made on a first start, and the indexer is not asked yet for all files that were there (protocol rule 6).
    pub(crate) claims_due: bool,
}

/// One change of the state.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry {
    Agent(Agent),
    /// A stream as a whole.
    Stream(Box<Kept>),
    Mark(MarkStep),
    Cut(StreamId, Offset),
    Input(StreamId, InputAt),
    Loss(StreamId, Loss),
    Forget(StreamId),
}

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6, 7")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(message, tag = "1")]
    Agent(AgentRecord),
    #[prost(message, tag = "2")]
    Stream(Box<StreamRecord>),
    #[prost(message, tag = "3")]
    Mark(MarkRecord),
    #[prost(message, tag = "4")]
    Cut(PlaceRecord),
    #[prost(message, tag = "5")]
    Input(InputRecord),
    #[prost(message, tag = "6")]
    Loss(LossRecord),
    #[prost(message, tag = "7")]
    Forget(PlaceRecord),
}

#[derive(Clone, PartialEq, Message)]
struct AgentRecord {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(string, tag = "2")]
    host_id: String,
    #[prost(uint64, tag = "3")]
    folder_device: u64,
    #[prost(bytes = "vec", tag = "4")]
    folder_number: Vec<u8>,
    #[prost(uint64, tag = "5")]
    incarnation: u64,
    #[prost(sint64, tag = "6")]
    seen_ns: i64,
    #[prost(bool, tag = "7")]
    claims_due: bool,
}

#[derive(Clone, PartialEq, Message)]
struct PlaceRecord {
    #[prost(fixed64, tag = "1")]
    stream: u64,
    #[prost(uint64, tag = "2")]
    at: u64,
}

#[derive(Clone, PartialEq, Message)]
struct AnchorRecord {
    #[prost(uint64, tag = "1")]
    at: u64,
    #[prost(fixed64, tag = "2")]
    hash: u64,
}

#[derive(Clone, PartialEq, Message)]
struct LastEventRecord {
    #[prost(uint64, tag = "1")]
    offset: u64,
    #[prost(fixed32, tag = "2")]
    head_hash: u32,
}

#[derive(Clone, PartialEq, Message)]
struct InputRecord {
    #[prost(fixed64, tag = "1")]
    stream: u64,
    #[prost(uint64, tag = "2")]
    at: u64,
    #[prost(string, tag = "3")]
    zone: String,
    #[prost(uint32, tag = "4")]
    zone_source: u32,
    #[prost(sint64, optional, tag = "5")]
    file_time_ns: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "6")]
    formats: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct LossRecord {
    #[prost(fixed64, tag = "1")]
    stream: u64,
    #[prost(uint64, tag = "2")]
    from: u64,
    #[prost(uint64, optional, tag = "3")]
    to: Option<u64>,
    #[prost(string, tag = "4")]
    reason: String,
}

#[derive(Clone, PartialEq, Message)]
struct LedgerRecord {
    #[prost(uint64, tag = "1")]
    events: u64,
    #[prost(uint64, tag = "2")]
    bytes: u64,
    #[prost(bytes = "vec", tag = "3")]
    hash: Vec<u8>,
    #[prost(uint64, tag = "4")]
    lost_bytes: u64,
    #[prost(bool, tag = "5")]
    whole: bool,
    #[prost(uint64, tag = "6")]
    excluded_bytes: u64,
    #[prost(uint64, tag = "7")]
    dead_bytes: u64,
}

#[derive(Clone, PartialEq, Message)]
struct MarkRecord {
    #[prost(fixed64, tag = "1")]
    stream: u64,
    #[prost(uint64, tag = "2")]
    mark: u64,
    #[prost(bytes = "vec", tag = "3")]
    context: Vec<u8>,
    #[prost(message, optional, tag = "4")]
    anchor: Option<AnchorRecord>,
    #[prost(message, optional, tag = "5")]
    last_event: Option<LastEventRecord>,
    #[prost(message, optional, tag = "6")]
    ledger: Option<LedgerRecord>,
    #[prost(uint64, tag = "7")]
    size_seen: u64,
    #[prost(sint64, tag = "8")]
    modified_ns: i64,
}

#[derive(Clone, PartialEq, Message)]
struct StreamRecord {
    #[prost(fixed64, tag = "1")]
    id: u64,
    #[prost(string, tag = "2")]
    first_path: String,
    #[prost(string, tag = "3")]
    path: String,
    #[prost(string, tag = "4")]
    name: String,
    #[prost(uint64, tag = "5")]
    device: u64,
    #[prost(bytes = "vec", tag = "6")]
    number: Vec<u8>,
    #[prost(sint64, optional, tag = "7")]
    born_ns: Option<i64>,
    #[prost(uint32, tag = "8")]
    generation: u32,
    #[prost(uint32, tag = "9")]
    head_len: u32,
    #[prost(fixed64, tag = "10")]
    head_hash: u64,
    #[prost(fixed64, optional, tag = "11")]
    predecessor: Option<u64>,
    #[prost(uint64, tag = "12")]
    base: u64,
    #[prost(bytes = "vec", tag = "13")]
    base_context: Vec<u8>,
    #[prost(message, optional, tag = "14")]
    mark: Option<MarkRecord>,
    #[prost(message, repeated, tag = "15")]
    anchors: Vec<AnchorRecord>,
    #[prost(uint32, tag = "16")]
    phase: u32,
    #[prost(uint64, tag = "17")]
    repeated_until: u64,
    #[prost(bool, tag = "18")]
    backfill: bool,
    #[prost(uint64, repeated, tag = "19")]
    cuts: Vec<u64>,
    #[prost(message, repeated, tag = "20")]
    inputs: Vec<InputRecord>,
    #[prost(message, repeated, tag = "21")]
    losses: Vec<LossRecord>,
    #[prost(uint32, tag = "30")]
    start_len: u32,
    #[prost(fixed64, tag = "31")]
    start_hash: u64,
    #[prost(uint64, optional, tag = "32")]
    packed_file_bytes: Option<u64>,
    #[prost(uint64, tag = "33")]
    packed_bytes: u64,
    #[prost(uint64, optional, tag = "34")]
    copy_ends: Option<u64>,
    #[prost(bool, tag = "35")]
    end_unknown: bool,
    #[prost(uint64, optional, tag = "36")]
    left_out_to: Option<u64>,
    #[prost(string, tag = "37")]
    left_out_by: String,
    #[prost(fixed32, tag = "38")]
    line_hash: u32,
}

fn number_of(bytes: &[u8]) -> u128 {
    bytes.try_into().map_or(0, u128::from_le_bytes)
}

impl From<&Agent> for AgentRecord {
    fn from(a: &Agent) -> AgentRecord {
        AgentRecord {
            id: a.id.0.to_vec(),
            host_id: a.host_id.clone(),
            folder_device: a.folder_device,
            folder_number: a.folder_number.to_le_bytes().to_vec(),
            incarnation: a.incarnation,
            seen_ns: a.seen_ns,
            claims_due: a.claims_due,
        }
    }
}

impl From<AgentRecord> for Agent {
    fn from(r: AgentRecord) -> Agent {
        Agent {
            id: AgentId(r.id.as_slice().try_into().unwrap_or_default()),
            host_id: r.host_id,
            folder_device: r.folder_device,
            folder_number: number_of(&r.folder_number),
            incarnation: r.incarnation,
            seen_ns: r.seen_ns,
            claims_due: r.claims_due,
        }
    }
}

impl From<Anchor> for AnchorRecord {
    fn from(a: Anchor) -> AnchorRecord {
        AnchorRecord { at: a.at.0, hash: a.hash }
    }
}

impl From<AnchorRecord> for Anchor {
    fn from(r: AnchorRecord) -> Anchor {
        Anchor { at: Offset(r.at), hash: r.hash }
    }
}

fn input_record(stream: StreamId, i: &InputAt) -> InputRecord {
    let mut record = InputRecord { stream: stream.0, at: i.at.0, ..InputRecord::default() };
    match &i.input {
        Input::Cut => {}
        Input::Zone(zone) => {
            record.zone.clone_from(&zone.name);
            record.zone_source = zone.source as u32;
        }
        Input::FileTime(time) => record.file_time_ns = Some(time.0),
        Input::Formats(formats) => record.formats = Some(formats.encode()),
    }
    record
}

fn input_of(record: &InputRecord) -> InputAt {
    let input = match (record.file_time_ns, &record.formats) {
        (Some(ns), _) => Input::FileTime(TimeNs(ns)),
        (None, Some(bytes)) => Input::Formats(Formats::decode(bytes).unwrap_or_default()),
        (None, None) => Input::Zone(Zone { name: record.zone.clone(), source: zone_source(record.zone_source) }),
    };
    InputAt { at: Offset(record.at), input }
}

fn zone_source(number: u32) -> ZoneSource {
    u8::try_from(number).ok().and_then(ZoneSource::from_number).unwrap_or(ZoneSource::Host)
}

fn loss_record(stream: StreamId, loss: &Loss) -> LossRecord {
    LossRecord { stream: stream.0, from: loss.from.0, to: loss.to.map(|t| t.0), reason: loss.reason.clone() }
}

fn loss_of(record: LossRecord) -> Loss {
    Loss { from: Offset(record.from), to: record.to.map(Offset), reason: record.reason }
}

impl From<&MarkStep> for MarkRecord {
    fn from(m: &MarkStep) -> MarkRecord {
        MarkRecord {
            stream: m.stream.0,
            mark: m.mark.0,
            context: m.context.clone(),
            anchor: m.anchor.map(AnchorRecord::from),
            last_event: m.last_event.map(|l| LastEventRecord { offset: l.offset.0, head_hash: l.head_hash }),
            ledger: Some(LedgerRecord {
                events: m.ledger.events,
                bytes: m.ledger.bytes,
                hash: m.ledger.hash.0.to_le_bytes().to_vec(),
                lost_bytes: m.other.lost,
                whole: m.ledger_whole,
                excluded_bytes: m.other.excluded,
                dead_bytes: m.other.dead,
            }),
            size_seen: m.size_seen,
            modified_ns: m.modified_ns,
        }
    }
}

impl From<MarkRecord> for MarkStep {
    fn from(r: MarkRecord) -> MarkStep {
        let ledger = r.ledger.unwrap_or_default();
        MarkStep {
            stream: StreamId(r.stream),
            mark: Offset(r.mark),
            context: r.context,
            anchor: r.anchor.map(Anchor::from),
            last_event: r.last_event.map(|l| LastEvent { offset: Offset(l.offset), head_hash: l.head_hash }),
            ledger: LedgerSum { events: ledger.events, bytes: ledger.bytes, hash: LedgerHash(number_of(&ledger.hash)) },
            ledger_whole: ledger.whole,
            other: OtherBytes { dead: ledger.dead_bytes, excluded: ledger.excluded_bytes, lost: ledger.lost_bytes },
            size_seen: r.size_seen,
            modified_ns: r.modified_ns,
        }
    }
}

impl Kept {
    /// The mark with what goes with it.
    pub(crate) fn mark_step(&self) -> MarkStep {
        MarkStep {
            stream: self.id,
            mark: self.mark,
            context: self.context.clone(),
            anchor: self.anchors.at(self.mark),
            last_event: self.last_event,
            ledger: self.ledger,
            ledger_whole: self.ledger_whole,
            other: self.other,
            size_seen: self.size_seen,
            modified_ns: self.modified_ns,
        }
    }
}

impl From<&Kept> for StreamRecord {
    fn from(k: &Kept) -> StreamRecord {
        StreamRecord {
            id: k.id.0,
            first_path: k.first_path.to_string_lossy().into_owned(),
            path: k.path.to_string_lossy().into_owned(),
            name: k.name.clone(),
            device: k.file.device,
            number: k.file.number.to_le_bytes().to_vec(),
            born_ns: k.born_ns,
            generation: k.generation,
            head_len: k.head.len,
            head_hash: k.head.hash,
            predecessor: k.predecessor.map(|p| p.0),
            base: k.base.0,
            base_context: k.base_context.clone(),
            mark: Some(MarkRecord::from(&k.mark_step())),
            anchors: k.anchors.list().iter().map(|&a| a.into()).collect(),
            phase: k.phase as u32,
            repeated_until: k.repeated_until.0,
            backfill: k.backfill,
            cuts: k.cuts.iter().map(|c| c.0).collect(),
            inputs: k.inputs.iter().map(|i| input_record(k.id, i)).collect(),
            losses: k.losses.iter().map(|l| loss_record(k.id, l)).collect(),
            start_len: k.start.len,
            start_hash: k.start.hash,
            line_hash: k.line_hash,
            packed_file_bytes: k.packed.map(|p| p.file_bytes),
            packed_bytes: k.packed.map_or(0, |p| p.bytes),
            copy_ends: k.copy_ends,
            end_unknown: k.end_unknown,
            left_out_to: k.left_out.as_ref().map(|left_out| left_out.to.0),
            left_out_by: k.left_out.as_ref().map_or_else(String::new, |left_out| left_out.rule.clone()),
        }
    }
}

impl From<StreamRecord> for Kept {
    fn from(r: StreamRecord) -> Kept {
        let step = MarkStep::from(r.mark.unwrap_or_default());
        let same = r.path == r.first_path;
        let first_path: Arc<Path> = PathBuf::from(r.first_path).into();
        Kept {
            id: StreamId(r.id),
            path: if same { Arc::clone(&first_path) } else { PathBuf::from(r.path).into() },
            first_path,
            name: r.name,
            file: FileId { device: r.device, number: number_of(&r.number) },
            born_ns: r.born_ns,
            generation: r.generation,
            head: Head { len: r.head_len, hash: r.head_hash },
            start: Head { len: r.start_len, hash: r.start_hash },
            line_hash: r.line_hash,
            packed: r.packed_file_bytes.map(|file_bytes| Packed { file_bytes, bytes: r.packed_bytes }),
            copy_ends: r.copy_ends,
            end_unknown: r.end_unknown,
            left_out: r.left_out_to.map(|to| Box::new(LeftOut { to: Offset(to), rule: r.left_out_by })),
            predecessor: r.predecessor.map(StreamId),
            base: Offset(r.base),
            base_context: r.base_context,
            mark: step.mark,
            context: step.context,
            anchors: Anchors::from_list(r.anchors.into_iter().map(Anchor::from).collect()),
            last_event: step.last_event,
            size_seen: step.size_seen,
            modified_ns: step.modified_ns,
            phase: match r.phase {
                1 => Phase::Ended,
                2 => Phase::Detached,
                3 => Phase::Gone,
                _ => Phase::Following,
            },
            repeated_until: Offset(r.repeated_until),
            backfill: r.backfill,
            cuts: r.cuts.into_iter().map(Offset).collect(),
            inputs: r.inputs.iter().map(input_of).collect(),
            losses: r.losses.into_iter().map(loss_of).collect(),
            ledger: step.ledger,
            ledger_whole: step.ledger_whole,
            other: step.other,
        }
    }
}

impl Entry {
    /// Its bytes in a state file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let place = |stream: StreamId, at: Offset| PlaceRecord { stream: stream.0, at: at.0 };
        let kind = match self {
            Entry::Agent(agent) => Kind::Agent(agent.into()),
            Entry::Stream(kept) => Kind::Stream(Box::new((&**kept).into())),
            Entry::Mark(step) => Kind::Mark(step.into()),
            Entry::Cut(stream, at) => Kind::Cut(place(*stream, *at)),
            Entry::Input(stream, input) => Kind::Input(input_record(*stream, input)),
            Entry::Loss(stream, loss) => Kind::Loss(loss_record(*stream, loss)),
            Entry::Forget(stream) => Kind::Forget(place(*stream, Offset(0))),
        };
        Record { kind: Some(kind) }.encode_to_vec()
    }

    /// What [`Entry::encode`] wrote; `None` for a kind of record that is not known.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Entry> {
        Some(match Record::decode(bytes).ok()?.kind? {
            Kind::Agent(record) => Entry::Agent(record.into()),
            Kind::Stream(record) => Entry::Stream(Box::new((*record).into())),
            Kind::Mark(record) => Entry::Mark(record.into()),
            Kind::Cut(place) => Entry::Cut(StreamId(place.stream), Offset(place.at)),
            Kind::Input(record) => Entry::Input(StreamId(record.stream), input_of(&record)),
            Kind::Loss(record) => Entry::Loss(StreamId(record.stream), loss_of(record)),
            Kind::Forget(place) => Entry::Forget(StreamId(place.stream)),
        })
    }
}
