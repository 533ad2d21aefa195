//! From protobuf to working types. Every number and length that came from outside is checked here.

use super::{FateValue, MessageKind, VerdictKind};
use crate::codec::DecodeError;
use crate::table;
use crate::{self as w, AgentId, Epoch, Message, Offset, Refusal, StreamId, Verdict, proto};
use parsers::{Dataset, EventTime, Family, Field, FieldId, Flags, Level, TimeNs, TimeSource, Value, ZoneSource};

type Result<T> = std::result::Result<T, DecodeError>;

fn needed<T>(value: Option<T>, what: &'static str) -> Result<T> {
    value.ok_or(DecodeError::Malformed(what))
}

fn all<T, U>(items: Vec<T>) -> Result<Vec<U>>
where
    U: TryFrom<T, Error = DecodeError>,
{
    items.into_iter().map(U::try_from).collect()
}

impl TryFrom<proto::Request> for w::Request {
    type Error = DecodeError;

    fn try_from(request: proto::Request) -> Result<Self> {
        let agent = <[u8; 16]>::try_from(&request.agent[..])
            .map_err(|_| DecodeError::Malformed("the agent id is not 16 bytes"))?;
        let kinds = request.messages.into_iter().map(|message| needed(message.kind, "a message has no kind"));
        Ok(w::Request {
            agent: AgentId(agent),
            epoch: Epoch { incarnation: request.incarnation, number: request.epoch },
            messages: kinds.map(|kind| Message::try_from(kind?)).collect::<Result<_>>()?,
        })
    }
}

impl TryFrom<MessageKind> for Message {
    type Error = DecodeError;

    fn try_from(kind: MessageKind) -> Result<Self> {
        Ok(match kind {
            MessageKind::Hello(hello) => Message::Hello(w::Hello {
                host_id: hello.host_id,
                host_name: hello.host_name,
                version: hello.version,
                clock_ns: hello.clock_ns,
            }),
            MessageKind::Open(open) => Message::Open(open.into()),
            MessageKind::Ranges(ranges) => {
                let stream = StreamId(ranges.stream);
                let ranges = ranges.ranges.into_iter().map(|range| range.into_range(stream)).collect::<Result<_>>()?;
                Message::Ranges(w::Ranges { stream, ranges })
            }
            MessageKind::Provisional(provisional) => Message::Provisional(w::Provisional {
                stream: StreamId(provisional.stream),
                event: needed(provisional.event, "a provisional message has no event")?.try_into()?,
                bytes: provisional.bytes,
            }),
            MessageKind::Gone(stream) => Message::Gone(StreamId(stream)),
            MessageKind::Replay(replay) => Message::Replay(w::Replay {
                stream: StreamId(replay.stream),
                payload: replay.payload.unwrap_or_default().into_events(StreamId(replay.stream))?,
            }),
            MessageKind::Ledger(streams) => Message::Ledger(streams.streams.into_iter().map(StreamId).collect()),
            MessageKind::Prove(asked) => Message::Prove(asked.ranges.into_iter().map(Into::into).collect()),
            MessageKind::Claim(claim) => {
                Message::Claim(w::Claim { files: claim.files.into_iter().map(|f| w::Open::from(f).factors).collect() })
            }
        })
    }
}

impl From<proto::Open> for w::Open {
    fn from(open: proto::Open) -> Self {
        w::Open {
            stream: StreamId(open.stream),
            base: Offset(open.base),
            context: open.context,
            factors: w::Factors {
                path: open.path,
                name: open.name,
                device: open.device,
                number: u128::from(open.number_low) | u128::from(open.number_high) << 64,
                born_ns: open.born_ns,
                head_len: open.head_len,
                head_hash: open.head_hash,
                predecessor: open.predecessor.map(StreamId),
                product: open.product,
                service: open.service,
                labels: open.labels.into_iter().map(|label| (label.name, label.value)).collect(),
            },
        }
    }
}

impl proto::Range {
    fn into_range(self, stream: StreamId) -> Result<w::Range> {
        Ok(w::Range {
            from: Offset(self.from),
            to: self.to.map(Offset),
            context: self.context,
            anchors: self.anchors.into_iter().map(Into::into).collect(),
            fate: match needed(self.fate, "a range has no fate")? {
                FateValue::Events(payload) => w::Fate::Events(payload.into_events(stream)?),
                FateValue::Dead(reason) => w::Fate::Dead(reason),
                FateValue::Excluded(rule) => w::Fate::Excluded(rule),
                FateValue::Lost(reason) => w::Fate::Lost(reason),
            },
        })
    }
}

impl From<proto::Anchor> for w::Anchor {
    fn from(anchor: proto::Anchor) -> Self {
        w::Anchor { at: Offset(anchor.at), hash: anchor.hash }
    }
}

impl proto::Payload {
    fn into_events(self, stream: StreamId) -> Result<w::EventsPayload> {
        let events = table::read(&self.parse, &self.bytes, stream)?;
        Ok(w::EventsPayload { bytes: self.bytes, events })
    }
}

impl TryFrom<proto::Event> for w::EventBody {
    type Error = DecodeError;

    fn try_from(event: proto::Event) -> Result<Self> {
        let [family, dataset, level, _] = event.kind.to_le_bytes();
        let fields = fields(&event)?;
        let len = event.len.unwrap_or(event.size);
        for field in &fields {
            if let Value::Span { start, len: span } = field.value
                && u64::from(start) + u64::from(span) > u64::from(len)
            {
                return Err(DecodeError::Malformed("a field lies outside its event"));
            }
        }
        if event.offset >> 48 != 0 {
            return Err(DecodeError::Malformed("an offset has more than 48 bits"));
        }
        Ok(w::EventBody {
            offset: Offset(event.offset),
            size: event.size,
            len,
            lines: event.lines,
            head_hash: event.head_hash,
            // What a newer shipper knows and we do not is still kept as text.
            family: Family::from_number(family).unwrap_or(Family::None),
            dataset: Dataset::from_number(dataset).unwrap_or(Dataset::Other),
            level: level_from(level),
            time: event.time_ns.map(|ns| time_from(ns, event.time_facts)),
            flags: Flags(event.flags),
            continues: event.continues.map(Into::into),
            fields,
        })
    }
}

fn fields(event: &proto::Event) -> Result<Vec<Field>> {
    let id = |number: u64| {
        u16::try_from(number).map(FieldId).map_err(|_| DecodeError::Malformed("a field number has more than 16 bits"))
    };
    if !event.spans.len().is_multiple_of(3) || !event.numbers.len().is_multiple_of(2) {
        return Err(DecodeError::Malformed("a field is cut short"));
    }
    let mut spans = event.spans.chunks_exact(3);
    let mut literals = event.literals.iter();
    let mut numbers = event.numbers.chunks_exact(2);
    let count = spans.len() + literals.len() + numbers.len();
    let sorted: Vec<u8>;
    let order = if event.order.is_empty() {
        sorted = [vec![0; spans.len()], vec![1; literals.len()], vec![2; numbers.len()]].concat();
        &sorted
    } else {
        &event.order
    };
    if order.len() != count {
        return Err(DecodeError::Malformed("the order of fields does not fit their number"));
    }
    let short = DecodeError::Malformed("the order of fields does not fit their kinds");
    order
        .iter()
        .map(|kind| match kind {
            0 => {
                let span = spans.next().ok_or(short.clone())?;
                Ok(Field { id: id(span[0].into())?, value: Value::Span { start: span[1], len: span[2] } })
            }
            1 => {
                let literal = literals.next().ok_or(short.clone())?;
                Ok(Field { id: id(literal.field.into())?, value: Value::Literal(literal.text.as_str().into()) })
            }
            _ => {
                let number = numbers.next().ok_or(short.clone())?;
                Ok(Field { id: id(number[0].cast_unsigned())?, value: Value::Int(number[1]) })
            }
        })
        .collect()
}

/// What a newer shipper knows and we do not has no level.
pub(crate) fn level_from(number: u8) -> Level {
    Level::from_number(number).unwrap_or_default()
}

pub(crate) fn time_source_from(number: u8) -> TimeSource {
    TimeSource::from_number(number).unwrap_or(TimeSource::Received)
}

pub(crate) fn zone_source_from(number: u8) -> ZoneSource {
    ZoneSource::from_number(number).unwrap_or(ZoneSource::Host)
}

fn time_from(ns: i64, facts: u32) -> EventTime {
    EventTime {
        utc: TimeNs(ns),
        offset_minutes: ((facts & 0xffff) as i32 - (1 << 15)) as i16,
        source: time_source_from((facts >> 16) as u8),
        zone: zone_source_from((facts >> 24) as u8),
    }
}

impl TryFrom<proto::Claimable> for w::Claimable {
    type Error = DecodeError;

    fn try_from(known: proto::Claimable) -> Result<Self> {
        let open = w::Open::from(needed(known.open, "a known stream has no factors")?);
        let state = needed(known.state, "a known stream has no mark")?.into();
        Ok(w::Claimable { stream: open.stream, factors: open.factors, base: open.base, state })
    }
}

impl From<proto::Continues> for w::ContinuesFrom {
    fn from(continues: proto::Continues) -> Self {
        match (continues.event, continues.stream) {
            (Some(id), _) => w::ContinuesFrom::Event(id.into()),
            (None, Some(stream)) => w::ContinuesFrom::Stream(StreamId(stream)),
            (None, None) => w::ContinuesFrom::Unknown,
        }
    }
}

impl From<proto::EventId> for w::EventId {
    fn from(id: proto::EventId) -> Self {
        w::EventId { stream: StreamId(id.stream), offset: Offset(id.offset), head_hash: id.head_hash }
    }
}

impl TryFrom<proto::Answer> for w::Answer {
    type Error = DecodeError;

    fn try_from(answer: proto::Answer) -> Result<Self> {
        let kinds = answer.verdicts.into_iter().map(|verdict| needed(verdict.kind, "a verdict has no kind"));
        Ok(w::Answer {
            incarnation: answer.incarnation,
            boot: answer.boot,
            verdicts: kinds.map(|kind| Verdict::try_from(kind?)).collect::<Result<_>>()?,
        })
    }
}

impl TryFrom<VerdictKind> for Verdict {
    type Error = DecodeError;

    fn try_from(kind: VerdictKind) -> Result<Self> {
        Ok(match kind {
            VerdictKind::Hello(hello) => Verdict::Hello(w::HelloAnswer {
                epoch: Epoch { incarnation: hello.incarnation, number: hello.epoch },
                oldest_ns: hello.oldest_ns,
                request_bytes_max: hello.request_bytes_max,
                host_streams: hello.host_streams,
            }),
            VerdictKind::Open(state) => Verdict::Open(state.into()),
            VerdictKind::Ranges(ranges) => Verdict::Ranges {
                mark: Offset(ranges.mark),
                covered: ranges.covered.map(TryInto::try_into).transpose()?,
                expired: ranges.expired,
            },
            VerdictKind::Provisional(taken) => Verdict::Provisional { taken },
            VerdictKind::Gone(_) => Verdict::Gone,
            VerdictKind::Replay(events) => Verdict::Replay { events },
            VerdictKind::Claim(known) => Verdict::Claim(all(known.streams)?),
            VerdictKind::Ledger(ledger) => Verdict::Ledger(all(ledger.rows)?),
            VerdictKind::Proof(proof) => Verdict::Proof(all(proof.ranges)?),
            VerdictKind::Fenced(_) => Verdict::Refused(Refusal::Fenced),
            VerdictKind::NotOpen(_) => Verdict::Refused(Refusal::NotOpen),
            VerdictKind::Gap(state) => Verdict::Refused(Refusal::Gap(state.into())),
            VerdictKind::Straddles(state) => Verdict::Refused(Refusal::Straddles(state.into())),
            VerdictKind::TooLarge(max) => Verdict::Refused(Refusal::TooLarge { max }),
            VerdictKind::Rejected(rejected) => {
                Verdict::Refused(Refusal::Rejected { offset: Offset(rejected.offset), reason: rejected.reason })
            }
            VerdictKind::Busy(busy) => {
                let proto::Busy { retry_after_ms, reason, disk_full } = busy;
                Verdict::Refused(Refusal::Busy { retry_after_ms, reason, disk_full })
            }
        })
    }
}

impl From<proto::MarkState> for w::MarkState {
    fn from(state: proto::MarkState) -> Self {
        w::MarkState {
            mark: Offset(state.mark),
            context: state.context,
            anchors: state.anchors.into_iter().map(Into::into).collect(),
            last_event: state.last_event.map(Into::into),
            closed: state.closed,
            books: state.books.map(|books| Box::new(books.into())),
        }
    }
}

impl From<proto::Books> for w::Books {
    fn from(books: proto::Books) -> Self {
        let other = w::OtherBytes { dead: books.dead, excluded: books.excluded, lost: books.lost };
        w::Books { taken: books.taken.map(Into::into).unwrap_or_default(), other }
    }
}

impl TryFrom<proto::Covered> for w::Covered {
    type Error = DecodeError;

    fn try_from(covered: proto::Covered) -> Result<Self> {
        Ok(w::Covered { to: Offset(covered.to), fates: all(covered.fates)?, sum: covered.sum.map(Into::into) })
    }
}

impl TryFrom<proto::FateSpan> for w::FateSpan {
    type Error = DecodeError;

    fn try_from(span: proto::FateSpan) -> Result<Self> {
        let fate = match span.fate {
            1 => w::FateKind::Events,
            2 => w::FateKind::Dead,
            3 => w::FateKind::Excluded,
            4 => w::FateKind::Lost,
            _ => return Err(DecodeError::Malformed("an unknown fate")),
        };
        Ok(w::FateSpan { from: Offset(span.from), to: Offset(span.to), fate })
    }
}

fn hash(low: u64, high: u64) -> w::LedgerHash {
    w::LedgerHash(u128::from(low) | u128::from(high) << 64)
}

impl From<proto::Sum> for w::LedgerSum {
    fn from(sum: proto::Sum) -> Self {
        w::LedgerSum { events: sum.events, bytes: sum.bytes, hash: hash(sum.hash_low, sum.hash_high) }
    }
}

impl From<proto::StreamRange> for w::StreamRange {
    fn from(range: proto::StreamRange) -> Self {
        w::StreamRange { stream: StreamId(range.stream), from: Offset(range.from), to: Offset(range.to) }
    }
}

impl TryFrom<proto::RangeProof> for w::RangeProof {
    type Error = DecodeError;

    fn try_from(proof: proto::RangeProof) -> Result<Self> {
        Ok(w::RangeProof {
            range: proof.range.unwrap_or_default().into(),
            found: proof.found.map(Into::into).unwrap_or_default(),
            other: all(proof.other)?,
            absent: proof.absent,
            doubled: proof.doubled,
            damage: proof.damage,
        })
    }
}

impl TryFrom<proto::LedgerRow> for w::LedgerRow {
    type Error = DecodeError;

    fn try_from(row: proto::LedgerRow) -> Result<Self> {
        let sum = |sum: Option<proto::Sum>| sum.map(Into::into).unwrap_or_default();
        Ok(w::LedgerRow {
            stream: StreamId(row.stream),
            mark: Offset(row.mark),
            base: Offset(row.base),
            taken: sum(row.taken),
            held: sum(row.held),
            removed: sum(row.removed),
            other: all(row.other)?,
            folded_excluded: row.folded_excluded,
            folded_lost: row.folded_lost,
            folded_to: Offset(row.folded_to),
            hash: hash(row.hash_low, row.hash_high),
        })
    }
}
