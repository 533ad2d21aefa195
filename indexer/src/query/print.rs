//! A tree as text: reading it again gives the same tree.

use super::ast::{Clause, Query, Target, Test};
use std::fmt::{Display, Formatter, Result, Write};

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Query::All => f.write_char('*'),
            Query::And(parts) => joined(f, parts, " AND ", |part| matches!(part, Query::And(_) | Query::Or(_))),
            Query::Or(parts) => joined(f, parts, " OR ", |part| matches!(part, Query::Or(_))),
            Query::Not(inner) => {
                f.write_str("NOT ")?;
                grouped(f, inner, matches!(**inner, Query::And(_) | Query::Or(_)))
            }
            Query::Clause(clause) => write!(f, "{clause}"),
        }
    }
}

fn joined(f: &mut Formatter<'_>, parts: &[Query], by: &str, group: fn(&Query) -> bool) -> Result {
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            f.write_str(by)?;
        }
        grouped(f, part, group(part))?;
    }
    Ok(())
}

fn grouped(f: &mut Formatter<'_>, query: &Query, group: bool) -> Result {
    if group { write!(f, "({query})") } else { write!(f, "{query}") }
}

impl Display for Clause {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if let Target::Field(name) = &self.target {
            write!(f, "{name}:")?;
        }
        match &self.test {
            Test::Word(word) => bare(f, word),
            Test::Phrase(text) | Test::Cidr(text) => quoted(f, text),
            Test::Wildcard(pattern) => wildcard(f, pattern),
            Test::Regex(pattern) => expression(f, pattern),
            Test::Exists => f.write_char('*'),
            Test::Range { low, high } => {
                f.write_char(if low.as_ref().is_none_or(|(_, inclusive)| *inclusive) { '[' } else { '{' })?;
                bound(f, low)?;
                f.write_str(" TO ")?;
                bound(f, high)?;
                f.write_char(if high.as_ref().is_none_or(|(_, inclusive)| *inclusive) { ']' } else { '}' })
            }
        }
    }
}

fn bound(f: &mut Formatter<'_>, end: &Option<(String, bool)>) -> Result {
    match end {
        None => f.write_char('*'),
        Some((text, _)) => quoted(f, text),
    }
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> Result {
    f.write_char('"')?;
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char('"')
}

/// A word without quotes; `and` and its like become `\and`.
fn bare(f: &mut Formatter<'_>, word: &str) -> Result {
    let keyword = ["and", "or", "not"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword));
    for (i, c) in word.chars().enumerate() {
        if needs_escape(c) || matches!(c, '*' | '?' | '\\') || (i == 0 && keyword) {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    Ok(())
}

/// A pattern; its own escapes stay.
fn wildcard(f: &mut Formatter<'_>, pattern: &str) -> Result {
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            f.write_char('\\')?;
            f.write_char(chars.next().unwrap_or('\\'))?;
            continue;
        }
        if needs_escape(c) {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    Ok(())
}

/// Characters that mean something in a query, or end a word.
fn needs_escape(c: char) -> bool {
    c.is_whitespace() || "\"():[]{}<>+-=!&|/~^".contains(c)
}

fn expression(f: &mut Formatter<'_>, pattern: &str) -> Result {
    f.write_char('/')?;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                f.write_char('\\')?;
                f.write_char(chars.next().unwrap_or('\\'))?;
            }
            '/' => f.write_str("\\/")?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('/')
}
