//! Where things lie by default: `/var/lib/carbontrail` for root, the XDG folders else.

use std::path::PathBuf;

/// Where `up` keeps the shipper's state inside its data folder.
pub(crate) const STATE_IN_DATA: &str = "ship";

/// Folder of the store.
#[cfg(feature = "indexer")]
pub(crate) fn data_folder() -> PathBuf {
    place("XDG_DATA_HOME", ".local/share").unwrap_or_else(|| PathBuf::from("/var/lib/carbontrail"))
}

/// Folder of the shipper's state.
pub(crate) fn state_folder() -> PathBuf {
    place("XDG_STATE_HOME", ".local/state").unwrap_or_else(|| PathBuf::from("/var/lib/carbontrail")).join(STATE_IN_DATA)
}

/// `None`: the system's place, for root or a user without home.
fn place(variable: &str, below_home: &str) -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if set(variable).is_none() && crate::rim::is_root() {
        return None;
    }
    let base = set(variable).or_else(|| Some(set("HOME")?.join(below_home)))?;
    Some(base.join("carbontrail"))
}
