//! From the text of a query to its tree: by recursive descent, bounded in length, depth and clauses.
//!
//! ```text
//! either  := all (OR all)*                       OR also `||`, `or`
//! all     := one (AND? one)*                     AND also `&&`, `and`
//! one     := (NOT | ! | - | +)* (`(` either `)` | clause)
//! clause  := name `:` value | name (`>=` | `>` | `<=` | `<`) bound | `_exists_:` name | value
//! value   := `(` either of values `)` | `[` bound TO bound `]` | `>` bound | "phrase" | /regex/ | word
//! ```
//! Small `and`, `or`, `not` are operators only where a clause stands on the sides they need, else words. What
//! looks like `name:` but cannot be a field (capitals, a digit first, a space after it) is text.

mod clause;
mod scan;

use super::ast::Query;
use scan::{Scan, Term};

/// Bytes of the longest query.
pub const QUERY_BYTES_MAX: usize = 16 << 10;
/// Clauses of the largest query.
pub const CLAUSES_MAX: usize = 1024;
/// Parentheses and NOTs inside each other.
pub const DEPTH_MAX: usize = 50;

/// Why a text is not a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at byte {at})")]
pub struct QueryError {
    /// Byte of the text where it shows.
    pub at: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
}

/// One coloured piece of a query's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// First byte.
    pub from: usize,
    /// One past the last.
    pub to: usize,
    /// What it is.
    pub kind: TokenKind,
}

/// What a piece of a query's text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A field's name.
    Field,
    /// `:`, `>=`, `AND`, `OR`, `TO`, `+`.
    Operator,
    /// `NOT`, `!`, `-`.
    Negation,
    /// `"…"`
    String,
    /// `/…/`
    Regex,
    /// A word, number or pattern.
    Value,
    /// `(`, `)`, `[`, `]`, `{`, `}`.
    Paren,
}

impl TokenKind {
    /// Its name in `/v1/parse`.
    pub fn name(self) -> &'static str {
        match self {
            TokenKind::Field => "field",
            TokenKind::Operator => "operator",
            TokenKind::Negation => "negation",
            TokenKind::String => "string",
            TokenKind::Regex => "regex",
            TokenKind::Value => "value",
            TokenKind::Paren => "paren",
        }
    }
}

/// A query's text taken apart: for whoever draws it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// Its pieces, in order, as far as it could be read.
    pub tokens: Vec<Token>,
    /// Its tree, or what is wrong.
    pub query: Result<Query, QueryError>,
    /// What may surprise: byte and remark.
    pub notes: Vec<(usize, String)>,
}

/// Reads a query. Empty text means everything.
///
/// # Errors
/// What is wrong, where, and what would be right.
pub fn parse(text: &str) -> Result<Query, QueryError> {
    take_apart(text).query
}

/// Reads a query and says what each piece of its text is.
pub fn take_apart(text: &str) -> Parsed {
    let mut parser = Parser { scan: Scan::new(text), depth: 0, clauses: 0, notes: Vec::new() };
    let query = parser.whole();
    Parsed { tokens: parser.scan.tokens, query, notes: parser.notes }
}

struct Parser<'q> {
    scan: Scan<'q>,
    depth: usize,
    clauses: usize,
    notes: Vec<(usize, String)>,
}

/// The field a group of values belongs to: the name as typed, and what it stands for.
#[derive(Clone, Copy)]
struct Of<'a> {
    names: &'a [&'a str],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keyword {
    And,
    Or,
    Not,
}

impl Parser<'_> {
    fn whole(&mut self) -> Result<Query, QueryError> {
        let bytes = self.scan.text.len();
        if bytes > QUERY_BYTES_MAX {
            let hint = format!("{bytes} bytes; a query may have {QUERY_BYTES_MAX}");
            return self.scan.fail(QUERY_BYTES_MAX, "the query is too long", hint);
        }
        self.scan.skip_spaces();
        if self.scan.rest().is_empty() {
            return Ok(Query::All);
        }
        let query = self.either(None)?;
        match self.scan.peek() {
            None => Ok(query),
            Some(_) => self.scan.fail(
                self.scan.at,
                "nothing is open that this `)` could close",
                "remove it, or put it in quotes",
            ),
        }
    }

    fn either(&mut self, of: Option<Of<'_>>) -> Result<Query, QueryError> {
        let mut parts = vec![self.all(of)?];
        let mut mixed = None;
        loop {
            let at = self.scan.at;
            if !self.operator(Keyword::Or)? {
                break;
            }
            let part = self.all(of)?;
            mixed = mixed.or([parts.last(), Some(&part)].into_iter().flatten().any(is_and).then_some(at));
            parts.push(part);
        }
        if let Some(at) = mixed {
            self.notes.push((at, "AND binds before OR here; parentheses say it plainly".to_owned()));
        }
        Ok(flat(parts, |query| if let Query::Or(parts) = query { Ok(parts) } else { Err(query) }, Query::Or))
    }

    fn all(&mut self, of: Option<Of<'_>>) -> Result<Query, QueryError> {
        let mut parts = vec![self.one(of)?];
        loop {
            let and = self.operator(Keyword::And)?;
            self.scan.skip_spaces();
            let ends = matches!(self.scan.peek(), None | Some(')')) || self.stands(Keyword::Or).is_some();
            if ends && !and {
                break;
            }
            parts.push(self.one(of)?);
        }
        Ok(flat(parts, |query| if let Query::And(parts) = query { Ok(parts) } else { Err(query) }, Query::And))
    }

    fn one(&mut self, of: Option<Of<'_>>) -> Result<Query, QueryError> {
        self.scan.skip_spaces();
        let at = self.scan.at;
        if self.depth >= DEPTH_MAX {
            return self.scan.fail(
                at,
                "too many parentheses or NOTs inside each other",
                format!("at most {DEPTH_MAX}"),
            );
        }
        self.depth += 1;
        let query = self.prefixed(of, at);
        self.depth -= 1;
        query
    }

    fn prefixed(&mut self, of: Option<Of<'_>>, at: usize) -> Result<Query, QueryError> {
        if let Some(len) = self.negation(of) {
            let small = self.scan.rest().starts_with("not");
            self.scan.at += len;
            self.scan.token(TokenKind::Negation, at);
            self.follows(at)?;
            if small {
                self.notes.push((at, "`not` is read as NOT here; in quotes it is a word".to_owned()));
            }
            return Ok(Query::Not(Box::new(self.one(of)?)));
        }
        if self.prefix('+') {
            self.scan.take("+", TokenKind::Operator);
            return self.one(of);
        }
        if self.scan.peek() == Some('(') {
            return self.group(of);
        }
        for keyword in [Keyword::And, Keyword::Or] {
            if let Some((word, _)) = self.word_of(keyword).filter(|(_, small)| !small) {
                return self.scan.fail(
                    at,
                    format!("nothing stands before `{word}`"),
                    format!("remove it, or write \"{word}\" for the word"),
                );
            }
        }
        self.clause(of)
    }

    fn group(&mut self, of: Option<Of<'_>>) -> Result<Query, QueryError> {
        let from = self.scan.at;
        self.scan.take("(", TokenKind::Paren);
        self.scan.skip_spaces();
        if self.scan.peek() == Some(')') {
            return self.scan.fail(
                from,
                "nothing stands between the parentheses",
                "remove them, or put them in quotes",
            );
        }
        let closed = "put `)` where the group ends, or quotes around the text";
        if self.scan.peek().is_none() {
            return self.scan.fail(from, "the parenthesis is not closed", closed);
        }
        let query = self.either(of)?;
        if !self.scan.take(")", TokenKind::Paren) {
            return self.scan.fail(from, "the parenthesis is not closed", closed);
        }
        Ok(query)
    }

    /// Takes an operator that joins what stands before it with what follows, if one stands here.
    fn operator(&mut self, keyword: Keyword) -> Result<bool, QueryError> {
        self.scan.skip_spaces();
        let from = self.scan.at;
        let Some(len) = self.stands(keyword) else { return Ok(false) };
        self.scan.at += len;
        self.scan.token(TokenKind::Operator, from);
        self.follows(from)?;
        Ok(true)
    }

    /// Fails when nothing follows the operator that was taken from byte `from` on.
    fn follows(&mut self, from: usize) -> Result<(), QueryError> {
        let word = &self.scan.text[from..self.scan.at];
        self.scan.skip_spaces();
        if matches!(self.scan.peek(), None | Some(')')) {
            return self.scan.fail(
                from,
                format!("nothing follows `{word}`"),
                format!("remove it, or write \"{word}\" for the word"),
            );
        }
        Ok(())
    }

    /// Length of an operator between two clauses that stands here; `None`: none, or it is a word.
    fn stands(&self, keyword: Keyword) -> Option<usize> {
        let (word, small) = self.word_of(keyword)?;
        let after = self.scan.rest()[word.len()..].trim_start();
        let last = matches!(after.chars().next(), None | Some(')'));
        if small && last { None } else { Some(word.len()) }
    }

    /// The word of a keyword that stands here as a term of its own, and whether it is in small letters.
    fn word_of(&self, keyword: Keyword) -> Option<(&str, bool)> {
        let (name, sign) = match keyword {
            Keyword::And => ("and", "&&"),
            Keyword::Or => ("or", "||"),
            Keyword::Not => ("not", "!"),
        };
        let rest = self.scan.rest();
        let len = [name, sign].into_iter().map(str::len).find(|&len| {
            rest.get(..len).is_some_and(|word| word == sign || word.eq_ignore_ascii_case(name))
                && rest[len..].chars().next().is_none_or(|c| c.is_whitespace() || matches!(c, '(' | ')' | '"'))
        })?;
        let word = &rest[..len];
        Some((word, word != sign && word.chars().any(|c| c.is_ascii_lowercase())))
    }

    /// Length of a negation before a clause that stands here.
    fn negation(&self, of: Option<Of<'_>>) -> Option<usize> {
        if let Some(len) = self.stands(Keyword::Not) {
            return Some(len);
        }
        let number = of.is_some_and(|of| of.is_number())
            && self.scan.rest().get(1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        (self.prefix('!') || (self.prefix('-') && !number)).then_some(1)
    }

    /// Whether `sign` stands here right before the begin of a clause. `->`, `--` and a lone `-` are text.
    fn prefix(&self, sign: char) -> bool {
        let mut chars = self.scan.rest().chars();
        chars.next() == Some(sign)
            && chars.next().is_some_and(|c| {
                c.is_alphanumeric() || matches!(c, '(' | '"' | '/' | '_' | '@' | '*' | '?' | '\\' | '[')
            })
    }

    fn count_clause(&mut self, at: usize) -> Result<(), QueryError> {
        self.clauses += 1;
        if self.clauses > CLAUSES_MAX {
            return self.scan.fail(at, "the query has too many clauses", format!("at most {CLAUSES_MAX}"));
        }
        Ok(())
    }
}

impl Of<'_> {
    fn is_number(&self) -> bool {
        self.names.iter().any(|name| super::fields::kind(name) == super::fields::FieldKind::Number)
    }
}

fn is_and(query: &Query) -> bool {
    matches!(query, Query::And(_))
}

/// One part as itself, several under `join`, those that are joined alike taken in.
fn flat(parts: Vec<Query>, open: fn(Query) -> Result<Vec<Query>, Query>, join: fn(Vec<Query>) -> Query) -> Query {
    let mut all = Vec::with_capacity(parts.len());
    for part in parts {
        match open(part) {
            Ok(inner) => all.extend(inner),
            Err(part) => all.push(part),
        }
    }
    match all.pop() {
        Some(only) if all.is_empty() => only,
        Some(last) => {
            all.push(last);
            join(all)
        }
        None => Query::All,
    }
}

/// A plain term for whoever joins values.
fn unexpected_end(term: &Term) -> bool {
    term.to == term.from
}

#[cfg(test)]
mod tests;
