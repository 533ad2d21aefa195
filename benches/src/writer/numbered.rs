//! Events that carry a number, for proofs that each arrives once: `seq=FILE:NUMBER;` on the head line, some with
//! continuation lines of every kind (frames, causes, unindented text, empty lines), some written in two
//! pieces with a pause between, now and then one longer than the time after which an open event is cut.

use crate::corpus::Product;
use crate::dice::Dice;
use crate::local_time::{LocalClock, digits};
use crate::stacks::Stacks;
use crate::templates::Severity;
use crate::writer::log_file::{LogFile, Rotation};
use jiff::tz::TimeZone;
use std::path::Path;

/// The second piece of an event, and when it is due.
#[derive(Debug)]
struct Rest {
    bytes: Vec<u8>,
    due_ms: i64,
}

#[derive(Debug)]
struct Numbered {
    index: u64,
    product: Product,
    log: LogFile,
    number: u64,
    rest: Option<Rest>,
    rotate_at_ms: i64,
    pause_at_ms: i64,
}

/// How the files are written.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Number of files, of the three products in turn.
    pub files: u64,
    /// Mean pause between two rotations of a file, milliseconds.
    pub rotate_every_ms: u64,
    /// Seed.
    pub seed: u64,
}

/// Files with numbered events.
#[derive(Debug)]
pub struct NumberedWriter {
    plan: Plan,
    dice: Dice,
    clock: LocalClock,
    stacks: Stacks,
    files: Vec<Numbered>,
}

const STACK_IN_10_000: u64 = 400;
const TEXT_LINES_IN_10_000: u64 = 1_200;
/// Mean time between two events in two pieces.
const TWO_PIECES_EVERY_MS: f64 = 1_500.0;
/// Of these: events whose pause is longer than the 5 s after which an open event is cut.
const LONG_PAUSE_IN_10_000: u64 = 600;

impl NumberedWriter {
    /// Opens the files, one a folder, below `root`.
    ///
    /// # Errors
    /// When a file cannot be made.
    pub fn open(root: &Path, plan: Plan, now_ms: i64) -> anyhow::Result<NumberedWriter> {
        let mut dice = Dice::new(plan.seed);
        let rotation = Rotation { bytes: u64::MAX, keep: None };
        let files = (0..plan.files)
            .map(|index| {
                let product = Product::ALL[(index % 3) as usize];
                let folder = root.join(format!("{:03}-{}", index + 1, product.folder()));
                let log = LogFile::open(&folder, "wso2carbon.log", rotation)?;
                let rotate_at_ms = now_ms + dice.pause(plan.rotate_every_ms as f64) as i64;
                Ok(Numbered { index, product, log, number: 0, rest: None, rotate_at_ms, pause_at_ms: now_ms })
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(NumberedWriter { plan, dice, clock: LocalClock::new(TimeZone::UTC), stacks: Stacks::default(), files })
    }

    /// Events begun so far.
    pub fn events(&self) -> u64 {
        self.files.iter().map(|f| f.number).sum()
    }

    /// Writes one event to one of the files, and what is due elsewhere. A file in the middle of an event is
    /// left alone until its rest is due.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write_one(&mut self, now_ms: i64) -> anyhow::Result<()> {
        self.write_rests(now_ms)?;
        let chosen = self.dice.below(self.plan.files) as usize;
        let NumberedWriter { plan, dice, clock, stacks, files } = self;
        let file = &mut files[chosen];
        if file.rest.is_some() {
            return Ok(());
        }
        if file.rotate_at_ms <= now_ms && file.log.size() > 0 {
            file.log.rotate(clock, now_ms)?;
            file.rotate_at_ms = now_ms + dice.pause(plan.rotate_every_ms as f64) as i64 + 500;
        }
        let mut bytes = event(file, dice, clock, stacks, now_ms);
        if file.pause_at_ms <= now_ms {
            let pause = if dice.chance(LONG_PAUSE_IN_10_000) { 6_500 } else { dice.between(5, 300) as i64 };
            file.pause_at_ms = now_ms + pause + dice.pause(TWO_PIECES_EVERY_MS) as i64;
            let rest = bytes.split_off(dice.between(1, bytes.len() as u64 - 1) as usize);
            file.rest = Some(Rest { bytes: rest, due_ms: now_ms + pause });
        }
        file.log.append(&bytes)
    }

    fn write_rests(&mut self, now_ms: i64) -> anyhow::Result<()> {
        for file in &mut self.files {
            if let Some(rest) = file.rest.take_if(|rest| rest.due_ms <= now_ms) {
                file.log.append(&rest.bytes)?;
            }
        }
        Ok(())
    }

    /// Writes all that is still due, so that every file ends with a line end.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn finish(mut self) -> anyhow::Result<u64> {
        self.write_rests(i64::MAX)?;
        Ok(self.events())
    }
}

fn event(file: &mut Numbered, dice: &mut Dice, clock: &mut LocalClock, stacks: &Stacks, now_ms: i64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    let stack = dice.chance(STACK_IN_10_000);
    let severity = if stack { Severity::Error } else { Severity::Info };
    file.product.head(clock, now_ms, severity, "org.wso2.carbon.core.Counter", b"", &mut bytes);
    bytes.extend_from_slice(b"counted seq=");
    digits(&mut bytes, file.index, 3);
    bytes.push(b':');
    digits(&mut bytes, file.number, 9);
    bytes.extend_from_slice(b"; reference ");
    dice.uuid(&mut bytes);
    file.number += 1;
    if stack {
        bytes.push(b' ');
        stacks.append(dice, &mut bytes);
        return bytes;
    }
    bytes.push(b'\n');
    if dice.chance(TEXT_LINES_IN_10_000) {
        for _ in 0..dice.between(1, 6) {
            bytes.extend_from_slice(dice.pick(CONTINUATIONS).as_bytes());
            bytes.push(b'\n');
        }
    }
    bytes
}

const CONTINUATIONS: &[&str] = &[
    "DS Fault Message: the call was not answered",
    "\tat org.wso2.carbon.core.Counter.count(Counter.java:42)",
    "",
    "<soapenv:Body><count>1</count></soapenv:Body>",
    "  {\"state\": \"open\", \"entries\": []}",
    "Caused by: java.lang.IllegalStateException: noted twice",
    "Nested Exception:- none",
    "Grüße aus Kolombo, 日本",
];
