//! The rim on a real folder.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use std::sync::mpsc;
use wire::{Answer, Draft, Epoch, HelloAnswer, MarkState, Message, Verdict};

/// Takes everything, and hands out the bytes of events.
fn taker(bytes: mpsc::Sender<Vec<u8>>) -> impl Fn(Draft, AnswerTo) + Send + Sync {
    let bytes = Mutex::new(bytes);
    move |request, answer| {
        let request = request.into_request().unwrap();
        let verdicts = request.messages.into_iter().map(|message| match message {
            Message::Hello(_) => {
                Verdict::Hello(HelloAnswer { epoch: Epoch { incarnation: 1, number: 1 }, ..HelloAnswer::default() })
            }
            Message::Open(open) => {
                Verdict::Open(MarkState { mark: open.base, context: open.context, ..MarkState::default() })
            }
            Message::Ranges(ranges) => {
                let last = ranges.ranges.last().unwrap();
                if let wire::Fate::Events(payload) = &last.fate {
                    bytes.lock().unwrap().send(payload.bytes.to_vec()).unwrap();
                }
                Verdict::Ranges { mark: last.to.unwrap(), covered: None, expired: 0 }
            }
            Message::Gone(_) => Verdict::Gone,
            _ => Verdict::Provisional { taken: true },
        });
        answer.give(Ok(Answer { incarnation: 1, boot: 1, verdicts: verdicts.collect() }));
    }
}

fn wait_for(from: &mpsc::Receiver<Vec<u8>>, expected: &[u8]) {
    let mut got = Vec::new();
    while got.len() < expected.len() {
        got.extend(from.recv_timeout(Duration::from_secs(30)).unwrap());
    }
    assert_eq!(String::from_utf8(got).unwrap(), String::from_utf8(expected.to_vec()).unwrap());
}

#[test]
fn a_real_folder_is_followed_by_watches_through_a_rotation_and_a_clean_end() {
    let folder = tempfile::tempdir().unwrap();
    let (logs, state) = (folder.path().join("logs"), folder.path().join("state"));
    std::fs::create_dir(&logs).unwrap();
    let path = logs.join("http_access_.log");
    let line =
        |n: u32| format!("10.0.0.1 - - [25/Nov/2026:10:00:0{n} +0000] \"GET /x{n} HTTP/1.1\" 200 5 \"-\" \"-\"\n");
    std::fs::write(&path, line(0)).unwrap();
    let mut config = ShipperConfig { folders: vec![logs.clone()], ..ShipperConfig::default() };
    // Only watches may be what finds the news below.
    config.timing.scan_interval = Duration::from_secs(3600);
    let (sender, receiver) = mpsc::channel();
    let running = start(&state, config, Arc::new(taker(sender))).unwrap();
    wait_for(&receiver, line(0).as_bytes());
    let append = |text: String| {
        use std::io::Write as _;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    append(line(1));
    wait_for(&receiver, line(1).as_bytes());
    std::fs::rename(&path, logs.join("http_access_2026-11-25.log")).unwrap();
    append(line(2));
    wait_for(&receiver, line(2).as_bytes());
    running.handle().shutdown();
    assert_eq!(running.wait(), ExitReason::Shutdown);
    let status: Status = serde_json::from_slice(&std::fs::read(state.join(STATUS_FILE)).unwrap()).unwrap();
    assert_eq!(status.files.len(), 2);
    assert!(status.files.iter().all(|f| f.behind_bytes == 0), "{status:#?}");
    assert_eq!(status.link, crate::Link::Up);
}

#[test]
fn folders_beyond_the_number_of_watches_are_followed_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (logs, state) = (folder.path().join("logs"), folder.path().join("state"));
    let line =
        |n: u32| format!("10.0.0.1 - - [25/Nov/2026:10:00:0{n} +0000] \"GET /x{n} HTTP/1.1\" 200 5 \"-\" \"-\"\n");
    let paths: Vec<PathBuf> = (0..4).map(|n| logs.join(format!("{n}/http_access_.log"))).collect();
    let append = |path: &Path, text: String| {
        use std::io::Write as _;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    for path in &paths {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        append(path, line(0));
    }
    let mut config = ShipperConfig { folders: vec![logs.clone()], ..ShipperConfig::default() };
    config.timing.scan_interval = Duration::from_secs(3600);
    // The folder above them and one of them.
    config.limits.watches_max = 2;
    let (sender, receiver) = mpsc::channel();
    let running = start(&state, config, Arc::new(taker(sender))).unwrap();
    let mut got = Vec::new();
    let mut wait = |expected: usize| {
        while got.len() < expected {
            got.extend(receiver.recv_timeout(Duration::from_secs(30)).unwrap());
        }
        assert_eq!(got.len(), expected);
    };
    wait(4 * line(0).len());
    for n in 1..3 {
        for path in &paths {
            append(path, line(n));
            std::fs::rename(path, path.with_file_name(format!("http_access_2026-11-2{n}.log"))).unwrap();
        }
        wait((1 + n as usize) * 4 * line(0).len());
    }
    running.handle().shutdown();
    assert_eq!(running.wait(), ExitReason::Shutdown);
    let mut texts: Vec<&str> = std::str::from_utf8(&got).unwrap().lines().collect();
    texts.sort_unstable();
    assert_eq!(texts, (0..3).flat_map(|n| [n; 4]).map(|n| line(n).trim_end().to_owned()).collect::<Vec<_>>());
}

#[test]
fn the_same_notice_is_counted_not_repeated() {
    let mut notices = Notices::default();
    let notice = Notice { importance: Importance::Warn, text: "x".to_owned() };
    for second in 0..5 {
        notices.tell(&notice, Duration::from_secs(second));
    }
    assert_eq!(notices.0["x"], (Duration::ZERO, 4));
    notices.tell(&notice, Duration::from_secs(61));
    assert_eq!(notices.0["x"], (Duration::from_secs(61), 0));
}
