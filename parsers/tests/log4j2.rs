//! Real log4j2 writes random events in WSO2's layouts and in layouts of people, rolling as it goes; what is parsed
//! must be what was logged, field by field.
//!
//! The writer is in `tests/log4j2`, its layouts in `tests/log4j2/layouts.txt`; Maven compiles it once into `target/`.
//! Without Java or Maven the test is skipped, saying so; under `CI=true` it then fails.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]
#![allow(clippy::disallowed_methods, reason = "the files of a real log4j2 are looked at")]

use jiff::Timestamp;
use parsers::own::Syntax;
use parsers::{
    Context, Cut, Event, FieldId, FileFacts, Format, FormatSpec, Formats, Input, InputAt, Offset, Parser, TimeNs,
    Value, Zone, ZoneSource,
};
use serde_json::Value as Json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const EVENTS: usize = 300;
const ZONE: &str = "Asia/Colombo";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests")
}

/// Why it cannot be run here.
fn missing() -> Option<&'static str> {
    let runs = |program: &str| Command::new(program).arg("-version").output().is_ok_and(|out| out.status.success());
    match (runs("java"), runs("mvn")) {
        (false, _) => Some("java is not installed"),
        (_, false) => Some("mvn is not installed"),
        _ => None,
    }
}

/// The compiled writer; made again only when its sources changed.
fn compiled() -> PathBuf {
    let (from, out) = (root().join("log4j2"), root().join("../target/log4j2"));
    let sources = [
        "pom.xml",
        "src/main/java/differential/Words.java",
        "src/main/java/differential/SetClock.java",
        "src/main/java/differential/Writer.java",
    ];
    let newest = sources.iter().map(|s| fs::metadata(from.join(s)).unwrap().modified().unwrap()).max().unwrap();
    let stamp = out.join("compiled");
    if fs::metadata(&stamp).is_ok_and(|m| m.modified().unwrap() >= newest) {
        return out;
    }
    let pom = from.join("pom.xml");
    fs::create_dir_all(&out).unwrap();
    let out = out.canonicalize().unwrap();
    let done = Command::new("mvn")
        .args(["-q", "-B", "-Dstyle.color=never", "-f", &pom.display().to_string(), "package"])
        .arg(format!("-Dout={}", out.display()))
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    fs::write(stamp, "").unwrap();
    out
}

#[test]
fn what_is_parsed_is_what_real_log4j2_logged() {
    if let Some(reason) = missing() {
        assert!(std::env::var_os("CI").is_none(), "{reason}");
        eprintln!("SKIPPED: {reason}");
        return;
    }
    let compiled = compiled();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("log4j2");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).unwrap();
    let layouts = root().join("log4j2/layouts.txt");
    let seed = std::env::var("SEED").unwrap_or_else(|_| "7".to_owned());
    let done = Command::new("java")
        .args([&format!("-Duser.timezone={ZONE}"), "-Dlog4j2.clock=differential.SetClock", "-Duser.language=en", "-cp"])
        .arg(format!("{0}/classes:{0}/lib/*", compiled.display()))
        .arg("differential.Writer")
        .args([layouts.as_path(), folder.as_path()])
        .args([&seed, &EVENTS.to_string()])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let truth = fs::read_to_string(folder.as_path().join("truth.ndjson")).unwrap();
    let truth: Vec<Json> = truth.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let layouts = fs::read_to_string(layouts).unwrap();
    let (mut families, mut rolled, mut wrong) = (Vec::new(), 0, Vec::new());
    for (number, layout) in layouts.lines().enumerate() {
        let (bytes, files) = read(&folder.as_path().join(format!("case{number}")));
        rolled += files - 1;
        let expected: Vec<&Json> = truth.iter().filter(|t| t["case"] == number).collect();
        let format = Format::new(FormatSpec::new("case", Syntax::Layout, layout)).unwrap();
        families.push(format.built_in().map_or("own", parsers::Family::name));
        let case = Case { layout, bytes: &bytes, built_in: format.built_in().is_some() };
        wrong.extend(case.compare(&expected, format));
    }
    assert!(wrong.is_empty(), "seed {seed}: {} differences\n{}", wrong.len(), wrong[..wrong.len().min(12)].join("\n"));
    // It would prove little if nothing rolled, or all went one way.
    assert!(rolled > 30, "{rolled}");
    let own = families.iter().filter(|f| **f == "own").count();
    assert!(own >= 10 && families.len() - own >= 10, "{families:?}");
}

/// The bytes of a case's files, oldest first, and how many files they were.
fn read(folder: &Path) -> (Vec<u8>, usize) {
    let mut bytes = Vec::new();
    let mut files = 0;
    for number in 1.. {
        let Ok(more) = fs::read(folder.join(format!("own.{number}.log"))) else { break };
        bytes.extend(more);
        files += 1;
    }
    bytes.extend(fs::read(folder.join("own.log")).unwrap());
    (bytes, files + 1)
}

struct Case<'a> {
    layout: &'a str,
    bytes: &'a [u8],
    built_in: bool,
}

impl Case<'_> {
    fn compare(&self, expected: &[&Json], format: Format) -> Vec<String> {
        let zone = Some(Zone { name: ZONE.into(), source: ZoneSource::Config });
        let first = expected[0]["time"].as_i64().unwrap();
        let file_time = Some(TimeNs(first * 1_000_000));
        let context = Context { zone, formats: Formats::new([format]), file_time, ..Context::default() };
        let mut parser = Parser::new(FileFacts { name: "own.log".into(), family: None }, Offset(0), context);
        let end = parser.cut_place(self.bytes, Cut::Everything).unwrap();
        let mut wrong = Vec::new();
        let mut number = 0;
        parser.advance(self.bytes, &[InputAt { at: end, input: Input::Cut }], &mut |event, bytes| {
            match expected.get(number) {
                Some(truth) => wrong.extend(self.differences(event, bytes, truth)),
                None => wrong.push(format!("{}: more events than were logged", self.layout)),
            }
            number += 1;
        });
        if number < expected.len() {
            wrong.push(format!("{}: {number} events, {} were logged", self.layout, expected.len()));
        }
        wrong
    }

    fn prints(&self, word: &str) -> bool {
        self.layout.contains(word)
    }

    fn differences(&self, event: &Event, bytes: &[u8], truth: &Json) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut check = |what: &str, found: String, expected: String| {
            if found != expected {
                let line = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
                wrong.push(format!("{}: {what} is `{found}`, `{expected}` was logged\n    {line}", self.layout));
            }
        };
        let text = |name: &str| truth[name].as_str().unwrap_or_default().to_owned();
        let field = |id: FieldId| event.get(id).map(|v| shown(v, bytes)).unwrap_or_default();
        if self.prints("%p") || self.prints("%5p") || self.prints("level") {
            check("level", format!("{:?}", event.level).to_uppercase(), text("level"));
        }
        if self.prints("%c") || self.prints("%logger") || self.prints("%30.40c") {
            check("logger", field(FieldId::LOG_LOGGER), self.logger(&text("logger")));
        }
        if self.prints("%t]") || self.prints("%t ") || self.prints("%t>") || self.prints("|%t|") {
            check("thread", field(FieldId::THREAD_NAME), text("thread"));
        }
        if self.prints("%tenantId") {
            check("tenant", field(FieldId::TENANT_ID), text("tenant"));
        }
        if self.prints("%appName") {
            check("app", field(FieldId::APP), text("app"));
        }
        if self.prints("Correlation-ID") {
            check("correlation id", field(FieldId::CORRELATION_ID), text("correlation"));
        }
        if self.prints("%X{tier}") {
            let tier = text("tier");
            let expected = if tier.is_empty() { tier } else { format!("tier={tier}") };
            check("label", field(FieldId::LABELS), expected);
        }
        let mut message = text("message");
        if self.prints("{CRLF}") {
            message = message.replace('\n', "\\n");
        }
        check("message", field(FieldId::MESSAGE), message);
        check("exception", field(FieldId::ERROR_TYPE), text("type"));
        check("exception's text", field(FieldId::ERROR_MESSAGE), text("text"));
        let all = |id| event.fields.iter().filter(|f| f.id == id).map(|f| shown(&f.value, bytes)).collect::<Vec<_>>();
        let causes: Vec<String> =
            truth["causes"].as_array().unwrap().iter().map(|c| c.as_str().unwrap().to_owned()).collect();
        let found = all(FieldId::ERROR_CAUSES).into_iter().filter(|c| c != "java.io.EOFException").collect::<Vec<_>>();
        check("causes", format!("{found:?}"), format!("{causes:?}"));
        let time = event.time.map(|t| t.utc.0 / 1_000_000).unwrap_or_default();
        let shown_time = |ms: i64| Timestamp::from_millisecond(ms).unwrap().to_string();
        check("time", shown_time(time), shown_time(truth["time"].as_i64().unwrap()));
        check("format", field(FieldId::LOG_FORMAT), if self.built_in { String::new() } else { "case".into() });
        wrong
    }

    /// The logger as this layout prints it.
    fn logger(&self, name: &str) -> String {
        let parts: Vec<&str> = name.split('.').collect();
        match () {
            () if self.prints("c{1.}") => {
                let (last, packages) = parts.split_last().unwrap();
                packages.iter().map(|p| format!("{}.", &p[..1])).collect::<String>() + last
            }
            () if self.prints("c{1}") => (*parts.last().unwrap()).to_owned(),
            () if self.prints("c{2}") => parts[parts.len().saturating_sub(2)..].join("."),
            () if self.prints("%30.40c") => name[name.len().saturating_sub(40)..].to_owned(),
            () => name.to_owned(),
        }
    }
}

fn shown(value: &Value, bytes: &[u8]) -> String {
    match value {
        Value::Span { start, len } => {
            String::from_utf8_lossy(&bytes[*start as usize..(*start + *len) as usize]).into_owned()
        }
        Value::Literal(text) => text.to_string(),
        Value::Int(number) => number.to_string(),
    }
}
