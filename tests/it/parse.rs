//! `carbontrail parse` as people meet it: packed files, templates, why lines are heads; and what it shows is what a
//! search finds.

use crate::binaries::{carbontrail, failure, run};
use benches::measure::process::Process;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

const TEXT: &str = "[2026-11-24 10:00:00,000]  INFO {org.wso2.A} - Took 12 ms\n\
                    [2026-11-24 10:00:01,000]  INFO {org.wso2.A} - Took 7 ms\n\
                    [2026-11-24 10:00:02,000] ERROR {org.wso2.B} - Boom\n\
                    java.lang.IllegalStateException: x\n\tat org.wso2.B.c(B.java:7)\n";

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn lines(bytes: Vec<u8>) -> Vec<Value> {
    String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_packed_archive_is_understood_like_the_file_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, archive) = (folder.path().join("wso2carbon.log"), folder.path().join("wso2carbon-11-24-2026.log.gz"));
    fs::write(&plain, TEXT).unwrap();
    fs::write(&archive, packed(TEXT)).unwrap();
    let events = |path: &std::path::Path| {
        let mut events = lines(run(&["parse", path.to_str().unwrap(), "--zone", "UTC", "--format", "ndjson"]));
        for event in &mut events {
            event.as_object_mut().unwrap().remove("log.file.path");
        }
        events
    };
    let of_archive = events(&archive);
    assert_eq!(of_archive, events(&plain));
    assert_eq!(of_archive.len(), 3);
    assert_eq!((&of_archive[2]["lines"], &of_archive[2]["log.level"]), (&3.into(), &"ERROR".into()));
    // Two members, one after the other, are one file; a torn one says so, and shows what came before.
    fs::write(&archive, [packed(TEXT), packed(TEXT)].concat()).unwrap();
    assert_eq!(events(&archive).len(), 6);
    let whole = packed(TEXT);
    fs::write(&archive, &whole[..whole.len() - 6]).unwrap();
    let (code, text) = failure(&["parse", archive.to_str().unwrap()]);
    assert!(code == 1 && text.contains("wso2carbon-11-24-2026.log.gz"), "{code}: {text}");
}

#[test]
fn what_is_no_log_is_told_and_the_other_files_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("good.log"), TEXT).unwrap();
    fs::write(path("empty.log"), "").unwrap();
    fs::write(path("heap-dump.hprof"), b"JAVA PROFILE 1.0.2\0").unwrap();
    let whole = packed(&TEXT.repeat(200));
    fs::write(path("torn.log.gz"), &whole[..whole.len() / 2]).unwrap();
    for (name, said) in [
        ("", "it is a folder; name the files in it"),
        ("gone.log", "No such file"),
        ("heap-dump.hprof", "it is a heap dump, not a log"),
        ("torn.log.gz", "the packed file ends too early"),
    ] {
        let (code, text) = failure(&["parse", &path(name)]);
        assert!(code == 1 && text.contains(said), "{name}: {code}: {text}");
    }
    let (good, torn, gone) = (path("good.log"), path("torn.log.gz"), path("gone.log"));
    let out = Command::new(carbontrail())
        .args(["parse", &torn, &gone, &path("empty.log"), &good, "--format", "ndjson"])
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(1));
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(said.contains("2 of 4 files could not be read") && said.contains("empty.log: empty"), "{said}");
    let shown = lines(out.stdout);
    let of = |file: &str| shown.iter().filter(|event| event["log.file.path"] == file).count();
    // What was there before the tear is shown.
    assert!(of(&good) == 3 && of(&torn) > 0, "{} {}", of(&good), of(&torn));
}

#[test]
fn own_formats_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.log");
    fs::write(&path, "22.04.2026 11:02:13 | INFO | a.B | hello\n22.04.2026 11:02:13 | INFO - a.B | no\n").unwrap();
    let layout = "%d{dd.MM.yyyy HH:mm:ss} | %p | %c | %m%n";
    let why = run(&["parse", path.to_str().unwrap(), "--layout", layout, "--explain"]);
    let why = String::from_utf8(why).unwrap();
    assert!(why.contains("line 1: head of format `given`, message from byte 35"), "{why}");
    assert!(why.contains("no head of format `given`: it fits up to byte 26, then ` | ` should follow"), "{why}");
}

#[test]
fn templates_are_counted_and_lines_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wso2carbon.log");
    fs::write(&path, TEXT).unwrap();
    let path = path.to_str().unwrap();
    let templates = lines(run(&["parse", "--templates", path, "--format", "ndjson"]));
    let shown: Vec<_> =
        templates.iter().map(|t| (t["count"].as_u64().unwrap(), t["template"].as_str().unwrap())).collect();
    assert_eq!(shown[0], (2, "Took <*> ms"));
    assert!(shown[1].0 == 1 && shown[1].1.starts_with("Boom\n") && shown[1].1.ends_with("<frames>"), "{shown:?}");
    assert_eq!(templates[0]["levels"]["INFO"], 2);
    let table = String::from_utf8(run(&["parse", "--templates", path])).unwrap();
    assert!(table.contains("Took <*> ms"), "{table}");
    let why = String::from_utf8(run(&["parse", "--explain", path])).unwrap();
    assert!(why.contains("line 1: head of family `plain`"), "{why}");
    assert!(why.contains("line 3: no head: it begins with a blank or a tab"), "{why}");
}

#[test]
fn a_template_that_parse_shows_is_found_by_search() {
    let folder = tempfile::tempdir().unwrap();
    let (logs, data) = (folder.path().join("logs"), folder.path().join("data"));
    fs::create_dir(&logs).unwrap();
    let now = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let text: String = [("A", "Took 12 ms"), ("A", "Took 7 ms"), ("B", "Started")]
        .map(|(class, text)| format!("[{now},000]  INFO {{org.wso2.{class}}} - {text}\n"))
        .concat();
    fs::write(logs.join("wso2carbon.log"), text).unwrap();
    let templates =
        lines(run(&["parse", "--templates", logs.join("wso2carbon.log").to_str().unwrap(), "--format", "ndjson"]));
    let hash = templates[0]["wso2.template.hash"].as_str().unwrap();
    let (logs, data) = (logs.display().to_string(), data.display().to_string());
    let (up, url) =
        Process::start_server(&carbontrail(), &["up", &logs, "--data", &data, "--listen", "127.0.0.1:0"]).unwrap();
    let begun = Instant::now();
    let query = format!("wso2.template.hash:{hash}");
    let mut events = Vec::new();
    while events.len() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(30), "not found: {query}: {events:?}");
        events = lines(run(&["search", &query, "--server", &url, "--format", "ndjson"]));
    }
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event["message"].as_str().unwrap().starts_with("Took ")), "{events:?}");
    up.terminate().unwrap();
}
