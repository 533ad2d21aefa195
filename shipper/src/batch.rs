//! Closed events of one stream on their way into a message.

use crate::kept::{Kept, LastEvent};
use bytes::Bytes;
use parsers::{Continues, Event, Flags, Offset};
use wire::{
    Anchor, ContinuesFrom, EventBody, EventId, EventsPayload, Fate, LedgerHash, LedgerSum, Range, StreamId, head_hash,
};

/// Events from `from` to `to`, without gap.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) from: Offset,
    pub(crate) to: Offset,
    payload: Vec<u8>,
    events: Vec<EventBody>,
    sums: Vec<(Offset, LedgerHash)>,
    /// Context at `to`, encoded.
    pub(crate) context: Vec<u8>,
    pub(crate) anchor: Anchor,
    pub(crate) last_event: Option<LastEvent>,
}

/// What is kept of a batch while its answer is awaited.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) from: Offset,
    pub(crate) to: Offset,
    /// Bytes of memory the request holds.
    pub(crate) bytes: usize,
    pub(crate) context: Vec<u8>,
    pub(crate) anchor: Option<Anchor>,
    pub(crate) last_event: Option<LastEvent>,
    /// A loss without end: it closes the stream.
    pub(crate) closes: bool,
    sums: Vec<(Offset, LedgerHash)>,
}

/// What a message must know of a stream to turn the parser's events into the wire's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wiring {
    stream: StreamId,
    predecessor: Option<StreamId>,
    repeated_until: Offset,
}

impl Wiring {
    pub(crate) fn of(kept: &Kept) -> Wiring {
        Wiring { stream: kept.id, predecessor: kept.predecessor, repeated_until: kept.repeated_until }
    }

    /// The wire's form of an event; `before` is the event before it.
    pub(crate) fn body(&self, event: &Event, bytes: &[u8], before: Option<LastEvent>) -> EventBody {
        let mut flags = event.flags;
        if event.offset < self.repeated_until {
            flags.set(Flags::REPEATED);
        }
        EventBody {
            offset: event.offset,
            size: event.size,
            len: bytes.len() as u32,
            lines: event.lines,
            head_hash: head_hash(self.stream, first_line(bytes)),
            family: event.family,
            dataset: event.dataset,
            level: event.level,
            time: event.time,
            flags,
            continues: event.continues.map(|c| self.continues(c, before)),
            fields: event.fields.clone(),
        }
    }

    fn continues(&self, from: Continues, before: Option<LastEvent>) -> ContinuesFrom {
        match (from, before, self.predecessor) {
            (Continues::Event(offset), Some(last), _) if last.offset == offset => {
                ContinuesFrom::Event(EventId { stream: self.stream, offset, head_hash: last.head_hash })
            }
            (Continues::Generation, _, Some(stream)) => ContinuesFrom::Stream(stream),
            _ => ContinuesFrom::Unknown,
        }
    }
}

/// The first line without its line end.
fn first_line(bytes: &[u8]) -> &[u8] {
    let line = memchr::memchr(b'\n', bytes).map_or(bytes, |end| &bytes[..end]);
    line.strip_suffix(b"\r").unwrap_or(line)
}

impl Batch {
    /// An empty one that begins at `from`.
    pub(crate) fn new(from: Offset, last_event: Option<LastEvent>) -> Batch {
        Batch {
            from,
            to: from,
            payload: Vec::new(),
            events: Vec::new(),
            sums: Vec::new(),
            context: Vec::new(),
            anchor: Anchor::default(),
            last_event,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Bytes of events.
    pub(crate) fn bytes(&self) -> usize {
        self.payload.len()
    }

    /// Bytes of memory held, near enough.
    pub(crate) fn memory(&self) -> usize {
        self.payload.capacity() + self.events.len() * size_of::<EventBody>()
    }

    /// Takes a closed event in.
    pub(crate) fn push(&mut self, wiring: &Wiring, event: &Event, bytes: &[u8], extra: Flags) {
        let mut body = wiring.body(event, bytes, self.last_event);
        body.flags.set(extra);
        self.last_event = Some(LastEvent { offset: body.offset, head_hash: body.head_hash });
        self.sums.push((body.offset, LedgerHash::of(wiring.stream, body.offset, bytes)));
        self.payload.extend_from_slice(bytes);
        self.to = Offset(event.offset.0 + u64::from(event.size));
        self.events.push(body);
    }

    /// Ends it for now: context and anchor behind its last event.
    pub(crate) fn close(&mut self, context: Vec<u8>, anchor: Anchor) {
        debug_assert_eq!(anchor.at, self.to, "events tile the stream");
        self.context = context;
        self.anchor = anchor;
    }

    /// Parts into the message's range and what is kept for its answer.
    pub(crate) fn send(self) -> (Range, InFlight) {
        let in_flight = InFlight {
            from: self.from,
            to: self.to,
            bytes: self.memory(),
            context: self.context.clone(),
            anchor: Some(self.anchor),
            last_event: self.last_event,
            closes: false,
            sums: self.sums,
        };
        let payload = EventsPayload { bytes: Bytes::from(self.payload), events: self.events };
        let range = Range {
            from: self.from,
            to: Some(self.to),
            fate: Fate::Events(payload),
            context: Bytes::from(self.context),
            anchors: vec![self.anchor],
        };
        (range, in_flight)
    }
}

impl InFlight {
    /// Of a loss.
    pub(crate) fn of_loss(from: Offset, to: Option<Offset>, kept: &Kept) -> InFlight {
        InFlight {
            from,
            to: to.unwrap_or(from),
            closes: to.is_none(),
            bytes: 0,
            context: kept.context.clone(),
            anchor: None,
            last_event: kept.last_event,
            sums: Vec::new(),
        }
    }

    /// Whether it was a range without events.
    pub(crate) fn is_loss(&self) -> bool {
        self.anchor.is_none()
    }

    /// Sum of the events from `from` on; the bytes are those of the file.
    pub(crate) fn sum_from(&self, from: Offset) -> LedgerSum {
        let mut sum = LedgerSum::default();
        for (_, hash) in self.sums.iter().filter(|(offset, _)| *offset >= from) {
            sum += LedgerSum { events: 1, bytes: 0, hash: *hash };
        }
        sum.bytes = if self.sums.is_empty() { 0 } else { self.to.0.saturating_sub(from.0.max(self.from.0)) };
        sum
    }
}
