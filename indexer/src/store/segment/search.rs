//! What is asked of a segment, and the shapes of its answers.

use super::{Exhausted, Place};
use crate::event::StoredEvent;
use crate::query::Matcher;
use crate::query::words::fold_text;
use parsers::TimeNs;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A query and the time it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Which events.
    pub matcher: &'a Matcher,
    /// Of which time.
    pub window: Window,
}

impl Question<'_> {
    /// Whether the event belongs to the answer.
    pub fn matches(&self, event: &StoredEvent) -> bool {
        self.window.contains(event.time) && self.matcher.matches(event)
    }
}

/// A stretch of time, `from` belonging to it and `to` not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// First moment; `None`: since ever.
    pub from: Option<TimeNs>,
    /// The moment after the last one; `None`: for ever.
    pub to: Option<TimeNs>,
}

impl Window {
    /// All time.
    pub const ALL: Window = Window { from: None, to: None };

    /// Whether a moment belongs to it.
    pub fn contains(&self, time: TimeNs) -> bool {
        self.from.is_none_or(|from| time >= from) && self.to.is_none_or(|to| time < to)
    }

    /// Whether every moment from `min` to `max`, both included, belongs to it.
    pub fn covers(&self, min: TimeNs, max: TimeNs) -> bool {
        self.contains(min) && self.contains(max)
    }

    /// The part of it inside the first and last of `bounds`.
    pub fn inside(&self, bounds: &[TimeNs]) -> Window {
        let later = |a: Option<TimeNs>, b: Option<TimeNs>| a.max(b);
        let earlier =
            |a: Option<TimeNs>, b: Option<TimeNs>| if a.is_some() && b.is_some() { a.min(b) } else { a.or(b) };
        Window { from: later(self.from, bounds.first().copied()), to: earlier(self.to, bounds.last().copied()) }
    }
}

/// Which events come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The largest [`Place`].
    Newest,
    /// The smallest.
    Oldest,
}

impl Order {
    /// Whether `place` comes after `after` in this order.
    pub fn is_after(self, place: Place, after: Place) -> bool {
        match self {
            Order::Newest => place < after,
            Order::Oldest => place > after,
        }
    }
}

/// Number of an event inside its segment; means nothing elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row(pub u32);

/// A matching event.
#[derive(Clone, Debug)]
pub struct Hit {
    /// Where it stands in the order of all events.
    pub place: Place,
    /// To fetch it with [`super::Segment::event`].
    pub row: Row,
    /// The event, if the search had to look at it anyway.
    pub event: Option<Arc<StoredEvent>>,
}

/// How a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All matching events were visited.
    Complete,
    /// The visitor broke.
    Stopped,
    /// The budget ran out.
    Exhausted {
        /// Of what.
        why: Exhausted,
        /// Everything up to this place, in the order asked for, was looked at; `None`: nothing.
        reached: Option<Place>,
    },
}

impl Ended {
    /// Why the budget ran out, if it did.
    pub fn exhausted(self) -> Option<Exhausted> {
        match self {
            Ended::Exhausted { why, .. } => Some(why),
            Ended::Complete | Ended::Stopped => None,
        }
    }
}

/// An answer, whole unless the budget ran out.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally<T> {
    /// What was found.
    pub value: T,
    /// Why it is not whole.
    pub exhausted: Option<Exhausted>,
}

/// One stretch of a histogram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Events.
    pub count: u64,
    /// Events by value of the field asked for.
    pub by: BTreeMap<String, u64>,
}

/// Which values of which field are to be counted.
#[derive(Clone, Copy, Debug)]
pub struct FacetRequest<'a> {
    /// The field's full name.
    pub field: &'a str,
    /// Only values that begin with this, both case folded; empty: all.
    pub prefix: &'a str,
    /// Different values told apart; further ones are counted together.
    pub distinct_max: usize,
}

/// Values of a field, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facet {
    /// Events by value.
    pub values: HashMap<String, u64>,
    /// Further values, not told apart.
    pub other: u64,
}

impl Facet {
    /// Counts `events` more with a value, if it is asked for.
    pub fn add(&mut self, request: &FacetRequest<'_>, value: String, events: u64) {
        if !request.prefix.is_empty() && !fold_text(&value).starts_with(&fold_text(request.prefix)) {
            return;
        }
        if let Some(count) = self.values.get_mut(&value) {
            *count += events;
        } else if self.values.len() < request.distinct_max {
            self.values.insert(value, events);
        } else {
            self.other += events;
        }
    }
}
