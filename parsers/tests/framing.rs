//! Framing does not depend on how bytes arrive, and a mark with its context is all that a restart needs.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use parsers::own::Syntax;
use parsers::{
    Context, Continues, Cut, Event, Family, FileFacts, Flags, Format, FormatSpec, Formats, Input, InputAt, Offset,
    Parser, TimeNs, Zone, ZoneSource,
};
use proptest::prelude::*;

/// What one run gives: each event with its bytes and the context after it.
type Run = Vec<(Event, Vec<u8>, Context)>;

fn facts() -> FileFacts {
    FileFacts { name: "wso2carbon.log".into(), family: None }
}

/// Feeds `bytes` from `from` on, visible up to each of `ends` in turn, as a shipper would.
fn run_from(bytes: &[u8], ends: &[usize], inputs: &[InputAt], from: usize, context: Context) -> Run {
    let mut parser = Parser::new(facts(), Offset(from as u64), context);
    let mut run = Run::new();
    for end in ends {
        loop {
            // One event at a time, so that the context after each is seen.
            let start = parser.offset().0 as usize;
            if start >= *end {
                break;
            }
            let mut got: Vec<(Event, Vec<u8>)> = Vec::new();
            let used = parser.advance(&bytes[start..*end], inputs, &mut |e, b| got.push((e.clone(), b.to_vec())));
            assert_eq!(used, got.iter().map(|(_, b)| b.len()).sum::<usize>());
            let last = got.len();
            for (i, (event, bytes)) in got.into_iter().enumerate() {
                let context = if i + 1 == last { parser.context().clone() } else { Context::default() };
                run.push((event, bytes, context));
            }
            if used == 0 {
                break;
            }
        }
    }
    run
}

/// All of `bytes` at once, cut at its end.
fn whole(bytes: &[u8], inputs: &[InputAt]) -> Run {
    run_from(bytes, &[bytes.len()], &with_end(inputs, bytes.len()), 0, Context::default())
}

fn with_end(inputs: &[InputAt], end: usize) -> Vec<InputAt> {
    let mut all = inputs.to_vec();
    all.push(InputAt { at: Offset(end as u64), input: Input::Cut });
    all
}

fn cut_at(at: usize) -> InputAt {
    InputAt { at: Offset(at as u64), input: Input::Cut }
}

fn events(run: &Run) -> Vec<&Event> {
    run.iter().map(|(e, _, _)| e).collect()
}

fn assert_tiles(bytes: &[u8], run: &Run) {
    let mut at = 0;
    for (event, own, _) in run {
        assert_eq!(event.offset.0 as usize, at);
        assert_eq!(event.size as usize, own.len());
        assert_eq!(&bytes[at..at + own.len()], &own[..]);
        let ends = own.iter().filter(|b| **b == b'\n').count();
        assert_eq!(event.lines as usize, ends + usize::from(own.last() != Some(&b'\n')));
        at += own.len();
    }
    assert_eq!(at, bytes.len());
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => Just(b"TID: [-1234] [] [2026-04-22 11:02:00,317]  INFO {org.wso2.A} - started".to_vec()),
        2 => Just(b"TID: [] [api/am] [2026-04-22 11:02:01,001] [c-1] ERROR {org.wso2.B} - failed java.io.IOException: x".to_vec()),
        1 => Just(b"TID: [2026-04-22 11:02:00,317]  INFO {org.L} - launched {org.L}".to_vec()),
        2 => Just(b"[2026-04-22 11:02:00,317]  WARN {org.M} - plain".to_vec()),
        2 => Just(b"127.0.0.1 - - [24/May/2019:12:09:41 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\"".to_vec()),
        1 => Just(b"127.0.0.1 - - [24/May/2019:12:09:41 +0000] GET / HTTP/1.1 200 5 - x 0.001".to_vec()),
        1 => Just(b"TID: [] [] [2026-04-22 11:02:00,319]  INFO {org.wso2.carbon.core.internal.CarbonCoreActivator} - User             : u, en-US, Asia/Karachi".to_vec()),
        3 => Just(b"22.04.2026 11:02:13 WARN  [main] a.B: own".to_vec()),
        1 => Just(b"22.04.2026 11:02:13 other".to_vec()),
        3 => Just(b"\tat a.b.C.d(C.java:1)".to_vec()),
        1 => Just(b"Caused by: a.b.C: text".to_vec()),
        1 => Just(b"... 12 more".to_vec()),
        1 => Just(b"... 12 fewer".to_vec()),
        2 => Just(b"unindented".to_vec()),
        2 => Just(b"".to_vec()),
        1 => Just(b"2026-04-22T11:02:00.317Z stdout F [2026-04-22 11:02:00,317]  WARN {org.M} - plain".to_vec()),
        1 => Just(b"2026-04-22T11:02:00.317Z stdout P [2026-04-22 11:02:00,317]  WARN {org.M} - plain".to_vec()),
        1 => Just(b"2026-04-22T11:02:00.317Z stdout P \tat a.b.C.d(".to_vec()),
        1 => Just(b"2026-04-22T11:02:00.317Z stdout F \tat a.b.C.d(C.java:1)".to_vec()),
        2 => Just(b"2026-04-22T11:02:00.317Z stderr F unindented".to_vec()),
        1 => Just(b"2026-04-22T11:02:00.317Z stderr P 127.0.0.1 - - [24/May/2019:12:09:41 +0000] \"GET / HTTP".to_vec()),
        1 => Just(b"{\"log\":\"[2026-04-22 11:02:00,317]  WARN {org.M} - pl\",\"stream\":\"stdout\"}".to_vec()),
        1 => Just(b"{\"log\":\"ain\\n\",\"stream\":\"stdout\"}".to_vec()),
        1 => Just(b"{\"log\":\"other\\n\",\"stream\":\"stderr\"}".to_vec()),
        1 => Just(b"am_1  | 2026-04-22T11:02:00.317456Z [2026-04-22 11:02:00,317]  WARN {org.M} - plain".to_vec()),
        1 => Just(b"is_1  | unindented".to_vec()),
        1 => Just(b"am_1  | \tat a.b.C.d(C.java:1)".to_vec()),
        2 => Just(b"2026-04-22 11:02:00.317  WARN 1 --- [main] o.s.b.App : dated".to_vec()),
        1 => Just(b"\x00\x16\x03 nul".to_vec()),
        1 => Just("caf\u{e9} \u{4e2d}\u{6587}".as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
    ]
}

fn document() -> impl Strategy<Value = Vec<u8>> {
    let end = prop_oneof![6 => Just(&b"\n"[..]), 2 => Just(&b"\r\n"[..])];
    (proptest::collection::vec((line(), end), 0..14), proptest::option::of(line()), any::<bool>()).prop_map(
        |(lines, last, bom)| {
            let mut out = if bom { b"\xef\xbb\xbf".to_vec() } else { Vec::new() };
            for (line, end) in lines {
                out.extend_from_slice(&line);
                out.extend_from_slice(end);
            }
            out.extend(last.unwrap_or_default());
            out
        },
    )
}

/// Formats whose heads are lines of [`line`] that no built-in family knows.
fn formats(which: u8) -> Formats {
    let layout = FormatSpec::new("layout", Syntax::Layout, "%d{dd.MM.yyyy HH:mm:ss} %-5p [%t] %c: %m%n");
    let regex = FormatSpec::new("regex", Syntax::Regex, r"(?P<time>\d\d\.\d\d\.\d{4} \S+) (?P<message>.*)");
    let single = FormatSpec { multiline: false, ..regex.clone() };
    let specs = [vec![layout.clone()], vec![regex], vec![layout, single]];
    Formats::new(specs[usize::from(which) % 3].iter().map(|spec| Format::new(spec.clone()).unwrap()))
}

fn inputs_for(size: usize, places: &[(usize, u8)]) -> Vec<InputAt> {
    let mut inputs: Vec<InputAt> = places
        .iter()
        .map(|(at, kind)| InputAt {
            at: Offset((at % (size + 1)) as u64),
            input: match kind % 6 {
                0 | 1 => Input::Cut,
                4 => Input::Formats(formats(*kind)),
                5 => Input::Formats(Formats::default()),
                2 => Input::Zone(Zone { name: "Asia/Colombo".into(), source: ZoneSource::Config }),
                _ => Input::FileTime(TimeNs(1_700_000_000_000_000_000)),
            },
        })
        .collect();
    inputs.sort_by_key(|i| i.at);
    inputs
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_gives_the_same_events(doc in document(), a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>(),
                                       places in proptest::collection::vec((0usize..2000, any::<u8>()), 0..4)) {
        let inputs = inputs_for(doc.len(), &places);
        let once = whole(&doc, &inputs);
        assert_tiles(&doc, &once);
        let mut ends = [a.index(doc.len() + 1), b.index(doc.len() + 1), doc.len()];
        ends.sort_unstable();
        let split = run_from(&doc, &ends, &with_end(&inputs, doc.len()), 0, Context::default());
        prop_assert_eq!(events(&once), events(&split));
    }

    #[test]
    fn byte_by_byte_gives_the_same_events(doc in document(), places in proptest::collection::vec((0usize..2000, any::<u8>()), 0..3)) {
        let inputs = inputs_for(doc.len(), &places);
        let once = whole(&doc, &inputs);
        let ends: Vec<usize> = (0..=doc.len()).collect();
        let slow = run_from(&doc, &ends, &with_end(&inputs, doc.len()), 0, Context::default());
        prop_assert_eq!(events(&once), events(&slow));
    }

    #[test]
    fn a_restart_at_any_mark_gives_the_same_events(doc in document(), places in proptest::collection::vec((0usize..2000, any::<u8>()), 0..4)) {
        let inputs = with_end(&inputs_for(doc.len(), &places), doc.len());
        let ends: Vec<usize> = (0..=doc.len()).collect();
        let all = run_from(&doc, &ends, &inputs, 0, Context::default());
        let mut at = 0;
        for (i, (_, own, context)) in all.iter().enumerate() {
            at += own.len();
            if *context == Context::default() {
                continue; // closed together with the event after it
            }
            let context = Context::decode(&context.encode()).unwrap();
            let again = run_from(&doc, &[doc.len()], &inputs, at, context);
            let expected: Vec<&Event> = all[i + 1..].iter().map(|(e, _, _)| e).collect();
            prop_assert_eq!(expected, events(&again), "restart at {}", at);
        }
    }

    #[test]
    fn cuts_made_as_a_shipper_makes_them_hold_after_a_restart(doc in document(), seen in any::<prop::sample::Index>(), all in any::<bool>()) {
        // The parser sees a part, a cut is made there and journaled; then everything arrives.
        let seen = seen.index(doc.len() + 1);
        let mut parser = Parser::new(facts(), Offset(0), Context::default());
        let used = parser.advance(&doc[..seen], &[], &mut |_, _| {});
        let how = if all { Cut::Everything } else { Cut::WholeLines };
        let Some(place) = parser.cut_place(&doc[used..seen], how) else { return Ok(()) };
        let inputs = with_end(&[InputAt { at: place, input: Input::Cut }], doc.len());
        let live = run_from(&doc, &[seen, doc.len()], &inputs, 0, Context::default());
        let replayed = run_from(&doc, &[doc.len()], &inputs, 0, Context::default());
        prop_assert_eq!(events(&live), events(&replayed));
        assert_tiles(&doc, &live);
        prop_assert!(live.iter().any(|(e, _, _)| e.offset.0 + u64::from(e.size) == place.0));
    }

    #[test]
    fn stopping_on_the_way_changes_no_event(doc in document(), at in any::<prop::sample::Index>()) {
        let expected = whole(&doc, &[]);
        let inputs = with_end(&[], doc.len());
        let stop = Offset(at.index(doc.len() + 1) as u64);
        let mut parser = Parser::new(facts(), Offset(0), Context::default());
        let mut got = Vec::new();
        let used = parser.advance_until(&doc, &inputs, stop, &mut |e, b| got.push((e.clone(), b.to_vec())));
        prop_assert!(got.iter().all(|(e, _)| e.offset < stop));
        prop_assert!(parser.offset() >= stop || used == doc.len());
        parser.advance(&doc[used..], &inputs, &mut |e, b| got.push((e.clone(), b.to_vec())));
        let expected: Vec<_> = expected.into_iter().map(|(e, b, _)| (e, b)).collect();
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn a_provisional_event_is_the_closed_one_so_far(doc in document(), seen in any::<prop::sample::Index>()) {
        let seen = seen.index(doc.len() + 1);
        let mut parser = Parser::new(facts(), Offset(0), Context::default());
        let used = parser.advance(&doc[..seen], &[], &mut |_, _| {});
        let rest = &doc[used..seen];
        if let Some(open) = parser.provisional(rest).map(|p| p.event) {
            prop_assert!(open.flags.has(Flags::PROVISIONAL));
            prop_assert_eq!(rest[open.size as usize - 1], b'\n');
            let place = Offset(open.offset.0 + u64::from(open.size));
            prop_assert_eq!(parser.cut_place(rest, Cut::WholeLines), Some(place));
            let mut closed = None;
            parser.advance(rest, &[InputAt { at: place, input: Input::Cut }], &mut |e, _| { closed.get_or_insert(e.clone()); });
            let mut closed = closed.unwrap();
            closed.flags.set(Flags::PROVISIONAL);
            prop_assert_eq!(open, closed);
        }
    }
}

fn cut_list(text: &[u8], inputs: &[InputAt]) -> Vec<(usize, usize, Family, Option<Continues>)> {
    whole(text, inputs).iter().map(|(e, _, _)| (e.offset.0 as usize, e.lines as usize, e.family, e.continues)).collect()
}

const HEAD: &[u8] = b"[2026-04-22 11:02:00,317]  WARN {org.M} - plain\n";

#[test]
fn before_the_first_head_every_line_is_an_event() {
    let text = b"JAVA_HOME is set\nUsing java\n  more of it\nCaused by: x\n... 3 more\n... 3 less\n[2026-04-22 11:02:00,317]  WARN {org.M} - a\nunindented\n\n";
    let got = cut_list(text, &[]);
    let lines: Vec<(usize, Family)> = got.iter().map(|g| (g.1, g.2)).collect();
    let none = Family::None;
    assert_eq!(lines, [(1, none), (4, none), (1, none), (3, Family::Plain)]);
}

#[test]
fn formats_hold_from_their_input_on() {
    let own: &[u8] = b"22.04.2026 11:02:13 WARN  [main] a.B: own\n";
    let text = [HEAD, own, own, HEAD, own].concat();
    let from = HEAD.len() + own.len();
    let inputs = [InputAt { at: Offset(from as u64), input: Input::Formats(formats(0)) }];
    let got = cut_list(&text, &inputs);
    let families: Vec<(usize, Family)> = got.iter().map(|g| (g.1, g.2)).collect();
    assert_eq!(families, [(2, Family::Plain), (1, Family::Own), (1, Family::Plain), (1, Family::Own)]);
}

#[test]
fn access_lines_close_at_their_end_and_take_nothing_in() {
    let access = b"127.0.0.1 - - [24/May/2019:12:09:41 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\"\n";
    let mut text = access.repeat(2);
    text.extend_from_slice(b"something else\n");
    text.extend_from_slice(access);
    let mut parser = Parser::new(facts(), Offset(0), Context::default());
    let mut got = Vec::new();
    let used = parser.advance(&text, &[], &mut |e, _| got.push(e.family));
    assert_eq!(got, [Family::AccessPt, Family::AccessPt, Family::None, Family::AccessPt]);
    assert_eq!(used, text.len());
}

#[test]
fn after_a_cut_comes_a_continuation_unless_a_head_does() {
    let mut text = HEAD.to_vec();
    text.extend_from_slice(b"one\ntwo\n");
    text.extend_from_slice(HEAD);
    let at = HEAD.len() + 4;
    let got = cut_list(&text, &[cut_at(at)]);
    let event = |n| Some(Continues::Event(Offset(n)));
    assert_eq!(got, [(0, 2, Family::Plain, None), (at, 1, Family::None, event(0)), (at + 4, 1, Family::Plain, None),]);
    // The cut just before a head leaves nothing to go on.
    let got = cut_list(&text, &[cut_at(at + 4)]);
    assert_eq!(got, [(0, 3, Family::Plain, None), (at + 4, 1, Family::Plain, None)]);
}

/// Lines of stdout and stderr as a container's runtime writes them.
fn runtime_lines(lines: &[&str]) -> (Vec<u8>, Vec<usize>) {
    let lines: Vec<String> = lines.iter().map(|line| format!("2026-04-22T11:02:00.317456789Z std{line}\n")).collect();
    let places = lines.iter().scan(0, |at, line| Some(std::mem::replace(at, *at + line.len()))).collect();
    (lines.concat().into_bytes(), places)
}

fn earlier(text: &[u8], at: usize) -> Continues {
    let line = text[at..].split(|b| *b == b'\n').next().unwrap();
    Continues::Earlier { event: Offset(at as u64), head_hash: parsers::head_hash(0, line) }
}

#[test]
fn what_another_program_interrupted_goes_on_from_its_own_last_event() {
    let head = "[2026-04-22 11:02:00,317] ERROR {org.M} - failed java.io.IOException: gone";
    let (out, err) = (format!("out F {head}"), format!("err F {head}"));
    let (text, at) =
        runtime_lines(&[&out, "err F WARNING: x", "out F \tat a.b.C.d(C.java:1)", &err, "out F last", &out]);
    let event = |n: usize| Some(earlier(&text, n));
    let none = Family::None;
    let expected = [
        (at[0], 1, Family::Plain, None),
        (at[1], 1, none, None),
        (at[2], 1, none, event(at[0])),
        (at[3], 1, Family::Plain, None),
        (at[4], 1, none, event(at[2])),
        (at[5], 1, Family::Plain, None),
    ];
    assert_eq!(cut_list(&text, &[]), expected);
}

#[test]
fn a_line_that_a_runtime_cut_is_one_line() {
    let head = "[2026-04-22 11:02:00,317]  INFO {org.M} - text";
    let (part, whole) = (format!("out P {head}"), format!("out F {head}"));
    // A rest that looks like a head is still a rest: behind its line, and behind a line of the other stream.
    let (text, at) = runtime_lines(&[&part, &whole, &whole, &part, "err F x", &whole, "out F y", &whole]);
    let event = |n: usize| Some(earlier(&text, n));
    let expected = [
        (at[0], 2, Family::Plain, None),
        (at[2], 1, Family::Plain, None),
        (at[3], 1, Family::Plain, None),
        (at[4], 1, Family::None, None),
        (at[5], 2, Family::None, event(at[3])),
        (at[7], 1, Family::Plain, None),
    ];
    assert_eq!(cut_list(&text, &[]), expected);
    // An access line that was cut is closed where it ends.
    let (text, at) = runtime_lines(&[
        "out P 127.0.0.1 - - [24/May/2019:12:09:41 +0000] \"GET /a",
        "err F x",
        "out F  HTTP/1.1\" 200 5 \"-\" \"-\"",
        "out F y",
    ]);
    let expected = [
        (at[0], 1, Family::AccessPt, None),
        (at[1], 1, Family::None, None),
        (at[2], 1, Family::None, Some(earlier(&text, at[0]))),
        (at[3], 1, Family::None, None),
    ];
    assert_eq!(cut_list(&text, &[]), expected);
}

#[test]
fn text_of_a_program_goes_on_only_in_what_cannot_stand_alone() {
    let (text, at) =
        runtime_lines(&["out F text", "err F other", "out F \tat a.b.C.d(C.java:1)", "err F more", "out F end"]);
    let none = Family::None;
    let expected = [
        (at[0], 1, none, None),
        (at[1], 1, none, None),
        (at[2], 1, none, Some(earlier(&text, at[0]))),
        (at[3], 1, none, None),
        (at[4], 1, none, None),
    ];
    assert_eq!(cut_list(&text, &[]), expected);
}

#[test]
fn of_many_programs_the_one_that_was_silent_longest_is_forgotten() {
    let head = |n| format!("web{n}_1  | [2026-04-22 11:02:00,317]  INFO {{org.M}} - text\n");
    let mut lines: Vec<String> = (0..10).map(head).collect();
    lines.extend([0, 2].map(|n| format!("web{n}_1  | more\n")));
    let at: Vec<usize> = lines.iter().scan(0, |at, line| Some(std::mem::replace(at, *at + line.len()))).collect();
    let text = lines.concat().into_bytes();
    // The open event of the tenth program is remembered beside those of eight others.
    let last: Vec<_> = cut_list(&text, &[]).split_off(10);
    assert_eq!(last, [(at[10], 1, Family::None, None), (at[11], 1, Family::None, Some(earlier(&text, at[2])))]);
}

#[test]
fn only_what_one_tool_wraps_is_told_apart() {
    let (mut text, at) = runtime_lines(&["out F [2026-04-22 11:02:00,317]  INFO {org.M} - text"]);
    text.extend_from_slice(b"web_1  | more\n");
    assert_eq!(cut_list(&text, &[]), [(at[0], 2, Family::Plain, None)]);
}

#[test]
fn after_a_cut_each_program_goes_on_from_its_own() {
    let head = "out F [2026-04-22 11:02:00,317]  INFO {org.M} - text";
    let (text, at) = runtime_lines(&[head, "err F x", "out F more"]);
    let got = cut_list(&text, &[cut_at(at[1])]);
    let from = Some(earlier(&text, 0));
    let expected = [(0, 1, Family::Plain, None), (at[1], 1, Family::None, None), (at[2], 1, Family::None, from)];
    assert_eq!(got, expected);
}

#[test]
fn a_file_that_begins_with_a_time_and_level_is_cut_at_such_lines() {
    let text =
        b"2026-04-22 11:02:00.317  WARN 1 --- [main] o.s.b.App : a\nunindented\n\n2026-04-22 11:02:00 no level\n\
        2026-04-22 11:02:01.317 ERROR 1 --- [main] o.s.b.App : b\njava.io.IOException: x\n\tat a.b.C.d(C.java:1)\n";
    let lines = |text: &[u8]| cut_list(text, &[]).iter().map(|g| (g.1, g.2)).collect::<Vec<_>>();
    assert_eq!(lines(text), [(4, Family::None), (3, Family::None)]);
    // Not in a file that began with something else.
    let after = [HEAD, text].concat();
    assert_eq!(lines(&after), [(8, Family::Plain)]);
}

#[test]
fn after_a_cut_inside_a_line_its_rest_is_no_head() {
    let mut text = b"TID: [-1] [] [2026-04-22 11:02:00,317] ERROR {a} - x".to_vec();
    let at = text.len();
    text.extend_from_slice(HEAD); // The rest of the line looks like a head.
    text.extend_from_slice(HEAD);
    let got = cut_list(&text, &[cut_at(at)]);
    assert_eq!(
        got,
        [
            (0, 1, Family::Tid, None),
            (at, 1, Family::None, Some(Continues::Event(Offset(0)))),
            (at + HEAD.len(), 1, Family::Plain, None),
        ]
    );
}

#[test]
fn an_event_over_one_mebibyte_is_cut_at_its_last_line_end() {
    const MAX: usize = 1 << 20;
    let mut text = HEAD.to_vec();
    while text.len() < 3 * MAX {
        text.extend_from_slice(b"0123456789 0123456789 0123456789 0123456789\n");
    }
    text.extend_from_slice(HEAD);
    let run = whole(&text, &[]);
    assert_tiles(&text, &run);
    let sizes: Vec<(usize, bool, bool)> =
        run.iter().map(|(e, _, _)| (e.size as usize, e.flags.has(Flags::SPLIT), e.continues.is_some())).collect();
    assert_eq!(sizes.len(), 5);
    assert!(sizes[..3].iter().all(|(size, split, _)| *size <= MAX && *size > MAX - 44 && *split));
    assert!(!sizes[3].1 && sizes[3].2 && !sizes[4].2);
    let ends: Vec<usize> = (0..=text.len()).step_by(60_000).chain([text.len()]).collect();
    let split = run_from(&text, &ends, &with_end(&[], text.len()), 0, Context::default());
    assert_eq!(events(&run), events(&split));
}

#[test]
fn a_line_over_one_mebibyte_is_cut_between_characters() {
    const MAX: usize = 1 << 20;
    let mut text = HEAD[..HEAD.len() - 1].to_vec();
    while text.len() < 2 * MAX + 100 {
        text.extend_from_slice("\u{4e2d}".as_bytes());
    }
    text.push(b'\n');
    text.extend_from_slice(HEAD);
    let run = whole(&text, &[]);
    assert_tiles(&text, &run);
    for (event, bytes, _) in &run {
        assert!(event.size as usize <= MAX);
        assert!(std::str::from_utf8(bytes).is_ok());
    }
    assert_eq!(run.len(), 4);
    // It does not take more than 1 MiB and a window to decide that.
    let mut parser = Parser::new(facts(), Offset(0), Context::default());
    assert!(parser.advance(&text[..MAX + 65 * 1024], &[], &mut |_, _| {}) > 0);
}

#[test]
fn an_event_of_exactly_one_mebibyte_is_whole() {
    const MAX: usize = 1 << 20;
    let mut text = HEAD.to_vec();
    text.resize(MAX - 1, b'x');
    text.push(b'\n');
    text.extend_from_slice(HEAD);
    let run = whole(&text, &[]);
    assert_eq!(run.len(), 2);
    assert!(!run[0].0.flags.has(Flags::SPLIT));
}

#[test]
fn a_new_generation_may_go_on_from_the_one_before() {
    let mut text = HEAD.to_vec();
    text.extend_from_slice(b"\tat a.b.C.d(C.java:1)\n");
    let run = whole(&text, &[]);
    let next = run.last().unwrap().2.next_generation();
    let mut parser = Parser::new(facts(), Offset(0), next);
    let mut got = Vec::new();
    let text = [b"\tat a.b.C.e(C.java:2)\n\tat x\nother\n", HEAD].concat();
    parser.advance(&text, &[], &mut |e, _| got.push((e.lines, e.continues)));
    assert_eq!(got, [(2, Some(Continues::Generation)), (1, None)]);
}

#[test]
fn wrapped_lines_go_on_from_the_generation_before() {
    let (text, _) = runtime_lines(&["out F [2026-04-22 11:02:00,317]  INFO {org.M} - text"]);
    let next = whole(&text, &[]).last().unwrap().2.next_generation();
    let mut parser = Parser::new(facts(), Offset(0), next);
    let mut got = Vec::new();
    let (text, _) = runtime_lines(&["out F \tat a.b.C.e(C.java:2)", "out F other", "out F more"]);
    parser.advance(&text, &[], &mut |e, _| got.push((e.lines, e.continues)));
    assert_eq!(got, [(1, Some(Continues::Generation)), (1, None)]);
}

#[test]
fn inputs_hold_from_the_next_head_on_and_stay_in_the_context() {
    let text = HEAD.repeat(3);
    let zone = |at: usize, name: &str| InputAt {
        at: Offset(at as u64),
        input: Input::Zone(Zone { name: name.into(), source: ZoneSource::Config }),
    };
    let inputs = [zone(10, "Asia/Colombo"), zone(HEAD.len() + 5, "Asia/Tokyo")];
    let ends: Vec<usize> = (0..=text.len()).collect();
    let run = run_from(&text, &ends, &with_end(&inputs, text.len()), 0, Context::default());
    let zone_after = |i: usize| run[i].2.zone.as_ref().unwrap().name.as_str();
    assert_eq!((zone_after(0), zone_after(2)), ("Asia/Colombo", "Asia/Tokyo"));
}
