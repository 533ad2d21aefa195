//! Closed events of one stream on their way into a message: ranges without gap, each with its fate.

use crate::dead::Letter;
use crate::kept::{Kept, LastEvent};
use bytes::Bytes;
use parsers::{Continues, Event, Flags, Offset, first_line};
use wire::{
    Anchor, ContinuesFrom, DraftedRange, EventBody, EventId, EventsPayload, Fate, FateKind, FateSpan, LedgerHash,
    LedgerSum, Parses, Range, StreamId, head_hash,
};

/// What is to become of one event.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Course<'a> {
    /// It is sent.
    Send,
    /// A rule leaves it out: which.
    Exclude(&'a str),
    /// It was refused: why.
    Dead(&'a str),
}

/// Neighbouring events with one fate.
#[derive(Debug)]
struct Part {
    from: Offset,
    to: Offset,
    kind: FateKind,
    reason: String,
    /// Of events that are sent: their bytes, and those of their parse.
    bytes: usize,
    parse: usize,
}

/// How much a batch holds: bytes of events, bytes of their parse, events.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BatchSize {
    bytes: usize,
    parse: usize,
    events: usize,
}

/// Events from `from` to `to`, without gap.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) from: Offset,
    pub(crate) to: Offset,
    parts: Vec<Part>,
    payload: Vec<u8>,
    parses: Parses,
    sums: Vec<Sum>,
    /// Of dead events; on disk before the batch is sent.
    letters: Vec<Letter>,
    /// Context at `to`, encoded.
    pub(crate) context: Vec<u8>,
    pub(crate) anchor: Anchor,
    pub(crate) last_event: Option<LastEvent>,
}

/// Ledger row of one event that is sent.
#[derive(Clone, Copy, Debug)]
struct Sum {
    offset: Offset,
    size: u32,
    hash: LedgerHash,
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
    /// What is not sent as events.
    other: Vec<FateSpan>,
    sums: Vec<Sum>,
}

/// What a message must know of a stream to turn the parser's events into the wire's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wiring {
    stream: StreamId,
    predecessor: Option<StreamId>,
    repeated_until: Offset,
}

/// An event as the parser hands it out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed<'e> {
    pub(crate) event: &'e Event,
    /// Its bytes as they are sent.
    pub(crate) bytes: &'e [u8],
    /// The file's bytes from its first one on: they differ where something was redacted. Only hashes of them leave.
    pub(crate) in_file: &'e [u8],
}

impl Closed<'_> {
    /// Whether nothing was redacted: then it is the same memory.
    fn is_as_in_file(&self) -> bool {
        self.bytes.len() == self.event.size as usize && std::ptr::eq(self.bytes.as_ptr(), self.in_file.as_ptr())
    }
}

impl Wiring {
    pub(crate) fn of(kept: &Kept) -> Wiring {
        Wiring { stream: kept.id, predecessor: kept.predecessor, repeated_until: kept.repeated_until }
    }

    /// The wire's form of an event; `before` is the event before it.
    pub(crate) fn body(&self, closed: Closed<'_>, before: Option<LastEvent>) -> EventBody {
        EventBody { fields: closed.event.fields.clone(), ..self.facts(closed, before) }
    }

    /// The same without its fields.
    fn facts(&self, closed: Closed<'_>, before: Option<LastEvent>) -> EventBody {
        let Closed { event, bytes, in_file } = closed;
        let mut flags = event.flags;
        if event.offset < self.repeated_until {
            flags.set(Flags::REPEATED);
        }
        EventBody {
            offset: event.offset,
            size: event.size,
            len: bytes.len() as u32,
            lines: event.lines,
            head_hash: head_hash(self.stream, first_line(in_file.get(..event.size as usize).unwrap_or(in_file))),
            family: event.family,
            dataset: event.dataset,
            level: event.level,
            time: event.time,
            flags,
            continues: event.continues.map(|c| self.continues(c, before)),
            fields: Vec::new(),
        }
    }

    fn continues(&self, from: Continues, before: Option<LastEvent>) -> ContinuesFrom {
        match (from, before, self.predecessor) {
            (Continues::Event(offset), Some(last), _) if last.offset == offset => {
                ContinuesFrom::Event(EventId { stream: self.stream, offset, head_hash: last.head_hash })
            }
            (Continues::Earlier { event: offset, head_hash }, ..) => {
                ContinuesFrom::Event(EventId { stream: self.stream, offset, head_hash })
            }
            (Continues::Generation, _, Some(stream)) => ContinuesFrom::Stream(stream),
            _ => ContinuesFrom::Unknown,
        }
    }
}

impl Batch {
    /// An empty one that begins at `from`, with room for as much as this. `parses` is empty.
    pub(crate) fn new(from: Offset, last_event: Option<LastEvent>, room: BatchSize, mut parses: Parses) -> Batch {
        parses.reserve(room.parse);
        Batch {
            from,
            to: from,
            parts: Vec::new(),
            payload: Vec::with_capacity(room.bytes),
            parses,
            sums: Vec::with_capacity(room.events),
            letters: Vec::new(),
            context: Vec::new(),
            anchor: Anchor::default(),
            last_event,
        }
    }

    /// Makes room for so many more bytes of events.
    pub(crate) fn expect(&mut self, bytes: usize) {
        self.payload.reserve(bytes);
    }

    /// What it holds.
    pub(crate) fn size(&self) -> BatchSize {
        BatchSize { bytes: self.payload.len(), parse: self.parses.len(), events: self.sums.len() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Bytes of events that are sent.
    pub(crate) fn bytes(&self) -> usize {
        self.payload.len()
    }

    /// Bytes of memory held, near enough.
    pub(crate) fn memory(&self) -> usize {
        let letters: usize = self.letters.iter().map(Letter::memory).sum();
        self.payload.capacity() + self.parses.memory() + self.sums.capacity() * size_of::<Sum>() + letters
    }

    /// Takes a closed event in.
    pub(crate) fn push(&mut self, wiring: &Wiring, closed: Closed<'_>, extra: Flags, course: Course<'_>) {
        let Closed { event, bytes, .. } = closed;
        let to = Offset(event.offset.0 + u64::from(event.size));
        match course {
            Course::Send => {
                let mut facts = wiring.facts(closed, self.last_event);
                facts.flags.set(extra);
                self.last_event = Some(LastEvent { offset: facts.offset, head_hash: facts.head_hash });
                let hash = LedgerHash::of(wiring.stream, facts.offset, bytes);
                self.sums.push(Sum { offset: facts.offset, size: facts.size, hash });
                self.payload.extend_from_slice(bytes);
                let before = self.parses.len();
                self.part(event.offset, to, FateKind::Events, "");
                self.parses.push(&facts, &event.fields, closed.is_as_in_file());
                let parse = self.parses.len() - before;
                if let Some(part) = self.parts.last_mut() {
                    part.bytes += bytes.len();
                    part.parse += parse;
                }
            }
            Course::Exclude(rule) => {
                self.part(event.offset, to, FateKind::Excluded, rule);
            }
            Course::Dead(reason) => {
                let mut body = wiring.body(closed, self.last_event);
                body.flags.set(extra);
                self.letters.push(Letter::new(wiring.stream, body, bytes, reason));
                self.part(event.offset, to, FateKind::Dead, reason);
            }
        }
        self.to = to;
    }

    /// The part that ends at `to`: the last one grown, or a new one.
    fn part(&mut self, from: Offset, to: Offset, kind: FateKind, reason: &str) {
        let grows = self.parts.last().is_some_and(|p| p.kind == kind && p.reason == reason);
        if !grows {
            let reason = reason.to_owned();
            self.parts.push(Part { from, to, kind, reason, bytes: 0, parse: 0 });
            self.parses.restart();
        }
        if let Some(last) = self.parts.last_mut() {
            last.to = to;
        }
    }

    /// Ends it for now: context and anchor behind its last event.
    pub(crate) fn close(&mut self, context: Vec<u8>, anchor: Anchor) {
        debug_assert_eq!(anchor.at, self.to, "events tile the stream");
        self.context = context;
        self.anchor = anchor;
    }

    /// Dead letters that must be on disk before it is sent.
    pub(crate) fn letters(&self) -> &[Letter] {
        &self.letters
    }

    /// Parts into the message's ranges, what is kept for its answer, and what the next batch may work with.
    pub(crate) fn send(mut self) -> (Vec<DraftedRange>, InFlight, Parses) {
        let in_flight = InFlight {
            from: self.from,
            to: self.to,
            bytes: self.memory(),
            context: self.context.clone(),
            anchor: Some(self.anchor),
            last_event: self.last_event,
            closes: false,
            other: self.parts.iter().filter_map(Part::span).collect(),
            sums: self.sums,
        };
        let (payload, parses) = (Bytes::from(self.payload), self.parses.take_bytes());
        let (mut at, mut parse_at) = (0, 0);
        let mut ranges: Vec<DraftedRange> = Vec::with_capacity(self.parts.len());
        for part in self.parts {
            let parse = parses.slice(parse_at..parse_at + part.parse);
            parse_at += part.parse;
            let fate = match part.kind {
                FateKind::Events => {
                    let bytes = payload.slice(at..at + part.bytes);
                    at += part.bytes;
                    Fate::Events(EventsPayload { bytes, events: Vec::new() })
                }
                FateKind::Dead => Fate::Dead(part.reason),
                FateKind::Excluded => Fate::Excluded(part.reason),
                FateKind::Lost => Fate::Lost(part.reason),
            };
            // A message is taken whole or not at all: the mark never rests between its ranges, and only what
            // goes with its end is needed.
            let (from, to) = (part.from, Some(part.to));
            let range = Range { from, to, fate, context: Bytes::new(), anchors: Vec::new() };
            ranges.push(DraftedRange { range, parse });
        }
        if let Some(last) = ranges.last_mut() {
            last.range.context = Bytes::from(self.context);
            last.range.anchors = vec![self.anchor];
        }
        (ranges, in_flight, self.parses)
    }
}

impl Part {
    /// What it is, unless events.
    fn span(&self) -> Option<FateSpan> {
        let span = FateSpan { from: self.from, to: self.to, fate: self.kind };
        (self.kind != FateKind::Events).then_some(span)
    }
}

impl InFlight {
    /// Of a loss.
    pub(crate) fn of_loss(from: Offset, to: Option<Offset>, kept: &Kept) -> InFlight {
        let end = to.unwrap_or(from);
        InFlight {
            from,
            to: end,
            closes: to.is_none(),
            bytes: 0,
            context: kept.context.clone(),
            anchor: None,
            last_event: kept.last_event,
            other: vec![FateSpan { from, to: end, fate: FateKind::Lost }],
            sums: Vec::new(),
        }
    }

    /// Where its events begin.
    pub(crate) fn starts(&self) -> Vec<Offset> {
        self.sums.iter().map(|s| s.offset).collect()
    }

    /// What it has from `from` on that is not sent as events.
    pub(crate) fn other_from(&self, from: Offset) -> impl Iterator<Item = FateSpan> + '_ {
        let behind = self.other.iter().filter(move |span| span.to > from);
        behind.map(move |span| FateSpan { from: span.from.max(from), ..*span })
    }

    /// Sum of the events from `from` on; the bytes are those of the file.
    pub(crate) fn sum_from(&self, from: Offset) -> LedgerSum {
        let mut sum = LedgerSum::default();
        for event in self.sums.iter().filter(|event| event.offset >= from) {
            sum += LedgerSum { events: 1, bytes: u64::from(event.size), hash: event.hash };
        }
        sum
    }
}
