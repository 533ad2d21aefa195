//! What stands in the manifests (JSON, so that a person can read them in need).

use crate::store::segment::SegmentMeta;
use crate::store::snapshot::PartitionKey;
use seglog::Position;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `store.manifest`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RootManifest {
    /// New after every restore, repair or wipe.
    pub(crate) incarnation: u64,
    /// Counts starts.
    pub(crate) boot: u64,
    /// The WAL may be cut up to and including this position.
    pub(crate) cut: u64,
    /// The next partition's number.
    pub(crate) next_partition: u64,
    /// The wall clock is not trusted: the last time that is (protocol rule 37).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) clock_doubt_ns: Option<i64>,
    /// When the wall clock was last confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) clock_confirmed_ns: Option<i64>,
    pub(crate) partitions: Vec<PartitionEntry>,
}

/// One partition in the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartitionEntry {
    pub(crate) owner: String,
    pub(crate) environment: String,
    /// Days since 1970-01-01.
    pub(crate) day: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hour: Option<u8>,
    /// Inside the data folder.
    pub(crate) folder: PathBuf,
    /// Events of records up to this position belong to an earlier partition of the same day that was removed.
    pub(crate) from: u64,
}

/// `partition.manifest`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PartitionManifest {
    /// All its events of records up to and including this position are in these segments.
    pub(crate) position: u64,
    pub(crate) segments: Vec<Listed>,
}

/// A segment and its folder's name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) meta: SegmentMeta,
}

impl PartitionEntry {
    pub(crate) fn key(&self) -> PartitionKey {
        let (owner, environment) = (self.owner.as_str().into(), self.environment.as_str().into());
        PartitionKey { owner, environment, day: self.day, hour: self.hour }
    }

    pub(crate) fn from(&self) -> Position {
        Position(self.from)
    }
}

impl RootManifest {
    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("plain values become JSON")
    }

    pub(crate) fn decode(body: &[u8]) -> Result<RootManifest, String> {
        serde_json::from_slice(body).map_err(|error| error.to_string())
    }
}

impl PartitionManifest {
    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("plain values become JSON")
    }

    pub(crate) fn decode(body: &[u8]) -> Result<PartitionManifest, String> {
        serde_json::from_slice(body).map_err(|error| error.to_string())
    }
}
