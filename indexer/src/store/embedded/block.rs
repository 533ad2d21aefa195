//! Blocks of events: a few hundred events, newest first, compressed together.
//!
//! ```text
//! block      crc32 of the rest 4 | zstd frame
//! inside     events | length of each list and then the list, of: shapes, numbers, gaps, lengths, ints, literals, text lengths | texts
//! ```
//!
//! Each list holds what its name says of all events in turn ([`varint`]), so that alike stands beside alike:
//! - shapes: number of its [`Shape`]
//! - numbers: time of receipt as a difference, then what the shape leaves open ([`Shape::number_count`])
//! - gaps, lengths: of each span, from the end of the span before it, and its length
//! - ints: values of number fields; literals: bytes of literal fields, their lengths in `lengths`
//! - texts: the bytes themselves without their UUIDs ([`uuids`]), which stand in a section of their own
//!
//! Stream, offset and time are columns and not repeated here.

use super::hasher;
use super::shape::{FieldShape, HeadHash, Shape, TimeShape, first_line, first_text};
use super::uuids;
use super::varint::{self, Reader};
use crate::event::{StoredEvent, StreamInfo};
use bytes::Bytes;
use parsers::{Field, FieldId, Offset, TimeNs, Value};
use std::collections::HashMap;
use std::sync::Arc;
use wire::{ContinuesFrom, EventBody, EventId, StreamId};

/// Events after which a block ends. Few in tests, so that small segments have several blocks.
const EVENTS: u64 = if cfg!(test) { 50 } else { 4096 };

/// How events are packed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packing {
    /// Bytes of events after which a block ends.
    bytes: usize,
    /// Of zstd.
    level: i32,
}

/// Bytes of events in a block of newest lines; what a query pays for reading one.
pub(super) const BYTES: usize = 256 << 10;
/// For newest lines: soon to be merged, and just now looked at by everybody.
pub(super) const HOT: Packing = Packing { bytes: BYTES, level: 3 };
/// For merged segments, which stay: more time for fewer bytes.
pub(super) const DENSE: Packing = Packing { bytes: 2 * BYTES, level: 6 };
/// Bytes a block may have decompressed: one event more than its packing says, escaped, and its parse.
const DECODED_MAX: usize = 64 << 20;
const LISTS: usize = 7;

/// Collects the events of one block.
#[derive(Debug, Default)]
pub(super) struct Writer {
    events: u64,
    lists: [Vec<u8>; LISTS],
    texts: Vec<u8>,
    raw_bytes: usize,
    last_ingested: i64,
}

/// Indexes into the lists.
#[derive(Clone, Copy)]
enum List {
    Shapes,
    Numbers,
    Gaps,
    Lengths,
    Ints,
    Literals,
    TextLengths,
}

/// Shapes of a segment, numbered as they come.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    numbers: HashMap<Shape, u64, hasher::Build>,
    all: Vec<Shape>,
}

impl Shapes {
    fn number(&mut self, shape: Shape) -> u64 {
        let next = self.all.len() as u64;
        *self.numbers.entry(shape).or_insert_with_key(|shape| {
            self.all.push(shape.clone());
            next
        })
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        varint::put(out, self.all.len() as u64);
        self.all.iter().for_each(|shape| shape.put(out));
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Vec<Shape>> {
        let mut reader = Reader(bytes);
        let count = reader.count()?;
        (0..count).map(|_| Shape::read(&mut reader)).collect()
    }
}

impl Writer {
    pub(super) fn is_full(&self, packing: Packing) -> bool {
        self.raw_bytes >= packing.bytes || self.events >= EVENTS
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// Adds an event; `found` gets its UUIDs and where they began.
    pub(super) fn add(&mut self, event: &StoredEvent, shapes: &mut Shapes, found: impl FnMut(usize, uuids::Uuid)) {
        let shape = Shape::of(event);
        self.put_numbers(event, &shape);
        self.put_fields(&event.body.fields);
        varint::put(&mut self.lists[List::Shapes as usize], shapes.number(shape));
        let before = self.texts.len();
        uuids::take_out(&event.raw, &mut self.texts, found);
        varint::put(&mut self.lists[List::TextLengths as usize], (self.texts.len() - before) as u64);
        self.events += 1;
        self.raw_bytes += event.raw.len();
    }

    fn put_numbers(&mut self, event: &StoredEvent, shape: &Shape) {
        let body = &event.body;
        let out = &mut self.lists[List::Numbers as usize];
        varint::put_signed(out, event.ingested.0.wrapping_sub(self.last_ingested));
        self.last_ingested = event.ingested.0;
        if !shape.plain_size {
            varint::put(out, u64::from(body.size));
            varint::put(out, u64::from(body.len));
        }
        if !shape.one_line {
            varint::put(out, u64::from(body.lines));
        }
        if shape.head_hash == HeadHash::Kept {
            varint::put(out, u64::from(body.head_hash));
        }
        if let (Some(time), Some(TimeShape { same: false, .. })) = (body.time, shape.time) {
            varint::put_signed(out, time.utc.0.wrapping_sub(event.time.0));
        }
        match body.continues {
            Some(ContinuesFrom::Event(id)) => {
                varint::put(out, id.stream.0);
                varint::put(out, id.offset.0);
                varint::put(out, u64::from(id.head_hash));
            }
            Some(ContinuesFrom::Stream(stream)) => varint::put(out, stream.0),
            Some(ContinuesFrom::Unknown) | None => {}
        }
    }

    fn put_fields(&mut self, fields: &[Field]) {
        let mut end = 0i64;
        for field in fields {
            match &field.value {
                Value::Span { start, len } => {
                    varint::put_signed(&mut self.lists[List::Gaps as usize], i64::from(*start) - end);
                    varint::put(&mut self.lists[List::Lengths as usize], u64::from(*len));
                    end = i64::from(*start) + i64::from(*len);
                }
                Value::Literal(text) => {
                    varint::put(&mut self.lists[List::Lengths as usize], text.len() as u64);
                    self.lists[List::Literals as usize].extend_from_slice(text.as_bytes());
                }
                Value::Int(number) => varint::put_signed(&mut self.lists[List::Ints as usize], *number),
            }
        }
    }

    /// The block's bytes; empties the writer.
    pub(super) fn finish(&mut self, compressor: &mut zstd::bulk::Compressor<'_>) -> std::io::Result<Vec<u8>> {
        let Writer { events, lists, texts, .. } = std::mem::take(self);
        let mut inside = Vec::with_capacity(texts.len() + lists.iter().map(Vec::len).sum::<usize>() + 64);
        varint::put(&mut inside, events);
        lists.iter().for_each(|list| varint::put_bytes(&mut inside, list));
        inside.extend_from_slice(&texts);
        let mut block = vec![0; 4];
        block.extend_from_slice(&compressor.compress(&inside)?);
        let crc = crc32fast::hash(&block[4..]);
        block[..4].copy_from_slice(&crc.to_le_bytes());
        Ok(block)
    }
}

/// The compressor all blocks of a segment are made with.
pub(super) fn compressor(packing: Packing) -> std::io::Result<zstd::bulk::Compressor<'static>> {
    zstd::bulk::Compressor::new(packing.level)
}

/// A block, decompressed. Numbers are decoded, events are made one by one when asked for.
#[derive(Debug)]
pub(super) struct Block {
    inside: Vec<u8>,
    texts_at: usize,
    literals_at: usize,
    numbers: Vec<u64>,
    gaps: Vec<u64>,
    lengths: Vec<u64>,
    ints: Vec<u64>,
    starts: Vec<Starts>,
}

/// Where an event's entries begin in each list.
#[derive(Clone, Copy, Debug, Default)]
struct Starts {
    shape: u32,
    numbers: u32,
    gaps: u32,
    lengths: u32,
    ints: u32,
    literals: u32,
    text: u32,
    text_len: u32,
    ingested: i64,
}

/// What an event needs besides its block.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) info: Arc<StreamInfo>,
    pub(super) offset: Offset,
    pub(super) time: TimeNs,
    pub(super) uuids: Vec<uuids::Uuid>,
}

impl Block {
    /// Decompresses and reads a block; says what does not fit.
    pub(super) fn open(bytes: &[u8], shapes: &[Shape]) -> Result<Block, &'static str> {
        let (crc, frame) = bytes.split_at_checked(4).ok_or("a block of events is cut off")?;
        if crc32fast::hash(frame).to_le_bytes() != *crc {
            return Err("the checksum of a block of events does not fit");
        }
        let size = zstd::zstd_safe::get_frame_content_size(frame).ok().flatten().unwrap_or(u64::MAX);
        if size > DECODED_MAX as u64 {
            return Err("a block of events is too large");
        }
        let inside =
            zstd::bulk::decompress(frame, size as usize).map_err(|_| "a block of events does not decompress")?;
        Block::read(inside, shapes).ok_or("a block of events does not make sense")
    }

    fn read(inside: Vec<u8>, shapes: &[Shape]) -> Option<Block> {
        let mut reader = Reader(&inside);
        let events = usize::try_from(reader.number()?).ok()?;
        let mut lists = [&[][..]; LISTS];
        for list in &mut lists {
            *list = reader.bytes()?;
        }
        let texts_at = inside.len() - reader.0.len();
        let literals = lists[List::Literals as usize];
        let literals_at = literals.as_ptr() as usize - inside.as_ptr() as usize;
        let all = |list: List| {
            let mut reader = Reader(lists[list as usize]);
            let mut numbers = Vec::with_capacity(lists[list as usize].len());
            while !reader.0.is_empty() {
                numbers.push(reader.number()?);
            }
            Some(numbers)
        };
        let (numbers, lengths) = (all(List::Numbers)?, all(List::Lengths)?);
        let starts = starts(events, &all(List::Shapes)?, &numbers, &lengths, &all(List::TextLengths)?, shapes)?;
        let (gaps, ints) = (all(List::Gaps)?, all(List::Ints)?);
        Some(Block { texts_at, literals_at, numbers, gaps, lengths, ints, starts, inside })
    }

    /// Bytes it takes in memory, about.
    pub(super) fn memory(&self) -> usize {
        let numbers = self.numbers.len() + self.gaps.len() + self.lengths.len() + self.ints.len();
        self.inside.len() + numbers * 8 + self.starts.len() * size_of::<Starts>()
    }

    /// The `index`-th event.
    pub(super) fn event(&self, index: usize, beside: Beside, shapes: &[Shape]) -> Option<StoredEvent> {
        let starts = self.starts.get(index)?;
        let shape = shapes.get(starts.shape as usize)?;
        let text = self.inside.get(self.texts_at + starts.text as usize..)?.get(..starts.text_len as usize)?;
        let mut raw = Vec::with_capacity(text.len() + beside.uuids.len() * uuids::TEXT);
        uuids::put_back(text, beside.uuids.into_iter(), &mut raw)?;
        let Beside { info, offset, time, .. } = beside;
        let mut numbers = self.numbers.get(starts.numbers as usize + 1..)?.iter().copied();
        let mut number = || numbers.next();
        let raw_len = u32::try_from(raw.len()).ok()?;
        let (size, len) = if shape.plain_size { (raw_len, raw_len) } else { (number()? as u32, number()? as u32) };
        let lines = if shape.one_line { 1 } else { number()? as u32 };
        let head_hash = match shape.head_hash {
            HeadHash::Kept => number()? as u32,
            HeadHash::OfLine => wire::head_hash(info.stream, first_line(&raw)),
            HeadHash::OfText => wire::head_hash(info.stream, first_text(&raw)),
        };
        let event_time = match shape.time {
            Some(found) if found.same => Some(found.time(time)),
            Some(found) => Some(found.time(TimeNs(time.0.wrapping_add(varint::unzigzag(number()?))))),
            None => None,
        };
        let continues = match shape.continues {
            1 => Some(ContinuesFrom::Event(EventId {
                stream: StreamId(number()?),
                offset: Offset(number()?),
                head_hash: number()? as u32,
            })),
            2 => Some(ContinuesFrom::Stream(StreamId(number()?))),
            3 => Some(ContinuesFrom::Unknown),
            _ => None,
        };
        let fields = self.fields(starts, shape)?;
        let body = EventBody {
            offset,
            size,
            len,
            lines,
            head_hash,
            family: shape.family(),
            dataset: shape.dataset(),
            level: shape.level(),
            time: event_time,
            flags: shape.flags(),
            continues,
            fields,
        };
        Some(StoredEvent { info, body, raw: Bytes::from(raw), time, ingested: TimeNs(starts.ingested) })
    }

    fn fields(&self, starts: &Starts, shape: &Shape) -> Option<Vec<Field>> {
        let mut gaps = self.gaps.get(starts.gaps as usize..)?.iter();
        let mut lengths = self.lengths.get(starts.lengths as usize..)?.iter();
        let mut ints = self.ints.get(starts.ints as usize..)?.iter();
        let mut literal = self.literals_at + starts.literals as usize;
        let mut end = 0i64;
        let fields = shape.fields.iter().map(|&(id, kind)| {
            let value = match kind {
                FieldShape::Span => {
                    let start = end.wrapping_add(varint::unzigzag(*gaps.next()?));
                    let len = *lengths.next()?;
                    end = start.wrapping_add(len as i64);
                    Value::Span { start: start as u32, len: len as u32 }
                }
                FieldShape::Literal => {
                    let bytes = self.inside.get(literal..)?.get(..*lengths.next()? as usize)?;
                    literal += bytes.len();
                    Value::Literal(std::str::from_utf8(bytes).ok()?.into())
                }
                FieldShape::Int => Value::Int(varint::unzigzag(*ints.next()?)),
            };
            Some(Field { id: FieldId(id), value })
        });
        fields.collect()
    }
}

/// Walks all events once to find where each begins.
fn starts(
    events: usize,
    shape_numbers: &[u64],
    numbers: &[u64],
    lengths: &[u64],
    text_lengths: &[u64],
    shapes: &[Shape],
) -> Option<Vec<Starts>> {
    if shape_numbers.len() != events || text_lengths.len() != events {
        return None;
    }
    let mut next = Starts::default();
    let mut all = Vec::with_capacity(events);
    for (&shape_number, &text_len) in shape_numbers.iter().zip(text_lengths) {
        let shape = shapes.get(usize::try_from(shape_number).ok()?)?;
        next.shape = shape_number as u32;
        next.text_len = u32::try_from(text_len).ok()?;
        next.ingested = next.ingested.wrapping_add(varint::unzigzag(*numbers.get(next.numbers as usize)?));
        all.push(next);
        next.text = next.text.checked_add(next.text_len)?;
        next.numbers += shape.number_count();
        for (_, kind) in &shape.fields {
            match kind {
                FieldShape::Span => {
                    next.gaps += 1;
                    next.lengths += 1;
                }
                FieldShape::Literal => {
                    let len = *lengths.get(next.lengths as usize)?;
                    next.literals = next.literals.checked_add(u32::try_from(len).ok()?)?;
                    next.lengths += 1;
                }
                FieldShape::Int => next.ints += 1,
            }
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shapes() -> Vec<Shape> {
        let shape = Shape {
            family: 3,
            dataset: 1,
            level: 3,
            flags: 0,
            time: None,
            continues: 1,
            head_hash: HeadHash::Kept,
            plain_size: false,
            one_line: false,
            fields: vec![(1, FieldShape::Span), (2, FieldShape::Literal), (3, FieldShape::Int)],
        };
        vec![shape.clone(), Shape { continues: 0, fields: Vec::new(), ..shape }]
    }

    proptest! {
        #[test]
        fn any_bytes_inside_never_panic(events in 0u64..6, lists in prop::collection::vec(prop::collection::vec(0u8..20, 0..40), 7), texts: Vec<u8>) {
            let mut inside = Vec::new();
            varint::put(&mut inside, events);
            lists.iter().for_each(|list| varint::put_bytes(&mut inside, list));
            inside.extend_from_slice(&texts);
            if let Some(block) = Block::read(inside, &shapes()) {
                for index in 0..7 {
                    let info = Arc::new(StreamInfo {
                        stream: StreamId(1),
                        agent: wire::AgentId::default(),
                        host_id: String::new(),
                        host_name: String::new(),
                        factors: wire::Factors::default(),
                    });
                    block.event(index, Beside { info, offset: Offset(1), time: TimeNs(1), uuids: vec![[1; 16]] }, &shapes());
                }
            }
        }

        #[test]
        fn any_bytes_never_panic(bytes: Vec<u8>) {
            prop_assert!(Block::open(&bytes, &shapes()).is_err());
        }
    }
}
