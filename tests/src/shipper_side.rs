//! The shipper's host: its disk, its process, and what happens to it.

use crate::counts::{Counts, Hit};
use crate::death::Deaths;
use crate::network::{Network, Sender};
use crate::trace;
use crate::writer::LOGS;
use outside::Files;
use outside::sim::{SimClock, SimDisk, SimFiles, SimFolder, SimRng};
use shipper::{Audit, Letter, ShipperConfig, ShipperCore, ShipperInput, ShipperOutput, ShipperOutside};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use wire::{AgentId, Epoch};

const STATE: &str = "/state";

/// The shipper and its host.
pub(crate) struct ShipperSide {
    pub(crate) disk: SimDisk,
    running: Option<(ShipperCore, Arc<SimFiles>)>,
    /// Counts starts: tells the live shipper from those before it.
    pub(crate) process: u64,
    /// Agent and epoch of its last request.
    pub(crate) speaks_as: Option<(AgentId, Epoch)>,
    /// The last audit.
    pub(crate) audit: Option<Audit>,
    /// The state folder as it once was, and how many streams were open then.
    copy: Option<(SimFolder, usize)>,
    deaths: Deaths,
    links_refused: bool,
    clock: SimClock,
    rng: SimRng,
}

fn config() -> ShipperConfig {
    let mut config = ShipperConfig { folders: vec![PathBuf::from(LOGS)], ..ShipperConfig::default() };
    config.host_id = "simulated".to_owned();
    config.host_name = "sim-1".to_owned();
    config.limits.read_bytes = 512;
    config.limits.batch_bytes_max = 2048;
    config.limits.step_bytes_max = 4096;
    config.limits.state_bytes_min = 4096;
    config.limits.held_bytes_max = 1000;
    config.timing.scan_interval = Duration::from_secs(10);
    // Its clock goes in steps of its own; more requests are on their way when none waits for company.
    config.timing.pace = Duration::ZERO;
    config.timing.read_pace = Duration::ZERO;
    config.timing.linger = Duration::from_millis(20);
    config
}

impl ShipperSide {
    pub(crate) fn new(disk: SimDisk, clock: SimClock, rng: SimRng, deaths: Deaths) -> ShipperSide {
        ShipperSide {
            disk,
            running: None,
            process: 0,
            speaks_as: None,
            audit: None,
            copy: None,
            deaths,
            links_refused: false,
            clock,
            rng,
        }
    }

    /// No link can be made into the state folder, as from another file system.
    pub(crate) fn refuse_links(&mut self) {
        self.disk.refuse_links();
        self.links_refused = true;
    }

    pub(crate) fn is_up(&self) -> bool {
        self.running.is_some()
    }

    /// Starts it; a start that fails (full disk, death on the way) is tried again later.
    pub(crate) fn start(&mut self, counts: &mut Counts) {
        let process = self.disk.process();
        if self.rng.one_in(20) {
            self.deaths.arm(&process, 40, &self.rng);
        }
        let outside = ShipperOutside {
            files: process.clone(),
            clock: Arc::new(self.clock.clone()),
            rng: Arc::new(self.rng.clone()),
        };
        match ShipperCore::open(Path::new(STATE), config(), outside) {
            Ok(core) if !process.is_dead() => {
                self.process += 1;
                // Those it has no use for are gone by now.
                counts.hits(Hit::SpillTakenUp, self.spills().len() as u64);
                trace::note(|| format!("shipper starts: {}", self.process));
                if self.process > 1 {
                    counts.hit(Hit::ShipperRestart);
                }
                self.running = Some((core, process));
            }
            Ok(_) => {}
            Err(error) => {
                assert!(
                    process.is_dead() || matches!(error, shipper::OpenError::Io { .. }),
                    "the shipper does not start: {error}"
                );
            }
        }
    }

    /// A second shipper is started on the same state folder while one runs: it must not get in.
    ///
    /// # Errors
    /// When it did.
    pub(crate) fn start_second(&self, counts: &mut Counts) -> Result<(), String> {
        if self.running.is_none() {
            return Ok(());
        }
        let outside = ShipperOutside {
            files: self.disk.bystander(),
            clock: Arc::new(self.clock.clone()),
            rng: Arc::new(self.rng.clone()),
        };
        match ShipperCore::open(Path::new(STATE), config(), outside) {
            Ok(_) => Err("two shippers have one state folder".to_owned()),
            Err(error) => {
                assert!(matches!(error, shipper::OpenError::InUse(_)), "the second shipper: {error}");
                counts.hit(Hit::SecondStart);
                Ok(())
            }
        }
    }

    /// One input; what it wants sent goes to the network.
    pub(crate) fn step(&mut self, input: ShipperInput, network: &mut Network, counts: &mut Counts) {
        let spills = self.spills();
        let Some((core, process)) = &mut self.running else { return };
        let outputs = core.step(input);
        let is_dead = process.is_dead();
        let grown = self.spills().iter().filter(|(name, size)| spills.get(*name).is_none_or(|old| old < *size)).count();
        counts.hits(Hit::Spilled, grown as u64);
        if is_dead {
            // What it decided after its death never left the host.
            counts.hit(Hit::ShipperKilledInCall);
            counts.hits(Hit::ShipperKilledInSpill, u64::from(grown > 0));
            self.bury(network, counts);
            return;
        }
        for output in outputs {
            match output {
                ShipperOutput::Send { ticket, request } => {
                    let request = request.into_request().expect("the shipper wrote it itself");
                    self.speaks_as = Some((request.agent, request.epoch));
                    network.send(Sender { process: self.process, ticket }, request, counts);
                }
                ShipperOutput::Exit(_) => {
                    self.running = None;
                    return;
                }
                ShipperOutput::Audited(audit) => self.audit = Some(audit),
                ShipperOutput::Notice(notice) if notice.text.starts_with("given up") => counts.hit(Hit::GivenUp),
                ShipperOutput::Notice(notice) => trace::note(|| format!("  says: {}", notice.text)),
                ShipperOutput::Watch(_) | ShipperOutput::WakeAt(_) => {}
            }
        }
    }

    /// SIGKILL, now or inside one of its next calls.
    pub(crate) fn kill(&mut self, network: &mut Network, counts: &mut Counts) {
        let Some((_, process)) = &self.running else { return };
        if self.rng.one_in(2) {
            self.deaths.arm(process, 60, &self.rng);
        } else {
            process.kill();
            counts.hit(Hit::ShipperKilled);
            self.bury(network, counts);
        }
    }

    /// Keeps a copy of the state folder.
    pub(crate) fn copy_state(&mut self, opened: usize) {
        self.copy = Some((self.disk.copy_folder(Path::new(STATE)), opened));
    }

    /// Kills the shipper and puts the copy back, as a restore of the host's own disk would. Only while no stream
    /// was opened since: what a state folder never knew is a matter of claims by content.
    pub(crate) fn put_state_back(&mut self, opened: usize, network: &mut Network, counts: &mut Counts) -> bool {
        let Some((copy, known)) = &self.copy else { return false };
        if *known != opened {
            return false;
        }
        if network.in_flight(self.process) {
            counts.hit(Hit::ShipperKilledInFlight);
        }
        counts.hit(Hit::ShipperStateOld);
        trace::note(|| "shipper's state put back".to_owned());
        self.running = None;
        self.disk.replace_folder(Path::new(STATE), copy);
        true
    }

    /// Copies of removed files in the state folder, with their sizes; only where no link can be made there are any.
    fn spills(&self) -> BTreeMap<PathBuf, u64> {
        if !self.links_refused {
            return BTreeMap::new();
        }
        let folder = self.disk.copy_folder(&Path::new(STATE).join("spool"));
        folder.sizes().filter(|(name, _)| name.extension().is_some_and(|e| e == "spill")).collect()
    }

    /// The dead letters that stand on the disk.
    pub(crate) fn letters(&self) -> Vec<Letter> {
        let files = self.disk.bystander();
        let letters = shipper::read_dead_letters(&*files, Path::new(STATE)).expect("the folder can be listed");
        letters.into_iter().map(|letter| letter.expect("letters come into being whole")).collect()
    }

    /// Someone asks for the replay of a letter.
    pub(crate) fn ask_for_replay(&mut self, counts: &mut Counts) {
        let waiting: Vec<Letter> = self.letters().into_iter().filter(|letter| !letter.replay).collect();
        let Some(letter) = waiting.get(self.rng.below(waiting.len().max(1) as u64) as usize) else { return };
        let asked =
            shipper::ask_for_replay(&*self.disk.bystander(), Path::new(STATE), letter.stream, letter.body.offset);
        asked.expect("it was just there");
        counts.hit(Hit::ReplayAsked);
    }

    /// Kills the shipper and removes its state folder: it must find back what the indexer knows.
    pub(crate) fn wipe_state(&mut self, network: &mut Network, counts: &mut Counts) {
        if network.in_flight(self.process) {
            counts.hit(Hit::ShipperKilledInFlight);
        }
        counts.hit(Hit::ShipperStateWiped);
        trace::note(|| "shipper's state wiped".to_owned());
        self.running = None;
        self.copy = None;
        self.speaks_as = None;
        self.disk.remove_folder(Path::new(STATE));
    }

    fn bury(&mut self, network: &mut Network, counts: &mut Counts) {
        if self.disk.process().list(&Path::new(STATE).join("spool")).is_ok_and(|names| !names.is_empty()) {
            counts.hit(Hit::ShipperKilledWithPins);
        }
        counts.hits(Hit::ShipperKilledWithSpills, u64::from(!self.spills().is_empty()));
        if network.in_flight(self.process) {
            counts.hit(Hit::ShipperKilledInFlight);
        }
        self.running = None;
        trace::note(|| "shipper dies".to_owned());
        if self.rng.one_in(2) {
            trace::note(|| "power cut".to_owned());
            counts.hit(Hit::ShipperPowerCut);
            self.disk.power_cut();
        }
    }

    /// How far each file is, for messages about failures.
    pub(crate) fn describe(&self) -> String {
        match &self.running {
            Some((core, _)) => format!("{:#?}", core.status()),
            None => "the shipper is down".to_owned(),
        }
    }
}
