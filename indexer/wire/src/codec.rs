//! Encoding of requests and answers.
//!
//! Layout: magic (4 bytes, `CTRQ` request or `CTAN` answer), version (u32 LE), xxh3-64 of all that follows
//! (u64 LE), size of the body before compression (u32 LE), the body: protobuf ([`crate::proto`]) under zstd 1.
//! Decoders are bounded in decoded bytes, in ratio and in nested messages, check before they allocate, and never panic.

use crate::walk::{self, bounded};
use crate::{Answer, Draft, Request, WIRE_VERSION, proto};
use bytes::Bytes;
use prost::Message as _;
use std::cell::RefCell;
use xxhash_rust::xxh3::xxh3_64;

const REQUEST_MAGIC: [u8; 4] = *b"CTRQ";
const ANSWER_MAGIC: [u8; 4] = *b"CTAN";
const HEADER_BYTES: usize = 20;
/// Below this a high ratio is harmless.
const RATIO_FREE_BYTES: usize = 1 << 20;

/// Bounds a decoder keeps to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes after decompression.
    pub decoded_bytes_max: usize,
    /// Decompressed bytes per compressed byte, above 1 MiB of them.
    pub ratio_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { decoded_bytes_max: 16 << 20, ratio_max: 1000 }
    }
}

/// Why bytes are not a request or answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not ours, or damaged.
    #[error("not a carbontrail message: {0}")]
    Malformed(&'static str),
    /// A version this code does not speak.
    #[error("wire version {found} is not spoken here, only versions {oldest} to {newest}")]
    Version {
        /// The message's.
        found: u32,
        /// Oldest one accepted.
        oldest: u32,
        /// Newest one accepted.
        newest: u32,
    },
    /// Over a limit.
    #[error("message is larger than the {0} bytes allowed")]
    TooLarge(usize),
}

/// Encodes and compresses a request.
pub fn encode_request(request: &Request) -> Vec<u8> {
    seal(REQUEST_MAGIC, &proto::Request::from(request).encode_to_vec())
}

/// Encodes and compresses a request that is still a draft.
pub fn encode_draft(draft: &Draft) -> Vec<u8> {
    ROOM.with_borrow_mut(|room| {
        room.body.clear();
        proto::write_request(draft, &mut room.body);
        let sealed = room.packer.seal(REQUEST_MAGIC, &room.body);
        // A thread that once sent a large request does not hold its memory for ever.
        if room.body.capacity() > ROOM_KEPT_BYTES {
            room.body = Vec::new();
        }
        sealed
    })
}

/// Decodes a request.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode_request(bytes: &[u8], limits: Limits) -> Result<Request, DecodeError> {
    let body = open(REQUEST_MAGIC, bytes, limits)?;
    bounded(&body, &walk::REQUEST)?;
    let request = proto::Request::decode(body).map_err(|_| DecodeError::Malformed("the body is not protobuf"))?;
    Request::try_from(request)
}

/// Encodes an answer.
pub fn encode_answer(answer: &Answer) -> Vec<u8> {
    seal(ANSWER_MAGIC, &proto::Answer::from(answer).encode_to_vec())
}

/// Decodes an answer.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode_answer(bytes: &[u8], limits: Limits) -> Result<Answer, DecodeError> {
    let body = open(ANSWER_MAGIC, bytes, limits)?;
    bounded(&body, &walk::ANSWER)?;
    let answer = proto::Answer::decode(body).map_err(|_| DecodeError::Malformed("the body is not protobuf"))?;
    Answer::try_from(answer)
}

/// What a thread that encodes uses again and again: making it costs more than a small request.
#[derive(Default)]
struct Room {
    body: Vec<u8>,
    packer: Packer,
}

thread_local! {
    static ROOM: RefCell<Room> = RefCell::default();
    /// Making one costs more than a small answer.
    static UNPACKER: RefCell<zstd::bulk::Decompressor<'static>> =
        RefCell::new(zstd::bulk::Decompressor::new().expect("there is memory for it"));
}

/// A request is at most a little larger than this: 4 MiB of events and their parse.
const ROOM_KEPT_BYTES: usize = 8 << 20;

#[derive(Default)]
struct Packer {
    compressor: Option<zstd::bulk::Compressor<'static>>,
    packed: Vec<u8>,
}

impl Packer {
    fn seal(&mut self, magic: [u8; 4], body: &[u8]) -> Vec<u8> {
        let compressor = self.compressor.get_or_insert_with(|| zstd::bulk::Compressor::new(1).expect("level 1 exists"));
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(body.len()));
        compressor.compress_to_buffer(body, &mut self.packed).expect("the buffer has the size that zstd asks for");
        let mut out = Vec::with_capacity(HEADER_BYTES + self.packed.len());
        out.extend_from_slice(&magic);
        out.extend_from_slice(&WIRE_VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        // A request is bounded far below 4 GiB by the shipper's batch limit.
        out.extend_from_slice(&(body.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.packed);
        let sum = xxh3_64(&out[16..]);
        out[8..16].copy_from_slice(&sum.to_le_bytes());
        if self.packed.capacity() > ROOM_KEPT_BYTES {
            self.packed = Vec::new();
        }
        out
    }
}

fn seal(magic: [u8; 4], body: &[u8]) -> Vec<u8> {
    ROOM.with_borrow_mut(|room| room.packer.seal(magic, body))
}

fn open(magic: [u8; 4], bytes: &[u8], limits: Limits) -> Result<Bytes, DecodeError> {
    let (header, compressed) =
        bytes.split_at_checked(HEADER_BYTES).ok_or(DecodeError::Malformed("shorter than its header"))?;
    if header[..4] != magic {
        return Err(DecodeError::Malformed("wrong magic"));
    }
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let version = word(4);
    let oldest = WIRE_VERSION.saturating_sub(1).max(1);
    if !(oldest..=WIRE_VERSION).contains(&version) {
        return Err(DecodeError::Version { found: version, oldest, newest: WIRE_VERSION });
    }
    let sum = u64::from(word(8)) | u64::from(word(12)) << 32;
    if sum != xxh3_64(&bytes[16..]) {
        return Err(DecodeError::Malformed("checksum does not fit"));
    }
    let size = word(16) as usize;
    if size > limits.decoded_bytes_max {
        return Err(DecodeError::TooLarge(limits.decoded_bytes_max));
    }
    let allowed = compressed.len().saturating_mul(limits.ratio_max).max(RATIO_FREE_BYTES);
    if size > allowed {
        return Err(DecodeError::TooLarge(allowed));
    }
    let unpacked = UNPACKER.with_borrow_mut(|unpacker| unpacker.decompress(compressed, size));
    let body = unpacked.map_err(|_| DecodeError::Malformed("the body is not zstd"))?;
    if body.len() != size {
        return Err(DecodeError::Malformed("the body has not the size it says"));
    }
    Ok(Bytes::from(body))
}

#[cfg(test)]
mod tests;
