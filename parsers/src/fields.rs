//! The fields of an event, found in its bytes: one module for each kind of content.

pub(crate) mod access;
pub(crate) mod audit;
pub(crate) mod banner;
pub(crate) mod carbon;
pub(crate) mod correlation;
pub(crate) mod exception;
pub(crate) mod group;
pub(crate) mod json;
pub(crate) mod objects;
pub(crate) mod osgi;
pub(crate) mod text;
pub(crate) mod thrown;

use crate::span::Span;
use crate::{Field, FieldId, Value};

/// Where fields are put. Boxes of earlier events are used again, so that a line costs no allocation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    list: Vec<Field>,
    spare: Vec<Box<str>>,
}

/// Boxes kept for later events; more kinds of literals than this in one event are rare.
const SPARE_MAX: usize = 8;

impl Fields {
    /// Begins a new event in `list`, which holds the fields of the one before.
    pub(crate) fn begin(&mut self, mut list: Vec<Field>) {
        for field in list.drain(..) {
            if let Value::Literal(text) = field.value
                && self.spare.len() < SPARE_MAX
            {
                self.spare.push(text);
            }
        }
        self.list = list;
    }

    pub(crate) fn finish(&mut self) -> Vec<Field> {
        std::mem::take(&mut self.list)
    }

    /// Adds a span, unless it is empty.
    #[inline]
    pub(crate) fn span(&mut self, id: FieldId, span: impl Into<Span>) {
        let span = span.into();
        if !span.is_empty() {
            self.list.push(Field { id, value: Value::Span { start: span.start, len: span.len } });
        }
    }

    /// Makes spans of `inside` spans of the file's bytes: those of the first line, which stands `skip` bytes
    /// into them and is `len` bytes long; all others become literals.
    pub(crate) fn unwrapped(&mut self, inside: &[u8], first: Option<(usize, usize)>) {
        for field in &mut self.list {
            let Value::Span { start, len } = field.value else { continue };
            let span = Span { start, len };
            match first {
                Some((skip, line)) if span.end() <= line => {
                    field.value = Value::Span { start: start + skip as u32, len };
                }
                _ => field.value = Value::Literal(String::from_utf8_lossy(span.of(inside)).into()),
            }
        }
    }

    /// The first value of a field.
    pub(crate) fn get(&self, id: FieldId) -> Option<&Value> {
        self.list.iter().find(|f| f.id == id).map(|f| &f.value)
    }

    /// Whether the event has a field of that name already.
    pub(crate) fn has(&self, id: FieldId) -> bool {
        self.get(id).is_some()
    }

    pub(crate) fn int(&mut self, id: FieldId, value: i64) {
        self.list.push(Field { id, value: Value::Int(value) });
    }

    pub(crate) fn literal(&mut self, id: FieldId, text: &str) {
        let boxed = match self.spare.iter().position(|b| b.len() == text.len()) {
            Some(i) => {
                let mut string = String::from(self.spare.swap_remove(i));
                string.clear();
                string.push_str(text);
                string.into_boxed_str()
            }
            None => Box::from(text),
        };
        self.list.push(Field { id, value: Value::Literal(boxed) });
    }
}

/// `from..to` without the white space at both ends.
pub(crate) fn trimmed(bytes: &[u8], from: usize, to: usize) -> Span {
    let part = bytes.get(from..to).unwrap_or_default();
    let front = part.len() - part.trim_ascii_start().len();
    let kept = part.trim_ascii().len();
    Span::new(from + front, from + front + kept)
}

/// The end of `from..to` without the white space before it.
pub(crate) fn trimmed_end(bytes: &[u8], from: usize, to: usize) -> usize {
    from + bytes.get(from..to).unwrap_or_default().trim_ascii_end().len()
}

/// A number as 16 hexadecimal digits.
pub(crate) fn hex(number: u64, out: &mut [u8; 16]) -> &str {
    // Half a number's digits at a time: each is put into a byte of its own, and letters are as far on as they are.
    const EACH: u64 = 0x0101_0101_0101_0101;
    for (half, out) in [(number >> 32), number & 0xffff_ffff].into_iter().zip(out.as_chunks_mut::<8>().0) {
        let spread = (half | half << 16) & 0x0000_ffff_0000_ffff;
        let spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
        let spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f;
        let letters = (spread + 6 * EACH) >> 4 & EACH;
        *out = (spread + u64::from(b'0') * EACH + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes();
    }
    std::str::from_utf8(out).unwrap_or_default()
}

/// A decimal number with nothing beside it.
pub(crate) fn number(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0i64, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_what_everyone_calls_so() {
        for number in [0, 1, 0x9a, u64::MAX, 0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, 0x1000_0000_0000_0000] {
            assert_eq!(hex(number, &mut [0; 16]), format!("{number:016x}"));
        }
    }
}
