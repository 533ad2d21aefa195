//! Reads records again, in order.

use crate::format::{RECORD, record_head};
use crate::window::Window;
use crate::{Position, ReadError};
use outside::{Files, OpenMode};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

/// A log segment as far as it was durable when the reader was made.
#[derive(Clone, Debug)]
pub(crate) struct Stretch {
    pub(crate) path: PathBuf,
    /// Where to begin, and which record stands there.
    pub(crate) at: u64,
    pub(crate) position: Position,
    /// End of the durable bytes.
    pub(crate) end: u64,
}

/// Yields the records that were durable when it was made. It stands on its own: the log may be written
/// meanwhile; a log segment cut meanwhile ends it with an error.
#[derive(Debug)]
pub struct Reader {
    files: Arc<dyn Files>,
    from: Position,
    stretches: VecDeque<Stretch>,
    window: Option<Window>,
}

impl Reader {
    pub(crate) fn new(files: Arc<dyn Files>, from: Position, stretches: VecDeque<Stretch>) -> Reader {
        Reader { files, from, stretches, window: None }
    }

    fn step(&mut self) -> Result<Option<(Position, Vec<u8>)>, ReadError> {
        loop {
            let Some(stretch) = self.stretches.front_mut() else { return Ok(None) };
            if stretch.at >= stretch.end {
                self.window = None;
                self.stretches.pop_front();
                continue;
            }
            let failed = |what, path: &PathBuf| {
                let path = path.clone();
                move |source| ReadError::Io { what, path, source }
            };
            let window = match &mut self.window {
                Some(window) => window,
                none => {
                    let opened = self.files.open(&stretch.path, OpenMode::Read);
                    let file = opened.map_err(failed("open log segment", &stretch.path))?;
                    none.insert(Window::new(file, stretch.end))
                }
            };
            let (at, position) = (stretch.at, stretch.position);
            let corrupt = || ReadError::Corrupt { path: stretch.path.clone(), offset: at, position };
            let bytes = window.get(at, RECORD).map_err(failed("read log segment", &stretch.path))?;
            let head = record_head(bytes).filter(|head| head.position == position && head.size() <= stretch.end - at);
            let head = head.ok_or_else(corrupt)?;
            let record = window.get(at, head.size()).map_err(failed("read log segment", &stretch.path))?;
            if !head.fits(record) {
                return Err(corrupt());
            }
            let wanted = (position >= self.from).then(|| record[RECORD as usize..].to_vec());
            stretch.at += head.size();
            stretch.position = position.next();
            if let Some(payload) = wanted {
                return Ok(Some((position, payload)));
            }
        }
    }
}

impl Iterator for Reader {
    type Item = Result<(Position, Vec<u8>), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let stepped = self.step();
        if stepped.is_err() {
            self.stretches.clear();
        }
        stepped.transpose()
    }
}
