//! The start of a Carbon server, as its own lines tell it: product, version, Java, system, locale, zone, how long it
//! took. The account that runs the server is left out.

use super::{Fields, trimmed};
use crate::FieldId;
use crate::span::Span;

/// Whether a logger may be one of those that [`fill`] knows: nearly none is, and its last bytes tell so at once.
#[inline]
pub(crate) fn may_speak(logger: &[u8]) -> bool {
    let Some(end) = logger.last_chunk() else { return false };
    let end = u64::from_le_bytes(*end);
    // All are compared, because which one differs cannot be guessed.
    ENDS.iter().fold(false, |known, name| known | (u64::from_le_bytes(**name) == end))
}

/// The last bytes of the classes that [`fill`] knows.
const ENDS: [&[u8; 8]; 5] = [b"ctivator", b"omponent", b"inalizer", b"pHandler", b"rManager"];

/// Adds what a line of the start banner tells; nothing for events of other loggers.
pub(crate) fn fill(logger: Span, message: Span, bytes: &[u8], fields: &mut Fields) {
    let name = logger.of(bytes);
    if name.ends_with(b"CarbonCoreActivator") {
        core(message, bytes, fields);
    } else if STARTED.iter().any(|class| name.ends_with(class)) {
        started(message.of(bytes), fields);
    } else if name.ends_with(b"CarbonServerManager") || name.ends_with(b"ServerManager") {
        let text = message.of(bytes);
        if text.starts_with(b"Shutdown complete") || text.starts_with(b"Halting JVM") {
            fields.literal(FieldId::EVENT_ACTION, "server-stopped");
        } else if text.starts_with(b"Shutting down") {
            fields.literal(FieldId::EVENT_ACTION, "server-stopping");
        }
    }
}

/// The classes that say how long a start took: Carbon 4, Micro Integrator, Carbon 5.
const STARTED: [&[u8]; 3] = [b"StartupFinalizerServiceComponent", b"StartupFinalizer", b"CarbonStartupHandler"];

/// `WSO2 Carbon started in 69 sec`, `WSO2 Micro Integrator started in 8.51 seconds`.
fn started(text: &[u8], fields: &mut Fields) {
    const WORDS: &[u8] = b" started in ";
    let Some(at) = memchr::memmem::find(text, WORDS).filter(|_| text.starts_with(b"WSO2 ")) else { return };
    fields.literal(FieldId::EVENT_ACTION, "server-started");
    let mut nanos = Some(0i64);
    let mut unit = 1_000_000_000i64;
    let mut fraction = false;
    for byte in &text[at + WORDS.len()..] {
        match byte {
            b'0'..=b'9' if fraction => {
                unit /= 10;
                nanos = nanos.and_then(|n| n.checked_add(i64::from(byte - b'0') * unit));
            }
            b'0'..=b'9' => {
                let digit = i64::from(byte - b'0') * unit;
                nanos = nanos.and_then(|n| n.checked_mul(10)?.checked_add(digit));
            }
            b',' if !fraction => {} // between thousands
            b'.' if !fraction => fraction = true,
            _ => break,
        }
    }
    if let Some(nanos) = nanos.filter(|n| *n > 0) {
        fields.int(FieldId::EVENT_DURATION, nanos);
    }
}

fn core(message: Span, bytes: &[u8], fields: &mut Fields) {
    let text = message.of(bytes);
    if text.starts_with(b"Starting WSO2 Carbon") {
        fields.literal(FieldId::EVENT_ACTION, "server-starting");
        return;
    }
    let Some(colon) = memchr::memchr(b':', text) else { return };
    let start = message.start as usize;
    let value = trimmed(bytes, start + colon + 1, message.end());
    match text[..colon].trim_ascii_end() {
        b"Operating System" => fields.span(FieldId::OS_NAME, value),
        b"Java Version" => fields.span(FieldId::JAVA_VERSION, value),
        b"Carbon Home" => product(value, bytes, fields),
        b"User" => {
            let text = value.of(bytes);
            let Some(zone) = memchr::memmem::rfind(text, b", ") else { return };
            let Some(locale) = memchr::memmem::rfind(&text[..zone], b", ") else { return };
            let at = value.start as usize;
            fields.span(FieldId::LOCALE, Span::new(at + locale + 2, at + zone));
            fields.span(FieldId::TIMEZONE, Span::new(at + zone + 2, value.end()));
        }
        _ => {}
    }
}

/// Product and version in the name of the home folder (`…/wso2am-4.5.0`).
fn product(home: Span, bytes: &[u8], fields: &mut Fields) {
    let text = home.of(bytes);
    let mut at = 0;
    for part in text.split(|b| matches!(b, b'/' | b'\\')) {
        let dash = part.windows(2).position(|w| w[0] == b'-' && w[1].is_ascii_digit());
        if let Some(dash) = dash.filter(|_| part.starts_with(b"wso2")) {
            let start = home.start as usize + at;
            fields.span(FieldId::SERVICE_TYPE, Span::new(start, start + dash));
            fields.span(FieldId::SERVICE_VERSION, Span::new(start + dash + 1, start + part.len()));
            return;
        }
        at += part.len() + 1;
    }
}
