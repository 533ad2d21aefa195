//! Redaction through the parser: nothing of a secret in any byte that is handed out, however the stream is read and
//! cut; lines come out the same wherever cuts stand between them; offsets stay those of the file.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use parsers::redact::{Action, Class, Rule, Rules};
use parsers::{Context, Cut, FieldId, FileFacts, Flags, Input, InputAt, Offset, Parser, Value};
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};

static RULES: LazyLock<Arc<Rules>> = LazyLock::new(rules);

fn rules() -> Arc<Rules> {
    let mut rules: Vec<Rule> = Rules::group("secrets")
        .unwrap()
        .map(|class: Class| Rule { name: class.name().to_owned(), action: Action::Mask, pattern: None })
        .collect();
    rules.push(Rule { name: "order".to_owned(), action: Action::Mask, pattern: Some(r"ORD-(\w+)".to_owned()) });
    Arc::new(Rules::new(&rules, None).unwrap())
}

/// One way to read a stream: sizes of the reads, and the places where it is cut.
#[derive(Clone, Debug)]
struct Reading {
    reads: Vec<usize>,
    cuts: Vec<usize>,
    /// After which reads a shipper starts anew, from the mark.
    restarts: bool,
}

/// All events, and every version of an open event.
struct Out {
    events: Vec<(u64, u32, Vec<u8>, Flags)>,
    provisional: Vec<Vec<u8>>,
}

fn read(text: &[u8], reading: &Reading) -> Out {
    let facts = FileFacts { name: "wso2carbon.log".to_owned(), family: None };
    let new = |offset, context| {
        let mut parser = Parser::new(facts.clone(), offset, context);
        parser.redact(Some(Arc::clone(&RULES)));
        parser
    };
    let mut parser = new(Offset(0), Context::default());
    let mut cuts: Vec<u64> = reading.cuts.iter().map(|c| *c as u64).collect();
    cuts.push(text.len() as u64);
    cuts.sort_unstable();
    cuts.dedup();
    let inputs: Vec<InputAt> = cuts.iter().map(|at| InputAt { at: Offset(*at), input: Input::Cut }).collect();
    let mut out = Out { events: Vec::new(), provisional: Vec::new() };
    let mut to = 0;
    let mut reads = reading.reads.iter().copied().cycle();
    while to < text.len() {
        to = (to + reads.next().unwrap().max(1)).min(text.len());
        // An input is known only when the bytes before it were read.
        let known = inputs.partition_point(|i| i.at.0 <= to as u64);
        let from = parser.offset().0 as usize;
        parser.advance(&text[from..to], &inputs[..known], &mut |event, bytes| {
            out.events.push((event.offset.0, event.size, bytes.to_vec(), event.flags));
        });
        let from = parser.offset().0 as usize;
        if let Some(open) = parser.provisional(&text[from..to]) {
            out.provisional.push(open.bytes.into_owned());
        }
        if reading.restarts {
            let context = Context::decode(&parser.context().encode()).unwrap();
            parser = new(parser.offset(), context);
        }
    }
    assert_eq!(parser.cut_place(&text[parser.offset().0 as usize..], Cut::Everything), None);
    out
}

impl Out {
    fn text(&self) -> String {
        let bytes: Vec<u8> = self.events.iter().flat_map(|(.., bytes, _)| bytes.clone()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A part of a line, with the secret that stands in it.
fn part() -> impl Strategy<Value = (String, Option<String>)> {
    let secret = "[A-Z0-9]{10,40}".prop_map(|s| format!("Qz{s}"));
    let long = "[A-Z0-9]{1200,1300}".prop_map(|s| format!("Qz{s}"));
    let begin = format!("-----BEGIN {} KEY-----", "PRIVATE");
    let end = format!("-----END {} KEY-----", "PRIVATE");
    prop_oneof![
        6 => "[a-z ]{1,30}".prop_map(|text| (text, None)),
        1 => Just(("\n".to_owned(), None)),
        1 => Just(("\n[2026-11-25 10:00:00,000]  INFO {org.wso2.Test} - ".to_owned(), None)),
        1 => Just(("\n\tat org.wso2.Test.run(Test.java:7)\n".to_owned(), None)),
        2 => secret.clone().prop_map(|s| (format!(" password={s} "), Some(s))),
        1 => secret.clone().prop_map(|s| (format!(" \"client_secret\":\"{s}\","), Some(s))),
        1 => secret.clone().prop_map(|s| (format!(" Authorization: Bearer {s} "), Some(s))),
        1 => long.prop_map(|s| (format!(" Authorization: Basic {s} "), Some(s))),
        1 => secret.clone().prop_map(|s| (format!(" <ns:Password x='1'>{s}</ns:Password>"), Some(s))),
        1 => secret.clone().prop_map(|s| (format!(" <Password>\n{s}\n</Password>"), Some(s))),
        1 => secret.clone().prop_map(|s| (format!(" jdbc://me:{s}@host "), Some(s))),
        1 => secret.clone().prop_map(|s| (format!(" JSESSIONID={s}; "), Some(s))),
        1 => secret.clone().prop_map(|s| (format!(" ORD-{s} "), Some(s))),
        2 => prop::collection::vec(secret, 1..4).prop_map(move |lines| {
            (format!(" {begin}\n{}\n{end} ", lines.join("\n")), Some(lines.join("\n")))
        }),
    ]
}

fn stream() -> impl Strategy<Value = (Vec<u8>, Vec<String>)> {
    prop::collection::vec(part(), 1..14).prop_map(|parts| {
        let text: String = parts.iter().map(|(text, _)| text.as_str()).collect();
        let secrets = parts.into_iter().filter_map(|(_, secret)| secret);
        (
            format!("{text}\n").into_bytes(),
            secrets.flat_map(|s| s.lines().map(str::to_owned).collect::<Vec<_>>()).collect(),
        )
    })
}

/// Any six bytes of a secret that stand in `bytes`.
fn leak<'s>(bytes: &[u8], secrets: &'s [String]) -> Option<&'s str> {
    let windows = secrets.iter().flat_map(|s| (0..s.len().saturating_sub(5)).map(move |i| &s[i..i + 6]));
    windows.into_iter().find(|w| memchr::memmem::find(bytes, w.as_bytes()).is_some())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_of_a_secret_is_handed_out(
        (text, secrets) in stream(),
        reads in prop::collection::vec(prop_oneof![1usize..10, 10usize..400], 2..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        restarts in any::<bool>(),
    ) {
        // Cuts stand anywhere, inside of lines too: the end of a generation, a line that does not go on.
        let cuts = cuts.iter().map(|c| 1 + c.index(text.len())).collect();
        let out = read(&text, &Reading { reads, cuts, restarts });
        for bytes in out.events.iter().map(|(.., bytes, _)| bytes).chain(&out.provisional) {
            let found = leak(bytes, &secrets);
            prop_assert!(
                found.is_none(),
                "{found:?} in {:?} of {:?}",
                String::from_utf8_lossy(bytes),
                String::from_utf8_lossy(&text)
            );
        }
        let mut at = 0;
        for (offset, size, ..) in &out.events {
            prop_assert_eq!(*offset, at, "events tile the file's bytes");
            at += u64::from(*size);
        }
        prop_assert_eq!(at, text.len() as u64);
    }

    #[test]
    fn lines_are_the_same_however_the_stream_is_read_and_cut_between_them(
        (text, _) in stream(),
        reads in prop::collection::vec(prop_oneof![1usize..10, 10usize..400], 2..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        restarts in any::<bool>(),
    ) {
        let ends: Vec<usize> = memchr::memchr_iter(b'\n', &text).map(|i| i + 1).collect();
        let cuts = cuts.iter().map(|c| ends[c.index(ends.len())]).collect();
        let whole = read(&text, &Reading { reads: vec![text.len()], cuts: Vec::new(), restarts: false });
        let parts = read(&text, &Reading { reads, cuts, restarts });
        prop_assert_eq!(whole.text(), parts.text());
    }
}

#[test]
fn fields_are_those_of_the_redacted_bytes_and_offsets_those_of_the_file() {
    let text = b"TID: [-1234] [] [2026-11-25 10:00:00,000]  WARN {org.wso2.Test} - password=hunter2 for bob\n\
        TID: [-1234] [] [2026-11-25 10:00:01,000]  INFO {org.wso2.Test} - next\n";
    let mut parser =
        Parser::new(FileFacts { name: "wso2carbon.log".into(), family: None }, Offset(0), Context::default());
    parser.redact(Some(Arc::clone(&RULES)));
    let mut seen = Vec::new();
    parser.advance(text, &[InputAt { at: Offset(text.len() as u64), input: Input::Cut }], &mut |event, bytes| {
        let Some(Value::Span { start, len }) = event.get(FieldId::MESSAGE) else { panic!("no message") };
        let message = String::from_utf8_lossy(&bytes[*start as usize..(*start + *len) as usize]).into_owned();
        seen.push((
            event.offset.0,
            event.size,
            event.flags.has(Flags::REDACTED),
            message,
            event.get(FieldId::REDACTED_CLASSES).cloned(),
        ));
    });
    let first = text.iter().position(|b| *b == b'\n').unwrap() + 1;
    assert_eq!(
        seen[0],
        (0, first as u32, true, "password=‹password_0› for bob".to_owned(), Some(Value::Literal("password".into())))
    );
    assert_eq!(seen[1], (first as u64, (text.len() - first) as u32, false, "next".to_owned(), None));
    assert_eq!(parser.take_redacted(), [("password".to_owned(), 1)]);
    assert_eq!(parser.take_redacted(), []);
}

#[test]
fn a_head_that_a_secret_stands_in_is_found_again() {
    let text = b"10.1.2.3 - - [25/Nov/2026:10:00:00 +0000] \"GET /a?access_token=abcdef123456&x=1 HTTP/1.1\" 200 12 \"-\" \"curl\"\n\
        TID: [-1234] [password=abcdef] [2026-11-25 10:00:00,000]  WARN {org.wso2.Test} - text\n";
    let mut parser = Parser::new(FileFacts { name: "x.log".into(), family: None }, Offset(0), Context::default());
    parser.redact(Some(Arc::clone(&RULES)));
    let mut seen = Vec::new();
    parser.advance(text, &[InputAt { at: Offset(text.len() as u64), input: Input::Cut }], &mut |event, bytes| {
        assert!(leak(bytes, &["abcdef123456".to_owned()]).is_none());
        seen.push((event.family, event.time.is_some(), event.flags.has(Flags::REDACTED), bytes.to_vec()));
    });
    assert!(seen.iter().all(|(_, time, redacted, _)| *time && *redacted), "{seen:?}");
    assert!(String::from_utf8_lossy(&seen[0].3).contains("access_token=‹password_0›&x=1"));
}
