//! Requests as a shipper makes them: the parse of each event is written down as it goes over the network when the event
//! is closed, and never exists as structures. These are ten times as large, and would be made on one processor to be read
//! once on another.

use crate::proto::{self, Writer};
use crate::{AgentId, DecodeError, Epoch, EventBody, Fate, Message, Range, Ranges, Request, StreamId};
use bytes::Bytes;
use parsers::Field;
use prost::Message as _;

/// The parse of events one after the other, as it is sent.
#[derive(Debug, Default)]
pub struct Parses {
    written: Vec<u8>,
    writer: Writer,
}

impl Parses {
    /// Appends the parse of one event: `facts` with `fields` instead of its own.
    pub fn push(&mut self, facts: &EventBody, fields: &[Field]) {
        self.writer.event(facts, fields, &mut self.written);
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
        self.written.capacity()
    }

    /// What was written.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from(self.written)
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
    /// The request that an indexer gets, for one in the same process.
    ///
    /// # Errors
    /// When a parse is not one that [`Parses`] wrote.
    pub fn into_request(self) -> Result<Request, DecodeError> {
        let messages = self.messages.into_iter().map(|message| match message {
            Drafted::Message(message) => Ok(message),
            Drafted::Ranges { stream, ranges } => {
                let ranges = ranges.into_iter().map(DraftedRange::into_range).collect::<Result<_, _>>()?;
                Ok(Message::Ranges(Ranges { stream, ranges }))
            }
        });
        Ok(Request { agent: self.agent, epoch: self.epoch, messages: messages.collect::<Result<_, _>>()? })
    }
}

impl DraftedRange {
    fn into_range(mut self) -> Result<Range, DecodeError> {
        if let Fate::Events(payload) = &mut self.range.fate {
            let parse =
                proto::Payload::decode(self.parse).map_err(|_| DecodeError::Malformed("a parse is no parse"))?;
            let whole = proto::Payload { bytes: std::mem::take(&mut payload.bytes), ..parse };
            *payload = whole.try_into()?;
        }
        Ok(self.range)
    }
}
