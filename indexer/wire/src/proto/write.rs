//! Requests straight into protobuf's bytes.
//!
//! What prost makes of [`super::to`]'s structures is the same, byte for byte (a property test), but it takes copies of
//! all events first. Ranges of events are nearly all that is ever sent, so these are written by hand; everything else
//! goes the long way.

use super::MessageKind;
use crate::draft::{Draft, Drafted, DraftedRange};
use crate::{Fate, StreamId, proto};
use bytes::Bytes;
use prost::Message as _;
use prost::encoding::{encode_varint, encoded_len_varint};

/// `bytes` and all kinds of messages.
const LENGTH_DELIMITED: u8 = 2;

const fn key(tag: u8, kind: u8) -> u8 {
    tag << 3 | kind
}

/// Bytes of a key, a size and what follows.
fn delimited_len(len: usize) -> usize {
    1 + encoded_len_varint(len as u64) + len
}

fn begin(tag: u8, len: usize, out: &mut Vec<u8>) {
    out.push(key(tag, LENGTH_DELIMITED));
    encode_varint(len as u64, out);
}

fn delimited(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    begin(tag, bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// Appends a request.
pub(crate) fn request(draft: &Draft, out: &mut Vec<u8>) {
    let rest = proto::Request {
        agent: Bytes::copy_from_slice(&draft.agent.0),
        incarnation: draft.epoch.incarnation,
        epoch: draft.epoch.number,
        messages: Vec::new(),
    };
    out.extend_from_slice(&rest.encode_to_vec());
    for message in &draft.messages {
        match message {
            Drafted::Ranges { stream, ranges } => put_ranges(*stream, ranges, out),
            Drafted::Message(message) => {
                let message = proto::Message { kind: Some(MessageKind::from(message)) };
                delimited(4, &message.encode_to_vec(), out);
            }
        }
    }
}

/// A range whose size is known.
struct Sized<'r> {
    /// In protobuf, all but events.
    rest: Vec<u8>,
    /// Bytes of the events, and their parse.
    events: Option<(&'r [u8], &'r [u8])>,
}

impl<'r> Sized<'r> {
    fn of(drafted: &'r DraftedRange, stream: StreamId) -> Sized<'r> {
        let range = &drafted.range;
        let Fate::Events(payload) = &range.fate else {
            return Sized { rest: proto::Range::of(range, stream).encode_to_vec(), events: None };
        };
        let rest = proto::Range {
            from: range.from.0,
            to: range.to.map(|to| to.0),
            context: range.context.clone(),
            anchors: range.anchors.iter().map(Into::into).collect(),
            fate: None,
        };
        Sized { rest: rest.encode_to_vec(), events: Some((&payload.bytes, &drafted.parse)) }
    }

    fn len(&self) -> usize {
        self.rest.len() + self.events.map_or(0, |(bytes, parse)| delimited_len(payload_len(bytes, parse)))
    }
}

fn payload_len(bytes: &[u8], parse: &[u8]) -> usize {
    [bytes, parse].iter().filter(|part| !part.is_empty()).map(|part| delimited_len(part.len())).sum()
}

fn put_ranges(stream: StreamId, ranges: &[DraftedRange], out: &mut Vec<u8>) {
    let sized: Vec<Sized<'_>> = ranges.iter().map(|range| Sized::of(range, stream)).collect();
    let stream = proto::Ranges { stream: stream.0, ranges: Vec::new() }.encode_to_vec();
    let len = stream.len() + sized.iter().map(|range| delimited_len(range.len())).sum::<usize>();
    out.reserve(2 * 11 + len);
    begin(4, delimited_len(len), out);
    begin(3, len, out);
    out.extend_from_slice(&stream);
    for range in &sized {
        begin(2, range.len(), out);
        out.extend_from_slice(&range.rest);
        if let Some((bytes, parse)) = range.events {
            begin(5, payload_len(bytes, parse), out);
            for (tag, part) in [(1, bytes), (3, parse)].into_iter().filter(|(_, part)| !part.is_empty()) {
                delimited(tag, part, out);
            }
        }
    }
}
