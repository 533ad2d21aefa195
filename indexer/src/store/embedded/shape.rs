//! The shape of an event's parse: everything about it that is the same for many events. A segment has a few
//! dozen shapes, so all of this costs an event one small number.

use super::varint::{self, Reader};
use crate::event::StoredEvent;
use parsers::{Dataset, EventTime, Family, Flags, Level, TimeSource, Value, ZoneSource};
use wire::ContinuesFrom;

/// What events of one shape have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    pub(super) family: u8,
    pub(super) dataset: u8,
    pub(super) level: u8,
    pub(super) flags: u32,
    pub(super) time: Option<TimeShape>,
    /// 0 none, 1 an event, 2 a stream, 3 unknown.
    pub(super) continues: u8,
    pub(super) head_hash: HeadHash,
    /// `size` and `len` are the number of its bytes.
    pub(super) plain_size: bool,
    pub(super) one_line: bool,
    /// Its fields in order: id, and what kind of value.
    pub(super) fields: Vec<(u16, FieldShape)>,
}

/// How an event's time was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TimeShape {
    pub(super) offset_minutes: i16,
    pub(super) source: u8,
    pub(super) zone: u8,
    /// The instant is the one it is ordered by.
    pub(super) same: bool,
}

/// Where the head hash is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum HeadHash {
    /// Kept as a number.
    Kept = 0,
    /// That of its first line with the line end.
    OfLine = 1,
    /// That of its first line without it.
    OfText = 2,
}

/// Kind of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum FieldShape {
    Span = 0,
    Literal = 1,
    Int = 2,
}

impl Shape {
    /// The shape of an event.
    pub(super) fn of(event: &StoredEvent) -> Shape {
        let body = &event.body;
        let len = event.raw.len() as u64;
        let kind = |value: &Value| match value {
            Value::Span { .. } => FieldShape::Span,
            Value::Literal(_) => FieldShape::Literal,
            Value::Int(_) => FieldShape::Int,
        };
        Shape {
            family: body.family as u8,
            dataset: body.dataset as u8,
            level: body.level as u8,
            flags: body.flags.0,
            time: body.time.map(|time| TimeShape {
                offset_minutes: time.offset_minutes,
                source: time.source as u8,
                zone: time.zone as u8,
                same: time.utc == event.time,
            }),
            continues: match body.continues {
                None => 0,
                Some(ContinuesFrom::Event(_)) => 1,
                Some(ContinuesFrom::Stream(_)) => 2,
                Some(ContinuesFrom::Unknown) => 3,
            },
            head_hash: HeadHash::of(event),
            plain_size: u64::from(body.size) == len && u64::from(body.len) == len,
            one_line: body.lines == 1,
            fields: body.fields.iter().map(|field| (field.id.0, kind(&field.value))).collect(),
        }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.family, self.dataset, self.level, self.continues, self.head_hash as u8]);
        let bits = u8::from(self.plain_size) | u8::from(self.one_line) << 1 | u8::from(self.time.is_some()) << 2;
        out.push(bits);
        varint::put(out, u64::from(self.flags));
        if let Some(time) = self.time {
            varint::put_signed(out, i64::from(time.offset_minutes));
            out.extend_from_slice(&[time.source, time.zone, u8::from(time.same)]);
        }
        varint::put(out, self.fields.len() as u64);
        for (id, kind) in &self.fields {
            varint::put(out, u64::from(*id));
            out.push(*kind as u8);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Shape> {
        let [family, dataset, level, continues, head_hash, bits] = reader.array()?;
        let flags = u32::try_from(reader.number()?).ok()?;
        let time = if bits & 4 == 0 {
            None
        } else {
            let offset_minutes = i16::try_from(reader.signed()?).ok()?;
            let [source, zone, same] = reader.array()?;
            Some(TimeShape { offset_minutes, source, zone, same: same != 0 })
        };
        let count = reader.count()?;
        let mut fields = Vec::with_capacity(count);
        for _ in 0..count {
            let id = u16::try_from(reader.number()?).ok()?;
            fields.push((id, FieldShape::of_number(reader.array::<1>()?[0])?));
        }
        let head_hash = HeadHash::of_number(head_hash)?;
        let (plain_size, one_line) = (bits & 1 != 0, bits & 2 != 0);
        Some(Shape { family, dataset, level, flags, time, continues, head_hash, plain_size, one_line, fields })
    }

    /// Numbers that an event of this shape has in its block: receipt; size and length; lines; head hash; time;
    /// what it goes on from.
    pub(super) fn number_count(&self) -> u32 {
        let continues = match self.continues {
            1 => 3,
            2 => 1,
            _ => 0,
        };
        1 + continues
            + if self.plain_size { 0 } else { 2 }
            + u32::from(!self.one_line)
            + u32::from(self.head_hash == HeadHash::Kept)
            + u32::from(self.time.is_some_and(|time| !time.same))
    }

    pub(super) fn family(&self) -> Family {
        Family::from_number(self.family).unwrap_or(Family::None)
    }

    pub(super) fn dataset(&self) -> Dataset {
        Dataset::from_number(self.dataset).unwrap_or(Dataset::Other)
    }

    pub(super) fn flags(&self) -> Flags {
        Flags(self.flags)
    }

    pub(super) fn level(&self) -> Level {
        const ALL: [Level; 7] =
            [Level::Unknown, Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Fatal];
        ALL.get(usize::from(self.level)).copied().unwrap_or_default()
    }
}

impl TimeShape {
    /// The time of an event, its instant being `utc`.
    pub(super) fn time(self, utc: parsers::TimeNs) -> EventTime {
        use TimeSource::{File, Inherited, Parsed, Payload, Received};
        use ZoneSource::{Access, Banner, Config, Host, Line};
        let source = [Parsed, Payload, Inherited, File, Received].into_iter().find(|&s| s as u8 == self.source);
        let zone = [Line, Banner, Access, Config, Host].into_iter().find(|&z| z as u8 == self.zone);
        EventTime {
            utc,
            offset_minutes: self.offset_minutes,
            source: source.unwrap_or(Received),
            zone: zone.unwrap_or(Host),
        }
    }
}

impl HeadHash {
    fn of(event: &StoredEvent) -> HeadHash {
        let wanted = event.body.head_hash;
        if wire::head_hash(event.info.stream, first_line(&event.raw)) == wanted {
            HeadHash::OfLine
        } else if wire::head_hash(event.info.stream, first_text(&event.raw)) == wanted {
            HeadHash::OfText
        } else {
            HeadHash::Kept
        }
    }

    fn of_number(number: u8) -> Option<HeadHash> {
        [HeadHash::Kept, HeadHash::OfLine, HeadHash::OfText].into_iter().find(|&kind| kind as u8 == number)
    }
}

impl FieldShape {
    fn of_number(number: u8) -> Option<FieldShape> {
        [FieldShape::Span, FieldShape::Literal, FieldShape::Int].into_iter().find(|&kind| kind as u8 == number)
    }
}

/// The first line with its line end.
pub(super) fn first_line(raw: &[u8]) -> &[u8] {
    memchr::memchr(b'\n', raw).map_or(raw, |end| &raw[..=end])
}

/// The first line without its line end.
pub(super) fn first_text(raw: &[u8]) -> &[u8] {
    let line = first_line(raw);
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
