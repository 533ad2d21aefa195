//! Own formats of files: those of the configuration, and the layouts that a product's own log4j configuration gives
//! to its files.
//!
//! What holds for a stream is an input at an offset, journaled like a zone (protocol rule 11). The product's
//! configuration is looked at when its folder is first seen and with each full scan. A layout that changed there
//! may be written before and after the product is started again, so the one before stays beside it.

use super::ShipperCore;
use crate::identity::fits_pattern;
use crate::records::Entry;
use outside::OpenMode;
use parsers::own::properties;
use parsers::{Context, Format, Formats, Input, InputAt, Offset};
use std::path::{Path, PathBuf};
use wire::StreamId;

/// Names of log4j's configuration, the newer generation first.
const NAMES: [&str; 2] = ["log4j2.properties", "log4j.properties"];

/// How many folders above the logs a `conf` folder is looked for in: `repository/conf` beside `repository/logs`, and
/// `conf` beside `repository`.
const FOLDERS_UP: usize = 3;

/// The layouts that a product's configuration names.
#[derive(Debug, Default)]
pub(super) struct Layouts {
    looked: bool,
    /// The file they are from, its size and time of change.
    from: Option<(PathBuf, u64, i64)>,
    /// Name of a file, with `*`, and its layout.
    list: Vec<(String, Format)>,
}

impl ShipperCore {
    /// Looks at the product's configuration of a folder the first time that it is seen.
    pub(super) fn look_at_layouts_once(&mut self, folder: &Path) {
        if self.folders.get(folder).is_some_and(|f| !f.layouts.looked) {
            self.look_at_layouts(folder);
        }
    }

    /// Looks at the configuration of all folders; where one changed, its streams are told.
    pub(super) fn look_at_all_layouts(&mut self) {
        for folder in self.folders.keys().cloned().collect::<Vec<_>>() {
            let first = self.folders.get(&folder).is_some_and(|f| !f.layouts.looked);
            if self.look_at_layouts(&folder) || first {
                self.pass_formats_on(&folder);
            }
        }
    }

    /// Whether the layouts are others than before.
    fn look_at_layouts(&mut self, folder: &Path) -> bool {
        let found = if self.config.product_layouts { self.configuration_near(folder) } else { None };
        let Some(known) = self.folders.get_mut(folder) else { return false };
        known.layouts.looked = true;
        if known.layouts.from == found {
            return false;
        }
        let list = found.as_ref().map(|(path, size, _)| self.layouts_in(path, *size));
        let Some(known) = self.folders.get_mut(folder) else { return false };
        // What cannot be read now is tried again; the layouts known so far stay.
        let list = match list {
            Some(Some(list)) => list,
            Some(None) => return false,
            None => Vec::new(),
        };
        let changed = known.layouts.list != list;
        known.layouts.from = found;
        known.layouts.list = list;
        changed
    }

    /// The log4j configuration of the product that writes into `folder`.
    fn configuration_near(&self, folder: &Path) -> Option<(PathBuf, u64, i64)> {
        let places = folder.ancestors().skip(1).take(FOLDERS_UP);
        places.flat_map(|place| NAMES.map(|name| place.join("conf").join(name))).find_map(|path| {
            let facts = self.outside.files.metadata(&path).ok()?;
            Some((path, facts.size, facts.modified_ns))
        })
    }

    /// The layouts in a configuration that are no built-in family's; `None` when it cannot be read.
    fn layouts_in(&self, path: &Path, size: u64) -> Option<Vec<(String, Format)>> {
        let file = self.outside.files.open(path, OpenMode::Read).ok()?;
        let size = usize::try_from(size).ok()?.min(properties::BYTES_MAX);
        let mut bytes = vec![0; size];
        file.read_exact_at(&mut bytes, 0).ok()?;
        let layouts = properties::file_layouts(&String::from_utf8_lossy(&bytes));
        let formats = layouts.into_iter().filter_map(|l| Some((l.file, Format::new(l.spec).ok()?)));
        Some(formats.filter(|(_, format)| format.built_in().is_none()).collect())
    }

    /// The formats of a file: the configured ones first.
    pub(super) fn formats_of(&self, folder: &Path, name: &str, known: &Formats) -> Formats {
        let configured = self.config.formats.iter().filter(|f| f.files.iter().any(|p| fits_pattern(p, name)));
        let configured: Vec<Format> = configured.map(|f| f.format.clone()).collect();
        let layouts = self.folders.get(folder).map(|f| &*f.layouts.list).unwrap_or_default();
        let layouts: Vec<Format> =
            layouts.iter().filter(|(file, _)| fits_pattern(file, name)).map(|(_, format)| format.clone()).collect();
        // The same appender with another layout.
        let is_before = |old: &&Format| layouts.iter().any(|new| new.spec().name == old.spec().name && new != *old);
        let before: Vec<Format> = known.list().iter().filter(is_before).cloned().collect();
        Formats::new(configured.into_iter().chain(layouts).chain(before))
    }

    fn pass_formats_on(&mut self, folder: &Path) {
        let streams = self.streams.values().filter(|s| s.has_file() && s.kept.path.parent() == Some(folder));
        let changed: Vec<(StreamId, InputAt)> = streams
            .filter_map(|stream| {
                let journaled = stream.kept.inputs.iter().rev().find_map(|i| match &i.input {
                    Input::Formats(formats) => Some((i.at, formats.clone())),
                    Input::Cut | Input::Zone(_) | Input::FileTime(_) => None,
                });
                let (from, known) = journaled.unwrap_or_else(|| {
                    let context = match &stream.tail {
                        Some(tail) => tail.parser.context().clone(),
                        None => Context::decode(&stream.kept.context).unwrap_or_default(),
                    };
                    (Offset(0), context.formats)
                });
                let formats = self.formats_of(folder, &stream.kept.name, &known);
                let at = stream.read_to().max(from);
                (formats != known).then_some((stream.kept.id, InputAt { at, input: Input::Formats(formats) }))
            })
            .collect();
        for (id, input) in changed {
            self.journal_first(&Entry::Input(id, input.clone()));
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.kept.inputs.push(input);
            }
        }
    }
}
