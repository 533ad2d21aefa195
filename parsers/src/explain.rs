//! Says in words why a line is or is not a head, for people who ask why an event was cut where it was.

use crate::framing::content;
use crate::head::{self, Fixed, Head, WINDOW};
use crate::span::Cursor;
use crate::wrapper::{self, Wrapper};
use crate::{Family, FileFacts, heads, stamp};

/// Why `line` is or is not the first line of an event, in a file of which `facts` are known and at a place where events
/// of the family `around` are (`Family::None`: before the first head).
pub fn explain(facts: &FileFacts, around: Family, line: &[u8]) -> String {
    let line = content(line);
    let fixed = match (facts.family, around) {
        (Some(family), _) => Fixed::Configured(family),
        (None, Family::None) => Fixed::Open,
        (None, family) if heads::fixed::locks(family) => Fixed::Content(family),
        (None, _) => Fixed::No,
    };
    if let Some(head) = head::recognise_in(line, fixed) {
        return of_head(&head, line, "");
    }
    let mut inside = Vec::new();
    let wrapper = wrapper::of_line(line);
    wrapper.unwrap_into(line, &mut inside);
    let inside = content(&inside);
    let around = match wrapper {
        Wrapper::None => "",
        Wrapper::Compose => "inside a docker-compose prefix, ",
        Wrapper::Cri => "inside a CRI prefix, ",
        Wrapper::DockerJson => "inside Docker's JSON object, ",
        Wrapper::Service => "inside the service wrapper's columns, ",
        Wrapper::Stamped => "behind a container tool's time, ",
        Wrapper::Pod => "behind a pod's name, ",
        Wrapper::Journal => "behind a syslog header, ",
        Wrapper::Ansi => "without its colours, ",
    };
    match head::recognise_in(inside, fixed) {
        Some(head) => of_head(&head, inside, around),
        None => format!("{around}no head: {}", why_not(inside)),
    }
}

fn of_head(head: &Head, line: &[u8], around: &str) -> String {
    let mut text = format!("{around}head of family `{}`", head.family.name());
    let parts = [
        ("level", head.level),
        ("logger", head.logger),
        ("thread", head.thread),
        ("tenant", head.tenant),
        ("app or server", head.app),
        ("correlation id", head.correlation),
        ("client", head.peer),
    ];
    for (name, span) in parts {
        if !span.is_empty() {
            text.push_str(&format!(", {name} `{}`", String::from_utf8_lossy(span.of(line))));
        }
    }
    if head.stamp.dated && head.stamp.day.is_none() || head.stamp.second > 0 && !head.stamp.valid {
        text.push_str(", a time that no clock shows");
    }
    text.push_str(&format!(", message from byte {}", head.message));
    text
}

fn why_not(line: &[u8]) -> &'static str {
    let line = &line[..line.len().min(WINDOW)];
    let time_at = |at: usize| stamp::bracketed(&mut Cursor::new(line, at)).is_some();
    match line.first() {
        None => "an empty line belongs to the event before it",
        Some(b' ' | b'\t') => "it begins with a blank or a tab",
        Some(b'T') if line.starts_with(b"TID: ") => {
            "it begins with `TID: `, but brackets with a time, a level, `{logger}` and a dash do not follow"
        }
        Some(b'[') if time_at(0) => {
            "it begins with a time, but no level, logger or dash follows as in any known layout"
        }
        Some(b'[') => "it begins with a bracket, but not with a time like `[2026-04-22 11:02:00,317]`",
        Some(b'0'..=b'9') => "it begins with a digit, but not with a known date or clock, and is no access line",
        Some(_) if heads::fixed::begins(line).is_some() => {
            "its shape counts as a head only in a file that begins with it or is configured to it"
        }
        Some(_) => "it begins like no known head",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_it_saw() {
        let facts = FileFacts { name: "wso2carbon.log".into(), family: None };
        let said = |line: &str| explain(&facts, Family::None, line.as_bytes());
        assert_eq!(
            said("TID: [-1234] [] [2026-04-22 11:02:00,317]  INFO {org.A} - started\n"),
            "head of family `tid`, level `INFO`, logger `org.A`, tenant `-1234`, message from byte 58"
        );
        assert_eq!(said("\tat a.b.C\n"), "no head: it begins with a blank or a tab");
        assert!(said("TID: [-1234] [] 2026-04-22 11:02:00,317 INFO").starts_with("no head: it begins with `TID: `"));
        assert!(said("svc_1  | [2026-04-22 11:02:00,317]  INFO {A} - x").starts_with("inside a docker-compose prefix"));
        assert!(said("[2026-02-30 11:02:00,317]  INFO {A} - x").contains("no clock shows"));
        assert!(said("{\"level\":\"INFO\",\"message\":\"x\",\"time\":\"\"}").starts_with("head of family `json`"));
        let inside = explain(&facts, Family::Plain, b"{\"level\":\"INFO\",\"message\":\"x\",\"time\":\"\"}");
        assert!(inside.contains("only in a file that begins with it"), "{inside}");
    }
}
