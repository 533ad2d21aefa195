//! What a query means on one segment: a tree over words, columns and lists of rows.
//!
//! Each node knows two sets of rows: those that *must* match, and those that *may*. Where an index is exact
//! they are the same; where it is not (phrases, ids by hash, fields without a column) the rows between them
//! are verified by running the matcher on the event. NOT swaps the two, so it stays right above inexact nodes.

use super::bits::{Bits, CHUNK};
use super::columns::{self, Column, FieldColumn};
use super::ids::Lists;
use super::ints::Ints;
use super::reader::EmbeddedSegment;
use super::terms::{Term, Terms};
use super::uuids::{self, HexWord};
use super::{literals, words};
use crate::query::fields::{self, FieldKind, FieldValue};
use crate::query::glob::Glob;
use crate::query::matcher::ValueTest;
use crate::query::words::fold_text;
use crate::query::{Clause, Query, Target, Test, TextTest, WordPattern};
use crate::store::segment::SegmentError;
use parsers::TimeNs;
use std::borrow::Cow;
use tantivy::postings::SegmentPostings;
use tantivy::{DocSet, TERMINATED};

/// A query on one segment.
pub(super) enum Node<'s> {
    All,
    None,
    /// Nothing is known: every row may match.
    Unknown,
    /// Of these rows, ascending, each may match, the others do not.
    May(Vec<u32>),
    /// Exactly these rows, as a set of all rows.
    Set(Vec<u64>),
    /// Exactly the rows that have a word.
    Word(Box<WordRows<'s>>),
    /// Exactly the rows whose ordinal is wanted.
    Column(Ints<'s>, Vec<bool>),
    /// Exactly the rows whose number satisfies the test.
    Number(Ints<'s>, Box<dyn Fn(i64) -> bool + Send + Sync>),
    And(Vec<Node<'s>>),
    Or(Vec<Node<'s>>),
    Not(Box<Node<'s>>),
    /// May match where the inner one may; nothing must.
    Loose(Box<Node<'s>>),
}

/// The rows of a word, walked forward.
pub(super) struct WordRows<'s> {
    terms: &'s Terms,
    term: Term,
    /// Where the walk stands, and up to which row it has been.
    walk: Option<(SegmentPostings, u32)>,
}

/// What is known of the rows of a chunk.
pub(super) struct Marks {
    pub(super) must: Bits,
    pub(super) may: Bits,
}

impl Marks {
    fn exact(bits: Bits) -> Marks {
        Marks { may: bits.clone(), must: bits }
    }
}

/// Plans a query on a segment.
pub(super) fn plan<'s>(segment: &'s EmbeddedSegment, query: &Query) -> Result<Node<'s>, SegmentError> {
    let all = |queries: &[Query]| queries.iter().map(|inner| plan(segment, inner)).collect::<Result<Vec<_>, _>>();
    Ok(match query {
        Query::All => Node::All,
        Query::And(queries) => Node::and(all(queries)?),
        Query::Or(queries) => Node::or(all(queries)?),
        Query::Not(inner) => match plan(segment, inner)? {
            Node::All => Node::None,
            Node::None => Node::All,
            node => Node::Not(Box::new(node)),
        },
        Query::Clause(Clause { target: Target::Text, test }) => match TextTest::new(test) {
            Ok(test) => text_node(segment, &test)?,
            Err(_) => Node::Unknown,
        },
        Query::Clause(Clause { target: Target::Field(name), test }) => field_node(segment, name, test)?,
    })
}

fn text_node<'s>(segment: &'s EmbeddedSegment, test: &TextTest) -> Result<Node<'s>, SegmentError> {
    Ok(match test {
        TextTest::Any => Node::All,
        TextTest::Words(sequence) => match sequence.as_slice() {
            [one] => pattern_node(segment, one)?,
            several => Node::Loose(Box::new(sequence_node(segment, several)?)),
        },
        TextTest::Regex(regex) => expression_node(segment, regex.as_str())?,
        TextTest::Bytes(_) => Node::Unknown,
    })
}

/// Rows that have words with all the pieces a match must have.
fn expression_node<'s>(segment: &'s EmbeddedSegment, pattern: &str) -> Result<Node<'s>, SegmentError> {
    // A piece that can be part of an id may stand in one, and of those the words are not kept.
    let pieces = literals::pieces(pattern).into_iter().filter(|piece| !piece.chars().all(words::is_id_char));
    let mut nodes = Vec::new();
    for piece in pieces {
        let terms = segment.terms()?;
        let found = terms.walk("", &|word| literals::word_has(word, &piece))?;
        nodes.push(Node::of_terms(segment, terms, found)?);
    }
    if nodes.is_empty() {
        return Ok(Node::Unknown);
    }
    Ok(Node::Loose(Box::new(Node::and(nodes))))
}

/// Words that follow each other: rows that have all of them. Five that make a UUID may also be one that was
/// taken out.
fn sequence_node<'s>(segment: &'s EmbeddedSegment, sequence: &[WordPattern]) -> Result<Node<'s>, SegmentError> {
    let (mut nodes, mut rest) = (Vec::new(), sequence);
    while let [first, after @ ..] = rest {
        if let Some(uuid) = uuid_of(rest) {
            let words = rest[..5].iter().map(|word| dictionary_node(segment, word)).collect::<Result<Vec<_>, _>>()?;
            let taken_out = segment.uuids()?.rows_with(|found| *found == uuid);
            nodes.push(Node::or(vec![Node::may(taken_out), Node::and(words)]));
            rest = &rest[5..];
        } else {
            nodes.push(pattern_node(segment, first)?);
            rest = after;
        }
    }
    Ok(Node::and(nodes))
}

/// The UUID that the first five words make.
fn uuid_of(sequence: &[WordPattern]) -> Option<uuids::Uuid> {
    let words = sequence.get(..5)?.iter().map(|pattern| match pattern {
        WordPattern::Word(word) => Some(word.as_str()),
        WordPattern::Glob(_) => None,
    });
    uuids::parse(words.collect::<Option<Vec<_>>>()?.join("-").as_bytes())
}

/// Rows that have the word anywhere: in the dictionary, as an id, or inside a UUID.
fn pattern_node<'s>(segment: &'s EmbeddedSegment, pattern: &WordPattern) -> Result<Node<'s>, SegmentError> {
    let by_words = dictionary_node(segment, pattern)?;
    let in_uuids = match pattern {
        WordPattern::Word(word) => match HexWord::parse(word) {
            Some(word) => segment.uuids()?.rows_with(|uuid| uuids::has_word(uuid, &word)),
            None => Vec::new(),
        },
        WordPattern::Glob(glob) if glob.names_only(words::is_id_char) => uuids_like(segment.uuids()?, glob),
        WordPattern::Glob(_) => Vec::new(),
    };
    Ok(Node::or(vec![by_words, Node::may(in_uuids)]))
}

fn uuids_like(lists: Lists<'_, 16>, glob: &Glob) -> Vec<u32> {
    let mut text = Vec::with_capacity(uuids::TEXT);
    lists.rows_with(|uuid| {
        text.clear();
        uuids::write(uuid, &mut text);
        let words = text.split(|&c| c == b'-').filter_map(|word| std::str::from_utf8(word).ok());
        words.into_iter().any(|word| glob.matches(word))
    })
}

/// Rows that have the word outside of UUIDs.
fn dictionary_node<'s>(segment: &'s EmbeddedSegment, pattern: &WordPattern) -> Result<Node<'s>, SegmentError> {
    match pattern {
        WordPattern::Word(word) if words::is_id(word) => {
            let hash = words::word_hash(word).to_le_bytes();
            Ok(Node::may(segment.hashes()?.rows_with(|found| *found == hash)))
        }
        WordPattern::Word(word) => {
            let terms = segment.terms()?;
            let found = terms.find(word)?;
            Ok(found.map_or(Node::None, |term| Node::Word(Box::new(WordRows { terms, term, walk: None }))))
        }
        WordPattern::Glob(glob) => {
            let terms = segment.terms()?;
            let found = terms.walk(&glob.literal_prefix(), &|word| glob.matches(word))?;
            let by_words = Node::of_terms(segment, terms, found)?;
            // Of ids only hashes are kept: any of them may fit.
            let ids =
                if glob.names_only(words::is_id_char) { segment.hashes()?.rows_with(|_| true) } else { Vec::new() };
            Ok(Node::or(vec![by_words, Node::may(ids)]))
        }
    }
}

fn field_node<'s>(segment: &'s EmbeddedSegment, name: &str, test: &Test) -> Result<Node<'s>, SegmentError> {
    let kind = fields::kind(name);
    let Ok(value_test) = ValueTest::new(kind, test) else { return Ok(Node::Unknown) };
    match name {
        "@timestamp" => {
            let matches = move |ns| value_test.matches(&FieldValue::Time(TimeNs(ns)));
            return Ok(Node::Number(segment.times()?, Box::new(matches)));
        }
        "log.offset" => {
            let matches = move |offset| value_test.matches(&FieldValue::Int(offset));
            return Ok(Node::Number(segment.offsets()?, Box::new(matches)));
        }
        "message" | "event.ingested" | "size" | "lines" if matches!(test, Test::Exists) => return Ok(Node::All),
        _ => {}
    }
    match (columns::open(segment.container(), name)?, value_test) {
        (FieldColumn::Absent, _) => Ok(Node::None),
        (FieldColumn::Column(column), test) => Ok(column_node(&column, &test)),
        // A span of the text has no words that the text does not have; rows of which this is not true are listed.
        (_, ValueTest::Text(test)) if kind == FieldKind::Text => {
            let strays = segment.strays()?;
            Ok(Node::Loose(Box::new(Node::or(vec![text_node(segment, &test)?, Node::may(strays)]))))
        }
        (_, ValueTest::Regex(regex)) if kind == FieldKind::Text => {
            let strays = segment.strays()?;
            Ok(Node::Loose(Box::new(Node::or(vec![expression_node(segment, regex.as_str())?, Node::may(strays)]))))
        }
        (FieldColumn::Hashed { .. }, ValueTest::Equal(folded)) => hashed_node(segment, name, &folded),
        (FieldColumn::Hashed { .. } | FieldColumn::Loose { .. }, _) => Ok(Node::Unknown),
    }
}

fn column_node<'s>(column: &Column<'s>, test: &ValueTest) -> Node<'s> {
    let matches = |value: &str| test.matches(&FieldValue::Text(Cow::Borrowed(value)));
    let wanted: Vec<bool> = column.values().map(|values| values.into_iter().any(matches)).collect();
    if !wanted.contains(&true) {
        Node::None
    } else if !wanted.contains(&false) && wanted.len() == column.ordinals() {
        Node::All
    } else {
        Node::Column(column.rows, wanted)
    }
}

fn hashed_node<'s>(segment: &'s EmbeddedSegment, name: &str, folded: &str) -> Result<Node<'s>, SegmentError> {
    let hash = words::value_hash(name, folded).to_le_bytes();
    let by_hash = segment.hashes()?.rows_with(|found| *found == hash);
    let taken_out = match uuids::parse(fold_text(folded).as_bytes()) {
        Some(uuid) => segment.uuids()?.rows_with(|found| *found == uuid),
        None => Vec::new(),
    };
    Ok(Node::or(vec![Node::may(by_hash), Node::may(taken_out)]))
}

impl<'s> Node<'s> {
    fn may(rows: Vec<u32>) -> Node<'s> {
        if rows.is_empty() { Node::None } else { Node::May(rows) }
    }

    fn and(nodes: Vec<Node<'s>>) -> Node<'s> {
        let mut rest: Vec<Node<'s>> = nodes.into_iter().filter(|node| !matches!(node, Node::All)).collect();
        if rest.iter().any(|node| matches!(node, Node::None)) {
            return Node::None;
        }
        rest.sort_by_key(Node::cost);
        match rest.len() {
            0 => Node::All,
            1 => rest.swap_remove(0),
            _ => Node::And(rest),
        }
    }

    fn or(nodes: Vec<Node<'s>>) -> Node<'s> {
        let mut rest: Vec<Node<'s>> = nodes.into_iter().filter(|node| !matches!(node, Node::None)).collect();
        if rest.iter().any(|node| matches!(node, Node::All)) {
            return Node::All;
        }
        match rest.len() {
            0 => Node::None,
            1 => rest.swap_remove(0),
            _ => Node::Or(rest),
        }
    }

    /// The rows of any of many words, gathered at once.
    fn of_terms(segment: &EmbeddedSegment, terms: &'s Terms, mut found: Vec<Term>) -> Result<Node<'s>, SegmentError> {
        if found.is_empty() {
            return Ok(Node::None);
        }
        if found.len() == 1 {
            return Ok(Node::Word(Box::new(WordRows { terms, term: found.swap_remove(0), walk: None })));
        }
        let mut set = vec![0u64; segment.rows().div_ceil(64)];
        for term in &found {
            let mut postings = terms.postings(term)?;
            while postings.doc() != TERMINATED {
                if let Some(word) = set.get_mut(postings.doc() as usize / 64) {
                    *word |= 1 << (postings.doc() % 64);
                }
                postings.advance();
            }
        }
        Ok(Node::Set(set))
    }

    /// What is looked at first in an AND: what leaves few rows at little cost.
    fn cost(&self) -> u64 {
        match self {
            Node::All | Node::None => 0,
            Node::May(rows) => rows.len() as u64,
            Node::Word(word) => u64::from(word.term.rows()),
            Node::Set(set) => set.len() as u64,
            Node::Column(..) => 1 << 32,
            Node::Number(..) => 1 << 34,
            Node::And(nodes) => nodes.iter().map(Node::cost).min().unwrap_or(0),
            Node::Or(nodes) => nodes.iter().map(Node::cost).sum(),
            Node::Not(inner) => (1 << 35) + inner.cost(),
            Node::Loose(inner) => inner.cost(),
            Node::Unknown => 1 << 36,
        }
    }

    /// The number of rows of the segment that match, where no row needs to be looked at to know it.
    pub(super) fn known_count(&self, rows: u64) -> Option<u64> {
        match self {
            Node::All => Some(rows),
            Node::None => Some(0),
            Node::Word(word) => Some(u64::from(word.term.rows())),
            Node::Set(set) => Some(set.iter().map(|word| u64::from(word.count_ones())).sum()),
            Node::Not(inner) => inner.known_count(rows).map(|count| rows - count.min(rows)),
            _ => None,
        }
    }

    /// Whether it is all rows or none, whichever rows are asked for.
    pub(super) fn is_all_or_none(&self) -> bool {
        matches!(self, Node::All | Node::None)
    }

    /// Marks the rows `from..to`, at most a chunk.
    pub(super) fn mark(&mut self, from: usize, to: usize) -> Result<Marks, SegmentError> {
        Ok(match self {
            Node::All => Marks::exact(Bits::first(to - from)),
            Node::None => Marks::exact(Bits::none()),
            Node::Unknown => Marks { must: Bits::none(), may: Bits::first(to - from) },
            Node::May(rows) => {
                let mut may = Bits::none();
                let begin = rows.partition_point(|&row| (row as usize) < from);
                let inside = rows[begin..].iter().take_while(|&&row| (row as usize) < to);
                inside.for_each(|&row| may.set(row as usize - from));
                Marks { must: Bits::none(), may }
            }
            Node::Set(set) => {
                let mut bits = Bits::none();
                let is_in = |row: usize| set.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 != 0);
                (from..to).filter(|&row| is_in(row)).for_each(|row| bits.set(row - from));
                Marks::exact(bits)
            }
            Node::Word(word) => Marks::exact(word.mark(from, to)?),
            Node::Column(rows, wanted) => {
                Marks::exact(numbers(rows, from, to, |n| wanted.get(n as usize).copied().unwrap_or(false)))
            }
            Node::Number(rows, test) => Marks::exact(numbers(rows, from, to, &**test)),
            Node::And(nodes) => {
                let mut marks = Marks::exact(Bits::first(to - from));
                for node in nodes {
                    let found = node.mark(from, to)?;
                    marks.must.and(&found.must);
                    marks.may.and(&found.may);
                    if marks.may.is_empty() {
                        break;
                    }
                }
                marks
            }
            Node::Or(nodes) => {
                let mut marks = Marks::exact(Bits::none());
                for node in nodes {
                    let found = node.mark(from, to)?;
                    marks.must.or(&found.must);
                    marks.may.or(&found.may);
                }
                marks
            }
            Node::Not(inner) => {
                let found = inner.mark(from, to)?;
                let (mut must, mut may) = (Bits::first(to - from), Bits::first(to - from));
                must.and_not(&found.may);
                may.and_not(&found.must);
                Marks { must, may }
            }
            Node::Loose(inner) => Marks { must: Bits::none(), may: inner.mark(from, to)?.may },
        })
    }
}

impl WordRows<'_> {
    fn mark(&mut self, from: usize, to: usize) -> Result<Bits, SegmentError> {
        let (from, to) = (from as u32, to as u32);
        // Postings are walked forward; for rows before, oldest first, the walk begins anew (and skips).
        let mut postings = match self.walk.take() {
            Some((postings, reached)) if reached <= from => postings,
            _ => self.terms.postings(&self.term)?,
        };
        if postings.doc() < from {
            postings.seek(from);
        }
        let mut bits = Bits::none();
        while postings.doc() < to {
            bits.set((postings.doc() - from) as usize);
            postings.advance();
        }
        self.walk = Some((postings, to));
        Ok(bits)
    }
}

fn numbers(ints: &Ints<'_>, from: usize, to: usize, test: impl Fn(i64) -> bool) -> Bits {
    let mut bits = Bits::none();
    ints.each(from, to.min(from + CHUNK), &mut |row, number| {
        if test(number) {
            bits.set(row - from);
        }
    });
    bits
}
