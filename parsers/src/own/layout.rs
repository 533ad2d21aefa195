//! log4j's `PatternLayout`, compiled: of log4j2, and of log4j1 with the letters that Carbon adds to it.
//!
//! A layout becomes three programs: what stands before the message, what stands between it and the exception, and
//! what stands behind the exception. The first decides whether a line is a head, as far as its first line end.
//!
//! What a conversion changes in the text it prints (replacing, encoding, shortening) cannot be undone; its value is
//! what is printed.

use super::date::{self, DateForm};
use super::program::{FREE_MAX, Fit, Slot, Step};
use super::words::{self, Meaning};
use crate::Level;

/// A compiled layout.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Up to the message.
    pub(super) before: Box<[Step]>,
    /// How many steps of `before` stand on the first line.
    pub(super) first_line: usize,
    /// Whether there is a message at all.
    pub(super) message: bool,
    /// Between message and exception.
    pub(super) after: Box<[Step]>,
    /// Behind the exception.
    pub(super) last: Box<[Step]>,
    /// Zone that `%d{…}{zone}` prints in.
    pub(super) zone: Option<String>,
    /// What is worth telling the person who wrote it.
    pub(super) notes: Vec<String>,
}

/// Why a layout cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) at: usize,
    pub(super) text: String,
}

/// Steps of one layout at most; those of products have about twenty.
const STEPS_MAX: usize = 200;
const DEPTH_MAX: usize = 8;

/// Compiles a layout. `old`: log4j1.
pub(super) fn compile(pattern: &str, old: bool) -> Result<Layout, Wrong> {
    let mut compiler = Compiler {
        text: pattern.as_bytes(),
        old,
        parts: [Vec::new(), Vec::new(), Vec::new()],
        part: Place::Before,
        zone: None,
        notes: Vec::new(),
        has_message: false,
    };
    compiler.all(0, pattern.len(), 0)?;
    compiler.finish()
}

/// Which of the programs is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Before = 0,
    After = 1,
    Last = 2,
}

struct Compiler<'t> {
    text: &'t [u8],
    old: bool,
    parts: [Vec<Step>; 3],
    part: Place,
    zone: Option<String>,
    notes: Vec<String>,
    has_message: bool,
}

/// How a conversion is padded.
#[derive(Clone, Copy, Debug, Default)]
struct Width {
    left: bool,
    min: usize,
    max: Option<usize>,
    /// Of what is too long the beginning stays, not the end.
    keeps_start: bool,
}

/// A conversion as it is written.
struct Conversion<'t> {
    at: usize,
    name: &'t str,
    width: Width,
    /// Places of what stands in each pair of braces.
    options: Vec<(usize, usize)>,
    end: usize,
}

impl<'t> Compiler<'t> {
    fn steps(&mut self) -> &mut Vec<Step> {
        &mut self.parts[self.part as usize]
    }

    fn push(&mut self, step: Step) {
        self.steps().push(step);
    }

    fn literal(&mut self, more: &[u8]) {
        // After the exception's line end nothing more is known of an event's shape but its last line.
        let steps = self.steps();
        match steps.last_mut() {
            Some(Step::Text(last)) if last.as_ref() != b"" => *last = [last, more].concat().into(),
            _ => steps.push(Step::Text(more.into())),
        }
    }

    fn note(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// Compiles `text[from..to]`.
    fn all(&mut self, from: usize, to: usize, depth: usize) -> Result<(), Wrong> {
        if depth > DEPTH_MAX {
            return Err(Wrong {
                at: from,
                text: format!("conversions stand inside each other more than {DEPTH_MAX} deep"),
            });
        }
        let mut at = from;
        while at < to {
            if self.parts.iter().map(Vec::len).sum::<usize>() > STEPS_MAX {
                return Err(Wrong { at, text: format!("the layout has more than {STEPS_MAX} parts") });
            }
            match self.text[at] {
                b'%' if self.text.get(at + 1) == Some(&b'%') && at + 1 < to => {
                    self.literal(b"%");
                    at += 2;
                }
                b'%' => {
                    let conversion = self.conversion(at, to);
                    at = self.convert(&conversion, depth)?;
                }
                b'$' if self.text[at..to].starts_with(b"${") || self.text[at..to].starts_with(b"$${") => {
                    at = self.lookup(at, to);
                }
                b'\\' => {
                    let (byte, used) = escaped(&self.text[at..to]);
                    self.literal(&[byte]);
                    at += used;
                }
                byte => {
                    self.literal(&[byte]);
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// `${…}`: what it stands for when the product runs is not known here.
    fn lookup(&mut self, at: usize, to: usize) -> usize {
        let open = at + memchr::memchr(b'{', &self.text[at..to]).unwrap_or(1);
        let end = closing(self.text, open, to).map_or(to, |close| close + 1);
        let text = String::from_utf8_lossy(&self.text[at..end]).into_owned();
        self.note(format!("what `{text}` stands for is not known; any text is taken for it"));
        self.push(Step::Free(Slot::None, Fit::Any));
        end
    }

    /// Reads `%-20.30name{…}{…}` at `at`.
    fn conversion(&self, at: usize, to: usize) -> Conversion<'t> {
        let text = self.text;
        let mut end = at + 1;
        let mut width = Width::default();
        while end < to && matches!(text[end], b'-' | b'0') {
            width.left |= text[end] == b'-';
            end += 1;
        }
        let number = |end: &mut usize| {
            let from = *end;
            while *end < to && text[*end].is_ascii_digit() {
                *end += 1;
            }
            std::str::from_utf8(&text[from..*end]).ok().and_then(|n| n.parse::<usize>().ok())
        };
        width.min = number(&mut end).unwrap_or(0);
        if end < to && text[end] == b'.' {
            end += 1;
            if end < to && text[end] == b'-' {
                width.keeps_start = true;
                end += 1;
            }
            width.max = number(&mut end);
        }
        let letters =
            text[end..to].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_' || **b == b'@').count();
        let name = words::longest(&text[end..end + letters], self.old);
        let name = std::str::from_utf8(name).unwrap_or_default();
        end += name.len();
        let mut options = Vec::new();
        // log4j1 has one option; so has `%n`'s neighbour, a brace of the text.
        let takes = words::takes_options(name, self.old);
        while options.len() < takes && end < to && text[end] == b'{' {
            let Some(close) = closing(text, end, to) else { break };
            options.push((end + 1, close));
            end = close + 1;
        }
        Conversion { at, name, width, options, end }
    }

    fn option(&self, conversion: &Conversion<'t>, number: usize) -> &'t str {
        let place = conversion.options.get(number);
        place.and_then(|(from, to)| std::str::from_utf8(&self.text[*from..*to]).ok()).unwrap_or_default()
    }

    /// Adds the steps of a conversion; gives the place behind it.
    fn convert(&mut self, c: &Conversion<'t>, depth: usize) -> Result<usize, Wrong> {
        let meaning = words::meaning(c.name, self.option(c, 0), self.old);
        match meaning {
            Meaning::Unknown => {
                // log4j prints what it does not know as it is written.
                let after = self.text.get(c.at + 1..).unwrap_or_default();
                let len = after.iter().take_while(|b| b.is_ascii_alphanumeric()).count();
                let word = String::from_utf8_lossy(&after[..len]).into_owned();
                self.note(format!("`%{word}` is no conversion that is known here; any text is taken for it"));
                self.push(Step::Free(Slot::None, Fit::Any));
                return Ok(if c.name.is_empty() { c.at + 1 + len } else { c.end });
            }
            Meaning::LineEnd => self.line_end(),
            Meaning::Message => self.message(c),
            Meaning::Throwable => self.part = Place::Last,
            Meaning::Nothing => {}
            Meaning::Date => self.date(c)?,
            Meaning::Level => self.level(c),
            Meaning::Value(slot, fit) => {
                let fit = if c.width.min > 0 && fit == Fit::Number { Fit::Any } else { fit };
                self.value(c.width, Step::Free(slot, fit));
            }
            Meaning::Inside => self.inside(c, depth)?,
            Meaning::Maybe => self.maybe(c, depth)?,
            Meaning::Either => self.either(c, depth)?,
            Meaning::Changed => self.changed(c, depth)?,
            // For other tenants than the super tenant: `user@domain [tenant] [server]`.
            Meaning::OtherTenant => {
                let split = self.steps().len();
                self.push(Step::Split(0));
                self.push(Step::Free(Slot::Field(crate::FieldId::USER_NAME), Fit::Word));
                self.literal(b"@");
                self.push(Step::Free(Slot::Field(crate::FieldId::TENANT_DOMAIN), Fit::Word));
                self.push(Step::Blanks(0));
                self.literal(b"[");
                self.push(Step::Free(Slot::None, Fit::Number));
                self.literal(b"]");
                let inner = self.steps().len();
                self.push(Step::Split(0));
                self.literal(b" [");
                self.push(Step::Free(Slot::None, Fit::Any));
                self.literal(b"]");
                let end = self.steps().len();
                self.steps()[split] = Step::Split(end);
                self.steps()[inner] = Step::Split(end);
            }
        }
        Ok(c.end)
    }

    fn line_end(&mut self) {
        match self.part {
            Place::Before => self.push(Step::LineEnd),
            // What stands on lines behind the message's cannot be told from its own lines.
            Place::After => self.part = Place::Last,
            Place::Last => {}
        }
    }

    fn message(&mut self, c: &Conversion<'t>) {
        if self.has_message {
            self.push(Step::Free(Slot::None, Fit::Any));
            return;
        }
        if let Some(max) = c.width.max {
            self.note(format!("messages are cut to {max} characters by the layout itself"));
        }
        self.has_message = true;
        self.part = self.part.max(Place::After);
    }

    /// A value with what pads it.
    fn value(&mut self, width: Width, step: Step) {
        if width.min > 0 && !width.left {
            self.push(Step::Blanks(0));
        }
        self.push(step);
        if width.min > 0 && width.left {
            self.push(Step::Blanks(0));
        }
    }

    fn date(&mut self, c: &Conversion<'t>) -> Result<(), Wrong> {
        let at = c.options.first().map_or(c.at, |(from, _)| *from);
        let form = date::compile(self.option(c, 0), self.old).map_err(|(i, text)| Wrong { at: at + i, text })?;
        let zone = self.option(c, 1);
        if !zone.is_empty() {
            match super::zone_name(zone) {
                Some(name) => self.zone = Some(name),
                None => {
                    let at = c.options.get(1).map_or(c.at, |(from, _)| *from);
                    return Err(Wrong { at, text: format!("`{zone}` is no known time zone") });
                }
            }
        }
        self.value(c.width, Step::Date(form));
        Ok(())
    }

    fn level(&mut self, c: &Conversion<'t>) {
        let mut words: Vec<(Box<[u8]>, Level)> = Vec::new();
        let option = self.option(c, 0);
        for (name, level) in words::LEVELS {
            let word = words::level_word(name, option);
            let word = match c.width.max {
                Some(max) if max < word.len() && c.width.keeps_start => word.chars().take(max).collect(),
                Some(max) if max < word.len() => word.chars().skip(word.chars().count().saturating_sub(max)).collect(),
                _ => word,
            };
            words.push((word.into_bytes().into(), *level));
        }
        words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
        self.value(c.width, Step::Level(words.into()));
    }

    /// A conversion around others that prints them as they are.
    fn inside(&mut self, c: &Conversion<'t>, depth: usize) -> Result<(), Wrong> {
        let Some((from, to)) = c.options.first().copied() else { return Ok(()) };
        if c.width.min > 0 && !c.width.left {
            self.push(Step::Blanks(0));
        }
        self.all(from, to, depth + 1)?;
        if c.width.min > 0 && c.width.left {
            self.push(Step::Blanks(0));
        }
        Ok(())
    }

    /// A conversion that prints what is inside or nothing.
    fn maybe(&mut self, c: &Conversion<'t>, depth: usize) -> Result<(), Wrong> {
        let (split, part) = (self.steps().len(), self.part);
        self.push(Step::Split(0));
        self.inside(c, depth)?;
        if self.part == part {
            let end = self.steps().len();
            self.steps()[split] = Step::Split(end);
        } else {
            // The message stands inside: it is always printed.
            self.parts[part as usize].remove(split);
        }
        Ok(())
    }

    /// `%equals{pattern}{test}{instead}`.
    fn either(&mut self, c: &Conversion<'t>, depth: usize) -> Result<(), Wrong> {
        let instead = self.option(c, 2).as_bytes().to_vec();
        let (split, part) = (self.steps().len(), self.part);
        self.push(Step::Split(0));
        self.inside(c, depth)?;
        if self.part != part {
            self.parts[part as usize].remove(split);
            return Ok(());
        }
        let jump = self.steps().len();
        self.push(Step::Jump(0));
        self.steps()[split] = Step::Split(jump + 1);
        self.push(Step::Text(instead.into()));
        let end = self.steps().len();
        self.steps()[jump] = Step::Jump(end);
        Ok(())
    }

    /// A conversion that changes what others print: one value is kept, of more nothing can be told.
    fn changed(&mut self, c: &Conversion<'t>, depth: usize) -> Result<(), Wrong> {
        let Some((from, to)) = c.options.first().copied() else { return Ok(()) };
        let before = self.steps().len();
        let part = self.part;
        self.all(from, to, depth + 1)?;
        if self.part != part {
            return Ok(());
        }
        let slots: Vec<Slot> = self
            .steps()
            .drain(before..)
            .filter_map(|step| match step {
                Step::Free(slot, _) => Some(slot),
                _ => None,
            })
            .collect();
        let slot = match <[Slot; 1]>::try_from(slots) {
            Ok([slot]) => slot,
            Err(_) => Slot::None,
        };
        self.value(c.width, Step::Free(slot, Fit::Any));
        Ok(())
    }

    fn finish(mut self) -> Result<Layout, Wrong> {
        let [mut before, mut after, mut last] = std::mem::take(&mut self.parts);
        for steps in [&mut before, &mut after, &mut last] {
            separate(steps);
        }
        let first_line = before.iter().position(|s| matches!(s, Step::LineEnd)).unwrap_or(before.len());
        let head = &before[..first_line];
        let free = |steps: &[Step]| steps.iter().filter(|s| matches!(s, Step::Free(..))).count();
        if [&before, &after, &last].iter().any(|steps| free(steps) > FREE_MAX) {
            return Err(Wrong { at: 0, text: format!("the layout has more than {FREE_MAX} values") });
        }
        last.retain(|step| !matches!(step, Step::LineEnd));
        if before.is_empty() {
            return Err(Wrong {
                at: 0,
                text: "the message comes first: no line can be told from one inside a message; \
                       put a date before it, or leave the layout out"
                    .to_owned(),
            });
        }
        let dated = head.iter().any(|s| matches!(s, Step::Date(_)));
        let level = head.iter().any(|s| matches!(s, Step::Level(_)));
        let signs: usize = head.iter().map(signs).sum();
        let is_told = dated || (level && signs >= 2);
        if !is_told {
            return Err(Wrong {
                at: 0,
                text: "neither a date nor a level with signs around it stands before the message on its line: heads \
                       cannot be told from other lines"
                    .to_owned(),
            });
        }
        let any = |tells: fn(&DateForm) -> bool| head.iter().any(|s| matches!(s, Step::Date(form) if tells(form)));
        match (any(DateForm::dated), any(DateForm::clock)) {
            _ if !dated => self.note("no date is printed: events take the time before them, or the file's".to_owned()),
            (_, false) => {
                self.note(
                    "the date has no hour and minute: events take the time before them, or the file's".to_owned(),
                );
            }
            (false, true) => self.note("the date has no year, month and day: the day is the file's".to_owned()),
            (true, true) => {}
        }
        if !self.has_message {
            self.note("no message is printed: what follows is taken for it".to_owned());
        }
        // A split may point behind the message; it then leads to the end.
        Ok(Layout {
            first_line,
            before: before.into(),
            message: self.has_message,
            after: without_blanks(after).into(),
            last: without_blanks(last).into(),
            zone: self.zone,
            notes: self.notes,
        })
    }
}

/// A tail without the blanks at its end: messages and events are looked at without those.
fn without_blanks(mut steps: Vec<Step>) -> Vec<Step> {
    while let Some(step) = steps.last_mut() {
        match step {
            Step::Blanks(_) => drop(steps.pop()),
            Step::Text(text) if text.trim_ascii_end().is_empty() => drop(steps.pop()),
            Step::Text(text) => {
                *text = text.trim_ascii_end().into();
                break;
            }
            _ => break,
        }
    }
    steps
}

/// Signs of a text that plain words do not have.
fn signs(step: &Step) -> usize {
    match step {
        Step::Text(text) => text.iter().filter(|b| b.is_ascii_punctuation()).count(),
        _ => 0,
    }
}

/// A logger before a blank or a colon has no blank inside, unless it stands in brackets of some kind.
fn separate(steps: &mut [Step]) {
    for i in 0..steps.len() {
        let blanks = match steps.get(i + 1) {
            Some(Step::Text(text)) => text.iter().take_while(|b| **b == b' ').count(),
            _ => 0,
        };
        if let Step::Blanks(leave) = &mut steps[i] {
            *leave = blanks.min(usize::from(u8::MAX)) as u8;
            continue;
        }
        let opens = i > 0
            && matches!(&steps[i - 1], Step::Text(t) if matches!(t.last(), Some(b'[' | b'(' | b'{' | b'<' | b'"' | b'|')));
        let blank = match steps.get(i + 1) {
            Some(Step::Text(t)) => matches!(t.first(), Some(b' ' | b':')),
            Some(Step::Blanks(_)) => true,
            Some(_) => false,
            // The logger before a message without anything between.
            None => true,
        };
        if let Step::Free(slot, fit) = &mut steps[i]
            && *fit == Fit::Any
            && blank
            && !opens
            && *slot == Slot::Field(crate::FieldId::LOG_LOGGER)
        {
            *fit = Fit::Word;
        }
    }
}

/// What a backslash and the byte after it print.
fn escaped(text: &[u8]) -> (u8, usize) {
    match text.get(1) {
        Some(b't') => (b'\t', 2),
        Some(b'n') => (b'\n', 2),
        Some(b'r') => (b'\r', 2),
        Some(b'f') => (0x0c, 2),
        Some(b'b') => (0x08, 2),
        Some(byte) => (*byte, 2),
        None => (b'\\', 1),
    }
}

/// The brace that closes the one at `open`.
fn closing(text: &[u8], open: usize, to: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (i, byte) in text[open..to].iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(open + i);
                }
            }
            _ => {}
        }
    }
    None
}
