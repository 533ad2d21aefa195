//! Events as text for people: time, level, product, file, message, and the further lines below.

use crate::out::Out;
use anstyle::{AnsiColor, Style};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Appends an event. Bytes that would steer a terminal are shown, not sent.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn event(out: &mut Out, event: &Value) -> anyhow::Result<()> {
    let text = |name: &str| event[name].as_str().unwrap_or("");
    let level = text("log.level");
    let mut head = out.styled(AnsiColor::BrightBlack.on_default(), text("@timestamp"));
    head.push(' ');
    head.push_str(&out.styled(level_style(level), &format!("{:5}", harmless(level))));
    let file = text("log.file.name");
    let file = if file.is_empty() { text("log.file.path") } else { file };
    for part in [text("host.name"), text("service.type"), file] {
        if !part.is_empty() {
            head.push(' ');
            head.push_str(&out.styled(AnsiColor::Cyan.on_default(), &harmless(part)));
        }
    }
    let logger = text("log.logger");
    if !logger.is_empty() {
        head.push(' ');
        head.push_str(&out.styled(Style::new().dimmed(), &harmless(logger)));
    }
    let mut lines = body(event).lines().map(harmless).collect::<Vec<_>>().into_iter();
    out.line(&format!("{head} {}", lines.next().unwrap_or_default()))?;
    lines.try_for_each(|line| out.line(&line))
}

/// Appends a page of events; a piece that goes on from another of the page is drawn below it, as one event.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn page(out: &mut Out, events: &[Value]) -> anyhow::Result<()> {
    let ids: HashSet<&str> = events.iter().filter_map(|event| event["id"].as_str()).collect();
    let mut pieces: HashMap<&str, Vec<&Value>> = HashMap::new();
    for event in events {
        if let Some(before) = event["wso2.continues"].as_str().filter(|id| ids.contains(id)) {
            pieces.entry(before).or_default().push(event);
        }
    }
    for start in events {
        if start["wso2.continues"].as_str().is_some_and(|id| ids.contains(id)) {
            continue;
        }
        event(out, start)?;
        let mut last = start;
        while let Some(next) = last["id"].as_str().and_then(|id| pieces.get_mut(id)).and_then(Vec::pop) {
            rest(out, next, 0)?;
            last = next;
        }
    }
    Ok(())
}

/// Appends the lines of an event from byte `from` of its text on.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn rest(out: &mut Out, event: &Value, from: usize) -> anyhow::Result<()> {
    let text = body(event);
    text.get(from.min(text.len())..).unwrap_or("").lines().try_for_each(|line| out.line(&harmless(line)))
}

/// The event's own text from its message on.
pub(crate) fn body(event: &Value) -> &str {
    let message = event["message"].as_str().unwrap_or("");
    match event["event.original"].as_str() {
        // The message stands in the bytes; what follows it are the further lines.
        Some(original) if !message.is_empty() => {
            original.find(message).and_then(|at| original.get(at..)).unwrap_or(message)
        }
        Some(original) => original,
        None => message,
    }
}

fn level_style(level: &str) -> Style {
    match level {
        "ERROR" | "FATAL" | "error" | "fatal" => AnsiColor::Red.on_default().bold(),
        "WARN" | "warn" => AnsiColor::Yellow.on_default(),
        "INFO" | "info" => AnsiColor::Green.on_default(),
        _ => Style::new().dimmed(),
    }
}

/// The text with control characters made visible: a log line must not steer the reader's terminal.
fn harmless(text: &str) -> String {
    if !text.chars().any(|c| c.is_control() && c != '\t') {
        return text.to_owned();
    }
    text.chars()
        .map(|c| match c {
            '\t' => '\t',
            '\u{7f}' => '\u{2421}',
            c if (c as u32) < 0x20 => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_shown_and_not_sent() {
        assert_eq!(harmless("a\u{1b}[31mb\tc"), "a\u{241b}[31mb\tc");
        assert_eq!(harmless("\u{9b}0m"), "\u{fffd}0m");
    }

    #[test]
    fn further_lines_follow_the_message() {
        let event = serde_json::json!({"message": "it failed", "event.original": "TID: [] it failed\n\tat a.B.c\n"});
        assert_eq!(body(&event), "it failed\n\tat a.B.c\n");
        assert_eq!(body(&serde_json::json!({"message": "alone"})), "alone");
    }
}
