//! A context as bytes: what is saved with every checkpoint and sent with every range.
//!
//! ```text
//! 0  magic "ctpx"
//! 4  version: 1, 2 when formats follow, 3 when a redaction block is open, 4 with channels or the lock `-`
//! 5  flags: head_seen 1, mid_line 2, after_generation 4, and which of the optional parts follow (below)
//! 6  cut_lines, lock (0: none, 255: the family `-`)
//! 8  zone        (flag 8)    source u8, length u8, name
//!    last_time   (flag 16)   i64
//!    last_zone   (flag 32)   offset minutes i16, source u8
//!    cut         (flag 64)   u64
//!    day         (flag 128)  i32
//!    parts u8: file_time 1, block 2, formats 4 (the last two from version 3 on), channels 8 (version 4)
//!    file_time   (part 1)    i64
//!    block       (part 2)    kind u8, bytes left u32
//!    channels    (part 8)    count u8, each name u32, event u64, head hash u32, its lines and 128 if mid-line u8
//!    formats     (version 2, part 4) length u16, their specifications
//! n-4  checksum: low 32 bits of xxh3 over all before it
//! ```
//! Numbers are little-endian. A version that is not known is refused; the caller then counts it as empty.

use crate::context::{CHANNELS_MAX, Channel};
use crate::framing::Lines;
use crate::redact::OpenBlock;
use crate::{Context, ContextError, Family, Formats, Offset, TimeNs, Zone, ZoneSource};
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: &[u8; 4] = b"ctpx";
/// A context is written for the oldest readers that can go on with it.
const VERSION: u8 = 1;
/// With own formats: code that knows none must not go on without them.
const VERSION_FORMATS: u8 = 2;
/// Inside of a secret that spans lines: code that does not know of it would show the rest.
const VERSION_BLOCK: u8 = 3;

/// With lines that begin with a time as heads, or programs whose events go on: code that knows none would cut otherwise.
const VERSION_CHANNELS: u8 = 4;

/// How the family `-` stands in the place of the lock, where 0 is none.
const LOCK_DATED: u8 = 255;

/// Names of zones are short; a longer one is no zone and is not carried.
const ZONE_NAME_MAX: usize = 100;

impl Context {
    /// Encodes it: magic, version, fields, checksum; at most 1 KiB.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(80);
        out.extend_from_slice(MAGIC);
        let zone = self.zone.as_ref().filter(|z| z.name.len() <= ZONE_NAME_MAX);
        let flags = u8::from(self.head_seen)
            | u8::from(self.mid_line) << 1
            | u8::from(self.after_generation) << 2
            | u8::from(zone.is_some()) << 3
            | u8::from(self.last_time.is_some()) << 4
            | u8::from(self.last_zone.is_some()) << 5
            | u8::from(self.cut.is_some()) << 6
            | u8::from(self.day.is_some()) << 7;
        let version = match (&self.block, self.formats.is_empty()) {
            _ if !self.channels.is_empty() || self.lock == Some(Family::None) => VERSION_CHANNELS,
            (Some(_), _) => VERSION_BLOCK,
            (None, false) => VERSION_FORMATS,
            (None, true) => VERSION,
        };
        let lock = match self.lock {
            None => 0,
            Some(Family::None) => LOCK_DATED,
            Some(family) => family as u8,
        };
        out.extend([version, flags, self.cut_lines as u8, lock]);
        if let Some(zone) = zone {
            out.extend([zone.source as u8, zone.name.len() as u8]);
            out.extend_from_slice(zone.name.as_bytes());
        }
        if let Some(TimeNs(t)) = self.last_time {
            out.extend(t.to_le_bytes());
        }
        if let Some((offset, source)) = self.last_zone {
            out.extend(offset.to_le_bytes());
            out.push(source as u8);
        }
        if let Some(Offset(cut)) = self.cut {
            out.extend(cut.to_le_bytes());
        }
        if let Some(day) = self.day {
            out.extend(day.to_le_bytes());
        }
        let with_formats = version >= VERSION_BLOCK && !self.formats.is_empty();
        let parts = [self.file_time.is_some(), self.block.is_some(), with_formats, !self.channels.is_empty()];
        out.push(parts.iter().rev().fold(0, |bits, part| bits << 1 | u8::from(*part)));
        if let Some(TimeNs(t)) = self.file_time {
            out.extend(t.to_le_bytes());
        }
        if let Some(block) = self.block {
            out.push(block.kind as u8);
            out.extend(block.left.to_le_bytes());
        }
        let channels = &self.channels[..self.channels.len().min(CHANNELS_MAX)];
        if !channels.is_empty() {
            out.push(channels.len() as u8);
        }
        for channel in channels {
            out.extend(channel.name.to_le_bytes());
            out.extend(channel.event.0.to_le_bytes());
            out.extend(channel.head_hash.to_le_bytes());
            out.push(channel.lines as u8 | u8::from(channel.mid_line) << 7);
        }
        if !self.formats.is_empty() {
            let formats = self.formats.encode();
            out.extend((formats.len() as u16).to_le_bytes());
            out.extend_from_slice(&formats);
        }
        let sum = xxh3_64(&out) as u32;
        out.extend(sum.to_le_bytes());
        out
    }

    /// Decodes what [`Context::encode`] wrote. No bytes at all are the empty context.
    ///
    /// # Errors
    /// [`ContextError::Newer`] for a version this code does not know, [`ContextError::Corrupt`] otherwise.
    pub fn decode(bytes: &[u8]) -> Result<Context, ContextError> {
        if bytes.is_empty() {
            return Ok(Context::default());
        }
        if bytes.len() < 8 || !bytes.starts_with(MAGIC) {
            return Err(ContextError::Corrupt);
        }
        if bytes[4] > VERSION_CHANNELS {
            return Err(ContextError::Newer);
        }
        let (body, sum) = bytes.split_at(bytes.len() - 4);
        if (xxh3_64(body) as u32).to_le_bytes() != sum {
            return Err(ContextError::Corrupt);
        }
        let mut reader = Reader { rest: &body[5..] };
        let (mut context, with_formats) = reader.context().ok_or(ContextError::Corrupt)?;
        if bytes[4] == VERSION_FORMATS || with_formats {
            context.formats = reader.formats().ok_or(ContextError::Corrupt)?;
        }
        if reader.rest.is_empty() { Ok(context) } else { Err(ContextError::Corrupt) }
    }
}

fn lines(number: u8) -> Option<Lines> {
    match number {
        0 => Some(Lines::Joined),
        1 => Some(Lines::All),
        2 => Some(Lines::None),
        _ => None,
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn context(&mut self) -> Option<(Context, bool)> {
        let flags = self.byte()?;
        let has = |bit: u8| flags >> bit & 1 == 1;
        let cut_lines = lines(self.byte()?)?;
        let lock = match self.byte()? {
            0 => None,
            LOCK_DATED => Some(Family::None),
            n => Some(Family::from_number(n)?),
        };
        let mut context = Context {
            head_seen: has(0),
            mid_line: has(1),
            after_generation: has(2),
            cut_lines,
            lock,
            zone: if has(3) { self.zone()? } else { None },
            last_time: if has(4) { Some(TimeNs(i64::from_le_bytes(self.array()?))) } else { None },
            last_zone: if has(5) { Some((i16::from_le_bytes(self.array()?), self.source()?)) } else { None },
            cut: if has(6) { Some(Offset(u64::from_le_bytes(self.array()?))) } else { None },
            day: if has(7) { Some(i32::from_le_bytes(self.array()?)) } else { None },
            ..Context::default()
        };
        let parts = self.byte()?;
        if parts > 15 {
            return None;
        }
        if parts & 1 == 1 {
            context.file_time = Some(TimeNs(i64::from_le_bytes(self.array()?)));
        }
        if parts & 2 == 2 {
            let kind = self.byte()?;
            context.block = Some(OpenBlock::from_numbers(kind, u32::from_le_bytes(self.array()?))?);
        }
        if parts & 8 == 8 {
            let count = usize::from(self.byte()?);
            (1..=CHANNELS_MAX).contains(&count).then_some(())?;
            context.channels = (0..count).map(|_| self.channel()).collect::<Option<_>>()?;
        }
        Some((context, parts & 4 == 4))
    }

    fn channel(&mut self) -> Option<Channel> {
        let (name, event) = (u32::from_le_bytes(self.array()?), Offset(u64::from_le_bytes(self.array()?)));
        let (head_hash, bits) = (u32::from_le_bytes(self.array()?), self.byte()?);
        Some(Channel { name, event, head_hash, lines: lines(bits & 127)?, mid_line: bits >> 7 == 1 })
    }

    fn formats(&mut self) -> Option<Formats> {
        let len = u16::from_le_bytes(self.array()?);
        let (formats, rest) = self.rest.split_at_checked(usize::from(len))?;
        self.rest = rest;
        Formats::decode(formats)
    }

    /// `Some(None)`: a name that is too long to be a zone's, which earlier versions carried.
    fn zone(&mut self) -> Option<Option<Zone>> {
        let source = self.source()?;
        let len = usize::from(self.byte()?);
        let (name, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        let name = String::from_utf8(name.to_vec()).ok()?;
        Some((len <= ZONE_NAME_MAX).then_some(Zone { name, source }))
    }

    fn source(&mut self) -> Option<ZoneSource> {
        match self.byte()? {
            1 => Some(ZoneSource::Line),
            2 => Some(ZoneSource::Banner),
            3 => Some(ZoneSource::Access),
            4 => Some(ZoneSource::Config),
            5 => Some(ZoneSource::Host),
            _ => None,
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*first)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use crate::own::Syntax;
    use crate::{Format, FormatSpec};

    fn formats() -> Formats {
        let mut spec =
            FormatSpec::new("mine", Syntax::Grok, "%{TIMESTAMP_ISO8601:time} %{MINE:level} %{GREEDYDATA:message}");
        spec.patterns.push(("MINE".into(), "[A-Z]+".into()));
        spec.zone = Some("Asia/Colombo".into());
        let layout = FormatSpec::new("layout", Syntax::Layout, "%d|%p|%c|%m%n");
        Formats::new([spec, layout].map(|spec| Format::new(spec).unwrap()))
    }

    fn full() -> Context {
        Context {
            zone: Some(Zone { name: "America/Argentina/ComodRivadavia".into(), source: ZoneSource::Banner }),
            head_seen: true,
            last_time: Some(TimeNs(-5)),
            last_zone: Some((-180, ZoneSource::Line)),
            cut: Some(Offset(u64::MAX)),
            cut_lines: Lines::All,
            after_generation: true,
            mid_line: true,
            day: Some(20_000),
            file_time: Some(TimeNs(7)),
            lock: Some(Family::Tm1),
            formats: formats(),
            block: OpenBlock::from_numbers(1, 7000),
            channels: vec![
                Channel { name: 7, event: Offset(u64::MAX), head_hash: 5, lines: Lines::All, mid_line: true };
                CHANNELS_MAX
            ],
        }
    }

    #[test]
    fn gives_back_what_was_encoded() {
        let no_channels = Context { channels: Vec::new(), ..full() };
        let no_formats = Context { formats: Formats::default(), ..no_channels.clone() };
        let no_block = Context { zone: None, day: None, block: None, ..no_channels.clone() };
        let dated = Context { lock: Some(Family::None), ..Context::default() };
        let all = [(Context::default(), 1), (no_block, 2), (no_channels, 3), (no_formats, 3), (full(), 4), (dated, 4)];
        for (context, version) in all {
            let bytes = context.encode();
            assert!(bytes.len() <= 1024 && bytes[4] == version);
            assert_eq!(Context::decode(&bytes).unwrap(), context);
        }
    }

    #[test]
    fn refuses_every_damaged_byte_and_newer_versions() {
        let good = full().encode();
        for i in 0..good.len() {
            let mut bad = good.clone();
            bad[i] ^= 0x41;
            assert!(Context::decode(&bad).is_err(), "byte {i}");
            assert!(i == 0 || Context::decode(&good[..i]).is_err(), "cut at {i}");
        }
        let mut newer = good;
        newer[4] = VERSION_CHANNELS + 1;
        assert_eq!(Context::decode(&newer), Err(ContextError::Newer));
    }

    #[test]
    fn a_zone_too_long_to_be_one_is_not_carried() {
        let zone = Some(Zone { name: "x".repeat(4000), source: ZoneSource::Config });
        let bytes = Context { zone, ..full() }.encode();
        assert!(bytes.len() <= 1024);
        assert_eq!(Context::decode(&bytes).unwrap().zone, None);
        // As an earlier version wrote it: what is read is what would be written.
        let long = [&b"ctpx\x01\x08\0\0\x05\xc8"[..], &[b'x'; 200], b"\0"].concat();
        let bytes = [&long[..], &(xxh3_64(&long) as u32).to_le_bytes()].concat();
        assert_eq!(Context::decode(&bytes), Ok(Context::default()));
    }
}
