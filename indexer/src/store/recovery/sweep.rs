//! Removes what no manifest names: temporary files, and the remains of an interrupted flush or retention
//! (protocol rule 33). Only names in places of ours are looked at.

use super::{OpenError, io};
use crate::store::manifest;
use crate::store::memory::Partition;
use crate::store::snapshot::PartitionKey;
use outside::{Files, Kind};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub(super) fn sweep(
    files: &dyn Files,
    root: &Path,
    partitions: &BTreeMap<PartitionKey, Partition>,
) -> Result<(), OpenError> {
    for name in [manifest::ROOT, manifest::MARKS] {
        let temporary = root.join(name).with_extension("tmp");
        if files.metadata(&temporary).is_ok() {
            files.remove_file(&temporary).map_err(io("remove", &temporary))?;
        }
    }
    let mut named = BTreeMap::new();
    for partition in partitions.values() {
        if let Some(folder) = &partition.folder {
            let segments: BTreeSet<PathBuf> = partition.segments.iter().map(|(s, _)| PathBuf::from(&s.name)).collect();
            named.insert(folder.clone(), segments);
        }
    }
    let above = PathBuf::from(manifest::PARTITIONS);
    if files.metadata(&root.join(&above)).is_err() {
        return Ok(());
    }
    for owner in below(files, root, &above)? {
        for environment in below(files, root, &owner)? {
            for partition in below(files, root, &environment)? {
                match named.get(&partition) {
                    None => remove(files, &root.join(&partition))?,
                    Some(segments) => sweep_partition(files, &root.join(&partition), segments)?,
                }
            }
        }
    }
    Ok(())
}

fn sweep_partition(files: &dyn Files, folder: &Path, segments: &BTreeSet<PathBuf>) -> Result<(), OpenError> {
    for name in files.list(folder).map_err(io("list folder", folder))? {
        let named = name.as_path() == Path::new(manifest::PARTITION) || segments.contains(&name);
        if !named {
            remove(files, &folder.join(name))?;
        }
    }
    Ok(())
}

fn below(files: &dyn Files, root: &Path, folder: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let path = root.join(folder);
    let names = files.list(&path).map_err(io("list folder", &path))?;
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

fn remove(files: &dyn Files, path: &Path) -> Result<(), OpenError> {
    let kind = files.metadata(path).map_err(io("look at", path))?.kind;
    let removed = if kind == Kind::Folder { files.remove_folder_all(path) } else { files.remove_file(path) };
    removed.map_err(io("remove", path))
}
