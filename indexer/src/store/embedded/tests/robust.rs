//! What happens to a segment's bytes: crashes while building, damage, other versions, full disks.

use super::{FOLDER, Maker, disk};
use crate::query::{Matcher, Query};
use crate::store::embedded::EmbeddedBuilder;
use crate::store::embedded::cache::BlockCache;
use crate::store::embedded::container::{Container, Writer};
use crate::store::embedded::reader::EmbeddedSegment;
use crate::store::segment::{
    Budget, FacetRequest, Order, Question, Row, Segment, SegmentBuilder, SegmentError, Window,
};
use outside::Files;
use outside::sim::SimRng;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn file() -> PathBuf {
    Path::new(FOLDER).join("segment.ct")
}

/// Everything that can be asked of a segment.
fn ask_everything(segment: &dyn Segment, maker: &Maker) -> Result<(), SegmentError> {
    let budget = Budget::unlimited();
    for query in [Query::All, maker.query(2), super::made::unknown_to_any_index()] {
        let Ok(matcher) = Matcher::new(&query) else { continue };
        let question = Question { matcher: &matcher, window: Window::ALL };
        for order in [Order::Newest, Order::Oldest] {
            segment.scan(&question, order, None, &budget, &mut |_| ControlFlow::Continue(()))?;
        }
        segment.count(&question, &budget)?;
        segment.histogram(&question, &maker.bounds(), Some("log.level"), &budget)?;
        let request = FacetRequest { field: maker.field_name(), prefix: "", distinct_max: 10 };
        segment.facets(&question, &[request], &budget)?;
    }
    segment.fields(&budget)?;
    (0..segment.meta().events as u32).try_for_each(|row| segment.event(Row(row)).map(drop))
}

#[test]
fn a_built_segment_survives_a_power_cut_and_an_unfinished_one_is_not_taken() {
    for calls in 0..8 {
        let (disk, files) = disk();
        let events = Maker::new(calls).events_of(40);
        let builder = EmbeddedBuilder::whole(1 << 20);
        files.die_after(calls);
        let built = builder.build(&*files, Path::new(FOLDER), &events);
        drop(files);
        disk.power_cut();
        let files = disk.process();
        if let Ok(meta) = built {
            let segment = builder.open(&*files, Path::new(FOLDER), &meta).unwrap();
            assert_eq!(segment.event(Row(39)).unwrap().raw, segment.event(Row(39)).unwrap().raw);
            ask_everything(&*segment, &Maker::new(calls)).unwrap();
        }
    }
}

#[test]
fn a_flipped_bit_is_found_when_it_is_read_and_never_panics() {
    let (disk, files) = disk();
    let maker = Maker::new(5);
    let builder = EmbeddedBuilder::whole(1 << 20);
    let meta = builder.build(&*files, Path::new(FOLDER), &maker.events_of(120)).unwrap();
    let whole = disk.contents(&file()).unwrap();
    let bits = whole.len() as u64 * 8;
    for i in 0..300 {
        let bit = i * 7919 * 13 % bits;
        disk.flip_bit(&file(), bit);
        let bytes = disk.contents(&file()).unwrap();
        let error = builder.open(&*files, Path::new(FOLDER), &meta).unwrap_err();
        assert!(error.to_string().contains(FOLDER), "{error}");
        // As when it is mapped: no checksum over the whole file, but one over each part.
        let bytes = tantivy::directory::OwnedBytes::new(bytes);
        let open = EmbeddedSegment::open(Path::new(FOLDER), bytes, meta.clone(), Arc::new(BlockCache::new(1 << 20)));
        if let Ok(segment) = open {
            // Not every section is read by every query; what is read is right or an error.
            let _found: Result<(), SegmentError> = ask_everything(&segment, &maker);
        }
        disk.flip_bit(&file(), bit);
    }
}

#[test]
fn sections_that_make_no_sense_never_panic() {
    let (disk, files) = disk();
    let maker = Maker::new(6);
    let meta = EmbeddedBuilder::whole(1 << 20).build(&*files, Path::new(FOLDER), &maker.events_of(120)).unwrap();
    let whole = open_container(disk.contents(&file()).unwrap());
    // tantivy's own files are trusted once their checksum fits.
    let names: Vec<String> = whole.sizes().into_iter().map(|(name, _)| name).collect();
    let dice = SimRng::new(1);
    for _ in 0..400 {
        let changed = &names[dice.below(names.len() as u64) as usize];
        let mut writer = Writer::default();
        for name in &names {
            let mut bytes = whole.unchecked_section(name).unwrap().to_vec();
            if name == changed && !name.starts_with("words/") {
                garble(&dice, &mut bytes);
            }
            writer.add(name.as_str(), bytes);
        }
        let bytes = tantivy::directory::OwnedBytes::new(writer.finish());
        let cache = Arc::new(BlockCache::new(1 << 20));
        if let Ok(segment) = EmbeddedSegment::open(Path::new(FOLDER), bytes, meta.clone(), cache) {
            let _answered: Result<(), SegmentError> = ask_everything(&segment, &maker);
        }
    }
}

fn open_container(bytes: Vec<u8>) -> Container {
    Container::open(Path::new(FOLDER), tantivy::directory::OwnedBytes::new(bytes)).unwrap()
}

/// Changes a byte, cuts the end off, or replaces everything.
fn garble(dice: &SimRng, bytes: &mut Vec<u8>) {
    match dice.below(4) {
        0 => bytes.truncate(dice.below(bytes.len() as u64 + 1) as usize),
        1 => bytes.iter_mut().for_each(|byte| *byte = dice.below(256) as u8),
        _ if bytes.is_empty() => bytes.push(dice.below(256) as u8),
        _ => {
            let at = dice.below(bytes.len() as u64) as usize;
            bytes[at] = dice.below(256) as u8;
        }
    }
}

#[test]
fn a_missing_or_cut_file_is_named() {
    let (disk, files) = disk();
    let builder = EmbeddedBuilder::whole(1 << 20);
    let meta = builder.build(&*files, Path::new(FOLDER), &Maker::new(5).events_of(10)).unwrap();
    let bytes = disk.contents(&file()).unwrap();
    disk.truncate(&file()).unwrap();
    disk.append(&file(), &bytes[..bytes.len() - 1]);
    let error = builder.open(&*files, Path::new(FOLDER), &meta).unwrap_err().to_string();
    assert!(error.contains("segment `/s` is damaged") && error.contains("restore"), "{error}");
    disk.remove(&file()).unwrap();
    assert!(matches!(builder.open(&*files, Path::new(FOLDER), &meta), Err(SegmentError::Io { .. })));
}

#[test]
fn a_full_disk_is_an_error_of_the_disk() {
    let (disk, files) = disk();
    disk.set_capacity(1000);
    let error =
        EmbeddedBuilder::whole(1 << 20).build(&*files, Path::new(FOLDER), &Maker::new(5).events_of(100)).unwrap_err();
    let SegmentError::Io { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
}

#[test]
fn mapped_from_the_real_file_system() {
    let folder = tempfile::tempdir().unwrap();
    let files = outside::real::RealFiles;
    let builder = EmbeddedBuilder::mapped(1 << 20);
    let events = Maker::new(11).events_of(300);
    let meta = builder.build(&files, folder.path(), &events).unwrap();
    assert_eq!(files.list(folder.path()).unwrap().len(), 1);
    let segment = builder.open(&files, folder.path(), &meta).unwrap();
    ask_everything(&*segment, &Maker::new(11)).unwrap();
    drop(files.remove_file(&folder.path().join("segment.ct")));
    // Readers keep what they have mapped.
    ask_everything(&*segment, &Maker::new(12)).unwrap();
    let gone = builder.open(&files, folder.path(), &meta).unwrap_err();
    assert!(matches!(gone, SegmentError::Io { .. }), "{gone}");
}
