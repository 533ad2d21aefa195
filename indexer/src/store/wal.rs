//! WAL records: what changes something, with all that was decided (protocol rule 32). Replay decides nothing
//! anew: the same [`Record`] is applied when it is taken and when it is replayed.
//!
//! A record is a kind byte and its values in [`coding`]; the log adds position, length and checksum. Its
//! version is [`VERSION`], in the header of each log segment; a newer one is refused untouched.

pub(crate) mod coding;
mod record;

pub(crate) use record::{
    Happening, Record, Slot, StreamRecord, Taken, TakenEvent, TakenFate, TakenRange, decode, encode, event_sum,
};

/// First bytes of each log segment.
pub(crate) const MAGIC: [u8; 8] = *b"CTSTWAL\n";
/// Version of the records.
pub(crate) const VERSION: u32 = 1;
