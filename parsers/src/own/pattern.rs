//! Regular expressions with named groups, and grok patterns, which become such.
//!
//! Matching takes time linear in the line, whatever the expression is; size and depth of the compiled form are
//! bounded. Classes like `\w` mean ASCII and `.` any byte, so that lines in an old code page match too.

use super::date::{self, DateForm};
use super::fill::is_number;
use super::program::Slot;
use super::{FormatError, FormatPart, FormatSpec, Syntax, grok, names};
use crate::FieldId;
use crate::span::Span;
use crate::stamp::Stamp;
use regex::bytes::{Regex, RegexBuilder};

/// Bytes of the compiled form, and of its cache.
const PROGRAM_BYTES_MAX: usize = 4 << 20;
const CACHE_BYTES_MAX: usize = 1 << 20;
const NEST_MAX: u32 = 60;

/// What a group's text is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    Slot(Slot),
    Level,
    Time,
    Message,
}

#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
    groups: Vec<(usize, Target)>,
    forms: Vec<DateForm>,
    /// Times of no announced format are tried as ISO 8601 first.
    or_iso: bool,
}

/// Compiles an expression or grok pattern; with it come notes.
pub(super) fn compile(spec: &FormatSpec) -> Result<(Pattern, Vec<String>), FormatError> {
    let grok = spec.syntax == Syntax::Grok;
    let wrong = |at, text| FormatError { part: FormatPart::Text, at, text };
    if spec.text.trim().is_empty() {
        return Err(wrong(0, "it is empty and would match every line".to_owned()));
    }
    // Groups are found by number in an expression, by the list of its semantics in a grok pattern.
    let (text, named) = if grok {
        grok::expand(&spec.text, &spec.patterns)?
    } else {
        check(&spec.text, FormatPart::Text, 0)?;
        (spec.text.clone(), Vec::new())
    };
    let regex = RegexBuilder::new(&format!(r"\A(?:{text})"))
        .unicode(false)
        .size_limit(PROGRAM_BYTES_MAX)
        .dfa_size_limit(CACHE_BYTES_MAX)
        .nest_limit(NEST_MAX)
        .build()
        .map_err(|error| wrong(0, reason(&error)))?;
    if regex.is_match(b"") {
        return Err(wrong(0, "it matches an empty line, and so would every line".to_owned()));
    }
    let mut notes = Vec::new();
    let mut groups = Vec::new();
    for (number, name) in regex.capture_names().enumerate() {
        let Some(name) = name else { continue };
        let semantic = match name.strip_prefix("g_").and_then(|n| n.parse::<usize>().ok()) {
            Some(index) if grok => named.get(index).map_or(name, String::as_str),
            _ => name,
        };
        let target = names::target(semantic);
        if let Target::Slot(Slot::Label(label)) = &target {
            notes.push(format!("`{semantic}` is no field by name; it becomes the label `{label}`"));
        }
        groups.push((number, target));
    }
    let timed = groups.iter().any(|(_, target)| *target == Target::Time);
    if !timed {
        notes.push("no group is a time: events take the time before them, or the file's".to_owned());
    }
    let (forms, or_iso) = match &spec.time {
        None => (date::usual(), true),
        Some(text) => {
            let form = date::compile(names::time_format(text), false).map_err(|(at, text)| FormatError {
                part: FormatPart::Time,
                at,
                text,
            })?;
            (vec![form], names::is_iso(text))
        }
    };
    Ok((Pattern { regex, groups, forms, or_iso }, notes))
}

/// Checks the syntax of an expression; `at` is where it stands in its part.
pub(super) fn check(text: &str, part: FormatPart, at: usize) -> Result<(), FormatError> {
    let mut parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).nest_limit(NEST_MAX).build();
    let (place, text) = match parser.parse(text) {
        Ok(_) => return Ok(()),
        Err(regex_syntax::Error::Parse(error)) => (error.span().start.offset, error.kind().to_string()),
        Err(regex_syntax::Error::Translate(error)) => (error.span().start.offset, error.kind().to_string()),
        Err(other) => (0, other.to_string()),
    };
    Err(FormatError { part, at: at + place, text })
}

fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => {
            format!("compiled it would take more than {} MiB; repeat less in it", PROGRAM_BYTES_MAX >> 20)
        }
        other => other.to_string().lines().last().unwrap_or("it cannot be compiled").to_owned(),
    }
}

impl Pattern {
    /// Whether a line is a head.
    pub(super) fn is_head(&self, line: &[u8]) -> bool {
        self.regex.is_match(line)
    }

    /// Hands the text of each group that took part to `each`.
    pub(super) fn each(&self, line: &[u8], each: &mut dyn FnMut(&Target, Span)) {
        let mut places = self.regex.capture_locations();
        if self.regex.captures_read(&mut places, line).is_none() {
            return;
        }
        for (number, target) in &self.groups {
            if let Some((from, to)) = places.get(*number) {
                each(target, Span::new(from, to));
            }
        }
    }

    /// The time that a text tells.
    pub(super) fn stamp(&self, text: &[u8]) -> Option<Stamp> {
        let text = text.trim_ascii();
        let text = text.strip_prefix(b"[").and_then(|t| t.strip_suffix(b"]")).unwrap_or(text);
        date::whole(text, &self.forms, self.or_iso)
    }
}

/// The target of a field by its full name.
pub(super) fn of_field(id: FieldId) -> Target {
    match id {
        FieldId::MESSAGE => Target::Message,
        FieldId::LOG_LEVEL_TEXT => Target::Level,
        FieldId::CLIENT_IP => Target::Slot(Slot::Field(FieldId::CLIENT_ADDRESS)),
        id => {
            debug_assert!(!is_number(id) || id.name().is_some());
            Target::Slot(Slot::Field(id))
        }
    }
}
