//! Whether an event satisfies a query: the meaning of every test, on the event itself.
//!
//! Newest lines and live tail run it on each event; a segment on what its index leaves open. All must agree,
//! so nothing else in the store decides a match on its own.
//!
//! Fields are compared as a whole, case folded, those of free text ([`FieldKind::Text`]) word by word. A test of a
//! field that is missing does not hold, whatever it is; so `NOT` of it does.

use super::ast::{Clause, Query, Target, Test};
use super::fields::{self, FieldKind, FieldValue};
use super::glob::Glob;
use super::network::Network;
use super::text::{TestError, TextTest};
use super::time::{self, Round};
use super::words::{fold, fold_text};
use crate::event::StoredEvent;
use parsers::TimeNs;
use std::net::IpAddr;

/// A query made ready to be tested on events.
#[derive(Clone, Debug)]
pub struct Matcher {
    query: Query,
    root: Node,
}

#[derive(Clone, Debug)]
enum Node {
    All,
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Text(TextTest),
    Field(fields::Key, ValueTest),
}

/// A test of one value of a field. Segments run it on the values of their dictionaries.
#[derive(Clone, Debug)]
pub(crate) enum ValueTest {
    /// Any value.
    Exists,
    /// As free text.
    Text(TextTest),
    /// Equal to this folded text.
    Equal(String),
    /// Of this shape.
    Glob(Glob),
    /// The expression is found in it.
    Regex(regex::bytes::Regex),
    /// An address in the network.
    Network(Network),
    /// Between the two.
    Range(Bound, Bound),
}

/// One end of a range, read as everything it can be.
#[derive(Clone, Debug)]
pub(crate) enum Bound {
    /// None.
    Open,
    /// This value.
    At {
        /// The value.
        value: BoundValue,
        /// Whether it belongs to the range.
        inclusive: bool,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct BoundValue {
    text: String,
    number: Option<f64>,
    time: Option<TimeNs>,
    level: Option<parsers::Level>,
    address: Option<IpAddr>,
}

impl Matcher {
    /// Makes a query ready. Times relative to `now` must have been resolved ([`Query::resolve_times`]).
    ///
    /// # Errors
    /// See [`TestError`]; never for what [`super::parse()`] returned.
    pub fn new(query: &Query) -> Result<Matcher, TestError> {
        Ok(Matcher { root: Node::new(query)?, query: query.clone() })
    }

    /// The query it was made from.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Whether the event satisfies the query.
    pub fn matches(&self, event: &StoredEvent) -> bool {
        self.root.matches(event)
    }
}

impl Node {
    fn new(query: &Query) -> Result<Node, TestError> {
        let all = |queries: &[Query]| queries.iter().map(Node::new).collect::<Result<Vec<_>, _>>();
        Ok(match query {
            Query::All => Node::All,
            Query::And(queries) => Node::And(all(queries)?),
            Query::Or(queries) => Node::Or(all(queries)?),
            Query::Not(inner) => Node::Not(Box::new(Node::new(inner)?)),
            Query::Clause(Clause { target: Target::Text, test }) => Node::Text(TextTest::new(test)?),
            Query::Clause(Clause { target: Target::Field(name), test }) => {
                Node::Field(fields::Key::new(name), ValueTest::new(fields::kind(name), test)?)
            }
        })
    }

    fn matches(&self, event: &StoredEvent) -> bool {
        match self {
            Node::All => true,
            Node::And(nodes) => nodes.iter().all(|node| node.matches(event)),
            Node::Or(nodes) => nodes.iter().any(|node| node.matches(event)),
            Node::Not(node) => !node.matches(event),
            Node::Text(test) => test.matches(fields::text(event)),
            Node::Field(key, test) => key.any_value(event, &mut |value| test.matches(&value)),
        }
    }
}

impl ValueTest {
    /// The test of a field of that kind.
    pub(crate) fn new(kind: FieldKind, test: &Test) -> Result<ValueTest, TestError> {
        Ok(match test {
            Test::Exists => ValueTest::Exists,
            Test::Word(_) | Test::Phrase(_) | Test::Wildcard(_) if kind == FieldKind::Text => {
                ValueTest::Text(TextTest::new(test)?)
            }
            Test::Word(text) | Test::Phrase(text) => ValueTest::equal(kind, text)?,
            Test::Wildcard(pattern) => ValueTest::Glob(Glob::new(pattern)),
            Test::Regex(pattern) => ValueTest::Regex(super::text::regex(pattern)?),
            Test::Cidr(network) => ValueTest::Network(network.parse().map_err(|_| TestError::Cidr(network.clone()))?),
            Test::Range { low, high } => {
                let bound = |end: &Option<(String, bool)>, outwards| Bound::new(kind, end.as_ref(), outwards);
                // `>` and `<=` mean the last moment of a rounded time, `>=` and `<` its first.
                let low = bound(low, |inclusive| if inclusive { Round::Down } else { Round::Up })?;
                ValueTest::Range(low, bound(high, |inclusive| if inclusive { Round::Up } else { Round::Down })?)
            }
        })
    }

    /// Equality; a time that names a whole day or hour is the range it covers.
    fn equal(kind: FieldKind, text: &str) -> Result<ValueTest, TestError> {
        if kind != FieldKind::Time {
            return Ok(ValueTest::Equal(fold_text(text)));
        }
        let at = Some((text.to_owned(), true));
        Ok(ValueTest::Range(
            Bound::new(kind, at.as_ref(), |_| Round::Down)?,
            Bound::new(kind, at.as_ref(), |_| Round::Up)?,
        ))
    }

    /// Whether the value satisfies it.
    pub(crate) fn matches(&self, value: &FieldValue<'_>) -> bool {
        match self {
            ValueTest::Exists => true,
            ValueTest::Text(test) => test.matches(value.text().as_bytes()),
            ValueTest::Equal(folded) => value.text().chars().map(fold).eq(folded.chars()),
            ValueTest::Glob(glob) => glob.matches(&value.text()),
            ValueTest::Regex(regex) => regex.is_match(value.text().as_bytes()),
            ValueTest::Network(network) => value.text().parse().is_ok_and(|address| network.contains(address)),
            ValueTest::Range(low, high) => {
                low.allows(value, std::cmp::Ordering::Greater) && high.allows(value, std::cmp::Ordering::Less)
            }
        }
    }
}

impl Bound {
    fn new(kind: FieldKind, end: Option<&(String, bool)>, round: fn(bool) -> Round) -> Result<Bound, TestError> {
        let Some((text, inclusive)) = end else { return Ok(Bound::Open) };
        let time = match kind {
            FieldKind::Time => {
                let time = time::parse(text, None, &jiff::tz::TimeZone::UTC, round(*inclusive));
                Some(time.map_err(|_| TestError::Time(text.clone()))?)
            }
            _ => None,
        };
        let level = (kind == FieldKind::Level).then(|| fields::level_from_word(text)).flatten();
        let value = BoundValue {
            text: fold_text(text),
            number: text.parse().ok(),
            time,
            level,
            address: (kind == FieldKind::Ip).then(|| text.parse().ok()).flatten(),
        };
        Ok(Bound::At { value, inclusive: *inclusive })
    }

    /// Whether the value lies on the `side` of the bound, or on it where it belongs to the range.
    fn allows(&self, value: &FieldValue<'_>, side: std::cmp::Ordering) -> bool {
        match self {
            Bound::Open => true,
            Bound::At { value: bound, inclusive } => {
                let order = bound.compare(value);
                order == Some(side) || (*inclusive && order == Some(std::cmp::Ordering::Equal))
            }
        }
    }
}

impl BoundValue {
    /// How the value stands to the bound.
    fn compare(&self, value: &FieldValue<'_>) -> Option<std::cmp::Ordering> {
        if let FieldValue::Time(time) = value {
            return self.time.map(|bound| time.cmp(&bound));
        }
        let text = value.text();
        if let Some(bound) = self.level {
            return fields::level_from_word(&text).map(|level| level.cmp(&bound));
        }
        if let (Some(bound), Ok(address)) = (self.address, text.parse::<IpAddr>()) {
            return Some(address.to_canonical().cmp(&bound.to_canonical()));
        }
        if let (Some(bound), Ok(number)) = (self.number, text.parse::<f64>()) {
            return number.partial_cmp(&bound);
        }
        Some(fold_text(&text).as_str().cmp(&self.text))
    }
}
