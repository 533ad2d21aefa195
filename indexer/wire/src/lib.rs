//! What shipper and indexer say to each other: messages, verdicts, and their encoding.
//!
//! The types here are the working types of both cores; [`encode_request`] and its kin turn them into the
//! bytes of `POST /v1/batches`. In one process (`up`) they are handed over as they are. What a shipper makes is a
//! [`Draft`]: the same, with the events' parse written already.

mod codec;
mod draft;
mod ids;
mod ledger;
mod message;
mod proto;
mod table;
mod walk;

pub use codec::{DecodeError, Limits, decode_answer, decode_request, encode_answer, encode_draft, encode_request};
pub use draft::{Draft, Drafted, DraftedRange, Parses};
pub use ids::{AgentId, Anchor, Epoch, EventId, NotAnEventId, StreamId, head_hash};
pub use ledger::{LedgerHash, LedgerSum};
pub use message::{
    Answer, Books, Claim, Claimable, ContinuesFrom, Covered, EventBody, EventsPayload, Factors, Fate, FateKind,
    FateSpan, Hello, HelloAnswer, LedgerRow, MarkState, Message, Open, OtherBytes, Provisional, Range, RangeProof,
    Ranges, Refusal, Replay, Request, StreamRange, Verdict,
};
pub use parsers::Offset;

/// Version of the wire this code speaks. It also accepts the one before.
pub const WIRE_VERSION: u32 = 1;
