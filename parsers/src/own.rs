//! Formats that people or their products define: log4j layouts, regular expressions, grok patterns.
//!
//! A [`FormatSpec`] is what somebody wrote, a [`Format`] the same, checked and compiled. Which formats hold for a
//! stream is an [`crate::Input`] and stands in the [`crate::Context`], as text: with a mark travels all that is
//! needed to go on from there, whatever configuration says by then. So a specification is at most
//! [`SPEC_BYTES_MAX`] long.
//!
//! Lines are first tried as heads of these formats, then, unless the format claims its files for itself, of the
//! built-in families: Carbon writes the lines of its launcher and its shutdown in layouts of their own. A layout
//! that says the same as a built-in family leaves its lines to that family.

mod built_in;
mod code;
mod date;
mod fill;
mod grok;
mod layout;
mod names;
mod pattern;
mod program;
pub mod properties;
mod words;

use crate::framing::content;
use crate::head::{Head, WINDOW};
use crate::span::Part;
use crate::stamp::Stamp;
use crate::{Family, FieldId, zone};
use layout::Layout;
use pattern::Pattern;
use program::{Found, Slot, Step};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

/// Longest specification, all its parts together: it is part of every context.
pub const SPEC_BYTES_MAX: usize = 600;

/// Longest name of a format, a time's format, a zone, a further pattern.
const NAME_BYTES_MAX: usize = 128;

/// All specifications of one context together.
const ALL_BYTES_MAX: usize = 700;

/// What a format is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Syntax {
    /// `PatternLayout` of log4j2.
    Layout = 1,
    /// `ConversionPattern` of log4j1, with Carbon's letters.
    Layout1 = 2,
    /// A regular expression with named groups.
    Regex = 3,
    /// A grok pattern.
    Grok = 4,
}

/// A format as somebody wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FormatSpec {
    /// What it is called; `wso2.log.format` of its events.
    pub name: String,
    /// What `text` is written in.
    pub syntax: Syntax,
    /// The layout, expression or pattern.
    pub text: String,
    /// Whether lines that are no head belong to the event before them.
    pub multiline: bool,
    /// Format of the time (expressions and grok): letters as in `%d{…}`, or one of its names.
    pub time: Option<String>,
    /// Zone of times that print none.
    pub zone: Option<String>,
    /// Further grok patterns by name.
    pub patterns: Vec<(String, String)>,
}

impl FormatSpec {
    /// One that is nothing but a text.
    pub fn new(name: impl Into<String>, syntax: Syntax, text: impl Into<String>) -> FormatSpec {
        FormatSpec {
            name: name.into(),
            syntax,
            text: text.into(),
            multiline: true,
            time: None,
            zone: None,
            patterns: Vec::new(),
        }
    }
}

/// Which part of a specification is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatPart {
    /// The layout, expression or pattern.
    Text,
    /// The time's format.
    Time,
    /// The zone.
    Zone,
    /// The further grok pattern of that number.
    Pattern(usize),
}

/// Why a format cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FormatError {
    /// The part of the specification.
    pub part: FormatPart,
    /// Byte of that part.
    pub at: usize,
    /// What is wrong and what to do.
    pub text: String,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            FormatPart::Text => write!(f, "at byte {}: {}", self.at, self.text),
            FormatPart::Time => write!(f, "the time's format: {}", self.text),
            FormatPart::Zone => write!(f, "the zone: {}", self.text),
            FormatPart::Pattern(number) => write!(f, "further pattern {}: {}", number + 1, self.text),
        }
    }
}

impl std::error::Error for FormatError {}

/// A format, checked and compiled. Cheap to clone; equal when written alike.
#[derive(Clone)]
pub struct Format(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    spec: FormatSpec,
    kind: Kind,
    zone: Option<crate::Zone>,
    notes: Vec<String>,
}

#[derive(Debug)]
enum Kind {
    Layout(Layout),
    /// A built-in family reads the same.
    BuiltIn(Family),
    Pattern(Pattern),
}

impl PartialEq for Format {
    fn eq(&self, other: &Format) -> bool {
        self.0.spec == other.0.spec
    }
}

impl Eq for Format {}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.spec.fmt(f)
    }
}

/// Compiling is a pure function; thousands of streams have few formats, and expressions are large when compiled.
static MEMO: OnceLock<Mutex<HashMap<FormatSpec, Weak<Compiled>>>> = OnceLock::new();

/// Formats remembered before the ones that nobody uses are looked for.
const MEMO_MAX: usize = 64;

impl Format {
    /// Checks and compiles a specification.
    ///
    /// # Errors
    /// The first thing that is wrong with it, and where.
    pub fn new(spec: FormatSpec) -> Result<Format, FormatError> {
        let memo = MEMO.get_or_init(Mutex::default);
        let mut known = memo.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(compiled) = known.get(&spec).and_then(Weak::upgrade) {
            return Ok(Format(compiled));
        }
        let compiled = Arc::new(compile(spec)?);
        if known.len() >= MEMO_MAX {
            known.retain(|_, format| format.strong_count() > 0);
        }
        known.insert(compiled.spec.clone(), Arc::downgrade(&compiled));
        Ok(Format(compiled))
    }

    /// As it was written.
    pub fn spec(&self) -> &FormatSpec {
        &self.0.spec
    }

    /// What is worth knowing for the person who wrote it.
    pub fn notes(&self) -> &[String] {
        &self.0.notes
    }

    /// The built-in family that reads the same and is used in its place.
    pub fn built_in(&self) -> Option<Family> {
        match self.0.kind {
            Kind::BuiltIn(family) => Some(family),
            Kind::Layout(_) | Kind::Pattern(_) => None,
        }
    }

    /// Says how far a line fits this format.
    pub fn explain(&self, line: &[u8]) -> String {
        let line = content(line);
        match &self.0.kind {
            Kind::BuiltIn(family) => format!("format `{}` is what family `{}` is", self.0.spec.name, family.name()),
            Kind::Pattern(pattern) => match pattern.is_head(line) {
                true => format!("head of format `{}`", self.0.spec.name),
                false => {
                    format!("no head of format `{}`: the expression does not match at its start", self.0.spec.name)
                }
            },
            Kind::Layout(layout) => {
                let mut found = Found::default();
                let line = &line[..line.len().min(WINDOW)];
                match program::run(&layout.before[..layout.first_line], line, 0, false, &mut found) {
                    Some(end) => format!("head of format `{}`, message from byte {end}", self.0.spec.name),
                    None => format!(
                        "no head of format `{}`: it fits up to byte {}, then {} should follow",
                        self.0.spec.name,
                        found.furthest.0,
                        layout.before.get(found.furthest.1).map_or_else(|| "the message".to_owned(), wanted),
                    ),
                }
            }
        }
    }

    /// Lines that are no head of it may still be heads of built-in families.
    fn shares(&self) -> bool {
        matches!(self.0.spec.syntax, Syntax::Layout | Syntax::Layout1)
    }

    fn recognise(&self, line: &[u8]) -> Option<Head> {
        let single = !self.0.spec.multiline;
        match &self.0.kind {
            Kind::BuiltIn(_) => None,
            Kind::Layout(layout) => {
                let mut found = Found::default();
                let end = program::run(&layout.before[..layout.first_line], line, 0, false, &mut found)?;
                let mut head = Head::new(Family::Own, found.stamp.unwrap_or_default());
                head.single = single;
                head.message = end as u16;
                if let Some((level, _)) = found.level {
                    head.level = Part::new(level.start as usize, level.end());
                }
                let logger = found.values().iter().find(|(step, _)| {
                    matches!(&layout.before[usize::from(*step)], Step::Free(Slot::Field(FieldId::LOG_LOGGER), _))
                });
                if let Some((_, logger)) = logger {
                    head.logger = Part::new(logger.start as usize, logger.end());
                }
                Some(head)
            }
            Kind::Pattern(pattern) => {
                pattern.is_head(line).then(|| Head { single, ..Head::new(Family::Own, Stamp::default()) })
            }
        }
    }
}

/// What a step takes, for people.
fn wanted(step: &Step) -> String {
    match step {
        Step::Text(text) => format!("`{}`", String::from_utf8_lossy(text)),
        Step::Blanks(_) => "a blank".to_owned(),
        Step::Date(_) => "the time in the layout's format".to_owned(),
        Step::Level(_) => "a level".to_owned(),
        Step::Free(..) => "a value and what stands behind it".to_owned(),
        Step::LineEnd => "the line's end".to_owned(),
        Step::Split(_) | Step::Jump(_) => "one of several things".to_owned(),
    }
}

fn compile(spec: FormatSpec) -> Result<Compiled, FormatError> {
    let wrong = |part, at, text| FormatError { part, at, text };
    let size = code::size(&spec);
    if size > SPEC_BYTES_MAX {
        return Err(wrong(
            FormatPart::Text,
            0,
            format!(
                "{size} bytes with its name and further patterns; at most {SPEC_BYTES_MAX}, because it travels with marks"
            ),
        ));
    }
    let names = [Some(&spec.name), spec.time.as_ref(), spec.zone.as_ref()];
    let names = names.into_iter().flatten().chain(spec.patterns.iter().map(|(name, _)| name));
    if let Some(long) = names.into_iter().find(|name| name.len() > NAME_BYTES_MAX) {
        return Err(wrong(FormatPart::Text, 0, format!("`{long}` is longer than {NAME_BYTES_MAX} bytes")));
    }
    if let Some(name) = &spec.zone
        && zone_name(name).is_none()
    {
        let text = format!("`{name}` is no known time zone: a name such as Asia/Colombo expected");
        return Err(wrong(FormatPart::Zone, 0, text));
    }
    let zone_of = |name: &str| zone_name(name).map(|name| crate::Zone { name, source: crate::ZoneSource::Config });
    let mut zone = spec.zone.as_deref().and_then(zone_of);
    let (kind, notes) = match spec.syntax {
        Syntax::Layout | Syntax::Layout1 => {
            let old = spec.syntax == Syntax::Layout1;
            let layout = layout::compile(&spec.text, old).map_err(|w| wrong(FormatPart::Text, w.at, w.text))?;
            zone = layout.zone.as_deref().and_then(zone_of).or(zone);
            let notes = layout.notes.clone();
            match built_in::family(&layout).filter(|_| spec.multiline && zone.is_none()) {
                Some(family) => (Kind::BuiltIn(family), notes),
                None => (Kind::Layout(layout), notes),
            }
        }
        Syntax::Regex | Syntax::Grok => {
            let (pattern, notes) = pattern::compile(&spec)?;
            (Kind::Pattern(pattern), notes)
        }
    };
    Ok(Compiled { spec, kind, zone, notes })
}

/// The name of a zone as [`zone::rules`] takes it, of what Java takes.
fn zone_name(text: &str) -> Option<String> {
    let text = text.trim();
    zone::rules(text).map(|_| text.to_owned())
}

/// The formats that hold at a place of a stream, the one tried first first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formats(Vec<Format>);

impl Formats {
    /// As many of `list`, from its beginning, as a context can carry.
    pub fn new(list: impl IntoIterator<Item = Format>) -> Formats {
        let mut left = ALL_BYTES_MAX;
        let mut kept: Vec<Format> = Vec::new();
        for format in list {
            let size = code::size(&format.0.spec);
            if size > left || kept.len() == usize::from(u8::MAX) {
                break;
            }
            if !kept.contains(&format) {
                left -= size;
                kept.push(format);
            }
        }
        Formats(kept)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of it.
    pub fn list(&self) -> &[Format] {
        &self.0
    }

    /// Their specifications as bytes, for state files and contexts.
    pub fn encode(&self) -> Vec<u8> {
        code::encode(&self.0)
    }

    /// What [`Formats::encode`] wrote; a format that cannot be compiled any more is left out.
    pub fn decode(bytes: &[u8]) -> Option<Formats> {
        code::decode(bytes).map(|specs| Formats::new(specs.into_iter().filter_map(|spec| Format::new(spec).ok())))
    }

    /// The head that `line` is in one of them.
    pub(crate) fn recognise(&self, line: &[u8]) -> Option<Head> {
        const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
        let line = &line[..line.len().min(WINDOW)];
        let skip = if line.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        self.0.iter().enumerate().find_map(|(number, format)| {
            let head = format.recognise(&line[skip..])?;
            Some(Head { format: number as u8, ..head.moved(skip) })
        })
    }

    /// Whether built-in heads count in files that have these.
    pub(crate) fn share(&self) -> bool {
        self.0.iter().all(Format::shares)
    }

    /// Zone of the times of events with such a head.
    pub(crate) fn zone(&self, head: &Head) -> Option<&crate::Zone> {
        self.0.get(usize::from(head.format)).filter(|_| head.family == Family::Own)?.0.zone.as_ref()
    }

    pub(crate) fn of(&self, head: &Head) -> Option<&Format> {
        self.0.get(usize::from(head.format))
    }
}

#[cfg(test)]
mod tests;
