//! From a framed piece to an event: which fields it has, when it happened, what it leaves for the next one.

use crate::fields::{Fields, access, carbon, trimmed};
use crate::framing::Piece;
use crate::head::Head;
use crate::span::Span;
use crate::time::{Times, inherited};
use crate::wrapper::Wrapper;
use crate::{
    Context, Continues, Dataset, Event, Family, FieldId, FileFacts, Flags, Level, Offset, Zone, dataset, zone,
};

/// Makes events, one at a time, in the same place.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    event: Event,
    fields: Fields,
    times: Times,
    dataset: Option<Dataset>,
    /// The lines of a wrapped event without their wrapping.
    inside: Vec<u8>,
    /// The zone that the last event made known.
    banner: Option<Zone>,
}

impl Maker {
    pub(crate) fn new(facts: &FileFacts) -> Maker {
        let event = Event {
            offset: Offset(0),
            size: 0,
            lines: 0,
            family: Family::None,
            dataset: Dataset::Other,
            level: Level::Unknown,
            time: None,
            continues: None,
            flags: Flags::default(),
            fields: Vec::new(),
        };
        let dataset = dataset::of_name(&facts.name);
        Maker { event, fields: Fields::default(), times: Times::new(), dataset, inside: Vec::new(), banner: None }
    }

    /// The event that `piece` with the bytes `bytes` at `offset` is, and the zone that it tells.
    pub(crate) fn make(
        &mut self,
        piece: &Piece,
        bytes: &[u8],
        offset: Offset,
        context: &Context,
    ) -> (&Event, &mut Option<Zone>) {
        self.fields.begin(std::mem::take(&mut self.event.fields));
        self.banner = None;
        let head = piece.head.as_ref();
        let level = match piece.wrapper {
            Wrapper::None => self.fill(head, bytes),
            wrapper => self.fill_wrapped(wrapper, head, bytes),
        };
        let time = head.and_then(|h| self.times.of_stamp(&h.stamp, context)).or_else(|| inherited(context));
        self.event = Event {
            offset,
            size: piece.size as u32,
            lines: piece.lines,
            family: head.map_or(Family::None, |h| h.family),
            dataset: self.dataset.unwrap_or_else(|| dataset::of_event(head, bytes)),
            level,
            time,
            continues: piece.continues.then(|| context.cut.map_or(Continues::Generation, Continues::Event)),
            flags: piece.flags,
            fields: self.fields.finish(),
        };
        (&self.event, &mut self.banner)
    }

    fn fill(&mut self, head: Option<&Head>, bytes: &[u8]) -> Level {
        let Some(head) = head else {
            self.fields.span(FieldId::MESSAGE, trimmed(bytes, 0, bytes.len()));
            return Level::Unknown;
        };
        match head.family {
            Family::AccessPt | Family::AccessTc => {
                access::fill(head, bytes, &mut self.fields);
                Level::Unknown
            }
            _ => {
                let (level, message): (Level, Span) = carbon::fill(head, bytes, &mut self.fields);
                self.banner = zone::of_banner(head.logger, message, bytes);
                level
            }
        }
    }

    /// Fills from the inside of the lines; what is no span of the file's own bytes becomes a literal.
    fn fill_wrapped(&mut self, wrapper: Wrapper, head: Option<&Head>, bytes: &[u8]) -> Level {
        let mut inside = std::mem::take(&mut self.inside);
        inside.clear();
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            wrapper.unwrap_into(line, &mut inside);
        }
        let level = self.fill(head, &inside);
        let first = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |i| i + 1);
        let skip = wrapper.slice_of(&bytes[..first]);
        self.fields.unwrapped(&inside, skip.map(|skip| (skip, first - skip)));
        self.inside = inside;
        level
    }
}
