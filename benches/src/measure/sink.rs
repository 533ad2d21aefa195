//! An indexer that keeps nothing but marks and answers at once: what shipping costs and how long it takes, without the
//! cost of keeping what is shipped. It answers as the protocol says; what it is sent it decodes and looks at.

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::post;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use wire::{
    Answer, Epoch, Fate, HelloAnswer, Limits, MarkState, Message, Offset, Ranges, Refusal, Request, StreamId, Verdict,
};

/// Bytes of a request, decoded.
const REQUEST_BYTES_MAX: usize = 16 << 20;

/// What it was sent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Requests.
    pub requests: u64,
    /// Their bytes, compressed.
    pub body_bytes: u64,
    /// Closed events.
    pub events: u64,
    /// Bytes of theirs.
    pub event_bytes: u64,
    /// Versions of open events.
    pub provisional: u64,
}

/// Called with each request and its body as it came.
pub type Look = Box<dyn Fn(&Request, &Bytes) + Send + Sync>;

/// A running one; it ends with the process.
#[derive(Clone)]
#[allow(missing_debug_implementations, reason = "a function has none")]
pub struct Sink {
    url: String,
    inside: Arc<Inside>,
}

struct Inside {
    look: Look,
    marks: Mutex<Marks>,
}

#[derive(Default)]
struct Marks {
    streams: HashMap<StreamId, MarkState>,
    starts: u64,
    seen: Seen,
}

impl Sink {
    /// Starts one on a free port of the loopback, on a thread of its own.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(look: Look) -> anyhow::Result<Sink> {
        let inside = Arc::new(Inside { look, marks: Mutex::default() });
        let app = Router::new()
            .route("/v1/batches", post(batches))
            .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
            .with_state(Arc::clone(&inside));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").context("failed to listen")?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        #[allow(clippy::disallowed_methods, reason = "a rim: the sink has a thread of its own")]
        std::thread::spawn(move || {
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                axum::serve(listener, app).await
            })
        });
        Ok(Sink { url, inside })
    }

    /// Where it is reached.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it was sent so far.
    pub fn seen(&self) -> Seen {
        self.inside.marks.lock().expect("no panic while it is counted").seen
    }
}

async fn batches(State(inside): State<Arc<Inside>>, body: Bytes) -> Result<Vec<u8>, StatusCode> {
    let limits = Limits { decoded_bytes_max: REQUEST_BYTES_MAX, ..Limits::default() };
    let request = wire::decode_request(&body, limits).map_err(|_| StatusCode::BAD_REQUEST)?;
    (inside.look)(&request, &body);
    let mut marks = inside.marks.lock().expect("no panic while it is counted");
    marks.seen.requests += 1;
    marks.seen.body_bytes += body.len() as u64;
    let verdicts = request.messages.into_iter().map(|message| marks.judge(message)).collect();
    Ok(wire::encode_answer(&Answer { incarnation: 1, boot: 1, verdicts }))
}

impl Marks {
    fn judge(&mut self, message: Message) -> Verdict {
        match message {
            Message::Hello(_) => {
                self.starts += 1;
                let epoch = Epoch { incarnation: 1, number: self.starts };
                let request_bytes_max = REQUEST_BYTES_MAX as u64;
                Verdict::Hello(HelloAnswer { epoch, request_bytes_max, ..HelloAnswer::default() })
            }
            Message::Open(open) => {
                let new = || MarkState { mark: open.base, context: open.context, ..MarkState::default() };
                Verdict::Open(self.streams.entry(open.stream).or_insert_with(new).clone())
            }
            Message::Ranges(ranges) => self.ranges(ranges),
            Message::Provisional(_) => {
                self.seen.provisional += 1;
                Verdict::Provisional { taken: true }
            }
            Message::Gone(_) => Verdict::Gone,
            Message::Replay(replay) => Verdict::Replay { events: replay.payload.events.len() as u64 },
            Message::Ledger(_) => Verdict::Ledger(Vec::new()),
            Message::Prove(_) => Verdict::Proof(Vec::new()),
            Message::Claim(_) => Verdict::Claim(Vec::new()),
        }
    }

    fn ranges(&mut self, ranges: Ranges) -> Verdict {
        let Some(state) = self.streams.get_mut(&ranges.stream) else { return Verdict::Refused(Refusal::NotOpen) };
        for range in ranges.ranges {
            if range.from != state.mark {
                return Verdict::Refused(Refusal::Gap(state.clone()));
            }
            if let Fate::Events(payload) = &range.fate {
                self.seen.events += payload.events.len() as u64;
                self.seen.event_bytes += payload.bytes.len() as u64;
            }
            state.mark = range.to.unwrap_or(Offset(u64::MAX));
            state.context = range.context;
            state.anchors = range.anchors;
        }
        Verdict::Ranges { mark: state.mark, covered: None, expired: 0 }
    }
}
