//! One event by its id, and the events around it in its file, across generations.
//!
//! Nothing is left out here, and no time window holds: what stands next to an event in its file is shown.

use super::source::{Source, sources};
use super::{Engine, EngineError};
use crate::access::Scope;
use crate::event::{StoredEvent, StreamInfo};
use crate::store::segment::Budget;
use parsers::Offset;
use std::collections::HashSet;
use std::sync::Arc;
use wire::{EventId, StreamId};

/// Most events before and after one.
const NEIGHBOURS_MAX: usize = 1000;
/// Offsets looked at first; doubled until enough was found.
const REACH_BYTES: u64 = 64 << 10;
/// Streams remembered; then it begins anew.
const INFOS_MAX: usize = 100_000;
/// Generations gone through at most, in each direction.
const GENERATIONS_MAX: usize = 100;

/// An event and what stands around it.
#[derive(Clone, Debug)]
pub struct Neighbours {
    /// In file order; the event itself is among them.
    pub events: Vec<Arc<StoredEvent>>,
    /// Nothing is missing.
    pub complete: bool,
}

impl Engine {
    /// One event.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] when the scope has no such event, whoever else may have it.
    pub fn event(&self, scope: &Scope, id: EventId) -> Result<Arc<StoredEvent>, EngineError> {
        let snapshot = self.snapshot();
        find(&sources(&snapshot, scope), id)
    }

    /// `before` and `after` events of the same file around one, and itself.
    ///
    /// # Errors
    /// As [`Engine::event`].
    pub fn context(
        &self,
        scope: &Scope,
        id: EventId,
        before: usize,
        after: usize,
        budget: &Budget,
    ) -> Result<Neighbours, EngineError> {
        let snapshot = self.snapshot();
        let sources = sources(&snapshot, scope);
        let event = find(&sources, id)?;
        let mut missing = false;
        let mut events = self.before(scope, &sources, &event, before.min(NEIGHBOURS_MAX), budget, &mut missing)?;
        events.reverse();
        let later = self.after(scope, &sources, &event, after.min(NEIGHBOURS_MAX), budget, &mut missing)?;
        events.push(event);
        events.extend(later);
        Ok(Neighbours { events, complete: !missing && !snapshot.replaying })
    }

    /// Up to `count` events before `event`, the nearest first.
    fn before(
        &self,
        scope: &Scope,
        sources: &[Source<'_>],
        event: &StoredEvent,
        count: usize,
        budget: &Budget,
        missing: &mut bool,
    ) -> Result<Vec<Arc<StoredEvent>>, EngineError> {
        let mut events = Vec::new();
        let mut end = event.body.offset;
        let mut generation = Some(Arc::clone(&event.info));
        let mut seen = HashSet::new();
        while let Some(info) = generation.take().filter(|info| events.len() < count && seen.insert(info.stream)) {
            let low = extent(sources, info.stream).map_or(end, |(low, _)| low);
            let mut reach = REACH_BYTES;
            while events.len() < count && end > low {
                if budget.spend(0).is_err() {
                    *missing = true;
                    return Ok(events);
                }
                let begin = Offset(end.0.saturating_sub(reach)).max(low);
                let mut found = stream_events(sources, info.stream, begin, end, Some(count - events.len()), true)?;
                events.append(&mut found);
                (end, reach) = (begin, reach.saturating_mul(2));
            }
            if seen.len() >= GENERATIONS_MAX {
                break;
            }
            end = Offset(u64::MAX);
            generation = match info.factors.predecessor {
                Some(stream) => self.info(scope, sources, stream)?,
                None => None,
            };
        }
        Ok(events)
    }

    /// Up to `count` events after `event`, the nearest first.
    fn after(
        &self,
        scope: &Scope,
        sources: &[Source<'_>],
        event: &StoredEvent,
        count: usize,
        budget: &Budget,
        missing: &mut bool,
    ) -> Result<Vec<Arc<StoredEvent>>, EngineError> {
        let mut events: Vec<Arc<StoredEvent>> = Vec::new();
        let mut begin = Offset(event.body.offset.0.saturating_add(1));
        let mut generation = Some(event.info.stream);
        let mut seen = HashSet::new();
        while let Some(stream) = generation.take().filter(|stream| events.len() < count && seen.insert(*stream)) {
            let high = extent(sources, stream).map(|(_, high)| high);
            let mut reach = REACH_BYTES;
            while events.len() < count && high.is_some_and(|high| begin <= high) {
                if budget.spend(0).is_err() {
                    *missing = true;
                    return Ok(events);
                }
                let end = Offset(begin.0.saturating_add(reach));
                events.append(&mut stream_events(sources, stream, begin, end, Some(count - events.len()), false)?);
                (begin, reach) = (end, reach.saturating_mul(2));
            }
            if events.len() < count && seen.len() < GENERATIONS_MAX {
                generation = self.successor(scope, sources, stream)?;
                begin = Offset(0);
            }
        }
        Ok(events)
    }

    /// What is known of a stream, from any of its events.
    fn info(
        &self,
        scope: &Scope,
        sources: &[Source<'_>],
        stream: StreamId,
    ) -> Result<Option<Arc<StreamInfo>>, EngineError> {
        let key = (scope.clone(), stream);
        let known = self.infos.lock().ok().and_then(|infos| infos.get(&key).cloned());
        if known.is_some() {
            return Ok(known);
        }
        let Some((first, _)) = extent(sources, stream) else { return Ok(None) };
        let events = stream_events(sources, stream, first, Offset(first.0.saturating_add(1)), Some(1), false)?;
        let info = events.first().map(|event| Arc::clone(&event.info));
        if let (Some(info), Ok(mut infos)) = (&info, self.infos.lock()) {
            if infos.len() >= INFOS_MAX {
                infos.clear();
            }
            infos.insert(key, Arc::clone(info));
        }
        Ok(info)
    }

    /// The generation that came after a stream.
    fn successor(
        &self,
        scope: &Scope,
        sources: &[Source<'_>],
        stream: StreamId,
    ) -> Result<Option<StreamId>, EngineError> {
        let mut others = HashSet::new();
        for source in sources {
            source.streams(&mut |other, _, _| {
                others.insert(other);
            });
        }
        for other in others {
            let info = self.info(scope, sources, other)?;
            if info.is_some_and(|info| info.factors.predecessor == Some(stream)) {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }
}

fn find(sources: &[Source<'_>], id: EventId) -> Result<Arc<StoredEvent>, EngineError> {
    let next = Offset(id.offset.0.saturating_add(1));
    let found = stream_events(sources, id.stream, id.offset, next, None, false)?;
    found.into_iter().find(|event| event.id() == id).ok_or(EngineError::NotFound)
}

/// Offsets of a stream's first and last event.
fn extent(sources: &[Source<'_>], stream: StreamId) -> Option<(Offset, Offset)> {
    let extents = sources.iter().filter_map(|source| source.extent(stream));
    extents.reduce(|(low, high), (first, last)| (low.min(first), high.max(last)))
}

/// The events of a stream that begin in `begin..end`, by offset, from either side, at most `max`.
fn stream_events(
    sources: &[Source<'_>],
    stream: StreamId,
    begin: Offset,
    end: Offset,
    max: Option<usize>,
    from_the_end: bool,
) -> Result<Vec<Arc<StoredEvent>>, EngineError> {
    let mut found = Vec::new();
    for (i, source) in sources.iter().enumerate() {
        if source.extent(stream).is_some_and(|(low, high)| low < end && high >= begin) {
            let rows = source.segment().stream_rows(stream, begin..end)?;
            found.extend(rows.into_iter().map(|(offset, row)| (offset, i, row)));
        }
    }
    found.sort_unstable_by_key(|(offset, ..)| *offset);
    found.dedup_by_key(|(offset, ..)| *offset);
    if from_the_end {
        found.reverse();
    }
    found.truncate(max.unwrap_or(usize::MAX));
    found.into_iter().map(|(_, i, row)| Ok(sources[i].segment().event(row)?)).collect()
}
