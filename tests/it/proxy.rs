//! A small HTTP/1.1 proxy between shipper and indexer: it sees every request and answer on the wire, so that a
//! test can tell what was in flight when a process was killed; it holds answers back for a moment, as a
//! network does, and loses some.

use benches::dice::Dice;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use wire::{Fate, Limits, Message, Refusal, Verdict};

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
}

/// A running proxy.
#[derive(Debug)]
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
    write_letter(server, request)?;
    let answer = read_letter(from_server)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    count_verdicts(&answer.body, seen);
    let gentle = seen.gentle.load(Ordering::Relaxed);
    thread::sleep(Duration::from_millis(dice.between(1, if gentle { 2 } else { 120 })));
    if !gentle && dice.chance(150) {
        seen.answers_lost.fetch_add(1, Ordering::Relaxed);
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    write_letter(to_client, &answer)
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
