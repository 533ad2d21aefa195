//! The fields of access lines, with requests of any bytes: what follows the request is found by its status.
//!
//! Quoted: `"request" status bytes "referer" "agent"`; Tomcat of newer products prints the request and
//! sometimes the rest without quotes and the duration in seconds at the end.

use super::{Fields, number, trimmed};
use crate::FieldId;
use crate::head::Head;
use crate::span::Span;
use crate::template::ipv4;
use std::net::Ipv6Addr;

pub(crate) fn fill(head: &Head, bytes: &[u8], fields: &mut Fields) {
    let end = bytes.trim_ascii_end().len();
    address(head, bytes, fields);
    present(FieldId::USER_NAME, head.user.into(), bytes, fields);
    let from = usize::from(head.message).min(end);
    if let Some(place) = status_place(bytes, from, end) {
        request(place.request, bytes, fields);
        if let Some(status) = number(place.status.of(bytes)) {
            fields.int(FieldId::HTTP_STATUS, status);
        }
        if let Some(size) = number(place.size.of(bytes)) {
            fields.int(FieldId::HTTP_BYTES, size);
        }
        tail(bytes, place.size.end(), end, fields);
    }
    fields.span(FieldId::MESSAGE, Span::new(0, end));
}

/// A proxy's line as Envoy writes it unless told otherwise: request, status, flags, bytes received and sent,
/// milliseconds of the whole and of the upstream, forwarded-for list, agent, request id, host, upstream.
pub(crate) fn proxy(head: &Head, bytes: &[u8], fields: &mut Fields) {
    let end = bytes.trim_ascii_end().len();
    fields.span(FieldId::MESSAGE, Span::new(0, end));
    let Some(line) = quoted(bytes, usize::from(head.message), end) else { return };
    let mut at = line.end() + 1;
    let mut word = || {
        let word = token(bytes, at + 1, end);
        at = word.end();
        word
    };
    let status = word();
    if number(status.of(bytes)).is_none_or(|status| status > 599) {
        return;
    }
    request(line, bytes, fields);
    let (_flags, _received, sent, took, _upstream) = (word(), word(), word(), word(), word());
    for (id, value, scale) in
        [(FieldId::HTTP_STATUS, status, 1), (FieldId::HTTP_BYTES, sent, 1), (FieldId::EVENT_DURATION, took, 1_000_000)]
    {
        if let Some(number) = number(value.of(bytes)) {
            fields.int(id, number.saturating_mul(scale));
        }
    }
    for id in [FieldId::CLIENT_IP, FieldId::USER_AGENT, FieldId::CORRELATION_ID] {
        let Some(mut value) = quoted(bytes, at + 1, end) else { return };
        at = value.end() + 1;
        if id == FieldId::CLIENT_IP {
            value.len = memchr::memchr(b',', value.of(bytes)).map_or(value.len, |comma| comma as u32);
        }
        present(id, value, bytes, fields);
    }
}

/// The client: the first of the forwarded-for list, else the peer.
fn address(head: &Head, bytes: &[u8], fields: &mut Fields) {
    let mut span = Span::from(head.forwarded);
    if let Some(bare) = span.of(bytes).strip_suffix(b",") {
        span.len = bare.len() as u32;
    }
    if span.is_empty() || span.of(bytes) == b"-" {
        span = head.peer.into();
    }
    present(if is_ip(span.of(bytes)) { FieldId::CLIENT_IP } else { FieldId::CLIENT_ADDRESS }, span, bytes, fields);
}

/// Whether a host is an address. Those with colons are rare, and read by those who know them.
fn is_ip(host: &[u8]) -> bool {
    ipv4(host, 0) == Some(host.len())
        || memchr::memchr(b':', host).is_some()
            && std::str::from_utf8(host).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// Adds a span unless it is the dash that stands for nothing.
fn present(id: FieldId, span: Span, bytes: &[u8], fields: &mut Fields) {
    if span.of(bytes) != b"-" {
        fields.span(id, span);
    }
}

struct Place {
    request: Span,
    status: Span,
    size: Span,
}

/// Where the request ends: before a status and a size that stand alone.
fn status_place(bytes: &[u8], from: usize, end: usize) -> Option<Place> {
    let quoted = bytes.get(from) == Some(&b'"');
    let start = from + usize::from(quoted);
    if quoted && let Some(place) = after_first_quote(bytes, start, end) {
        return Some(place);
    }
    // Inside an unquoted request a number may look like a status; the protocol's version stands after it.
    let version = memchr::memmem::find(&bytes[from..end], b" HTTP/").map_or(start, |i| from + i + 1);
    let after_version = place_from(bytes, start, version, end, quoted);
    after_version.or_else(|| place_from(bytes, start, start, end, quoted))
}

/// Nearly all requests hold no quote: the first one ends them, after the protocol's version or not at all.
fn after_first_quote(bytes: &[u8], start: usize, end: usize) -> Option<Place> {
    let quote = start + memchr::memchr(b'"', &bytes[start..end])?;
    let request = Span::new(start, quote);
    let text = request.of(bytes);
    let versioned = text.len() > 9 && text[text.len() - 9..].starts_with(b" HTTP/");
    if bytes.get(quote + 1) != Some(&b' ') || !(versioned || text == b"- - " || text == b"-") {
        return None;
    }
    place_at(bytes, request, quote + 1, end)
}

/// A status and a size after the blank at `blank`.
fn place_at(bytes: &[u8], request: Span, blank: usize, end: usize) -> Option<Place> {
    let status = token(bytes, blank + 1, end);
    let size = token(bytes, status.end() + 1, end);
    let quoted = bytes.get(request.end()) == Some(&b'"');
    let is_status = status.of(bytes) == b"-" && quoted || status.len == 3 && number(status.of(bytes)).is_some();
    let is_size = size.of(bytes) == b"-" || number(size.of(bytes)).is_some();
    (is_status && is_size).then_some(Place { request, status, size })
}

fn place_from(bytes: &[u8], start: usize, from: usize, end: usize, quoted: bool) -> Option<Place> {
    memchr::memchr_iter(b' ', &bytes[from..end]).map(|i| from + i).find_map(|blank| {
        let request_end = if quoted { blank.checked_sub(1).filter(|i| bytes[*i] == b'"')? } else { blank };
        if request_end < start {
            return None;
        }
        place_at(bytes, Span::new(start, request_end), blank, end)
    })
}

/// What stands up to the next blank.
fn token(bytes: &[u8], from: usize, end: usize) -> Span {
    const SHORT_BYTES: usize = 8;
    let from = from.min(end);
    let rest = &bytes[from..end];
    // Statuses and sizes are short; for them a search costs more than the look.
    let short = rest.iter().take(SHORT_BYTES).position(|b| *b == b' ');
    let len = short.or_else(|| memchr::memchr(b' ', rest)).unwrap_or(rest.len());
    Span::new(from, from + len)
}

/// `METHOD url HTTP/version`, or whatever a broken client sent.
fn request(span: Span, bytes: &[u8], fields: &mut Fields) {
    let text = span.of(bytes);
    let start = span.start as usize;
    let method = text.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    if method == 0 || text.get(method) != Some(&b' ') {
        let nothing = text.iter().all(|b| matches!(b, b'-' | b' '));
        if !nothing {
            fields.span(FieldId::URL_ORIGINAL, trimmed(bytes, start, span.end()));
        }
        return;
    }
    fields.span(FieldId::HTTP_METHOD, Span::new(start, start + method));
    let mut end = span.end();
    // Nearly always `HTTP/1.1`, and nothing behind it.
    let usual = text.len().checked_sub(b" HTTP/1.1".len()).filter(|at| text[*at..].starts_with(b" HTTP/"));
    if let Some(blank) = usual.or_else(|| memchr::memmem::rfind(text, b" HTTP/")) {
        fields.span(FieldId::HTTP_VERSION, Span::new(start + blank + 6, end));
        end = start + blank;
    }
    url(trimmed(bytes, start + method, end), bytes, fields);
}

/// A URL as it was asked for: path and query.
pub(crate) fn url(url: Span, bytes: &[u8], fields: &mut Fields) {
    fields.span(FieldId::URL_ORIGINAL, url);
    let (from, to) = (url.start as usize, url.end());
    match memchr::memchr(b'?', url.of(bytes)) {
        Some(mark) => {
            fields.span(FieldId::URL_PATH, Span::new(from, from + mark));
            fields.span(FieldId::URL_QUERY, Span::new(from + mark + 1, to));
        }
        None => fields.span(FieldId::URL_PATH, url),
    }
}

/// Referrer, agent, duration: each quoted or not. Behind a quoted agent more may stand (`%D`, ids): it is left in the
/// message, but for a duration with a fraction, which is in seconds.
fn tail(bytes: &[u8], from: usize, end: usize, fields: &mut Fields) {
    let mut end = end;
    let last = memchr::memrchr(b' ', &bytes[from..end]).map_or(end, |i| from + i + 1);
    if let Some(nanos) = seconds(&bytes[last..end]) {
        fields.int(FieldId::EVENT_DURATION, nanos);
        end = last - 1;
    }
    let rest = trimmed(bytes, from, end);
    let (from, end) = (rest.start as usize, rest.end());
    let (referrer, agent) = match quoted(bytes, from, end) {
        Some(referrer) => (referrer, trimmed(bytes, referrer.end() + 1, end)),
        None => {
            let referrer = token(bytes, from, end);
            (referrer, trimmed(bytes, referrer.end(), end))
        }
    };
    present(FieldId::HTTP_REFERRER, referrer, bytes, fields);
    let inner = match agent.of(bytes) {
        [b'"', .., b'"'] => Span { start: agent.start + 1, len: agent.len - 2 },
        [b'"', inside @ ..] => match memchr::memrchr(b'"', inside) {
            Some(close) => {
                let words = inside[close + 1..].split(|b| *b == b' ');
                if let Some(nanos) = words.filter_map(seconds).next().filter(|_| !fields.has(FieldId::EVENT_DURATION)) {
                    fields.int(FieldId::EVENT_DURATION, nanos);
                }
                Span { start: agent.start + 1, len: close as u32 }
            }
            None => agent,
        },
        _ => agent,
    };
    present(FieldId::USER_AGENT, inner, bytes, fields);
}

/// The inside of `"…"` that a blank or the end follows.
fn quoted(bytes: &[u8], from: usize, end: usize) -> Option<Span> {
    if bytes.get(from..end)?.first() != Some(&b'"') {
        return None;
    }
    memchr::memchr_iter(b'"', &bytes[from + 1..end])
        .map(|i| from + 1 + i)
        .find(|quote| quote + 1 == end || bytes[quote + 1] == b' ')
        .map(|quote| Span::new(from + 1, quote))
}

/// Seconds with a fraction, as nanoseconds.
fn seconds(text: &[u8]) -> Option<i64> {
    const SCALES: [i64; 10] = [1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1000, 100, 10, 1];
    // The last word of a line may be of any length; a duration is not, and its whole part has 18 digits at most.
    let dot = text.iter().take(19).position(|b| *b == b'.')?;
    let (whole, fraction) = (number(&text[..dot])?, &text[dot + 1..]);
    whole.checked_mul(1_000_000_000)?.checked_add(number(fraction)? * SCALES.get(fraction.len())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    #[test]
    fn addresses_are_what_the_standard_library_calls_so() {
        for host in [
            "10.0.0.1",
            "255.255.255.255",
            "0.0.0.0",
            "10.0.0.256",
            "10.0.0.01",
            "10.0.0",
            "10.0.0.1.2",
            "10.0.0.1.",
            "10.0.0.1x",
            "1000.0.0.1",
            "::1",
            "2001:db8::7",
            "::ffff:10.0.0.1",
            "10.0.0.1:80",
            "host",
            "-",
            "",
        ] {
            assert_eq!(is_ip(host.as_bytes()), host.parse::<IpAddr>().is_ok(), "{host}");
        }
        assert!(!is_ip(b"\xff:1"));
    }

    #[test]
    fn durations_have_a_fraction() {
        for (text, nanos) in [
            ("0.002", Some(2_000_000)),
            ("12.5", Some(12_500_000_000)),
            ("1.123456789", Some(1_123_456_789)),
            ("1.1234567891", None),
            ("1.", None),
            (".5", None),
            ("7", None),
            ("1.2.3", None),
            ("9999999999999999999.5", None),
            ("999999999999999999.5", None),
        ] {
            assert_eq!(seconds(text.as_bytes()), nanos, "{text}");
        }
    }
}
