//! Redaction through the parser: whatever the text, events stay where they are, come out the same however the bytes
//! arrive, and a secret behind it does not come out.

use parsers::redact::{Action, Rule, Rules};
use parsers::{Context, Event, FileFacts, Input, InputAt, Offset, Parser, Value};
use std::sync::{Arc, LazyLock};

static RULES: LazyLock<Arc<Rules>> = LazyLock::new(|| {
    let class = |name: &str| Rule { name: name.to_owned(), action: Action::Mask, pattern: None };
    let mut rules: Vec<Rule> = ["secrets", "personal"]
        .into_iter()
        .flat_map(|group| Rules::group(group).into_iter().flatten())
        .map(|found| class(found.name()))
        .collect();
    rules.push(Rule { name: "order".to_owned(), action: Action::Mask, pattern: Some(r"ORD-(\w+)".to_owned()) });
    Arc::new(Rules::new(&rules, None).unwrap())
});

const SECRET: &str = "QzSECRET0SECRET1";

/// An event with its bytes.
type Closed = (Event, Vec<u8>);

/// Feeds `text[from..]`, visible up to each of `ends` in turn.
fn run(text: &[u8], ends: &[usize], from: usize, context: Context) -> (Vec<Closed>, Parser) {
    let mut parser =
        Parser::new(FileFacts { name: "wso2carbon.log".into(), family: None }, Offset(from as u64), context);
    parser.redact(Some(Arc::clone(&RULES)));
    let end = [InputAt { at: Offset(text.len() as u64), input: Input::Cut }];
    let mut closed = Vec::new();
    for end_of_read in ends.iter().copied().filter(|end| *end >= from) {
        let start = (parser.offset().0 as usize).min(end_of_read);
        parser.advance(&text[start..end_of_read], &end, &mut |event, own| closed.push((event.clone(), own.to_vec())));
        drop(parser.provisional(&text[parser.offset().0 as usize..end_of_read]));
    }
    (closed, parser)
}

/// The last two bytes tell where the text is split.
pub(crate) fn redaction(bytes: &[u8]) {
    let (text, control) = bytes.split_at(bytes.len().saturating_sub(2));
    let behind = format!("\n[2026-04-22 11:02:00,317]  INFO {{A}} - password={SECRET} end\n");
    let text = [text, behind.as_bytes()].concat();
    let place = |byte: Option<&u8>| text.len() * usize::from(byte.copied().unwrap_or(0)) / 255;
    let mut ends = [place(control.first()), place(control.get(1)), text.len()];
    ends.sort_unstable();
    let (whole, _) = run(&text, &[text.len()], 0, Context::default());
    let mut at = 0;
    for (event, own) in &whole {
        assert_eq!(event.offset.0, at);
        at += u64::from(event.size);
        for field in &event.fields {
            if let Value::Span { start, len } = field.value {
                assert!(len > 0 && (start + len) as usize <= own.len(), "{:?}", field.id.name());
            }
        }
    }
    assert_eq!(at, text.len() as u64);
    let shown: Vec<u8> = whole.iter().flat_map(|(_, own)| own.clone()).collect();
    assert!(!String::from_utf8_lossy(&shown).contains(SECRET), "{}", shown.escape_ascii());
    let (split, _) = run(&text, &ends, 0, Context::default());
    assert_eq!(whole, split, "split at {ends:?}");
    let (before, parser) = run(&text, &ends[..1], 0, Context::default());
    let context = Context::decode(&parser.context().encode()).unwrap();
    let (after, _) = run(&text, &[text.len()], parser.offset().0 as usize, context);
    assert_eq!(whole, [before, after].concat(), "restart");
}
