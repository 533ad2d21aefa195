//! What a layout is compiled to, and the machine that runs it over the bytes of a line.
//!
//! A program is a list of steps. Texts, dates and levels fit or do not; a free value ends where the next step
//! fits, the nearest such place first. The work is bounded by the length of what is looked at ([`WORK`]): hostile
//! lines are given up, not tried in all ways.

use super::date::DateForm;
use crate::level;
use crate::span::{Cursor, Span};
use crate::stamp::Stamp;
use crate::{FieldId, Level};

/// Where the value of a step goes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Slot {
    /// Nowhere.
    None,
    /// A field of the event.
    Field(FieldId),
    /// `labels`, as `key=value`.
    Label(Box<str>),
}

/// What a free value may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// Anything but a line end.
    Any,
    /// No blanks.
    Word,
    /// Digits, maybe with a sign before and a point inside.
    Number,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// These bytes.
    Text(Box<[u8]>),
    /// Any number of blanks, what a conversion was padded with; so many are left for the text behind it.
    Blanks(u8),
    /// A time stamp.
    Date(DateForm),
    /// A level's word: one of these, else any word of capitals.
    Level(Box<[(Box<[u8]>, Level)]>),
    /// A value that ends where the next step fits.
    Free(Slot, Fit),
    /// Goes on with the next step or, when that leads nowhere, with the one at this place.
    Split(usize),
    /// Goes on at this place.
    Jump(usize),
    /// A line end.
    LineEnd,
}

/// What a run found. It is made anew for every line, so it holds no heap.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) stamp: Option<Stamp>,
    pub(super) level: Option<(Span, Level)>,
    values: [(u16, Span); FREE_MAX],
    len: usize,
    /// How far any attempt came, and the step that did not fit there.
    pub(super) furthest: (usize, usize),
}

/// Free values of one program.
pub(super) const FREE_MAX: usize = 24;

impl Found {
    /// The number of each free step and its value.
    pub(super) fn values(&self) -> &[(u16, Span)] {
        &self.values[..self.len]
    }

    fn add(&mut self, step: usize, value: Span) {
        if let Some(place) = self.values.get_mut(self.len) {
            *place = (step as u16, value);
            self.len += 1;
        }
    }
}

/// Longest value of a conversion; what is longer is no head.
const VALUE_BYTES_MAX: usize = 2048;

/// Bytes that may be looked at for each byte of the line.
const WORK: usize = 16;

/// What trying a place costs, in bytes looked at.
const TRY: usize = 32;

/// Fewest bytes that may be looked at, for lines shorter than their layout's texts.
const WORK_MIN: usize = 4096;

/// A run of a program over `bytes`.
pub(super) struct Run<'a> {
    steps: &'a [Step],
    bytes: &'a [u8],
    /// The program has to end at the last byte.
    whole: bool,
    work: usize,
    found: &'a mut Found,
}

/// Runs `steps` over `bytes` from `at` on; gives the place behind what they took.
pub(super) fn run(steps: &[Step], bytes: &[u8], at: usize, whole: bool, found: &mut Found) -> Option<usize> {
    found.stamp = None;
    found.level = None;
    found.len = 0;
    found.furthest = (at, 0);
    let work = (bytes.len() - at.min(bytes.len())).saturating_mul(WORK).max(WORK_MIN);
    Run { steps, bytes, whole, work, found }.from(0, at)
}

impl Run<'_> {
    fn from(&mut self, mut step: usize, mut at: usize) -> Option<usize> {
        loop {
            self.spend(1)?;
            if at > self.found.furthest.0 {
                self.found.furthest = (at, step);
            }
            let Some(current) = self.steps.get(step) else {
                return (!self.whole || at == self.bytes.len()).then_some(at);
            };
            match current {
                Step::Jump(to) => {
                    step = *to;
                    continue;
                }
                Step::Split(other) => {
                    let (mark, stamp, level) = self.keep();
                    if let Some(end) = self.from(step + 1, at) {
                        return Some(end);
                    }
                    self.back(mark, stamp, level);
                    step = *other;
                    continue;
                }
                Step::Free(_, fit) => return self.free(step, at, *fit),
                simple => at = self.simple(simple, at)?,
            }
            step += 1;
        }
    }

    fn keep(&self) -> (usize, Option<Stamp>, Option<(Span, Level)>) {
        (self.found.len, self.found.stamp, self.found.level)
    }

    fn back(&mut self, values: usize, stamp: Option<Stamp>, level: Option<(Span, Level)>) {
        self.found.len = values;
        self.found.stamp = stamp;
        self.found.level = level;
    }

    fn spend(&mut self, bytes: usize) -> Option<()> {
        self.work = self.work.checked_sub(bytes)?;
        Some(())
    }

    /// A step whose end is known from what stands there.
    fn simple(&mut self, step: &Step, at: usize) -> Option<usize> {
        let rest = self.bytes.get(at..)?;
        match step {
            Step::Text(text) => rest.starts_with(text).then(|| at + text.len()),
            Step::Blanks(leave) => {
                let blanks = rest.iter().take_while(|b| **b == b' ').count();
                Some(at + blanks.saturating_sub(usize::from(*leave)))
            }
            Step::LineEnd => match rest {
                [b'\n', ..] => Some(at + 1),
                [b'\r', b'\n', ..] => Some(at + 2),
                _ => None,
            },
            Step::Date(form) => {
                let mut cursor = Cursor::new(self.bytes, at);
                let stamp = form.read(&mut cursor)?;
                self.found.stamp = Some(self.found.stamp.map_or(stamp, |known| joined(known, stamp)));
                Some(cursor.at)
            }
            Step::Level(words) => {
                let (len, level) = level_at(rest, words)?;
                self.found.level.get_or_insert((Span::new(at, at + len), level));
                Some(at + len)
            }
            Step::Free(..) | Step::Split(_) | Step::Jump(_) => None,
        }
    }

    /// A free value: tried with each place where the next step may begin, the nearest first.
    fn free(&mut self, step: usize, at: usize, fit: Fit) -> Option<usize> {
        let rest = self.bytes.get(at..)?;
        let mut max = fit.longest(&rest[..rest.len().min(VALUE_BYTES_MAX)]);
        if let Some(end) = memchr::memchr2(b'\n', b'\r', &rest[..max]) {
            max = end;
        }
        let mut len = 0;
        while len <= max {
            len = self.next_place(step + 1, at, len, max)?;
            self.spend(TRY)?;
            let (mark, stamp, level) = self.keep();
            self.found.add(step, Span::new(at, at + len));
            if fit.takes(&rest[..len])
                && let Some(end) = self.from(step + 1, at + len)
            {
                return Some(end);
            }
            self.back(mark, stamp, level);
            len += 1;
        }
        None
    }

    /// The nearest place from `at + from` on, at most `at + max`, where the step `next` may begin; as a distance.
    fn next_place(&mut self, next: usize, at: usize, from: usize, max: usize) -> Option<usize> {
        let bytes = self.bytes;
        match self.steps.get(next) {
            Some(Step::Text(text)) => {
                let until = (at + max + text.len()).min(bytes.len());
                let area = bytes.get(at + from..until)?;
                let found = memchr::memmem::find(area, text);
                self.spend(found.map_or(area.len(), |i| i + 1))?;
                found.map(|i| from + i)
            }
            // Nothing follows: the value is all there is.
            None => {
                let all = if self.whole { bytes.len() - at } else { max };
                (from <= all && all <= max).then_some(all)
            }
            Some(_) => {
                self.spend(1)?;
                Some(from)
            }
        }
    }
}

impl Fit {
    /// How many bytes of `rest` a value of this kind can take at most.
    fn longest(self, rest: &[u8]) -> usize {
        match self {
            Fit::Any => rest.len(),
            Fit::Word => rest.iter().take_while(|b| !matches!(b, b' ' | b'\t')).count(),
            Fit::Number => rest.iter().take_while(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.')).count(),
        }
    }

    /// Whether these bytes may be its value. Every conversion can print nothing.
    fn takes(self, value: &[u8]) -> bool {
        match self {
            Fit::Any | Fit::Word => true,
            Fit::Number => value.iter().skip(1).all(|b| *b != b'-'),
        }
    }
}

/// What two stamps of one head tell together: one may have the date and the other the clock.
fn joined(first: Stamp, second: Stamp) -> Stamp {
    match (first.dated && !first.valid, second.dated && !second.valid) {
        (true, false) if !second.dated => Stamp { day: first.day, dated: true, ..second },
        (false, true) if !first.dated => Stamp { day: second.day, dated: true, ..first },
        _ => first,
    }
}

/// The level word at the start of `rest` and what it means.
fn level_at(rest: &[u8], words: &[(Box<[u8]>, Level)]) -> Option<(usize, Level)> {
    let known = words.iter().find(|(word, _)| rest.starts_with(word));
    let letters = rest.iter().take(17).take_while(|b| b.is_ascii_uppercase()).count();
    match known {
        // `WARN` must not be found in `WARNING`.
        Some((word, level)) if word.len() >= letters => Some((word.len(), *level)),
        _ if (2..=16).contains(&letters) => Some((letters, level::of_word(&rest[..letters]))),
        known => known.map(|(word, level)| (word.len(), *level)),
    }
}
