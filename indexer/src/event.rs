//! An event as the store keeps it: the parse and bytes that were sent, and what the store added.

use bytes::Bytes;
use parsers::TimeNs;
use std::sync::Arc;
use wire::{AgentId, EventBody, EventId, Factors, StreamId};

/// What all events of one stream share; from `open`.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamInfo {
    /// The stream.
    pub stream: StreamId,
    /// The state folder it came from.
    pub agent: AgentId,
    /// `host.id`
    pub host_id: String,
    /// `host.name`
    pub host_name: String,
    /// Path, name, product, labels.
    pub factors: Factors,
}

/// One event in the store. `body.time` is kept as sent; an event sent without one gets it here, and its source
/// says from where. [`StoredEvent::time`] is what it is ordered by.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Its stream's facts.
    pub info: Arc<StreamInfo>,
    /// Its parse.
    pub body: EventBody,
    /// Its bytes.
    pub raw: Bytes,
    /// `@timestamp`: decided once, when it was received (protocol rule 32).
    pub time: TimeNs,
    /// `event.ingested`
    pub ingested: TimeNs,
}

impl StoredEvent {
    /// Its id.
    pub fn id(&self) -> EventId {
        EventId { stream: self.info.stream, offset: self.body.offset, head_hash: self.body.head_hash }
    }
}
