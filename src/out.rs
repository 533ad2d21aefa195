//! Standard output, written so that a reader who has seen enough ends the command quietly.

use anstyle::Style;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};

/// The reader of standard output went away. Not a failure: `main` ends with 0.
#[derive(Debug, thiserror::Error)]
#[error("standard output was closed")]
pub(crate) struct Closed;

/// Standard output.
#[derive(Debug)]
pub(crate) struct Out {
    inner: BufWriter<io::StdoutLock<'static>>,
    colours: bool,
}

impl Out {
    /// Takes standard output.
    pub(crate) fn new() -> Out {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let colours = is_terminal() && !no_colour && std::env::var_os("TERM").is_none_or(|t| t != "dumb");
        Out { inner: BufWriter::new(io::stdout().lock()), colours }
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// [`Closed`], or what the system said.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        told(self.inner.write_all(bytes))
    }

    /// Writes a line.
    ///
    /// # Errors
    /// As [`Out::bytes`].
    pub(crate) fn line(&mut self, line: &str) -> anyhow::Result<()> {
        self.bytes(line.as_bytes())?;
        self.bytes(b"\n")
    }

    /// Text in a style, plain where colours are off.
    pub(crate) fn styled(&self, style: Style, text: &str) -> String {
        if self.colours { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// Hands what was written to the reader.
    ///
    /// # Errors
    /// As [`Out::bytes`].
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        told(self.inner.flush())
    }
}

fn told(result: io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Closed.into()),
        other => Ok(other?),
    }
}

/// Whether standard output is a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}
