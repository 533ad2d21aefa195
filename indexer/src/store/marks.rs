//! The mark table: what is settled of every stream, and every agent's epoch (protocol rules 3, 21, 27, 34).
//!
//! It changes by WAL records only ([`Marks::apply`]), the same way when they are taken and when they are
//! replayed. Records whose fsync has not come back are in it already, so that the next message is judged
//! with them; [`Marks::roll_back`] takes them out again when the disk was full.
//!
//! Left out: what the events are and where they lie (segments' stream tables answer that, this checks them).

mod file;
mod stream;

pub(crate) use file::{MarksFile, read, write};
pub(crate) use stream::{OtherSpan, StreamMark};

use super::wal::{Happening, Record};
use outside::Safeguard;
use parsers::TimeNs;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::{AgentId, Epoch, LedgerSum, StreamId};

/// A stream: ids are chosen by shippers, so the owner is part of the key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamKey {
    pub(crate) owner: Arc<str>,
    pub(crate) stream: StreamId,
}

/// A state folder of some host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AgentKey {
    pub(crate) owner: Arc<str>,
    pub(crate) agent: AgentId,
}

/// What is known of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AgentRow {
    /// Of its newest start.
    pub(crate) epoch: Epoch,
    pub(crate) host_id: String,
    pub(crate) host_name: String,
}

/// The table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    agents: BTreeMap<AgentKey, AgentRow>,
    streams: BTreeMap<StreamKey, Arc<StreamMark>>,
    last_ingested: Option<TimeNs>,
    before: Before,
}

/// How everything stood before the records that wait for their fsync.
#[derive(Clone, Debug, Default)]
struct Before {
    agents: BTreeMap<AgentKey, Option<AgentRow>>,
    streams: BTreeMap<StreamKey, Option<Arc<StreamMark>>>,
    last_ingested: Option<Option<TimeNs>>,
}

impl Marks {
    pub(crate) fn agent(&self, key: &AgentKey) -> Option<&AgentRow> {
        self.agents.get(key)
    }

    pub(crate) fn stream(&self, key: &StreamKey) -> Option<&Arc<StreamMark>> {
        self.streams.get(key)
    }

    pub(crate) fn streams(&self) -> &BTreeMap<StreamKey, Arc<StreamMark>> {
        &self.streams
    }

    /// The newest `event.ingested` of all records (protocol rule 37).
    pub(crate) fn last_ingested(&self) -> Option<TimeNs> {
        self.last_ingested
    }

    /// Makes the change of a record.
    pub(crate) fn apply(&mut self, record: &Record) {
        let owner = &record.owner;
        match &record.what {
            Happening::Hello { agent, epoch, host_id, host_name } => {
                let (host_id, host_name) = (host_id.clone(), host_name.clone());
                self.set_agent(owner, *agent, AgentRow { epoch: *epoch, host_id, host_name });
            }
            Happening::Open { environment, epoch, info, base, context } => {
                self.raise_epoch(owner, info.agent, *epoch);
                let key = StreamKey { owner: Arc::clone(owner), stream: info.stream };
                match self.stream_mut(&key) {
                    Some(stream) => {
                        let before = stream.info.agent;
                        stream.reopen(environment, info);
                        if before != info.agent && Safeguard::ClaimFences.holds() {
                            self.fence(owner, before);
                        }
                    }
                    None => self.insert(key, StreamMark::new(environment, info, *base, context)),
                }
            }
            Happening::Ranges { environment: _, stream, epoch, ranges } => {
                self.note_ingested(record.received);
                let key = StreamKey { owner: Arc::clone(owner), stream: *stream };
                let Some(mark) = self.stream_mut(&key) else { return };
                ranges.iter().for_each(|range| mark.take_range(range));
                mark.gone_at = None;
                let agent = mark.info.agent;
                self.raise_epoch(owner, agent, *epoch);
            }
            Happening::Replay { environment: _, stream, taken } => {
                self.note_ingested(record.received);
                let key = StreamKey { owner: Arc::clone(owner), stream: *stream };
                if let Some(mark) = self.stream_mut(&key) {
                    mark.take_replay(taken);
                }
            }
            Happening::Gone { stream } => {
                let key = StreamKey { owner: Arc::clone(owner), stream: *stream };
                if let Some(mark) = self.stream_mut(&key) {
                    mark.gone_at = Some(record.received);
                }
            }
            Happening::Expire { partitions: _, removed, forgotten } => {
                for row in removed {
                    self.add_removed(&row.owner, row.stream, row.what);
                }
                for row in forgotten {
                    self.remove(StreamKey { owner: Arc::clone(&row.owner), stream: row.stream });
                }
            }
        }
    }

    fn add_removed(&mut self, owner: &Arc<str>, stream: StreamId, sum: LedgerSum) {
        let key = StreamKey { owner: Arc::clone(owner), stream };
        if let Some(mark) = self.stream_mut(&key) {
            mark.removed += sum;
        }
    }

    /// What waited is durable now.
    pub(crate) fn settle(&mut self) {
        self.before = Before::default();
    }

    /// Forgets everything since the last [`Marks::settle`].
    pub(crate) fn roll_back(&mut self) {
        let before = std::mem::take(&mut self.before);
        for (key, row) in before.agents {
            match row {
                Some(row) => self.agents.insert(key, row),
                None => self.agents.remove(&key),
            };
        }
        for (key, mark) in before.streams {
            match mark {
                Some(mark) => self.streams.insert(key, mark),
                None => self.streams.remove(&key),
            };
        }
        if let Some(last) = before.last_ingested {
            self.last_ingested = last;
        }
    }

    fn set_agent(&mut self, owner: &Arc<str>, agent: AgentId, row: AgentRow) {
        let key = AgentKey { owner: Arc::clone(owner), agent };
        let old = self.agents.insert(key.clone(), row);
        self.before.agents.entry(key).or_insert(old);
    }

    /// A restored or wiped store learns epochs that it gave, or that another one gave, from those who hold them.
    fn raise_epoch(&mut self, owner: &Arc<str>, agent: AgentId, epoch: Epoch) {
        let key = AgentKey { owner: Arc::clone(owner), agent };
        let row = self.agents.get(&key);
        if row.is_none_or(|row| row.epoch < epoch) {
            let row = AgentRow { epoch, ..row.cloned().unwrap_or_default() };
            self.set_agent(owner, agent, row);
        }
    }

    /// What the starts of an agent until now still send, or sent and comes late, is refused; a new start may speak.
    fn fence(&mut self, owner: &Arc<str>, agent: AgentId) {
        let row = self.agents.get(&AgentKey { owner: Arc::clone(owner), agent }).cloned().unwrap_or_default();
        let epoch = Epoch { number: row.epoch.number + 1, ..row.epoch };
        self.set_agent(owner, agent, AgentRow { epoch, ..row });
    }

    fn stream_mut(&mut self, key: &StreamKey) -> Option<&mut StreamMark> {
        let mark = self.streams.get_mut(key)?;
        self.before.streams.entry(key.clone()).or_insert_with(|| Some(Arc::clone(mark)));
        Some(Arc::make_mut(mark))
    }

    fn insert(&mut self, key: StreamKey, mark: StreamMark) {
        let old = self.streams.insert(key.clone(), Arc::new(mark));
        self.before.streams.entry(key).or_insert(old);
    }

    fn remove(&mut self, key: StreamKey) {
        if let Some(old) = self.streams.remove(&key) {
            self.before.streams.entry(key).or_insert(Some(old));
        }
    }

    fn note_ingested(&mut self, received: TimeNs) {
        self.before.last_ingested.get_or_insert(self.last_ingested);
        self.last_ingested = self.last_ingested.max(Some(received));
    }
}
