//! Splits a message into constant text and variables, by a fixed rule, without learning.
//!
//! Letters are a–z, A–Z, `_` and bytes from 0x80 on; digits are digits; all else delimits. A *word* is a run of letters
//! and digits. **A variable always covers whole words and is bordered by delimiters**, so a word of the message
//! stands either in the constant text or in one variable, never across.
//!
//! At each place the first that fits:
//! 1. A message over 32 KiB, with byte 0x11 or 0x12, with more than 250 variables, or whose constant text is over
//!    4 KiB is plain: one variable.
//! 2. After a newline, lines that begin with a tab and `at ` are one variable (a run of frames).
//! 3. `"…"` on one line, 1 to 2047 bytes: the inside. Two quotes with nothing between them are a pair.
//! 4. `=` between two words: the value, up to a blank or one of `, ; & ) ] } " ' < > = |`.
//! 5. `/` before a word, with another `/` before a blank or one of `, ; ) ] } " ' < > |`: the path after it.
//! 6. A UUID in lower case; an IPv4 address; a word with a digit (one of digits only also takes what follows of
//!    `. : - , / +` and a word that begins with a digit); a camelCase word; a word of 24 bytes or more.
//!
//! In 4 and 5 delimiters at the end are given back. The rule has a number, which goes into the hash: the same
//! message has the same template on every host, as long as the rule stays.

mod scan;
#[cfg(test)]
mod tests;

use scan::{BLOCK, Block, is_uuid};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Number of the rule. Another rule is another number.
pub const RULE: u64 = 1;

/// Stands for a variable in a template's text.
pub const VARIABLE: u8 = 0x11;

/// Stands for a run of stack frames.
pub const FRAMES: u8 = 0x12;

const MESSAGE_BYTES_MAX: usize = 32 * 1024;
const VARIABLES_MAX: usize = 250;
const TEXT_BYTES_MAX: usize = 4096;
const QUOTED_BYTES_MAX: usize = 2047;

/// Splits messages, using the same room for each.
#[derive(Clone, Debug, Default)]
pub struct Splitter {
    text: Text,
    variables: Vec<(u32, u32)>,
}

/// A message taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template<'a> {
    /// Constant text with [`VARIABLE`] and [`FRAMES`] where variables stand.
    pub text: &'a [u8],
    /// Where the variables stand in the message: first byte, and one past the last.
    pub variables: &'a [(u32, u32)],
}

impl Template<'_> {
    /// The hash of the template: equal for messages of the same template.
    pub fn hash(&self) -> u64 {
        xxh3_64_with_seed(self.text, RULE)
    }
}

/// Gives a message back from its template's text and the bytes of its variables.
pub fn render<'a>(text: &[u8], variables: impl IntoIterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    let mut variables = variables.into_iter();
    for byte in text {
        match *byte {
            VARIABLE | FRAMES => out.extend_from_slice(variables.next().unwrap_or_default()),
            constant => out.push(constant),
        }
    }
}

impl Splitter {
    /// A splitter with no room yet.
    pub fn new() -> Splitter {
        Splitter::default()
    }

    /// Takes `message` apart.
    pub fn split(&mut self, message: &[u8]) -> Template<'_> {
        self.text.begin(message);
        self.variables.clear();
        if self.take_apart(message).is_none() {
            self.text.begin(message);
            self.variables.clear();
            self.text.push(VARIABLE);
            self.variables.push((0, message.len() as u32));
        }
        self.last()
    }

    /// What the last message was split into.
    pub(crate) fn last(&self) -> Template<'_> {
        Template { text: self.text.bytes(), variables: &self.variables }
    }

    /// `None` when the message is to be plain.
    fn take_apart(&mut self, message: &[u8]) -> Option<()> {
        if message.len() > MESSAGE_BYTES_MAX || memchr::memchr2(VARIABLE, FRAMES, message).is_some() {
            return None;
        }
        let mut places = Places::new(message);
        // Constant text is copied in runs: `kept` is where the one that is not copied yet begins.
        let mut kept = 0;
        while let Some(at) = places.next() {
            let byte = message[at];
            let found = match byte {
                b'\n' | b'"' | b'=' | b'/' => after_delimiter(message, at, byte),
                b'-' => uuid_of_letters(message, kept, at),
                _ => Some(places.word(at)),
            };
            let Some((from, to, mark)) = found else {
                // Two quotes with nothing between them are a pair; the second one opens nothing.
                places.go_on(at + if message[at..].first_chunk() == Some(b"\"\"") { 2 } else { 1 });
                continue;
            };
            self.text.add(message, kept, from);
            self.text.push(mark);
            self.variables.push((from as u32, to as u32));
            if self.variables.len() > VARIABLES_MAX || self.text.len > TEXT_BYTES_MAX {
                return None;
            }
            kept = to;
            // The quote that closes opens nothing.
            places.go_on(to + usize::from(byte == b'"'));
        }
        self.text.add(message, kept, message.len());
        (self.text.len <= TEXT_BYTES_MAX).then_some(())
    }
}

/// The constant text of a message, which is never longer than the message: each variable has a byte at least.
#[derive(Clone, Debug, Default)]
struct Text {
    /// As long as the longest message so far, and some more.
    room: Vec<u8>,
    len: usize,
}

impl Text {
    /// Runs of constant text are short: they are copied by so many bytes at once, whatever is behind them.
    const AT_ONCE: usize = 16;

    fn begin(&mut self, message: &[u8]) {
        let needed = message.len().min(MESSAGE_BYTES_MAX) + 1 + Self::AT_ONCE;
        if self.room.len() < needed {
            self.room.resize(needed, 0);
        }
        self.len = 0;
    }

    fn bytes(&self) -> &[u8] {
        &self.room[..self.len]
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        self.room[self.len] = byte;
        self.len += 1;
    }

    /// Adds `message[from..to]`.
    #[inline]
    fn add(&mut self, message: &[u8], from: usize, to: usize) {
        let part = (self.room.get_mut(self.len..), message.get(from..));
        if to - from <= Self::AT_ONCE
            && let (Some(room), Some(text)) = part
            && let (Some(room), Some(text)) = (room.first_chunk_mut::<16>(), text.first_chunk::<16>())
        {
            *room = *text;
        } else {
            self.room[self.len..self.len + to - from].copy_from_slice(&message[from..to]);
        }
        self.len += to - from;
    }
}

/// Walks over the places of a message where something is decided.
struct Places<'a> {
    message: &'a [u8],
    /// Nothing before it is looked at any more.
    at: usize,
    block: Block,
}

impl<'a> Places<'a> {
    #[inline]
    fn new(message: &'a [u8]) -> Places<'a> {
        Places { message, at: 0, block: Block::at(message, 0, 0) }
    }

    /// The next place.
    #[inline]
    fn next(&mut self) -> Option<usize> {
        loop {
            let passed = self.at - self.block.start;
            if passed < BLOCK {
                let rest = self.block.places >> passed;
                if rest != 0 {
                    return Some(self.at + rest.trailing_zeros() as usize);
                }
                self.at = self.block.start + BLOCK;
            }
            if self.at >= self.message.len() {
                return None;
            }
            let start = self.at / BLOCK * BLOCK;
            // A word that goes on from a block that was passed over whole is part of a variable.
            let before = if start == self.block.start + BLOCK { self.block.word } else { 0 };
            self.block = Block::at(self.message, start, before);
        }
    }

    /// What stands before `at` is done with.
    #[inline]
    fn go_on(&mut self, at: usize) {
        self.at = at;
    }

    /// The word around `at`, which is a variable because of what stands there, or what it is part of.
    #[inline]
    fn word(&self, at: usize) -> (usize, usize, u8) {
        let bit = at - self.block.start;
        let gaps = !self.block.word;
        let below = gaps & ((1 << bit) - 1);
        let start = match below {
            0 => word_start(self.message, self.block.start),
            gaps => self.block.start + BLOCK - gaps.leading_zeros() as usize,
        };
        let end = match gaps >> bit {
            0 => word_end(self.message, self.block.start + BLOCK),
            gaps => at + gaps.trailing_zeros() as usize,
        };
        (start, self.variable_end(start, end), VARIABLE)
    }

    #[inline]
    fn variable_end(&self, start: usize, end: usize) -> usize {
        let message = self.message;
        if end - start == 8
            && message.get(end) == Some(&b'-')
            && is_uuid(message, start)
            && !in_word(message.get(start + 36))
        {
            return start + 36;
        }
        if message[start..end].iter().all(u8::is_ascii_digit) {
            return ipv4(message, start).unwrap_or_else(|| number(message, end));
        }
        end
    }
}

/// The beginning of the word that ends at `at` or goes on there.
fn word_start(message: &[u8], at: usize) -> usize {
    at - message[..at].iter().rev().take_while(|b| in_word(Some(b))).count()
}

/// The end of the word that begins at `at` or goes on there.
fn word_end(message: &[u8], at: usize) -> usize {
    at + message.get(at..).unwrap_or_default().iter().take_while(|b| in_word(Some(b))).count()
}

/// A UUID whose first group, before the dash at `at`, has no digit: those with one are found by it.
fn uuid_of_letters(message: &[u8], kept: usize, at: usize) -> Option<(usize, usize, u8)> {
    let from = at.checked_sub(8).filter(|from| *from >= kept)?;
    let alone = || !in_word(message.get(from.wrapping_sub(1))) && !in_word(message.get(from + 36));
    (is_uuid(message, from) && alone()).then_some((from, from + 36, VARIABLE))
}

/// Which bytes are of words.
const WORDY: [bool; 256] = {
    let mut table = [false; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = matches!(i as u8, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | 0x80..=0xff);
        i += 1;
    }
    table
};

#[inline]
fn in_word(byte: Option<&u8>) -> bool {
    byte.is_some_and(|b| WORDY[usize::from(*b)])
}

/// The variable that begins right after the delimiter at `at`: from, to, placeholder.
fn after_delimiter(message: &[u8], at: usize, byte: u8) -> Option<(usize, usize, u8)> {
    let from = at + 1;
    let to = match byte {
        b'\n' => return frames(message, from).map(|to| (from, to, FRAMES)),
        b'"' => quoted(message, from)?,
        b'=' if at > 0 && in_word(message.get(at - 1)) && in_word(message.get(from)) => {
            given_back(message, from, stop(message, from, b"&="))
        }
        b'/' if in_word(message.get(from)) => {
            let end = stop(message, from, b"");
            memchr::memchr(b'/', &message[from..end])?;
            given_back(message, from, end)
        }
        _ => return None,
    };
    Some((from, to, VARIABLE))
}

/// The end of the lines from `from` on that begin with a tab and `at `, without the last line end.
fn frames(message: &[u8], from: usize) -> Option<usize> {
    let mut end = None;
    let mut at = from;
    while message[at..].first_chunk() == Some(b"\tat ") {
        let line = memchr::memchr(b'\n', &message[at..]).map_or(message.len(), |i| at + i);
        end = Some(line);
        at = line + 1;
        if at > message.len() {
            break;
        }
    }
    end
}

/// The closing quote.
fn quoted(message: &[u8], from: usize) -> Option<usize> {
    let window = &message[from..message.len().min(from + QUOTED_BYTES_MAX + 1)];
    let close = memchr::memchr2(b'"', b'\n', window)?;
    (close > 0 && window[close] == b'"').then_some(from + close)
}

/// Where a value or path ends: at a blank, at closing and separating signs, and at those of `more`.
fn stop(message: &[u8], from: usize, more: &[u8]) -> usize {
    let ends = |b: &u8| {
        matches!(
            *b,
            b' ' | b'\t' | b'\r' | b'\n' | b',' | b';' | b')' | b']' | b'}' | b'"' | b'\'' | b'<' | b'>' | b'|'
        ) || more.contains(b)
    };
    message[from..].iter().position(ends).map_or(message.len(), |i| from + i)
}

/// `from..to` without the delimiters at its end.
fn given_back(message: &[u8], from: usize, to: usize) -> usize {
    let kept = message[from..to].iter().rposition(|b| in_word(Some(b)));
    kept.map_or(from, |last| from + last + 1)
}

/// The end of four numbers up to 255 without leading zeros, when no fifth and no word follows.
fn ipv4(message: &[u8], at: usize) -> Option<usize> {
    let mut end = at;
    for part in 0..4 {
        if part > 0 {
            if message.get(end) != Some(&b'.') {
                return None;
            }
            end += 1;
        }
        let digits = message[end..].iter().take(4).take_while(|b| b.is_ascii_digit()).count();
        let value = message[end..end + digits].iter().fold(0u32, |n, b| n * 10 + u32::from(b - b'0'));
        if digits == 0 || digits > 3 || value > 255 || digits > 1 && message[end] == b'0' {
            return None;
        }
        end += digits;
    }
    let more = message.get(end) == Some(&b'.') && message.get(end + 1).is_some_and(u8::is_ascii_digit);
    (!in_word(message.get(end)) && !more).then_some(end)
}

/// The end of a number with what belongs to it: dates, times, versions, lists.
fn number(message: &[u8], mut end: usize) -> usize {
    while let Some(b'.' | b':' | b'-' | b',' | b'/' | b'+') = message.get(end)
        && message.get(end + 1).is_some_and(u8::is_ascii_digit)
    {
        end = word_end(message, end + 1);
    }
    end
}
