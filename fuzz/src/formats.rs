//! Own formats: whatever is given for one is refused with a place in it or reads any lines; log4j's configuration.

use parsers::own::{FormatPart, Syntax, properties};
use parsers::{Context, FileFacts, Format, FormatSpec, Formats, Input, InputAt, Offset, Parser, Value};

/// First line: a digit for the syntax, then the format. Second line: a format of time, a zone or nothing, behind a
/// tab a pattern. What follows are lines of a file.
pub(crate) fn formats(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for layout in properties::file_layouts(&text) {
        drop(Format::new(layout.spec));
    }
    let mut parts = text.splitn(3, '\n');
    let (first, second, lines) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let syntax = match first.as_bytes().first() {
        Some(b'2') => Syntax::Layout1,
        Some(b'3') => Syntax::Regex,
        Some(b'4') => Syntax::Grok,
        _ => Syntax::Layout,
    };
    let mut chars = first.chars();
    chars.next();
    let mut spec = FormatSpec::new("f", syntax, chars.as_str());
    let (time, pattern) = second.split_once('\t').unwrap_or((second, ""));
    spec.time = (!time.is_empty()).then(|| time.to_owned());
    spec.multiline = time.len() % 2 == 0;
    if !pattern.is_empty() {
        spec.patterns.push(("P".to_owned(), pattern.to_owned()));
    }
    let format = match Format::new(spec.clone()) {
        Ok(format) => format,
        Err(error) => {
            let within = match error.part {
                FormatPart::Text => spec.text.len(),
                FormatPart::Time => spec.time.map_or(0, |t| t.len()),
                _ => bytes.len() * 3,
            };
            assert!(error.at <= within && !error.text.is_empty(), "{error:?}");
            return;
        }
    };
    let formats = Formats::new([format.clone()]);
    assert_eq!(Formats::decode(&formats.encode()).as_ref(), Some(&formats));
    let context = Context { formats, ..Context::default() };
    let context = Context::decode(&context.encode()).unwrap();
    let end = InputAt { at: Offset(lines.len() as u64), input: Input::Cut };
    let mut parser = Parser::new(FileFacts::default(), Offset(0), context);
    let used = parser.advance(lines.as_bytes(), &[end], &mut |event, own| {
        for field in &event.fields {
            if let Value::Span { start, len } = field.value {
                assert!((start + len) as usize <= own.len());
            }
        }
    });
    assert_eq!(used, lines.len());
    drop(format.explain(lines.as_bytes()));
}
