//! The parse of a payload's events in few bytes: what shipping costs is for a good part what there is to compress.
//!
//! One row an event. What is alike in most events of a file (family, level, zone, which fields there are, the gaps
//! between their spans) is its *shape*: written out where it comes first, and named by a number from then on. What can
//! be known from the event before it, or from the event's bytes, is left out: its offset, most of its time, and the
//! hash of its first line.
//!
//! Row: number of its shape (0: a new one follows), size, lines, then what the shape says of: bytes in the payload,
//! offset (from where the event before ends), hash (4 bytes), time (from the event before), what it goes on from; then
//! of each field what its code asks for. Shape: family, dataset, level, bits, facts of the time, flags, number of
//! fields, and for each `field number << 6 | code`. Numbers are LEB128; those with a sign in zigzag.
//!
//! It does not outlive a request: it is neither stored nor read by another version than the wire's.

use crate::codec::DecodeError;
use crate::proto::{level_from, time_source_from, zone_source_from};
use crate::{ContinuesFrom, EventBody, EventId, StreamId, head_hash};
use parsers::{Dataset, EventTime, Family, Field, FieldId, Flags, Level, Offset, TimeNs, Value, first_line};
use xxhash_rust::xxh3::xxh3_64;

/// Bits of a shape.
const HAS_TIME: u8 = 1;
/// The time is told in milliseconds.
const MILLIS: u8 = 1 << 1;
/// It has not the size in the payload that it has in the file.
const HAS_LEN: u8 = 1 << 2;
/// The bytes in the payload do not give the hash.
const HAS_HASH: u8 = 1 << 3;
/// It does not begin where the one before ends.
const HAS_OFFSET: u8 = 1 << 4;
/// What it goes on from: 0 nothing, 1 an event, 2 a stream, 3 unknown.
const CONTINUES: u32 = 5;

/// Codes of fields. Below these: a span so many bytes behind the one before.
const SPAN: u64 = 61;
const LITERAL: u64 = 62;
const INT: u64 = 63;
const CODE_BITS: u32 = 6;

/// Shapes that a writer finds again.
const SLOTS: usize = 256;
const NS_PER_MS: i64 = 1_000_000;

/// Bytes of structures that a byte of request may become: a line end alone has four, its structure some 100.
const MEMORY_RATIO_MAX: usize = 28;
/// Bytes of structures that any request may become.
const MEMORY_FREE: usize = 1 << 20;

/// What both sides know of the event before.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    end: u64,
    time: i64,
}

/// Writes tables.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    before: Before,
    shapes: Vec<u8>,
    slots: Vec<Slot>,
    count: u32,
    shape: Vec<u8>,
    values: Vec<u8>,
}

/// A shape that was written: where it stands in `shapes`, and its number.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    start: u32,
    len: u32,
    number: u32,
}

impl Writer {
    /// What follows is a table of its own.
    pub(crate) fn restart(&mut self) {
        self.before = Before::default();
        self.shapes.clear();
        self.slots.clear();
        self.count = 0;
    }

    /// Appends an event: `facts` with `fields` instead of its own. `is_derived`: its hash is that of the first line of
    /// its bytes in the payload.
    pub(crate) fn event(&mut self, facts: &EventBody, fields: &[Field], is_derived: bool, out: &mut Vec<u8>) {
        let step = facts.offset.0.wrapping_sub(self.before.end).cast_signed();
        let time = facts.time.map(|time| time.utc.0);
        let millis = |ns: i64| ns % NS_PER_MS == 0;
        let mut bits = 0;
        bits |= if time.is_some() { HAS_TIME } else { 0 };
        bits |= if time.is_some_and(|ns| millis(ns) && millis(self.before.time)) { MILLIS } else { 0 };
        bits |= if facts.len != facts.size { HAS_LEN } else { 0 };
        bits |= if is_derived { 0 } else { HAS_HASH };
        bits |= if step != 0 { HAS_OFFSET } else { 0 };
        bits |= match facts.continues {
            None => 0,
            Some(ContinuesFrom::Event(_)) => 1 << CONTINUES,
            Some(ContinuesFrom::Stream(_)) => 2 << CONTINUES,
            Some(ContinuesFrom::Unknown) => 3 << CONTINUES,
        };
        self.shape.clear();
        self.values.clear();
        self.shape.extend([facts.family as u8, facts.dataset as u8, facts.level as u8, bits]);
        let values = &mut self.values;
        put(u64::from(facts.size), values);
        put(u64::from(facts.lines), values);
        if bits & HAS_LEN != 0 {
            put(u64::from(facts.len), values);
        }
        if bits & HAS_OFFSET != 0 {
            put(zigzag(step), values);
        }
        if bits & HAS_HASH != 0 {
            values.extend(facts.head_hash.to_le_bytes());
        }
        if let Some(time) = facts.time {
            self.shape.extend([time.source as u8, time.zone as u8]);
            put(zigzag(time.offset_minutes.into()), &mut self.shape);
            let step = time.utc.0.wrapping_sub(self.before.time);
            put(zigzag(if bits & MILLIS != 0 { step / NS_PER_MS } else { step }), values);
            self.before.time = time.utc.0;
        }
        match facts.continues {
            None | Some(ContinuesFrom::Unknown) => {}
            Some(ContinuesFrom::Stream(stream)) => values.extend(stream.0.to_le_bytes()),
            Some(ContinuesFrom::Event(id)) => {
                values.extend(id.stream.0.to_le_bytes());
                put(id.offset.0, values);
                values.extend(id.head_hash.to_le_bytes());
            }
        }
        put(u64::from(facts.flags.0), &mut self.shape);
        put(fields.len() as u64, &mut self.shape);
        self.put_fields(fields);
        self.before.end = facts.offset.0.wrapping_add(u64::from(facts.size));
        self.put_shape(out);
        out.extend_from_slice(&self.values);
    }

    fn put_fields(&mut self, fields: &[Field]) {
        let mut end = 0u32;
        for field in fields {
            let code = match &field.value {
                Value::Span { start, len } => {
                    let gap = i64::from(*start) - i64::from(end);
                    let code = u64::try_from(gap).ok().filter(|gap| *gap < SPAN).unwrap_or(SPAN);
                    if code == SPAN {
                        put(zigzag(gap), &mut self.values);
                    }
                    put(u64::from(*len), &mut self.values);
                    end = start.saturating_add(*len);
                    code
                }
                Value::Literal(text) => {
                    put(text.len() as u64, &mut self.values);
                    self.values.extend_from_slice(text.as_bytes());
                    LITERAL
                }
                Value::Int(value) => {
                    put(zigzag(*value), &mut self.values);
                    INT
                }
            };
            put(u64::from(field.id.0) << CODE_BITS | code, &mut self.shape);
        }
    }

    /// The shape's number, or the shape.
    fn put_shape(&mut self, out: &mut Vec<u8>) {
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, Slot::default());
        }
        let slot = &mut self.slots[xxh3_64(&self.shape) as usize % SLOTS];
        let known = self.shapes.get(slot.start as usize..(slot.start + slot.len) as usize);
        if slot.number > 0 && known == Some(&self.shape) {
            put(u64::from(slot.number), out);
            return;
        }
        self.count += 1;
        *slot = Slot { start: self.shapes.len() as u32, len: self.shape.len() as u32, number: self.count };
        self.shapes.extend_from_slice(&self.shape);
        out.push(0);
        out.extend_from_slice(&self.shape);
    }

    /// Bytes of memory held, near enough.
    pub(crate) fn memory(&self) -> usize {
        self.shapes.capacity() + self.slots.capacity() * size_of::<Slot>()
    }
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

fn put(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A shape as it was read.
struct Shape {
    family: Family,
    dataset: Dataset,
    level: Level,
    bits: u8,
    /// Its time at 1970.
    time: Option<EventTime>,
    flags: Flags,
    fields: Vec<(FieldId, u64)>,
}

/// Reads a table.
struct Reader<'t> {
    rest: &'t [u8],
    before: Before,
}

/// The events of a table. `bytes` are the payload's, of this stream; every number is checked against them.
pub(crate) fn read(table: &[u8], bytes: &[u8], stream: StreamId) -> Result<Vec<EventBody>, DecodeError> {
    let mut reader = Reader { rest: table, before: Before::default() };
    let (mut shapes, mut events, mut at) = (Vec::new(), Vec::new(), 0usize);
    let mut memory = MEMORY_FREE + (table.len() + bytes.len()).saturating_mul(MEMORY_RATIO_MAX);
    while !reader.rest.is_empty() {
        let number = reader.number()?;
        if number == 0 {
            shapes.push(reader.shape()?);
        }
        let index = usize::try_from(number).map_or(usize::MAX, |n| n.wrapping_sub(1)).min(shapes.len());
        let shape = if number == 0 { shapes.last() } else { shapes.get(index) };
        let shape = shape.ok_or(DecodeError::Malformed("a shape that was not written"))?;
        let structure = size_of::<EventBody>() + shape.fields.len() * size_of::<Field>();
        memory = memory.checked_sub(structure).ok_or(DecodeError::Malformed("more events than its size warrants"))?;
        let (mut event, is_derived) = reader.event(shape)?;
        let end = at.checked_add(event.len as usize);
        let own = end.and_then(|end| bytes.get(at..end)).ok_or(DecodeError::Malformed("the payload is cut short"))?;
        at += own.len();
        if is_derived {
            event.head_hash = head_hash(stream, first_line(own));
        }
        events.push(event);
    }
    if at != bytes.len() {
        return Err(DecodeError::Malformed("the events do not cover the payload"));
    }
    Ok(events)
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Malformed("a parse is cut short"))?;
        self.rest = rest;
        Ok(*taken)
    }

    fn number(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.take()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::Malformed("a number has more than 64 bits"))
    }

    fn number_u32(&mut self) -> Result<u32, DecodeError> {
        u32::try_from(self.number()?).map_err(|_| DecodeError::Malformed("a number has more than 32 bits"))
    }

    fn shape(&mut self) -> Result<Shape, DecodeError> {
        let [family, dataset, level, bits] = self.take()?;
        let time = if bits & HAS_TIME == 0 {
            None
        } else {
            let [source, zone] = self.take()?;
            let minutes = i16::try_from(unzigzag(self.number()?))
                .map_err(|_| DecodeError::Malformed("a zone has more than 16 bits"))?;
            let (source, zone) = (time_source_from(source), zone_source_from(zone));
            Some(EventTime { utc: TimeNs(0), offset_minutes: minutes, source, zone })
        };
        let flags = Flags(self.number_u32()?);
        let count = self.number()?;
        if count > self.rest.len() as u64 {
            return Err(DecodeError::Malformed("a parse is cut short"));
        }
        let mut fields = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let field = self.number()?;
            let id = u16::try_from(field >> CODE_BITS)
                .map_err(|_| DecodeError::Malformed("a field number has more than 16 bits"))?;
            fields.push((FieldId(id), field & ((1 << CODE_BITS) - 1)));
        }
        Ok(Shape {
            // What a newer shipper knows and we do not is still kept as text.
            family: Family::from_number(family).unwrap_or(Family::None),
            dataset: Dataset::from_number(dataset).unwrap_or(Dataset::Other),
            level: level_from(level),
            bits,
            time,
            flags,
            fields,
        })
    }

    /// An event, and whether its hash is still to be made.
    fn event(&mut self, shape: &Shape) -> Result<(EventBody, bool), DecodeError> {
        let has = |bit: u8| shape.bits & bit != 0;
        let (size, lines) = (self.number_u32()?, self.number_u32()?);
        let len = if has(HAS_LEN) { self.number_u32()? } else { size };
        let step = if has(HAS_OFFSET) { unzigzag(self.number()?) } else { 0 };
        let offset = self.before.end.wrapping_add(step.cast_unsigned());
        if offset >> 48 != 0 {
            return Err(DecodeError::Malformed("an offset has more than 48 bits"));
        }
        let head_hash = if has(HAS_HASH) { u32::from_le_bytes(self.take()?) } else { 0 };
        let time = match shape.time {
            None => None,
            Some(time) => {
                let step = unzigzag(self.number()?).wrapping_mul(if has(MILLIS) { NS_PER_MS } else { 1 });
                self.before.time = self.before.time.wrapping_add(step);
                Some(EventTime { utc: TimeNs(self.before.time), ..time })
            }
        };
        let continues = match shape.bits >> CONTINUES & 3 {
            0 => None,
            1 => Some(ContinuesFrom::Event(EventId {
                stream: StreamId(u64::from_le_bytes(self.take()?)),
                offset: Offset(self.number()?),
                head_hash: u32::from_le_bytes(self.take()?),
            })),
            2 => Some(ContinuesFrom::Stream(StreamId(u64::from_le_bytes(self.take()?)))),
            _ => Some(ContinuesFrom::Unknown),
        };
        self.before.end = offset.wrapping_add(u64::from(size));
        let event = EventBody {
            offset: Offset(offset),
            size,
            len,
            lines,
            head_hash,
            family: shape.family,
            dataset: shape.dataset,
            level: shape.level,
            time,
            flags: shape.flags,
            continues,
            fields: self.fields(shape, len)?,
        };
        Ok((event, !has(HAS_HASH)))
    }

    fn fields(&mut self, shape: &Shape, len: u32) -> Result<Vec<Field>, DecodeError> {
        let mut end = 0u32;
        let field = |&(id, code): &(FieldId, u64)| {
            let value = match code {
                LITERAL => Value::Literal(self.text()?.into()),
                INT => Value::Int(unzigzag(self.number()?)),
                gap => {
                    let gap = if gap == SPAN { unzigzag(self.number()?) } else { gap.cast_signed() };
                    let span = u64::from(self.number_u32()?);
                    let start = u64::try_from(i64::from(end).saturating_add(gap)).unwrap_or(u64::MAX);
                    if start.saturating_add(span) > u64::from(len) {
                        return Err(DecodeError::Malformed("a field lies outside its event"));
                    }
                    end = (start + span) as u32;
                    Value::Span { start: start as u32, len: span as u32 }
                }
            };
            Ok(Field { id, value })
        };
        shape.fields.iter().map(field).collect()
    }

    fn text(&mut self) -> Result<&str, DecodeError> {
        let len = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        let (text, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Malformed("a parse is cut short"))?;
        self.rest = rest;
        std::str::from_utf8(text).map_err(|_| DecodeError::Malformed("a text is not UTF-8"))
    }
}
