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

use crate::event_of::text_of;
use crate::fields::hex;
use crate::{Field, FieldId, Value};
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
            self.text.add(message, 0, 0, VARIABLE);
            self.variables.push((0, message.len() as u32));
        }
        self.last()
    }

    /// Adds `wso2.template.hash` to an event that has none: the one that a parser would have given it.
    pub fn complete(&mut self, fields: &mut Vec<Field>, bytes: &[u8]) {
        let (mut message, mut end) = (None, fields.len());
        for (at, field) in fields.iter().enumerate() {
            match field.id {
                FieldId::TEMPLATE_HASH => return,
                FieldId::MESSAGE if message.is_none() => message = Some(&field.value),
                // What redaction says of itself comes last.
                FieldId::REDACTED_CLASSES => end = at,
                _ => {}
            }
        }
        let hash = self.split(text_of(message, bytes)).hash();
        let value = Value::Literal(hex(hash, &mut [0; 16]).into());
        fields.insert(end, Field { id: FieldId::TEMPLATE_HASH, value });
    }

    /// What the last message was split into.
    pub(crate) fn last(&self) -> Template<'_> {
        Template { text: self.text.bytes(), variables: &self.variables }
    }

    /// `None` when the message is to be plain.
    fn take_apart(&mut self, message: &[u8]) -> Option<()> {
        if message.len() > MESSAGE_BYTES_MAX {
            return None;
        }
        // Constant text is copied in runs: `kept` is where the one that is not copied yet begins.
        let mut kept = 0;
        // What stands before is done with.
        let mut done = 0;
        let mut start = 0;
        let mut block = Block::default();
        while start < message.len() {
            block = Block::at(message, start, &block);
            let mut rest = (block.places | block.humps) & u64::MAX << (done.max(start) - start);
            while rest != 0 {
                let bit = rest.trailing_zeros() as usize;
                let at = start + bit;
                let byte = message[at];
                let found = match byte {
                    _ if block.word >> bit & 1 == 1 => {
                        let sure = block.places >> bit & 1 == 1;
                        (sure || message[at - 1].is_ascii_lowercase()).then(|| word(message, &block, bit, at))
                    }
                    b'"' => quoted(message, &block, bit, at),
                    b'-' => uuid_of_letters(message, kept, at),
                    _ => after_delimiter(message, &block, bit, at, byte),
                };
                if let Some((from, to, mark)) = found {
                    self.text.add(message, kept, from, mark);
                    self.variables.push((from as u32, to as u32));
                    kept = to;
                    // The quote that closes opens nothing.
                    done = to + usize::from(byte == b'"');
                } else {
                    // Two quotes with nothing between them are a pair; the second one opens nothing.
                    done = at + 1 + usize::from(message[at..].first_chunk() == Some(b"\"\""));
                }
                rest &= if done - start < BLOCK { u64::MAX << (done - start) } else { 0 };
            }
            if block.reserved || self.variables.len() > VARIABLES_MAX || self.text.len > TEXT_BYTES_MAX {
                return None;
            }
            let next = start + BLOCK;
            start = next.max(done / BLOCK * BLOCK);
            if start != next {
                if has_reserved(message, next, start) {
                    return None;
                }
                // A word that goes on from a block that was passed over whole is part of a variable.
                block = Block::default();
            }
        }
        self.text.add(message, kept, message.len(), 0);
        // The last byte was no placeholder, and there is none.
        self.text.len -= 1;
        (self.text.len <= TEXT_BYTES_MAX).then_some(())
    }
}

/// Whether a byte that no message with variables may have is in what a variable covers and nobody looked at.
#[cold]
fn has_reserved(message: &[u8], from: usize, to: usize) -> bool {
    let passed = message.get(from..).unwrap_or_default();
    memchr::memchr2(VARIABLE, FRAMES, &passed[..passed.len().min(to - from)]).is_some()
}

/// The word around `at`, bit `bit` of its block, which is a variable because of what stands there, or what it is part
/// of: from, to, placeholder.
#[inline]
fn word(message: &[u8], block: &Block, bit: usize, at: usize) -> (usize, usize, u8) {
    let gaps = !block.word;
    let (below, above) = (gaps & !(u64::MAX << bit), gaps >> bit);
    let start = match below {
        0 => word_start(message, at - bit),
        // So many of the word stand before.
        _ => at + BLOCK - below.leading_zeros() as usize - bit,
    };
    let end = match above {
        0 => word_end(message, at + BLOCK - bit),
        _ => at + above.trailing_zeros() as usize,
    };
    (start, variable_end(message, block, at - bit, start, end), VARIABLE)
}

/// The end of the variable that begins with the word `start..end`, of which at least the end stands in the block from
/// `from` on, or behind it.
#[inline]
fn variable_end(message: &[u8], block: &Block, from: usize, start: usize, end: usize) -> usize {
    let is_number = || message[start..end].iter().all(u8::is_ascii_digit);
    // Most words end before a blank or a comma: one comparison, before it is asked what else stands there.
    let Some(behind @ (b'+'..=b'/' | b':')) = message.get(end) else { return end };
    match behind {
        b'-' if end - start == 8 && is_uuid(message, start) && !in_word(message.get(start + 36)) => start + 36,
        b'.' if is_number() => ipv4(message, start).unwrap_or_else(|| number(message, block, from, end)),
        _ if is_number() => number(message, block, from, end),
        _ => end,
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
    const AT_ONCE: usize = 32;

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

    /// Adds `message[from..to]` and a placeholder.
    #[inline]
    fn add(&mut self, message: &[u8], from: usize, to: usize, mark: u8) {
        let len = to - from;
        let room = &mut self.room[self.len..];
        let text = &message[from..];
        if len <= Self::AT_ONCE
            && let Some(room) = room.first_chunk_mut::<{ Self::AT_ONCE }>()
            && let Some(text) = text.first_chunk::<{ Self::AT_ONCE }>()
        {
            // By numbers: arrays would become a copy of any length again, which has to be told how long it is.
            for (room, text) in room.as_chunks_mut::<8>().0.iter_mut().zip(text.as_chunks::<8>().0) {
                *room = u64::from_le_bytes(*text).to_le_bytes();
            }
        } else {
            room[..len].copy_from_slice(&text[..len]);
        }
        room[len] = mark;
        self.len += len + 1;
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

/// The variable that begins right after the delimiter at `at`, bit `bit` of its block: from, to, placeholder.
fn after_delimiter(message: &[u8], block: &Block, bit: usize, at: usize, byte: u8) -> Option<(usize, usize, u8)> {
    let from = at + 1;
    let to = match byte {
        b'\n' => return frames(message, from).map(|to| (from, to, FRAMES)),
        b'=' if at > 0 && in_word(message.get(at - 1)) && in_word(message.get(from)) => {
            given_back(message, from, stop(message, block, bit, from, VALUE).0)
        }
        b'/' if in_word(message.get(from)) => {
            let (end, longer) = stop(message, block, bit, from, PATH);
            longer.then(|| given_back(message, from, end))?
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

/// What stands between the quote at `at`, bit `bit` of its block, and the next one, both on one line.
#[inline]
fn quoted(message: &[u8], block: &Block, bit: usize, at: usize) -> Option<(usize, usize, u8)> {
    let from = at + 1;
    let close = match block.closing >> bit >> 1 {
        0 => {
            let behind = (at - bit + BLOCK).min(message.len());
            behind + memchr::memchr2(b'"', b'\n', &message[behind..message.len().min(from + QUOTED_BYTES_MAX + 1)])?
        }
        closing => from + closing.trailing_zeros() as usize,
    };
    (close > from && message[close] == b'"').then_some((from, close, VARIABLE))
}

/// What ends a value (bit 0) and a path (bit 1).
const ENDS: [u8; 256] = {
    let mut table = [0; 256];
    let (both, mut i) = (b" \t\r\n,;)]}\"'<>|", 0);
    while i < both.len() {
        table[both[i] as usize] = VALUE | PATH;
        i += 1;
    }
    table[b'&' as usize] = VALUE;
    table[b'=' as usize] = VALUE;
    table
};
const VALUE: u8 = 1;
const PATH: u8 = 2;

/// Where a value or a path ends that begins at `from`, behind bit `bit` of its block, and whether it has a slash.
#[inline]
fn stop(message: &[u8], block: &Block, bit: usize, from: usize, what: u8) -> (usize, bool) {
    let mut slash = false;
    let mut ends = |byte: u8| {
        slash |= byte == b'/';
        ENDS[usize::from(byte)] & what != 0
    };
    // No byte of a word ends anything.
    let mut gaps = !block.word >> bit >> 1;
    while gaps != 0 {
        let at = from + gaps.trailing_zeros() as usize;
        if message.get(at).is_none_or(|byte| ends(*byte)) {
            return (at, slash);
        }
        gaps &= gaps - 1;
    }
    let behind = (from + BLOCK - 1 - bit).min(message.len());
    let len = message[behind..].iter().take_while(|byte| !ends(**byte)).count();
    (behind + len, slash)
}

/// `from..to` without the delimiters at its end.
fn given_back(message: &[u8], from: usize, to: usize) -> usize {
    let kept = message[from..to].iter().rposition(|b| in_word(Some(b)));
    kept.map_or(from, |last| from + last + 1)
}

/// The end of four numbers up to 255 without leading zeros, when no fifth and no word follows.
pub(crate) fn ipv4(message: &[u8], at: usize) -> Option<usize> {
    let mut end = at;
    for part in 0..4 {
        if part > 0 {
            if message.get(end) != Some(&b'.') {
                return None;
            }
            end += 1;
        }
        let (begin, mut value) = (end, 0);
        while end < begin + 3
            && let Some(digit @ b'0'..=b'9') = message.get(end)
        {
            value = value * 10 + u32::from(digit - b'0');
            end += 1;
        }
        // A fourth digit is none of what may follow.
        if end == begin || value > 255 || end > begin + 1 && message[begin] == b'0' {
            return None;
        }
    }
    let more = message.get(end) == Some(&b'.') && message.get(end + 1).is_some_and(u8::is_ascii_digit);
    (!in_word(message.get(end)) && !more).then_some(end)
}

/// The end of a number with what belongs to it: dates, times, versions, lists.
fn number(message: &[u8], block: &Block, from: usize, mut end: usize) -> usize {
    while let Some(b'.' | b':' | b'-' | b',' | b'/' | b'+') = message.get(end)
        && message.get(end + 1).is_some_and(u8::is_ascii_digit)
    {
        // Where the block that begins at `from` tells the end of the word, it is asked.
        let gaps = u32::try_from(end + 1 - from).ok().and_then(|bit| (!block.word).checked_shr(bit)).unwrap_or(0);
        end = match gaps {
            0 => word_end(message, end + 1),
            gaps => end + 1 + gaps.trailing_zeros() as usize,
        };
    }
    end
}
