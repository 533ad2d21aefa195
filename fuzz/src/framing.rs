//! Framing with all families and own formats; contexts; templates.

use parsers::own::Syntax;
use parsers::{
    Context, Cut, Event, Family, FileFacts, Format, FormatSpec, Formats, Input, InputAt, Offset, Parser, TimeNs, Value,
    template,
};
use xxhash_rust::xxh3::xxh3_64;

/// An event with its bytes.
type Closed = (Event, Vec<u8>);

/// How a file is fed, told by the last bytes of the input, so that a log file is an input as it is.
struct Way {
    facts: FileFacts,
    formats: bool,
    splits: [usize; 2],
    cut: Option<usize>,
}

const NAMES: [&str; 8] = [
    "wso2carbon.log",
    "audit.log",
    "http_access_.log",
    "correlation.log",
    "wso2-apigw-errors.log",
    "synapse-analytics.log",
    "tm.out",
    "1650000000000.log",
];

const CONTROL_BYTES: usize = 6;

fn way(bytes: &[u8]) -> (Way, &[u8]) {
    let (text, control) = match bytes.len().checked_sub(CONTROL_BYTES) {
        Some(at) if bytes[at] == 0 => (&bytes[..at], &bytes[at..]),
        _ => (bytes, &[0u8; CONTROL_BYTES][..]),
    };
    let family = Family::ALL.get(usize::from(control[1])).filter(|f| **f != Family::None).copied();
    let place = |byte: u8| text.len() * usize::from(byte) / 255;
    let mut splits = [place(control[3]), place(control[4])];
    splits.sort_unstable();
    let way = Way {
        facts: FileFacts { name: NAMES[usize::from(control[2] % 8)].into(), family },
        formats: control[2] & 8 > 0,
        splits,
        cut: (control[5] > 0).then(|| place(control[5])),
    };
    (way, text)
}

fn formats() -> Formats {
    let layout = FormatSpec::new("layout", Syntax::Layout, "%d | %-5p | [%t] %c{1}:%L%notEmpty{ (%X{a})} - %m {%c}%n");
    let grok =
        FormatSpec::new("grok", Syntax::Grok, "%{TIMESTAMP_ISO8601:time} %{LOGLEVEL:level} %{GREEDYDATA:message}");
    Formats::new([layout, grok].map(|spec| Format::new(spec).unwrap()))
}

/// Feeds `bytes[from..]`, visible up to each of `ends` in turn.
fn run(
    way: &Way,
    bytes: &[u8],
    inputs: &[InputAt],
    ends: &[usize],
    from: usize,
    context: Context,
) -> (Vec<Closed>, Parser) {
    let mut parser = Parser::new(way.facts.clone(), Offset(from as u64), context);
    let mut closed = Vec::new();
    for end in ends.iter().copied().filter(|end| *end >= from) {
        let start = (parser.offset().0 as usize).min(end);
        parser.advance(&bytes[start..end], inputs, &mut |event, own| closed.push((event.clone(), own.to_vec())));
        drop(parser.provisional(&bytes[parser.offset().0 as usize..end]));
        let _ = parser.cut_place(&bytes[parser.offset().0 as usize..end], Cut::WholeLines);
    }
    (closed, parser)
}

/// The events' bytes are the file, spans lie within them, any split gives the same, and so does a restart.
pub(crate) fn framing(bytes: &[u8]) {
    let (way, text) = way(bytes);
    let formats = if way.formats { formats() } else { Formats::default() };
    let begin = Context { formats, file_time: Some(TimeNs(1_776_000_000_000_000_000)), ..Context::default() };
    let cut = |at: usize| InputAt { at: Offset(at as u64), input: Input::Cut };
    let mut inputs: Vec<InputAt> = way.cut.map(cut).into_iter().collect();
    inputs.push(cut(text.len()));
    let (whole, _) = run(&way, text, &inputs, &[text.len()], 0, begin.clone());
    tiles(text, &whole);
    let ends = [way.splits[0], way.splits[1], text.len()];
    let (split, _) = run(&way, text, &inputs, &ends, 0, begin.clone());
    assert_eq!(whole, split, "split at {ends:?}");
    // A restart at the mark that a first part leaves.
    let (before, parser) = run(&way, text, &inputs, &ends[..1], 0, begin);
    let mark = parser.offset().0 as usize;
    let context = Context::decode(&parser.context().encode()).unwrap();
    let (after, _) = run(&way, text, &inputs, &[text.len()], mark, context);
    assert_eq!(whole, [before, after].concat(), "restart at {mark}");
}

fn tiles(text: &[u8], events: &[Closed]) {
    let mut at = 0;
    for (event, own) in events {
        assert_eq!((event.offset.0 as usize, event.size as usize), (at, own.len()));
        assert_eq!(&text[at..at + own.len()], &own[..]);
        for field in &event.fields {
            if let Value::Span { start, len } = field.value {
                assert!(len > 0 && (start + len) as usize <= own.len(), "{:?}", field.id.name());
            }
        }
        at += own.len();
    }
    assert_eq!(at, text.len());
}

/// Template and variables give the message back.
pub(crate) fn template(bytes: &[u8]) {
    let mut splitter = template::Splitter::new();
    let taken = splitter.split(bytes);
    let variables = taken.variables.iter().map(|(from, to)| &bytes[*from as usize..*to as usize]);
    let mut out = Vec::new();
    template::render(taken.text, variables, &mut out);
    assert_eq!(out, bytes);
}

/// Any bytes with a fitting checksum: refused, or a context that is the same when written again and can be used.
pub(crate) fn context(bytes: &[u8]) {
    drop(Context::decode(bytes));
    let sealed = [bytes, &(xxh3_64(bytes) as u32).to_le_bytes()].concat();
    let Ok(context) = Context::decode(&sealed) else { return };
    let again = context.encode();
    assert!(again.len() <= 1024);
    assert_eq!(Context::decode(&again).unwrap(), context);
    let text = b"[2026-04-22 11:02:00,317]  WARN {org.M} - plain\n11:02:13,541 [-] [a] INFO B c\n\tat a.b.C\n";
    let end = InputAt { at: Offset(text.len() as u64), input: Input::Cut };
    let mut parser = Parser::new(FileFacts::default(), Offset(0), context);
    assert_eq!(parser.advance(text, &[end], &mut |_, _| {}), text.len());
}
