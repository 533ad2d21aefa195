//! Answers questions over one [`Snapshot`], inside a [`Scope`]: search, count, histogram, facets, event, context.
//!
//! Every answer says whether it is whole (`complete`): it is not while the store replays after a start, nor when the
//! question's [`Budget`] ran out. A page of a search that ended early has a cursor that goes on where it ended, so
//! nothing is passed over. Copies (protocol rule 40) are left out and counted, unless asked for or named.

mod buckets;
mod context;
mod cursor;
mod file_order;
mod page;
mod source;
mod tally;

pub use buckets::{Interval, NotAnInterval};
pub use context::Neighbours;
pub use cursor::Cursor;
pub use file_order::Export;
pub use page::{Page, PageOrder, PageRequest};
pub use tally::{Counted, FacetAnswer, FieldSeen, HistogramAnswer, ValueCount};

use super::ast::{Clause, Query, Target, Test};
use super::matcher::Matcher;
use super::parse::QueryError;
use super::time::{self, NotATime, Round};
use crate::access::Scope;
use crate::event::StreamInfo;
use crate::store::segment::{Budget, Exhausted, Question, SegmentError, Window};
use crate::store::snapshot::{Snapshot, SnapshotCell};
use jiff::tz::TimeZone;
use outside::Clock;
use parsers::TimeNs;
use source::{Source, sources};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wire::StreamId;

/// Base64url without padding.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    cursor::encode_base64(bytes)
}

/// Bounds of one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineLimits {
    /// Time it may take.
    pub time: Duration,
    /// Bytes it may look at.
    pub bytes: u64,
    /// Bytes of events in one page.
    pub page_bytes: usize,
}

impl Default for EngineLimits {
    fn default() -> EngineLimits {
        EngineLimits { time: Duration::from_secs(20), bytes: 256 << 30, page_bytes: 8 << 20 }
    }
}

/// What is asked for, as it was written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ask {
    /// The query's text; empty: everything.
    pub query: String,
    /// Begin of the time asked for.
    pub from: Option<String>,
    /// End of the time asked for.
    pub to: Option<String>,
    /// Zone for rounding and for times without zone.
    pub zone: Option<TimeZone>,
    /// Copies too.
    pub copies: bool,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The query cannot be read.
    #[error("{}", .0.message)]
    Query(QueryError),
    /// `from` or `to` cannot be read.
    #[error("`{parameter}` is {reason}")]
    Time {
        /// Which one.
        parameter: &'static str,
        /// Why.
        reason: NotATime,
    },
    /// The cursor is none, or belongs to another query.
    #[error("the cursor {0}")]
    Cursor(&'static str),
    /// The buckets asked for are too many.
    #[error("an interval of that size makes {0} buckets, at most {max} are given", max = buckets::BUCKETS_MAX)]
    Buckets(u64),
    /// No such field.
    #[error("there is no field `{name}`")]
    Field {
        /// As it was typed.
        name: String,
        /// What was probably meant.
        meant: Option<&'static str>,
    },
    /// No such event in the scope.
    #[error("nothing here")]
    NotFound,
    /// The store is reading what it had at its last stop, and the answer must be whole.
    #[error("the store is still reading what it had at its last stop")]
    Replaying,
    /// A segment cannot be read.
    #[error(transparent)]
    Segment(#[from] SegmentError),
}

/// Answers questions. Cheap to share; any number of threads may ask.
pub struct Engine {
    snapshots: Arc<SnapshotCell>,
    clock: Arc<dyn Clock>,
    limits: EngineLimits,
    /// What is known of streams, learnt from their events: generations are found by it.
    infos: Mutex<HashMap<(Scope, StreamId), Arc<StreamInfo>>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// A question made ready: what belongs to the answer, and what is left out of it as copies.
#[derive(Clone, Debug)]
struct Ready {
    main: Matcher,
    copies: Option<Matcher>,
    window: Window,
}

impl Ready {
    fn question(&self) -> Question<'_> {
        Question { matcher: &self.main, window: self.window }
    }

    fn copies(&self) -> Option<Question<'_>> {
        self.copies.as_ref().map(|matcher| Question { matcher, window: self.window })
    }
}

/// Fields whose mention brings copies back.
const COPIES_NAMED_BY: &[&str] = &["log.file.path", "log.file.name", "log.stream", "wso2.copy"];

impl Engine {
    /// An engine over what `snapshots` shows.
    pub fn new(snapshots: Arc<SnapshotCell>, clock: Arc<dyn Clock>, limits: EngineLimits) -> Engine {
        Engine { snapshots, clock, limits, infos: Mutex::default() }
    }

    /// What one question may use, from now on.
    pub fn budget(&self) -> Budget {
        Budget::new(Arc::clone(&self.clock), self.limits.time, self.limits.bytes)
    }

    /// The snapshot in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.get()
    }

    /// The wall clock.
    pub fn now(&self) -> TimeNs {
        TimeNs(self.clock.wall_ns())
    }

    /// Time since some fixed moment.
    pub fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Makes a query ready for live tail: what belongs to it, and what is left out as copies.
    ///
    /// # Errors
    /// When the query cannot be read.
    pub fn tail_matchers(&self, ask: &Ask) -> Result<(Matcher, Option<Matcher>), EngineError> {
        let ready = self.ready(ask, self.now())?;
        Ok((ready.main, ready.copies))
    }

    fn ready(&self, ask: &Ask, now: TimeNs) -> Result<Ready, EngineError> {
        let utc = TimeZone::UTC;
        let zone = ask.zone.as_ref().unwrap_or(&utc);
        let time = |parameter: &'static str, text: &Option<String>, round| {
            let text = text.as_deref().map(str::trim).filter(|text| !text.is_empty());
            let time = text.map(|text| time::parse(text, Some(now), zone, round)).transpose();
            time.map_err(|reason| EngineError::Time { parameter, reason })
        };
        let window = Window { from: time("from", &ask.from, Round::Down)?, to: time("to", &ask.to, Round::End)? };
        let query = super::parse(&ask.query).map_err(EngineError::Query)?;
        ready(&query, window, ask.copies, now, zone)
    }

    fn zone(ask: &Ask) -> TimeZone {
        ask.zone.clone().unwrap_or(TimeZone::UTC)
    }
}

fn ready(query: &Query, window: Window, copies: bool, now: TimeNs, zone: &TimeZone) -> Result<Ready, EngineError> {
    let failed = |message: String| EngineError::Query(QueryError { at: 0, message, hint: None });
    let query = query.resolve_times(now, zone).map_err(|error| failed(error.to_string()))?;
    let window = narrowed(&query, window);
    let matcher = |query: &Query| Matcher::new(query).map_err(|error| failed(error.to_string()));
    if copies || query.names_field(COPIES_NAMED_BY) {
        return Ok(Ready { main: matcher(&query)?, copies: None, window });
    }
    let copy = || Query::Clause(Clause { target: Target::Field("wso2.copy".to_owned()), test: Test::Exists });
    let main = and(&query, Query::Not(Box::new(copy())));
    Ok(Ready { main: matcher(&main)?, copies: Some(matcher(&and(&query, copy()))?), window })
}

/// `more` and `query`, flat; what is cheap to test goes first.
fn and(query: &Query, more: Query) -> Query {
    match query {
        Query::All => more,
        Query::And(parts) => Query::And([more].into_iter().chain(parts.iter().cloned()).collect()),
        other => Query::And(vec![more, other.clone()]),
    }
}

/// The window, narrowed by what every match must satisfy: segments outside of it need no look.
fn narrowed(query: &Query, mut window: Window) -> Window {
    let each: &[Query] = if let Query::And(parts) = query { parts } else { std::slice::from_ref(query) };
    for part in each {
        let Query::Clause(Clause { target: Target::Field(name), test: Test::Range { low, high } }) = part else {
            continue;
        };
        if name != "@timestamp" {
            continue;
        }
        let at = |text: &str| time::parse(text, None, &TimeZone::UTC, Round::Down).ok();
        let after = |time: TimeNs| TimeNs(time.0.saturating_add(1));
        if let Some(low) =
            low.as_ref().and_then(|(text, inclusive)| at(text).map(|t| if *inclusive { t } else { after(t) }))
        {
            window.from = window.from.max(Some(low));
        }
        if let Some(high) =
            high.as_ref().and_then(|(text, inclusive)| at(text).map(|t| if *inclusive { after(t) } else { t }))
        {
            window.to = Some(window.to.map_or(high, |to| to.min(high)));
        }
    }
    window
}

/// The full name of a typed field: the first one an alias stands for.
fn full_name(name: &str) -> Result<&str, EngineError> {
    super::names::resolve(name)
        .first()
        .copied()
        .ok_or_else(|| EngineError::Field { name: name.to_owned(), meant: super::names::suggestion(name) })
}

/// Sources that can have an event of the window.
fn in_window<'s>(snapshot: &'s Snapshot, scope: &'s Scope, window: &Window) -> Vec<Source<'s>> {
    let mut sources = sources(snapshot, scope);
    sources.retain(|source| {
        window.from.is_none_or(|from| source.last() >= from) && window.to.is_none_or(|to| source.first() < to)
    });
    sources
}

/// Remembers why a part of an answer is missing.
#[derive(Clone, Copy, Debug, Default)]
struct Missing(Option<Exhausted>);

impl Missing {
    fn note(&mut self, exhausted: Option<Exhausted>) {
        self.0 = self.0.or(exhausted);
    }
}

#[cfg(test)]
mod tests;
