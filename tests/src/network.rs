//! The network between one shipper and one store: loses, delays, doubles, and keeps what the dead have sent.

use crate::counts::{Counts, Hit};
use crate::trace;
use crate::writer::REFUSED;
use outside::sim::SimRng;
use shipper::SendError;
use std::collections::BTreeMap;
use wire::{Answer, EventsPayload, Fate, Limits, Message, Refusal, Request, Verdict};

/// Which start of the shipper sent a request, and its ticket there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sender {
    pub(crate) process: u64,
    pub(crate) ticket: shipper::Ticket,
}

/// A request on its way.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) sender: Sender,
    pub(crate) request: Request,
}

/// An answer, or the lack of one, on its way back.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) sender: Sender,
    pub(crate) result: Result<Answer, SendError>,
}

/// Everything that is on its way.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) requests: Vec<Envelope>,
    pub(crate) at_store: BTreeMap<u64, Sender>,
    pub(crate) replies: Vec<Reply>,
    pub(crate) reliable: bool,
    /// Something on the way refuses every request.
    pub(crate) refusing: bool,
    /// Something on the way refuses requests with more bytes of events than this.
    pub(crate) bytes_max: usize,
    rng: SimRng,
    next: u64,
}

impl Network {
    pub(crate) fn new(rng: SimRng) -> Network {
        Network {
            requests: Vec::new(),
            at_store: BTreeMap::new(),
            replies: Vec::new(),
            reliable: false,
            refusing: false,
            bytes_max: usize::MAX,
            rng,
            next: 0,
        }
    }

    /// Takes a request from the shipper; now and then through encoding and decoding.
    pub(crate) fn send(&mut self, sender: Sender, request: Request, counts: &mut Counts) {
        let request = if self.rng.one_in(16) {
            counts.hit(Hit::Encoded);
            let bytes = wire::encode_request(&request);
            let read = wire::decode_request(&bytes, Limits::default()).expect("what was encoded decodes");
            assert_eq!(read, request, "a request changed on its way");
            read
        } else {
            request
        };
        self.requests.push(Envelope { sender, request });
    }

    /// The next request that arrives, if any, with the ticket the store is to know it by.
    pub(crate) fn arrive(&mut self, live: u64, counts: &mut Counts) -> Option<(u64, Request)> {
        if self.requests.is_empty() {
            return None;
        }
        let which = self.rng.below(self.requests.len() as u64) as usize;
        let twice = !self.reliable && self.rng.one_in(20);
        let envelope = if twice {
            counts.hit(Hit::RequestTwice);
            self.requests[which].clone()
        } else {
            self.requests.remove(which)
        };
        if !self.reliable && !twice && self.rng.one_in(8) {
            counts.hit(Hit::RequestLost);
            self.fail(envelope.sender, "lost on the way");
            return None;
        }
        if envelope.sender.process != live {
            counts.hit(Hit::RequestFromTheDead);
        }
        if let Some(error) = self.refusal(&envelope.request, counts) {
            if !twice {
                self.replies.push(Reply { sender: envelope.sender, result: Err(error) });
            }
            return None;
        }
        trace::note(|| format!("arrives from start {}: {}", envelope.sender.process, told(&envelope.request)));
        self.next += 1;
        self.at_store.insert(self.next, envelope.sender);
        Some((self.next, envelope.request))
    }

    /// What stands between refuses.
    fn refusal(&mut self, request: &Request, counts: &mut Counts) -> Option<SendError> {
        let refused = |hit, counts: &mut Counts| {
            counts.hit(hit);
            Some(SendError::Refused("status 400".to_owned()))
        };
        if self.refusing {
            return refused(Hit::RefusedForNothing, counts);
        }
        let payloads = || request.messages.iter().flat_map(payloads_of);
        if payloads().any(|payload| memchr::memmem::find(&payload.bytes, REFUSED.as_bytes()).is_some()) {
            return refused(Hit::RefusedForContent, counts);
        }
        let many = payloads().map(|payload| payload.events.len()).sum::<usize>() > 1;
        if many && payloads().map(|payload| payload.bytes.len()).sum::<usize>() > self.bytes_max {
            counts.hit(Hit::TooLarge);
            return Some(SendError::TooLarge { max: None });
        }
        None
    }

    /// Forgets requests for which this holds.
    pub(crate) fn forget(&mut self, gone: impl Fn(&Request) -> bool) {
        self.requests.retain(|envelope| !gone(&envelope.request));
    }

    /// The store cannot be reached: one request comes back.
    pub(crate) fn refuse_one(&mut self) {
        if let Some(envelope) = self.requests.pop() {
            self.fail(envelope.sender, "connection refused");
        }
    }

    /// Takes an answer from the store.
    pub(crate) fn answer(&mut self, ticket: u64, answer: Answer, counts: &mut Counts) {
        count_verdicts(&answer, counts);
        let Some(sender) = self.at_store.remove(&ticket) else { return };
        if !self.reliable && self.rng.one_in(6) {
            counts.hit(Hit::AnswerLost);
            self.fail(sender, "connection reset");
            return;
        }
        self.replies.push(Reply { sender, result: Ok(answer) });
    }

    /// The store gives no answer to this request.
    pub(crate) fn no_answer(&mut self, ticket: u64) {
        if let Some(sender) = self.at_store.remove(&ticket) {
            self.fail(sender, "503");
        }
    }

    /// The store died: whatever waited there is in doubt.
    pub(crate) fn store_died(&mut self, counts: &mut Counts) {
        if !self.at_store.is_empty() {
            counts.hit(Hit::StoreKilledWaiting);
        }
        for sender in std::mem::take(&mut self.at_store).into_values() {
            self.fail(sender, "connection reset");
        }
    }

    /// The next reply for the shipper that lives; those for dead ones are dropped.
    pub(crate) fn reply(&mut self, live: u64) -> Option<Reply> {
        self.replies.retain(|reply| reply.sender.process == live);
        if self.replies.is_empty() {
            return None;
        }
        let which = self.rng.below(self.replies.len() as u64) as usize;
        Some(self.replies.remove(which))
    }

    /// Whether a request of this start is still unanswered.
    pub(crate) fn in_flight(&self, process: u64) -> bool {
        self.requests.iter().any(|envelope| envelope.sender.process == process)
            || self.at_store.values().any(|sender| sender.process == process)
            || self.replies.iter().any(|reply| reply.sender.process == process)
    }

    fn fail(&mut self, sender: Sender, why: &str) {
        self.replies.push(Reply { sender, result: Err(SendError::Unreachable(why.to_owned())) });
    }
}

/// A request in a few words.
fn told(request: &Request) -> String {
    let one = |message: &Message| match message {
        Message::Open(open) => format!("open {} `{}`", open.stream, open.factors.path),
        Message::Ranges(ranges) => {
            let (first, last) = (ranges.ranges.first(), ranges.ranges.last());
            let (from, to) = (first.map(|r| r.from.0), last.and_then(|r| r.to).map(|to| to.0));
            format!("ranges {} {from:?}..{to:?}", ranges.stream)
        }
        Message::Gone(stream) => format!("gone {stream}"),
        Message::Claim(claim) => format!("claim of {} files", claim.files.len()),
        Message::Hello(_) => "hello".to_owned(),
        Message::Provisional(provisional) => format!("provisional {}", provisional.stream),
        Message::Replay(replay) => format!("replay {}", replay.stream),
        Message::Ledger(_) | Message::Prove(_) => "audit".to_owned(),
    };
    request.messages.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The events that a message sends for good.
fn payloads_of(message: &Message) -> Vec<&EventsPayload> {
    match message {
        Message::Ranges(ranges) => ranges
            .ranges
            .iter()
            .filter_map(|range| if let Fate::Events(payload) = &range.fate { Some(payload) } else { None })
            .collect(),
        _ => Vec::new(),
    }
}

fn count_verdicts(answer: &Answer, counts: &mut Counts) {
    for verdict in &answer.verdicts {
        match verdict {
            Verdict::Ranges { covered, .. } => {
                counts.hit(Hit::RangesTaken);
                if covered.is_some() {
                    counts.hit(Hit::Covered);
                }
            }
            Verdict::Provisional { taken: true } => counts.hit(Hit::ProvisionalShown),
            Verdict::Provisional { taken: false } => counts.hit(Hit::ProvisionalPassedOver),
            Verdict::Replay { .. } => counts.hit(Hit::Replayed),
            Verdict::Refused(Refusal::Rejected { .. }) => counts.hit(Hit::Rejected),
            Verdict::Refused(Refusal::Gap(_)) => counts.hit(Hit::Gap),
            Verdict::Refused(Refusal::Straddles(_)) => counts.hit(Hit::Straddles),
            Verdict::Refused(Refusal::Fenced) => counts.hit(Hit::Fenced),
            Verdict::Refused(Refusal::Busy { .. }) => counts.hit(Hit::Busy),
            Verdict::Refused(Refusal::NotOpen) => counts.hit(Hit::NotOpen),
            _ => {}
        }
    }
}
