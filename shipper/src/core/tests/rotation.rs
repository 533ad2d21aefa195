//! The rotation matrix: every form, with the writer active or idle, the shipper running, stopped or slow, once and
//! three times in a row, inodes used again or not.

use super::world::{World, gz, line, log};
use crate::core::ShipperInput;
use std::path::Path;
use std::time::Duration;

const LIVE: &str = "wso2carbon.log";

/// How a file is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `x.log` → `x.log.1` → `x.log.2`: log4j2 with `%i`, and logrotate.
    Cascade,
    /// `x.log` → `x-11-25-2026.3.log`.
    Dated,
    /// The same, compressed at once: log4j2 with a pattern that ends in `.gz`.
    DatedGz,
    /// `x.log.1` is compressed in place while `x.log` goes on.
    CascadeGz,
    /// Copied, then truncated.
    CopyTruncate,
    /// The same, and written beyond the old length before anyone looks.
    CopyTruncateRegrown,
    /// The same, and the copy is compressed.
    CopyTruncateGz,
    /// `x.log` is a link that points to another file from now on.
    Symlink,
    /// Another file takes the name: editors, and copies between devices.
    Replaced,
    /// `x.log` → `archive/x.log.1`: another folder that is followed.
    MovedAway,
    /// `x.log.1` is compressed only when it becomes `x.log.2`: logrotate with `delaycompress`.
    DelayedGz,
    /// Copied and truncated, but the writer goes on at its old offset: the file begins with zeros.
    CopyTruncateStale,
    /// `x.log` → `x-11-25-2026.log`, whatever stood there: log4j2 with a pattern without `%i`.
    Overwritten,
}

const FORMS: [Form; 13] = [
    Form::Cascade,
    Form::Dated,
    Form::DatedGz,
    Form::CascadeGz,
    Form::CopyTruncate,
    Form::CopyTruncateRegrown,
    Form::CopyTruncateGz,
    Form::Symlink,
    Form::Replaced,
    Form::MovedAway,
    Form::DelayedGz,
    Form::CopyTruncateStale,
    Form::Overwritten,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    Active,
    /// All of it was shipped when the rotation comes, and nothing was written since.
    Idle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shipper {
    Running,
    Stopped,
    /// No request arrives while it happens.
    Slow,
}

/// The one that logs, and all it ever wrote.
struct Host {
    form: Form,
    generations: Vec<Vec<u8>>,
    archived: usize,
    next: u64,
}

impl Host {
    fn live(&self) -> std::path::PathBuf {
        match self.form {
            Form::Symlink => log(&format!("wso2carbon-{}.log", 20_260_000 + self.generations.len())),
            _ => log(LIVE),
        }
    }

    fn lines(&mut self, n: u64) -> Vec<u8> {
        self.next += n;
        (self.next - n..self.next).flat_map(line).collect()
    }

    fn write(&mut self, w: &mut World, n: u64) {
        let bytes = self.lines(n);
        w.disk.append(&self.live(), &bytes);
        self.generations.last_mut().unwrap().extend(bytes);
    }

    fn archive(&self, n: usize) -> std::path::PathBuf {
        match self.form {
            Form::Dated | Form::DatedGz => log(&format!("wso2carbon-11-25-2026.{n}.log")),
            Form::Overwritten => log("wso2carbon-11-25-2026.log"),
            Form::MovedAway => log(&format!("archive/{LIVE}.{n}")),
            _ => log(&format!("{LIVE}.{n}")),
        }
    }

    fn gz_of(path: &Path) -> std::path::PathBuf {
        path.with_file_name(format!("{}.gz", path.file_name().unwrap().to_string_lossy()))
    }

    fn compress(w: &World, from: &Path, to: &Path) {
        let bytes = w.disk.contents(from).unwrap();
        w.disk.append(to, &gz(&bytes));
        w.disk.remove(from).unwrap();
    }

    /// Moves `x.log.1` and so on one further, compressed or not.
    fn shift(&self, w: &World) {
        for n in (1..=self.archived).rev() {
            let (from, to) = (self.archive(n), self.archive(n + 1));
            let _plain = w.disk.rename(&from, &to);
            let _packed = w.disk.rename(&Self::gz_of(&from), &Self::gz_of(&to));
        }
    }

    fn rotate(&mut self, w: &mut World) {
        let live = self.live();
        match self.form {
            Form::Cascade | Form::CascadeGz | Form::MovedAway | Form::DelayedGz => {
                self.shift(w);
                w.disk.rename(&live, &self.archive(1)).unwrap();
                let packed = match self.form {
                    Form::CascadeGz => Some(self.archive(1)),
                    Form::DelayedGz if self.archived > 0 => Some(self.archive(2)),
                    _ => None,
                };
                if let Some(packed) = packed {
                    Self::compress(w, &packed, &Self::gz_of(&packed));
                }
            }
            Form::Dated | Form::Overwritten => w.disk.rename(&live, &self.archive(self.archived + 1)).unwrap(),
            Form::DatedGz => {
                let archive = self.archive(self.archived + 1);
                w.disk.rename(&live, &archive).unwrap();
                Self::compress(w, &archive, &Self::gz_of(&archive));
            }
            Form::CopyTruncate | Form::CopyTruncateRegrown | Form::CopyTruncateGz | Form::CopyTruncateStale => {
                self.shift(w);
                let bytes = w.disk.contents(&live).unwrap();
                w.disk.append(&self.archive(1), &bytes);
                w.disk.truncate(&live).unwrap();
                if self.form == Form::CopyTruncateGz {
                    Self::compress(w, &self.archive(1), &Self::gz_of(&self.archive(1)));
                }
            }
            Form::Symlink => {}
            Form::Replaced => {
                let bytes = w.disk.contents(&live).unwrap();
                w.disk.append(&self.archive(self.archived + 1), &bytes);
                w.disk.remove(&live).unwrap();
            }
        }
        self.archived += 1;
        let before = self.generations.last().unwrap().len();
        self.generations.push(Vec::new());
        if self.form == Form::Symlink {
            w.disk.symlink(&self.live(), &log(LIVE));
        }
        if self.form == Form::CopyTruncateStale {
            let zeros = vec![0; before];
            w.disk.append(&live, &zeros);
            self.generations.last_mut().unwrap().extend(zeros);
        }
        let n = if self.form == Form::CopyTruncateRegrown { before as u64 / 60 + 10 } else { 3 };
        self.write(w, n);
    }
}

fn play(form: Form, writer: Writer, shipper: Shipper, rotations: usize, reuse: bool) {
    let case = format!("{form:?}, {writer:?}, {shipper:?}, {rotations} rotations, inodes reused: {reuse}");
    let mut w = World::new(31);
    w.disk.reuse_inodes(reuse);
    w.disk.make_folder(&log("archive"));
    let mut host = Host { form, generations: vec![Vec::new()], archived: 0, next: 0 };
    if form == Form::Symlink {
        w.disk.symlink(&host.live(), &log(LIVE));
    }
    host.write(&mut w, 40);
    w.start().pass(Duration::from_secs(7));
    if shipper == Shipper::Stopped {
        w.kill();
    }
    // Not all of it is shipped when the rotation comes.
    let more = |n| if writer == Writer::Active { n } else { 0 };
    host.write(&mut w, more(7));
    for _ in 0..rotations {
        if shipper == Shipper::Slow {
            w.step(ShipperInput::Changed("/logs".into()));
            w.drop_request();
            w.clock.advance(Duration::from_millis(300));
        }
        host.write(&mut w, more(5));
        host.rotate(&mut w);
        if shipper == Shipper::Running {
            w.step(ShipperInput::Changed("/logs".into())).pass(Duration::from_secs(1));
        }
    }
    if shipper == Shipper::Stopped {
        w.start();
    }
    w.step(ShipperInput::Overflow).pass(Duration::from_secs(90));
    host.write(&mut w, 2);
    w.step(ShipperInput::Overflow).pass(Duration::from_secs(30));
    // Nothing is left to do, and a restart changes nothing.
    w.kill().start().pass(Duration::from_secs(30));
    if form == Form::Overwritten && shipper == Shipper::Stopped && rotations > 1 {
        check_overwritten(&w, &host, writer, &case);
    } else {
        check(&w, &host, &case);
    }
}

fn check(w: &World, host: &Host, case: &str) {
    let mut got: Vec<Vec<u8>> = w.indexer.rows.values().map(|r| r.bytes()).filter(|b| !b.is_empty()).collect();
    let mut expected = host.generations.clone();
    got.sort();
    expected.sort();
    let sizes = |of: &[Vec<u8>]| of.iter().map(Vec::len).collect::<Vec<_>>();
    assert!(got == expected, "{case}: got {:?}, written {:?}; {:#?}", sizes(&got), sizes(&expected), w.notices);
    let lost: Vec<_> = w.indexer.rows.values().flat_map(|r| r.lost.clone()).collect();
    assert!(lost.is_empty(), "{case}: {lost:?} {:#?}", w.notices);
    assert_eq!(w.indexer.straddled, 0, "{case}");
    assert!(w.status().files.iter().all(|f| f.behind_bytes == 0), "{case}: {:#?}", w.status());
}

/// The first generation was known, those after it came and went while nobody looked: all but the last archive and
/// the live file are gone.
fn check_overwritten(w: &World, host: &Host, writer: Writer, case: &str) {
    let [first, .., archive, live] = &host.generations[..] else { panic!("{case}: too few generations") };
    let rows: Vec<_> = w.indexer.rows.values().filter(|r| !r.bytes().is_empty()).collect();
    assert_eq!(rows.len(), 3, "{case}: {:#?}", w.notices);
    for row in rows {
        let bytes = row.bytes();
        if first.starts_with(&bytes) {
            assert_eq!(row.lost, [(bytes.len() as u64, None)], "{case}: {:#?}", w.notices);
            assert!(row.closed && (writer == Writer::Active || bytes == *first), "{case}");
        } else {
            assert!([archive, live].contains(&&bytes) && row.lost.is_empty(), "{case}: {:#?}", w.notices);
        }
    }
}

/// Plays a form in each way.
fn play_all(shipper: Shipper) {
    for form in FORMS {
        for writer in [Writer::Active, Writer::Idle] {
            for rotations in [1, 3] {
                play(form, writer, shipper, rotations, false);
                play(form, writer, shipper, rotations, true);
            }
        }
    }
}

#[test]
fn every_form_with_the_shipper_running() {
    play_all(Shipper::Running);
}

#[test]
fn every_form_while_stopped() {
    play_all(Shipper::Stopped);
}

#[test]
fn every_form_while_the_indexer_is_away() {
    play_all(Shipper::Slow);
}

/// A cascade of twenty, as log4j2 is configured with, with the oldest removed: with the shipper running nothing is lost.
#[test]
fn a_cascade_of_twenty_goes_on_for_ever() {
    const KEPT: usize = 20;
    let mut w = World::new(32);
    w.disk.reuse_inodes(true);
    let mut host = Host { form: Form::CascadeGz, generations: vec![Vec::new()], archived: 0, next: 0 };
    host.write(&mut w, 4);
    w.start().pass(Duration::from_secs(7));
    for _ in 0..30 {
        host.write(&mut w, 5);
        if host.archived == KEPT {
            w.disk.remove(&Host::gz_of(&host.archive(KEPT))).unwrap();
            host.archived -= 1;
        }
        host.rotate(&mut w);
        w.step(ShipperInput::Changed("/logs".into())).pass(Duration::from_secs(1));
    }
    w.step(ShipperInput::Overflow).pass(Duration::from_secs(90));
    w.kill().start().pass(Duration::from_secs(30));
    check(&w, &host, "a cascade of twenty");
    assert_eq!(host.generations.len(), 31);
}
