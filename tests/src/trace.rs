//! What happened in a run, line by line, for whoever looks into a failing seed (`SIMULATION_TRACE=1`).

use std::cell::RefCell;

thread_local! {
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Notes from now on what happens on this thread.
pub(crate) fn begin() {
    LINES.set(Some(Vec::new()));
}

/// Everything noted since.
pub(crate) fn take() -> Vec<String> {
    LINES.take().unwrap_or_default()
}

/// Notes one thing, if anybody wants to know.
pub(crate) fn note(line: impl FnOnce() -> String) {
    LINES.with_borrow_mut(|lines| {
        if let Some(lines) = lines {
            lines.push(line());
        }
    });
}
