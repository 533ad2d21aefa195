//! The files of every family, and the same files as container tools wrap them: how their bytes arrive, and where a
//! parser starts again, changes nothing; wrapping changes neither cuts nor families nor messages.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]
#![allow(clippy::disallowed_methods, reason = "it reads files of the host")]

use parsers::redact::{Action, Rule, Rules};
use parsers::template::Splitter;
use parsers::{Context, Event, FieldId, FileFacts, Input, InputAt, Offset, Parser, TimeNs, Value};
use proptest::prelude::*;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// A file of some family, as it is or wrapped.
#[derive(Clone, Debug)]
struct Sample {
    folder: String,
    name: String,
    bytes: Vec<u8>,
}

fn files() -> &'static [Sample] {
    static FILES: OnceLock<Vec<Sample>> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut files = Vec::new();
        for folder in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")).unwrap() {
            let folder = folder.unwrap().path();
            for file in std::fs::read_dir(&folder).unwrap() {
                let path = file.unwrap().path();
                if path.extension().is_some_and(|e| e == "events") {
                    continue;
                }
                let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
                let bytes = std::fs::read(&path).unwrap();
                files.push(Sample { folder: name(&folder), name: name(&path), bytes });
            }
        }
        files.sort_by(|a, b| (&a.folder, &a.name).cmp(&(&b.folder, &b.name)));
        files
    })
}

/// Everything that is put around lines, by name.
const WRAPPINGS: [&str; 5] = ["compose", "cri", "docker", "service", "ansi"];

fn wrapped(bytes: &[u8], how: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        match how {
            "compose" => out.extend_from_slice(b"api-manager_1  | "),
            "cri" => out.extend_from_slice(b"2024-09-20T13:16:18.123456789Z stdout F "),
            "service" => out.extend_from_slice(b"INFO   | jvm 1    | 2024/09/20 13:16:18 | "),
            "ansi" => out.extend_from_slice(b"\x1b[0;39m"),
            _ => {
                out.extend_from_slice(b"{\"log\":\"");
                for byte in text {
                    match byte {
                        b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
                        b'\t' => out.extend_from_slice(b"\\t"),
                        0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                        other => out.push(*other),
                    }
                }
                out.extend_from_slice(b"\\n\",\"stream\":\"stdout\",\"time\":\"2024-09-20T13:16:18.1Z\"}\n");
                continue;
            }
        }
        out.extend_from_slice(line);
    }
    out
}

type Run = Vec<(Event, Vec<u8>, Context)>;

/// Feeds the bytes from `from` on, visible up to each of `ends` in turn.
fn run(sample: &Sample, ends: &[usize], from: usize, context: Context) -> Run {
    let size = sample.bytes.len();
    let inputs = [
        InputAt { at: Offset(0), input: Input::FileTime(TimeNs(1_714_979_289_000_000_000)) },
        InputAt { at: Offset(size as u64), input: Input::Cut },
    ];
    let mut parser = Parser::new(FileFacts { name: sample.name.clone(), family: None }, Offset(from as u64), context);
    let mut all = Run::new();
    for end in ends {
        // One event at a time, so that the context after each is seen.
        while (parser.offset().0 as usize) < *end {
            let start = parser.offset().0 as usize;
            let before = all.len();
            let mut stop = Offset(start as u64 + 1);
            let mut take = |e: &Event, b: &[u8]| all.push((e.clone(), b.to_vec(), Context::default()));
            parser.advance_until(&sample.bytes[start..*end], &inputs, stop, &mut take);
            stop = parser.offset();
            if stop.0 as usize == start {
                break;
            }
            assert_eq!(all.len(), before + 1);
            all[before].2 = parser.context().clone();
        }
    }
    all
}

fn check_arrival(sample: &Sample, a: usize, b: usize) {
    let size = sample.bytes.len();
    let once = run(sample, &[size], 0, Context::default());
    assert_eq!(once.iter().map(|(_, bytes, _)| bytes.len()).sum::<usize>(), size);
    let mut ends = [a % (size + 1), b % (size + 1), size];
    ends.sort_unstable();
    let split = run(sample, &ends, 0, Context::default());
    assert_eq!(once, split, "{}/{} split at {ends:?}", sample.folder, sample.name);
    let mut at = 0;
    for (i, (_, bytes, context)) in once.iter().enumerate() {
        at += bytes.len();
        let kept = Context::decode(&context.encode()).unwrap();
        let again = run(sample, &[size], at, kept);
        assert_eq!(once[i + 1..], again, "{}/{} from {at}", sample.folder, sample.name);
    }
}

/// What wrapping must not change of an event.
fn essence((event, bytes, _): &(Event, Vec<u8>, Context)) -> (u32, &'static str, parsers::Level, String) {
    let message = match event.get(FieldId::MESSAGE) {
        Some(Value::Span { start, len }) => {
            String::from_utf8_lossy(&bytes[*start as usize..(*start + *len) as usize]).into_owned()
        }
        Some(Value::Literal(text)) => text.to_string(),
        Some(Value::Int(_)) | None => String::new(),
    };
    (event.lines, event.family.name(), event.level, message)
}

#[test]
fn wrapped_files_have_the_same_events() {
    let mut compared = 0;
    for sample in files().iter().filter(|s| s.folder != "wrapped") {
        let plain: Vec<_> = run(sample, &[sample.bytes.len()], 0, Context::default()).iter().map(essence).collect();
        for how in WRAPPINGS {
            // Bytes that are no text cannot stand in JSON; colours are looked for in text, and crash reports at the start.
            if std::str::from_utf8(&sample.bytes).is_err() && how == "docker"
                || sample.bytes.starts_with(b"\xef\xbb\xbf")
            {
                continue;
            }
            let other = Sample { bytes: wrapped(&sample.bytes, how), ..sample.clone() };
            let events: Vec<_> = run(&other, &[other.bytes.len()], 0, Context::default()).iter().map(essence).collect();
            assert_eq!(plain, events, "{}/{} in {how}", sample.folder, sample.name);
            compared += 1;
        }
    }
    assert!(compared > 150, "only {compared}");
}

#[test]
fn every_file_of_every_family_is_the_same_however_it_arrives() {
    for (i, sample) in files().iter().enumerate() {
        check_arrival(sample, i * 7919, i * 104_729 + 13);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_and_any_restart_give_the_same_events(
        which in any::<prop::sample::Index>(),
        how in prop::option::of(prop::sample::select(&WRAPPINGS[..])),
        a in any::<usize>(),
        b in any::<usize>(),
    ) {
        let mut sample = files()[which.index(files().len())].clone();
        if let Some(how) = how {
            sample.bytes = wrapped(&sample.bytes, how);
        }
        check_arrival(&sample, a, b);
    }
}

#[test]
fn a_template_that_is_added_later_is_the_one_that_a_parser_gives() {
    let rules = Rules::group("secrets")
        .unwrap()
        .map(|class| Rule { name: class.name().to_owned(), action: Action::Mask, pattern: None })
        .collect::<Vec<_>>();
    let rules = Arc::new(Rules::new(&rules, None).unwrap());
    let events = |sample: &Sample, bytes: &[u8], redacts: bool, later: bool| {
        let facts = FileFacts { name: sample.name.clone(), family: None };
        let mut parser = Parser::new(facts, Offset(0), Context::default());
        if later {
            parser = parser.templates_later();
        }
        parser.redact(redacts.then(|| Arc::clone(&rules)));
        let (mut events, mut splitter, mut added) = (Vec::new(), Splitter::new(), 0);
        parser.advance(bytes, &[], &mut |event, bytes| {
            let mut event = event.clone();
            let before = event.fields.len();
            if later {
                splitter.complete(&mut event.fields, bytes);
            }
            added += event.fields.len() - before;
            events.push(event);
        });
        (events, added)
    };
    let (mut all, mut all_added, mut all_redacted) = (0, 0, 0);
    for sample in files() {
        let plain = [sample.bytes.clone()];
        let secrets = [b"[2024-09-20 13:16:18,123]  INFO {a.b.C} - password=hunter2secret\n".repeat(2)];
        let wrappings = WRAPPINGS.iter().map(|how| wrapped(&sample.bytes, how));
        for bytes in plain.into_iter().chain(secrets).chain(wrappings) {
            for redacts in [false, true] {
                let (now, _) = events(sample, &bytes, redacts, false);
                let (later, added) = events(sample, &bytes, redacts, true);
                assert_eq!(now, later, "{}/{}", sample.folder, sample.name);
                all += now.len();
                all_added += added;
                all_redacted += now.iter().filter(|e| e.get(FieldId::REDACTED_CLASSES).is_some()).count();
            }
        }
    }
    assert!(all_added > all / 10 && all_added < all && all_redacted > 20, "{all} {all_added} {all_redacted}");
}
