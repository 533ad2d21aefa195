//! Events in memory, searched by running the matcher over them: the definition of what a segment answers.
//! The naive segment of the simulation is this; blocks of newest lines can be.

use super::{Budget, Ended, Hit, Order, Place, Question, Row, SegmentError};
use crate::event::StoredEvent;
use crate::query::fields;
use parsers::Offset;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;
use wire::StreamId;

/// Events between two looks at the budget.
const STRIDE: usize = 256;

/// Events in order, newest first; an event's [`Row`] is its index.
#[derive(Clone, Debug, Default)]
pub struct PlainEvents {
    events: Vec<Arc<StoredEvent>>,
}

impl PlainEvents {
    /// Sorts `events`.
    pub fn new(mut events: Vec<Arc<StoredEvent>>) -> PlainEvents {
        events.sort_by_key(|event| std::cmp::Reverse(Place::of(event)));
        PlainEvents { events }
    }

    /// The events, newest first.
    pub fn events(&self) -> &[Arc<StoredEvent>] {
        &self.events
    }

    /// See [`super::Segment::scan`].
    pub fn scan(
        &self,
        question: &Question<'_>,
        order: Order,
        after: Option<Place>,
        budget: &Budget,
        visit: &mut dyn FnMut(Hit) -> ControlFlow<()>,
    ) -> Ended {
        let (mut pending, mut reached) = (0, None);
        for i in 0..self.events.len() {
            let row = match order {
                Order::Newest => i,
                Order::Oldest => self.events.len() - 1 - i,
            };
            let event = &self.events[row];
            pending += event.raw.len() as u64;
            if i % STRIDE == 0
                && let Err(why) = budget.spend(std::mem::take(&mut pending))
            {
                return Ended::Exhausted { why, reached };
            }
            let place = Place::of(event);
            if after.is_none_or(|after| order.is_after(place, after)) && question.matches(event) {
                let hit = Hit { place, row: Row(row as u32), event: Some(Arc::clone(event)) };
                if visit(hit).is_break() {
                    return Ended::Stopped;
                }
            }
            reached = Some(place);
        }
        Ended::Complete
    }

    /// See [`super::Segment::event`]; `folder` is for the error's text.
    pub fn event(&self, row: Row, folder: &Path) -> Result<Arc<StoredEvent>, SegmentError> {
        self.events.get(row.0 as usize).cloned().ok_or_else(|| SegmentError::Corrupt {
            path: folder.display().to_string(),
            reason: format!("event {} of {} was asked for", row.0, self.events.len()),
        })
    }

    /// See [`super::Segment::stream_rows`].
    pub fn stream_rows(&self, stream: StreamId, offsets: &Range<Offset>) -> Vec<(Offset, Row)> {
        let of_stream = self.events.iter().enumerate().filter(|(_, event)| event.info.stream == stream);
        let places = of_stream.map(|(row, event)| (event.body.offset, Row(row as u32)));
        let mut rows: Vec<_> = places.filter(|(offset, _)| offsets.contains(offset)).collect();
        rows.sort();
        rows
    }

    /// See [`super::Segment::fields`].
    pub fn fields(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for event in &self.events {
            let mut names = BTreeSet::new();
            fields::fields(event, &mut |name, _| {
                names.insert(name);
            });
            for name in names {
                match counts.get_mut(name) {
                    Some(count) => *count += 1,
                    None => drop(counts.insert(name.to_owned(), 1)),
                }
            }
        }
        counts
    }
}
