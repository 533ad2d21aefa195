//! What a message must look like to be taken at all. A sender's mistake is refused with the offset of what is wrong
//! (protocol rule 22), so that it can send the rest.

use parsers::{Offset, Value};
use wire::{EventBody, EventsPayload, Fate, Open, Range, Ranges, Refusal};

/// Offsets have 48 bits in an event's id.
const OFFSET_MAX: u64 = (1 << 48) - 1;
/// Contexts are at most 1 KiB (protocol rule 11); a newer shipper may need more.
const CONTEXT_BYTES_MAX: usize = 4 << 10;
/// Anchors in one range: 16 and one every 4 MiB of it would do.
const ANCHORS_MAX: usize = 4096;
/// Longest reason kept with a range.
const REASON_BYTES_MAX: usize = 1024;
/// Longest text among a stream's factors, and most labels.
const FACTOR_BYTES_MAX: usize = 8 << 10;
const LABELS_MAX: usize = 256;

/// Why an `open` cannot be taken.
pub(super) fn open(open: &Open) -> Option<Refusal> {
    let factors = &open.factors;
    let labels = factors.labels.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    let others = [factors.product.as_deref(), factors.service.as_deref(), Some(&*factors.path), Some(&*factors.name)];
    let reason = if open.base.0 > OFFSET_MAX {
        "its base is beyond 2^48"
    } else if open.context.len() > CONTEXT_BYTES_MAX {
        "its context is too large"
    } else if factors.labels.len() > LABELS_MAX
        || labels.chain(others.into_iter().flatten()).any(|text| text.len() > FACTOR_BYTES_MAX)
    {
        "its path, names or labels are too large"
    } else {
        return None;
    };
    rejected(open.base, reason)
}

/// Why ranges cannot be taken.
pub(super) fn ranges(message: &Ranges, event_bytes_max: u64) -> Option<Refusal> {
    let mut at = message.ranges.first()?.from;
    for (i, range) in message.ranges.iter().enumerate() {
        let is_last = i + 1 == message.ranges.len();
        if let Some(refusal) = range_at(range, at, is_last).or_else(|| events_of(range, event_bytes_max)) {
            return Some(refusal);
        }
        at = range.to.unwrap_or(at);
    }
    None
}

fn range_at(range: &Range, at: Offset, is_last: bool) -> Option<Refusal> {
    let reason = match range.to {
        _ if range.from != at => "the range does not begin where the one before ends",
        None if !matches!(range.fate, Fate::Lost(_)) => "only a lost range may have an unknown end",
        None if !is_last => "nothing can follow a range of unknown end",
        Some(to) if to < range.from => "the range ends before it begins",
        Some(to) if to.0 > OFFSET_MAX => "the range ends beyond 2^48",
        _ if range.context.len() > CONTEXT_BYTES_MAX => "its context is too large",
        _ if range.anchors.len() > ANCHORS_MAX => "it has too many anchors",
        _ if !anchors_fit(range) => "its anchors do not ascend inside it",
        _ => return None,
    };
    rejected(range.from, reason)
}

fn anchors_fit(range: &Range) -> bool {
    let ascend = range.anchors.is_sorted_by(|a, b| a.at < b.at);
    let inside = |at: Offset| range.from <= at && range.to.is_none_or(|to| at <= to);
    ascend && range.anchors.iter().all(|anchor| inside(anchor.at))
}

fn events_of(range: &Range, event_bytes_max: u64) -> Option<Refusal> {
    let Fate::Events(payload) = &range.fate else { return None };
    let mut at = range.from;
    for event in &payload.events {
        if event.offset != at {
            return rejected(event.offset, "it does not begin where the event before ends");
        }
        at = Offset(at.0 + u64::from(event.size));
    }
    if range.to != Some(at) {
        return rejected(at, "the events do not end where their range ends");
    }
    self::payload(payload, event_bytes_max)
}

/// Why events cannot be taken.
fn payload(payload: &EventsPayload, event_bytes_max: u64) -> Option<Refusal> {
    lengths(payload).or_else(|| {
        payload.events.iter().find_map(|event| {
            let reason = event_fault(event, event_bytes_max)?;
            rejected(event.offset, reason)
        })
    })
}

/// Why events cannot even be told apart.
pub(super) fn lengths(payload: &EventsPayload) -> Option<Refusal> {
    let lengths: u64 = payload.events.iter().map(|event| u64::from(event.len)).sum();
    let first = payload.events.first().map_or(Offset(0), |event| event.offset);
    let add_up = lengths == payload.bytes.len() as u64;
    if add_up { None } else { rejected(first, "the events' lengths do not add up to the bytes sent") }
}

/// Why an event can never be taken.
pub(crate) fn event_fault(event: &EventBody, event_bytes_max: u64) -> Option<&'static str> {
    let outside = |value: &Value| matches!(value, Value::Span { start, len } if u64::from(*start) + u64::from(*len) > u64::from(event.len));
    if event.size == 0 {
        Some("an event has at least one byte")
    } else if event.offset.0.saturating_add(u64::from(event.size)) > OFFSET_MAX {
        Some("the event ends beyond 2^48")
    } else if u64::from(event.size.max(event.len)) > event_bytes_max {
        Some("the event is too large")
    } else if event.fields.iter().any(|field| outside(&field.value)) {
        Some("a field lies outside the event's bytes")
    } else {
        None
    }
}

/// A reason no longer than is kept.
pub(super) fn short(reason: &str) -> &str {
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

fn rejected(offset: Offset, reason: &str) -> Option<Refusal> {
    Some(Refusal::Rejected { offset, reason: reason.to_owned() })
}
