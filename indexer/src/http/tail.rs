//! `GET /v1/tail`: events as they become visible, as server-sent events.
//!
//! `line`: an event that matches, for the first time. `update`: a later version of one that was sent. `remove`: one
//! that was sent is gone, or no longer matches (its `id` only). `dropped`: so many changes were not sent since this
//! reader was too slow. `left_out`: how many copies were left out so far. Comments keep the connection open.

use super::ask::Asked;
use super::json;
use super::refusal::Refusal;
use super::tail_bus::{Announced, Subscription};
use crate::event::StoredEvent;
use crate::query::Matcher;
use crate::store::core::{TailBatch, TailWhat};
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use std::collections::HashSet;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;
use tokio::sync::watch;
use wire::EventId;

const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `GET /v1/tail`
pub(super) async fn tail(asked: Asked) -> Result<Response, Refusal> {
    let (main, copies) = asked.endpoint.engine.tail_matchers(&asked.ask()?)?;
    let with_raw = asked.flag("raw")?;
    let subscription = asked.endpoint.tail.subscribe(asked.scope.clone());
    let follow = Follow { main, copies, with_raw, ..Follow::default() };
    let reading = Reading { subscription, follow, stopped: asked.endpoint.stopped.clone(), begun: false };
    let pieces = stream::unfold(reading, |mut reading| async move {
        let piece = reading.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(piece)), reading))
    });
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))];
    Ok((kind, Body::from_stream(pieces)).into_response())
}

struct Reading {
    subscription: Subscription,
    follow: Follow,
    stopped: watch::Receiver<bool>,
    begun: bool,
}

impl Reading {
    /// The next piece of the stream; `None`: the server ends.
    async fn next(&mut self) -> Option<String> {
        if !self.begun {
            // Lets the client know that it is connected before the first event.
            self.begun = true;
            return Some(": following\n\n".to_owned());
        }
        loop {
            tokio::select! {
                _ended = self.stopped.wait_for(|stopped| *stopped) => return None,
                () = tokio::time::sleep(KEEP_ALIVE) => return Some(self.follow.alive()),
                announced = self.subscription.next() => {
                    let mut out = String::new();
                    match announced {
                        Announced::Batch(batch) => {
                            let subscription = &self.subscription;
                            self.follow.take(&batch, &|change| subscription.is_mine(change), &mut out);
                        }
                        Announced::Dropped(count) => {
                            let _written = write!(out, "event: dropped\ndata: {{\"count\":{count}}}\n\n");
                        }
                    }
                    if !out.is_empty() {
                        return Some(out);
                    }
                }
            }
        }
    }
}

/// What one reader was shown that may still change.
#[derive(Debug)]
struct Follow {
    main: Matcher,
    copies: Option<Matcher>,
    with_raw: bool,
    /// Provisional events that were sent.
    open: HashSet<EventId>,
    left_out: u64,
    left_out_told: u64,
}

impl Default for Follow {
    fn default() -> Follow {
        let main = Matcher::new(&crate::query::Query::All).expect("everything can be matched");
        Follow { main, copies: None, with_raw: false, open: HashSet::new(), left_out: 0, left_out_told: 0 }
    }
}

impl Follow {
    fn take(&mut self, batch: &TailBatch, is_mine: &dyn Fn(&crate::store::core::TailChange) -> bool, out: &mut String) {
        for change in batch.changes.iter().filter(|change| is_mine(change)) {
            match &change.what {
                TailWhat::Closed(event) => {
                    let shown = self.open.remove(&event.id());
                    self.show(event, shown, out);
                    let copy = !shown && self.copies.as_ref().is_some_and(|copies| copies.matches(event));
                    self.left_out += u64::from(copy);
                }
                TailWhat::Provisional(event) => {
                    let id = event.id();
                    let shown = self.open.remove(&id);
                    if self.show(event, shown, out) {
                        self.open.insert(id);
                    }
                }
                TailWhat::Gone(id) => {
                    if self.open.remove(id) {
                        remove(*id, out);
                    }
                }
            }
        }
    }

    /// Sends a version of an event; whether it is shown now.
    fn show(&self, event: &StoredEvent, shown: bool, out: &mut String) -> bool {
        let matches = self.main.matches(event);
        if matches {
            out.push_str(if shown { "event: update\ndata: " } else { "event: line\ndata: " });
            json::event(out, event, self.with_raw);
            out.push_str("\n\n");
        } else if shown {
            remove(event.id(), out);
        }
        matches
    }

    fn alive(&mut self) -> String {
        if self.left_out == self.left_out_told {
            return ": alive\n\n".to_owned();
        }
        self.left_out_told = self.left_out;
        format!("event: left_out\ndata: {{\"copies\":{}}}\n\n", self.left_out)
    }
}

fn remove(id: EventId, out: &mut String) {
    let _written = write!(out, "event: remove\ndata: {{\"id\":\"{id}\"}}\n\n");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::access::Scope;
    use crate::http::TailBus;
    use crate::query::sample::{event, stream};
    use crate::store::core::TailChange;
    use crate::store::snapshot::PartitionKey;
    use parsers::{Flags, Level};
    use std::sync::Arc;

    fn change(owner: &str, what: TailWhat) -> TailChange {
        let partition = PartitionKey { owner: owner.into(), environment: "default".into(), day: 1, hour: None };
        TailChange { partition, what }
    }

    fn batch(what: Vec<TailWhat>) -> Arc<TailBatch> {
        Arc::new(TailBatch { changes: what.into_iter().map(|what| change("local", what)).collect() })
    }

    fn told(follow: &mut Follow, what: Vec<TailWhat>) -> String {
        let mut out = String::new();
        follow.take(&batch(what), &|_| true, &mut out);
        let kinds = out.lines().filter_map(|line| line.strip_prefix("event: "));
        kinds.collect::<Vec<_>>().join(" ")
    }

    fn following(query: &str) -> Follow {
        let query = crate::query::parse(query).unwrap();
        Follow { main: Matcher::new(&query).unwrap(), ..Follow::default() }
    }

    #[test]
    fn an_event_grows_and_is_settled() {
        let info = stream(1, "/a.log");
        let version = |text: &str| {
            let mut event = event(&info, 0, Level::Error, "", text);
            event.body.head_hash = 7;
            Arc::new(event)
        };
        let mut follow = following("timeout");
        assert_eq!(told(&mut follow, vec![TailWhat::Provisional(version("failed"))]), "");
        assert_eq!(told(&mut follow, vec![TailWhat::Provisional(version("failed\n\ttimeout"))]), "line");
        assert_eq!(told(&mut follow, vec![TailWhat::Provisional(version("failed\n\ttimeout\n\tx"))]), "update");
        assert_eq!(told(&mut follow, vec![TailWhat::Closed(version("failed\n\ttimeout\n\tx"))]), "update");
        assert_eq!(told(&mut follow, vec![TailWhat::Closed(version("failed\n\ttimeout\n\tx"))]), "line");
        let mut follow = following("NOT timeout");
        let gone = version("failed").id();
        assert_eq!(told(&mut follow, vec![TailWhat::Provisional(version("failed"))]), "line");
        assert_eq!(told(&mut follow, vec![TailWhat::Closed(version("failed\n\ttimeout"))]), "remove");
        assert_eq!(
            told(&mut follow, vec![TailWhat::Provisional(version("failed")), TailWhat::Gone(gone)]),
            "line remove"
        );
        assert_eq!(told(&mut follow, vec![TailWhat::Gone(gone)]), "");
    }

    #[test]
    fn copies_are_left_out_and_counted() {
        let mut copy = event(&stream(1, "/a.log"), 0, Level::Error, "", "x");
        copy.body.flags.set(Flags::COPY);
        let mut follow = following("NOT wso2.copy:*");
        follow.copies = Some(Matcher::new(&crate::query::parse("wso2.copy:*").unwrap()).unwrap());
        assert_eq!(told(&mut follow, vec![TailWhat::Closed(Arc::new(copy))]), "");
        assert!(follow.alive().contains("\"copies\":1"));
        assert_eq!(follow.alive(), ": alive\n\n");
    }

    #[tokio::test]
    async fn a_slow_reader_loses_and_is_told() {
        let bus = TailBus::new(1000);
        let (mine, other) = (bus.subscribe(Scope::local()), bus.subscribe(Scope::local()));
        let event = Arc::new(event(&stream(1, "/a.log"), 0, Level::Error, "", &"x".repeat(300)));
        for _ in 0..5 {
            bus.publish(&batch(vec![TailWhat::Closed(Arc::clone(&event))]));
        }
        let foreign = TailBatch { changes: vec![change("other", TailWhat::Closed(event))] };
        bus.publish(&Arc::new(foreign));
        assert!(matches!(mine.next().await, Announced::Batch(_)));
        assert!(matches!(mine.next().await, Announced::Dropped(4)));
        drop(mine);
        assert!(matches!(other.next().await, Announced::Batch(_)));
        assert_eq!(bus.readers(), 1);
    }
}
