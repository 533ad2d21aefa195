//! One clause: a field and what is asked of it, or text.

use super::scan::Term;
use super::{Of, Parser, QueryError, TokenKind, flat, unexpected_end};
use crate::query::ast::{Clause, Query, Target, Test};
use crate::query::fields::{self, FieldKind};
use crate::query::matcher::Matcher;
use crate::query::names;
use crate::query::network::Network;
use crate::query::time::{self, Round};
use crate::query::words::words;
use parsers::TimeNs;

/// Some moment, to try out whether a time relative to now can be read.
const SOME_NOW: TimeNs = TimeNs(1_764_000_000_000_000_000);

const COMPARISONS: [&str; 4] = [">=", "<=", ">", "<"];

impl Parser<'_> {
    pub(super) fn clause(&mut self, of: Option<Of<'_>>) -> Result<Query, QueryError> {
        self.count_clause(self.scan.at)?;
        if let Some(of) = of {
            return self.value(of);
        }
        match self.scan.peek() {
            Some('"') => return self.phrase(None),
            Some('/') => {
                let from = self.scan.at;
                if let Some(pattern) = self.scan.regex() {
                    return self.checked(from, Clause { target: Target::Text, test: Test::Regex(pattern) });
                }
            }
            _ => {}
        }
        match self.field_name()? {
            Some((from, name)) => self.field_clause(from, &name),
            None => self.text_term(),
        }
    }

    /// The name of a field that stands here before `:` or a comparison; takes it and the `:`.
    fn field_name(&mut self) -> Result<Option<(usize, String)>, QueryError> {
        let from = self.scan.at;
        let rest = self.scan.rest();
        let len = rest.find(|c: char| !is_name_char(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(len);
        if !name.starts_with(|c: char| c.is_ascii_lowercase() || matches!(c, '_' | '@')) {
            return Ok(None);
        }
        let known = name == "_exists_" || names::is_known_or_alias(name);
        let spaced = after.trim_start();
        if known && COMPARISONS.iter().any(|sign| spaced.starts_with(sign)) {
            self.scan.at += len;
            self.scan.token(TokenKind::Field, from);
            self.scan.skip_spaces();
            return Ok(Some((from, name.to_owned())));
        }
        let colon = after.starts_with(':') || (known && spaced.starts_with(':'));
        let value = spaced.strip_prefix(':').unwrap_or_default();
        let text_follows =
            value.starts_with("//") || value.is_empty() || value.starts_with(|c: char| c.is_whitespace() || c == ':');
        if !colon || (!known && text_follows) {
            return Ok(None);
        }
        self.scan.at += len;
        self.scan.token(TokenKind::Field, from);
        self.scan.skip_spaces();
        self.scan.take(":", TokenKind::Operator);
        self.scan.skip_spaces();
        Ok(Some((from, name.to_owned())))
    }

    fn field_clause(&mut self, from: usize, name: &str) -> Result<Query, QueryError> {
        if name == "_exists_" {
            let term = self.scan.look_term(&[]);
            let at = term.from;
            self.scan.accept(&term, TokenKind::Field);
            let names = self.resolved(at, &term.text)?;
            return Ok(any_of(&names, &|target| Query::Clause(Clause { target, test: Test::Exists })));
        }
        let names = self.resolved(from, name)?;
        let of = Of { names: &names };
        if self.scan.peek() == Some('(') { self.group(Some(of)) } else { self.value(of) }
    }

    fn resolved<'a>(&self, at: usize, name: &'a str) -> Result<Vec<&'a str>, QueryError> {
        let names = names::resolve(name);
        if !names.is_empty() {
            return Ok(names);
        }
        let hint = match names::suggestion(name) {
            Some(known) => format!("did you mean `{known}`? To search for the text, put it in quotes"),
            None => "to search for the text, put it in quotes; fields of your own begin with `labels.`".to_owned(),
        };
        self.scan.fail(at, format!("there is no field `{name}`"), hint)
    }

    /// What is asked of a field.
    fn value(&mut self, of: Of<'_>) -> Result<Query, QueryError> {
        let from = self.scan.at;
        match self.scan.peek() {
            Some('"') => return self.phrase(Some(of)),
            Some('[' | '{') => return self.range(of),
            Some('/') => {
                if let Some(pattern) = self.scan.regex() {
                    return self.for_each(from, of, &|_| Test::Regex(pattern.clone()));
                }
            }
            Some('>' | '<') => {
                if let Some(sign) = COMPARISONS.into_iter().find(|sign| self.scan.rest().starts_with(sign)) {
                    self.scan.take(sign, TokenKind::Operator);
                    return self.comparison(of, sign);
                }
            }
            _ => {}
        }
        let term = self.scan.look_term(&[]);
        if unexpected_end(&term) {
            return self.scan.fail(from, "the value is missing", "write one after the colon, or `*` for any");
        }
        self.scan.accept(&term, TokenKind::Value);
        self.field_term(of, &term)
    }

    fn field_term(&mut self, of: Of<'_>, term: &Term) -> Result<Query, QueryError> {
        if term.is_everything() {
            return self.for_each(term.from, of, &|_| Test::Exists);
        }
        if term.wild {
            return self.for_each(term.from, of, &|_| Test::Wildcard(term.pattern.clone()));
        }
        self.equal(term.from, of, &term.text, &Test::Word)
    }

    fn phrase(&mut self, of: Option<Of<'_>>) -> Result<Query, QueryError> {
        let from = self.scan.at;
        let text = self.scan.quoted()?;
        if self.scan.rest().starts_with('~') {
            return self.scan.fail(
                self.scan.at,
                "words near each other (`~`) cannot be searched for",
                "join the words by AND",
            );
        }
        match of {
            Some(of) => self.equal(from, of, &text, &Test::Phrase),
            None if text.is_empty() => {
                self.scan.fail(from, "the phrase is empty", "write it between the quotes, or remove them")
            }
            None => self.checked(from, Clause { target: Target::Text, test: Test::Phrase(text) }),
        }
    }

    /// Equality, by the kind of each field.
    fn equal(&mut self, at: usize, of: Of<'_>, text: &str, test: &dyn Fn(String) -> Test) -> Result<Query, QueryError> {
        if of.names.contains(&"log.level") && fields::level_from_word(text).is_none() {
            let hint = "TRACE, DEBUG, INFO, WARN, ERROR or FATAL; the word a line itself has is in `wso2.level.text`";
            return self.scan.fail(at, format!("there is no level `{text}`"), hint);
        }
        self.for_each(at, of, &|name| match fields::kind(name) {
            FieldKind::Ip if text.parse::<Network>().is_ok() => Test::Cidr(text.to_owned()),
            FieldKind::Level => test(level_word(text)),
            FieldKind::Text if name == "message" && words(text).len() != 1 => Test::Phrase(text.to_owned()),
            _ => test(text.to_owned()),
        })
    }

    fn comparison(&mut self, of: Of<'_>, sign: &str) -> Result<Query, QueryError> {
        self.scan.skip_spaces();
        let from = self.scan.at;
        let Some((bound, _)) = self.bound(&[])? else {
            return self.scan.fail(from, format!("a value is missing after `{sign}`"), "write one, like `>=500`");
        };
        let end = Some((bound, sign.ends_with('=')));
        let (low, high) = if sign.starts_with('>') { (end, None) } else { (None, end) };
        self.for_each(from, of, &|name| range_test(name, &low, &high))
    }

    fn range(&mut self, of: Of<'_>) -> Result<Query, QueryError> {
        let from = self.scan.at;
        let low_included = self.scan.take("[", TokenKind::Paren);
        let _low_excluded = !low_included && self.scan.take("{", TokenKind::Paren);
        let low = self.bound(&[']', '}'])?;
        self.scan.skip_spaces();
        let to = self.scan.at;
        if !self.scan.rest().get(..2).is_some_and(|word| word.eq_ignore_ascii_case("to")) {
            return self.scan.fail(
                to,
                "`TO` is missing in the range",
                "like `[100 TO 200]`; to search for a bracket, put it in quotes",
            );
        }
        self.scan.at += 2;
        self.scan.token(TokenKind::Operator, to);
        let high = self.bound(&[']', '}'])?;
        self.scan.skip_spaces();
        let high_included = self.scan.take("]", TokenKind::Paren);
        if !high_included && !self.scan.take("}", TokenKind::Paren) {
            return self.scan.fail(
                from,
                "the range is not closed",
                "put `]` (with the bound) or `}` (without it) at its end",
            );
        }
        // In quotes it is a character like others.
        let is_bound = |(text, quoted): &(String, bool)| *quoted || text != "*";
        let low = low.filter(is_bound).map(|(text, _)| (text, low_included));
        let high = high.filter(is_bound).map(|(text, _)| (text, high_included));
        if low.is_none() && high.is_none() {
            return self.for_each(from, of, &|_| Test::Exists);
        }
        self.for_each(from, of, &|name| range_test(name, &low, &high))
    }

    /// One bound, and whether it stands in quotes; `None` when nothing stands here.
    fn bound(&mut self, stop: &[char]) -> Result<Option<(String, bool)>, QueryError> {
        self.scan.skip_spaces();
        if self.scan.peek() == Some('"') {
            return self.scan.quoted().map(|text| Some((text, true)));
        }
        let term = self.scan.look_term(stop);
        if unexpected_end(&term) {
            return Ok(None);
        }
        self.scan.accept(&term, TokenKind::Value);
        Ok(Some((term.text, false)))
    }

    /// Text without field: one word, or several that follow each other.
    fn text_term(&mut self) -> Result<Query, QueryError> {
        let mut term = self.scan.look_term(&[]);
        if unexpected_end(&term) {
            // A parenthesis that nothing closes, right where a word should begin.
            let c = self.scan.peek().unwrap_or_default();
            return self.scan.fail(self.scan.at, format!("`{c}` cannot stand here"), "put it in quotes");
        }
        self.scan.accept(&term, TokenKind::Value);
        if term.is_everything() {
            return Ok(Query::All);
        }
        if let Some(name) =
            term.text.split_once('=').map(|(name, _)| name.to_owned()).filter(|name| names::is_known_or_alias(name))
        {
            self.notes.push((term.from, format!("this is searched as text; for the field write `{name}:`")));
        }
        let test = if term.wild {
            Test::Wildcard(std::mem::take(&mut term.pattern))
        } else if words(&term.text).len() == 1 {
            Test::Word(term.text)
        } else {
            Test::Phrase(term.text)
        };
        self.checked(term.from, Clause { target: Target::Text, test })
    }

    /// The same test of each of the fields, any of which may hold.
    fn for_each(&mut self, at: usize, of: Of<'_>, test: &dyn Fn(&str) -> Test) -> Result<Query, QueryError> {
        let query = any_of(of.names, &|target| {
            let name = if let Target::Field(name) = &target { name.as_str() } else { "message" };
            let test = test(name);
            let of_text = name == "message" && !matches!(test, Test::Exists | Test::Range { .. } | Test::Cidr(_));
            Query::Clause(Clause { target: if of_text { Target::Text } else { target }, test })
        });
        each_clause(&query, &mut |clause| self.check(at, clause))?;
        Ok(query)
    }

    fn checked(&self, at: usize, clause: Clause) -> Result<Query, QueryError> {
        self.check(at, &clause)?;
        Ok(Query::Clause(clause))
    }

    /// Whether the clause can be tested at all: expressions, networks, times, numbers.
    fn check(&self, at: usize, clause: &Clause) -> Result<(), QueryError> {
        if let (Target::Field(name), Test::Range { low, high }) = (&clause.target, &clause.test) {
            let bounds = [low, high].into_iter().flatten().map(|(text, _)| text);
            self.check_bounds(at, fields::kind(name), bounds)?;
        }
        let query = Query::Clause(clause.clone());
        let resolved = match query.resolve_times(SOME_NOW, &jiff::tz::TimeZone::UTC) {
            Ok(resolved) => resolved,
            Err(error) => return self.scan.fail(at, error.to_string(), "for a text, use another field"),
        };
        match Matcher::new(&resolved) {
            Ok(_) => Ok(()),
            Err(error) => self.scan.fail(at, error.to_string(), "put text that is meant literally in quotes"),
        }
    }

    fn check_bounds<'a>(
        &self,
        at: usize,
        kind: FieldKind,
        bounds: impl Iterator<Item = &'a String>,
    ) -> Result<(), QueryError> {
        for text in bounds {
            let (fits, expected) = match kind {
                FieldKind::Number => (text.parse::<f64>().is_ok(), "a number"),
                FieldKind::Level => {
                    (fields::level_from_word(text).is_some(), "a level: TRACE, DEBUG, INFO, WARN, ERROR or FATAL")
                }
                FieldKind::Ip => (text.parse::<std::net::IpAddr>().is_ok(), "an IP address"),
                FieldKind::Time => {
                    let time = time::parse(text, Some(SOME_NOW), &jiff::tz::TimeZone::UTC, Round::Down);
                    (time.is_ok(), "a time like 2026-11-25T10:15:00Z, now-1h or now/d")
                }
                FieldKind::Text | FieldKind::Keyword | FieldKind::Flag => (true, ""),
            };
            if !fits {
                return self.scan.fail(at, format!("`{text}` cannot be a bound here"), format!("expected {expected}"));
            }
        }
        Ok(())
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '@' | '-')
}

fn level_word(text: &str) -> String {
    fields::level_from_word(text).and_then(fields::level_name).map_or_else(|| text.to_owned(), str::to_owned)
}

fn range_test(name: &str, low: &Option<(String, bool)>, high: &Option<(String, bool)>) -> Test {
    let written = |end: &Option<(String, bool)>| {
        let (text, inclusive) = end.clone()?;
        Some((if fields::kind(name) == FieldKind::Level { level_word(&text) } else { text }, inclusive))
    };
    Test::Range { low: written(low), high: written(high) }
}

fn any_of(names: &[&str], clause: &dyn Fn(Target) -> Query) -> Query {
    let each = names.iter().map(|name| clause(Target::Field((*name).to_owned()))).collect();
    flat(each, Err, Query::Or)
}

fn each_clause(query: &Query, each: &mut dyn FnMut(&Clause) -> Result<(), QueryError>) -> Result<(), QueryError> {
    match query {
        Query::All => Ok(()),
        Query::And(parts) | Query::Or(parts) => parts.iter().try_for_each(|part| each_clause(part, each)),
        Query::Not(inner) => each_clause(inner, each),
        Query::Clause(clause) => each(clause),
    }
}
