//! The protobuf form of messages. Tags are never reused. Conversions stand in [`to`] and [`from`]; [`mod@write`]
//! does without.

mod from;
mod to;
mod write;

pub(crate) use from::{level_from, time_source_from, zone_source_from};
pub(crate) use write::request as write_request;

use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Request {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) agent: Bytes,
    #[prost(fixed64, tag = "2")]
    pub(crate) incarnation: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) epoch: u64,
    #[prost(message, repeated, tag = "4")]
    pub(crate) messages: Vec<Message>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Message {
    #[prost(oneof = "MessageKind", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9")]
    pub(crate) kind: Option<MessageKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum MessageKind {
    #[prost(message, tag = "1")]
    Hello(Hello),
    #[prost(message, tag = "2")]
    Open(Open),
    #[prost(message, tag = "3")]
    Ranges(Ranges),
    #[prost(message, tag = "4")]
    Provisional(Provisional),
    #[prost(fixed64, tag = "5")]
    Gone(u64),
    #[prost(message, tag = "6")]
    Replay(Replay),
    #[prost(message, tag = "7")]
    Ledger(Streams),
    #[prost(message, tag = "8")]
    Prove(StreamRanges),
    #[prost(message, tag = "9")]
    Claim(Claim),
}

/// Factors travel in the shape of an `open` without stream, base and context.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Claim {
    #[prost(message, repeated, tag = "1")]
    pub(crate) files: Vec<Open>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StreamRanges {
    #[prost(message, repeated, tag = "1")]
    pub(crate) ranges: Vec<StreamRange>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct StreamRange {
    #[prost(fixed64, tag = "1")]
    pub(crate) stream: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) from: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) to: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Streams {
    #[prost(fixed64, repeated, tag = "1")]
    pub(crate) streams: Vec<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Hello {
    #[prost(string, tag = "1")]
    pub(crate) host_id: String,
    #[prost(string, tag = "2")]
    pub(crate) host_name: String,
    #[prost(string, tag = "3")]
    pub(crate) version: String,
    #[prost(sfixed64, tag = "4")]
    pub(crate) clock_ns: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Label {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Open {
    #[prost(fixed64, tag = "1")]
    pub(crate) stream: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) base: u64,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) context: Bytes,
    #[prost(string, tag = "4")]
    pub(crate) path: String,
    #[prost(string, tag = "5")]
    pub(crate) name: String,
    #[prost(uint64, tag = "6")]
    pub(crate) device: u64,
    #[prost(uint64, tag = "7")]
    pub(crate) number_low: u64,
    #[prost(uint64, tag = "8")]
    pub(crate) number_high: u64,
    #[prost(sfixed64, optional, tag = "9")]
    pub(crate) born_ns: Option<i64>,
    #[prost(uint32, tag = "10")]
    pub(crate) head_len: u32,
    #[prost(fixed64, tag = "11")]
    pub(crate) head_hash: u64,
    #[prost(fixed64, optional, tag = "12")]
    pub(crate) predecessor: Option<u64>,
    #[prost(string, optional, tag = "13")]
    pub(crate) product: Option<String>,
    #[prost(string, optional, tag = "14")]
    pub(crate) service: Option<String>,
    #[prost(message, repeated, tag = "15")]
    pub(crate) labels: Vec<Label>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Ranges {
    #[prost(fixed64, tag = "1")]
    pub(crate) stream: u64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) ranges: Vec<Range>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Range {
    #[prost(uint64, tag = "1")]
    pub(crate) from: u64,
    #[prost(uint64, optional, tag = "2")]
    pub(crate) to: Option<u64>,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) context: Bytes,
    #[prost(message, repeated, tag = "4")]
    pub(crate) anchors: Vec<Anchor>,
    #[prost(oneof = "FateValue", tags = "5, 6, 7, 8")]
    pub(crate) fate: Option<FateValue>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum FateValue {
    #[prost(message, tag = "5")]
    Events(Payload),
    #[prost(string, tag = "6")]
    Dead(String),
    #[prost(string, tag = "7")]
    Excluded(String),
    #[prost(string, tag = "8")]
    Lost(String),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Anchor {
    #[prost(uint64, tag = "1")]
    pub(crate) at: u64,
    #[prost(fixed64, tag = "2")]
    pub(crate) hash: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Payload {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) bytes: Bytes,
    /// Their parse: [`crate::table`]. Tag 2 had it in messages.
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) parse: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Event {
    #[prost(uint64, tag = "1")]
    pub(crate) offset: u64,
    #[prost(uint32, tag = "2")]
    pub(crate) size: u32,
    /// Bytes in the payload, when not `size`.
    #[prost(uint32, optional, tag = "3")]
    pub(crate) len: Option<u32>,
    #[prost(uint32, tag = "4")]
    pub(crate) lines: u32,
    #[prost(fixed32, tag = "5")]
    pub(crate) head_hash: u32,
    /// family | dataset << 8 | level << 16
    #[prost(uint32, tag = "6")]
    pub(crate) kind: u32,
    #[prost(sfixed64, optional, tag = "7")]
    pub(crate) time_ns: Option<i64>,
    /// offset in minutes (biased by 2^15) | time source << 16 | zone source << 24
    #[prost(uint32, tag = "8")]
    pub(crate) time_facts: u32,
    #[prost(uint32, tag = "9")]
    pub(crate) flags: u32,
    #[prost(message, optional, tag = "10")]
    pub(crate) continues: Option<Continues>,
    /// Field number, start, length of each span.
    #[prost(uint32, repeated, tag = "11")]
    pub(crate) spans: Vec<u32>,
    #[prost(message, repeated, tag = "12")]
    pub(crate) literals: Vec<Literal>,
    /// Field number and value, each in zigzag.
    #[prost(sint64, repeated, tag = "13")]
    pub(crate) numbers: Vec<i64>,
    /// Kinds of the fields in their order, when not all spans first, then literals, then numbers: 0, 1, 2.
    #[prost(bytes = "vec", tag = "14")]
    pub(crate) order: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Literal {
    #[prost(uint32, tag = "1")]
    pub(crate) field: u32,
    #[prost(string, tag = "2")]
    pub(crate) text: String,
}

/// Neither set: unknown. `event` (stream, offset, head hash) or `stream`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Continues {
    #[prost(message, optional, tag = "1")]
    pub(crate) event: Option<EventId>,
    #[prost(fixed64, optional, tag = "2")]
    pub(crate) stream: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct EventId {
    #[prost(fixed64, tag = "1")]
    pub(crate) stream: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) offset: u64,
    #[prost(fixed32, tag = "3")]
    pub(crate) head_hash: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Provisional {
    #[prost(fixed64, tag = "1")]
    pub(crate) stream: u64,
    #[prost(message, optional, tag = "2")]
    pub(crate) event: Option<Event>,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) bytes: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Replay {
    #[prost(fixed64, tag = "1")]
    pub(crate) stream: u64,
    #[prost(message, optional, tag = "2")]
    pub(crate) payload: Option<Payload>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Answer {
    #[prost(fixed64, tag = "1")]
    pub(crate) incarnation: u64,
    #[prost(fixed64, tag = "2")]
    pub(crate) boot: u64,
    #[prost(message, repeated, tag = "3")]
    pub(crate) verdicts: Vec<Verdict>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Verdict {
    #[prost(oneof = "VerdictKind", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16")]
    pub(crate) kind: Option<VerdictKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum VerdictKind {
    #[prost(message, tag = "1")]
    Hello(HelloAnswer),
    #[prost(message, tag = "2")]
    Open(MarkState),
    #[prost(message, tag = "3")]
    Ranges(RangesAnswer),
    #[prost(bool, tag = "4")]
    Provisional(bool),
    #[prost(bool, tag = "5")]
    Gone(bool),
    #[prost(uint64, tag = "6")]
    Replay(u64),
    #[prost(message, tag = "7")]
    Ledger(Ledger),
    #[prost(bool, tag = "8")]
    Fenced(bool),
    #[prost(bool, tag = "9")]
    NotOpen(bool),
    #[prost(message, tag = "10")]
    Gap(MarkState),
    #[prost(message, tag = "11")]
    Straddles(MarkState),
    #[prost(uint64, tag = "12")]
    TooLarge(u64),
    #[prost(message, tag = "13")]
    Rejected(Rejected),
    #[prost(message, tag = "14")]
    Busy(Busy),
    #[prost(message, tag = "15")]
    Proof(Proof),
    #[prost(message, tag = "16")]
    Claim(Claimables),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Claimables {
    #[prost(message, repeated, tag = "1")]
    pub(crate) streams: Vec<Claimable>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Claimable {
    #[prost(message, optional, tag = "1")]
    pub(crate) open: Option<Open>,
    #[prost(message, optional, tag = "2")]
    pub(crate) state: Option<MarkState>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Proof {
    #[prost(message, repeated, tag = "1")]
    pub(crate) ranges: Vec<RangeProof>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RangeProof {
    #[prost(message, optional, tag = "1")]
    pub(crate) range: Option<StreamRange>,
    #[prost(message, optional, tag = "2")]
    pub(crate) found: Option<Sum>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) other: Vec<FateSpan>,
    #[prost(uint64, tag = "4")]
    pub(crate) absent: u64,
    #[prost(uint64, tag = "5")]
    pub(crate) doubled: u64,
    #[prost(string, optional, tag = "6")]
    pub(crate) damage: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct HelloAnswer {
    #[prost(fixed64, tag = "1")]
    pub(crate) incarnation: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) epoch: u64,
    #[prost(sfixed64, optional, tag = "3")]
    pub(crate) oldest_ns: Option<i64>,
    #[prost(uint64, tag = "4")]
    pub(crate) request_bytes_max: u64,
    #[prost(uint64, tag = "5")]
    pub(crate) host_streams: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MarkState {
    #[prost(uint64, tag = "1")]
    pub(crate) mark: u64,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) context: Bytes,
    #[prost(message, repeated, tag = "3")]
    pub(crate) anchors: Vec<Anchor>,
    #[prost(message, optional, tag = "4")]
    pub(crate) last_event: Option<EventId>,
    #[prost(bool, tag = "5")]
    pub(crate) closed: bool,
    #[prost(message, optional, tag = "6")]
    pub(crate) books: Option<Books>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Books {
    #[prost(message, optional, tag = "1")]
    pub(crate) taken: Option<Sum>,
    #[prost(uint64, tag = "2")]
    pub(crate) dead: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) excluded: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) lost: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RangesAnswer {
    #[prost(uint64, tag = "1")]
    pub(crate) mark: u64,
    #[prost(message, optional, tag = "2")]
    pub(crate) covered: Option<Covered>,
    #[prost(uint64, tag = "3")]
    pub(crate) expired: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Covered {
    #[prost(uint64, tag = "1")]
    pub(crate) to: u64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) fates: Vec<FateSpan>,
    #[prost(message, optional, tag = "3")]
    pub(crate) sum: Option<Sum>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct FateSpan {
    #[prost(uint64, tag = "1")]
    pub(crate) from: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) to: u64,
    #[prost(uint32, tag = "3")]
    pub(crate) fate: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Sum {
    #[prost(uint64, tag = "1")]
    pub(crate) events: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) bytes: u64,
    #[prost(fixed64, tag = "3")]
    pub(crate) hash_low: u64,
    #[prost(fixed64, tag = "4")]
    pub(crate) hash_high: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Ledger {
    #[prost(message, repeated, tag = "1")]
    pub(crate) rows: Vec<LedgerRow>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct LedgerRow {
    #[prost(fixed64, tag = "1")]
    pub(crate) stream: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) mark: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) base: u64,
    #[prost(message, optional, tag = "4")]
    pub(crate) taken: Option<Sum>,
    #[prost(message, optional, tag = "5")]
    pub(crate) held: Option<Sum>,
    #[prost(message, optional, tag = "6")]
    pub(crate) removed: Option<Sum>,
    #[prost(message, repeated, tag = "7")]
    pub(crate) other: Vec<FateSpan>,
    #[prost(fixed64, tag = "8")]
    pub(crate) hash_low: u64,
    #[prost(fixed64, tag = "9")]
    pub(crate) hash_high: u64,
    #[prost(uint64, tag = "10")]
    pub(crate) folded_excluded: u64,
    #[prost(uint64, tag = "11")]
    pub(crate) folded_lost: u64,
    #[prost(uint64, tag = "12")]
    pub(crate) folded_to: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Rejected {
    #[prost(uint64, tag = "1")]
    pub(crate) offset: u64,
    #[prost(string, tag = "2")]
    pub(crate) reason: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Busy {
    #[prost(uint64, tag = "1")]
    pub(crate) retry_after_ms: u64,
    #[prost(string, tag = "2")]
    pub(crate) reason: String,
    #[prost(bool, tag = "3")]
    pub(crate) disk_full: bool,
}
