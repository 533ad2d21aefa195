//! The words of a segment: tantivy's inverted index, word -> rows. The only place where tantivy is spoken to.
//!
//! One field, no positions, frequencies or norms; the doc store and fast fields stay empty, since events and
//! columns have sections of their own. The index is built in memory and its files become sections
//! `words/NAME` of the segment's one file; they are read where they lie.

use super::container::{Container, Writer};
use crate::store::segment::SegmentError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    Directory, DirectoryLock, FileHandle, Lock, OwnedBytes, RamDirectory, WatchCallback, WatchCallbackList,
    WatchHandle, WritePtr,
};
use tantivy::index::InvertedIndexReader;
use tantivy::indexer::SingleSegmentIndexWriter;
use tantivy::postings::{SegmentPostings, TermInfo};
use tantivy::schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::store::{Compressor, ZstdCompressor};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use tantivy::{Index, IndexSettings, TantivyDocument, TantivyError};

const PREFIX: &str = "words/";
const META: &str = "meta.json";
const TOKENIZER: &str = "blanks";
/// Decides the size of the writer's hash table only; it grows beyond.
const TABLE_BYTES: usize = 64 << 20;

/// Collects the words of a segment, row by row.
pub(super) struct TermsWriter {
    writer: SingleSegmentIndexWriter,
    directory: RamDirectory,
    field: Field,
}

impl TermsWriter {
    pub(super) fn new() -> Result<TermsWriter, TantivyError> {
        let directory = RamDirectory::create();
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(TOKENIZER)
            .set_index_option(IndexRecordOption::Basic)
            .set_fieldnorms(false);
        let mut schema = Schema::builder();
        let field = schema.add_text_field("words", TextOptions::default().set_indexing_options(indexing));
        let settings = IndexSettings {
            // It holds nothing, but that per row.
            docstore_compression: Compressor::Zstd(ZstdCompressor::default()),
            docstore_compress_dedicated_thread: false,
            ..IndexSettings::default()
        };
        let index = Index::builder().schema(schema.build()).settings(settings);
        let manager = tantivy::tokenizer::TokenizerManager::new();
        manager.register(TOKENIZER, Blanks::default());
        let writer = index.tokenizers(manager).single_segment_index_writer(directory.clone(), TABLE_BYTES)?;
        Ok(TermsWriter { writer, directory, field })
    }

    /// Adds the next row: its words, each followed by a blank.
    pub(super) fn add(&mut self, words: &str) -> Result<(), TantivyError> {
        let mut document = TantivyDocument::new();
        document.add_text(self.field, words);
        self.writer.add_document(document)
    }

    /// Adds the index's files to the segment's.
    pub(super) fn finish(self, out: &mut Writer) -> Result<(), TantivyError> {
        let index = self.writer.finalize()?;
        for path in index.directory().list_managed_files() {
            let name = path.to_string_lossy();
            let bytes = if name == META {
                self.directory.atomic_read(&path)?
            } else {
                let file = self.directory.open_read(&path)?;
                file.read_bytes()?.as_slice().to_vec()
            };
            out.add(format!("{PREFIX}{name}"), bytes);
        }
        Ok(())
    }
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

/// Splits at blanks; nothing else, since the words were taken apart and folded before.
#[derive(Clone, Debug, Default)]
struct Blanks(Token);

struct BlanksStream<'a> {
    token: &'a mut Token,
    rest: &'a str,
}

impl Tokenizer for Blanks {
    type TokenStream<'a> = BlanksStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> BlanksStream<'a> {
        self.0.reset();
        BlanksStream { token: &mut self.0, rest: text }
    }
}

impl TokenStream for BlanksStream<'_> {
    fn advance(&mut self) -> bool {
        let Some((word, rest)) = self.rest.split_once(' ') else { return false };
        self.rest = rest;
        self.token.text.clear();
        self.token.text.push_str(word);
        self.token.position = 0;
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
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
