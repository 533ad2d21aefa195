//! A small HTTP/1.1 proxy between shipper and indexer: it sees every request and answer on the wire, so that a
//! test can tell what was in flight when a process was killed; it holds answers back for a moment, as a
//! network does, and loses some. It can refuse events that hold a word, as an indexer does that will never take them.

use benches::dice::Dice;
use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use wire::{EventsPayload, Fate, Limits, Message, Offset, Refusal, Verdict};

/// What the proxy saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Bytes of events in requests that went to the indexer and were not answered to the shipper yet.
    pub(crate) in_flight: AtomicI64,
    /// Requests with events.
    pub(crate) requests: AtomicU64,
    /// Answers that the shipper never got.
    pub(crate) answers_lost: AtomicU64,
    /// Messages whose ranges were covered, wholly or in part.
    pub(crate) covered: AtomicU64,
    /// Messages refused: gap, straddles.
    pub(crate) refused: AtomicU64,
    /// No answer is lost any more.
    pub(crate) gentle: AtomicBool,
    /// Events that hold this word are refused for good.
    pub(crate) refuse: Mutex<Option<String>>,
    /// Messages refused for it.
    pub(crate) rejected: AtomicU64,
}

/// A running proxy.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it saw.
    pub(crate) seen: Arc<Seen>,
}

const LIMITS: Limits = Limits { decoded_bytes_max: 64 << 20, ratio_max: 1_000 };

impl Proxy {
    /// Starts one in front of `upstream`.
    pub(crate) fn start(upstream: SocketAddr, seed: u64) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let for_threads = Arc::clone(&seen);
        thread::spawn(move || {
            for (number, client) in listener.incoming().enumerate() {
                let (seen, dice) = (Arc::clone(&for_threads), Dice::new(seed ^ (number as u64) << 20));
                // A connection that fails is closed; the shipper asks again.
                thread::spawn(move || client.map(|client| serve(client, upstream, &seen, dice)));
            }
        });
        Proxy { address, seen }
    }
}

/// A request or an answer: its head as it came, and its body.
#[derive(Clone)]
struct Letter {
    head: Vec<u8>,
    body: Vec<u8>,
}

fn read_letter(from: &mut BufReader<TcpStream>) -> io::Result<Option<Letter>> {
    let (mut head, mut length) = (Vec::new(), 0);
    loop {
        let before = head.len();
        if from.read_until(b'\n', &mut head)? == 0 {
            return if head.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        let line = String::from_utf8_lossy(&head[before..]).to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?;
        }
        assert!(!line.starts_with("transfer-encoding:"), "neither side sends chunks");
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(Some(Letter { head, body }))
}

fn write_letter(to: &mut TcpStream, letter: &Letter) -> io::Result<()> {
    to.write_all(&letter.head)?;
    to.write_all(&letter.body)
}

fn serve(client: TcpStream, upstream: SocketAddr, seen: &Seen, mut dice: Dice) -> io::Result<()> {
    let mut server = TcpStream::connect(upstream)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let mut from_server = BufReader::new(server.try_clone()?);
    let mut to_client = client.try_clone()?;
    let mut from_client = BufReader::new(client);
    while let Some(request) = read_letter(&mut from_client)? {
        let bytes = event_bytes(&request.body);
        seen.requests.fetch_add(u64::from(bytes > 0), Ordering::Relaxed);
        seen.in_flight.fetch_add(bytes, Ordering::SeqCst);
        let result = pass_on(&request, &mut server, &mut from_server, &mut to_client, seen, &mut dice);
        seen.in_flight.fetch_sub(bytes, Ordering::SeqCst);
        result?;
    }
    Ok(())
}

fn pass_on(
    request: &Letter,
    server: &mut TcpStream,
    from_server: &mut BufReader<TcpStream>,
    to_client: &mut TcpStream,
    seen: &Seen,
    dice: &mut Dice,
) -> io::Result<()> {
    let word = seen.refuse.lock().unwrap().clone();
    let (request, refused) = match word.and_then(|word| without_refused(request, &word)) {
        Some((request, refused)) => (Cow::Owned(request), refused),
        None => (Cow::Borrowed(request), Vec::new()),
    };
    write_letter(server, &request)?;
    let mut answer = read_letter(from_server)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    if !refused.is_empty() {
        seen.rejected.fetch_add(refused.len() as u64, Ordering::Relaxed);
        answer = with_refusals(answer, refused);
    }
    count_verdicts(&answer.body, seen);
    let gentle = seen.gentle.load(Ordering::Relaxed);
    thread::sleep(Duration::from_millis(dice.between(1, if gentle { 2 } else { 120 })));
    if !gentle && dice.chance(600) {
        seen.answers_lost.fetch_add(1, Ordering::Relaxed);
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    write_letter(to_client, &answer)
}

/// The request without the messages that hold a refused event, and which these were; `None` when there are none.
fn without_refused(letter: &Letter, word: &str) -> Option<(Letter, Vec<(usize, Refusal)>)> {
    let mut request = wire::decode_request(&letter.body, LIMITS).ok()?;
    let mut refused = Vec::new();
    for (index, message) in request.messages.iter_mut().enumerate() {
        let payloads: Vec<&EventsPayload> = match message {
            Message::Ranges(ranges) => ranges
                .ranges
                .iter()
                .filter_map(|range| match &range.fate {
                    Fate::Events(payload) => Some(payload),
                    _ => None,
                })
                .collect(),
            Message::Replay(replay) => vec![&replay.payload],
            _ => continue,
        };
        let holds = |bytes: &[u8]| memchr::memmem::find(bytes, word.as_bytes()).is_some();
        let events = payloads.into_iter().flat_map(EventsPayload::iter);
        let found: Vec<Offset> = events.filter(|(_, bytes)| holds(bytes)).map(|(event, _)| event.offset).collect();
        let Some(&offset) = found.first() else { continue };
        refused.push((index, Refusal::Rejected { offset, reason: format!("it holds `{word}`") }));
        // Something harmless in its place, so that every verdict keeps its index.
        *message = Message::Ledger(Vec::new());
    }
    (!refused.is_empty()).then(|| (with_body(letter, wire::encode_request(&request)), refused))
}

fn with_refusals(letter: Letter, refused: Vec<(usize, Refusal)>) -> Letter {
    let Ok(mut answer) = wire::decode_answer(&letter.body, LIMITS) else { return letter };
    for (index, refusal) in refused {
        answer.verdicts[index] = Verdict::Refused(refusal);
    }
    with_body(&letter, wire::encode_answer(&answer))
}

fn with_body(letter: &Letter, body: Vec<u8>) -> Letter {
    let head = String::from_utf8_lossy(&letter.head).into_owned();
    let lines = head.split_inclusive("\r\n").map(|line| match line.to_lowercase().starts_with("content-length:") {
        true => format!("content-length: {}\r\n", body.len()),
        false => line.to_owned(),
    });
    Letter { head: lines.collect::<String>().into_bytes(), body }
}

/// Bytes of events in a request; 0 for what carries none.
fn event_bytes(body: &[u8]) -> i64 {
    let Ok(request) = wire::decode_request(body, LIMITS) else { return 0 };
    let ranges = request.messages.iter().filter_map(|message| match message {
        Message::Ranges(ranges) => Some(&ranges.ranges),
        _ => None,
    });
    let payloads = ranges.flatten().map(|range| match &range.fate {
        Fate::Events(payload) => payload.bytes.len() as i64,
        _ => 0,
    });
    payloads.sum()
}

fn count_verdicts(body: &[u8], seen: &Seen) {
    let Ok(answer) = wire::decode_answer(body, LIMITS) else { return };
    for verdict in &answer.verdicts {
        match verdict {
            Verdict::Ranges { covered: Some(_), .. } => seen.covered.fetch_add(1, Ordering::Relaxed),
            Verdict::Refused(Refusal::Gap(_) | Refusal::Straddles(_)) => seen.refused.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
    }
}
