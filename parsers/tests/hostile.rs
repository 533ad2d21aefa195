//! No bytes make the parser fail, lose a byte, or point outside an event.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]
#![allow(clippy::disallowed_methods, reason = "it reads files of the host")]

use parsers::{
    Context, Family, FieldId, FileFacts, Formats, Input, InputAt, Offset, Parser, Patterns, Value, template,
};
use proptest::prelude::*;
use std::path::Path;
use std::sync::OnceLock;

/// The fixtures, with their names.
fn corpus() -> &'static [(String, Vec<u8>)] {
    static CORPUS: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let mut files = Vec::new();
        for folder in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")).unwrap() {
            for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                files.push((name, std::fs::read(path).unwrap()));
            }
        }
        files.sort();
        files
    })
}

fn check(name: &str, family: Option<Family>, bytes: &[u8], cuts: &[usize]) {
    let mut inputs: Vec<usize> = cuts.iter().map(|c| c % (bytes.len() + 1)).chain([bytes.len()]).collect();
    inputs.sort_unstable();
    let inputs: Vec<InputAt> = inputs.iter().map(|at| InputAt { at: Offset(*at as u64), input: Input::Cut }).collect();
    let mut parser = Parser::new(FileFacts { name: name.to_owned(), family }, Offset(0), Context::default());
    let mut splitter = template::Splitter::new();
    let mut patterns = Patterns::new(&FileFacts { name: name.to_owned(), family }, Formats::default());
    let mut at = 0;
    let used = parser.advance(bytes, &inputs, &mut |event, own| {
        assert_eq!(event.offset.0 as usize, at);
        assert_eq!(own, &bytes[at..at + event.size as usize]);
        at += own.len();
        for field in &event.fields {
            if let Value::Span { start, len } = field.value {
                assert!(len > 0 && (start + len) as usize <= own.len(), "{:?}", field.id.name());
            }
        }
        let whole = splitter.split(own);
        let variables = whole.variables.iter().map(|(from, to)| &own[*from as usize..*to as usize]);
        let mut back = Vec::new();
        template::render(whole.text, variables, &mut back);
        assert_eq!(back, own);
        // The event alone, out of its file, still has the template it was given; the rest of a line may look wrapped.
        let hash = format!("{:016x}", patterns.of(event, own).hash());
        let same = event.get(FieldId::TEMPLATE_HASH) == Some(&Value::Literal(hash.into()));
        assert!(same || event.continues.is_some(), "{}", own.escape_ascii());
    });
    assert_eq!(used, bytes.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_files_are_still_whole(
        which in any::<prop::sample::Index>(),
        name in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..30, proptest::collection::vec(any::<u8>(), 0..4)), 0..6),
        cuts in proptest::collection::vec(any::<usize>(), 0..3),
    ) {
        let (_, mut bytes) = corpus()[which.index(corpus().len())].clone();
        let name = &corpus()[name.index(corpus().len())].0;
        for (at, gone, new) in changes {
            let at = at.index(bytes.len() + 1);
            let end = (at + gone).min(bytes.len());
            bytes.splice(at..end, new);
        }
        check(name, None, &bytes, &cuts);
    }

    #[test]
    fn files_of_a_wrong_family_are_still_whole(
        which in any::<prop::sample::Index>(),
        family in any::<prop::sample::Index>(),
    ) {
        let (name, bytes) = &corpus()[which.index(corpus().len())];
        check(name, Some(Family::ALL[family.index(Family::ALL.len())]), bytes, &[]);
    }

    #[test]
    fn any_bytes_are_whole(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        check("wso2carbon.log", None, &bytes, &[]);
    }
}

#[test]
fn bytes_that_are_replaced_do_not_change_a_template() {
    let line = |text: &[u8]| [&b"2024-02-02T02:02:01.002000001Z stdout F "[..], text, b"\n"].concat();
    for first in [
        &b"[2024-02-02 02:02:01,001] ERROR \x80{org.wso2.demo.A} - text"[..],
        b"[2024-02-02 02:02:01,001] ERROR {org.wso2.demo.A} - text \x80",
    ] {
        check("hs_err_pid7.log", None, &[line(first), line(b"more")].concat(), &[]);
    }
}
