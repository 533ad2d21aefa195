//! Numbers over all matching events: count, histogram, facets; and which fields and values there are.

use super::buckets::{self, Interval};
use super::source::Source;
use super::{Ask, Engine, EngineError, Missing, Ready, full_name, in_window};
use crate::access::Scope;
use crate::query::fields::{self, FieldKind};
use crate::query::names;
use crate::store::segment::{Bucket, Budget, Exhausted, Facet, FacetRequest, Question};
use parsers::TimeNs;
use std::collections::BTreeMap;

/// Different values of a field told apart while counting.
const DISTINCT_MAX: usize = 50_000;

/// What was found, and why a part of it is missing.
type Worked<T> = Result<(T, Option<Exhausted>), EngineError>;

/// A number, and what it leaves out.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted<T> {
    /// What was asked for.
    pub value: T,
    /// Nothing is missing from it.
    pub complete: bool,
    /// Copies left out.
    pub copies_left_out: u64,
}

/// Events over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistogramAnswer {
    /// Size of a bucket in milliseconds.
    pub interval_ms: i64,
    /// Begin of each bucket, its events, and these by value of the field asked for.
    pub buckets: Vec<(TimeNs, Bucket)>,
}

/// A value and the events that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueCount {
    /// As text.
    pub value: String,
    /// Events.
    pub count: u64,
}

/// The most frequent values of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FacetAnswer {
    /// The name as it was asked for.
    pub name: String,
    /// Most frequent first.
    pub values: Vec<ValueCount>,
    /// Different values in all; more than that many where [`FacetAnswer::not_told_apart`] is not 0.
    pub distinct: usize,
    /// Events with values beyond those told apart.
    pub not_told_apart: u64,
}

/// A field that events have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldSeen {
    /// Full name.
    pub name: String,
    /// Short name, if it has one.
    pub alias: Option<&'static str>,
    /// What its values are.
    pub kind: FieldKind,
    /// Events that have it, or fewer.
    pub count: u64,
}

impl Engine {
    /// How many events match.
    ///
    /// # Errors
    /// When query or times cannot be read, or a segment cannot.
    pub fn count(&self, scope: &Scope, ask: &Ask, budget: &Budget) -> Result<Counted<u64>, EngineError> {
        self.tally(scope, ask, budget, &mut |sources, ready| count(sources, &ready.question(), budget))
    }

    /// How many events match over time, and by the values of a field.
    ///
    /// # Errors
    /// As [`Engine::count`], and when the interval makes too many buckets.
    pub fn histogram(
        &self,
        scope: &Scope,
        ask: &Ask,
        interval: Interval,
        by: Option<&str>,
        budget: &Budget,
    ) -> Result<Counted<HistogramAnswer>, EngineError> {
        let by = by.map(full_name).transpose()?;
        let zone = Engine::zone(ask);
        self.tally(scope, ask, budget, &mut |sources, ready| {
            let first = sources.iter().map(Source::first).min();
            let last = sources.iter().map(Source::last).max();
            let Some((from, to)) = buckets::ends(&ready.window, first, last) else {
                return Ok((HistogramAnswer { interval_ms: 1, buckets: Vec::new() }, None));
            };
            let (interval_ms, bounds) = buckets::bounds(from, to, interval, &zone).map_err(EngineError::Buckets)?;
            let mut sum = vec![Bucket::default(); bounds.len() - 1];
            let mut missing = Missing::default();
            for source in sources {
                let part = source.segment().histogram(&ready.question(), &bounds, by, budget)?;
                missing.note(part.exhausted);
                for (sum, part) in sum.iter_mut().zip(part.value) {
                    sum.count += part.count;
                    part.by.into_iter().for_each(|(value, count)| *sum.by.entry(value).or_default() += count);
                }
            }
            Ok((HistogramAnswer { interval_ms, buckets: bounds.into_iter().zip(sum).collect() }, missing.0))
        })
    }

    /// The most frequent values of fields in the matching events.
    ///
    /// # Errors
    /// As [`Engine::count`], and for a field that does not exist.
    pub fn facets(
        &self,
        scope: &Scope,
        ask: &Ask,
        names: &[String],
        prefix: &str,
        limit: usize,
        budget: &Budget,
    ) -> Result<Counted<Vec<FacetAnswer>>, EngineError> {
        let full = names.iter().map(|name| full_name(name)).collect::<Result<Vec<_>, _>>()?;
        let requests: Vec<_> =
            full.iter().map(|field| FacetRequest { field, prefix, distinct_max: DISTINCT_MAX }).collect();
        self.tally(scope, ask, budget, &mut |sources, ready| {
            let mut sums = vec![Facet::default(); requests.len()];
            let mut missing = Missing::default();
            for source in sources {
                let parts = source.segment().facets(&ready.question(), &requests, budget)?;
                missing.note(parts.exhausted);
                for ((sum, part), request) in sums.iter_mut().zip(parts.value).zip(&requests) {
                    sum.other += part.other;
                    // The prefix was looked at already.
                    let request = FacetRequest { prefix: "", ..*request };
                    part.values.into_iter().for_each(|(value, count)| sum.add(&request, value, count));
                }
            }
            let answers = names.iter().zip(sums).map(|(name, sum)| top(name, sum, limit)).collect();
            Ok((answers, missing.0))
        })
    }

    /// The fields that events of the scope have, and those that are always known.
    ///
    /// # Errors
    /// When a segment cannot be read.
    pub fn fields(&self, scope: &Scope, budget: &Budget) -> Result<Counted<Vec<FieldSeen>>, EngineError> {
        let snapshot = self.snapshot();
        let mut counts: BTreeMap<String, u64> = fields::known().map(|(name, _)| (name.to_owned(), 0)).collect();
        let mut missing = Missing::default();
        for source in super::source::sources(&snapshot, scope) {
            let part = source.segment().fields(budget)?;
            missing.note(part.exhausted);
            part.value.into_iter().for_each(|(name, count)| *counts.entry(name).or_default() += count);
        }
        let seen = counts.into_iter().map(|(name, count)| FieldSeen {
            alias: names::alias_of(&name),
            kind: fields::kind(&name),
            name,
            count,
        });
        let complete = missing.0.is_none() && !snapshot.replaying;
        Ok(Counted { value: seen.collect(), complete, copies_left_out: 0 })
    }

    fn tally<T>(
        &self,
        scope: &Scope,
        ask: &Ask,
        budget: &Budget,
        work: &mut dyn FnMut(&[Source<'_>], &Ready) -> Worked<T>,
    ) -> Result<Counted<T>, EngineError> {
        let ready = self.ready(ask, self.now())?;
        let snapshot = self.snapshot();
        let sources = in_window(&snapshot, scope, &ready.window);
        let mut missing = Missing::default();
        let (value, exhausted) = work(&sources, &ready)?;
        missing.note(exhausted);
        let mut copies_left_out = 0;
        if let Some(question) = ready.copies() {
            let (copies, exhausted) = count(&sources, &question, budget)?;
            copies_left_out = copies;
            missing.note(exhausted);
        }
        Ok(Counted { value, complete: missing.0.is_none() && !snapshot.replaying, copies_left_out })
    }
}

fn count(sources: &[Source<'_>], question: &Question<'_>, budget: &Budget) -> Worked<u64> {
    let (mut count, mut missing) = (0, Missing::default());
    for source in sources {
        let part = source.segment().count(question, budget)?;
        missing.note(part.exhausted);
        count += part.value;
    }
    Ok((count, missing.0))
}

fn top(name: &str, facet: Facet, limit: usize) -> FacetAnswer {
    let distinct = facet.values.len();
    let mut values: Vec<_> = facet.values.into_iter().map(|(value, count)| ValueCount { value, count }).collect();
    values.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    values.truncate(limit);
    FacetAnswer { name: name.to_owned(), values, distinct, not_told_apart: facet.other }
}
