//! The products that log: files that grow, pause inside lines and events, rotate by rename, and go.

use crate::counts::{Counts, Hit};
use outside::Clock;
use outside::Files;
use outside::sim::{SimClock, SimDisk, SimRng};
use std::path::{Path, PathBuf};

/// Folder the products log to.
pub(crate) const LOGS: &str = "/logs";
const NAMES: [&str; 3] = ["wso2carbon.log", "http_access_.log", "audit.log"];
/// A store that rejects large events rejects those larger than this.
pub(crate) const EVENT_BYTES_MAX: u64 = 600;
/// Something on the way refuses what holds this.
pub(crate) const REFUSED: &str = "refuse-me";
const GENERATIONS_KEPT: usize = 4;

/// One generation of one file, with all that was ever written to it.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) number: u128,
    pub(crate) name: &'static str,
    pub(crate) content: Vec<u8>,
    /// Bytes written while it was the live file; what a stale writer added came later.
    pub(crate) live_len: usize,
    pub(crate) removed: bool,
}

impl Generation {
    /// Bytes that must be accounted for. What a stale writer adds to an ended file that is then removed can be
    /// seen by a shipper that dies before its next checkpoint, and by nobody after it.
    pub(crate) fn due(&self) -> u64 {
        if self.removed { self.live_len as u64 } else { self.content.len() as u64 }
    }
}

/// The writer of one file name.
#[derive(Debug)]
struct Appender {
    name: &'static str,
    /// Newest first; index into the writer's generations. The first is the live one, if the file exists.
    stack: Vec<usize>,
    live: bool,
    inside_line: bool,
    events: u64,
}

/// All that is written on the host.
#[derive(Debug)]
pub(crate) struct Writer {
    appenders: Vec<Appender>,
    pub(crate) generations: Vec<Generation>,
    disk: SimDisk,
    clock: SimClock,
    rng: SimRng,
}

fn path_of(name: &str, index: usize) -> PathBuf {
    match index {
        0 => Path::new(LOGS).join(name),
        n => Path::new(LOGS).join(format!("{name}.{n}")),
    }
}

impl Writer {
    pub(crate) fn new(disk: SimDisk, clock: SimClock, rng: SimRng) -> Writer {
        disk.make_folder(Path::new(LOGS));
        let appenders = NAMES
            .iter()
            .map(|&name| Appender { name, stack: Vec::new(), live: false, inside_line: false, events: 0 })
            .collect();
        Writer { appenders, generations: Vec::new(), disk, clock, rng }
    }

    /// Writes something to one of the files.
    pub(crate) fn write(&mut self, counts: &mut Counts) {
        let which = self.rng.below(self.appenders.len() as u64) as usize;
        let mut bytes = Vec::new();
        for _ in 0..=self.rng.below(3) {
            self.text(which, &mut bytes, counts);
        }
        if self.rng.one_in(6) && bytes.len() > 1 {
            bytes.truncate(1 + self.rng.below(bytes.len() as u64 - 1) as usize);
        }
        self.appenders[which].inside_line = bytes.last() != Some(&b'\n');
        counts.hit(Hit::Write);
        if self.appenders[which].inside_line {
            counts.hit(Hit::PartialLine);
        }
        self.append(which, &bytes);
    }

    /// The next line or so: a rest of the line that was left open, a head, or a line that goes on.
    fn text(&mut self, which: usize, out: &mut Vec<u8>, counts: &mut Counts) {
        let appender = &mut self.appenders[which];
        if out.is_empty() && appender.inside_line && !self.rng.one_in(4) {
            out.extend_from_slice(b" and the rest of it\n");
            return;
        }
        appender.events += 1;
        let n = appender.events;
        let ms = self.clock.wall_ns() / 1_000_000;
        let (second, ms) = (ms / 1000 % 86_400, ms % 1000);
        let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
        let line = match (appender.name, self.rng.below(10)) {
            ("http_access_.log", _) => {
                format!(
                    "10.0.0.{} - - [25/Nov/2026:{h:02}:{m:02}:{s:02} +0000] \"GET /a/{n} HTTP/1.1\" 200 {n} \"-\" \"-\" 0.01\n",
                    n % 200
                )
            }
            ("audit.log", 0..8) => format!(
                "TID: [-1234] [2026-11-25 {h:02}:{m:02}:{s:02},{ms:03}]  INFO {{AUDIT_LOG}} - Initiator : u{n} | Result : ok\n"
            ),
            ("wso2carbon.log", 0..5) if self.rng.one_in(12) => {
                counts.hit(Hit::OldWritten);
                format!(
                    "TID: [-1234] [] [2026-11-10 {h:02}:{m:02}:{s:02},{ms:03}]  INFO {{org.example.Old}} - of old {n}\n"
                )
            }
            (_, 0..5) if self.rng.one_in(24) => format!(
                "TID: [-1234] [] [2026-11-25 {h:02}:{m:02}:{s:02},{ms:03}]  INFO {{org.example.Big}} - large {n} {}\n",
                "x".repeat(EVENT_BYTES_MAX as usize)
            ),
            (_, 0..5) if self.rng.one_in(48) => format!(
                "TID: [-1234] [] [2026-11-25 {h:02}:{m:02}:{s:02},{ms:03}]  INFO {{org.example.Bad}} - {REFUSED} {n}\n"
            ),
            (_, 0..5) => format!(
                "TID: [-1234] [] [2026-11-25 {h:02}:{m:02}:{s:02},{ms:03}]  INFO {{org.example.Mediator}} - step {n} of the flow\n"
            ),
            (_, 5) => format!(
                "TID: [-1234] [] [2026-11-25 {h:02}:{m:02}:{s:02},{ms:03}] ERROR {{org.example.Pool}} - no connection {n} org.example.PoolException: empty\n\tat org.example.Pool.take(Pool.java:{n})\n\tat org.example.Main.run(Main.java:1)\n"
            ),
            (_, 6) => format!("\tat org.example.Deep.call{n}(Deep.java:7)\n"),
            (_, 7) => format!("Caused by: org.example.Cause: {n}\n"),
            (_, 8) => "\n".to_owned(),
            _ => format!("text without a head {n} \u{0}\u{fffd}\r\n"),
        };
        out.extend_from_slice(line.as_bytes());
    }

    fn append(&mut self, which: usize, bytes: &[u8]) {
        let name = self.appenders[which].name;
        let path = path_of(name, 0);
        self.disk.append(&path, bytes);
        if !self.appenders[which].live {
            let number = self.disk.process().metadata(&path).expect("just written").id.number;
            self.generations.push(Generation { number, name, content: Vec::new(), live_len: 0, removed: false });
            self.appenders[which].stack.insert(0, self.generations.len() - 1);
            self.appenders[which].live = true;
        }
        let generation = &mut self.generations[self.appenders[which].stack[0]];
        generation.content.extend_from_slice(bytes);
        generation.live_len = generation.content.len();
    }

    /// Renames a live file away, the older ones further.
    pub(crate) fn rotate(&mut self, shipper_down: bool, counts: &mut Counts) {
        let which = self.rng.below(self.appenders.len() as u64) as usize;
        let appender = &mut self.appenders[which];
        if !appender.live {
            return;
        }
        for index in (0..appender.stack.len()).rev() {
            self.disk
                .rename(&path_of(appender.name, index), &path_of(appender.name, index + 1))
                .expect("the model knows what stands where");
        }
        // Between rename and the next write the live name does not exist: the stack keeps a place for it.
        appender.live = false;
        counts.hit(Hit::Rotation);
        if shipper_down {
            counts.hit(Hit::RotationWhileDown);
        }
        if self.appenders[which].stack.len() > GENERATIONS_KEPT {
            let oldest = self.appenders[which].stack.pop().expect("longer than the number kept");
            let place = self.appenders[which].stack.len() + 1;
            self.disk.remove(&path_of(self.appenders[which].name, place)).expect("it was just renamed to there");
            self.generations[oldest].removed = true;
            counts.hit(Hit::Removal);
        }
        // A product that goes on writes the new file at once; else the stack would not fit the names.
        self.append(which, b"");
    }

    /// Writes to a file that was renamed away, as a process does that still has it open.
    pub(crate) fn write_stale(&mut self, counts: &mut Counts) {
        let which = self.rng.below(self.appenders.len() as u64) as usize;
        let appender = &self.appenders[which];
        if appender.stack.len() < 2 {
            return;
        }
        let mut bytes = Vec::new();
        let generation = appender.stack[1];
        let path = path_of(appender.name, 1);
        self.text(which, &mut bytes, counts);
        self.disk.append(&path, &bytes);
        self.generations[generation].content.extend_from_slice(&bytes);
        counts.hit(Hit::StaleWrite);
    }
}
