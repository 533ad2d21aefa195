//! Real log4j2 and real log4j1 write random events in WSO2's layouts and in layouts of people, rolling as they go; what is
//! parsed must be what was logged, field by field.
//!
//! The writers are in `tests/log4j2` and `tests/log4j1`, the layouts in `layouts.txt` beside them; Maven compiles them once
//! into `target/`. That of log4j1 knows the letters that Carbon adds. Without Java or Maven the tests are skipped, saying
//! so; under `CI=true` they then fail.
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

/// A program that logs.
struct Writer {
    /// Its folder in `tests/`, and in `target/`.
    name: &'static str,
    syntax: Syntax,
    sources: &'static [&'static str],
    flags: &'static [&'static str],
    /// It keeps its older files as `own.N.log`, the oldest first; or as `own.log.N`, the oldest last.
    oldest_first: bool,
}

const LOG4J2: Writer = Writer {
    name: "log4j2",
    syntax: Syntax::Layout,
    sources: &["Words.java", "SetClock.java", "Writer.java"],
    flags: &["-Dlog4j2.clock=differential.SetClock"],
    oldest_first: true,
};

const LOG4J1: Writer = Writer {
    name: "log4j1",
    syntax: Syntax::Layout1,
    sources: &["CarbonLayout.java", "Writer.java"],
    flags: &[],
    oldest_first: false,
};

impl Writer {
    /// Compiled; made again only when its sources changed.
    fn compiled(&self) -> PathBuf {
        let (from, out) = (root().join(self.name), root().join("../target").join(self.name));
        let pom = from.join("pom.xml");
        let sources = self.sources.iter().map(|name| from.join("src/main/java/differential").join(name));
        let all = sources.chain([pom.clone()]);
        let newest = all.map(|s| fs::metadata(s).unwrap().modified().unwrap()).max().unwrap();
        let stamp = out.join("compiled");
        if fs::metadata(&stamp).is_ok_and(|m| m.modified().unwrap() >= newest) {
            return out;
        }
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

    /// Lets it write into a folder; `None` where it cannot be run.
    fn write(&self, seed: &str) -> Option<PathBuf> {
        if let Some(reason) = missing() {
            assert!(std::env::var_os("CI").is_none(), "{reason}");
            eprintln!("SKIPPED: {reason}");
            return None;
        }
        let compiled = self.compiled();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(self.name);
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).unwrap();
        let done = Command::new("java")
            .args([&format!("-Duser.timezone={ZONE}"), "-Duser.language=en"])
            .args(self.flags)
            .arg("-cp")
            .arg(format!("{0}/classes:{0}/lib/*", compiled.display()))
            .arg("differential.Writer")
            .args([root().join(self.name).join("layouts.txt").as_path(), folder.as_path()])
            .args([seed, &EVENTS.to_string()])
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Some(folder)
    }

    /// The bytes of a case's files, oldest first, and how many files they were.
    fn read(&self, folder: &Path) -> (Vec<u8>, usize) {
        let mut files = Vec::new();
        for number in 1.. {
            let name = if self.oldest_first { format!("own.{number}.log") } else { format!("own.log.{number}") };
            let Ok(more) = fs::read(folder.join(name)) else { break };
            files.push(more);
        }
        if !self.oldest_first {
            files.reverse();
        }
        files.push(fs::read(folder.join("own.log")).unwrap());
        (files.concat(), files.len())
    }

    /// Compares all that it writes; gives how many layouts are read by built-in families, and by themselves.
    fn check(&self) -> Option<[usize; 2]> {
        let seed = std::env::var("SEED").unwrap_or_else(|_| "7".to_owned());
        let folder = self.write(&seed)?;
        let truth = fs::read_to_string(folder.join("truth.ndjson")).unwrap();
        let truth: Vec<Json> = truth.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let layouts = fs::read_to_string(root().join(self.name).join("layouts.txt")).unwrap();
        let (mut families, mut rolled, mut wrong) = ([0; 2], 0, Vec::new());
        for (number, layout) in layouts.lines().enumerate() {
            let (bytes, files) = self.read(&folder.join(format!("case{number}")));
            rolled += files - 1;
            let expected: Vec<&Json> = truth.iter().filter(|t| t["case"] == number).collect();
            let format = Format::new(FormatSpec::new("case", self.syntax, layout)).unwrap();
            let built_in = format.built_in().is_some();
            families[usize::from(!built_in)] += 1;
            let case = Case { layout, bytes: &bytes, built_in };
            wrong.extend(case.compare(&expected, format));
        }
        // Several of the same say no more than one.
        let mut seen = std::collections::BTreeSet::new();
        let unlike: Vec<&str> =
            wrong.iter().map(String::as_str).filter(|w| seen.insert(w.split(" is `").next().unwrap_or(w))).collect();
        let shown = unlike[..unlike.len().min(12)].join("\n");
        assert!(wrong.is_empty(), "seed {seed}: {} differences\n{shown}", wrong.len());
        // It would prove little if nothing rolled.
        assert!(rolled > 30, "{rolled}");
        Some(families)
    }
}

#[test]
fn what_is_parsed_is_what_real_log4j2_logged() {
    let families = LOG4J2.check();
    // Nor if all went one way.
    assert!(families.is_none_or(|found| found.iter().all(|n| *n >= 10)), "{families:?}");
}

#[test]
fn what_is_parsed_is_what_real_log4j1_logged() {
    let families = LOG4J1.check();
    assert!(families.is_none_or(|found| found[0] >= 8 && found[1] >= 5), "{families:?}");
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
        if self.prints("%p") || self.prints("5p") || self.prints("level") {
            check("level", format!("{:?}", event.level).to_uppercase(), text("level"));
        }
        if self.prints("%c") || self.prints("%logger") || self.prints("30.40c") {
            check("logger", field(FieldId::LOG_LOGGER), self.logger(&text("logger")));
        }
        if self.prints("%t]") || self.prints("%t ") || self.prints("%t>") || self.prints("|%t|") {
            check("thread", field(FieldId::THREAD_NAME), text("thread"));
        }
        // What Carbon's letters for other tenants than the super tenant print.
        let other = self.prints("%P") && text("tenant") == "7";
        let printed = |letter: &str, name: &str| if self.prints(letter) || other { text(name) } else { String::new() };
        if self.prints("%tenantId") {
            check("tenant", field(FieldId::TENANT_ID), text("tenant"));
        }
        if self.prints("%P") || self.prints("[%A]") {
            check("tenant", field(FieldId::TENANT_ID), printed("[%T]", "tenant"));
            check("user", field(FieldId::USER_NAME), printed("%U", "user"));
            check("domain", field(FieldId::TENANT_DOMAIN), printed("%D", "domain"));
        }
        if self.prints("[%S]") {
            check("server", field(FieldId::SERVER_NAME), text("server"));
        }
        if self.prints("[%A]") {
            check("app", field(FieldId::APP), text("app"));
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
            () if self.prints("30.40c") => name[name.len().saturating_sub(40)..].to_owned(),
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
