//! Events in the order of their files: streams in order of their first event, each by offset. Pages of a search
//! (`order=file`), and exports, which go through everything once over one snapshot.
//!
//! A query that names its streams walks their offsets piece by piece and looks at each event; any other one lets the
//! segments find the matches of a stream first.

use super::page::{Page, PageRequest, answer_bytes};
use super::source::{Source, sources};
use super::{Ask, Engine, EngineError, Missing, Ready, and};
use crate::access::Scope;
use crate::event::StoredEvent;
use crate::query::ast::{Clause, Query, Target, Test};
use crate::query::matcher::Matcher;
use crate::store::segment::{Budget, Exhausted, Order, Place, Question, Row};
use crate::store::snapshot::Snapshot;
use parsers::{Offset, TimeNs};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use wire::StreamId;

/// Offsets walked at once.
const PIECE_BYTES: u64 = 4 << 20;
/// Matches of one stream held at once; a stream that has more is walked.
const MATCHES_MAX: usize = 500_000;

/// Before everything.
const BEGIN: Place = Place { time: TimeNs(i64::MIN), stream: StreamId(0), offset: Offset(0) };

/// One stream of a snapshot: when it began, and up to where it is held.
#[derive(Clone, Copy, Debug)]
struct Line {
    began: TimeNs,
    stream: StreamId,
    last: Offset,
}

/// Where an event is found: its offset, source and row.
type Found = (Offset, usize, Row);

impl Engine {
    pub(super) fn by_file(
        &self,
        snapshot: &Snapshot,
        scope: &Scope,
        ready: &Ready,
        after: Option<Place>,
        request: &PageRequest,
        budget: &Budget,
    ) -> Result<(Page, Option<Place>), EngineError> {
        let sources = sources(snapshot, scope);
        let of = Of { sources: &sources, ready };
        let mut walk = Walk::new(of, after)?;
        let (mut events, mut bytes, mut copies) = (Vec::new(), 0, 0);
        let copy_of = |event: &StoredEvent| event.body.flags.has(parsers::Flags::COPY);
        // Copies are met on the way, so they are counted without a second look.
        let mut exhausted = None;
        let end = loop {
            match walk.next(of, budget)? {
                Step::End => break None,
                Step::Exhausted(why) => {
                    exhausted = Some(why);
                    // A cursor even where nothing was looked at: only its absence means the end.
                    break Some(walk.place().or(after).unwrap_or(BEGIN));
                }
                Step::Event(event) if ready.copies.is_some() && copy_of(&event) => copies += 1,
                Step::Event(event) => {
                    let before = walk.before();
                    bytes += answer_bytes(&event, request.with_raw);
                    let too_much = bytes > self.limits.page_bytes && !events.is_empty();
                    if too_much || events.len() == request.limit {
                        break before.or(after);
                    }
                    events.push(event);
                }
            }
        };
        let page = Page { events, cursor: None, complete: exhausted.is_none(), copies_left_out: copies };
        Ok((page, end))
    }

    /// Goes through everything that a query finds, in file order, nothing left out.
    ///
    /// # Errors
    /// As [`Engine::search`]; and while the store replays, since an export is whole or none.
    pub fn export(&self, scope: &Scope, ask: &Ask) -> Result<Export, EngineError> {
        let snapshot = self.snapshot();
        if snapshot.replaying {
            return Err(EngineError::Replaying);
        }
        let ready = self.ready(&Ask { copies: true, ..ask.clone() }, self.now())?;
        Ok(Export { snapshot, scope: scope.clone(), ready, walk: None, ended: false })
    }
}

/// An export under way. Later changes of the store do not touch it.
#[derive(Debug)]
pub struct Export {
    snapshot: Arc<Snapshot>,
    scope: Scope,
    ready: Ready,
    /// Begun with the first piece.
    walk: Option<Walk>,
    ended: bool,
}

impl Export {
    /// The next events, about `bytes` of them; none: the end.
    ///
    /// # Errors
    /// When a segment cannot be read, or nobody waits any more.
    pub fn next(&mut self, bytes: usize, budget: &Budget) -> Result<Vec<Arc<StoredEvent>>, EngineError> {
        let mut events = Vec::new();
        if self.ended {
            return Ok(events);
        }
        let sources = sources(&self.snapshot, &self.scope);
        let of = Of { sources: &sources, ready: &self.ready };
        let walk = match &mut self.walk {
            Some(walk) => walk,
            none => none.insert(Walk::new(of, None)?),
        };
        let mut held = 0;
        while held < bytes {
            match walk.next(of, budget)? {
                Step::Event(event) => {
                    held += event.raw.len() + 256;
                    events.push(event);
                }
                Step::End => {
                    self.ended = true;
                    break;
                }
                Step::Exhausted(_) => return Err(EngineError::Replaying),
            }
        }
        Ok(events)
    }
}

/// What a step of a walk came to.
enum Step {
    Event(Arc<StoredEvent>),
    End,
    Exhausted(Exhausted),
}

/// What a walk goes through: the same sources, in the same order, at each step.
#[derive(Clone, Copy)]
struct Of<'w, 's> {
    sources: &'w [Source<'s>],
    ready: &'w Ready,
}

/// Goes through the matching events in file order.
#[derive(Debug)]
struct Walk {
    lines: std::vec::IntoIter<Line>,
    named: bool,
    line: Option<Line>,
    /// Next offset of the line to look for.
    from: Offset,
    found: std::vec::IntoIter<Found>,
    /// The last event looked at, and the one before it that was given.
    place: Option<Place>,
    before: Option<Place>,
}

impl Walk {
    fn new(of: Of<'_, '_>, after: Option<Place>) -> Result<Walk, EngineError> {
        let named = streams_named(of.ready.main.query());
        let mut lines = lines(of.sources, named.as_deref())?;
        lines.retain(|line| after.is_none_or(|after| (line.began, line.stream) >= (after.time, after.stream)));
        let mut walk = Walk {
            lines: lines.into_iter(),
            named: named.is_some(),
            line: None,
            from: Offset(0),
            found: Vec::new().into_iter(),
            place: None,
            before: None,
        };
        walk.next_line();
        if let (Some(line), Some(after)) = (walk.line, after)
            && line.stream == after.stream
        {
            walk.from = Offset(after.offset.0.saturating_add(1));
        }
        Ok(walk)
    }

    /// The last place looked at.
    fn place(&self) -> Option<Place> {
        self.place
    }

    /// The place looked at before the last event that was given.
    fn before(&self) -> Option<Place> {
        self.before
    }

    fn next_line(&mut self) {
        self.line = self.lines.next();
        self.from = Offset(0);
    }

    fn next(&mut self, of: Of<'_, '_>, budget: &Budget) -> Result<Step, EngineError> {
        loop {
            let Some(line) = self.line else { return Ok(Step::End) };
            let Some((offset, source, row)) = self.found.next() else {
                if self.from > line.last {
                    self.next_line();
                    continue;
                }
                match self.look(of, line, budget)? {
                    Some(why) => return Ok(Step::Exhausted(why)),
                    None => continue,
                }
            };
            let event = of.sources[source].segment().event(row)?;
            if let Err(why) = budget.spend(event.raw.len() as u64) {
                return Ok(Step::Exhausted(why));
            }
            let question = of.ready.question();
            let copies = of.ready.copies();
            let matches = question.matches(&event) || copies.is_some_and(|copies| copies.matches(&event));
            let here = Place { time: line.began, stream: line.stream, offset };
            if matches {
                self.before = self.place;
                self.place = Some(here);
                return Ok(Step::Event(event));
            }
            self.place = Some(here);
        }
    }

    /// Finds the next events of the line.
    fn look(&mut self, of: Of<'_, '_>, line: Line, budget: &Budget) -> Result<Option<Exhausted>, EngineError> {
        if !self.named && !matches!(of.ready.main.query(), Query::All) {
            match self.matches_of(of, line, budget)? {
                Matches::All(found) => {
                    self.found = found.into_iter();
                    self.from = Offset(line.last.0.saturating_add(1));
                    return Ok(None);
                }
                Matches::Exhausted(why) => return Ok(Some(why)),
                Matches::TooMany => {}
            }
        }
        if let Err(why) = budget.spend(0) {
            return Ok(Some(why));
        }
        // The first piece begins at the first event, however far into the file that is.
        let first = next_held(of.sources, line.stream, self.from).unwrap_or(line.last);
        let to = Offset(first.0.saturating_add(PIECE_BYTES));
        let mut found = Vec::new();
        for (i, source) in of.sources.iter().enumerate() {
            if source.extent(line.stream).is_some_and(|(low, high)| low < to && high >= first) {
                let rows = source.segment().stream_rows(line.stream, first..to)?;
                found.extend(rows.into_iter().map(|(offset, row)| (offset, i, row)));
            }
        }
        found.sort_unstable_by_key(|(offset, ..)| *offset);
        found.dedup_by_key(|(offset, ..)| *offset);
        self.found = found.into_iter();
        self.from = to;
        Ok(None)
    }

    fn matches_of(&self, of: Of<'_, '_>, line: Line, budget: &Budget) -> Result<Matches, EngineError> {
        let of_stream = Query::Clause(Clause {
            target: Target::Field("log.stream".to_owned()),
            test: Test::Word(line.stream.to_string()),
        });
        let mut found = Vec::new();
        let (mut too_many, mut missing) = (false, Missing::default());
        let questions = [Some(&of.ready.main), of.ready.copies.as_ref()];
        for matcher in questions.into_iter().flatten() {
            let query = and(matcher.query(), of_stream.clone());
            let Ok(matcher) = Matcher::new(&query) else { return Ok(Matches::TooMany) };
            let question = Question { matcher: &matcher, window: of.ready.window };
            for (i, source) in of.sources.iter().enumerate() {
                if source.extent(line.stream).is_none_or(|(_, high)| high < self.from) {
                    continue;
                }
                let ended = source.segment().scan(&question, Order::Oldest, None, budget, &mut |hit| {
                    if hit.place.offset >= self.from {
                        found.push((hit.place.offset, i, hit.row));
                    }
                    too_many = found.len() > MATCHES_MAX;
                    if too_many { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })?;
                missing.note(ended.exhausted());
            }
        }
        if too_many {
            return Ok(Matches::TooMany);
        }
        if let Some(why) = missing.0 {
            return Ok(Matches::Exhausted(why));
        }
        found.sort_unstable_by_key(|(offset, ..)| *offset);
        Ok(Matches::All(found))
    }
}

/// An offset at or after `from` before which the stream has no event.
fn next_held(sources: &[Source<'_>], stream: StreamId, from: Offset) -> Option<Offset> {
    let extents = sources.iter().filter_map(|source| source.extent(stream));
    extents.filter(|(_, high)| *high >= from).map(|(low, _)| low.max(from)).min()
}

/// What the segments found of one stream.
enum Matches {
    All(Vec<Found>),
    TooMany,
    Exhausted(Exhausted),
}

/// The streams a query can only match in, if it names any.
fn streams_named(query: &Query) -> Option<Vec<StreamId>> {
    let parts: &[Query] = if let Query::And(parts) = query { parts } else { std::slice::from_ref(query) };
    parts.iter().find_map(|part| {
        let any: &[Query] = if let Query::Or(any) = part { any } else { std::slice::from_ref(part) };
        any.iter().map(stream_of).collect()
    })
}

fn stream_of(query: &Query) -> Option<StreamId> {
    let Query::Clause(Clause { target: Target::Field(name), test: Test::Word(text) | Test::Phrase(text) }) = query
    else {
        return None;
    };
    if name != "log.stream" || text.len() != 16 {
        return None;
    }
    u64::from_str_radix(text, 16).ok().map(StreamId)
}

/// The streams of the sources in order of their first event.
fn lines(sources: &[Source<'_>], named: Option<&[StreamId]>) -> Result<Vec<Line>, EngineError> {
    let mut extents: BTreeMap<StreamId, (Offset, usize, Offset)> = BTreeMap::new();
    for (i, source) in sources.iter().enumerate() {
        source.streams(&mut |stream, first, last| {
            if named.is_some_and(|named| !named.contains(&stream)) {
                return;
            }
            let known = extents.entry(stream).or_insert((first, i, last));
            if first < known.0 {
                (known.0, known.1) = (first, i);
            }
            known.2 = known.2.max(last);
        });
    }
    let mut lines = Vec::with_capacity(extents.len());
    for (stream, (first, source, last)) in extents {
        let segment = sources[source].segment();
        let rows = segment.stream_rows(stream, first..Offset(first.0.saturating_add(1)))?;
        let Some((_, row)) = rows.first() else { continue };
        lines.push(Line { began: segment.event(*row)?.time, stream, last });
    }
    lines.sort_unstable_by_key(|line| (line.began, line.stream));
    Ok(lines)
}
