//! The words of a segment: tantivy's inverted index, word -> rows. The only place where tantivy is spoken to.
//!
//! One field, no positions, frequencies or norms; the doc store and fast fields stay empty, since events and
//! columns have sections of their own. The index is built in memory and its files become sections
//! `words/NAME` of the segment's one file; they are read where they lie.

use super::container::{Container, Writer};
use super::{hasher, varint};
use crate::store::segment::SegmentError;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    Directory, DirectoryLock, FileHandle, Lock, OwnedBytes, RamDirectory, WatchCallback, WatchCallbackList,
    WatchHandle, WritePtr,
};
use tantivy::index::InvertedIndexReader;
use tantivy::postings::{FieldSerializer, InvertedIndexSerializer, SegmentPostings, TermInfo};
use tantivy::schema::{IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::store::{Compressor, ZstdCompressor};
use tantivy::{Index, IndexSettings, TantivyDocument, TantivyError};

const PREFIX: &str = "words/";
const META: &str = "meta.json";
/// tantivy's writer gets no words; this is the least it takes.
const TABLE_BYTES: usize = 15 << 20;

/// The words of a segment being built, each with the rows that have it.
///
/// Collected here and not by tantivy's writer, which wants a document a row and its words as text: it would take them
/// apart, hash and copy them once more. tantivy writes the files, whose form stays its own.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    numbers: HashMap<Box<str>, u32, hasher::Build>,
    rows: Vec<Rows>,
    /// Pairs of a word and a row.
    total: u64,
}

/// The rows of one word: distances between them.
#[derive(Debug, Default)]
struct Rows {
    count: u32,
    /// One more than the last row.
    end: u32,
    distances: Vec<u8>,
}

impl Dictionary {
    /// The number of a word.
    pub(super) fn number(&mut self, word: &str) -> u32 {
        if let Some(&number) = self.numbers.get(word) {
            return number;
        }
        let number = self.rows.len() as u32;
        self.numbers.insert(word.into(), number);
        self.rows.push(Rows::default());
        number
    }

    /// The row has the word of that number; rows come in order, a word may be told twice.
    pub(super) fn add(&mut self, number: u32, row: u32) {
        let rows = &mut self.rows[number as usize];
        if rows.end == row + 1 {
            return;
        }
        varint::put(&mut rows.distances, u64::from(row + 1 - rows.end));
        rows.end = row + 1;
        rows.count += 1;
        self.total += 1;
    }

    /// Adds the index's files to the segment's.
    pub(super) fn finish(self, rows: u32, out: &mut Writer) -> Result<(), TantivyError> {
        let directory = RamDirectory::create();
        let indexing = TextFieldIndexing::default().set_index_option(IndexRecordOption::Basic).set_fieldnorms(false);
        let mut schema = Schema::builder();
        let field = schema.add_text_field("words", TextOptions::default().set_indexing_options(indexing));
        let settings = IndexSettings {
            // It holds nothing, but that per row.
            docstore_compression: Compressor::Zstd(ZstdCompressor::default()),
            docstore_compress_dedicated_thread: false,
            ..IndexSettings::default()
        };
        let index = Index::builder().schema(schema.build()).settings(settings);
        let mut writer = index.single_segment_index_writer(directory.clone(), TABLE_BYTES)?;
        for _ in 0..rows {
            writer.add_document(TantivyDocument::new())?;
        }
        let index = writer.finalize()?;
        let words = index.new_segment();
        let mut serializer = InvertedIndexSerializer::open(&words)?;
        self.put_words(serializer.new_field(field, self.total, None)?)?;
        serializer.close()?;
        put_files(&index, &directory, &words.id().uuid_string(), out)
    }

    #[cfg(test)]
    pub(super) fn rows_by_word(&self) -> std::collections::BTreeMap<String, Vec<u32>> {
        let rows = |number: u32| {
            let (mut distances, mut end) = (varint::Reader(&self.rows[number as usize].distances), 0);
            std::iter::from_fn(|| distances.number().map(|distance| (end += distance as u32, end - 1).1)).collect()
        };
        self.numbers.iter().map(|(word, &number)| (word.to_string(), rows(number))).collect()
    }

    fn put_words(&self, mut field: FieldSerializer<'_>) -> std::io::Result<()> {
        let mut sorted: Vec<(&str, u32)> = self.numbers.iter().map(|(word, number)| (&**word, *number)).collect();
        sorted.sort_unstable();
        for (word, number) in sorted {
            let rows = &self.rows[number as usize];
            if rows.count == 0 {
                continue;
            }
            field.new_term(word.as_bytes(), rows.count, false)?;
            let (mut distances, mut end) = (varint::Reader(&rows.distances), 0);
            while let Some(distance) = distances.number() {
                end += distance as u32;
                field.write_doc(end - 1, 0, &[]);
            }
            field.close_term()?;
        }
        field.close()
    }
}

/// The files of an index whose words are in the files of another segment: those take the place of its own empty ones.
fn put_files(index: &Index, directory: &RamDirectory, words: &str, out: &mut Writer) -> Result<(), TantivyError> {
    let own = index.searchable_segments()?.first().map(|segment| segment.id().uuid_string()).unwrap_or_default();
    let mut paths: Vec<PathBuf> = index.directory().list_managed_files().into_iter().collect();
    paths.sort();
    let of_words: Vec<String> =
        paths.iter().filter_map(|path| path.to_str()?.strip_prefix(words).map(str::to_owned)).collect();
    for path in &paths {
        let name = path.to_string_lossy().into_owned();
        if name == META {
            out.add(format!("{PREFIX}{name}"), directory.atomic_read(path)?);
            continue;
        }
        let name = match (name.strip_prefix(words), name.strip_prefix(&own)) {
            (Some(rest), _) => format!("{own}{rest}"),
            (None, Some(rest)) if of_words.iter().any(|other| other == rest) => continue,
            _ => name,
        };
        let bytes = directory.open_read(path)?.read_bytes()?.as_slice().to_vec();
        out.add(format!("{PREFIX}{name}"), bytes);
    }
    Ok(())
}

/// The words of an open segment.
pub(super) struct Terms {
    inverted: Arc<InvertedIndexReader>,
    folder: PathBuf,
}

impl std::fmt::Debug for Terms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terms").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// A word of the dictionary.
#[derive(Clone, Debug)]
pub(super) struct Term(TermInfo);

impl Term {
    /// Number of rows that have it.
    pub(super) fn rows(&self) -> u32 {
        self.0.doc_freq
    }
}

impl Terms {
    pub(super) fn open(container: &Container) -> Result<Terms, SegmentError> {
        let mut files = Vec::new();
        for name in container.names(PREFIX) {
            files.push((PathBuf::from(&name[PREFIX.len()..]), container.owned_section(name)?));
        }
        let failed = |error: TantivyError| container.corrupt(&format!("its words cannot be read: {error}"));
        let index = Index::open(Packed(Arc::new(files))).map_err(failed)?;
        let segments = index.searchable_segments().map_err(failed)?;
        let [segment] = segments.as_slice() else {
            return Err(container.corrupt("its words are not in one part"));
        };
        let field = index.schema().get_field("words").map_err(failed)?;
        let reader = tantivy::SegmentReader::open(segment).map_err(failed)?;
        let inverted = reader.inverted_index(field).map_err(failed)?;
        Ok(Terms { inverted, folder: container.folder().to_owned() })
    }

    /// A word, if the dictionary has it.
    pub(super) fn find(&self, word: &str) -> Result<Option<Term>, SegmentError> {
        let found = self.inverted.terms().get(word.as_bytes());
        found.map(|info| info.map(Term)).map_err(|error| self.failed(&error))
    }

    /// All words that begin with `prefix` and are `wanted`.
    pub(super) fn walk(&self, prefix: &str, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Term>, SegmentError> {
        let range = self.inverted.terms().range().ge(prefix.as_bytes());
        let mut stream = range.into_stream().map_err(|error| self.failed(&error))?;
        let mut found = Vec::new();
        while let Some((word, info)) = stream.next() {
            let Ok(word) = std::str::from_utf8(word) else { continue };
            if !word.starts_with(prefix) {
                break;
            }
            if wanted(word) {
                found.push(Term(info.clone()));
            }
        }
        Ok(found)
    }

    /// The rows of a word, ascending.
    pub(super) fn postings(&self, term: &Term) -> Result<SegmentPostings, SegmentError> {
        let postings = self.inverted.read_postings_from_terminfo(&term.0, IndexRecordOption::Basic);
        postings.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &std::io::Error) -> SegmentError {
        super::container::corrupt(&self.folder, &format!("its words cannot be read: {error}"))
    }
}

/// The index's files, read-only, in memory or mapped.
#[derive(Clone, Debug)]
struct Packed(Arc<Vec<(PathBuf, OwnedBytes)>>);

impl Packed {
    fn find(&self, path: &Path) -> Result<OwnedBytes, OpenReadError> {
        let found = self.0.iter().find(|(name, _)| name == path);
        found.map(|(_, bytes)| bytes.clone()).ok_or_else(|| OpenReadError::FileDoesNotExist(path.to_owned()))
    }
}

fn read_only() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::ReadOnlyFilesystem, "a segment is not written to")
}

impl Directory for Packed {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        Ok(Arc::new(self.find(path)?))
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        Err(DeleteError::IoError { io_error: Arc::new(read_only()), filepath: path.to_owned() })
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        Ok(self.find(path).is_ok())
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        Err(OpenWriteError::wrap_io_error(read_only(), path.to_owned()))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.find(path).map(|bytes| bytes.as_slice().to_vec())
    }

    fn atomic_write(&self, _path: &Path, _data: &[u8]) -> std::io::Result<()> {
        Err(read_only())
    }

    fn sync_directory(&self) -> std::io::Result<()> {
        Ok(())
    }

    fn acquire_lock(&self, _lock: &Lock) -> Result<DirectoryLock, LockError> {
        // Nothing is ever written: there is nothing to lock against.
        Ok(DirectoryLock::from(Box::new(())))
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchCallbackList::default().subscribe(callback))
    }
}
