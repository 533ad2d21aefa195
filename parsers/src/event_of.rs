//! From a framed piece to an event: which fields it has, when it happened, what it leaves for the next one.

use crate::fields::{Fields, access, audit, banner, carbon, correlation, hex, objects, osgi, text, trimmed};
use crate::framing::Piece;
use crate::head::Head;
use crate::heads::dated;
use crate::span::Span;
use crate::stamp::Stamp;
use crate::template::{Splitter, Template};
use crate::time::{Times, without_own};
use crate::wrapper::Wrapper;
use crate::{
    Context, Continues, Dataset, Event, EventTime, Family, FieldId, FileFacts, Flags, Formats, Level, Offset,
    TimeSource, Value, Zone, dataset, zone,
};

/// Makes events, one at a time, in the same place.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    event: Event,
    fields: Fields,
    times: Times,
    /// The last event's time was read in the zone of its own format.
    zone_was_own: bool,
    dataset: Option<Dataset>,
    /// The lines of a wrapped event without their wrapping.
    inside: Vec<u8>,
    splitter: Splitter,
    templates: Templates,
    left: Left,
    /// Which rules changed the bytes of the event to come.
    redacted: Option<String>,
}

/// Which events have the hash of their template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Templates {
    /// All.
    All,
    /// Those whose text does not stand in their bytes as it is: nobody could find it out later.
    Wrapped,
    /// None.
    None,
}

/// What an event leaves for the ones after it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Left {
    /// The zone that it made known.
    pub(crate) zone: Option<Zone>,
    /// Its time, if it told one itself.
    pub(crate) time: Option<EventTime>,
}

/// What the bytes of an event tell besides its fields.
#[derive(Clone, Debug, Default)]
struct Told {
    level: Level,
    /// A time in the payload that is better than that of the head.
    payload: Option<Stamp>,
    zone: Option<Zone>,
}

impl Maker {
    pub(crate) fn new(facts: &FileFacts) -> Maker {
        let event = Event {
            offset: Offset(0),
            size: 0,
            lines: 0,
            family: Family::None,
            dataset: Dataset::Other,
            level: Level::Unknown,
            time: None,
            continues: None,
            flags: Flags::default(),
            fields: Vec::new(),
        };
        let dataset = dataset::of_name(&facts.name);
        Maker {
            event,
            fields: Fields::default(),
            times: Times::new(),
            zone_was_own: false,
            dataset,
            inside: Vec::new(),
            splitter: Splitter::new(),
            templates: Templates::All,
            left: Left::default(),
            redacted: None,
        }
    }

    /// The next event's bytes were changed by these rules.
    pub(crate) fn redacted(&mut self, rules: String) {
        self.redacted = Some(rules);
    }

    /// The event that `piece` with the bytes `bytes` at `offset` is, and what it leaves.
    pub(crate) fn make(
        &mut self,
        piece: &Piece,
        bytes: &[u8],
        offset: Offset,
        context: &Context,
    ) -> (&Event, &mut Left) {
        self.fields.begin(std::mem::take(&mut self.event.fields));
        let head = piece.head.as_ref();
        let dataset = self.dataset.unwrap_or_else(|| dataset::of_event(head, bytes));
        let told = match piece.wrapper {
            Wrapper::None => {
                let told = self.read(piece, dataset, bytes, &context.formats);
                if self.templates == Templates::All {
                    self.add_template(bytes);
                }
                told
            }
            wrapper => self.fill_wrapped(wrapper, piece, dataset, bytes, &context.formats),
        };
        if let Some(rules) = self.redacted.take() {
            self.fields.literal(FieldId::REDACTED_CLASSES, &rules);
        }
        let own = self.time(head, told.payload, context);
        let is_access = |h: &&Head| matches!(h.family, Family::AccessPt | Family::AccessTc);
        let printed = head.filter(is_access).and_then(|h| h.stamp.offset);
        let zone = told.zone.or_else(|| zone::of_access(printed?, context));
        self.left = Left { zone, time: own };
        let event = &mut self.event;
        event.offset = offset;
        event.size = piece.size as u32;
        event.lines = piece.lines;
        event.family = head.map_or(Family::None, |h| h.family);
        event.dataset = dataset;
        event.level = told.level;
        event.time = own.or_else(|| without_own(context));
        let cut = || context.cut.map_or(Continues::Generation, Continues::Event);
        event.continues = piece.from.or_else(|| piece.continues.then(cut));
        event.flags = piece.flags;
        event.fields = self.fields.finish();
        (&self.event, &mut self.left)
    }

    /// The time that an event tells itself: in its payload where the head has no date, else in its head.
    fn time(&mut self, head: Option<&Head>, payload: Option<Stamp>, context: &Context) -> Option<EventTime> {
        let own = head.and_then(|h| context.formats.zone(h));
        if own.is_some() || self.zone_was_own {
            self.times.zone_changed();
        }
        self.zone_was_own = own.is_some();
        let zone = own.or(context.zone.as_ref());
        if let Some(stamp) = payload
            && let Some(time) = self.times.of_stamp_in(&stamp, context, zone)
        {
            let source = if head.is_some_and(|h| h.stamp.valid) { TimeSource::Payload } else { TimeSource::Parsed };
            return Some(EventTime { source, ..time });
        }
        self.times.of_stamp_in(&head?.stamp, context, zone)
    }

    /// Its template is that of its text without wrapping.
    fn add_template(&mut self, bytes: &[u8]) {
        let template = self.splitter.split(text_of(self.fields.get(FieldId::MESSAGE), bytes));
        let hash = template.hash();
        self.fields.literal(FieldId::TEMPLATE_HASH, hex(hash, &mut [0; 16]));
    }

    pub(crate) fn templates(&mut self, which: Templates) {
        self.templates = which;
    }

    /// Must be told when the context's zone may have changed.
    pub(crate) fn zone_changed(&mut self) {
        self.times.zone_changed();
    }

    /// The template of the last event made.
    pub(crate) fn template(&self) -> Template<'_> {
        self.splitter.last()
    }

    /// Fills the fields from an event's lines as they are without wrapping.
    fn read(&mut self, piece: &Piece, dataset: Dataset, bytes: &[u8], own: &Formats) -> Told {
        let fields = &mut self.fields;
        let Some(head) = &piece.head else {
            let (level, payload) = if piece.continues { Default::default() } else { text::looks(bytes) };
            fields.span(FieldId::MESSAGE, trimmed(bytes, 0, bytes.len()));
            return Told { level, payload, zone: None };
        };
        match head.family {
            Family::None if head.single => {
                access::proxy(head, bytes, fields);
                Told::default()
            }
            Family::None if head.level.is_empty() => {
                let head = dated::with_second_line(head, bytes);
                let (level, _) = carbon::fill(&head, piece.lines, bytes, fields);
                Told { level, ..Told::default() }
            }
            Family::AccessPt | Family::AccessTc => {
                access::fill(head, bytes, fields);
                Told::default()
            }
            Family::Equinox => Told { level: osgi::fill(head, bytes, fields), ..Told::default() },
            Family::Tdump => {
                fields.span(FieldId::THREAD_NAME, head.thread);
                fields.span(FieldId::MESSAGE, trimmed(bytes, 0, bytes.len()));
                Told::default()
            }
            Family::Json => {
                let (level, payload) = objects::line(bytes, fields);
                Told { level, payload, zone: None }
            }
            Family::Own => {
                let Some(format) = own.of(head) else { return Told::default() };
                let filled = format.fill(head, piece.lines, bytes, fields);
                let payload = content(head, dataset, filled.message, bytes, fields);
                let banner = banner::may_speak(head.logger.of(bytes));
                let zone = if banner { zone::of_banner(head.logger.into(), filled.message, bytes) } else { None };
                Told { level: filled.level, payload: filled.stamp.or(payload), zone }
            }
            Family::Logfmt => Told { level: objects::logfmt(bytes, fields), ..Told::default() },
            _ => {
                let (level, message): (Level, Span) = carbon::fill(head, piece.lines, bytes, fields);
                let payload = content(head, dataset, message, bytes, fields);
                let banner = banner::may_speak(head.logger.of(bytes));
                let zone = if banner { zone::of_banner(head.logger.into(), message, bytes) } else { None };
                Told { level, payload, zone }
            }
        }
    }

    /// Fills from the inside of the lines; what is no span of the file's own bytes becomes a literal.
    fn fill_wrapped(&mut self, wrapper: Wrapper, piece: &Piece, dataset: Dataset, bytes: &[u8], own: &Formats) -> Told {
        let mut inside = std::mem::take(&mut self.inside);
        inside.clear();
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            wrapper.unwrap_into(line, &mut inside);
        }
        let mut told = self.read(piece, dataset, &inside, own);
        if self.templates != Templates::None {
            self.add_template(&inside);
        }
        let first = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |i| i + 1);
        if told.payload.is_none() && piece.head.as_ref().is_none_or(|h| !h.stamp.valid) {
            told.payload = wrapper.time(&bytes[..first]);
        }
        let skip = wrapper.slice_of(&bytes[..first]);
        // The line end of a line that goes on in the next one is no part of what is inside.
        let end = first - usize::from(bytes[..first].ends_with(b"\n") && wrapper.goes_on(&bytes[..first]));
        self.fields.unwrapped(&inside, skip.map(|skip| (skip, end.saturating_sub(skip))));
        self.inside = inside;
        told
    }
}

/// What a template is the template of: from the message to the event's end, as free-text search has it.
pub(crate) fn text_of<'a>(message: Option<&'a Value>, bytes: &'a [u8]) -> &'a [u8] {
    match message {
        Some(Value::Literal(text)) => text.as_bytes(),
        Some(Value::Span { start, .. }) => text_from(bytes, *start as usize),
        Some(Value::Int(_)) | None => text_from(bytes, 0),
    }
}

fn text_from(bytes: &[u8], start: usize) -> &[u8] {
    bytes.get(start..).unwrap_or_default().trim_ascii_end()
}

/// Adds the fields that a message of a known kind has; gives the time it tells.
fn content(head: &Head, dataset: Dataset, message: Span, bytes: &[u8], fields: &mut Fields) -> Option<Stamp> {
    let logger = head.logger.of(bytes);
    match head.family {
        Family::Corr => return correlation::fill(message, bytes, fields),
        Family::Own if dataset == Dataset::Correlation => return correlation::fill(message, bytes, fields),
        Family::Own if matches!(dataset, Dataset::Metrics | Dataset::Analytics) => {
            return objects::analytics(message, bytes, fields);
        }
        Family::Gwtrace | Family::MiMetric => match dataset {
            Dataset::Metrics | Dataset::Analytics => return objects::analytics(message, bytes, fields),
            _ if memchr::memmem::find(message.of(bytes), b"ANALYTICS_DATA {").is_some() => {
                return objects::analytics(message, bytes, fields);
            }
            _ => {}
        },
        _ if dataset == Dataset::Audit || logger == b"AUDIT_LOG" => return audit::fill(message, bytes, fields),
        _ if logger == b"API_LOG" => objects::api_log(message, bytes, fields),
        _ if banner::may_speak(logger) => banner::fill(head.logger.into(), message, bytes, fields),
        _ if logger.ends_with(b"wire") => carbon::wire(message, bytes, fields),
        _ => {}
    }
    None
}
