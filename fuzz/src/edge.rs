//! The HTTP edge of a running server, on loopback: paths and parameters of every question, and bodies of batches.
//! Whatever is asked, it answers, and not by `500`.

use bytes::Bytes;
use indexer::access::Source;
use indexer::serve::{Running, ServeConfig, ServeOutside, Server};
use indexer::store::naive::NaiveBuilder;
use outside::real::{RealClock, RealRng};
use outside::sim::{SimClock, SimDisk, SimRng};
use parsers::{Context, FileFacts, Input, InputAt, Offset, Parser};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use wire::{
    Anchor, EventBody, EventsPayload, Factors, Fate, Hello, Message, Open, Range, Ranges, Request, StreamId, Verdict,
};

static SERVER: OnceLock<(SocketAddr, Running)> = OnceLock::new();

const STREAM: StreamId = StreamId(7);
const LOG: &str = "[2026-04-22 11:02:00,317]  INFO {org.wso2.A} - request 1 took 7 ms\n\
    [2026-04-22 11:02:01,317] ERROR {org.wso2.B} - failed java.io.IOException: gone\n\tat org.wso2.B.c(B.java:1)\n\
    10.0.0.1 - admin [22/Apr/2026:11:02:02 +0000] \"GET /a?b=c HTTP/1.1\" 200 5 \"-\" \"curl/8\"\n";

fn start() -> (SocketAddr, Running) {
    let disk = SimDisk::new(1 << 28, SimClock::new(0), SimRng::new(1));
    let outside = ServeOutside {
        files: disk.process(),
        clock: Arc::new(RealClock::default()),
        rng: Arc::new(RealRng),
        builder: Arc::new(NaiveBuilder),
    };
    let mut config = ServeConfig::new("/data".into(), "127.0.0.1:0".parse().unwrap());
    config.store.low_water_bytes = Some(1 << 20);
    let running = Server::start(config, outside).unwrap();
    fill(&running);
    (running.addresses()[0], running)
}

/// Three events, so that questions have something to find.
fn fill(running: &Running) {
    let call = |request| running.store().call(Source::local(), request).unwrap();
    let hello = Message::Hello(Hello { host_id: "h".into(), host_name: "app-1".into(), ..Hello::default() });
    let answer = call(Request { messages: vec![hello], ..Request::default() });
    let Some(Verdict::Hello(hello)) = answer.verdicts.first() else { panic!("{answer:?}") };
    let mut events = Vec::new();
    let size = Offset(LOG.len() as u64);
    let end = [InputAt { at: size, input: Input::Cut }];
    Parser::new(FileFacts::default(), Offset(0), Context::default()).advance(
        LOG.as_bytes(),
        &end,
        &mut |event, own| {
            events.push(EventBody {
                offset: event.offset,
                size: event.size,
                len: event.size,
                lines: event.lines,
                head_hash: wire::head_hash(STREAM, own),
                family: event.family,
                dataset: event.dataset,
                level: event.level,
                time: event.time,
                flags: event.flags,
                continues: None,
                fields: event.fields.clone(),
            });
        },
    );
    let fate = Fate::Events(EventsPayload { bytes: Bytes::from_static(LOG.as_bytes()), events });
    let anchors = vec![Anchor::of(size, LOG.as_bytes())];
    let range = Range { from: Offset(0), to: Some(size), fate, context: Bytes::new(), anchors };
    let factors = Factors { path: "/l/a.log".into(), name: "a.log".into(), ..Factors::default() };
    let messages = vec![
        Message::Open(Open { stream: STREAM, factors, ..Open::default() }),
        Message::Ranges(Ranges { stream: STREAM, ranges: vec![range] }),
    ];
    call(Request { epoch: hello.epoch, messages, ..Request::default() });
}

const PATHS: [&str; 11] = [
    "search?",
    "count?",
    "histogram?",
    "facets?",
    "fields?",
    "values?",
    "event/",
    "context/",
    "export?",
    "parse?",
    "o/",
];

/// First byte: which question, or a body of a batch: the bytes as they are, or sealed as a request. Then the path's rest,
/// percent-encoded where it has to be.
pub(crate) fn edge(bytes: &[u8]) {
    let (address, _) = SERVER.get_or_init(start);
    let (first, rest) = bytes.split_first().map_or((0, bytes), |(first, rest)| (usize::from(*first), rest));
    let asked = match PATHS.get(first % 13) {
        Some(path) => format!("GET /v1/{path}{} HTTP/1.0\r\nHost: localhost\r\n\r\n", encoded(rest)).into_bytes(),
        None => {
            let body = match first % 13 {
                11 => rest.to_vec(),
                _ => crate::decoders::sealed_request(rest),
            };
            let head =
                format!("POST /v1/batches HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
            [head.as_bytes(), &body].concat()
        }
    };
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(9))).unwrap();
    // The server may have answered, and closed, before it has read all of it.
    let _unsent = stream.write_all(&asked);
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let status = answer.get(9..12).and_then(|s| std::str::from_utf8(s).ok()).and_then(|s| s.parse::<u16>().ok());
    let shown = String::from_utf8_lossy(&answer[..answer.len().min(600)]).into_owned();
    assert!(status.is_some_and(|s| s != 500 && (200..600).contains(&s)), "{status:?} {read:?}: {shown}");
}

/// What may not stand in a path as it is becomes `%XX`; `%`, `&`, `=` and `/` stay, so that the fuzzer can use them.
fn encoded(text: &[u8]) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"%&=/-._~:+,*".contains(b);
    text.iter().map(|b| if plain(b) { char::from(*b).to_string() } else { format!("%{b:02X}") }).collect()
}
