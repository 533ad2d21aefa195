//! The tree a query's text is parsed into. Both stores, the newest-lines matcher and live tail read this and nothing else.

use super::fields::{self, FieldKind, rfc3339};
use super::time::{self, NotATime, Round};
use jiff::tz::TimeZone;
use parsers::TimeNs;

/// A query.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// Everything.
    All,
    /// All of them.
    And(Vec<Query>),
    /// At least one of them.
    Or(Vec<Query>),
    /// Not that.
    Not(Box<Query>),
    /// One test.
    Clause(Clause),
}

/// One test of one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// What is looked at.
    pub target: Target,
    /// What must hold.
    pub test: Test,
}

/// What a test looks at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// The event's text: its message and all lines after it.
    Text,
    /// A field by its full name (aliases are resolved by the parser of queries).
    Field(String),
}

/// What must hold of the target. Everything is case folded. A field of free text
/// ([`super::fields::FieldKind::Text`]) is compared as text is; every other field as a whole.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Text: this word occurs. Field: equal.
    Word(String),
    /// Text: these words follow each other. Field: equal.
    Phrase(String),
    /// A pattern of `*` and `?` ([`super::glob`]) on words of the text, or on the whole value of a field.
    Wildcard(String),
    /// A regular expression found somewhere in the text or value.
    Regex(String),
    /// The field has a value.
    Exists,
    /// Between two bounds: times as times, levels by weight, addresses as addresses, numbers where both sides
    /// are numbers, text else.
    Range {
        /// Lower bound and whether it belongs to the range.
        low: Option<(String, bool)>,
        /// Upper bound and whether it belongs to the range.
        high: Option<(String, bool)>,
    },
    /// The value is an address in this IP network.
    Cidr(String),
}

impl Query {
    /// The same query with every time in it absolute: relative ones resolved at `now`, those without zone read
    /// in `zone`, rounded ones turned into the exact bounds they stand for.
    ///
    /// # Errors
    /// For a time that cannot be read; never for what [`super::parse()`] returned.
    pub fn resolve_times(&self, now: TimeNs, zone: &TimeZone) -> Result<Query, NotATime> {
        let all = |parts: &[Query]| -> Result<Vec<Query>, NotATime> {
            parts.iter().map(|part| part.resolve_times(now, zone)).collect()
        };
        Ok(match self {
            Query::All => Query::All,
            Query::And(parts) => Query::And(all(parts)?),
            Query::Or(parts) => Query::Or(all(parts)?),
            Query::Not(inner) => Query::Not(Box::new(inner.resolve_times(now, zone)?)),
            Query::Clause(clause) => Query::Clause(clause.resolve_times(now, zone)?),
        })
    }

    /// Whether any clause is about one of these fields.
    pub fn names_field(&self, names: &[&str]) -> bool {
        match self {
            Query::All => false,
            Query::And(parts) | Query::Or(parts) => parts.iter().any(|part| part.names_field(names)),
            Query::Not(inner) => inner.names_field(names),
            Query::Clause(clause) => matches!(&clause.target, Target::Field(name) if names.contains(&name.as_str())),
        }
    }
}

impl Clause {
    fn resolve_times(&self, now: TimeNs, zone: &TimeZone) -> Result<Clause, NotATime> {
        let is_time = |name: &str| fields::kind(name) == FieldKind::Time;
        if !matches!(&self.target, Target::Field(name) if is_time(name)) {
            return Ok(self.clone());
        }
        let at = |text: &str, round: Round| Ok(rfc3339(time::parse(text, Some(now), zone, round)?));
        let end = |end: &Option<(String, bool)>, included: Round, excluded: Round| match end {
            None => Ok(None),
            Some((text, inclusive)) => Ok(Some((at(text, if *inclusive { included } else { excluded })?, *inclusive))),
        };
        let test = match &self.test {
            Test::Word(text) | Test::Phrase(text) => {
                Test::Range { low: Some((at(text, Round::Down)?, true)), high: Some((at(text, Round::Up)?, true)) }
            }
            Test::Range { low, high } => {
                Test::Range { low: end(low, Round::Down, Round::Up)?, high: end(high, Round::Up, Round::Down)? }
            }
            other => other.clone(),
        };
        Ok(Clause { target: self.target.clone(), test })
    }
}
