//! Specifications as bytes. `name`, `time`, `zone` and names of patterns with a length of one byte, texts with two;
//! numbers are little-endian.
//!
//! ```text
//! count u8, then for each: syntax u8 · flags u8 (multiline 1, time 2, zone 4) · name · text · [time] · [zone] ·
//! patterns u8 · (name · text)…
//! ```

use super::{Format, FormatSpec, Syntax};

/// Bytes of a specification.
pub(super) fn size(spec: &FormatSpec) -> usize {
    let patterns: usize = spec.patterns.iter().map(|(name, text)| 3 + name.len() + text.len()).sum();
    let optional = |text: &Option<String>| text.as_ref().map_or(0, |t| 1 + t.len());
    6 + spec.name.len() + spec.text.len() + optional(&spec.time) + optional(&spec.zone) + patterns
}

pub(super) fn encode(formats: &[Format]) -> Vec<u8> {
    let mut out = vec![formats.len() as u8];
    for format in formats {
        let spec = format.spec();
        let flags = u8::from(spec.multiline) | u8::from(spec.time.is_some()) << 1 | u8::from(spec.zone.is_some()) << 2;
        out.extend([spec.syntax as u8, flags]);
        short(&mut out, &spec.name);
        long(&mut out, &spec.text);
        for text in [&spec.time, &spec.zone].into_iter().flatten() {
            short(&mut out, text);
        }
        out.push(spec.patterns.len() as u8);
        for (name, text) in &spec.patterns {
            short(&mut out, name);
            long(&mut out, text);
        }
    }
    out
}

fn short(out: &mut Vec<u8>, text: &str) {
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}

fn long(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u16).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn decode(bytes: &[u8]) -> Option<Vec<FormatSpec>> {
    let mut reader = Reader { rest: bytes };
    let count = reader.byte()?;
    let specs = (0..count).map(|_| reader.spec()).collect::<Option<Vec<_>>>()?;
    reader.rest.is_empty().then_some(specs)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn text(&mut self, len: usize) -> Option<String> {
        let (text, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    fn short(&mut self) -> Option<String> {
        let len = self.byte()?;
        self.text(usize::from(len))
    }

    fn long(&mut self) -> Option<String> {
        let len = u16::from_le_bytes([self.byte()?, self.byte()?]);
        self.text(usize::from(len))
    }

    fn spec(&mut self) -> Option<FormatSpec> {
        let syntax = match self.byte()? {
            1 => Syntax::Layout,
            2 => Syntax::Layout1,
            3 => Syntax::Regex,
            4 => Syntax::Grok,
            _ => return None,
        };
        let flags = self.byte()?;
        let name = self.short()?;
        let text = self.long()?;
        let time = if flags & 2 > 0 { Some(self.short()?) } else { None };
        let zone = if flags & 4 > 0 { Some(self.short()?) } else { None };
        let patterns = self.byte()?;
        let patterns = (0..patterns).map(|_| Some((self.short()?, self.long()?))).collect::<Option<_>>()?;
        (flags < 8).then_some(FormatSpec { name, syntax, text, multiline: flags & 1 > 0, time, zone, patterns })
    }
}
