//! The tree a query's text is parsed into. Both stores, the newest-lines matcher and live tail read this and nothing else.

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
