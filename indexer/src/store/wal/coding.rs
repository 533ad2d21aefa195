//! Binary form of single values, shared by WAL records, the mark table and naive segments. Numbers are
//! LEB128 varints (signed ones zigzag), texts and bytes are length-prefixed; the order is the caller's.
//!
//! Decoding never panics and never allocates more than the bytes at hand justify.

use crate::event::{StoredEvent, StreamInfo};
use bytes::Bytes;
use parsers::{
    Dataset, EventTime, Family, Field, FieldId, Flags, Level, Offset, TimeNs, TimeSource, Value, ZoneSource,
};
use std::sync::Arc;
use wire::{
    AgentId, Anchor, ContinuesFrom, Epoch, EventBody, EventId, Factors, FateKind, LedgerHash, LedgerSum, StreamId,
};

/// Bytes that are not what [`Writer`] writes. Under a checksum this means another program wrote them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} cannot be read")]
pub(crate) struct Unreadable(pub(crate) &'static str);

/// Appends values.
#[derive(Debug, Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn number(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    pub(crate) fn signed(&mut self, n: i64) {
        self.number(((n << 1) ^ (n >> 63)) as u64);
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(crate) fn fixed(&mut self, n: u64) {
        self.0.extend_from_slice(&n.to_le_bytes());
    }

    pub(crate) fn wide(&mut self, n: u128) {
        self.0.extend_from_slice(&n.to_le_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn option<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Writer, T)) {
        match value {
            None => self.byte(0),
            Some(value) => {
                self.byte(1);
                put(self, value);
            }
        }
    }

    pub(crate) fn list<T>(&mut self, items: impl ExactSizeIterator<Item = T>, mut put: impl FnMut(&mut Writer, T)) {
        self.number(items.len() as u64);
        items.for_each(|item| put(self, item));
    }

    pub(crate) fn agent(&mut self, agent: AgentId) {
        self.0.extend_from_slice(&agent.0);
    }

    pub(crate) fn epoch(&mut self, epoch: Epoch) {
        self.number(epoch.incarnation);
        self.number(epoch.number);
    }

    pub(crate) fn anchor(&mut self, anchor: &Anchor) {
        self.number(anchor.at.0);
        self.fixed(anchor.hash);
    }

    pub(crate) fn sum(&mut self, sum: &LedgerSum) {
        self.number(sum.events);
        self.number(sum.bytes);
        self.wide(sum.hash.0);
    }

    pub(crate) fn event_id(&mut self, id: EventId) {
        self.fixed(id.stream.0);
        self.number(id.offset.0);
        self.number(u64::from(id.head_hash));
    }

    pub(crate) fn time(&mut self, time: EventTime) {
        self.signed(time.utc.0);
        self.signed(i64::from(time.offset_minutes));
        self.byte(time.source as u8);
        self.byte(time.zone as u8);
    }

    pub(crate) fn factors(&mut self, factors: &Factors) {
        self.text(&factors.path);
        self.text(&factors.name);
        self.number(factors.device);
        self.wide(factors.number);
        self.option(factors.born_ns, Writer::signed);
        self.number(u64::from(factors.head_len));
        self.fixed(factors.head_hash);
        self.option(factors.predecessor, |w, stream| w.fixed(stream.0));
        self.option(factors.product.as_deref(), Writer::text);
        self.option(factors.service.as_deref(), Writer::text);
        self.list(factors.labels.iter(), |w, (name, value)| {
            w.text(name);
            w.text(value);
        });
    }

    pub(crate) fn info(&mut self, info: &StreamInfo) {
        self.fixed(info.stream.0);
        self.agent(info.agent);
        self.text(&info.host_id);
        self.text(&info.host_name);
        self.factors(&info.factors);
    }

    pub(crate) fn body(&mut self, body: &EventBody) {
        self.number(body.offset.0);
        self.number(u64::from(body.size));
        self.number(u64::from(body.len));
        self.number(u64::from(body.lines));
        self.number(u64::from(body.head_hash));
        self.byte(body.family as u8);
        self.byte(body.dataset as u8);
        self.byte(body.level as u8);
        self.option(body.time, Writer::time);
        self.number(u64::from(body.flags.0));
        match body.continues {
            None => self.byte(0),
            Some(ContinuesFrom::Unknown) => self.byte(1),
            Some(ContinuesFrom::Stream(stream)) => {
                self.byte(2);
                self.fixed(stream.0);
            }
            Some(ContinuesFrom::Event(id)) => {
                self.byte(3);
                self.event_id(id);
            }
        }
        self.list(body.fields.iter(), Writer::field);
    }

    fn field(&mut self, field: &Field) {
        self.number(u64::from(field.id.0));
        match &field.value {
            Value::Span { start, len } => {
                self.byte(0);
                self.number(u64::from(*start));
                self.number(u64::from(*len));
            }
            Value::Literal(text) => {
                self.byte(1);
                self.text(text);
            }
            Value::Int(n) => {
                self.byte(2);
                self.signed(*n);
            }
        }
    }

    /// All of a stored event but its stream's facts.
    pub(crate) fn stored(&mut self, event: &StoredEvent) {
        self.signed(event.time.0);
        self.signed(event.ingested.0);
        self.body(&event.body);
        self.bytes(&event.raw);
    }
}

/// Takes values off the front; bytes are slices of the input, not copies.
#[derive(Clone, Debug)]
pub(crate) struct Reader(pub(crate) Bytes);

type Read<T> = Result<T, Unreadable>;

impl Reader {
    fn take(&mut self, n: usize) -> Read<Bytes> {
        if self.0.len() < n { Err(Unreadable("a value cut short")) } else { Ok(self.0.split_to(n)) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> Read<u8> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn number(&mut self) -> Read<u64> {
        let mut n = 0u64;
        for (i, &byte) in self.0.iter().enumerate().take(10) {
            n |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.0 = self.0.slice(i + 1..);
                return Ok(n);
            }
        }
        Err(Unreadable("a number"))
    }

    pub(crate) fn narrow(&mut self) -> Read<u32> {
        u32::try_from(self.number()?).map_err(|_| Unreadable("a 32-bit number"))
    }

    pub(crate) fn signed(&mut self) -> Read<i64> {
        let n = self.number()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    pub(crate) fn fixed(&mut self) -> Read<u64> {
        Ok(u64::from_le_bytes(self.take(8)?[..].try_into().expect("eight bytes")))
    }

    pub(crate) fn wide(&mut self) -> Read<u128> {
        Ok(u128::from_le_bytes(self.take(16)?[..].try_into().expect("sixteen bytes")))
    }

    pub(crate) fn bytes(&mut self) -> Read<Bytes> {
        let n = self.number()?;
        self.take(usize::try_from(n).map_err(|_| Unreadable("a length"))?)
    }

    pub(crate) fn text(&mut self) -> Read<String> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Unreadable("a text"))
    }

    pub(crate) fn option<T>(&mut self, get: impl FnOnce(&mut Reader) -> Read<T>) -> Read<Option<T>> {
        match self.byte()? {
            0 => Ok(None),
            1 => get(self).map(Some),
            _ => Err(Unreadable("an optional value")),
        }
    }

    pub(crate) fn list<T>(&mut self, mut get: impl FnMut(&mut Reader) -> Read<T>) -> Read<Vec<T>> {
        let n = self.number()?;
        // Every item takes at least a byte: a larger number is not a list.
        if n > self.0.len() as u64 {
            return Err(Unreadable("a list"));
        }
        let mut items = Vec::with_capacity((n as usize).min(1024));
        for _ in 0..n {
            items.push(get(self)?);
        }
        Ok(items)
    }

    pub(crate) fn offset(&mut self) -> Read<Offset> {
        self.number().map(Offset)
    }

    pub(crate) fn stream(&mut self) -> Read<StreamId> {
        self.fixed().map(StreamId)
    }

    pub(crate) fn instant(&mut self) -> Read<TimeNs> {
        self.signed().map(TimeNs)
    }

    pub(crate) fn agent(&mut self) -> Read<AgentId> {
        Ok(AgentId(self.take(16)?[..].try_into().expect("sixteen bytes")))
    }

    pub(crate) fn epoch(&mut self) -> Read<Epoch> {
        Ok(Epoch { incarnation: self.number()?, number: self.number()? })
    }

    pub(crate) fn anchor(&mut self) -> Read<Anchor> {
        Ok(Anchor { at: self.offset()?, hash: self.fixed()? })
    }

    pub(crate) fn sum(&mut self) -> Read<LedgerSum> {
        Ok(LedgerSum { events: self.number()?, bytes: self.number()?, hash: LedgerHash(self.wide()?) })
    }

    pub(crate) fn fate_kind(&mut self) -> Read<FateKind> {
        match self.byte()? {
            1 => Ok(FateKind::Events),
            2 => Ok(FateKind::Dead),
            3 => Ok(FateKind::Excluded),
            4 => Ok(FateKind::Lost),
            _ => Err(Unreadable("a fate")),
        }
    }

    pub(crate) fn event_id(&mut self) -> Read<EventId> {
        Ok(EventId { stream: self.stream()?, offset: self.offset()?, head_hash: self.narrow()? })
    }

    pub(crate) fn time(&mut self) -> Read<EventTime> {
        let utc = self.instant()?;
        let offset_minutes = i16::try_from(self.signed()?).map_err(|_| Unreadable("a zone offset"))?;
        let source = TimeSource::from_number(self.byte()?).ok_or(Unreadable("a time source"))?;
        let zone = ZoneSource::from_number(self.byte()?).ok_or(Unreadable("a zone source"))?;
        Ok(EventTime { utc, offset_minutes, source, zone })
    }

    pub(crate) fn factors(&mut self) -> Read<Factors> {
        Ok(Factors {
            path: self.text()?,
            name: self.text()?,
            device: self.number()?,
            number: self.wide()?,
            born_ns: self.option(Reader::signed)?,
            head_len: self.narrow()?,
            head_hash: self.fixed()?,
            predecessor: self.option(Reader::stream)?,
            product: self.option(Reader::text)?,
            service: self.option(Reader::text)?,
            labels: self.list(|r| Ok((r.text()?, r.text()?)))?,
        })
    }

    pub(crate) fn info(&mut self) -> Read<StreamInfo> {
        Ok(StreamInfo {
            stream: self.stream()?,
            agent: self.agent()?,
            host_id: self.text()?,
            host_name: self.text()?,
            factors: self.factors()?,
        })
    }

    pub(crate) fn body(&mut self) -> Read<EventBody> {
        Ok(EventBody {
            offset: self.offset()?,
            size: self.narrow()?,
            len: self.narrow()?,
            lines: self.narrow()?,
            head_hash: self.narrow()?,
            family: Family::from_number(self.byte()?).ok_or(Unreadable("a family"))?,
            dataset: Dataset::from_number(self.byte()?).ok_or(Unreadable("a dataset"))?,
            level: self.level()?,
            time: self.option(Reader::time)?,
            flags: Flags(self.narrow()?),
            continues: self.continues()?,
            fields: self.list(Reader::field)?,
        })
    }

    fn level(&mut self) -> Read<Level> {
        Level::from_number(self.byte()?).ok_or(Unreadable("a level"))
    }

    fn continues(&mut self) -> Read<Option<ContinuesFrom>> {
        Ok(match self.byte()? {
            0 => None,
            1 => Some(ContinuesFrom::Unknown),
            2 => Some(ContinuesFrom::Stream(self.stream()?)),
            3 => Some(ContinuesFrom::Event(self.event_id()?)),
            _ => return Err(Unreadable("a predecessor")),
        })
    }

    fn field(&mut self) -> Read<Field> {
        let id = FieldId(u16::try_from(self.number()?).map_err(|_| Unreadable("a field's number"))?);
        let value = match self.byte()? {
            0 => Value::Span { start: self.narrow()?, len: self.narrow()? },
            1 => Value::Literal(self.text()?.into_boxed_str()),
            2 => Value::Int(self.signed()?),
            _ => return Err(Unreadable("a field's value")),
        };
        Ok(Field { id, value })
    }

    pub(crate) fn stored(&mut self, info: Arc<StreamInfo>) -> Read<StoredEvent> {
        let (time, ingested) = (self.instant()?, self.instant()?);
        Ok(StoredEvent { info, time, ingested, body: self.body()?, raw: self.bytes()? })
    }
}
