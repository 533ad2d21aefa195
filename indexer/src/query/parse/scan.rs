//! The text of a query and a place in it: spaces, words with escapes, quoted text, `/…/`.

use super::{QueryError, Token, TokenKind};

/// A word as it stands in a query, escapes resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Term {
    /// First byte.
    pub(super) from: usize,
    /// One past the last.
    pub(super) to: usize,
    /// Without escapes.
    pub(super) text: String,
    /// As pattern: `\` kept before `*`, `?` and `\`.
    pub(super) pattern: String,
    /// An unescaped `*` or `?` stands in it.
    pub(super) wild: bool,
    /// Any escape stands in it: then it is no keyword.
    pub(super) escaped: bool,
}

#[derive(Debug)]
pub(super) struct Scan<'q> {
    pub(super) text: &'q str,
    pub(super) at: usize,
    pub(super) tokens: Vec<Token>,
}

impl<'q> Scan<'q> {
    pub(super) fn new(text: &'q str) -> Scan<'q> {
        Scan { text, at: 0, tokens: Vec::new() }
    }

    pub(super) fn rest(&self) -> &'q str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    pub(super) fn token(&mut self, kind: TokenKind, from: usize) {
        if self.at > from {
            self.tokens.push(Token { from, to: self.at, kind });
        }
    }

    /// Takes `expected` if it stands here.
    pub(super) fn take(&mut self, expected: &str, kind: TokenKind) -> bool {
        let here = self.rest().starts_with(expected);
        if here {
            let from = self.at;
            self.at += expected.len();
            self.token(kind, from);
        }
        here
    }

    pub(super) fn fail<T>(
        &self,
        at: usize,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Result<T, QueryError> {
        Err(QueryError { at, message: message.into(), hint: Some(hint.into()) })
    }

    /// The word that begins here: to the next space, quote, or parenthesis that does not belong to it.
    /// `stop` are further characters it ends before. Nothing is taken; [`Scan::accept`] does.
    pub(super) fn look_term(&self, stop: &[char]) -> Term {
        let mut term = Term { from: self.at, to: self.at, ..Term::default() };
        let mut open = 0usize;
        let mut chars = self.rest().char_indices();
        while let Some((i, c)) = chars.next() {
            let at = self.at + i;
            if c.is_whitespace() || c == '"' || stop.contains(&c) || (c == ')' && open == 0) {
                break;
            }
            if c == '(' {
                if at == self.at || !closes_without_space(&self.text[at..]) {
                    break;
                }
                open += 1;
            }
            open -= usize::from(c == ')');
            if c == '\\' {
                let Some((_, next)) = chars.next() else {
                    term.push_literal('\\');
                    term.to = at + 1;
                    break;
                };
                term.escaped = true;
                term.push_literal(next);
                term.to = at + 1 + next.len_utf8();
                continue;
            }
            term.push(c);
            term.to = at + c.len_utf8();
        }
        term
    }

    /// Takes a term that [`Scan::look_term`] returned.
    pub(super) fn accept(&mut self, term: &Term, kind: TokenKind) {
        self.at = term.to;
        self.token(kind, term.from);
    }

    /// Text in `"…"`, `\` before any character that means itself. The opening quote stands here.
    pub(super) fn quoted(&mut self) -> Result<String, QueryError> {
        let from = self.at;
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = from + i + 1;
                    self.token(TokenKind::String, from);
                    return Ok(text);
                }
                '\\' => text.extend(chars.next().map(|(_, next)| next)),
                c => text.push(c),
            }
        }
        self.at = self.text.len();
        self.token(TokenKind::String, from);
        self.fail(from, "the quote is not closed", "put `\"` at the end of the phrase, or `\\` before this one")
    }

    /// `/…/` if one stands here, up to a `/` after which a clause can end; `None`: it is something else (a path).
    pub(super) fn regex(&mut self) -> Option<String> {
        let mut pattern = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        loop {
            match chars.next()? {
                (_, '\\') => {
                    let (_, next) = chars.next()?;
                    if next != '/' {
                        pattern.push('\\');
                    }
                    pattern.push(next);
                }
                (i, '/') => {
                    let after = self.rest()[i + 1..].chars().next();
                    if pattern.is_empty() || after.is_some_and(|c| !c.is_whitespace() && c != ')') {
                        return None;
                    }
                    let from = self.at;
                    self.at += i + 1;
                    self.token(TokenKind::Regex, from);
                    return Some(pattern);
                }
                (_, c) => pattern.push(c),
            }
        }
    }
}

impl Term {
    fn push(&mut self, c: char) {
        self.wild |= matches!(c, '*' | '?');
        self.text.push(c);
        self.pattern.push(c);
    }

    fn push_literal(&mut self, c: char) {
        self.text.push(c);
        if matches!(c, '*' | '?' | '\\') {
            self.pattern.push('\\');
        }
        self.pattern.push(c);
    }

    /// Whether it is nothing but `*` (or `*:*`, as Lucene has it).
    pub(super) fn is_everything(&self) -> bool {
        self.wild && !self.escaped && (self.text == "*:*" || self.text.chars().all(|c| c == '*'))
    }
}

/// Whether the parenthesis that `text` begins with is closed again before any space or quote.
fn closes_without_space(text: &str) -> bool {
    let mut open = 0usize;
    for c in text.chars() {
        match c {
            '(' => open += 1,
            ')' => open -= 1,
            '"' => return false,
            c if c.is_whitespace() => return false,
            _ => {}
        }
        if open == 0 {
            return true;
        }
    }
    false
}
