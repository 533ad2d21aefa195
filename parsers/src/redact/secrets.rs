//! Scanners for what stands within a line: values of telling keys, tokens, cookies, credentials in URLs, addresses.
//!
//! Each begins at a byte that is rare or has to be there (`=`, `:`, `@`, `eyJ`), looks back a bounded number of
//! bytes and forward over what it takes, so that the whole is linear.

use super::ahead::Mark;
use super::{Class, Found, RuleId, Rules, Text, begins_word, is_end_of_value, is_word, looked};
use memchr::memmem::Finder;

/// Letters of a key that are looked at.
const KEY_BYTES: usize = 40;
/// Blanks between a key, its sign and its value.
const BLANKS_MAX: usize = 8;
/// Shortest value of a key.
const VALUE_BYTES_MIN: usize = 3;
const COOKIE_BYTES_MIN: usize = 8;
const TOKEN_BYTES_MIN: usize = 16;
const JWT_PART_MIN: usize = 8;
const USER_BYTES_MAX: usize = 256;
const LOCAL_BYTES_MAX: usize = 64;
const DOMAIN_BYTES_MAX: usize = 253;

/// How the names of cookies begin that only a whole host may set.
const HOST: &[u8] = b"__Host-";

/// Searches that are prepared once.
#[derive(Debug)]
pub(super) struct Finders {
    pub(super) begin: Finder<'static>,
    jwt: Finder<'static>,
    aws: Finder<'static>,
    bearer: [Finder<'static>; 2],
    host: Finder<'static>,
}

impl Default for Finders {
    fn default() -> Finders {
        Finders {
            begin: Finder::new(b"-----BEGIN"),
            jwt: Finder::new(b"eyJ"),
            aws: Finder::new(b"IA"),
            bearer: [Finder::new(b"earer "), Finder::new(b"EARER ")],
            host: Finder::new(HOST),
        }
    }
}

impl Finders {
    /// Where a mark stands first.
    pub(super) fn mark(&self, mark: Mark, bytes: &[u8]) -> Option<usize> {
        match mark {
            Mark::Begin => self.begin.find(bytes),
            Mark::Tag => memchr::memchr(b'<', bytes),
            Mark::Jwt => self.jwt.find(bytes),
            Mark::Aws => self.aws.find(bytes),
            Mark::Bearer => self.bearer[0].find(bytes),
            Mark::LoudBearer => self.bearer[1].find(bytes),
            Mark::Host => self.host.find(bytes),
        }
    }
}

struct Scan<'s> {
    /// Up to the end of what is looked at.
    bytes: &'s [u8],
    from: usize,
    text: Text<'s>,
    rules: &'s Rules,
    found: &'s mut Vec<Found>,
}

/// Finds values in `bytes[from..to]`.
pub(super) fn scan(text: Text<'_>, from: usize, to: usize, rules: &Rules, found: &mut Vec<Found>) {
    let mut scan = Scan { bytes: &text.bytes[..to], from, text, rules, found };
    let keyed = [Class::Password, Class::Authorization, Class::Cookie, Class::UrlCredentials];
    if keyed.iter().any(|c| rules.has(*c)) {
        scan.keys();
    }
    if rules.has(Class::Authorization) {
        for (finder, mark) in rules.finders.bearer.iter().zip([Mark::Bearer, Mark::LoudBearer]) {
            if text.may.has(mark) {
                scan.bearers(finder);
            }
        }
    }
    if rules.has(Class::Jwt) && text.may.has(Mark::Jwt) {
        scan.jwts();
    }
    if rules.has(Class::AwsKey) && text.may.has(Mark::Aws) {
        scan.aws_keys();
    }
    if rules.has(Class::Email) {
        scan.emails();
    }
}

impl Scan<'_> {
    fn take(&mut self, from: usize, to: usize, class: Class) {
        if self.rules.has(class) {
            self.found.push(Found { from, to, rule: RuleId::Class(class) });
        }
    }

    /// Whether a value that ends at `to` may go on after the event.
    fn is_open_at(&self, to: usize) -> bool {
        self.text.is_open_at(to)
    }

    fn keys(&mut self) {
        let bytes = self.bytes;
        let mut done = 0;
        for i in memchr::memchr2_iter(b'=', b':', &bytes[self.from..]) {
            let at = self.from + i;
            // Inside of a value; as its last byte a sign may begin the next one.
            if at + 1 < done {
                continue;
            }
            if bytes[at] == b':' && bytes[at + 1..].starts_with(b"//") {
                self.url(at);
            }
            let end = key_end(bytes, self.from, at);
            // Most signs do not follow what ends like a key, and are done with by a look at two bytes.
            let host = bytes[at] == b'=' && self.text.may.has(Mark::Host);
            if !host && !ends_like_key(&bytes[self.from..end]) {
                continue;
            }
            let key = key_before(bytes, self.from, end);
            if let Some(kind) = Keyed::of(key, bytes, at) {
                done = self.value(at, kind);
            }
        }
    }

    /// Takes the value behind a sign; gives its end.
    fn value(&mut self, sign: usize, kind: Keyed) -> usize {
        let bytes = self.bytes;
        let mut at = sign + 1;
        at += bytes[at..].iter().take(2).take_while(|b| matches!(b, b'=' | b':' | b'>')).count();
        at += blanks(&bytes[at..]);
        let opened = bytes[at..].iter().take(3).take_while(|b| matches!(b, b'\\' | b'[' | b'"' | b'\'')).count();
        let quote = bytes[at..at + opened].iter().rev().find(|b| matches!(b, b'"' | b'\'')).copied();
        at += opened;
        match kind {
            Keyed::Secret => {
                let end = self.value_end(at, quote);
                let value = &bytes[at..end];
                let enough = value.len() >= VALUE_BYTES_MIN || self.is_open_at(end);
                if !enough || value.is_empty() || [&b"null"[..], b"true", b"false"].contains(&value) {
                    return at; // what was not taken may hold a key of its own
                }
                self.take(at, end, Class::Password);
                end
            }
            Keyed::Cookie => {
                let end = at + bytes[at..].iter().take_while(|b| !b.is_ascii_whitespace() && **b != b';').count();
                looked(end - at);
                if end - at < COOKIE_BYTES_MIN && !(end > at && self.is_open_at(end)) {
                    return at;
                }
                self.take(at, end, Class::Cookie);
                end
            }
            Keyed::User => {
                let end = self.value_end(at, None);
                if end > at {
                    self.take(at, end, Class::UrlCredentials);
                }
                end
            }
            Keyed::Authorization => self.authorization(at, quote),
        }
    }

    /// `Scheme credentials`, or credentials alone.
    fn authorization(&mut self, at: usize, quote: Option<u8>) -> usize {
        let bytes = self.bytes;
        let scheme = bytes[at..].iter().take(20).take_while(|b| b.is_ascii_alphabetic() || **b == b'-').count();
        let gap = blanks(&bytes[at + scheme..]);
        let line = self.text.line_end(at).min(bytes.len());
        let (from, to) = if scheme > 0 && gap > 0 && at + scheme + gap < line {
            let from = at + scheme + gap;
            let all = bytes[at..at + scheme].eq_ignore_ascii_case(b"digest");
            (from, if all { line } else { self.value_end(from, quote) })
        } else {
            (at, self.value_end(at, quote))
        };
        if to >= from + VALUE_BYTES_MIN || to > from && self.is_open_at(to) {
            self.take(from, to, Class::Authorization);
        }
        to
    }

    /// Where a value ends: at the quote that opened it, else at what no value goes over.
    fn value_end(&self, at: usize, quote: Option<u8>) -> usize {
        let line = self.text.line_end(at.min(self.bytes.len())).min(self.bytes.len());
        let rest = &self.bytes[at.min(line)..line];
        let len = match quote {
            Some(quote) => {
                let mut len = 0;
                loop {
                    match memchr::memchr(quote, &rest[len..]) {
                        // A backslash before the quote belongs to it when both quotes have one.
                        Some(i) if i > 0 && rest[len + i - 1] == b'\\' && self.bytes[at - 2] != b'\\' => len += i + 1,
                        Some(i) => {
                            let end = len + i;
                            break end - usize::from(end > 0 && rest[end - 1] == b'\\');
                        }
                        None => break rest.len(),
                    }
                }
            }
            None => rest.iter().position(|b| is_end_of_value(*b)).unwrap_or(rest.len()),
        };
        looked(len);
        at.min(line) + len
    }

    /// `scheme://user:password@host`: the password.
    fn url(&mut self, colon: usize) {
        let bytes = self.bytes;
        let scheme = bytes[..colon]
            .iter()
            .rev()
            .take(16)
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-'))
            .count();
        if scheme < 2 {
            return;
        }
        let from = colon + 3;
        let window = &bytes[from..bytes.len().min(from + 2 * USER_BYTES_MAX)];
        let len = window
            .iter()
            .position(|b| b.is_ascii_whitespace() || matches!(b, b'/' | b'"' | b'\'' | b'<' | b'>'))
            .unwrap_or(window.len());
        looked(len);
        let authority = &window[..len];
        let end = memchr::memrchr(b'@', authority).or_else(|| self.is_open_at(from + len).then_some(len));
        let (Some(end), Some(sep)) = (end, memchr::memchr(b':', authority)) else { return };
        if sep + 1 < end {
            self.take(from + sep + 1, from + end, Class::UrlCredentials);
        }
    }

    fn bearers(&mut self, finder: &Finder<'_>) {
        for i in finder.find_iter(&self.bytes[self.from..]) {
            let b = (self.from + i).wrapping_sub(1);
            let starts = self.bytes.get(b).is_some_and(|c| c | 0x20 == b'b') && begins_word(self.bytes, b);
            if !starts {
                continue;
            }
            let from = self.from + i + 6 + blanks(&self.bytes[self.from + i + 6..]);
            let token = |b: &&u8| b.is_ascii_alphanumeric() || b"._~+/=-".contains(b);
            let to = from + self.bytes[from..].iter().take_while(token).count();
            looked(to - from);
            if to - from >= TOKEN_BYTES_MIN || to > from && self.is_open_at(to) {
                self.take(from, to, Class::Authorization);
            }
        }
    }

    fn jwts(&mut self) {
        let (bytes, rules) = (self.bytes, self.rules);
        let part = |from: usize| {
            let len =
                bytes[from..].iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')).count();
            looked(len);
            len
        };
        let mut at = self.from;
        while let Some(i) = rules.finders.jwt.find(&bytes[at..]) {
            let from = at + i;
            if !begins_word(bytes, from) {
                // Glued to a word: inside a longer token, which begins before.
                at = from + 3;
                continue;
            }
            let first = from + part(from);
            // What begins inside this part ends where it ends.
            at = first;
            if self.is_open_at(first) {
                self.take(from, first, Class::Jwt);
                return;
            }
            if first - from < 3 + JWT_PART_MIN || bytes.get(first) != Some(&b'.') {
                continue;
            }
            let second = first + 1 + part(first + 1);
            let dots = second - first > JWT_PART_MIN && bytes.get(second) == Some(&b'.');
            if !dots && !self.is_open_at(second) {
                continue;
            }
            let more = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
            let to = second + bytes[second..].iter().take_while(more).count();
            looked(to - second);
            self.take(from, to, Class::Jwt);
            at = to;
        }
    }

    fn aws_keys(&mut self) {
        let (bytes, rules) = (self.bytes, self.rules);
        for i in rules.finders.aws.find_iter(&bytes[self.from..]) {
            let Some(from) = (self.from + i).checked_sub(2) else { continue };
            if !(bytes[from..].starts_with(b"AKIA") || bytes[from..].starts_with(b"ASIA")) || !begins_word(bytes, from)
            {
                continue;
            }
            let len = bytes[from..].iter().take_while(|b| is_word(**b)).count();
            looked(len);
            let upper = bytes[from..from + len].iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
            if upper && (len == 20 || len < 20 && self.is_open_at(from + len)) {
                self.take(from, from + len, Class::AwsKey);
            }
        }
    }

    fn emails(&mut self) {
        let bytes = self.bytes;
        for i in memchr::memchr_iter(b'@', &bytes[self.from..]) {
            let at = self.from + i;
            let local = |b: &&u8| b.is_ascii_alphanumeric() || b"._%+-".contains(b);
            let from = at - bytes[self.from..at].iter().rev().take(LOCAL_BYTES_MAX).take_while(local).count();
            let domain = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
            let mut to = at + 1 + bytes[at + 1..].iter().take(DOMAIN_BYTES_MAX).take_while(domain).count();
            looked(to - from);
            if from < at && self.is_open_at(to) {
                self.take(from, to, Class::Email);
                continue;
            }
            while to > at + 1 && !bytes[to - 1].is_ascii_alphanumeric() {
                to -= 1;
            }
            if from < at && memchr::memchr(b'.', &bytes[at + 1..to]).is_some_and(|dot| dot > 0) {
                self.take(from, to, Class::Email);
            }
        }
    }
}

/// Whether a key may end there: by its last two letters, when it has two next to each other.
#[inline]
fn ends_like_key(text: &[u8]) -> bool {
    let Some([before, last]) = text.last_chunk() else { return !text.is_empty() };
    let two = [before | 0x20, last | 0x20];
    last.is_ascii_alphabetic() && (!before.is_ascii_alphabetic() || ENDS_OF_KEYS.contains(&&two))
}

/// The last two letters of all the words below.
const ENDS_OF_KEYS: [&[u8; 2]; 13] =
    [b"rd", b"wd", b"se", b"et", b"en", b"ey", b"er", b"ss", b"tp", b"in", b"on", b"id", b"bs"];

/// The end of the word before a sign, over blanks and a closing quote.
#[inline]
fn key_end(bytes: &[u8], from: usize, sign: usize) -> usize {
    let mut end = sign;
    end -= bytes[from..end].iter().rev().take(BLANKS_MAX).take_while(|b| matches!(b, b' ' | b'\t')).count();
    if end > from && matches!(bytes[end - 1], b'"' | b'\'') {
        end -= 1;
        end -= usize::from(end > from && bytes[end - 1] == b'\\');
    }
    looked(sign - end);
    end
}

/// The word that ends there.
fn key_before(bytes: &[u8], from: usize, end: usize) -> &[u8] {
    let part = |b: &&u8| is_word(**b) || matches!(b, b'-' | b'.');
    let len = bytes[from..end].iter().rev().take(KEY_BYTES).take_while(part).count();
    looked(len);
    &bytes[end - len..end]
}

fn blanks(bytes: &[u8]) -> usize {
    bytes.iter().take(BLANKS_MAX).take_while(|b| matches!(b, b' ' | b'\t')).count()
}

/// What a key says of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keyed {
    Secret,
    Cookie,
    User,
    Authorization,
}

/// Ends of keys with secret values, lower case, without `_` and `-`.
const SECRET_ENDS: [&[u8]; 13] = [
    b"password",
    b"passwd",
    b"passphrase",
    b"pwd",
    b"secret",
    b"accesstoken",
    b"refreshtoken",
    b"idtoken",
    b"authtoken",
    b"apikey",
    b"secretkey",
    b"codeverifier",
    b"samlresponse",
];
/// Whole keys with secret values.
const SECRET_WORDS: [&[u8]; 4] = [b"pass", b"otp", b"pin", b"assertion"];
const COOKIES: [&[u8]; 3] = [b"jsessionid", b"commonauthid", b"opbs"];

impl Keyed {
    fn of(key: &[u8], bytes: &[u8], sign: usize) -> Option<Keyed> {
        let mut folded = [0u8; KEY_BYTES];
        let mut len = 0;
        for byte in key.iter().filter(|b| !matches!(b, b'_' | b'-')) {
            folded[len] = byte.to_ascii_lowercase();
            len += 1;
        }
        let folded = &folded[..len];
        // Dots part words: `keystore.pass` is a key called `pass`.
        let word = folded.rsplit(|b| *b == b'.').next().unwrap_or(folded);
        if SECRET_ENDS.iter().any(|end| folded.ends_with(end)) || SECRET_WORDS.contains(&word) {
            return Some(Keyed::Secret);
        }
        if folded.ends_with(b"authorization") {
            return Some(Keyed::Authorization);
        }
        // A cookie's name may follow anything: `a-JSESSIONID=`.
        let last = key.rsplit(|b| matches!(b, b'-' | b'.')).next().unwrap_or(key);
        let is_cookie = COOKIES.iter().any(|name| word == *name || last.eq_ignore_ascii_case(name));
        if bytes[sign] == b'=' && (is_cookie || key.starts_with(HOST)) {
            return Some(Keyed::Cookie);
        }
        let before = sign.checked_sub(5).and_then(|i| bytes.get(i));
        let in_url = before.is_some_and(|b| matches!(b, b'?' | b';' | b'&'));
        (bytes[sign] == b'=' && word == b"user" && in_url).then_some(Keyed::User)
    }
}
