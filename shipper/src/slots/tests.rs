//! Deaths and power cuts around the turn from one file to the other.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::{Records, Slots, Snapshot};
use outside::Files;
use outside::sim::{SimClock, SimDisk, SimFiles, SimRng};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

const STATE: &str = "/state";
const BYTES_MIN: u64 = 2048;

/// A state of several sectors that is called so.
fn state(name: &'static str) -> impl FnOnce(&mut Snapshot) {
    move |snapshot| (0..40).for_each(|n| snapshot.put(format!("{name} {n:90}").as_bytes()))
}

fn name_of(records: &Records) -> String {
    let first = records.iter().next().map(|record| String::from_utf8_lossy(record).into_owned());
    first.unwrap_or_default().split(' ').next().unwrap_or_default().to_owned()
}

fn open(files: &Arc<SimFiles>) -> (Slots, String) {
    let files: Arc<dyn Files> = Arc::<SimFiles>::clone(files);
    let (slots, records) = Slots::open(files, Path::new(STATE), BYTES_MIN).unwrap();
    let name = name_of(&records);
    (slots, name)
}

/// A process turns and dies in a call of that, so does the next one, and the power goes. What the third finds.
fn two_deaths(first: u64, second: u64, seed: u64) -> String {
    let disk = SimDisk::new(1 << 20, SimClock::new(0), SimRng::new(seed));
    disk.make_folder(Path::new(STATE));
    let files = disk.process();
    let (mut slots, _) = open(&files);
    slots.begin(state("begun")).unwrap();
    // More than there is room for.
    (0..400).for_each(|_| slots.append(&[b'x'; 100]));
    files.die_after(first);
    let _died = slots.sync(state("first"));
    files.kill();
    let files = disk.process();
    let (mut slots, _) = open(&files);
    slots.append(b"x");
    files.die_after(second);
    let _died = slots.sync(state("second"));
    files.kill();
    disk.power_cut();
    open(&disk.process()).1
}

#[test]
fn there_is_a_whole_state_after_two_deaths_and_a_power_cut() {
    // What the first left in the page cache alone is what the second reads, and writes over the other file for.
    let cases = (0..8).flat_map(|first| (0..8).flat_map(move |second| (0..60).map(move |seed| (first, second, seed))));
    let found: BTreeSet<String> = cases.map(|(first, second, seed)| two_deaths(first, second, seed)).collect();
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), ["begun", "first", "second"], "each came about");
}
