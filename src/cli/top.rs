//! `carbontrail top`: which files are written, how fast, and does shipping keep up? Drawn again and again from the status
//! file that the shipper keeps in its state folder, so it costs the shipper nothing.

use super::status::{self, Place};
use crate::config::units::show_size;
use crate::out::{self, Out};
use crate::rim;
use shipper::{FileStatus, Status};
use std::collections::HashMap;
use std::time::Duration;

/// Shows the busiest files, again and again: bytes written and shipped a second, and how far behind.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  carbontrail top --rows 10\n\nCtrl-C ends it. Where standard output is no terminal, each round is \
    printed below the one before."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Time between two looks.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = crate::shipping::parse_duration)]
    every: Duration,
    /// Files shown.
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    rows: usize,
    /// End after so many rounds.
    #[arg(long, value_name = "NUMBER")]
    rounds: Option<u64>,
}

/// Between two looks lies at least this much.
const EVERY_MIN: Duration = Duration::from_millis(200);

/// Cursor to the upper left, and everything below it away.
const CLEAR: &[u8] = b"\x1b[H\x1b[J";

/// Runs the command.
///
/// # Errors
/// When no shipper has written a status there.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = arguments.place.folder()?;
    let mut before = status::read(&folder)?;
    let (mut out, mut round) = (Out::new(), 0);
    while arguments.rounds.is_none_or(|rounds| round < rounds) {
        rim::pause(arguments.every.max(EVERY_MIN));
        let now = status::read(&folder)?;
        if out::is_terminal() {
            out.bytes(CLEAR)?;
        }
        let is_stale = status::is_stale(&folder, rim::age_of(now.taken_ns));
        for line in screen(&before, &now, is_stale, arguments.rows) {
            out.line(&line)?;
        }
        out.flush()?;
        // One that was not written anew says that nothing happened; the rates of the next are from here on.
        before = now;
        round += 1;
    }
    Ok(())
}

/// A file, and what happened to it between two looks.
#[derive(Debug)]
struct Row<'s> {
    file: &'s FileStatus,
    /// Bytes a second that came, and that were settled.
    written: u64,
    shipped: u64,
}

/// Rows, the busiest first; then what is furthest behind.
fn rows<'s>(before: &Status, now: &'s Status) -> Vec<Row<'s>> {
    let known: HashMap<&str, &FileStatus> = before.files.iter().map(|file| (file.stream.as_str(), file)).collect();
    let passed = now.taken_ns.saturating_sub(before.taken_ns).max(0) as f64 / 1e9;
    let rate = |from: u64, to: u64| if passed > 0.0 { (to.saturating_sub(from) as f64 / passed) as u64 } else { 0 };
    let row = |file: &'s FileStatus| match known.get(file.stream.as_str()).filter(|_| !file.stream.is_empty()) {
        Some(old) => Row { file, written: rate(old.size, file.size), shipped: rate(old.mark, file.mark) },
        // Seen for the first time: when its bytes came is not known.
        None => Row { file, written: 0, shipped: 0 },
    };
    let mut rows: Vec<Row<'_>> = now.files.iter().map(row).collect();
    rows.sort_by(|a, b| {
        let key = |row: &Row<'_>| (row.written.max(row.shipped), row.file.behind_bytes);
        key(b).cmp(&key(a)).then_with(|| a.file.path.cmp(&b.file.path))
    });
    rows
}

fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

/// All lines of one round.
fn screen(before: &Status, now: &Status, is_stale: bool, most: usize) -> Vec<String> {
    let rows = rows(before, now);
    let sum = |of: fn(&Row<'_>) -> u64| rows.iter().map(of).sum::<u64>();
    let mut lines = vec![
        format!(
            "{}; written {}/s, shipped {}/s, behind {}; {} of {} requests on their way",
            files(rows.len()),
            show_size(sum(|row| row.written)),
            show_size(sum(|row| row.shipped)),
            show_size(sum(|row| row.file.behind_bytes)),
            now.requests,
            now.requests_limit,
        ),
        match status::trouble(now, is_stale) {
            Some(trouble) => format!("not well: {trouble}"),
            None if is_stale => "no shipper is running".to_owned(),
            None => "all well".to_owned(),
        },
    ];
    let kept = [("held on disk until shipped", now.held_bytes), ("lost", now.lost_bytes)];
    let kept =
        kept.into_iter().filter(|(_, bytes)| *bytes > 0).map(|(what, bytes)| format!("{} {what}", show_size(bytes)));
    let letters = (now.dead_letters > 0).then(|| format!("{} dead letter(s)", now.dead_letters));
    let kept: Vec<String> = kept.chain(letters).collect();
    if !kept.is_empty() {
        lines.push(kept.join(", "));
    }
    lines.push(String::new());
    lines.push(format!("{:>12} {:>12} {:>10} {:>8}  FILE", "WRITTEN/s", "SHIPPED/s", "BEHIND", "FOR"));
    for Row { file, written, shipped } in rows.iter().take(most) {
        let behind_for = if file.behind_bytes > 0 { format!("{} s", file.behind_seconds) } else { "-".to_owned() };
        lines.push(format!(
            "{:>12} {:>12} {:>10} {behind_for:>8}  {}{}",
            show_size(*written),
            show_size(*shipped),
            show_size(file.behind_bytes),
            file.path,
            file.last_error.as_ref().map(|error| format!("  ({error})")).unwrap_or_default(),
        ));
    }
    if rows.len() > most {
        lines.push(format!("and {} more; --rows shows them", rows.len() - most));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use shipper::Link;

    fn file(path: &str, stream: &str, size: u64, mark: u64) -> FileStatus {
        let behind_bytes = size - mark;
        FileStatus {
            path: path.to_owned(),
            stream: stream.to_owned(),
            size,
            mark,
            behind_bytes,
            ..FileStatus::default()
        }
    }

    fn status(seconds: i64, files: Vec<FileStatus>) -> Status {
        Status { taken_ns: seconds * 1_000_000_000, link: Link::Up, files, ..Status::default() }
    }

    #[test]
    fn rates_are_those_between_the_two_moments_by_stream_and_not_by_name() {
        let before = status(100, vec![file("a.log", "1", 5000, 5000), file("b.log", "2", 100, 0)]);
        let files = vec![file("b.log", "2", 300, 100), file("a.log.1", "1", 9000, 8000), file("a.log", "3", 70_000, 0)];
        let now = status(102, files);
        let rows = rows(&before, &now);
        let seen: Vec<_> = rows.iter().map(|r| (r.file.path.as_str(), r.written, r.shipped)).collect();
        assert_eq!(seen, [("a.log.1", 2000, 1500), ("b.log", 100, 50), ("a.log", 0, 0)]);
        // The same status again: nothing happened.
        assert!(super::rows(&now, &now).iter().all(|r| r.written == 0 && r.shipped == 0));
        // A file that was truncated, and a clock that was set back.
        let back = status(90, vec![file("b.log", "2", 10, 10)]);
        let odd = super::rows(&now, &back);
        assert_eq!((odd[0].written, odd[0].shipped), (0, 0));
    }

    #[test]
    fn a_screen_says_what_is_not_well_and_how_much_it_leaves_out() {
        let mut now = status(100, (0..5).map(|n| file(&format!("{n}.log"), &n.to_string(), 2048, 1024)).collect());
        (now.lost_bytes, now.dead_letters, now.link) = (10, 2, Link::Down);
        let lines = screen(&now, &now, false, 3).join("\n");
        for part in ["5 files", "behind 5 KiB", "not well: the indexer", "10 B lost, 2 dead letter(s)", "and 2 more"] {
            assert!(lines.contains(part), "{part} is missing in: {lines}");
        }
        let well = status(100, vec![file("a.log", "1", 10, 10)]);
        assert!(screen(&well, &well, false, 3).contains(&"all well".to_owned()));
        assert!(screen(&well, &well, true, 3).contains(&"no shipper is running".to_owned()));
    }
}
