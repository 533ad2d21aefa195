//! The store's host: its disk, its process, and what happens to it.

use crate::counts::{Counts, Hit};
use crate::death::Deaths;
use crate::network::Network;
use crate::world::DISK_BYTES;
use crate::writer::EVENT_BYTES_MAX;
use indexer::access::Source;
use indexer::store::core::{
    BuildJob, OpenError, StoreConfig, StoreCore, StoreInput, StoreOutput, StoreOutside, Ticket,
};
use indexer::store::embedded::EmbeddedBuilder;
use indexer::store::naive::NaiveBuilder;
use indexer::store::segment::SegmentBuilder;
use indexer::store::snapshot::SnapshotCell;
use outside::sim::{SYNC_FAILED, SimClock, SimDisk, SimFiles, SimRng};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use wire::{Answer, Request};

const ROOT: &str = "/data";

/// The store and its host.
pub(crate) struct StoreSide {
    pub(crate) disk: SimDisk,
    running: Option<(StoreCore, Arc<SimFiles>)>,
    builds: Vec<BuildJob>,
    builder: Builder,
    pub(crate) starts: u64,
    deaths: Deaths,
    clock: SimClock,
    rng: SimRng,
}

/// What segments are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builder {
    /// Fast, and as simple as can be.
    Naive,
    /// The one that is used outside.
    Embedded,
}

impl Builder {
    fn make(self) -> Arc<dyn SegmentBuilder> {
        match self {
            Builder::Naive => Arc::new(NaiveBuilder),
            Builder::Embedded => Arc::new(EmbeddedBuilder::whole(1 << 20)),
        }
    }
}

/// What the world must hear of a step.
pub(crate) enum Heard {
    /// It goes on; these answers left it.
    Answers(Vec<(u64, Answer)>),
    /// It died, or takes nothing any more and was ended.
    Died,
}

fn config(event_bytes_max: u64) -> StoreConfig {
    StoreConfig {
        event_bytes_max,
        retention_age: Some(Duration::from_secs(5 * 86_400)),
        memory_events: 40,
        memory_bytes: 6_000,
        memory_age: Duration::from_secs(60),
        wal_bytes: 12_000,
        wal_segment_bytes: 3_000,
        low_water_bytes: Some(40_000),
        merge_segments: 2,
        merge_idle: Duration::ZERO,
        merge_bytes: 16_000,
        seal_after: Duration::from_secs(30),
        ..StoreConfig::default()
    }
}

impl StoreSide {
    pub(crate) fn new(disk: SimDisk, clock: SimClock, rng: SimRng, builder: Builder, deaths: Deaths) -> StoreSide {
        StoreSide { disk, running: None, builds: Vec::new(), builder, starts: 0, deaths, clock, rng }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.running.is_some()
    }

    pub(crate) fn snapshot(&self) -> Option<Arc<SnapshotCell>> {
        self.running.as_ref().map(|(core, _)| core.snapshot())
    }

    /// Starts it; a start that fails for want of space, or by death, is tried again later.
    pub(crate) fn start(&mut self, counts: &mut Counts) {
        let process = self.disk.process();
        if self.rng.one_in(20) {
            self.deaths.arm(&process, 60, &self.rng);
        }
        let outside = StoreOutside {
            files: process.clone(),
            clock: Arc::new(self.clock.clone()),
            rng: Arc::new(self.rng.clone()),
            builder: self.builder.make(),
        };
        // What one start rejects the next may take.
        let event_bytes_max = if self.rng.one_in(3) { 4 << 20 } else { EVENT_BYTES_MAX };
        match StoreCore::open(Path::new(ROOT), config(event_bytes_max), outside) {
            Ok(core) if !process.is_dead() => {
                self.starts += 1;
                if self.starts > 1 {
                    counts.hit(Hit::StoreRestart);
                }
                self.running = Some((core, process));
            }
            Ok(_) => self.power_cut_perhaps(counts),
            Err(_) if process.is_dead() => self.power_cut_perhaps(counts),
            // A full disk or a failed sync ends the start with a message; it is tried again.
            Err(error) if blames_the_disk(&error) => {}
            Err(error) => panic!("the store does not open: {error} {:?}", std::error::Error::source(&error)),
        }
    }

    /// One request.
    pub(crate) fn request(
        &mut self,
        ticket: u64,
        request: Request,
        network: &mut Network,
        counts: &mut Counts,
    ) -> Heard {
        let ticket = Ticket(ticket);
        self.step(StoreInput::Request { ticket, source: Source::local(), request }, network, counts)
    }

    /// One input.
    pub(crate) fn step(&mut self, input: StoreInput, network: &mut Network, counts: &mut Counts) -> Heard {
        let Some((core, process)) = &mut self.running else { return Heard::Answers(Vec::new()) };
        let outputs = core.step(input);
        if process.is_dead() {
            counts.hit(Hit::StoreKilledInCall);
            self.bury(network, counts);
            return Heard::Died;
        }
        let mut answers = Vec::new();
        let mut failed = false;
        for output in outputs {
            match output {
                StoreOutput::Answer { ticket, answer } => answers.push((ticket.0, answer)),
                StoreOutput::NoAnswer { ticket } => network.no_answer(ticket.0),
                StoreOutput::Build(job) => self.builds.push(job),
                StoreOutput::Prove(job) => {
                    let (ticket, answer) = job.run();
                    answers.push((ticket.0, answer));
                }
                StoreOutput::Tail(_) => {}
                StoreOutput::Failed(_) => failed = true,
            }
        }
        if failed {
            // The rim ends the process; what was answered before still reaches the network.
            for (ticket, answer) in answers {
                network.answer(ticket, answer, counts);
            }
            self.bury(network, counts);
            return Heard::Died;
        }
        Heard::Answers(answers)
    }

    /// Whether the next job is a merge, and comes at once: else few would come before all is calm.
    pub(crate) fn merges_next(&self) -> bool {
        self.builds.first().is_some_and(BuildJob::is_merge) && self.rng.one_in(2)
    }

    /// Runs one waiting flush or merge, to its end or into death.
    pub(crate) fn build(&mut self, network: &mut Network, counts: &mut Counts) -> Heard {
        let Some((_, process)) = &self.running else { return Heard::Answers(Vec::new()) };
        if self.builds.is_empty() {
            return Heard::Answers(Vec::new());
        }
        let job = self.builds.remove(0);
        let is_merge = job.is_merge();
        if is_merge && self.rng.one_in(6) {
            // Anywhere between its first file and the removal of its parts.
            process.die_after(self.rng.below(40));
        }
        let is_squeezed = self.rng.one_in(if is_merge { 8 } else { 40 });
        if is_squeezed {
            self.disk.set_capacity(self.disk.used() + self.rng.below(1_000));
        }
        let outcome = job.run(process.as_ref(), &*self.builder.make());
        if is_squeezed {
            self.disk.set_capacity(DISK_BYTES);
        }
        if process.is_dead() {
            counts.hit(if is_merge { Hit::StoreKilledInMerge } else { Hit::StoreKilledInBuild });
            drop(outcome);
            self.bury(network, counts);
            return Heard::Died;
        }
        counts.hit(match (outcome.is_built(), is_merge) {
            (true, false) => Hit::SegmentBuilt,
            (false, false) => Hit::BuildFailed,
            (true, true) => Hit::SegmentsMerged,
            (false, true) => Hit::MergeFailed,
        });
        if outcome.is_built() && self.builder == Builder::Embedded {
            counts.hit(Hit::EmbeddedSegment);
        }
        self.step(StoreInput::Built(outcome), network, counts)
    }

    /// SIGKILL, now or inside one of its next calls.
    pub(crate) fn kill(&mut self, network: &mut Network, counts: &mut Counts) {
        let Some((_, process)) = &self.running else { return };
        if self.rng.one_in(2) {
            self.deaths.arm(process, 60, &self.rng);
        } else {
            process.kill();
            counts.hit(Hit::StoreKilled);
            self.bury(network, counts);
        }
    }

    /// Removes the data folder under a store that was killed.
    pub(crate) fn wipe(&mut self, network: &mut Network, counts: &mut Counts) {
        network.store_died(counts);
        self.running = None;
        self.builds.clear();
        self.disk.remove_folder(Path::new(ROOT));
    }

    fn bury(&mut self, network: &mut Network, counts: &mut Counts) {
        network.store_died(counts);
        self.running = None;
        self.builds.clear();
        self.power_cut_perhaps(counts);
    }

    fn power_cut_perhaps(&mut self, counts: &mut Counts) {
        if self.rng.one_in(2) {
            counts.hit(Hit::StorePowerCut);
            self.disk.power_cut();
        }
    }
}

/// Whether the simulated disk's trouble, and nothing else, kept the store from opening.
fn blames_the_disk(error: &OpenError) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return error.kind() == std::io::ErrorKind::StorageFull || error.to_string() == SYNC_FAILED;
        }
        cause = error.source();
    }
    false
}
