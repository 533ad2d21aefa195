//! A look at a protobuf body before it is decoded: two bytes of body can become a structure of 250 bytes, so
//! the number of nested messages is bounded first.

use crate::codec::DecodeError;

/// Least bytes of body that each nested message must stand for, on average. A real event takes twice that.
const BYTES_PER_MESSAGE_MIN: usize = 16;
/// Nested messages that any body may have.
const FREE_MESSAGES: usize = 4096;

/// Checks that `body` has no more nested messages than its size warrants. `nesting` describes where messages
/// stand inside messages; everything else is passed over.
pub(crate) fn bounded(body: &[u8], nesting: &Nesting) -> Result<(), DecodeError> {
    let allowed = FREE_MESSAGES + body.len() / BYTES_PER_MESSAGE_MIN;
    let mut count = 0;
    walk(body, nesting, &mut count, allowed)
}

/// Tags that hold messages, and what stands inside these.
#[derive(Debug)]
pub(crate) struct Nesting(pub(crate) &'static [(u64, Nesting)]);

const LEAF: Nesting = Nesting(&[]);
const EVENT: Nesting = Nesting(&[(10, LEAF), (12, LEAF)]);
const RANGE: Nesting = Nesting(&[(4, LEAF), (5, LEAF)]);
const RANGES: Nesting = Nesting(&[(2, RANGE)]);
const OPEN: Nesting = Nesting(&[(15, LEAF)]);
const PROVISIONAL: Nesting = Nesting(&[(2, EVENT)]);
const REPLAY: Nesting = Nesting(&[(2, LEAF)]);
const PROVE: Nesting = Nesting(&[(1, LEAF)]);
const CLAIM: Nesting = Nesting(&[(1, OPEN)]);
const MESSAGE: Nesting =
    Nesting(&[(1, LEAF), (2, OPEN), (3, RANGES), (4, PROVISIONAL), (6, REPLAY), (7, LEAF), (8, PROVE), (9, CLAIM)]);
/// Where messages stand in a request.
pub(crate) const REQUEST: Nesting = Nesting(&[(4, MESSAGE)]);

const COVERED: Nesting = Nesting(&[(2, LEAF), (3, LEAF)]);
const RANGES_ANSWER: Nesting = Nesting(&[(2, COVERED)]);
const BOOKS: Nesting = Nesting(&[(1, LEAF)]);
const MARK_STATE: Nesting = Nesting(&[(3, LEAF), (4, LEAF), (6, BOOKS)]);
const LEDGER_ROW: Nesting = Nesting(&[(4, LEAF), (5, LEAF), (6, LEAF), (7, LEAF)]);
const LEDGER: Nesting = Nesting(&[(1, LEDGER_ROW)]);
const RANGE_PROOF: Nesting = Nesting(&[(1, LEAF), (2, LEAF), (3, LEAF)]);
const PROOF: Nesting = Nesting(&[(1, RANGE_PROOF)]);
const CLAIMABLE: Nesting = Nesting(&[(1, OPEN), (2, MARK_STATE)]);
const CLAIMABLES: Nesting = Nesting(&[(1, CLAIMABLE)]);
const VERDICT: Nesting = Nesting(&[
    (2, MARK_STATE),
    (3, RANGES_ANSWER),
    (7, LEDGER),
    (10, MARK_STATE),
    (11, MARK_STATE),
    (15, PROOF),
    (16, CLAIMABLES),
]);
/// Where messages stand in an answer.
pub(crate) const ANSWER: Nesting = Nesting(&[(3, VERDICT)]);

fn walk(mut body: &[u8], nesting: &Nesting, count: &mut usize, allowed: usize) -> Result<(), DecodeError> {
    while !body.is_empty() {
        let key = varint(&mut body)?;
        match key & 7 {
            0 => drop(varint(&mut body)?),
            1 => drop(take(&mut body, 8)?),
            5 => drop(take(&mut body, 4)?),
            2 => {
                let len = varint(&mut body)?;
                let inside = take(&mut body, usize::try_from(len).unwrap_or(usize::MAX))?;
                if let Some((_, inner)) = nesting.0.iter().find(|(tag, _)| *tag == key >> 3) {
                    *count += 1;
                    if *count > allowed {
                        return Err(DecodeError::Malformed("more messages than its size warrants"));
                    }
                    walk(inside, inner, count, allowed)?;
                }
            }
            _ => return Err(DecodeError::Malformed("the body is not protobuf")),
        }
    }
    Ok(())
}

fn take<'a>(body: &mut &'a [u8], len: usize) -> Result<&'a [u8], DecodeError> {
    let (taken, rest) = body.split_at_checked(len).ok_or(DecodeError::Malformed("the body is cut short"))?;
    *body = rest;
    Ok(taken)
}

fn varint(body: &mut &[u8]) -> Result<u64, DecodeError> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take(body, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(DecodeError::Malformed("a number has more than 64 bits"))
}
