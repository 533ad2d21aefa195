//! Where a search goes on: opaque text that stays valid across merges and restarts.
//!
//! It holds a place in the order asked for, `from`, `to` and the moment of asking as they were resolved for the first
//! page, and a hash of query and scope, so that it cannot go on with another question. Base64url of: version, order,
//! fields in little endian, checksum.

use super::EngineError;
use super::page::PageOrder;
use crate::access::Scope;
use crate::query::engine::Ask;
use crate::store::segment::{Place, Window};
use parsers::{Offset, TimeNs};
use wire::StreamId;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

const VERSION: u8 = 1;
const BYTES: usize = 68;

/// Where a search goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The order it was asked in.
    pub(super) order: PageOrder,
    /// Go on after this place. By file: the time is that of the stream's first event.
    pub(super) after: Place,
    /// The time asked for.
    pub(super) window: Window,
    /// When the first page was asked for: times relative to now mean this one.
    pub(super) now: TimeNs,
    /// Of query and scope.
    pub(super) question: u64,
}

/// Hash of what must be the same on every page.
pub(super) fn question_hash(ask: &Ask, scope: &Scope) -> u64 {
    let mut hash = Xxh3::new();
    for part in [ask.query.trim(), scope.owner(), scope.environment(), if ask.copies { "copies" } else { "" }] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.digest()
}

impl Cursor {
    /// Reads a cursor's text.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(text: &str) -> Result<Cursor, EngineError> {
        Cursor::decode(text).ok_or(EngineError::Cursor("is not one that was given here"))
    }

    fn decode(text: &str) -> Option<Cursor> {
        let bytes = decode_base64(text)?;
        let (body, check) = bytes.split_at_checked(BYTES - 8)?;
        if xxh3_64(body).to_le_bytes() != check || body[0] != VERSION {
            return None;
        }
        let order = [PageOrder::Newest, PageOrder::Oldest, PageOrder::File].get(usize::from(body[1])).copied()?;
        let mut numbers = body[4..].chunks_exact(8).filter_map(|bytes| bytes.try_into().ok().map(u64::from_le_bytes));
        let mut next = || numbers.next();
        let after = Place { time: TimeNs(next()? as i64), stream: StreamId(next()?), offset: Offset(next()?) };
        let bound = |set: bool, value: u64| set.then_some(TimeNs(value as i64));
        let window = Window { from: bound(body[2] & 1 != 0, next()?), to: bound(body[2] & 2 != 0, next()?) };
        Some(Cursor { order, after, window, now: TimeNs(next()? as i64), question: next()? })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let order = match self.order {
            PageOrder::Newest => 0,
            PageOrder::Oldest => 1,
            PageOrder::File => 2,
        };
        let set = u8::from(self.window.from.is_some()) | u8::from(self.window.to.is_some()) << 1;
        let mut bytes = vec![VERSION, order, set, 0];
        let time = |time: Option<TimeNs>| time.unwrap_or_default().0 as u64;
        let numbers = [
            self.after.time.0 as u64,
            self.after.stream.0,
            self.after.offset.0,
            time(self.window.from),
            time(self.window.to),
            self.now.0 as u64,
            self.question,
        ];
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend(xxh3_64(&bytes).to_le_bytes());
        f.write_str(&encode_base64(&bytes))
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64url without padding.
pub(super) fn encode_base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let mut n = 0u32;
        for i in 0..3 {
            n = n << 8 | u32::from(three.get(i).copied().unwrap_or(0));
        }
        let digits = three.len() + 1;
        text.extend([18, 12, 6, 0].iter().take(digits).map(|shift| char::from(ALPHABET[(n >> shift & 63) as usize])));
    }
    text
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for four in text.as_bytes().chunks(4) {
        let mut n = 0u32;
        for i in 0..4 {
            let digit = match four.get(i) {
                Some(c) => ALPHABET.iter().position(|a| a == c)? as u32,
                None => 0,
            };
            n = n << 6 | digit;
        }
        if four.len() < 2 {
            return None;
        }
        bytes.extend(&n.to_be_bytes()[1..four.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn read_back(numbers in any::<[u64; 7]>(), from: bool, to: bool, order in 0usize..3) {
            let cursor = Cursor {
                order: [PageOrder::Newest, PageOrder::Oldest, PageOrder::File][order],
                after: Place { time: TimeNs(numbers[0] as i64), stream: StreamId(numbers[1]), offset: Offset(numbers[2]) },
                window: Window {
                    from: from.then_some(TimeNs(numbers[3] as i64)),
                    to: to.then_some(TimeNs(numbers[4] as i64)),
                },
                now: TimeNs(numbers[5] as i64),
                question: numbers[6],
            };
            let text = cursor.to_string();
            prop_assert_eq!(Cursor::read(&text).unwrap(), cursor);
            prop_assert!(Cursor::read(&text[1..]).is_err());
        }

        #[test]
        fn base64(bytes in prop::collection::vec(any::<u8>(), 0..40), text in ".{0,40}") {
            prop_assert_eq!(decode_base64(&encode_base64(&bytes)).unwrap(), bytes);
            let _any = Cursor::read(&text);
        }
    }
}
