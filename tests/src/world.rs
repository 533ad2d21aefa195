//! One run: a seeded mix of everything that can happen, then calm, then the reckoning.

use crate::counts::{Counts, Hit};
use crate::death::{Deaths, OF_SHIPPER, OF_STORE};
use crate::network::Network;
use crate::oracle::{Asked, Oracle};
use crate::shipper_side::ShipperSide;
use crate::store_side::{Builder, Heard, StoreSide};
use crate::trace;
use crate::writer::{LOGS, Writer};
use bytes::Bytes;
use indexer::store::core::StoreInput;
use outside::sim::{Fault, SimClock, SimDisk, SimRng};
use parsers::{Dataset, Family, Flags, Level};
use shipper::ShipperInput;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Duration;
use wire::{EventBody, EventsPayload, Fate, Message, Offset, Range, Ranges, Request, StreamId};

/// 2026-11-25T10:00:00Z.
const START_NS: i64 = 1_795_600_800_000_000_000;
/// 2026-11-25T23:55:00Z: a day ends, and its partition is sealed.
const START_LATE_NS: i64 = 1_795_650_900_000_000_000;
/// One of so many seeds begins late in the day.
const LATE: u64 = 4;
/// One of so many seeds lets processes die in each kind of call alike, and has more of what is rare.
const RARE_DEATHS: u64 = 4;
/// One of so many seeds, all of those before, has no form of rotation but copies and truncations.
const COPIED: u64 = 8;
/// One of so many seeds has a state folder on another file system than the logs: no pins, only copies.
const LINKS_REFUSED: u64 = 5;
/// One of so many seeds has the store's own segments.
const EMBEDDED: u64 = 32;
pub(crate) const DISK_BYTES: u64 = 16 << 20;
/// Ticket of requests that nobody waits for.
const PROBE: u64 = u64::MAX;
/// Of one in the name of who lost a stream; the answers of both may be on their way.
const SPOKEN: u64 = PROBE - 1;
const CALM_ROUNDS: u32 = 3_000;
/// EMFILE, EACCES, EIO, ESTALE.
const REFUSALS: [i32; 4] = [24, 13, 5, 116];

/// How a run is made.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Steps before the calm.
    pub steps: u32,
    /// A failure tells what happened before it.
    pub trace: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { steps: 200, trace: false }
    }
}

/// What went wrong in a run.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// The step after which it was seen.
    pub step: u32,
    /// What was seen.
    pub what: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "seed {} after step {}: {}", self.seed, self.step, self.what)
    }
}

struct World {
    clock: SimClock,
    rng: SimRng,
    writer: Writer,
    shipper: ShipperSide,
    network: Network,
    store: StoreSide,
    oracle: Oracle,
    counts: Counts,
    /// What the oracle said of a request; looked at after the step.
    failure: Option<String>,
    /// More of what is rare happens.
    rare: bool,
    /// Requests at the store.
    asked: BTreeMap<u64, Asked>,
}

/// Makes one run.
///
/// # Errors
/// What did not hold.
pub fn run(seed: u64, options: Options) -> Result<Counts, Failure> {
    let step = Cell::new(0);
    if options.trace {
        trace::begin();
    }
    // A panic of the code under test is a failure like any other, and must name its seed.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(seed);
        for n in 0..options.steps {
            step.set(n);
            trace::note(|| format!("step {n} at {:?}", outside::Clock::monotonic(&world.clock)));
            world.act();
            world.check()?;
        }
        world.calm()?;
        world.collect_faults();
        Ok(world.counts)
    }));
    let lines = trace::take();
    let failed = |what: String| {
        let what = if lines.is_empty() { what } else { format!("{}\n{what}", lines.join("\n")) };
        Failure { seed, step: step.get(), what }
    };
    match outcome {
        Ok(result) => result.map_err(failed),
        Err(cause) => {
            let text = cause.downcast_ref::<String>().map(String::as_str).or(cause.downcast_ref::<&str>().copied());
            Err(failed(format!("panicked: {}", text.unwrap_or("without a text"))))
        }
    }
}

impl World {
    fn new(seed: u64) -> World {
        let rng = SimRng::new(seed);
        let draw = |salt: u64| SimRng::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ salt);
        let clock = SimClock::new(if seed % LATE == 3 { START_LATE_NS } else { START_NS });
        let builder = if seed % EMBEDDED == 7 { Builder::Embedded } else { Builder::Naive };
        let rare = seed % RARE_DEATHS == 2;
        let no_links = seed % LINKS_REFUSED == 1;
        let deaths = |kinds, files| Deaths { kinds: if rare { kinds } else { &[] }, files };
        let host = host_of(seed, SimDisk::new(DISK_BYTES, clock.clone(), draw(1)));
        let data = SimDisk::new(DISK_BYTES, clock.clone(), draw(2));
        let mut shipper =
            ShipperSide::new(host.clone(), clock.clone(), draw(4), deaths(OF_SHIPPER, no_links.then_some(".spill")));
        if no_links {
            shipper.refuse_links();
        }
        let mut writer = Writer::new(host, clock.clone(), draw(3));
        if seed % COPIED == 6 {
            writer.only_copy_and_truncate();
        }
        World {
            writer,
            shipper,
            network: Network::new(draw(5)),
            store: StoreSide::new(data, clock.clone(), draw(6), builder, deaths(OF_STORE, None)),
            oracle: Oracle::default(),
            counts: Counts::default(),
            failure: None,
            rare,
            asked: BTreeMap::new(),
            clock,
            rng,
        }
    }

    /// One thing happens.
    fn act(&mut self) {
        if self.rare && self.rng.one_in(100) {
            match self.rng.below(4) {
                0 => self.wipe_store(),
                1 => self.ask_to_stop(),
                _ => self.probe(),
            }
        }
        match self.rng.below(100) {
            0..26 => self.writer.write(&mut self.counts),
            26..29 => self.writer.rotate(!self.shipper.is_up(), &mut self.counts),
            29 => self.writer.write_stale(&mut self.counts),
            30 => self.writer.go_on(&mut self.counts),
            31..43 => self.pass_time(),
            43..61 => self.shipper_turn(),
            61..73 => self.arrive(),
            73..82 => self.store_turn(StoreInput::Sync),
            82..88 => self.reply(),
            88..90 => self.store_turn(StoreInput::Tick),
            90..94 => self.build(),
            94..96 => self.shipper.kill(&mut self.network, &mut self.counts),
            96..98 => {
                self.store.kill(&mut self.network, &mut self.counts);
                if !self.store.is_up() {
                    self.asked.clear();
                }
            }
            98 => self.trouble(),
            _ => match self.rng.below(20) {
                18 => self.wipe_state(),
                0 => self.wipe_store(),
                1..5 => self.shipper.copy_state(self.oracle.opened()),
                5..9 => self.put_state_back(),
                9..18 => self.probe(),
                _ if self.rng.one_in(2) => self.start_second(),
                _ => self.ask_to_stop(),
            },
        }
        if !self.shipper.is_up() && self.rng.one_in(6) {
            self.shipper.start(&mut self.counts);
        }
        if !self.store.is_up() && self.rng.one_in(6) {
            self.store.start(&mut self.counts);
        }
    }

    fn pass_time(&mut self) {
        self.writer.finish_truncations(&mut self.counts);
        let ms = match self.rng.below(20) {
            0 => 700_000,
            1..4 => {
                self.counts.hit(Hit::IdleInsideEvent);
                5_000 + self.rng.below(6_000)
            }
            4..10 => 1_000,
            _ => self.rng.below(400),
        };
        self.clock.advance(Duration::from_millis(ms));
    }

    fn shipper_turn(&mut self) {
        if self.rng.one_in(6) {
            self.shipper.ask_for_replay(&mut self.counts);
        }
        let input = match self.rng.below(8) {
            0 => ShipperInput::Overflow,
            1..4 => ShipperInput::Changed(PathBuf::from(LOGS)),
            _ => ShipperInput::Tick,
        };
        self.step_shipper(input);
    }

    fn step_shipper(&mut self, input: ShipperInput) {
        let before = self.network.requests.len();
        self.shipper.step(input, &mut self.network, &mut self.counts);
        for envelope in &self.network.requests[before.min(self.network.requests.len())..] {
            if let Err(failure) = self.oracle.sent(&envelope.request, &self.writer.generations, &mut self.counts) {
                self.failure.get_or_insert(failure);
            }
        }
    }

    fn arrive(&mut self) {
        if !self.store.is_up() {
            self.network.refuse_one();
            return;
        }
        let Some((ticket, request)) = self.network.arrive(self.shipper.process, &mut self.counts) else { return };
        let streams = request.messages.iter().map(stream_of).collect();
        self.asked.insert(ticket, Asked { agent: request.agent, epoch: request.epoch, streams });
        let heard = self.store.request(ticket, request, &mut self.network, &mut self.counts);
        self.hear(heard);
        self.speak_as_who_lost_it();
    }

    fn store_turn(&mut self, input: StoreInput) {
        let heard = self.store.step(input, &mut self.network, &mut self.counts);
        self.hear(heard);
    }

    fn build(&mut self) {
        let heard = self.store.build(&mut self.network, &mut self.counts);
        self.hear(heard);
        if self.store.merges_next() {
            let heard = self.store.build(&mut self.network, &mut self.counts);
            self.hear(heard);
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Died => self.asked.clear(),
            Heard::Answers(answers) => {
                for (ticket, answer) in answers {
                    if let Some(asked) = self.asked.remove(&ticket)
                        && let Err(failure) = self.oracle.answered(&asked, &answer)
                    {
                        self.failure.get_or_insert(failure);
                    }
                    self.network.answer(ticket, answer, &mut self.counts);
                }
            }
        }
    }

    fn reply(&mut self) {
        if let Some(reply) = self.network.reply(self.shipper.process) {
            self.step_shipper(ShipperInput::Answer { ticket: reply.sender.ticket, result: reply.result });
        }
    }

    fn trouble(&mut self) {
        match self.rng.below(11) {
            6 => self.network.refusing = true,
            7 => self.network.bytes_max = 100 + self.rng.below(1_000) as usize,
            8 => self.shipper.disk.refuse_opens(1 + self.rng.below(8) as u32, REFUSALS[self.rng.below(4) as usize]),
            9 | 10 => self.shipper.disk.refuse_reads(1 + self.rng.below(4) as u32, 5),
            0 => self.store.disk.set_capacity(self.store.disk.used() + self.rng.below(2_000)),
            1 => self.shipper.disk.set_capacity(self.shipper.disk.used() + self.rng.below(300)),
            2 => self.store.disk.fail_syncs(1),
            _ => self.end_of_trouble(),
        }
    }

    fn end_of_trouble(&mut self) {
        self.store.disk.set_capacity(DISK_BYTES);
        self.shipper.disk.set_capacity(DISK_BYTES);
        self.shipper.disk.refuse_opens(0, 0);
        self.shipper.disk.refuse_reads(0, 0);
        self.store.disk.fail_syncs(0);
        self.network.refusing = false;
        self.network.bytes_max = usize::MAX;
    }

    /// Someone removes the data folder: a store of a new incarnation begins, and the files are all there is.
    fn wipe_store(&mut self) {
        self.counts.hit(Hit::StoreWiped);
        trace::note(|| "store wiped".to_owned());
        self.store.wipe(&mut self.network, &mut self.counts);
        self.asked.clear();
        self.oracle.wiped();
        self.forget_what_claims_cannot_know();
        // What is on its way is refused: a store hears who an agent is before its streams.
    }

    fn wipe_state(&mut self) {
        self.shipper.wipe_state(&mut self.network, &mut self.counts);
        self.oracle.state_wiped();
        self.forget_what_claims_cannot_know();
    }

    /// A stream of a dead agent that the store first hears of when its successor has asked for claims already stands
    /// twice, and nobody could know. A request does not live as long as it takes to lose a state folder.
    fn forget_what_claims_cannot_know(&mut self) {
        let oracle = &self.oracle;
        let unheard = |message: &Message| matches!(message, Message::Open(open) if !oracle.is_known(open.stream));
        self.network.forget(|request| oracle.is_forgotten(request.agent) && request.messages.iter().any(unheard));
    }

    fn put_state_back(&mut self) {
        if self.shipper.put_state_back(self.oracle.opened(), &mut self.network, &mut self.counts) {
            self.oracle.state_put_back();
        }
    }

    /// A sender in the shipper's name that breaks the rules: behind the mark, or over it. It must be refused.
    fn probe(&mut self) {
        let draw = self.rng.below(1 << 20) as usize;
        let Some((stream, len, mark)) = self.oracle.any_open(&self.writer.generations, draw) else { return };
        let Some((agent, epoch)) = self.shipper.speaks_as else { return };
        if !self.store.is_up() {
            return;
        }
        let over = (mark.saturating_sub(5), mark + 5);
        let (from, to) = if draw.is_multiple_of(2) { (len + 1_000, len + 1_010) } else { over };
        let request = Request { agent, epoch, messages: vec![Message::Ranges(one_event(stream, from, to))] };
        let heard = self.store.request(PROBE, request, &mut self.network, &mut self.counts);
        self.hear(heard);
    }

    /// A shipper that has its state still, while another has claimed one of its streams, goes on at the mark: it must
    /// be refused.
    fn speak_as_who_lost_it(&mut self) {
        let Some((stream, mark, agent, epoch)) = self.oracle.take_claimed().filter(|_| self.store.is_up()) else {
            return;
        };
        self.counts.hit(Hit::SpokeAfterClaim);
        self.asked.insert(SPOKEN, Asked { agent, epoch, streams: vec![Some(stream)] });
        let messages = vec![Message::Ranges(one_event(stream, mark, mark + 10))];
        let request = Request { agent, epoch, messages };
        let heard = self.store.request(SPOKEN, request, &mut self.network, &mut self.counts);
        self.hear(heard);
    }

    fn start_second(&mut self) {
        if let Err(failure) = self.shipper.start_second(&mut self.counts) {
            self.failure.get_or_insert(failure);
        }
    }

    fn ask_to_stop(&mut self) {
        if self.shipper.is_up() && self.rng.one_in(3) {
            self.counts.hit(Hit::ShipperShutdown);
            self.step_shipper(ShipperInput::Shutdown);
        }
    }

    fn check(&mut self) -> Result<(), String> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        match self.store.snapshot() {
            Some(cell) => self.oracle.check(&cell.get(), &self.writer.generations, &mut self.counts),
            None => Ok(()),
        }
    }

    /// Everything runs, nothing fails, nobody writes: then all must be settled, within bounds.
    fn calm(&mut self) -> Result<(), String> {
        self.end_of_trouble();
        self.writer.finish(&mut self.counts);
        self.network.reliable = true;
        let mut asked = 0;
        for round in 0..CALM_ROUNDS {
            // Files of the dead come back to life only by a start, which may take a few tries.
            if !self.shipper.is_up() {
                self.shipper.start(&mut self.counts);
            }
            if !self.store.is_up() {
                self.store.start(&mut self.counts);
            }
            let step = if round < 100 { 200 } else { 3_000 };
            self.clock.advance(Duration::from_millis(step));
            self.step_shipper(ShipperInput::Tick);
            self.arrive();
            self.store_turn(StoreInput::Sync);
            self.store_turn(StoreInput::Tick);
            self.build();
            self.reply();
            if round % 16 == 0 {
                self.check()?;
            }
            if round == 250 && self.rng.one_in(2) {
                self.shipper.ask_for_replay(&mut self.counts);
            }
            if self.shipper.audit.is_some() {
                break;
            }
            let settled = round > 300 && round % 16 == 0 && self.oracle.settled(&self.writer.generations);
            if (settled || round == CALM_ROUNDS - 700) && asked == 0 || asked > 0 && round - asked > 600 {
                // Everything is shipped; now the books of both sides are compared.
                asked = round;
                self.step_shipper(ShipperInput::Audit("end".to_owned()));
            }
        }
        self.check_audit()?;
        // A merge may have died in the last round.
        for _ in 0..20 {
            if !self.store.is_up() {
                self.store.start(&mut self.counts);
            }
        }
        let cell = self.store.snapshot().ok_or("the store is down after the calm")?;
        self.oracle.check_dead(&self.shipper.letters(), &cell.get(), &self.writer.generations)?;
        self.oracle
            .check_complete(&cell.get(), &self.writer.generations, &mut self.counts)
            .map_err(|what| format!("{what}\n{}", self.shipper.describe()))
    }

    /// After all that happened the books of shipper and store, and the events themselves, add up for every stream.
    fn check_audit(&mut self) -> Result<(), String> {
        let audit = self
            .shipper
            .audit
            .take()
            .ok_or_else(|| format!("the audit never came to an end: {}", self.shipper.describe()))?;
        for stream in audit.streams {
            self.counts.hit(Hit::Audited);
            if !stream.own_sum {
                self.counts.hit(Hit::BooksTakenOver);
            }
            if !stream.faults.is_empty() {
                return Err(format!("the books do not add up: {stream:#?}\n{}", self.shipper.describe()));
            }
        }
        Ok(())
    }

    fn collect_faults(&mut self) {
        for (disk, full) in [(&self.store.disk, Hit::StoreDiskFull), (&self.shipper.disk, Hit::ShipperDiskFull)] {
            if disk.faults().contains_key(&Fault::DiskFull) {
                self.counts.hit(full);
            }
        }
        let of_host = [
            (Fault::InodeReused, Hit::InodeReused),
            (Fault::OpenRefused, Hit::OpenRefused),
            (Fault::ReadRefused, Hit::ReadRefused),
            (Fault::LateSize, Hit::LateSize),
            (Fault::ShortRead, Hit::ShortRead),
        ];
        for (fault, hit) in of_host {
            if self.shipper.disk.faults().contains_key(&fault) {
                self.counts.hit(hit);
            }
        }
        for (call, n) in self.shipper.disk.deaths() {
            self.counts.hits(Hit::ShipperDeath(call), n);
        }
        for (call, n) in self.store.disk.deaths() {
            self.counts.hits(Hit::StoreDeath(call), n);
        }
        if self.store.disk.faults().contains_key(&Fault::SyncFailed) {
            self.counts.hit(Hit::StoreSyncFailed);
        }
    }
}

/// The disk of the host of this seed, with its habits.
fn host_of(seed: u64, host: SimDisk) -> SimDisk {
    host.short_reads(seed.is_multiple_of(2));
    host.reuse_inodes(!seed.is_multiple_of(3));
    host.late_sizes(seed.is_multiple_of(5));
    host.coarse_times(if seed.is_multiple_of(7) { 2_000_000_000 } else { 1 });
    host
}

fn stream_of(message: &Message) -> Option<StreamId> {
    match message {
        Message::Open(open) => Some(open.stream),
        Message::Ranges(ranges) => Some(ranges.stream),
        Message::Provisional(provisional) => Some(provisional.stream),
        Message::Replay(replay) => Some(replay.stream),
        Message::Gone(stream) => Some(*stream),
        Message::Hello(_) | Message::Ledger(_) | Message::Prove(_) | Message::Claim(_) => None,
    }
}

/// Ranges of one made-up event.
fn one_event(stream: StreamId, from: u64, to: u64) -> Ranges {
    let bytes = vec![b'x'; (to - from) as usize];
    let size = bytes.len() as u32;
    let event = EventBody {
        offset: Offset(from),
        size,
        len: size,
        lines: 1,
        head_hash: 0,
        family: Family::None,
        dataset: Dataset::Other,
        level: Level::Unknown,
        time: None,
        flags: Flags::default(),
        continues: None,
        fields: Vec::new(),
    };
    let fate = Fate::Events(EventsPayload { bytes: bytes.into(), events: vec![event] });
    let to = Some(Offset(to));
    Ranges { stream, ranges: vec![Range { from: Offset(from), to, fate, context: Bytes::new(), anchors: Vec::new() }] }
}
