//! Events that are refused for good, and their way back (protocol rules 22 and 23).

use super::sending::{Load, Part, Sent};
use super::{Importance, SendError, ShipperCore};
use crate::doubt::Doubt;
use crate::identity::name_of;
use crate::stream::Opened;
use outside::Safeguard;
use parsers::Offset;
use std::time::Duration;
use wire::{Message, StreamId};

/// So many events are given up in a row for refusals of whole requests; then it is not the events.
const GIVEN_UP_MAX: u32 = 16;

impl ShipperCore {
    /// The indexer names an event that it can never take.
    pub(super) fn rejected(&mut self, id: Option<StreamId>, offset: Offset, reason: &str) {
        let Some(stream) = id.and_then(|id| self.streams.get_mut(&id)) else { return };
        let id = stream.kept.id;
        let is_event = stream.in_flight.as_ref().is_some_and(|f| f.starts().contains(&offset));
        stream.go_back_to_mark();
        if is_event {
            self.condemn(id, offset, reason);
            return;
        }
        self.wait_for(Some(id), self.config.timing.retry_max);
        self.stuck(id, &format!("the indexer rejects what is sent at byte {}: {reason}", offset.0));
    }

    /// From now on the event is sent as dead.
    fn condemn(&mut self, id: StreamId, offset: Offset, reason: &str) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.condemned.insert(offset, reason.to_owned());
        stream.retry_at = Duration::ZERO;
        stream.go_back_to_mark();
        let path = stream.kept.path.display().to_string();
        self.active.insert(id);
        let text = format!(
            "the event at byte {} of `{path}` is refused and becomes a dead letter: {reason}; see `carbontrail dlq list`",
            offset.0
        );
        self.notice(Importance::Error, text);
    }

    /// Letters of events that the mark has not passed were written before this start, or for a store that is gone.
    pub(super) fn condemn_again(&mut self, id: StreamId, mark: Offset) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        for offset in self.dead.behind(id, mark) {
            stream.condemned.entry(offset).or_insert_with(|| "refused before".to_owned());
        }
    }

    /// Makes the letters of the batch durable that is to be sent; `false`: it must wait.
    pub(super) fn letters_are_written(&mut self, id: StreamId) -> bool {
        let Some(stream) = self.streams.get_mut(&id) else { return false };
        let letters = stream.building.as_ref().map(|batch| batch.letters()).unwrap_or_default();
        if letters.is_empty() || !Safeguard::LetterBeforeDead.holds() {
            return true;
        }
        let now_ns = self.outside.clock.wall_ns();
        let failed = letters.iter().find_map(|letter| self.dead.write(letter, &stream.kept.path, now_ns).err());
        let Some(error) = failed else { return true };
        stream.retry_at = self.now + self.config.timing.retry_max;
        self.stuck(id, &error.to_string());
        false
    }

    /// A whole request was refused: its streams send their events alone from now on. `false` when it had none, so
    /// that the refusal is not about them.
    pub(super) fn doubt(&mut self, sent: &Sent, error: &SendError) -> bool {
        let with_events: Vec<StreamId> = sent
            .parts
            .iter()
            .filter_map(|part| if let Part::Ranges(id) = part { Some(*id) } else { None })
            .filter(|id| {
                let in_flight = self.streams.get(id).and_then(|s| s.in_flight.as_ref());
                in_flight.is_some_and(|f| !f.starts().is_empty())
            })
            .collect();
        if with_events.is_empty() {
            return false;
        }
        if let SendError::TooLarge { max } = error {
            self.smaller_batches(max.or(Some(sent.bytes as u64)));
        }
        let alone = sent.parts.len() == 1;
        for id in with_events {
            self.doubt_stream(id, alone, error);
        }
        true
    }

    fn doubt_stream(&mut self, id: StreamId, alone: bool, error: &SendError) {
        let timing = self.config.timing;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let ask = match (&mut stream.doubt, stream.in_flight.take()) {
            (Some(doubt), _) => alone && doubt.refused(),
            (none, Some(in_flight)) => {
                *none = Doubt::new(in_flight.starts(), in_flight.to).map(Box::new);
                // What went alone need not go again as it was.
                none.as_mut().is_some_and(|doubt| alone && doubt.refused())
            }
            (None, None) => false,
        };
        let refusals = stream.doubt.as_ref().map_or(0, |d| d.refusals);
        if ask {
            // Does anything get through? What the stream is opened with holds nothing of the event.
            stream.opened = Opened::No;
        }
        let doubled = timing.retry_min.saturating_mul(1 << refusals.min(12)).min(timing.retry_max);
        let wait = self.jitter(doubled);
        self.active.insert(id);
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.retry_at = self.now + wait;
        let text = format!("`{}`: {error}; it is tried in smaller parts", name_of(&stream.kept.path));
        if self.report.first_time(&text) {
            self.notice(Importance::Warn, text);
        }
    }

    /// A request that holds nothing of the event in doubt was answered.
    pub(super) fn got_through(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let Some(offset) = stream.doubt.as_deref_mut().and_then(Doubt::got_through) else { return };
        if self.link.given_up >= GIVEN_UP_MAX {
            let text = format!(
                "{GIVEN_UP_MAX} events in a row are refused with their requests: something between here and the indexer \
                 refuses them all; nothing more is given up until one is taken"
            );
            if let Some(doubt) = self.streams.get_mut(&id).and_then(|s| s.doubt.as_mut()) {
                doubt.blocked();
            }
            self.wait_for(Some(id), self.config.timing.retry_max);
            self.stuck(id, &text);
            return;
        }
        self.link.given_up += 1;
        self.condemn(id, offset, "requests with it are refused, requests without it are not");
    }

    /// A request that held nothing of an event in doubt did not get through.
    pub(super) fn blocked(&mut self, sent: &Sent) {
        for part in &sent.parts {
            let stream = part.stream().and_then(|id| self.streams.get_mut(&id));
            if let Some(doubt) = stream.and_then(|s| s.doubt.as_mut()) {
                doubt.blocked();
            }
        }
    }

    /// Looks whether a replay was asked for.
    pub(super) fn letters_due(&mut self) {
        if self.dead.size().0 == 0 || self.now < self.next_letters {
            return;
        }
        self.next_letters = self.now + self.config.timing.letters_interval;
        if self.dead.look().is_err() {
            return;
        }
        for id in self.dead.streams_to_replay() {
            if self.streams.contains_key(&id) {
                self.active.insert(id);
                continue;
            }
            while let Some(offset) = self.dead.to_replay(id) {
                self.put_back(id, offset, "its stream is not known here any more");
            }
        }
    }

    pub(super) fn say_replay(&mut self, id: StreamId, offset: Offset, load: &mut Load) {
        match self.dead.read((id, offset)) {
            Ok(letter) => {
                if !Safeguard::LetterUntilReplayed.holds() {
                    let _gone = self.dead.remove((id, offset));
                }
                load.add(Message::Replay(letter.message()), Part::Replay(id, offset));
            }
            Err(error) => self.put_back(id, offset, &error.to_string()),
        }
    }

    /// The event is searchable now.
    pub(super) fn replayed(&mut self, id: StreamId, offset: Offset) {
        if let Err(error) = self.dead.remove((id, offset)) {
            self.notice(Importance::Warn, format!("failed to remove a dead letter that was replayed: {error}"));
        }
        // What of the stream is dead and what is events is taken over from the indexer.
        self.reopen(Some(id));
    }

    /// The indexer still refuses it, or it cannot be sent.
    pub(super) fn put_back(&mut self, id: StreamId, offset: Offset, reason: &str) {
        let text = format!("the dead letter at byte {} of stream {id} cannot be replayed: {reason}", offset.0);
        self.notice(Importance::Error, text);
        if let Err(error) = self.dead.put_back((id, offset)) {
            self.notice(Importance::Warn, format!("failed to rename a dead letter: {error}"));
        }
    }
}
