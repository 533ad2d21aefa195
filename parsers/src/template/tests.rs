//! The rule against a plain reading of its text, and what must hold for any message.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use super::*;
use proptest::prelude::*;

fn shown(message: &str) -> (String, Vec<String>) {
    let mut splitter = Splitter::new();
    let template = splitter.split(message.as_bytes());
    let text = String::from_utf8_lossy(template.text).replace('\u{11}', "*").replace('\u{12}', "@");
    let variables = template.variables.iter().map(|(a, b)| message[*a as usize..*b as usize].to_owned()).collect();
    (text, variables)
}

#[track_caller]
fn check(message: &str, text: &str, variables: &[&str]) {
    assert_eq!(shown(message), (text.to_owned(), variables.iter().map(|v| (*v).to_owned()).collect()));
}

#[test]
fn words_numbers_and_ids() {
    check("WSO2 Carbon started in 69 sec", "* Carbon started in * sec", &["WSO2", "69"]);
    check("took 12.5ms at 2026-04-22 11:02:00,317", "took * at * *", &["12.5ms", "2026-04-22", "11:02:00,317"]);
    check("from 10.1.2.3:8080 to 10.1.2.300", "from *:* to *", &["10.1.2.3", "8080", "10.1.2.300"]);
    let id = "7f3c2a10-58de-4f7a-9a54-0d6d6f0c9b11";
    check(&format!("id {id}, abcdefab-58de"), "id *, abcdefab-*", &[id, "58de"]);
    check(
        "a camelCase word and aVeryVeryVeryLongWordIndeed",
        "a * word and *",
        &["camelCase", "aVeryVeryVeryLongWordIndeed"],
    );
}

#[test]
fn quotes_values_and_paths() {
    check(r#"{"a":"b c","":1}"#, r#"{"*":"*","":*}"#, &["a", "b c", "1"]);
    check("user = bob, id=x-1; n=(2) end=done.", "user = bob, id=*; n=(*) end=*.", &["x-1", "2", "done"]);
    check("GET /a/b/c?d and /one", "GET /* and /one", &["a/b/c?d"]);
    check("open \"quote", "open \"quote", &[]);
    check(r#"{"a":"","b":"c"}"#, r#"{"*":"","*":"*"}"#, &["a", "b", "c"]);
}

#[test]
fn frames_are_one_variable() {
    let frames = "\tat a.b(C.java:1)\n\tat a.c(C.java:2)";
    check(&format!("failed\n{frames}\nCaused by: x\n{frames}"), "failed\n@\nCaused by: x\n@", &[frames, frames]);
}

#[test]
fn what_is_too_much_is_plain() {
    for message in ["1 ".repeat(300), "word ".repeat(1000), "x".repeat(40_000), "a \u{11} b".to_owned()] {
        let mut splitter = Splitter::new();
        let template = splitter.split(message.as_bytes());
        assert_eq!((template.text, template.variables), (&[VARIABLE][..], &[(0, message.len() as u32)][..]));
    }
}

#[test]
fn the_hash_does_not_change() {
    // Stored data stands on these: a change needs another rule number.
    let hash = |message: &str| Splitter::new().split(message.as_bytes()).hash();
    assert_eq!(hash("took 5 ms"), hash("took 77 ms"));
    assert_ne!(hash("took 5 ms"), hash("took 5 s"));
    assert_eq!(hash("took 5 ms"), 0x3170_75b8_6f5a_7172);
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => "[a-zA-Z_]{1,8}".prop_map(String::into_bytes),
        2 => "[0-9]{1,4}".prop_map(String::into_bytes),
        4 => "[ =/\",.:;+()\\[\\]<>|&'-]{1,2}".prop_map(String::into_bytes),
        1 => Just(b"\n\tat a.b(C.java:1)".to_vec()),
        1 => Just(b"10.1.2.3".to_vec()),
        1 => Just(b"7f3c2a10-58de-4f7a-9a54-0d6d6f0c9b11".to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rendering_gives_the_message_back(message in message()) {
        let mut splitter = Splitter::new();
        let template = splitter.split(&message);
        let variables = template.variables.iter().map(|(a, b)| &message[*a as usize..*b as usize]);
        let mut back = Vec::new();
        render(template.text, variables, &mut back);
        prop_assert_eq!(back, &message[..]);
    }

    #[test]
    fn variables_cover_whole_words(message in message()) {
        let mut splitter = Splitter::new();
        let template = splitter.split(&message);
        let mut last = 0;
        for (from, to) in template.variables {
            let (from, to) = (*from as usize, *to as usize);
            prop_assert!(last <= from && from <= to && to <= message.len());
            prop_assert!(from == 0 || !in_word(message.get(from - 1)), "{}..{}", from, to);
            prop_assert!(!in_word(message.get(to)), "{}..{}", from, to);
            last = to;
        }
    }
}

/// The rule, read word by word from its text and as slow as it likes.
fn plainly(message: &[u8]) -> (Vec<u8>, Vec<(u32, u32)>) {
    let (mut text, mut variables) = (Vec::new(), Vec::new());
    let whole = || (vec![VARIABLE], vec![(0, message.len() as u32)]);
    if message.len() > 32 * 1024 || message.iter().any(|b| matches!(b, 0x11 | 0x12)) {
        return whole();
    }
    let letter = |b: u8| b.is_ascii_alphabetic() || b == b'_' || b >= 0x80;
    let wordy = |at: usize| message.get(at).is_some_and(|b| letter(*b) || b.is_ascii_digit());
    let word_end = |at: usize| (at..).find(|i| !wordy(*i)).unwrap();
    let given_back = |from: usize, to: usize| (from..to).rev().find(|i| wordy(*i)).map_or(from, |i| i + 1);
    let until = |from: usize, stops: &[u8]| {
        (from..message.len()).find(|i| stops.contains(&message[*i])).unwrap_or(message.len())
    };
    let mut at = 0;
    while at < message.len() {
        let rest = &message[at..];
        let mut found = None; // constant bytes first, then the variable's end, its sign, bytes passed over after it
        if rest.starts_with(b"\n\tat ") {
            let mut end = at;
            while message[end..].starts_with(b"\n\tat ") {
                end = (end + 1..message.len()).find(|i| message[*i] == b'\n').unwrap_or(message.len());
            }
            found = Some((1, end, FRAMES));
        } else if rest.starts_with(b"\"\"") {
            text.extend_from_slice(b"\"\"");
            at += 2;
            continue;
        } else if rest[0] == b'"' {
            let close = (at + 1..message.len()).find(|i| matches!(message[*i], b'"' | b'\n'));
            found = close.filter(|c| message[*c] == b'"' && c - at - 1 <= 2047).map(|close| (1, close, VARIABLE));
        } else if rest[0] == b'=' && at > 0 && wordy(at - 1) && wordy(at + 1) {
            found = Some((1, given_back(at + 1, until(at + 1, b" \t\r\n,;&)]}\"'<>=|")), VARIABLE));
        } else if rest[0] == b'/' && wordy(at + 1) {
            let end = until(at + 1, b" \t\r\n,;)]}\"'<>|");
            if message[at + 1..end].contains(&b'/') {
                found = Some((1, given_back(at + 1, end), VARIABLE));
            }
        } else if wordy(at) {
            let end = word_end(at);
            let word = &message[at..end];
            let uuid = rest.len() >= 36
                && rest[..36].iter().enumerate().all(|(i, b)| match i {
                    8 | 13 | 18 | 23 => *b == b'-',
                    _ => b"0123456789abcdef".contains(b),
                })
                && !wordy(at + 36);
            let camel = word.windows(2).any(|w| w[0].is_ascii_lowercase() && w[1].is_ascii_uppercase());
            if uuid {
                found = Some((0, at + 36, VARIABLE));
            } else if word.iter().all(u8::is_ascii_digit) {
                let dotted = rest.iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
                let address =
                    std::str::from_utf8(rest[..dotted].strip_suffix(b".").unwrap_or(&rest[..dotted])).unwrap();
                if address.parse::<std::net::Ipv4Addr>().is_ok() && !wordy(at + address.len()) {
                    found = Some((0, at + address.len(), VARIABLE));
                } else {
                    let mut end = end;
                    while message.get(end).is_some_and(|b| b".:-,/+".contains(b))
                        && message.get(end + 1).is_some_and(u8::is_ascii_digit)
                    {
                        end = word_end(end + 1);
                    }
                    found = Some((0, end, VARIABLE));
                }
            } else if word.iter().any(u8::is_ascii_digit) || camel || word.len() >= 24 {
                found = Some((0, end, VARIABLE));
            } else {
                text.extend_from_slice(word);
                at = end;
                continue;
            }
        }
        let Some((constant, end, sign)) = found else {
            text.push(rest[0]);
            at += 1;
            continue;
        };
        text.extend_from_slice(&rest[..constant]);
        text.push(sign);
        variables.push(((at + constant) as u32, end as u32));
        at = end;
        if rest[0] == b'"' {
            text.push(b'"');
            at += 1;
        }
    }
    if variables.len() > 250 || text.len() > 4096 { whole() } else { (text, variables) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_rule_is_followed(message in message()) {
        let mut splitter = Splitter::new();
        let template = splitter.split(&message);
        let (text, variables) = plainly(&message);
        prop_assert_eq!(template.text, &text[..], "{}", message.escape_ascii());
        prop_assert_eq!(template.variables, &variables[..], "{}", message.escape_ascii());
    }
}

#[test]
fn borders_of_the_rule() {
    let word = "abcdefghijklmnopqrstuvw";
    check(word, word, &[]);
    check(&format!("{word}x"), "*", &[&format!("{word}x")]);
    for (len, variables) in [(2047, 1), (2048, 0)] {
        let message = format!("\"{}\"", " ".repeat(len));
        assert_eq!(shown(&message).1.len(), variables, "{len}");
    }
    for (count, variables) in [(250, 250), (251, 1)] {
        assert_eq!(shown(&"7 ".repeat(count)).1.len(), variables, "{count}");
    }
    for (len, variables) in [(4096, 0), (4097, 1)] {
        assert_eq!(shown(&" ".repeat(len)).1.len(), variables, "{len}");
    }
    for (len, text) in [(32 * 1024, "x *"), (32 * 1024 + 1, "*")] {
        assert_eq!(shown(&format!("x {}", "y".repeat(len - 2))).0, text, "{len}");
    }
    check("a\n\tat b\r\n\tat c\nd", "a\n@\nd", &["\tat b\r\n\tat c"]);
    check("\n\tat b", "\n@", &["\tat b"]);
    check("\n\tat", "\n\tat", &[]);
    check("x=y=z, (k=v).", "x=*=*, (k=*).", &["y", "z", "v"]);
    check("10.0.0.1.2 10.0.0.1. 1.2.3.04 1.2.3.4x", "* *. * *", &["10.0.0.1.2", "10.0.0.1", "1.2.3.04", "1.2.3.4x"]);
}
