//! Real events of many products against their expected cuts and families.
//!
//! The samples are not part of this project. They are looked for in the folder that `CARBONTRAIL_WSO2_SAMPLES`
//! names, else in `shared/wso2/samples` beside the workspace; without them the test says so and passes.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]
#![allow(clippy::disallowed_methods, reason = "it reads files of the host")]
#![allow(clippy::print_stderr, reason = "it says why it was skipped")]

use parsers::{Context, FileFacts, Input, InputAt, Offset, Parser};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// First line (from 1), number of lines, family.
type Cut = (usize, usize, String);

/// Events that come out otherwise than listed: file, reason, the listed cuts, what comes out instead.
type Exception =
    (&'static str, &'static str, &'static [(usize, usize, &'static str)], &'static [(usize, usize, &'static str)]);

const EXCEPTIONS: &[Exception] = &[
    (
        "console-ei-core.log",
        "its head lost its first bracket: nothing tells it from a continuation line",
        &[(6, 9, "console"), (15, 1, "-")],
        &[(6, 10, "console")],
    ),
    (
        "console-short.log",
        "frames without a head before them belong to the event they follow",
        &[(17, 13, "console"), (30, 6, "-")],
        &[(17, 19, "console")],
    ),
    (
        "console-short.log",
        "the prefix is taken off like docker-compose's, so the head behind it is seen",
        &[(38, 1, "-")],
        &[(38, 1, "console")],
    ),
    (
        "docker-compose-prefix.log",
        "the prefix is taken off, so the heads behind it are seen",
        &[(1, 1, "-"), (2, 1, "-"), (3, 1, "-"), (4, 1, "-"), (5, 1, "-"), (6, 1, "-"), (7, 6, "-")],
        &[
            (1, 1, "console"),
            (2, 1, "console"),
            (3, 1, "console"),
            (4, 1, "console"),
            (5, 1, "console"),
            (6, 1, "console"),
            (7, 6, "enforcer"),
        ],
    ),
    (
        "synapse-analytics.log",
        "the marker is taken off, so the head behind it is seen",
        &[(4, 1, "-")],
        &[(4, 1, "gwtrace")],
    ),
];

fn folder() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CARBONTRAIL_WSO2_SAMPLES") {
        return Some(PathBuf::from(named));
    }
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    [workspace.join("../shared/wso2/samples"), workspace.join("../../shared/wso2/samples")]
        .into_iter()
        .find(|path| path.is_dir())
}

fn expected(list: &str) -> BTreeMap<String, Vec<Cut>> {
    let mut files: BTreeMap<String, Vec<Cut>> = BTreeMap::new();
    for line in list.lines().skip(1) {
        let mut columns = line.split('\t');
        let mut next = || columns.next().unwrap();
        let (file, _, first, lines, family) = (next(), next(), next(), next(), next());
        let cut = (first.parse().unwrap(), lines.parse().unwrap(), family.to_owned());
        files.entry(file.to_owned()).or_default().push(cut);
    }
    files
}

fn found(name: &str, bytes: &[u8]) -> Vec<Cut> {
    let facts = FileFacts { name: name.to_owned(), family: None };
    let mut parser = Parser::new(facts, Offset(0), Context::default());
    let end = [InputAt { at: Offset(bytes.len() as u64), input: Input::Cut }];
    let mut cuts = Vec::new();
    let mut line = 1;
    parser.advance(bytes, &end, &mut |event, _| {
        cuts.push((line, event.lines as usize, event.family.name().to_owned()));
        line += event.lines as usize;
    });
    cuts
}

/// Replaces what the exceptions of `name` say.
fn with_exceptions(name: &str, mut cuts: Vec<Cut>) -> Vec<Cut> {
    for (file, reason, listed, instead) in EXCEPTIONS {
        if *file == name {
            for (first, lines, family) in *listed {
                let at = cuts.iter().position(|c| *c == (*first, *lines, (*family).to_owned()));
                cuts.remove(at.unwrap_or_else(|| panic!("no longer in the list: {name} {first}: {reason}")));
            }
            cuts.extend(instead.iter().map(|(first, lines, family)| (*first, *lines, (*family).to_owned())));
            cuts.sort();
        }
    }
    cuts
}

#[test]
fn every_event_is_cut_and_named_as_expected() {
    let Some(folder) = folder() else {
        eprintln!("SKIPPED: no folder of WSO2 samples (set CARBONTRAIL_WSO2_SAMPLES)");
        return;
    };
    let list = std::fs::read_to_string(folder.join("EVENTS.tsv")).unwrap();
    let mut wrong = Vec::new();
    let mut events = 0;
    for (name, cuts) in expected(&list) {
        let bytes = std::fs::read(folder.join(&name)).unwrap();
        let (expected, found) = (with_exceptions(&name, cuts), found(&name, &bytes));
        events += found.len();
        for cut in &expected {
            if !found.contains(cut) {
                wrong.push(format!("{name}: missing {cut:?}"));
            }
        }
        for cut in &found {
            if !expected.contains(cut) {
                wrong.push(format!("{name}: not expected {cut:?}"));
            }
        }
    }
    assert!(events > 500, "only {events} events in {}", folder.display());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
