//! Zones of local times: looked back for before the first range of a folder, and passed on when learnt later
//! (protocol rules 11 and 12).

use super::ShipperCore;
use crate::identity::name_of;
use crate::records::Entry;
use outside::{File, OpenMode};
use parsers::{Context, FileFacts, Input, InputAt, Offset, Parser, Zone, ZoneSource, plain_name};
use std::path::{Path, PathBuf};
use wire::StreamId;

/// First each file's end is looked at, then whole files, newest first.
const GLANCE_BYTES: u64 = 64 << 10;
/// Bytes looked at in one piece, from the end of a file backwards.
const BLOCK_BYTES: u64 = 1 << 20;

/// Whether a zone stands in the files of the host itself.
fn is_learnt(zone: &Zone) -> bool {
    matches!(zone.source, ZoneSource::Banner | ZoneSource::Access)
}

impl ShipperCore {
    /// The best zone known for a folder's files, if it is better than what the context has.
    pub(super) fn better_zone(&self, folder: &Path, context: &mut Context) {
        let learnt = self.folders.get(folder).and_then(|f| f.zone.as_ref());
        for zone in [Some(&self.config.host_zone), self.config.zone.as_ref(), learnt].into_iter().flatten() {
            if context.zone.as_ref().is_none_or(|known| zone.source <= known.source) {
                context.zone = Some(zone.clone());
            }
        }
    }

    /// The zone that configuration gives this very file, unless its own lines told a better one.
    pub(super) fn zone_of_source(&self, path: &Path, context: &mut Context) {
        let zone = self.config.zone_of(path).filter(|_| self.config.source_of(path).is_some());
        if let Some(zone) = zone
            && context.zone.as_ref().is_none_or(|known| zone.source <= known.source)
        {
            context.zone = Some(zone.clone());
        }
    }

    /// Looks for the newest start banner or access line in a folder, once.
    pub(super) fn look_back(&mut self, folder: &Path) {
        let Some(known) = self.folders.get_mut(folder) else { return };
        if std::mem::replace(&mut known.looked_back, true) || known.zone.is_some() {
            return;
        }
        let files = self.by_age(folder);
        let mut left = self.config.limits.look_back_bytes_max;
        let glance = files.iter().find_map(|f| self.zone_in(f, GLANCE_BYTES, &mut left));
        let zone = glance.or_else(|| files.iter().find_map(|f| self.zone_in(f, u64::MAX, &mut left)));
        if let Some(known) = self.folders.get_mut(folder) {
            known.zone = zone;
        }
    }

    /// Followed files of a folder, the one changed last first.
    fn by_age(&self, folder: &Path) -> Vec<PathBuf> {
        let names = self.outside.files.list(folder).unwrap_or_default();
        let followed = names
            .into_iter()
            .filter(|n| crate::identity::is_followed(&n.to_string_lossy(), &self.config.include, &self.config.exclude));
        let mut files: Vec<(i64, PathBuf)> = followed
            .filter(|name| !crate::packed::is_packed(&name.to_string_lossy()))
            .filter_map(|name| {
                let path = folder.join(name);
                Some((self.outside.files.metadata(&path).ok()?.modified_ns, path))
            })
            .collect();
        files.sort();
        files.into_iter().rev().map(|(_, path)| path).collect()
    }

    /// The last zone that stands in the last `max` bytes of a file.
    fn zone_in(&self, path: &Path, max: u64, left: &mut u64) -> Option<Zone> {
        let name = name_of(path);
        if !(name.contains("carbon") || name.contains("access")) {
            return None;
        }
        let file = self.outside.files.open(path, OpenMode::Read).ok()?;
        let size = file.metadata().ok()?.size;
        let stop = size.saturating_sub(max);
        let mut end = size;
        while end > stop && *left > 0 {
            // Blocks overlap a little: a banner may stand on the border.
            let from = end.saturating_sub(BLOCK_BYTES.min(*left)).max(stop);
            if let Some(zone) = zone_of_block(&*file, &name, from, end) {
                return Some(zone);
            }
            *left = left.saturating_sub(end - from);
            end = from + if from > stop { (end - from).min(4096) / 2 } else { 0 };
            if end <= stop || end - stop <= 2048 {
                break;
            }
        }
        None
    }

    /// A stream's own bytes told its zone: the other files of the folder are read in it from here on.
    pub(super) fn zone_may_have_come(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get(&id).filter(|s| !s.kept.backfill) else { return };
        let Some(zone) = stream.tail.as_ref().and_then(|t| t.parser.context().zone.as_ref()).filter(|z| is_learnt(z))
        else {
            return;
        };
        let Some(folder) = stream.kept.path.parent().map(Path::to_owned) else { return };
        let known = self.folders.get(&folder).and_then(|f| f.zone.as_ref());
        if known == Some(zone) || known.is_some_and(|k| k.source < zone.source) {
            return;
        }
        let zone = zone.clone();
        if let Some(known) = self.folders.get_mut(&folder) {
            known.zone = Some(zone.clone());
        }
        self.pass_zone_on(id, &folder, &zone);
    }

    fn pass_zone_on(&mut self, from: StreamId, folder: &Path, zone: &Zone) {
        let others: Vec<(StreamId, Offset)> = self
            .streams
            .values()
            .filter(|s| s.kept.id != from && s.has_file() && s.kept.path.parent() == Some(folder))
            .filter(|s| {
                let context = match &s.tail {
                    Some(tail) => tail.parser.context().clone(),
                    None => Context::decode(&s.kept.context).unwrap_or_default(),
                };
                // A main file has a banner of its own; what the others know came from one.
                let borrowed = !s.kept.name.contains("carbon");
                context.zone.is_none_or(|z| {
                    z.source > zone.source || borrowed && z.source == zone.source && z.name != zone.name
                })
            })
            .map(|s| (s.kept.id, s.read_to()))
            .collect();
        for (id, at) in others {
            let input = InputAt { at, input: Input::Zone(zone.clone()) };
            self.journal_first(&Entry::Input(id, input.clone()));
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.kept.inputs.push(input);
            }
        }
    }
}

/// The last zone that the parser learns from a block; its first line may be a part of one.
fn zone_of_block(file: &dyn File, name: &str, from: u64, end: u64) -> Option<Zone> {
    let mut block = vec![0; usize::try_from(end - from).ok()?];
    file.read_exact_at(&mut block, from).ok()?;
    let skip = if from == 0 { 0 } else { memchr::memchr(b'\n', &block).map_or(block.len(), |i| i + 1) };
    let facts = FileFacts { name: plain_name(name), family: None };
    let mut parser = Parser::new(facts, Offset(from + skip as u64), Context::default()).without_templates();
    let block = &block[skip..];
    parser.advance(block, &[], &mut |_, _| {});
    if let Some(at) = parser.cut_place(&block[(parser.offset().0 - from) as usize - skip..], parsers::Cut::WholeLines) {
        let rest = &block[(parser.offset().0 - from) as usize - skip..];
        parser.advance(rest, &[InputAt { at, input: Input::Cut }], &mut |_, _| {});
    }
    parser.context().zone.clone().filter(is_learnt)
}
