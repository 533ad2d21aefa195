#![allow(clippy::unwrap_used, reason = "tests")]
//! A server as it runs: real files, sockets and threads, and the naive segments of the simulation.

use super::*;
use crate::access::Source;
use crate::store::naive::NaiveBuilder;
use bytes::Bytes;
use outside::real::{RealClock, RealFiles, RealRng};
use outside::sim::SimDisk;
use parsers::{
    Dataset, EventTime, Family, Field, FieldId, Flags, Level, Offset, TimeNs, TimeSource, Value, ZoneSource,
};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;
use wire::{
    AgentId, Anchor, Answer, Epoch, EventBody, EventsPayload, Factors, Fate, Hello, Message, Open, Range, Ranges,
    Request, StreamId, Verdict,
};

pub(crate) const STREAM: StreamId = StreamId(0x0123_4567_89ab_cdef);

/// A server in a folder of its own.
pub(crate) struct Served {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) running: Option<Running>,
    epoch: Epoch,
    mark: u64,
}

/// An answer of HTTP.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{}\n{}", self.head, String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let rows = self.head.lines().filter_map(|line| line.split_once(": "));
        rows.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

pub(crate) fn outside() -> ServeOutside {
    ServeOutside {
        files: Arc::new(RealFiles),
        clock: Arc::new(RealClock::default()),
        rng: Arc::new(RealRng),
        builder: Arc::new(NaiveBuilder),
    }
}

impl Served {
    pub(crate) fn start() -> Served {
        Served::at("127.0.0.1:0")
    }

    pub(crate) fn at(address: &str) -> Served {
        let folder = tempfile::tempdir().unwrap();
        let mut served = Served { folder, running: None, epoch: Epoch::default(), mark: 0 };
        served.run(address);
        served
    }

    pub(crate) fn run(&mut self, address: &str) {
        let config = ServeConfig::new(self.folder.path().join("data"), address.parse().unwrap());
        self.running = Some(Server::start(config, outside()).unwrap());
    }

    /// A server on a simulated disk, with this much kept free.
    pub(crate) fn on(disk: &SimDisk, low_water_bytes: u64) -> Served {
        let mut config = ServeConfig::new("/data".into(), "127.0.0.1:0".parse().unwrap());
        config.store.low_water_bytes = Some(low_water_bytes);
        let outside = ServeOutside { files: disk.process(), ..outside() };
        let running = Some(Server::start(config, outside).unwrap());
        Served { folder: tempfile::tempdir().unwrap(), running, epoch: Epoch::default(), mark: 0 }
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// Sends `lines` as events of one file, a second apart, after what was sent before; answered means durable.
    pub(crate) fn send(&mut self, lines: &[(Level, &str)]) {
        let request = self.request(lines);
        let answer = self.running().store().call(Source::local(), request).unwrap();
        assert!(matches!(answer.verdicts.last(), Some(Verdict::Ranges { .. })), "{answer:?}");
    }

    pub(crate) fn request(&mut self, lines: &[(Level, &str)]) -> Request {
        if self.epoch == Epoch::default() {
            let hello =
                Message::Hello(Hello { host_id: "h".to_owned(), host_name: "app-1".to_owned(), ..Hello::default() });
            let answer = self
                .running()
                .store()
                .call(Source::local(), Request { messages: vec![hello], ..Request::default() })
                .unwrap();
            let Some(Verdict::Hello(hello)) = answer.verdicts.first() else { panic!("{answer:?}") };
            self.epoch = hello.epoch;
        }
        let factors = Factors {
            path: "/l/a.log".to_owned(),
            name: "a.log".to_owned(),
            product: Some("am".to_owned()),
            ..Factors::default()
        };
        let open = Message::Open(Open { stream: STREAM, factors, ..Open::default() });
        let (from, mut at) = (self.mark, self.mark);
        let (mut bytes, mut events) = (Vec::new(), Vec::new());
        let now = RealClock::default().wall_ns();
        for (level, line) in lines {
            let text = format!("{line}\n");
            events.push(body(at, *level, &text, now + at as i64 * 1000));
            at += text.len() as u64;
            bytes.extend(text.into_bytes());
        }
        self.mark = at;
        let anchor = Anchor::of(Offset(at), &bytes);
        let fate = Fate::Events(EventsPayload { bytes: Bytes::from(bytes), events });
        let range =
            Range { from: Offset(from), to: Some(Offset(at)), fate, context: Bytes::new(), anchors: vec![anchor] };
        let ranges = Message::Ranges(Ranges { stream: STREAM, ranges: vec![range] });
        Request { agent: AgentId::default(), epoch: self.epoch, messages: vec![open, ranges] }
    }

    pub(crate) fn get(&self, path: &str) -> Got {
        self.ask(&format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n"), &[])
    }

    pub(crate) fn ask(&self, head: &str, body: &[u8]) -> Got {
        let mut stream = self.connect();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Got { status, head, body: bytes[end + 4..].to_vec() }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let mut address = self.running().addresses()[0];
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    pub(crate) fn post(&self, token: Option<&str>, body: &[u8]) -> Got {
        let authorization = token.map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
        let head = format!(
            "POST /v1/batches HTTP/1.0\r\nHost: localhost\r\n{authorization}Content-Length: {}\r\n\r\n",
            body.len()
        );
        self.ask(&head, body)
    }

    /// Waits until `done`, at most some seconds.
    pub(crate) fn until(&self, mut done: impl FnMut(&Served) -> bool) {
        let clock = RealClock::default();
        while !done(self) {
            assert!(clock.monotonic() < Duration::from_secs(20), "in vain");
            std::thread::yield_now();
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown();
        }
    }
}

fn body(offset: u64, level: Level, text: &str, time: i64) -> EventBody {
    let time = EventTime { utc: TimeNs(time), offset_minutes: 0, source: TimeSource::Parsed, zone: ZoneSource::Line };
    let span = Value::Span { start: 0, len: text.lines().next().unwrap_or_default().len() as u32 };
    EventBody {
        offset: Offset(offset),
        size: text.len() as u32,
        len: text.len() as u32,
        lines: text.lines().count() as u32,
        head_hash: wire::head_hash(STREAM, text.as_bytes()),
        family: Family::Tid,
        dataset: Dataset::Carbon,
        level,
        time: Some(time),
        flags: Flags::default(),
        continues: None,
        fields: vec![Field { id: FieldId::MESSAGE, value: span }],
    }
}

#[test]
fn what_was_answered_is_found_and_survives_a_restart() {
    let mut served = Served::start();
    served.send(&[(Level::Info, "started"), (Level::Error, "failed: timeout\n\tat x")]);
    let page = served.get("/v1/search?q=timeout").json();
    assert_eq!(page["events"][0]["message"], "failed: timeout");
    served.running.take().unwrap().shutdown();
    served.run("127.0.0.1:0");
    assert_eq!(served.get("/v1/search?q=timeout").json()["events"], page["events"]);
    served.send(&[(Level::Warn, "third")]);
    assert_eq!(served.get("/v1/count").json()["count"], 3);
}

#[test]
fn batches_over_http_with_and_without_token() {
    let mut served = Served::start();
    let request = wire::encode_request(&served.request(&[(Level::Info, "one")]));
    let got = served.post(None, &request);
    assert_eq!(got.status, 200);
    let answer: Answer = wire::decode_answer(&got.body, wire::Limits::default()).unwrap();
    assert!(matches!(answer.verdicts[1], Verdict::Ranges { .. }));
    assert_eq!(served.get("/v1/count").json()["count"], 1);

    let tokens = Tokens::new(Arc::new(RealFiles), &served.folder.path().join("data"));
    let token = tokens.create("acme", "prod", &RealClock::default(), &RealRng).unwrap();
    assert_eq!((served.post(None, &request).status, served.post(Some("ct1_no"), &request).status), (401, 403));
    let hello = Request { messages: vec![Message::Hello(Hello::default())], ..Request::default() };
    assert_eq!(served.post(Some(&token), &wire::encode_request(&hello)).status, 200);
    assert_eq!(served.get("/v1/o/acme/prod/count").json()["count"], 0, "owners do not see each other");
    assert_eq!(served.get("/v1/o/acme/test/count").status, 404);

    let bad = served.post(Some(&token), b"<html>");
    assert_eq!((bad.status, bad.json()["error"]["kind"].as_str()), (400, Some("malformed")));
    let mut newer = request.clone();
    newer[4] = 200;
    assert_eq!(served.post(Some(&token), &newer).status, 426);
    let got = served.post(Some(&token), &vec![0; (16 << 20) + 1]);
    assert_eq!((got.status, got.json()["error"]["kind"].as_str()), (413, Some("too_large")));
}

#[test]
fn too_much_waiting_is_told() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let handle = StoreHandle::new(sender, 10_000);
    let request = |bytes: usize| {
        let payload = EventsPayload { bytes: vec![0; bytes].into(), events: Vec::new() };
        let range = Range {
            from: Offset(0),
            to: None,
            fate: Fate::Events(payload),
            context: Bytes::new(),
            anchors: Vec::new(),
        };
        Request {
            messages: vec![Message::Ranges(Ranges { stream: STREAM, ranges: vec![range] })],
            ..Request::default()
        }
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| handle.call(Source::local(), request(20_000)));
        let taken = receiver.recv().unwrap();
        assert!(matches!(handle.call(Source::local(), request(1)), Err(SubmitError::Busy { .. })));
        let handle::Input::Request { bytes, answer, .. } = taken else { panic!("not a request") };
        handle.taken(bytes);
        answer.send(Answer::default()).unwrap();
        assert_eq!(first.join().unwrap(), Ok(Answer::default()));
    });
    assert_eq!(handle.queued_bytes(), 0);
    drop(receiver);
    assert_eq!(handle.call(Source::local(), request(1)), Err(SubmitError::NoAnswer));
    assert_eq!(handle.queued_bytes(), 0);
}

#[test]
fn a_port_or_folder_in_use_is_told_and_nothing_is_touched() {
    let served = Served::start();
    let elsewhere = served.folder.path().join("other");
    let config = ServeConfig::new(elsewhere.clone(), served.running().addresses()[0]);
    let error = Server::start(config, outside()).unwrap_err();
    assert!(error.to_string().contains("another process uses it"), "{error}");
    assert!(RealFiles.metadata(&elsewhere).is_err());
    let config = ServeConfig::new(served.folder.path().join("data"), "127.0.0.1:0".parse().unwrap());
    let error = Server::start(config, outside()).unwrap_err();
    assert!(matches!(error, StartError::Open(OpenError::Locked { .. })), "{error}");
}
