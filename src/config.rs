//! What the commands are told: flags first, then the configuration file, then defaults.
//!
//! One TOML file with the tables `[ship]` and `[serve]`; each command takes what concerns it, so that one file
//! may serve both halves. Unknown keys and bad values are all reported together ([`mod@file`]); the options,
//! their defaults and limits stand in one table ([`options`]).

pub(crate) mod file;
pub(crate) mod formats;
pub(crate) mod options;
pub(crate) mod places;
#[cfg(test)]
mod reference;
pub(crate) mod units;

use crate::rim;
use anyhow::{Context as _, bail};
use file::{Value, Values};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Checked values of a configuration file, or of none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings(Values);

impl Settings {
    /// Reads the file, if one is given.
    ///
    /// # Errors
    /// When it cannot be read, or with all its problems.
    pub(crate) fn load(path: Option<&Path>) -> anyhow::Result<Settings> {
        let Some(path) = path else { return Ok(Settings::default()) };
        let text =
            rim::read_text(path).with_context(|| format!("failed to read configuration file `{}`", path.display()))?;
        match file::read(&text) {
            Ok(values) => Ok(Settings(values)),
            Err(problems) => {
                let lines: Vec<String> = problems.iter().map(|p| format!("{}:{p}", path.display())).collect();
                bail!("the configuration file has {} problem(s):\n{}", lines.len(), lines.join("\n"))
            }
        }
    }

    /// Of a file's text.
    ///
    /// # Errors
    /// All its problems.
    #[cfg(test)]
    pub(crate) fn of_text(text: &str) -> Result<Settings, Vec<file::Problem>> {
        file::read(text).map(Settings)
    }

    fn value(&self, table: &'static str, key: &'static str) -> Option<Value> {
        if let Some(value) = self.0.single.get(&(table, key)) {
            return Some(value.clone());
        }
        let option = options::ALL.iter().find(|o| o.table == table && o.key == key);
        let option = option.expect("options asked for stand in the table");
        option.default.map(|text| file::check_text(&option.kind, text).expect("a test checks every default"))
    }

    /// Whether both say the same of an option.
    #[cfg(feature = "shipper")]
    pub(crate) fn says_the_same(&self, other: &Settings, table: &'static str, key: &'static str) -> bool {
        self.0.single.get(&(table, key)) == other.0.single.get(&(table, key))
    }

    /// Tables of that name that stand more than once, in the order of the file.
    pub(crate) fn repeated(&self, table: &'static str) -> &[file::Entry] {
        self.0.repeated.get(table).map(Vec::as_slice).unwrap_or_default()
    }

    /// A text; `None` when it is not set.
    pub(crate) fn text(&self, table: &'static str, key: &'static str) -> Option<String> {
        match self.value(table, key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Paths; empty when not set.
    pub(crate) fn paths(&self, table: &'static str, key: &'static str) -> Vec<PathBuf> {
        match self.value(table, key) {
            Some(Value::Paths(paths)) => paths,
            _ => Vec::new(),
        }
    }

    /// One path.
    pub(crate) fn path(&self, table: &'static str, key: &'static str) -> Option<PathBuf> {
        self.paths(table, key).into_iter().next()
    }

    /// An address.
    pub(crate) fn address(&self, table: &'static str, key: &'static str) -> Option<SocketAddr> {
        match self.value(table, key) {
            Some(Value::Address(address)) => Some(address),
            _ => None,
        }
    }

    /// A duration.
    pub(crate) fn duration(&self, table: &'static str, key: &'static str) -> Option<Duration> {
        match self.value(table, key) {
            Some(Value::Duration(duration)) => Some(duration),
            _ => None,
        }
    }

    /// A size in bytes.
    pub(crate) fn size(&self, table: &'static str, key: &'static str) -> Option<u64> {
        match self.value(table, key) {
            Some(Value::Size(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// A list of texts; `None` when it is not set.
    pub(crate) fn texts(&self, table: &'static str, key: &'static str) -> Option<Vec<String>> {
        match self.value(table, key) {
            Some(Value::Texts(texts)) => Some(texts),
            _ => None,
        }
    }

    /// Yes or no.
    pub(crate) fn flag(&self, table: &'static str, key: &'static str) -> bool {
        matches!(self.value(table, key), Some(Value::Flag(true)))
    }

    /// Own formats of files.
    pub(crate) fn formats(&self) -> Vec<formats::FormatSetting> {
        match self.value("ship", "format") {
            Some(Value::Formats(formats)) => formats,
            _ => Vec::new(),
        }
    }

    /// Fixed fields.
    pub(crate) fn labels(&self, table: &'static str, key: &'static str) -> Vec<(String, String)> {
        match self.value(table, key) {
            Some(Value::Labels(labels)) => labels,
            _ => Vec::new(),
        }
    }
}

/// Values of one table of several.
pub(crate) trait EntryValues {
    /// A text.
    fn text(&self, key: &'static str) -> Option<String>;
    /// A list of texts; empty when not set.
    fn texts(&self, key: &'static str) -> Option<Vec<String>>;
    /// Pairs; empty when not set.
    fn labels(&self, key: &'static str) -> Vec<(String, String)>;
    /// Bytes.
    fn size(&self, key: &'static str) -> Option<u64>;
}

impl EntryValues for file::Entry {
    fn text(&self, key: &'static str) -> Option<String> {
        match self.get(key) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    fn texts(&self, key: &'static str) -> Option<Vec<String>> {
        match self.get(key) {
            Some(Value::Texts(texts)) => Some(texts.clone()),
            _ => None,
        }
    }

    fn labels(&self, key: &'static str) -> Vec<(String, String)> {
        match self.get(key) {
            Some(Value::Labels(labels)) => labels.clone(),
            _ => Vec::new(),
        }
    }

    fn size(&self, key: &'static str) -> Option<u64> {
        match self.get(key) {
            Some(Value::Size(bytes)) => Some(*bytes),
            _ => None,
        }
    }
}
