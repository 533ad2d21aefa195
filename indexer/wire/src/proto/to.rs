//! From working types to protobuf.

use super::{FateValue, MessageKind, VerdictKind};
use crate::{self as w, Message, Refusal, Verdict, proto};
use bytes::Bytes;
use parsers::{EventTime, Value, first_line};

impl From<&w::Request> for proto::Request {
    fn from(request: &w::Request) -> Self {
        proto::Request {
            agent: Bytes::copy_from_slice(&request.agent.0),
            incarnation: request.epoch.incarnation,
            epoch: request.epoch.number,
            messages: request.messages.iter().map(|message| proto::Message { kind: Some(message.into()) }).collect(),
        }
    }
}

impl From<&Message> for MessageKind {
    fn from(message: &Message) -> Self {
        match message {
            Message::Hello(hello) => MessageKind::Hello(proto::Hello {
                host_id: hello.host_id.clone(),
                host_name: hello.host_name.clone(),
                version: hello.version.clone(),
                clock_ns: hello.clock_ns,
            }),
            Message::Open(open) => MessageKind::Open(open.into()),
            Message::Ranges(ranges) => MessageKind::Ranges(proto::Ranges {
                stream: ranges.stream.0,
                ranges: ranges.ranges.iter().map(|range| proto::Range::of(range, ranges.stream)).collect(),
            }),
            Message::Provisional(provisional) => MessageKind::Provisional(proto::Provisional {
                stream: provisional.stream.0,
                event: Some((&provisional.event).into()),
                bytes: provisional.bytes.clone(),
            }),
            Message::Gone(stream) => MessageKind::Gone(stream.0),
            Message::Replay(replay) => {
                let payload = proto::Payload::of(&replay.payload, replay.stream);
                MessageKind::Replay(proto::Replay { stream: replay.stream.0, payload: Some(payload) })
            }
            Message::Ledger(streams) => {
                MessageKind::Ledger(proto::Streams { streams: streams.iter().map(|s| s.0).collect() })
            }
            Message::Prove(ranges) => {
                MessageKind::Prove(proto::StreamRanges { ranges: ranges.iter().map(Into::into).collect() })
            }
            Message::Claim(claim) => {
                let open = |factors: &w::Factors| w::Open { factors: factors.clone(), ..w::Open::default() };
                MessageKind::Claim(proto::Claim { files: claim.files.iter().map(|f| (&open(f)).into()).collect() })
            }
        }
    }
}

impl From<&w::Open> for proto::Open {
    fn from(open: &w::Open) -> Self {
        let factors = &open.factors;
        proto::Open {
            stream: open.stream.0,
            base: open.base.0,
            context: open.context.clone(),
            path: factors.path.clone(),
            name: factors.name.clone(),
            device: factors.device,
            number_low: factors.number as u64,
            number_high: (factors.number >> 64) as u64,
            born_ns: factors.born_ns,
            head_len: factors.head_len,
            head_hash: factors.head_hash,
            predecessor: factors.predecessor.map(|s| s.0),
            product: factors.product.clone(),
            service: factors.service.clone(),
            labels: factors
                .labels
                .iter()
                .map(|(name, value)| proto::Label { name: name.clone(), value: value.clone() })
                .collect(),
        }
    }
}

impl proto::Range {
    /// A range of this stream.
    pub(super) fn of(range: &w::Range, stream: w::StreamId) -> Self {
        proto::Range {
            from: range.from.0,
            to: range.to.map(|to| to.0),
            context: range.context.clone(),
            anchors: range.anchors.iter().map(Into::into).collect(),
            fate: Some(match &range.fate {
                w::Fate::Events(payload) => FateValue::Events(proto::Payload::of(payload, stream)),
                w::Fate::Dead(reason) => FateValue::Dead(reason.clone()),
                w::Fate::Excluded(rule) => FateValue::Excluded(rule.clone()),
                w::Fate::Lost(reason) => FateValue::Lost(reason.clone()),
            }),
        }
    }
}

impl From<&w::Anchor> for proto::Anchor {
    fn from(anchor: &w::Anchor) -> Self {
        proto::Anchor { at: anchor.at.0, hash: anchor.hash }
    }
}

impl proto::Payload {
    /// A payload of this stream.
    pub(super) fn of(payload: &w::EventsPayload, stream: w::StreamId) -> Self {
        let mut parses = w::Parses::default();
        for (event, bytes) in payload.iter() {
            parses.push(event, &event.fields, event.head_hash == w::head_hash(stream, first_line(&bytes)));
        }
        proto::Payload { bytes: payload.bytes.clone(), parse: parses.take_bytes() }
    }
}

impl From<&w::EventBody> for proto::Event {
    fn from(event: &w::EventBody) -> Self {
        let mut out = proto::Event {
            offset: event.offset.0,
            size: event.size,
            len: (event.len != event.size).then_some(event.len),
            lines: event.lines,
            head_hash: event.head_hash,
            kind: event.family as u32 | (event.dataset as u32) << 8 | (event.level as u32) << 16,
            time_ns: event.time.map(|time| time.utc.0),
            time_facts: event.time.map_or(0, time_facts),
            flags: event.flags.0,
            continues: event.continues.map(Into::into),
            ..proto::Event::default()
        };
        let mut kinds = Vec::with_capacity(event.fields.len());
        for field in &event.fields {
            let number = u32::from(field.id.0);
            match &field.value {
                Value::Span { start, len } => {
                    out.spans.extend([number, *start, *len]);
                    kinds.push(0);
                }
                Value::Literal(text) => {
                    out.literals.push(proto::Literal { field: number, text: text.to_string() });
                    kinds.push(1);
                }
                Value::Int(value) => {
                    out.numbers.extend([i64::from(number), *value]);
                    kinds.push(2);
                }
            }
        }
        if !kinds.is_sorted() {
            out.order = kinds;
        }
        out
    }
}

fn time_facts(time: EventTime) -> u32 {
    let biased = (i32::from(time.offset_minutes) + (1 << 15)) as u32;
    biased | (time.source as u32) << 16 | (time.zone as u32) << 24
}

impl From<w::ContinuesFrom> for proto::Continues {
    fn from(continues: w::ContinuesFrom) -> Self {
        match continues {
            w::ContinuesFrom::Event(id) => proto::Continues { event: Some(id.into()), stream: None },
            w::ContinuesFrom::Stream(stream) => proto::Continues { event: None, stream: Some(stream.0) },
            w::ContinuesFrom::Unknown => proto::Continues { event: None, stream: None },
        }
    }
}

impl From<w::EventId> for proto::EventId {
    fn from(id: w::EventId) -> Self {
        proto::EventId { stream: id.stream.0, offset: id.offset.0, head_hash: id.head_hash }
    }
}

impl From<&w::Answer> for proto::Answer {
    fn from(answer: &w::Answer) -> Self {
        proto::Answer {
            incarnation: answer.incarnation,
            boot: answer.boot,
            verdicts: answer.verdicts.iter().map(|verdict| proto::Verdict { kind: Some(verdict.into()) }).collect(),
        }
    }
}

impl From<&Verdict> for VerdictKind {
    fn from(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Hello(hello) => VerdictKind::Hello(proto::HelloAnswer {
                incarnation: hello.epoch.incarnation,
                epoch: hello.epoch.number,
                oldest_ns: hello.oldest_ns,
                request_bytes_max: hello.request_bytes_max,
                host_streams: hello.host_streams,
            }),
            Verdict::Open(state) => VerdictKind::Open(state.into()),
            Verdict::Ranges { mark, covered, expired } => VerdictKind::Ranges(proto::RangesAnswer {
                mark: mark.0,
                covered: covered.as_ref().map(Into::into),
                expired: *expired,
            }),
            Verdict::Provisional { taken } => VerdictKind::Provisional(*taken),
            Verdict::Gone => VerdictKind::Gone(true),
            Verdict::Replay { events } => VerdictKind::Replay(*events),
            Verdict::Ledger(rows) => VerdictKind::Ledger(proto::Ledger { rows: rows.iter().map(Into::into).collect() }),
            Verdict::Proof(ranges) => {
                VerdictKind::Proof(proto::Proof { ranges: ranges.iter().map(Into::into).collect() })
            }
            Verdict::Claim(known) => {
                VerdictKind::Claim(proto::Claimables { streams: known.iter().map(Into::into).collect() })
            }
            Verdict::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<&w::Claimable> for proto::Claimable {
    fn from(known: &w::Claimable) -> Self {
        let open =
            w::Open { stream: known.stream, factors: known.factors.clone(), base: known.base, context: Bytes::new() };
        proto::Claimable { open: Some((&open).into()), state: Some((&known.state).into()) }
    }
}

impl From<&Refusal> for VerdictKind {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Fenced => VerdictKind::Fenced(true),
            Refusal::NotOpen => VerdictKind::NotOpen(true),
            Refusal::Gap(state) => VerdictKind::Gap(state.into()),
            Refusal::Straddles(state) => VerdictKind::Straddles(state.into()),
            Refusal::TooLarge { max } => VerdictKind::TooLarge(*max),
            Refusal::Rejected { offset, reason } => {
                VerdictKind::Rejected(proto::Rejected { offset: offset.0, reason: reason.clone() })
            }
            Refusal::Busy { retry_after_ms, reason, disk_full } => VerdictKind::Busy(proto::Busy {
                retry_after_ms: *retry_after_ms,
                reason: reason.clone(),
                disk_full: *disk_full,
            }),
        }
    }
}

impl From<&w::MarkState> for proto::MarkState {
    fn from(state: &w::MarkState) -> Self {
        proto::MarkState {
            mark: state.mark.0,
            context: state.context.clone(),
            anchors: state.anchors.iter().map(Into::into).collect(),
            last_event: state.last_event.map(Into::into),
            closed: state.closed,
            books: state.books.as_deref().copied().map(Into::into),
        }
    }
}

impl From<w::Books> for proto::Books {
    fn from(books: w::Books) -> Self {
        let w::OtherBytes { dead, excluded, lost } = books.other;
        proto::Books { taken: Some(books.taken.into()), dead, excluded, lost }
    }
}

impl From<&w::Covered> for proto::Covered {
    fn from(covered: &w::Covered) -> Self {
        proto::Covered {
            to: covered.to.0,
            fates: covered.fates.iter().map(Into::into).collect(),
            sum: covered.sum.map(Into::into),
        }
    }
}

impl From<&w::FateSpan> for proto::FateSpan {
    fn from(span: &w::FateSpan) -> Self {
        proto::FateSpan { from: span.from.0, to: span.to.0, fate: span.fate as u32 }
    }
}

impl From<w::LedgerSum> for proto::Sum {
    fn from(sum: w::LedgerSum) -> Self {
        let hash = sum.hash.0;
        proto::Sum { events: sum.events, bytes: sum.bytes, hash_low: hash as u64, hash_high: (hash >> 64) as u64 }
    }
}

impl From<&w::StreamRange> for proto::StreamRange {
    fn from(range: &w::StreamRange) -> Self {
        proto::StreamRange { stream: range.stream.0, from: range.from.0, to: range.to.0 }
    }
}

impl From<&w::RangeProof> for proto::RangeProof {
    fn from(proof: &w::RangeProof) -> Self {
        proto::RangeProof {
            range: Some((&proof.range).into()),
            found: Some(proof.found.into()),
            other: proof.other.iter().map(Into::into).collect(),
            absent: proof.absent,
            doubled: proof.doubled,
            damage: proof.damage.clone(),
        }
    }
}

impl From<&w::LedgerRow> for proto::LedgerRow {
    fn from(row: &w::LedgerRow) -> Self {
        proto::LedgerRow {
            stream: row.stream.0,
            mark: row.mark.0,
            base: row.base.0,
            taken: Some(row.taken.into()),
            held: Some(row.held.into()),
            removed: Some(row.removed.into()),
            other: row.other.iter().map(Into::into).collect(),
            folded_excluded: row.folded_excluded,
            folded_lost: row.folded_lost,
            folded_to: row.folded_to.0,
            hash_low: row.hash.0 as u64,
            hash_high: (row.hash.0 >> 64) as u64,
        }
    }
}
