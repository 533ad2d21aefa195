//! Events and requests straight into protobuf's bytes.
//!
//! What prost makes of [`super::to`]'s structures is the same, byte for byte (a property test), but it takes a copy of
//! every event first and then counts each one's size once for every level it is nested in. Ranges of events are nearly
//! all that is ever sent, so these are written by hand; everything else goes the long way.

use super::{Event, MessageKind};
use crate::draft::{Draft, Drafted, DraftedRange};
use crate::{EventBody, Fate, StreamId, proto};
use bytes::Bytes;
use parsers::{Field, Value};
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

/// Writes events, in room that is used again from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    event: Vec<u8>,
    spans: Vec<u8>,
    literals: Vec<u8>,
    numbers: Vec<u8>,
    kinds: Vec<u8>,
}

impl Writer {
    /// Appends an event of a payload: `facts` with these fields instead of its own.
    pub(crate) fn event(&mut self, facts: &EventBody, fields: &[Field], out: &mut Vec<u8>) {
        for room in [&mut self.event, &mut self.spans, &mut self.literals, &mut self.numbers, &mut self.kinds] {
            room.clear();
        }
        // Without lists it takes no memory of its own.
        Event::facts_of(facts).encode(&mut self.event).expect("a vector grows");
        for field in fields {
            let id = u64::from(field.id.0);
            match &field.value {
                Value::Span { start, len } => {
                    self.kinds.push(0);
                    varints([id, u64::from(*start), u64::from(*len)], &mut self.spans);
                }
                Value::Literal(text) => {
                    self.kinds.push(1);
                    literal(id, text, &mut self.literals);
                }
                Value::Int(value) => {
                    self.kinds.push(2);
                    varints([id << 1, zigzag(*value)], &mut self.numbers);
                }
            }
        }
        if !self.spans.is_empty() {
            delimited(11, &self.spans, &mut self.event);
        }
        self.event.extend_from_slice(&self.literals);
        if !self.numbers.is_empty() {
            delimited(13, &self.numbers, &mut self.event);
        }
        if !self.kinds.is_sorted() {
            delimited(14, &self.kinds, &mut self.event);
        }
        delimited(2, &self.event, out);
    }
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

/// Varints one after the other, by way of an array: most have one byte, and asking a vector for room for each is dear.
fn varints<const N: usize>(values: [u64; N], out: &mut Vec<u8>) {
    let mut bytes = [0u8; 30];
    let mut len = 0;
    for mut value in values {
        while value >= 0x80 {
            bytes[len] = value as u8 | 0x80;
            len += 1;
            value >>= 7;
        }
        bytes[len] = value as u8;
        len += 1;
    }
    out.extend_from_slice(&bytes[..len]);
}

fn literal(field: u64, text: &str, out: &mut Vec<u8>) {
    let number = if field == 0 { 0 } else { 1 + encoded_len_varint(field) };
    let inside = if text.is_empty() { 0 } else { delimited_len(text.len()) };
    begin(12, number + inside, out);
    if field != 0 {
        varints([u64::from(key(1, 0)), field], out);
    }
    if !text.is_empty() {
        delimited(2, text.as_bytes(), out);
    }
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
    fn of(drafted: &'r DraftedRange) -> Sized<'r> {
        let range = &drafted.range;
        let Fate::Events(payload) = &range.fate else {
            return Sized { rest: proto::Range::from(range).encode_to_vec(), events: None };
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
    parse.len() + if bytes.is_empty() { 0 } else { delimited_len(bytes.len()) }
}

fn put_ranges(stream: StreamId, ranges: &[DraftedRange], out: &mut Vec<u8>) {
    let sized: Vec<Sized<'_>> = ranges.iter().map(Sized::of).collect();
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
            if !bytes.is_empty() {
                delimited(1, bytes, out);
            }
            out.extend_from_slice(parse);
        }
    }
}
