//! Says in words why a line is or is not a head, for people who ask why an event was cut where it was.

use crate::framing::content;
use crate::head::{self, Fixed, Head, WINDOW};
use crate::span::Cursor;
use crate::wrapper::{self, Wrapper};
use crate::{Family, FileFacts, Format, Formats, heads, stamp};

/// Why `line` is or is not the first line of an event, in a file of which `facts` are known, with `formats` of its own, and
/// at a place where events of the family `around` are (`Family::None`: before the first head).
pub fn explain(facts: &FileFacts, formats: &Formats, around: Family, line: &[u8]) -> String {
    let line = content(line);
    let fixed = match (facts.family, around) {
        (Some(family), _) => Fixed::Configured(family),
        (None, Family::None) => Fixed::Open,
        (None, family) if heads::fixed::locks(family) => Fixed::Content(family),
        (None, _) => Fixed::No,
    };
    if !wrapper::is_certain(line)
        && let Some(said) = said_of_head(formats, fixed, line, "")
    {
        return said;
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
    said_of_head(formats, fixed, inside, around).unwrap_or_else(|| {
        let built_in = if formats.share() { why_not(inside) } else { "the file has no heads but those of its format" };
        let own: String = formats.list().iter().map(|format| format!("; {}", format.explain(inside))).collect();
        format!("{around}no head: {built_in}{own}")
    })
}

/// What is said of a line that is a head: in one of the file's own formats, or by itself.
fn said_of_head(formats: &Formats, fixed: Fixed, line: &[u8], around: &str) -> Option<String> {
    if let Some((head, format)) = formats.recognise(line).and_then(|head| Some((head, formats.of(&head)?))) {
        return Some(of_own(&head, format, line, around));
    }
    head::recognise_in(line, fixed).filter(|_| formats.share()).map(|head| of_head(&head, line, around))
}

fn of_own(head: &Head, format: &Format, line: &[u8], around: &str) -> String {
    let mut text = format!("{around}{}", format.explain(line));
    for (name, part) in [("level", head.level), ("logger", head.logger)] {
        if !part.is_empty() {
            text.push_str(&format!(", {name} `{}`", String::from_utf8_lossy(part.of(line))));
        }
    }
    text
}

fn of_head(head: &Head, line: &[u8], around: &str) -> String {
    let mut text = match head.family {
        Family::None if head.single => format!("{around}a proxy's access line"),
        Family::None => format!("{around}head by the time and level it begins with, in a layout that is no known one"),
        family => format!("{around}head of family `{}`", family.name()),
    };
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
        Some(_) if heads::fixed::begins(line).is_some() => {
            "its shape counts as a head only in a file that begins with it or is configured to it"
        }
        Some(b'[') if time_at(0) => {
            "it begins with a time, but no level, logger or dash follows as in any known layout"
        }
        Some(b'[') => "it begins with a bracket, but not with a time like `[2026-04-22 11:02:00,317]`",
        Some(b'0'..=b'9') => "it begins with a digit, but not with a known date or clock, and is no access line",
        Some(_) => "it begins like no known head",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use crate::FormatSpec;
    use crate::own::Syntax;

    #[test]
    fn says_what_it_saw() {
        let facts = FileFacts { name: "wso2carbon.log".into(), family: None };
        let none = Formats::default();
        let said = |line: &str| explain(&facts, &none, Family::None, line.as_bytes());
        assert_eq!(
            said("TID: [-1234] [] [2026-04-22 11:02:00,317]  INFO {org.A} - started\n"),
            "head of family `tid`, level `INFO`, logger `org.A`, tenant `-1234`, message from byte 58"
        );
        assert_eq!(said("\tat a.b.C\n"), "no head: it begins with a blank or a tab");
        assert!(said("TID: [-1234] [] 2026-04-22 11:02:00,317 INFO").starts_with("no head: it begins with `TID: `"));
        assert!(said("svc_1  | [2026-04-22 11:02:00,317]  INFO {A} - x").starts_with("inside a docker-compose prefix"));
        assert!(said("[2026-02-30 11:02:00,317]  INFO {A} - x").contains("no clock shows"));
        assert!(said("{\"level\":\"INFO\",\"message\":\"x\",\"time\":\"\"}").starts_with("head of family `json`"));
        let inside = explain(&facts, &none, Family::Plain, b"{\"level\":\"INFO\",\"message\":\"x\",\"time\":\"\"}");
        assert!(inside.contains("only in a file that begins with it"), "{inside}");
    }

    #[test]
    fn own_formats_are_explained_too() {
        let facts = FileFacts { name: "own.log".into(), family: None };
        let of = |syntax, text: &str| Formats::new([Format::new(FormatSpec::new("mine", syntax, text)).unwrap()]);
        let layout = of(Syntax::Layout, "%d | %p | %c | %m%n");
        let said = |formats: &Formats, line: &str| explain(&facts, formats, Family::None, line.as_bytes());
        let head = said(&layout, "2026-04-22 11:02:13,541 | INFO | a.B | hello\n");
        assert_eq!(head, "head of format `mine`, message from byte 39, level `INFO`, logger `a.B`");
        let not = explain(&facts, &layout, Family::Own, b"2026-04-22 11:02:13,541 | INFO - a.B | hello\n");
        assert!(not.contains("; no head of format `mine`: it fits up to byte 30, then ` | ` should follow"), "{not}");
        // Known shapes count beside a layout's, and not beside an expression's.
        let known = "[2026-04-22 11:02:00,317]  INFO {A} - x\n";
        assert!(said(&layout, known).starts_with("head of family `plain`"));
        let regex = of(Syntax::Regex, "(?P<level>[A-Z]+) job (?P<message>.*)");
        assert!(said(&regex, "INFO job done\n").starts_with("head of format `mine`"));
        let not = said(&regex, known);
        assert!(not.starts_with("no head: the file has no heads but those of its format; no head of format"), "{not}");
        assert!(said(&layout, "am_1 | 2026-04-22 11:02:13,541 | INFO | a.B | hello\n").starts_with("inside a docker"));
    }
}
