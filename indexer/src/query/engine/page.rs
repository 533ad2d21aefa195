//! One page of a search, newest or oldest first.
//!
//! Sources are gone through by the time of their first event in the order asked for; a bounded heap keeps the best
//! hits, and both the scan of a source and the walk over sources end as soon as nothing better can come. When the
//! budget runs out, only what lies before the first place not looked at is given, and the cursor stands there.

use super::cursor::{Cursor, question_hash};
use super::source::Source;
use super::{Ask, Engine, EngineError, Missing, Ready, in_window};
use crate::access::Scope;
use crate::event::StoredEvent;
use crate::store::segment::{Budget, Ended, Hit, Order, Place, Question, Row};
use crate::store::snapshot::Snapshot;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Most events in a page.
pub(super) const PAGE_EVENTS_MAX: usize = 10_000;
/// Bytes of events held by a page in the making; others are fetched again when the page is known.
const HELD_BYTES_MAX: usize = 16 << 20;
/// What an event's fields take in an answer, roughly, besides its text.
const FIELDS_BYTES: usize = 1 << 10;

/// Which events come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PageOrder {
    /// By time, the newest first.
    #[default]
    Newest,
    /// By time, the oldest first.
    Oldest,
    /// By stream (in order of their first event), then offset.
    File,
}

/// What page is wanted.
#[derive(Clone, Debug, Default)]
pub struct PageRequest {
    /// Which events come first.
    pub order: PageOrder,
    /// Events at most.
    pub limit: usize,
    /// Where to go on.
    pub cursor: Option<Cursor>,
    /// The answer carries each event's bytes too.
    pub with_raw: bool,
}

/// One page.
#[derive(Clone, Debug)]
pub struct Page {
    /// The events.
    pub events: Vec<Arc<StoredEvent>>,
    /// Where to go on; `None`: this was the end.
    pub cursor: Option<Cursor>,
    /// Nothing is missing from it.
    pub complete: bool,
    /// Copies left out, on this page's stretch.
    pub copies_left_out: u64,
}

/// Events of a page.
struct Fetched {
    events: Vec<Arc<StoredEvent>>,
    /// Place of the last one.
    last: Option<Place>,
    /// Candidates are left that did not fit.
    cut: bool,
}

/// A hit and where it comes from; the greatest is the worst of its order.
#[derive(Debug)]
struct Candidate {
    order: Order,
    place: Place,
    source: usize,
    row: Row,
    event: Option<Arc<StoredEvent>>,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match self.order {
            Order::Newest => other.place.cmp(&self.place),
            Order::Oldest => self.place.cmp(&other.place),
        }
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for Candidate {}

/// The best hits so far.
struct Best {
    order: Order,
    limit: usize,
    held: usize,
    heap: BinaryHeap<Candidate>,
}

impl Best {
    /// Whether nothing from `place` on can be among the best.
    fn is_beyond(&self, place: Place) -> bool {
        self.heap.len() >= self.limit && self.heap.peek().is_some_and(|worst| self.order.is_after(place, worst.place))
    }

    fn offer(&mut self, source: usize, hit: Hit) -> ControlFlow<()> {
        if self.is_beyond(hit.place) {
            return ControlFlow::Break(());
        }
        let event = hit.event.filter(|event| self.held + event.raw.len() <= HELD_BYTES_MAX);
        self.held += event.as_ref().map_or(0, |event| event.raw.len());
        self.heap.push(Candidate { order: self.order, place: hit.place, source, row: hit.row, event });
        if self.heap.len() > self.limit {
            let worst = self.heap.pop();
            self.held -= worst.and_then(|worst| worst.event).map_or(0, |event| event.raw.len());
        }
        ControlFlow::Continue(())
    }
}

impl Engine {
    /// One page of a search.
    ///
    /// # Errors
    /// When query, times or cursor cannot be read, or a segment cannot.
    pub fn search(&self, scope: &Scope, ask: &Ask, page: &PageRequest, budget: &Budget) -> Result<Page, EngineError> {
        let question = question_hash(ask, scope);
        let (now, ready) = match &page.cursor {
            None => {
                let now = self.now();
                (now, self.ready(ask, now)?)
            }
            Some(cursor) if cursor.question != question => {
                return Err(EngineError::Cursor("belongs to another query or scope"));
            }
            Some(cursor) if cursor.order != page.order => return Err(EngineError::Cursor("belongs to another order")),
            Some(cursor) => {
                let ask = Ask { from: None, to: None, ..ask.clone() };
                let mut ready = self.ready(&ask, cursor.now)?;
                ready.window = cursor.window;
                (cursor.now, ready)
            }
        };
        let after = page.cursor.map(|cursor| cursor.after);
        let request = PageRequest { limit: page.limit.clamp(1, PAGE_EVENTS_MAX), ..page.clone() };
        let snapshot = self.snapshot();
        let (mut answer, end) = match page.order {
            PageOrder::Newest => self.by_time(&snapshot, scope, &ready, Order::Newest, after, &request, budget)?,
            PageOrder::Oldest => self.by_time(&snapshot, scope, &ready, Order::Oldest, after, &request, budget)?,
            PageOrder::File => self.by_file(&snapshot, scope, &ready, after, &request, budget)?,
        };
        answer.cursor = end.map(|after| Cursor { order: page.order, after, window: ready.window, now, question });
        answer.complete &= !snapshot.replaying;
        Ok(answer)
    }

    /// A page and the place where it ended, if that was not the end of everything.
    #[expect(clippy::too_many_arguments, reason = "one place, and each says something else")]
    fn by_time(
        &self,
        snapshot: &Snapshot,
        scope: &Scope,
        ready: &Ready,
        order: Order,
        after: Option<Place>,
        request: &PageRequest,
        budget: &Budget,
    ) -> Result<(Page, Option<Place>), EngineError> {
        let mut sources = in_window(snapshot, scope, &ready.window);
        sources.sort_by(|a, b| match order {
            Order::Newest => b.last().cmp(&a.last()),
            Order::Oldest => a.first().cmp(&b.first()),
        });
        // One more than wanted tells whether the page is the last one.
        let mut best = Best { order, limit: request.limit + 1, held: 0, heap: BinaryHeap::new() };
        let mut missing = Missing::default();
        let unseen = collect(&sources, &ready.question(), after, budget, &mut best, &mut missing)?;
        let mut candidates = best.heap.into_sorted_vec();
        if let Some(unseen) = unseen {
            candidates.retain(|candidate| !order.is_after(candidate.place, unseen));
        }
        let full = candidates.len() > request.limit;
        candidates.truncate(request.limit);
        let Fetched { events, last, cut } = self.fetch(&sources, candidates, request)?;
        let end = if cut || full { last } else { unseen.map(|unseen| later(order, unseen, after)) };
        let copies = self.copies_until(&sources, ready, order, after, end, budget, &mut missing)?;
        let page = Page { events, cursor: None, complete: missing.0.is_none(), copies_left_out: copies };
        Ok((page, end))
    }

    /// The events of the candidates, as many as a page may hold; the last one's place, and whether some are left.
    fn fetch(
        &self,
        sources: &[Source<'_>],
        candidates: Vec<Candidate>,
        request: &PageRequest,
    ) -> Result<Fetched, EngineError> {
        let (mut events, mut last, mut bytes) = (Vec::with_capacity(candidates.len()), None, 0);
        for candidate in candidates {
            let event = match candidate.event {
                Some(event) => event,
                None => sources[candidate.source].segment().event(candidate.row)?,
            };
            bytes += answer_bytes(&event, request.with_raw);
            if bytes > self.limits.page_bytes && !events.is_empty() {
                return Ok(Fetched { events, last, cut: true });
            }
            last = Some(candidate.place);
            events.push(event);
        }
        Ok(Fetched { events, last, cut: false })
    }

    /// How many copies lie between the places where the page begins and ends.
    #[expect(clippy::too_many_arguments, reason = "one place, and each says something else")]
    fn copies_until(
        &self,
        sources: &[Source<'_>],
        ready: &Ready,
        order: Order,
        after: Option<Place>,
        end: Option<Place>,
        budget: &Budget,
        missing: &mut Missing,
    ) -> Result<u64, EngineError> {
        let Some(question) = ready.copies() else { return Ok(0) };
        let mut copies = 0;
        for source in sources {
            if end.is_some_and(|end| order.is_after(source.begin(order), end)) {
                continue;
            }
            let ended = source.segment().scan(&question, order, after, budget, &mut |hit| {
                if end.is_some_and(|end| order.is_after(hit.place, end)) {
                    return ControlFlow::Break(());
                }
                copies += 1;
                ControlFlow::Continue(())
            })?;
            missing.note(ended.exhausted());
        }
        Ok(copies)
    }
}

/// Gathers the best hits of all sources. When the budget ran out: the last place before which everything was seen.
fn collect(
    sources: &[Source<'_>],
    question: &Question<'_>,
    after: Option<Place>,
    budget: &Budget,
    best: &mut Best,
    missing: &mut Missing,
) -> Result<Option<Place>, EngineError> {
    let order = best.order;
    let mut unseen: Option<Place> = None;
    let mut note = |place: Place| unseen = Some(unseen.map_or(place, |other| earlier(order, place, other)));
    for (i, source) in sources.iter().enumerate() {
        let begin = source.begin(order);
        if best.is_beyond(begin) {
            break;
        }
        if missing.0.is_some() {
            note(begin);
            continue;
        }
        let ended = source.segment().scan(question, order, after, budget, &mut |hit| best.offer(i, hit))?;
        if let Ended::Exhausted { why, reached } = ended {
            missing.note(Some(why));
            note(reached.unwrap_or(begin));
        }
    }
    Ok(unseen)
}

fn earlier(order: Order, a: Place, b: Place) -> Place {
    if order.is_after(a, b) { b } else { a }
}

/// A cursor never goes back behind where the page began.
fn later(order: Order, place: Place, after: Option<Place>) -> Place {
    after.filter(|&after| order.is_after(after, place)).unwrap_or(place)
}

/// What an event takes in an answer, roughly.
pub(super) fn answer_bytes(event: &StoredEvent, with_raw: bool) -> usize {
    event.raw.len() * if with_raw { 2 } else { 1 } + FIELDS_BYTES
}
