//! Whether a layout says the same as a built-in family: what it would print is shown to the built-in heads, and
//! both have to read the same out of it.

use super::layout::Layout;
use super::program::{self, Fit, Found, Slot, Step};
use crate::head::{self, Head};
use crate::span::{Part, Span};
use crate::{Family, FieldId};

/// The family that reads what `layout` prints as the layout itself does.
pub(super) fn family(layout: &Layout) -> Option<Family> {
    if layout.first_line != layout.before.len() || !layout.message || !layout.last.is_empty() {
        return None;
    }
    let mut family = None;
    for sample in [Sample::Full, Sample::Short, Sample::Empty] {
        let line = sample.line(layout)?;
        let found = head::recognise(&line)?;
        if family.is_some_and(|f| f != found.family) || !agrees(layout, &line, &found) {
            return None;
        }
        family = Some(found.family);
    }
    family
}

/// How the samples differ: which level, and whether what may be missing is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sample {
    Full,
    Short,
    Empty,
}

const TEXT: &[u8] = b"Sample text, of some words";

impl Sample {
    fn line(self, layout: &Layout) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.print(&layout.before, &mut out)?;
        out.extend_from_slice(TEXT);
        self.print(&layout.after, &mut out)?;
        Some(out)
    }

    fn print(self, steps: &[Step], out: &mut Vec<u8>) -> Option<()> {
        let mut at = 0;
        while let Some(step) = steps.get(at) {
            at += 1;
            match step {
                Step::Text(text) => out.extend_from_slice(text),
                Step::Blanks(_) => out.extend_from_slice(if self == Sample::Short { b" " } else { b"" }),
                Step::Date(form) => out.extend_from_slice(form.sample()?),
                Step::Level(words) => {
                    let word: &[u8] = if self == Sample::Short { b"INFO" } else { b"ERROR" };
                    words.iter().find(|(w, _)| **w == *word)?;
                    out.extend_from_slice(word);
                }
                Step::Free(slot, fit) => out.extend_from_slice(self.value(slot, *fit)),
                // What is printed for other tenants, or only if it is not empty.
                Step::Split(to) => at = *to,
                Step::Jump(to) => at = *to,
                Step::LineEnd => return None,
            }
        }
        Some(())
    }

    fn value(self, slot: &Slot, fit: Fit) -> &'static [u8] {
        match slot {
            Slot::Field(FieldId::LOG_LOGGER) => b"org.wso2.sample.Logger",
            Slot::Field(FieldId::THREAD_NAME) => b"Sample thread-3",
            _ if self == Sample::Empty => b"",
            // The context stack of log4j1: no product uses it.
            Slot::None if fit == Fit::Word => b"",
            Slot::Field(FieldId::TENANT_ID) => b"-1234",
            Slot::Field(FieldId::CORRELATION_ID) => b"0c3f2a5e-77aa-4d51-9e43-0123456789ab",
            _ if fit == Fit::Number => b"7",
            _ => b"sample",
        }
    }
}

/// Whether layout and built-in head find the same in the same places.
fn agrees(layout: &Layout, line: &[u8], head: &Head) -> bool {
    let mut found = Found::default();
    let Some(end) = program::run(&layout.before, line, 0, false, &mut found) else { return false };
    let same = |part: Part, span: Span| part.of(line) == span.of(line) && (span.is_empty() || Span::from(part) == span);
    let level = found.level.map(|(span, _)| span).unwrap_or_default();
    if found.stamp.unwrap_or_default() != head.stamp || !same(head.level, level) {
        return false;
    }
    let text = |at: usize| at + line[at..].iter().take_while(|b| **b == b' ').count();
    if text(end) != text(usize::from(head.message)) {
        return false;
    }
    let mut seen = Vec::new();
    let fits = found.values().iter().all(|(step, span)| {
        let Step::Free(slot, _) = &layout.before[usize::from(*step)] else { return false };
        let Slot::Field(id) = slot else { return *slot == Slot::None };
        seen.push(*id);
        match *id {
            FieldId::LOG_LOGGER => same(head.logger, *span),
            FieldId::THREAD_NAME => same(head.thread, *span),
            FieldId::TENANT_ID => same(head.tenant, *span),
            FieldId::CORRELATION_ID => same(head.correlation, *span),
            FieldId::ARTIFACT_NAME => same(head.artifact, *span),
            // One place serves both; which it is, the family tells from the message.
            FieldId::APP | FieldId::SERVER_NAME => same(head.app, *span) || same(head.server, *span),
            _ => false,
        }
    });
    // What the family takes for a field must be one for the layout too.
    let takes = [
        (head.logger, FieldId::LOG_LOGGER),
        (head.thread, FieldId::THREAD_NAME),
        (head.tenant, FieldId::TENANT_ID),
        (head.correlation, FieldId::CORRELATION_ID),
    ];
    let covered = takes.iter().all(|(part, id)| part.is_empty() || seen.contains(id));
    fits && covered && repeats_only_the_logger(layout)
}

/// Built-in families look for nothing behind the message but its logger, once more.
fn repeats_only_the_logger(layout: &Layout) -> bool {
    layout.after.iter().all(|step| match step {
        Step::Free(slot, _) => *slot == Slot::Field(FieldId::LOG_LOGGER),
        Step::Text(text) => matches!(&**text, b" {" | b"}"),
        _ => false,
    })
}
