//! Requests: what goes into them, and when.
//!
//! One message that changes something is on its way per stream at any time (protocol rule 20). A request that
//! was not answered is not kept: its bytes are read again from the file, from the mark, so that what is sent
//! in its place is the same up to where it ended. It goes to the same indexer (rule 26): a shipper has one.

use super::concurrency::Concurrency;
use super::{ShipperCore, ShipperOutput, Ticket};
use crate::batch::{Closed, InFlight, Wiring};
use crate::config::{Limits, Timing};
use crate::identity::product_of;
use crate::kept::{Loss, Phase};
use crate::status::Link;
use crate::stream::{Naming, Opened, Stream};
use bytes::Bytes;
use parsers::{Offset, TimeNs};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;
use wire::{Draft, Drafted, Epoch, Factors, Fate, Hello, Message, Open, Provisional, Range, Ranges, StreamId};

/// What a message was about, for its verdict.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Hello,
    Open(StreamId),
    /// Of events or of a loss.
    Ranges(StreamId),
    Provisional(StreamId, Offset, u32),
    Gone(StreamId),
    Replay(StreamId, Offset),
    Audit,
    /// Asks what files may be.
    Claim,
}

impl Part {
    pub(super) fn stream(self) -> Option<StreamId> {
        match self {
            Part::Hello | Part::Audit | Part::Claim => None,
            Part::Open(id) | Part::Ranges(id) | Part::Provisional(id, ..) | Part::Gone(id) | Part::Replay(id, _) => {
                Some(id)
            }
        }
    }
}

/// A request that is not answered yet.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) parts: Vec<Part>,
    pub(super) backfill: bool,
    /// Bytes of events in it.
    pub(super) bytes: usize,
    /// The store it was meant for.
    pub(super) incarnation: Option<u64>,
    /// When.
    pub(super) at: Duration,
    /// Whether no other could follow it.
    pub(super) last_one: bool,
}

/// The way to the indexer.
#[derive(Debug)]
pub(super) struct LinkState {
    pub(super) epoch: Option<Epoch>,
    pub(super) incarnation: Option<u64>,
    /// Every stream was compared with that.
    pub(super) compared: bool,
    pub(super) boot: Option<u64>,
    pub(super) status: Link,
    pub(super) failures: u32,
    pub(super) retry_at: Duration,
    pub(super) error: Option<String>,
    pub(super) in_flight: BTreeMap<Ticket, Sent>,
    pub(super) concurrency: Concurrency,
    pub(super) batch_bytes_max: usize,
    /// Oldest time that the indexer keeps.
    pub(super) oldest: Option<TimeNs>,
    /// Events given up since the last that was taken, for refusals of whole requests.
    pub(super) given_up: u32,
    /// The stream that was served last: the next request begins behind it.
    served: StreamId,
    next_ticket: u64,
    last_sent: Duration,
    /// When something of a stream was sent last.
    last_load: Duration,
}

impl LinkState {
    pub(super) fn new(now: Duration, limits: &Limits) -> LinkState {
        LinkState {
            epoch: None,
            incarnation: None,
            compared: true,
            boot: None,
            status: Link::Starting,
            failures: 0,
            retry_at: now,
            error: None,
            in_flight: BTreeMap::new(),
            concurrency: Concurrency::new(limits.requests_first, limits.requests_max),
            batch_bytes_max: usize::MAX,
            oldest: None,
            given_up: 0,
            served: StreamId::default(),
            next_ticket: 1,
            last_sent: now,
            last_load: Duration::ZERO,
        }
    }

    /// Requests that may be without answer now. After a failure one shows whether it is over.
    pub(super) fn at_once(&self) -> usize {
        if self.failures > 0 { 1 } else { self.concurrency.limit() }
    }

    /// When an idle shipper asks whether the store is still the same (protocol rule 28).
    pub(super) fn next_ask(&self, timing: &Timing) -> Duration {
        match self.in_flight.is_empty() {
            true => (self.last_sent + timing.ask_interval).max(self.retry_at),
            false => Duration::MAX,
        }
    }
}

/// Messages of one request on their way together.
#[derive(Default)]
pub(super) struct Load {
    messages: Vec<Drafted>,
    parts: Vec<Part>,
    bytes: usize,
}

impl Load {
    pub(super) fn add(&mut self, message: Message, part: Part) {
        self.draft(Drafted::Message(message), part);
    }

    fn draft(&mut self, message: Drafted, part: Part) {
        self.messages.push(message);
        self.parts.push(part);
    }
}

impl ShipperCore {
    /// Gives out the requests that are due.
    pub(super) fn pump(&mut self) {
        if self.now < self.link.retry_at {
            return;
        }
        let at_once = self.link.at_once();
        if self.link.epoch.is_none() {
            if self.link.in_flight.is_empty() {
                self.say_hello();
            }
            return;
        }
        if self.journal.must_sync {
            self.sync_state();
        }
        for backfill in [false, true] {
            let share = if backfill { at_once.div_ceil(2) } else { at_once };
            while self.link.in_flight.len() < at_once
                && self.now >= self.paced_until()
                && self.link.in_flight.values().filter(|s| s.backfill == backfill).count() < share
            {
                let load = self.load(backfill);
                if load.parts.is_empty() {
                    break;
                }
                self.send(load, backfill);
                self.link.last_load = self.now;
            }
        }
        self.audit_due();
        if self.link.in_flight.is_empty() && self.now >= self.link.next_ask(&self.config.timing) {
            self.ask();
        }
    }

    /// When a request may go out: each costs as much as some hundred lines, so that what trickles in from many files
    /// goes together. Who has much to say, or is waited for, says it at once.
    fn paced_until(&self) -> Duration {
        let next = self.link.last_load + self.config.timing.pace;
        if self.now >= next || self.stop.is_some() || self.config.until_idle {
            return self.now;
        }
        let waiting = self.active.iter().filter_map(|id| self.streams.get(id)).filter(|s| s.busy.is_none());
        let bytes: usize = waiting.filter_map(|s| s.building.as_ref()).map(|batch| batch.bytes()).sum();
        if bytes >= self.batch_bytes_max() / 4 { self.now } else { next }
    }

    /// What comes before this moment, answers too, can wait for it: nothing would be sent sooner. So one step takes what
    /// came since the last request and sends the next one.
    pub(crate) fn gather_until(&self) -> Duration {
        let hurry = self.exited || self.more_to_read || self.link.epoch.is_none();
        if hurry || self.now >= self.link.last_load + self.config.timing.pace || self.is_full() {
            return self.now;
        }
        self.paced_until()
    }

    /// So much waits, here or for an answer, that an answer makes room.
    fn is_full(&self) -> bool {
        let held: usize = self.active.iter().filter_map(|id| self.streams.get(id)).map(|s| s.memory()).sum();
        held >= self.config.limits.memory_bytes_max / 4 || held >= 2 * self.batch_bytes_max()
    }

    fn say_hello(&mut self) {
        let hello = Hello {
            host_id: self.config.host_id.clone(),
            host_name: self.config.host_name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            clock_ns: self.outside.clock.wall_ns(),
        };
        let mut load = Load::default();
        load.add(Message::Hello(hello), Part::Hello);
        self.send(load, false);
    }

    /// Nothing to send: one stream's mark is asked for, to hear of a new incarnation or boot.
    fn ask(&mut self) {
        let idle =
            self.streams.values().find(|s| s.opened == Opened::Yes && s.busy.is_none() && s.kept.phase != Phase::Gone);
        let mut load = Load::default();
        if let Some(stream) = idle {
            load.add(self.open_message(stream), Part::Open(stream.kept.id));
        }
        self.send(load, false);
    }

    pub(super) fn send(&mut self, load: Load, backfill: bool) {
        let ticket = Ticket(self.link.next_ticket);
        self.link.next_ticket += 1;
        self.link.last_sent = self.now;
        for id in load.parts.iter().filter_map(|p| p.stream()) {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.busy = Some(ticket);
            }
        }
        let sent = Sent {
            parts: load.parts,
            backfill,
            bytes: load.bytes,
            incarnation: self.link.incarnation,
            at: self.now,
            last_one: self.link.in_flight.len() + 1 >= self.link.at_once(),
        };
        self.link.in_flight.insert(ticket, sent);
        let epoch = self.link.epoch.unwrap_or_default();
        let request = Draft { agent: self.agent.id, epoch, messages: load.messages };
        self.out.push(ShipperOutput::Send { ticket, request });
    }

    /// Gathers what streams have to say, to the size of one batch; each has its turn.
    fn load(&mut self, backfill: bool) -> Load {
        let mut load = Load::default();
        if !backfill {
            self.say_claims(&mut load);
        }
        let most = self.batch_bytes_max();
        let behind_last = (Bound::Excluded(self.link.served), Bound::Unbounded);
        let ready: Vec<StreamId> = self
            .active
            .range(behind_last)
            .chain(self.active.range(..=self.link.served))
            .copied()
            .filter(|id| self.streams.get(id).is_some_and(|s| s.kept.backfill == backfill && self.has_to_say(s)))
            .collect();
        for id in ready {
            if load.bytes >= most || load.parts.len() >= 1000 {
                break;
            }
            let alone = self.streams.get(&id).is_some_and(|s| s.doubt.is_some());
            if alone && !load.parts.is_empty() {
                continue;
            }
            self.say(id, &mut load);
            self.link.served = id;
            if alone && !load.parts.is_empty() {
                break;
            }
        }
        load
    }

    pub(super) fn batch_bytes_max(&self) -> usize {
        self.config.limits.batch_bytes_max.min(self.link.batch_bytes_max)
    }

    /// Whether the stream has a message that is due.
    pub(super) fn has_to_say(&self, stream: &Stream) -> bool {
        if stream.busy.is_some() || self.now < stream.retry_at && stream.opened != Opened::Yes {
            return false;
        }
        match stream.opened {
            Opened::No => stream.durable || stream.repeatable,
            Opened::Asked => false,
            Opened::Yes => {
                self.now >= stream.retry_at
                    && (self.batch_is_due(stream)
                        || self.loss_is_due(stream).is_some()
                        || self.dead.to_replay(stream.kept.id).is_some()
                        || self.is_gone(stream)
                        || self.provisional_due(stream).is_some_and(|due| due <= self.now))
            }
        }
    }

    /// When the open event is to be shown, if the indexer should see it. Where batch follows batch the next one will
    /// close it, most likely.
    fn provisional_due(&self, stream: &Stream) -> Option<Duration> {
        provisional_of(stream)?;
        let soon = 2 * self.config.timing.read_pace;
        let busy = |(last, before): &(Duration, Option<Duration>)| before.is_some_and(|before| before + soon > *last);
        let sent_at = stream.pace().batches_sent_at.filter(|sent| self.is_paced() && busy(sent));
        Some(sent_at.map_or(self.now, |(last, _)| last + soon))
    }

    fn batch_is_due(&self, stream: &Stream) -> bool {
        let Some(batch) = &stream.building else { return false };
        let hurry = self.stop.is_some() || self.config.until_idle;
        hurry
            || batch.bytes() >= self.config.limits.read_bytes
            || self.now >= stream.pace().building_since + self.config.timing.linger
    }

    /// The next loss to send, once everything before it is settled.
    fn loss_is_due<'a>(&self, stream: &'a Stream) -> Option<&'a Loss> {
        let loss = stream.kept.losses.iter().min_by_key(|l| l.from)?;
        let journaled = !self.journal.must_sync;
        let settled = stream.building.is_none() && stream.open_bytes() == 0 && loss.from <= stream.kept.mark;
        (journaled && settled && stream.kept.phase != Phase::Gone).then_some(loss)
    }

    /// Its file is gone, and all of it is acknowledged.
    fn is_gone(&self, stream: &Stream) -> bool {
        stream.kept.phase == Phase::Detached
            && stream.orphan.is_none()
            && stream.naming == Naming::Nameless
            && stream.is_settled()
            && stream.open_bytes() == 0
            && stream.behind() == 0
    }

    fn say(&mut self, id: StreamId, load: &mut Load) {
        let Some(stream) = self.streams.get(&id) else { return };
        if stream.opened == Opened::No {
            load.add(self.open_message(stream), Part::Open(id));
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.opened = Opened::Asked;
            }
            return;
        }
        if self.batch_is_due(stream) {
            if stream.head_grew && stream.doubt.is_none() {
                load.add(self.open_message(stream), Part::Open(id));
            }
            self.say_batch(id, load);
        } else if let Some(loss) = self.loss_is_due(stream) {
            let loss = loss.clone();
            self.say_loss(id, &loss, load);
        } else if let Some(offset) = self.dead.to_replay(id) {
            self.say_replay(id, offset, load);
        } else if self.is_gone(stream) {
            load.add(Message::Gone(id), Part::Gone(id));
        } else if let Some((offset, size)) = provisional_of(stream) {
            self.say_provisional(id, offset, size, load);
        }
    }

    fn say_batch(&mut self, id: StreamId, load: &mut Load) {
        if !self.letters_are_written(id) {
            return;
        }
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let Some(batch) = stream.building.take() else { return };
        stream.head_grew = false;
        let pace = stream.pace_mut();
        pace.batch_size = batch.size();
        pace.batches_sent_at = Some((self.now, pace.batches_sent_at.map(|(last, _)| last)));
        load.bytes += batch.bytes();
        let (ranges, in_flight, spare) = batch.send();
        stream.in_flight = Some(Box::new(in_flight));
        stream.shown = None;
        load.draft(Drafted::Ranges { stream: id, ranges }, Part::Ranges(id));
        if self.spare.len() < SPARE_MAX && spare.memory() < SPARE_BYTES_MAX {
            self.spare.push(spare);
        }
    }

    fn say_loss(&mut self, id: StreamId, loss: &Loss, load: &mut Load) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let from = stream.kept.mark;
        stream.in_flight = Some(Box::new(InFlight::of_loss(from, loss.to, &stream.kept)));
        let range = Range {
            from,
            to: loss.to,
            fate: Fate::Lost(loss.reason.clone()),
            context: Bytes::from(stream.kept.context.clone()),
            anchors: Vec::new(),
        };
        load.add(Message::Ranges(Ranges { stream: id, ranges: vec![range] }), Part::Ranges(id));
    }

    fn say_provisional(&mut self, id: StreamId, offset: Offset, size: u32, load: &mut Load) {
        let oldest = self.oldest();
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let Some(tail) = &stream.tail else { return };
        if stream.kept.left_out.as_ref().is_some_and(|left_out| offset < left_out.to) {
            stream.shown = Some((offset, size));
            return;
        }
        let Some(open) = tail.parser.provisional(tail.open_bytes()) else {
            stream.shown = Some((offset, size));
            return;
        };
        if open.event.time.is_some_and(|time| Some(time.utc) < oldest) {
            // Once closed it is left out.
            stream.shown = Some((offset, size));
            return;
        }
        let closed = Closed { event: &open.event, bytes: &open.bytes, in_file: tail.open_bytes() };
        let body = Wiring::of(&stream.kept).body(closed, stream.last_event);
        load.bytes += open.bytes.len();
        let message = Provisional { stream: id, event: body, bytes: Bytes::from(open.bytes.into_owned()) };
        load.add(Message::Provisional(message), Part::Provisional(id, offset, size));
    }

    pub(super) fn open_message(&self, stream: &Stream) -> Message {
        let kept = &stream.kept;
        let factors = Factors {
            path: kept.first_path.to_string_lossy().into_owned(),
            name: kept.name.clone(),
            device: kept.file.device,
            number: kept.file.number,
            born_ns: kept.born_ns,
            head_len: kept.head.len,
            head_hash: kept.head.hash,
            predecessor: kept.predecessor,
            product: self.config.product_of(&kept.first_path).or_else(|| product_of(&kept.first_path)),
            service: self.config.service_of(&kept.first_path),
            labels: self.config.labels_of(&kept.first_path),
        };
        Message::Open(Open {
            stream: kept.id,
            factors,
            base: kept.base,
            context: Bytes::from(kept.base_context.clone()),
        })
    }

    /// Whether nothing has to be done for the stream until something happens to it.
    pub(super) fn may_rest(&self, id: StreamId) -> bool {
        let Some(stream) = self.streams.get(&id) else { return true };
        let waits_for_end = stream.kept.phase == Phase::Following && stream.naming != Naming::Own;
        stream.opened == Opened::Yes
            && stream.busy.is_none()
            && stream.is_done()
            && self.dead.to_replay(id).is_none()
            && stream.behind() == 0
            && !stream.suspect
            && !waits_for_end
            && stream.orphan.is_none()
            && stream.kept.phase != Phase::Detached
    }

    /// When the stream needs a step though nothing happens.
    pub(super) fn wake_of(&self, stream: &Stream) -> Duration {
        let mut wake = Duration::MAX;
        let paced =
            if self.stop.is_some() || self.config.until_idle { Duration::ZERO } else { self.config.timing.pace };
        let link = self.link.retry_at.max(self.now).max(self.link.last_load + paced);
        if self.has_to_say(stream) && self.link.epoch.is_some() && self.link.in_flight.len() < self.link.at_once() {
            wake = wake.min(link);
        }
        if stream.building.is_some() && stream.busy.is_none() {
            wake = wake.min((stream.pace().building_since + self.config.timing.linger).max(link).max(stream.retry_at));
        }
        for at in [stream.retry_at, stream.pace().rests_until] {
            if at > self.now {
                wake = wake.min(at);
            }
        }
        if stream.opened == Opened::Yes && stream.busy.is_none() {
            wake = wake.min(self.provisional_due(stream).filter(|due| *due > self.now).unwrap_or(Duration::MAX));
        }
        let rated = self.may_read_at(stream);
        if rated > self.now && stream.unread() > 0 {
            wake = wake.min(rated);
        }
        if let Some(orphan) = stream.orphan {
            let due = orphan.since + self.config.timing.close_after;
            wake = wake.min(due.max(self.now + Duration::from_millis(100)));
        }
        if stream.opened == Opened::Yes {
            wake = wake.min(self.next_cut(stream).unwrap_or(Duration::MAX));
        }
        wake
    }
}

/// Offset and size of the open event, if the indexer should see it: at the mark, and larger than what it has.
pub(super) fn provisional_of(stream: &Stream) -> Option<(Offset, u32)> {
    let tail = stream.tail.as_ref().filter(|t| !t.cut_off)?;
    let nothing_before = stream.building.is_none() && stream.in_flight.is_none();
    let offset = tail.parser.offset();
    if !nothing_before || offset != stream.kept.mark || tail.open_bytes().is_empty() {
        return None;
    }
    let size = tail.parser.cut_place(tail.open_bytes(), parsers::Cut::WholeLines)?.0 - offset.0;
    let size = u32::try_from(size).unwrap_or(u32::MAX).min(PROVISIONAL_BYTES_MAX);
    let newer = stream.shown.is_none_or(|(at, shown)| at != offset || shown < size);
    newer.then_some((offset, size))
}

/// Batches that were sent leave so many tables to those that come, and none that is larger than this.
const SPARE_MAX: usize = 64;
const SPARE_BYTES_MAX: usize = 16 << 10;

/// A larger open event is shown by its first bytes; their number is the parser's.
const PROVISIONAL_BYTES_MAX: u32 = 64 << 10;
