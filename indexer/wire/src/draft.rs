//! Requests as a shipper makes them: the parse of each event is written down as it goes over the network when the event
//! is closed, and never exists as structures. These are ten times as large, and would be made on one processor to be read
//! once on another.

use crate::table::{self, Writer};
use crate::{AgentId, DecodeError, Epoch, EventBody, Fate, Message, Range, Ranges, Request, StreamId};
use bytes::Bytes;
use parsers::Field;

/// The parse of events one after the other, as it is sent.
#[derive(Debug, Default)]
pub struct Parses {
    written: Vec<u8>,
    writer: Writer,
}

impl Parses {
    /// Appends the parse of one event: `facts` with `fields` instead of its own. `is_derived`: its `head_hash` is that
    /// of the first line of its bytes in the payload.
    pub fn push(&mut self, facts: &EventBody, fields: &[Field], is_derived: bool) {
        self.writer.event(facts, fields, is_derived, &mut self.written);
    }

    /// The events that follow go into another range.
    pub fn restart(&mut self) {
        self.writer.restart();
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.written.len()
    }

    /// Whether there is no event in it.
    pub fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// Bytes of memory held, near enough.
    pub fn memory(&self) -> usize {
        self.written.capacity() + self.writer.memory()
    }

    /// What was written; it is empty then, and as good as new, but for the memory that it works in.
    pub fn take_bytes(&mut self) -> Bytes {
        self.writer.restart();
        Bytes::from(std::mem::take(&mut self.written))
    }

    /// Makes room for so many more bytes.
    pub fn reserve(&mut self, bytes: usize) {
        self.written.reserve_exact(bytes);
    }
}

/// A request that is to be sent.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// The state folder that speaks.
    pub agent: AgentId,
    /// The epoch `hello` gave; zero before.
    pub epoch: Epoch,
    /// The messages.
    pub messages: Vec<Drafted>,
}

/// A message that is to be sent.
#[allow(clippy::large_enum_variant, reason = "there are few of them, and they are moved once")]
#[derive(Clone, Debug)]
pub enum Drafted {
    /// As it is.
    Message(Message),
    /// Ranges of one stream, without gap.
    Ranges {
        /// Whose.
        stream: StreamId,
        /// In order.
        ranges: Vec<DraftedRange>,
    },
}

/// A range that is to be sent.
#[derive(Clone, Debug)]
pub struct DraftedRange {
    /// All of it but the parse of its events.
    pub range: Range,
    /// That of [`Parses`].
    pub parse: Bytes,
}

impl Draft {
    /// Bytes of the events in it.
    pub fn event_bytes(&self) -> usize {
        let of_range = |drafted: &DraftedRange| match &drafted.range.fate {
            Fate::Events(payload) => payload.bytes.len(),
            _ => 0,
        };
        let of_message = |message: &Drafted| match message {
            Drafted::Message(_) => 0,
            Drafted::Ranges { ranges, .. } => ranges.iter().map(of_range).sum(),
        };
        self.messages.iter().map(of_message).sum()
    }

    /// The request that an indexer gets, for one in the same process.
    ///
    /// # Errors
    /// When a parse is not one that [`Parses`] wrote.
    pub fn into_request(self) -> Result<Request, DecodeError> {
        let messages = self.messages.into_iter().map(|message| match message {
            Drafted::Message(message) => Ok(message),
            Drafted::Ranges { stream, ranges } => {
                let ranges = ranges.into_iter().map(|range| range.into_range(stream)).collect::<Result<_, _>>()?;
                Ok(Message::Ranges(Ranges { stream, ranges }))
            }
        });
        Ok(Request { agent: self.agent, epoch: self.epoch, messages: messages.collect::<Result<_, _>>()? })
    }
}

impl DraftedRange {
    fn into_range(mut self, stream: StreamId) -> Result<Range, DecodeError> {
        if let Fate::Events(payload) = &mut self.range.fate {
            payload.events = table::read(&self.parse, &payload.bytes, stream)?;
        }
        Ok(self.range)
    }
}
