//! From a framed piece to an event: which fields it has, when it happened, what it leaves for the next one.

use crate::fields::{Fields, access, carbon, trimmed};
use crate::framing::Piece;
use crate::head::Head;
use crate::span::Span;
use crate::time::{Times, inherited};
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
        Maker { event, fields: Fields::default(), times: Times::new(), dataset, banner: None }
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
        let level = match head {
            Some(head) => self.fill(head, bytes),
            None => {
                self.fields.span(FieldId::MESSAGE, trimmed(bytes, 0, bytes.len()));
                Level::Unknown
            }
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

    fn fill(&mut self, head: &Head, bytes: &[u8]) -> Level {
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
}
