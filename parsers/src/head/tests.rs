//! The scanners against regular expressions of the same shapes, tried in the same order.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use super::{Head, recognise, recognise_any};
use crate::{Family, heads, level};
use proptest::prelude::*;
use regex::bytes::Regex;
use std::sync::OnceLock;

/// Family and expression; the first that fits wins.
fn oracle() -> &'static [(Family, Regex)] {
    static ORACLE: OnceLock<Vec<(Family, Regex)>> = OnceLock::new();
    ORACLE.get_or_init(|| {
        use Family::*;
        // `ANY` is a bracket that may hold brackets.
        const SHAPES: [(Family, &str); 24] = [
            (TidIs, r"TID: BR BR \[TS\] ANYLVL LOG - "),
            (TidIsAudit, r"TID: BR \[TS\] ANYLVL LOG - "),
            (Tid, r"TID: BR BR \[TS\] ?TEN(?:LVL$|JLV LOG ?-(?: |$))"),
            (TidShort, r"TID: BR \[TS\]LVL LOG ?- "),
            (TidLaunch, r"TID: \[TS\]LVL LOG - "),
            (Governance, r"ThreadID: BR TenantID: BR \[TS\]LVL LOG - "),
            (Ei63, r"\[TS\] \[-?\d*\] BR ANY ?TENLVL LOG - "),
            (BrkCorr, r"\[TS\] ?BR ?TENLVL LOG - "),
            (Enforcer, r"\[TS\]BR(?:BR)?LVL (?:- )?LOG - "),
            (Plain, r"\[TS\] ?TENJLV LOG *(?:-|\S)"),
            (ApiJson, r"\[TS\]LVL LOG \S"),
            (MiMetric, r"\[TS\] BR ANYLVL "),
            (Console, r"\[TS\](?: BR)? ?TENLVL - "),
            (Transaction, r"\[TS\] - "),
            (Websocket, r"\[TS\] BR - "),
            (Envoy, r"\[DATE \d\d:\d\d:\d\d\.\d{3}\]\[\d+\]\[[a-z]+\]\["),
            (Gwerr, r"DATE[ T]TIM BR ANYLVL "),
            (Gwtrace, r"TIM BR ANYLVL "),
            (MiOtel, r"\d\d-\d\d-20\d\d-TIM BR ANYLVL "),
            (Corr, r"DATE ?TIM\|[^|]*\|[^|]*\|"),
            (Diagtool, r"DATE \d\d:\d\d:\d\d [^ \[]+ \[[A-Z]+\] "),
            (AccessPt, r#"\S+(?:, \S+)* \S+ \S* ?\S* \[ACC(?:[.,:]\d{3})? [+-]\d{4}\] ""#),
            (AccessTc, r"\S+ \S+ \S+ \[ACC [+-]\d{4}\] "),
            (Equinox, r"!(?:SESSION|ENTRY|SUBENTRY) "),
        ];
        let odd = (ConsoleOdd, r"\[TS\]LVL ");
        SHAPES
            .iter()
            .chain([&odd])
            .map(|(family, shape)| (*family, Regex::new(&format!("^{}", expand(shape))).unwrap()))
            .collect()
    })
}

fn expand(shape: &str) -> String {
    // The blank of an empty message may have been trimmed.
    let trimmed = shape.strip_suffix("- ").map(|front| format!("{front}-(?: |$)"));
    trimmed
        .as_deref()
        .unwrap_or(shape)
        .replace("TEN", r"(?:[^ \[\]{}]*@[^ \[\]{}]* ?\[[^\]]*\](?: \[[^\]]*\])?)?")
        // The tenant of `TenantID` is no shape.
        .replace(r"(?:[^ \[\]{}]*@[^ \[\]{}]* ?\[[^\]]*\](?: \[[^\]]*\])?)?antID", "TenantID")
        .replace("LVL", " *(?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL|SEVERE|WARNING|CONFIG|FINE|FINER|FINEST)")
        .replace("JLV", r" *(?:\p{L}+(?: \p{L}+){0,2})")
        .replace("ANY", r"\[(?-u:[^\n])*?\]")
        .replace("BR", r"\[[^\]]*\]")
        .replace("LOG", r"\{[^}]*\}")
        .replace("TS", r"DATE[ T]\d{1,2}:\d\d:\d\d[,.]\d{1,9}(?:Z|[+-]\d\d:?\d\d)?")
        .replace("DATE", r"20\d\d-\d\d-\d\d")
        .replace("TIM", r"\d{1,2}:\d\d:\d\d[,.]\d{1,4}")
        .replace("ACC", r"\d\d/[A-Z][a-z]{2}/20\d\d:\d\d:\d\d:\d\d")
}

fn expected(line: &[u8]) -> Option<Family> {
    oracle().iter().find(|(_, shape)| shape.is_match(line)).map(|(family, _)| *family)
}

/// The pieces heads are made of, right ones and near misses.
const PIECES: [&str; 72] = [
    "TID: ",
    "TID:",
    "ThreadID: ",
    " TenantID: ",
    "[",
    "]",
    "[]",
    " ",
    " ",
    " ",
    "  ",
    " - ",
    "- ",
    "-",
    "{",
    "}",
    "{org.wso2.A}",
    "{}",
    "{a b}",
    "INFO",
    "WARN",
    "ERROR",
    "WARNING",
    "FINEST",
    "FINER",
    "FINE",
    "DETALLADO",
    "INFORMACI\u{d3}N",
    "AM FEINSTEN",
    "INFOX",
    "Info",
    "[-1234]",
    "[1]",
    "[a b]",
    "[api/am]",
    "bob@foo.com",
    "@",
    "a@b[3]",
    "a@b [3] [s]",
    "2026-04-22",
    "2026-04-22 ",
    "2026-04-22T",
    "20x6-04-22 ",
    "11:02:00,317",
    "1:02:00.3",
    "111:02:00,317",
    "11:02:00",
    "11:02:00,1234567890",
    "[2026-04-22 11:02:00,317]",
    "[2026-04-22T1:02:00.317+05:30]",
    "[2026-04-22 11:02:00,317Z]",
    "[2026-04-22 11:02:00.317-0500]",
    "[2026-04-22 11:02:00.317]",
    "04-22-2026-",
    "|",
    "||",
    "|a b|",
    "127.0.0.1",
    "10.0.0.1, ",
    "- ",
    "[24/May/2019:12:09:41 +0000]",
    "[24/May/2019:12:09:41.606 +0530]",
    "[24/may/2019:12:09:41 +0000]",
    "\"GET",
    "\"",
    "!ENTRY ",
    "!SESSION ",
    "!SUBENTRY",
    "text",
    "\t",
    "[15]",
    "[debug]",
];

/// Whole heads; one or two pieces of them are then exchanged.
const HEADS: [&[&str]; 22] = [
    &[
        "TID: ",
        "[-1234]",
        " ",
        "[]",
        " ",
        "[2026-04-22 11:02:00,317]",
        "  ",
        "INFO",
        " ",
        "{org.wso2.A}",
        " - ",
        "text",
    ],
    &[
        "TID: ",
        "[1]",
        " ",
        "[]",
        " ",
        "[2026-04-22 11:02:00,317]",
        " ",
        "a@b [3] [s]",
        " ",
        "INFO",
        " ",
        "{a b}",
        " - ",
        "text",
    ],
    &["TID: ", "[1]", " ", "[]", " ", "[2026-04-22 11:02:00,317]", " ", "a@b[3]", "ERROR", " ", "{a b}", "- ", "text"],
    &["TID: ", "[1]", " ", "[]", " ", "[2026-04-22 11:02:00,317]", " ", "ERROR"],
    &["TID: ", "[]", " ", "[]", " ", "[2026-04-22 11:02:00,317]", " ", "[a b]", " ", "ERROR", " ", "{}", " - ", "text"],
    &["TID: ", "[]", " ", "[2026-04-22 11:02:00,317]", " ", "[a b]", " ", "ERROR", " ", "{}", " - ", "text"],
    &["TID: ", "[]", " ", "[2026-04-22 11:02:00,317]", "  ", "INFO", " ", "{org.wso2.A}", "- ", "text"],
    &["TID: ", "[2026-04-22 11:02:00,317]", "  ", "INFO", " ", "{org.wso2.A}", " - ", "text"],
    &["ThreadID: ", "[1]", " TenantID: ", "[]", " ", "[2026-04-22 11:02:00,317]", "  ", "INFO", " ", "{}", " - "],
    &["[2026-04-22 11:02:00,317]", " ", "[-1234]", " ", "[]", " ", "[a b]", " ", "INFO", " ", "{}", " - ", "text"],
    &["[2026-04-22 11:02:00,317]", " ", "[-1234]", " ", "INFO", " ", "{org.wso2.A}", " - ", "text"],
    &["[2026-04-22 11:02:00,317]", "[]", "[]", " ", "ERROR", " ", "- ", "{org.wso2.A}", " - ", "text"],
    &["[2026-04-22 11:02:00,317]", "  ", "DETALLADO", " ", "{org.wso2.A}", " - ", "text"],
    &["[2026-04-22 11:02:00,317]", " ", "[-]", " ", "[a b]", " ", "INFO", " ", "text"],
    &["[2026-04-22 11:02:00,317]", " ", "[EI-Core]", "  ", "INFO", " - ", "text"],
    &["[2026-04-22 11:02:00.317]", "[15]", "[debug]", "[", "http"],
    &["2026-04-22 ", "11:02:00,317", " ", "[-]", " ", "[a b]", "  ", "INFO", " ", "text"],
    &["04-22-2026-", "11:02:00,317", " ", "[-]", " ", "[a b]", "  ", "INFO", " ", "text"],
    &["2026-04-22 ", "11:02:00,317", "|a b|", "thread", "|", "text"],
    &["2026-04-22 ", "11:02:00", " ", "Class", " ", "[INFO]", " ", "text"],
    &["10.0.0.1, ", "127.0.0.1", " ", "- ", "- ", "- ", "[24/May/2019:12:09:41.606 +0530]", " ", "\"GET"],
    &["127.0.0.1", " ", "- ", "- ", "[24/May/2019:12:09:41 +0000]", " ", "GET /"],
];

fn near_head() -> impl Strategy<Value = String> {
    let change = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0u8..4);
    (any::<prop::sample::Index>(), proptest::collection::vec(change, 0..3)).prop_map(|(head, changes)| {
        let mut parts: Vec<&str> = HEADS[head.index(HEADS.len())].to_vec();
        for (at, piece, how) in changes {
            let at = at.index(parts.len());
            let piece = PIECES[piece.index(PIECES.len())];
            match how {
                0 => parts[at] = piece,
                1 => parts.insert(at, piece),
                2 if parts.len() > 1 => drop(parts.remove(at)),
                _ => {}
            }
        }
        parts.concat()
    })
}

fn soup() -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<prop::sample::Index>(), 1..14)
        .prop_map(|pieces| pieces.iter().map(|i| PIECES[i.index(PIECES.len())]).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn scanners_and_expressions_agree(line in prop_oneof![4 => near_head(), 1 => soup()]) {
        let found = recognise(line.as_bytes()).map(|h| h.family);
        prop_assert_eq!(found, expected(line.as_bytes()), "{:?}", line);
    }

    #[test]
    fn the_usual_shapes_are_what_all_scanners_find(line in prop_oneof![4 => near_head(), 1 => soup()]) {
        if let Some(head) = heads::usual::recognise(line.as_bytes()) {
            let severity = head.severity;
            prop_assert_eq!(recognise_any(line.as_bytes()).map(|h| Head { severity, ..h }), Some(head), "{:?}", line);
            prop_assert_eq!(severity, level::of_word(head.level.of(line.as_bytes())));
        }
    }

    #[test]
    fn no_bytes_make_it_fail(line in proptest::collection::vec(any::<u8>(), 0..200), head in near_head(), cut in any::<prop::sample::Index>()) {
        let mut bytes = head.into_bytes();
        bytes.truncate(cut.index(bytes.len() + 1));
        bytes.extend(line);
        if let Some(head) = recognise(&bytes) {
            prop_assert!(head.message as usize <= bytes.len());
        }
    }
}

#[test]
fn whole_heads_have_the_family_they_were_written_for() {
    use Family::*;
    let families: Vec<Option<Family>> =
        HEADS.iter().map(|h| recognise(h.concat().as_bytes()).map(|h| h.family)).collect();
    let wanted = [
        Tid, Tid, Tid, Tid, TidIs, TidIsAudit, TidShort, TidLaunch, Governance, Ei63, BrkCorr, Enforcer, Plain,
        MiMetric, Console, Envoy, Gwerr, MiOtel, Corr, Diagtool, AccessPt, AccessTc,
    ];
    assert_eq!(families, wanted.map(Some));
}
