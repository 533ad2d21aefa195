//! The products that log: files that grow, pause inside lines and events, are rotated in every way, and go.

use crate::counts::{Counts, Hit};
use crate::trace;
use flate2::{Compression, write::GzEncoder};
use outside::Clock;
use outside::sim::{SimClock, SimDisk, SimRng};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Folder the products log to.
pub(crate) const LOGS: &str = "/logs";
const NAMES: [&str; 3] = ["wso2carbon.log", "http_access_.log", "audit.log"];
/// A store that rejects large events rejects those larger than this.
pub(crate) const EVENT_BYTES_MAX: u64 = 600;
/// Something on the way refuses what holds this.
pub(crate) const REFUSED: &str = "refuse-me";
const GENERATIONS_KEPT: usize = 4;

/// How the files of one name are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Renamed to `.1`, the older ones further.
    Cascade,
    /// The same, and the newest archive is compressed.
    CascadeGz,
    /// Renamed to a name with date and number; no other name changes.
    Dated,
    /// The same, compressed.
    DatedGz,
    /// Renamed to a name with the date alone, whatever stood there.
    Overwritten,
    /// Copied to `.1`, then truncated.
    CopyTruncate,
    /// The same, and the copy is compressed.
    CopyTruncateGz,
    /// The live name is a link that points to the next file.
    Symlink,
    /// Removed and made anew.
    Removed,
}

/// A host copies and truncates a log no more often than this.
const COPIES_APART_NS: i64 = 2_000_000_000;

const FORMS: [Form; 9] = [
    Form::Cascade,
    Form::CascadeGz,
    Form::Dated,
    Form::DatedGz,
    Form::Overwritten,
    Form::CopyTruncate,
    Form::CopyTruncateGz,
    Form::Symlink,
    Form::Removed,
];

/// One generation of one file, with all that was ever written to it.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) name: &'static str,
    path: PathBuf,
    pub(crate) content: Vec<u8>,
    /// Bytes that whoever looks in time can see: written while it was the live file, and not thrown away by a
    /// truncation after its copy was made.
    pub(crate) live_len: usize,
    /// Where copy and truncation left a hole that nobody can see.
    pub(crate) copied_to: Option<usize>,
    pub(crate) removed: bool,
    packed: bool,
}

impl Generation {
    /// Bytes that must be accounted for. What a stale writer adds to an ended file that is then removed can be
    /// seen by a shipper that dies before its next checkpoint, and by nobody after it.
    pub(crate) fn due(&self) -> u64 {
        let len = if self.removed { self.live_len } else { self.content.len() };
        len.min(self.copied_to.unwrap_or(len)) as u64
    }
}

/// Something that takes its time.
#[derive(Clone, Debug)]
enum Job {
    /// The rest of a compressed file is to be written, and its source removed.
    Compress { generation: usize, to: PathBuf, rest: Vec<u8> },
    /// The live file was copied and is to be truncated.
    Truncate { copy: PathBuf },
}

/// The writer of one file name.
#[derive(Debug)]
struct Appender {
    name: &'static str,
    form: Form,
    /// Newest first; index into the writer's generations. The first is the live one, if the file exists.
    stack: Vec<usize>,
    live: bool,
    inside_line: bool,
    events: u64,
    rotations: u64,
    /// When it was copied last, to be truncated.
    copied_ns: i64,
    job: Option<Job>,
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

fn stem(name: &str) -> &str {
    name.strip_suffix(".log").unwrap_or(name).trim_end_matches('_')
}

fn indexed(name: &str, index: usize) -> PathBuf {
    Path::new(LOGS).join(format!("{name}.{index}"))
}

fn with_gz(path: &Path) -> PathBuf {
    path.with_file_name(format!("{}.gz", path.file_name().unwrap_or_default().to_string_lossy()))
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).expect("into memory");
    out.finish().expect("into memory")
}

impl Writer {
    pub(crate) fn new(disk: SimDisk, clock: SimClock, rng: SimRng) -> Writer {
        disk.make_folder(Path::new(LOGS));
        let appenders = NAMES
            .iter()
            .map(|&name| Appender {
                name,
                form: FORMS[rng.below(FORMS.len() as u64) as usize],
                stack: Vec::new(),
                live: false,
                inside_line: false,
                events: 0,
                rotations: 0,
                copied_ns: 0,
                job: None,
            })
            .collect();
        Writer { appenders, generations: Vec::new(), disk, clock, rng }
    }

    /// All files are copied and truncated.
    pub(crate) fn only_copy_and_truncate(&mut self) {
        for (which, appender) in self.appenders.iter_mut().enumerate() {
            appender.form = if which == 0 { Form::CopyTruncateGz } else { Form::CopyTruncate };
        }
    }

    fn any(&self) -> usize {
        self.rng.below(self.appenders.len() as u64) as usize
    }

    /// Writes something to one of the files.
    pub(crate) fn write(&mut self, counts: &mut Counts) {
        let which = self.any();
        let mut bytes = Vec::new();
        for _ in 0..=self.rng.below(3) {
            self.text(which, &mut bytes, counts);
        }
        if self.rng.one_in(6) && bytes.len() > 100 {
            bytes.truncate(100 + self.rng.below(bytes.len() as u64 - 100) as usize);
        }
        self.appenders[which].inside_line = bytes.last() != Some(&b'\n');
        counts.hit(Hit::Write);
        if self.appenders[which].inside_line {
            counts.hit(Hit::PartialLine);
        }
        self.append(which, &bytes);
    }

    /// The next line or so: a rest of the line that was left open, a head, or a line that goes on. A new file
    /// begins with a head, so that no two begin alike.
    fn text(&mut self, which: usize, out: &mut Vec<u8>, counts: &mut Counts) {
        let is_new = out.is_empty() && self.is_new(which);
        let appender = &mut self.appenders[which];
        if out.is_empty() && appender.inside_line && !is_new && !self.rng.one_in(4) {
            out.extend_from_slice(b" and the rest of it\n");
            return;
        }
        appender.events += 1;
        let n = appender.events;
        let ms = self.clock.wall_ns() / 1_000_000;
        let (second, ms) = (ms / 1000 % 86_400, ms % 1000);
        let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
        let draw = if is_new { 0 } else { self.rng.below(10) };
        let line = match (appender.name, draw) {
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
                // No 256 bytes of two files are alike: by them a file is known again.
                format!("{n}x").repeat(EVENT_BYTES_MAX as usize / 2)
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

    fn is_new(&self, which: usize) -> bool {
        let appender = &self.appenders[which];
        !appender.live || appender.stack.first().is_none_or(|live| self.generations[*live].content.is_empty())
    }

    fn live_path(&self, which: usize) -> PathBuf {
        let appender = &self.appenders[which];
        match appender.form {
            Form::Symlink => {
                Path::new(LOGS).join(format!("{}-{}.log", stem(appender.name), 20_260_101 + appender.rotations))
            }
            _ => Path::new(LOGS).join(appender.name),
        }
    }

    fn append(&mut self, which: usize, bytes: &[u8]) {
        let path = self.live_path(which);
        self.disk.append(&path, bytes);
        trace::note(|| format!("writes {} bytes to {}", bytes.len(), path.display()));
        if !self.appenders[which].live {
            self.begin(which, path);
        }
        let generation = &mut self.generations[self.appenders[which].stack[0]];
        generation.content.extend_from_slice(bytes);
        generation.live_len = generation.content.len();
    }

    fn begin(&mut self, which: usize, path: PathBuf) {
        let appender = &mut self.appenders[which];
        if appender.form == Form::Symlink {
            self.disk.symlink(&path, &Path::new(LOGS).join(appender.name));
        }
        self.generations.push(Generation {
            name: appender.name,
            path,
            content: Vec::new(),
            live_len: 0,
            copied_to: None,
            removed: false,
            packed: false,
        });
        appender.stack.insert(0, self.generations.len() - 1);
        trace::note(|| format!("generation {} begins: {}", self.generations.len() - 1, appender.name));
        appender.live = true;
        appender.inside_line = false;
    }

    /// Rotates a live file away.
    pub(crate) fn rotate(&mut self, shipper_down: bool, counts: &mut Counts) {
        let which = self.any();
        while self.appenders[which].job.is_some() {
            self.finish_job(which, counts);
        }
        if !self.appenders[which].live || self.is_new(which) {
            return;
        }
        // Copies do not come and go faster than anybody can look.
        let copies = matches!(self.appenders[which].form, Form::CopyTruncate | Form::CopyTruncateGz);
        if copies && !shipper_down && self.clock.wall_ns() - self.appenders[which].copied_ns < COPIES_APART_NS {
            return;
        }
        if shipper_down {
            counts.hit(Hit::RotationWhileDown);
        }
        self.appenders[which].rotations += 1;
        trace::note(|| format!("rotates {} {:?}", self.appenders[which].name, self.appenders[which].form));
        match self.appenders[which].form {
            Form::Cascade | Form::CascadeGz => {
                counts.hit(Hit::Rotation);
                self.shift(which, 0);
            }
            Form::Dated | Form::DatedGz => {
                counts.hit(Hit::RotationDated);
                let name = self.appenders[which].name;
                let n = self.appenders[which].rotations;
                self.rename(which, 0, Path::new(LOGS).join(format!("{}-11-25-2026.{n}.log", stem(name))));
            }
            Form::Overwritten => {
                counts.hit(Hit::RotationOverwrote);
                if self.appenders[which].stack.len() > 1 {
                    let replaced = self.appenders[which].stack.pop().expect("longer than one");
                    self.generations[replaced].removed = true;
                }
                let name = self.appenders[which].name;
                self.rename(which, 0, Path::new(LOGS).join(format!("{}-11-25-2026.log", stem(name))));
            }
            Form::Symlink => counts.hit(Hit::RotationSymlink),
            Form::Removed => {
                counts.hit(Hit::RotationRemoved);
                let live = self.appenders[which].stack.remove(0);
                self.disk.remove(&self.generations[live].path).expect("the live file is there");
                self.generations[live].removed = true;
            }
            Form::CopyTruncate | Form::CopyTruncateGz => {
                self.appenders[which].copied_ns = self.clock.wall_ns();
                self.shift(which, 1);
                let (live, copy) = (self.appenders[which].stack[0], indexed(self.appenders[which].name, 1));
                self.disk.append(&copy, &self.generations[live].content);
                self.generations[live].copied_to = Some(self.generations[live].content.len());
                self.appenders[which].job = Some(Job::Truncate { copy });
                if self.rng.one_in(2) {
                    self.finish_job(which, counts);
                }
                return;
            }
        }
        self.appenders[which].live = false;
        self.remove_oldest(which, counts);
        if matches!(self.appenders[which].form, Form::CascadeGz | Form::DatedGz) {
            self.compress(which, 0);
        }
        // A product that goes on makes the new file at once; else the stack would not fit the names.
        self.append(which, b"");
    }

    /// Renames the generations from `first` on one further.
    fn shift(&mut self, which: usize, first: usize) {
        let name = self.appenders[which].name;
        for index in (first..self.appenders[which].stack.len()).rev() {
            self.rename(which, index, indexed(name, index + 1));
        }
    }

    fn rename(&mut self, which: usize, index: usize, to: PathBuf) {
        let generation = &mut self.generations[self.appenders[which].stack[index]];
        let to = if generation.packed { with_gz(&to) } else { to };
        self.disk.rename(&generation.path, &to).expect("the model knows what stands where");
        generation.path = to;
    }

    fn remove_oldest(&mut self, which: usize, counts: &mut Counts) {
        if self.appenders[which].stack.len() > GENERATIONS_KEPT {
            let oldest = self.appenders[which].stack.pop().expect("longer than the number kept");
            self.disk.remove(&self.generations[oldest].path).expect("the model knows what stands where");
            self.generations[oldest].removed = true;
            trace::note(|| format!("generation {oldest} removed"));
            counts.hit(Hit::Removal);
        }
    }

    /// Begins to compress the archive at this place of the stack.
    fn compress(&mut self, which: usize, index: usize) {
        let Some(&generation) = self.appenders[which].stack.get(index) else { return };
        let to = with_gz(&self.generations[generation].path);
        // A copy lacks what was written between copying and truncation.
        let content = &self.generations[generation].content;
        let mut bytes = gz(&content[..self.generations[generation].copied_to.unwrap_or(content.len())]);
        let rest = bytes.split_off(self.rng.below(bytes.len() as u64) as usize);
        self.disk.append(&to, &bytes);
        self.appenders[which].job = Some(Job::Compress { generation, to, rest });
    }

    /// Goes on with what takes its time.
    pub(crate) fn go_on(&mut self, counts: &mut Counts) {
        let which = self.any();
        self.finish_job(which, counts);
    }

    /// Between copy and truncation other things happen, but no long time passes.
    pub(crate) fn finish_truncations(&mut self, counts: &mut Counts) {
        for which in 0..self.appenders.len() {
            if matches!(self.appenders[which].job, Some(Job::Truncate { .. })) {
                self.finish_job(which, counts);
            }
        }
    }

    /// Ends everything that was begun.
    pub(crate) fn finish(&mut self, counts: &mut Counts) {
        for which in 0..self.appenders.len() {
            while self.appenders[which].job.is_some() {
                self.finish_job(which, counts);
            }
        }
    }

    fn finish_job(&mut self, which: usize, counts: &mut Counts) {
        match self.appenders[which].job.take() {
            None => {}
            Some(Job::Compress { generation, to, rest }) => {
                trace::note(|| format!("compressed {}", to.display()));
                counts.hit(Hit::RotationGz);
                self.disk.append(&to, &rest);
                let generation = &mut self.generations[generation];
                self.disk.remove(&generation.path).expect("the source is there");
                generation.path = to;
                generation.packed = true;
            }
            Some(Job::Truncate { copy }) => {
                trace::note(|| format!("truncated after the copy {}", copy.display()));
                counts.hit(Hit::RotationCopyTruncate);
                let live = self.live_path(which);
                self.disk.truncate(&live).expect("the live file is there");
                let generation = &mut self.generations[self.appenders[which].stack[0]];
                generation.path = copy;
                let copied_to = generation.copied_to.unwrap_or_default();
                let old_len = generation.content.len();
                if copied_to < old_len {
                    counts.hit(Hit::BytesTruncatedUnseen);
                }
                self.begin(which, live);
                self.remove_oldest(which, counts);
                if self.rng.one_in(3) {
                    counts.hit(Hit::Regrown);
                    let mut bytes = Vec::new();
                    while bytes.len() <= old_len {
                        self.text(which, &mut bytes, counts);
                    }
                    self.append(which, &bytes);
                }
                if self.appenders[which].form == Form::CopyTruncateGz {
                    self.compress(which, 1);
                }
            }
        }
    }

    /// Writes to a file that was renamed away, as a process does that still has it open.
    pub(crate) fn write_stale(&mut self, counts: &mut Counts) {
        let which = self.any();
        let appender = &self.appenders[which];
        let stays = matches!(appender.form, Form::Cascade | Form::Dated | Form::Symlink);
        if appender.stack.len() < 2 || !stays {
            return;
        }
        let generation = appender.stack[1];
        let mut bytes = Vec::new();
        self.text(which, &mut bytes, counts);
        self.disk.append(&self.generations[generation].path, &bytes);
        self.generations[generation].content.extend_from_slice(&bytes);
        trace::note(|| format!("stale write of {} bytes to generation {generation}", bytes.len()));
        counts.hit(Hit::StaleWrite);
    }
}
