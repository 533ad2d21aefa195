//! From a framed piece to an event.

use crate::framing::Piece;
use crate::level;
use crate::{Context, Continues, Dataset, Event, Family, FileFacts, Flags, Level, Offset};

/// Makes events, one at a time, in the same place.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    event: Event,
}

impl Maker {
    pub(crate) fn new(facts: FileFacts) -> Maker {
        let _ = facts;
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
        Maker { event }
    }

    /// The event that `piece` with the bytes `bytes` at `offset` is.
    pub(crate) fn make(&mut self, piece: &Piece, bytes: &[u8], offset: Offset, context: &Context) -> &Event {
        let event = &mut self.event;
        event.offset = offset;
        event.size = piece.size as u32;
        event.lines = piece.lines;
        event.family = piece.head.map_or(Family::None, |h| h.family);
        event.level = piece.head.map_or(Level::Unknown, |h| level::of_word(h.level.of(bytes)));
        event.time = None;
        event.continues = piece.continues.then(|| context.cut.map_or(Continues::Generation, Continues::Event));
        event.flags = piece.flags;
        event.fields.clear();
        event
    }
}
