//! The one file of a segment: named sections behind each other, so that a segment is made durable by one
//! sync of a file and one of its folder, and opened by mapping one file.
//!
//! ```text
//! header    magic 8 `CTSEGMT\0` | version 4 | table's length 4 | file's length 8 | crc32 of the header so far and the table 4
//! table     per section: name, offset, length, crc32 (numbers and strings as in `varint`)
//! sections
//! ```
//!
//! Header and table are checked when the segment is opened. A section is checked when it is first used: at
//! a start with thousands of segments nobody waits for all of their bytes to be read.

use super::varint::{self, Reader};
use crate::store::segment::SegmentError;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tantivy::directory::OwnedBytes;

/// Its name in the segment's folder.
pub(super) const FILE_NAME: &str = "segment.ct";
const MAGIC: &[u8; 8] = b"CTSEGMT\0";
/// Version of everything in the file.
pub(super) const VERSION: u32 = 1;
const HEADER: usize = 28;

/// Collects sections.
#[derive(Debug, Default)]
pub(super) struct Writer {
    sections: Vec<(String, Vec<u8>)>,
}

impl Writer {
    pub(super) fn add(&mut self, name: impl Into<String>, bytes: Vec<u8>) {
        self.sections.push((name.into(), bytes));
    }

    /// The whole file.
    pub(super) fn finish(self) -> Vec<u8> {
        let crcs: Vec<u32> = self.sections.iter().map(|(_, bytes)| crc32fast::hash(bytes)).collect();
        // Offsets count from the end of the table, so that its length does not depend on itself.
        let (mut table, mut offset) = (Vec::new(), 0);
        varint::put(&mut table, self.sections.len() as u64);
        for ((name, bytes), crc) in self.sections.iter().zip(crcs) {
            varint::put_bytes(&mut table, name.as_bytes());
            varint::put(&mut table, offset);
            varint::put(&mut table, bytes.len() as u64);
            table.extend_from_slice(&crc.to_le_bytes());
            offset += bytes.len() as u64;
        }
        let mut file = Vec::with_capacity(HEADER + table.len() + offset as usize);
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(&VERSION.to_le_bytes());
        file.extend_from_slice(&(table.len() as u32).to_le_bytes());
        file.extend_from_slice(&((HEADER + table.len()) as u64 + offset).to_le_bytes());
        let crc = head_checksum(&file, &table);
        file.extend_from_slice(&crc.to_le_bytes());
        file.extend_from_slice(&table);
        self.sections.iter().for_each(|(_, bytes)| file.extend_from_slice(bytes));
        file
    }
}

/// Makes the checksum over header and table right, where they stand whole.
#[cfg(feature = "fuzz")]
pub(super) fn seal(file: &mut [u8]) {
    let Some(len) = file.get(12..16).and_then(|len| len.try_into().ok()).map(u32::from_le_bytes) else { return };
    let Some(table) = file.get(HEADER..HEADER.saturating_add(len as usize)) else { return };
    let crc = head_checksum(&file[..24], table);
    file[24..28].copy_from_slice(&crc.to_le_bytes());
}

fn head_checksum(head: &[u8], table: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(table);
    hasher.finalize()
}

/// An open file.
#[derive(Debug)]
pub(super) struct Container {
    folder: PathBuf,
    bytes: OwnedBytes,
    sections: Vec<Section>,
}

#[derive(Debug)]
struct Section {
    name: String,
    start: usize,
    end: usize,
    crc: u32,
    intact: OnceLock<bool>,
}

impl Container {
    /// Opens the file whose bytes are `bytes`.
    pub(super) fn open(folder: &Path, bytes: OwnedBytes) -> Result<Container, SegmentError> {
        let damaged = |reason: &str| corrupt(folder, reason);
        let head = bytes.get(..HEADER).ok_or_else(|| damaged("its file is shorter than a header"))?;
        let number = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes"));
        if head[..8] != *MAGIC {
            return Err(damaged("its file is not a segment"));
        }
        let version = number(8);
        if version > VERSION {
            return Err(SegmentError::Newer { path: folder.display().to_string(), found: version, known: VERSION });
        }
        let table_end = HEADER.saturating_add(number(12) as usize);
        let table = bytes.get(HEADER..table_end).ok_or_else(|| damaged("its table of sections is cut off"))?;
        if head_checksum(&head[..24], table) != number(24) {
            return Err(damaged("the checksum of its table of sections does not fit"));
        }
        let length = u64::from_le_bytes(head[16..24].try_into().expect("eight bytes"));
        if length != bytes.len() as u64 {
            return Err(damaged(&format!("its file has {} bytes instead of {length}", bytes.len())));
        }
        let sections = read_table(table, table_end, bytes.len());
        let sections = sections.ok_or_else(|| damaged("its table of sections does not make sense"))?;
        Ok(Container { folder: folder.to_owned(), bytes, sections })
    }

    /// The segment's folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A section's bytes, checked.
    pub(super) fn section(&self, name: &str) -> Result<&[u8], SegmentError> {
        let section = self.find(name)?;
        let bytes = &self.bytes[section.start..section.end];
        self.check(section, bytes)?;
        Ok(bytes)
    }

    /// A section's bytes, checked, that live on their own.
    pub(super) fn owned_section(&self, name: &str) -> Result<OwnedBytes, SegmentError> {
        let section = self.find(name)?;
        let bytes = self.bytes.slice(section.start..section.end);
        self.check(section, &bytes)?;
        Ok(bytes)
    }

    /// A section's bytes, not checked: its parts carry checksums of their own.
    pub(super) fn unchecked_section(&self, name: &str) -> Result<&[u8], SegmentError> {
        let section = self.find(name)?;
        Ok(&self.bytes[section.start..section.end])
    }

    /// Names of the sections that begin with `prefix`.
    pub(super) fn names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.sections.iter().map(|section| section.name.as_str()).filter(move |name| name.starts_with(prefix))
    }

    /// Name and size of each section.
    pub(super) fn sizes(&self) -> Vec<(String, u64)> {
        self.sections.iter().map(|section| (section.name.clone(), (section.end - section.start) as u64)).collect()
    }

    /// The error for contents that do not make sense although the checksum fits.
    pub(super) fn corrupt(&self, reason: &str) -> SegmentError {
        corrupt(&self.folder, reason)
    }

    fn find(&self, name: &str) -> Result<&Section, SegmentError> {
        let found = self.sections.iter().find(|section| section.name == name);
        found.ok_or_else(|| self.corrupt(&format!("section `{name}` is missing")))
    }

    fn check(&self, section: &Section, bytes: &[u8]) -> Result<(), SegmentError> {
        if *section.intact.get_or_init(|| crc32fast::hash(bytes) == section.crc) {
            return Ok(());
        }
        Err(self.corrupt(&format!("the checksum of section `{}` does not fit", section.name)))
    }
}

fn read_table(table: &[u8], base: usize, size: usize) -> Option<Vec<Section>> {
    let mut reader = Reader(table);
    let count = reader.count()?;
    let mut sections = Vec::with_capacity(count);
    for _ in 0..count {
        let name = reader.text()?.to_owned();
        let start = base.checked_add(usize::try_from(reader.number()?).ok()?)?;
        let end = start.checked_add(usize::try_from(reader.number()?).ok()?)?;
        let crc = u32::from_le_bytes(reader.array()?);
        if end > size {
            return None;
        }
        sections.push(Section { name, start, end, crc, intact: OnceLock::new() });
    }
    Some(sections)
}

pub(super) fn corrupt(folder: &Path, reason: &str) -> SegmentError {
    SegmentError::Corrupt { path: folder.display().to_string(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    fn file() -> Vec<u8> {
        let mut writer = Writer::default();
        writer.add("one", b"first".to_vec());
        writer.add("two", Vec::new());
        writer.add("three", vec![7; 300]);
        writer.finish()
    }

    fn open(bytes: Vec<u8>) -> Result<Container, SegmentError> {
        Container::open(Path::new("/s"), OwnedBytes::new(bytes))
    }

    #[test]
    fn sections_come_back() {
        let container = open(file()).unwrap();
        assert_eq!(container.section("one").unwrap(), b"first");
        assert_eq!(container.section("two").unwrap(), b"");
        assert_eq!(container.owned_section("three").unwrap().as_slice(), [7; 300]);
        assert_eq!(container.names("t").collect::<Vec<_>>(), ["two", "three"]);
        assert!(container.section("four").unwrap_err().to_string().contains("section `four` is missing"));
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut bytes = file();
        bytes[8] = 9;
        assert!(matches!(open(bytes), Err(SegmentError::Newer { found: 9, known: VERSION, .. })));
    }

    proptest! {
        #[test]
        fn every_flipped_bit_is_noticed(bit in 0..file().len() * 8) {
            let mut bytes = file();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let found = open(bytes).and_then(|container| {
                for name in ["one", "two", "three"] {
                    container.section(name)?;
                }
                Ok(())
            });
            prop_assert!(found.is_err());
        }

        #[test]
        fn any_bytes_never_panic(bytes: Vec<u8>, cut in 0usize..400) {
            prop_assert!(open(bytes).is_err());
            let whole = file();
            if cut < whole.len() {
                prop_assert!(open(whole[..cut].to_vec()).is_err());
            }
        }
    }
}
