//! `/metrics` and `/health` of a shipper on a loopback address: two answers, by a server just large enough for them.
//! Requests are bounded in bytes and time, connections in number.

use shipper::{Handle, Link, Status, Totals};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

const CONNECTIONS_MAX: usize = 16;
const REQUEST_BYTES_MAX: usize = 8 << 10;
const TIMEOUT: Duration = Duration::from_secs(5);

/// Answers until the process ends.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) async fn start(address: SocketAddr, handle: Handle) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    tokio::spawn(async move {
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let handle = handle.clone();
                    tokio::spawn(async move {
                        let _done = tokio::time::timeout(TIMEOUT, exchange(stream, &handle)).await;
                        drop(permit);
                    });
                }
                // Out of descriptors, most likely: others need them more.
                Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
    });
    Ok(bound)
}

async fn exchange(mut stream: TcpStream, handle: &Handle) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut part = [0; 1024];
    while !request.windows(4).any(|w| w == b"\r\n\r\n") {
        let len = stream.read(&mut part).await?;
        request.extend_from_slice(&part[..len]);
        if len == 0 || request.len() > REQUEST_BYTES_MAX {
            return Ok(());
        }
    }
    let text = String::from_utf8_lossy(&request);
    let (status, kind, body) = answer(&text, &handle.status(), handle.is_alive());
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

const TEXT: &str = "text/plain; charset=utf-8";

fn answer(request: &str, status: &Status<Totals>, alive: bool) -> (&'static str, &'static str, String) {
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if !matches!(method, "GET" | "HEAD") {
        return ("405 Method Not Allowed", TEXT, "GET only\n".to_owned());
    }
    match path.split('?').next().unwrap_or_default() {
        "/metrics" => ("200 OK", "text/plain; version=0.0.4; charset=utf-8", metrics(status, alive)),
        "/health" | "/health/ready" => match unwell(status, alive) {
            None => ("200 OK", TEXT, format!("ok: {}\n", status.line())),
            Some(reason) => ("503 Service Unavailable", TEXT, format!("{reason}\n")),
        },
        "/health/live" if alive => ("200 OK", TEXT, "ok\n".to_owned()),
        "/health/live" => ("503 Service Unavailable", TEXT, "its thread is stuck\n".to_owned()),
        _ => ("404 Not Found", TEXT, "/metrics and /health\n".to_owned()),
    }
}

/// Why it does not ship, in one sentence.
fn unwell(status: &Status<Totals>, alive: bool) -> Option<String> {
    if !alive {
        return Some("its thread is stuck, in a read or a sync that does not come back".to_owned());
    }
    let error = || status.last_error.clone().unwrap_or_else(|| status.line());
    match status.link {
        Link::Up | Link::Starting if status.state_unwritable => Some("state files cannot be written".to_owned()),
        Link::Up | Link::Starting => None,
        Link::Down | Link::Unauthorized | Link::Fenced => Some(error()),
    }
}

/// Prometheus' text format.
fn metrics(status: &Status<Totals>, alive: bool) -> String {
    let mut out = String::new();
    let files = &status.files;
    let gauges = [
        ("up", "Whether the indexer answers.", u64::from(status.link == Link::Up)),
        ("alive", "Whether the shipper's thread goes round.", u64::from(alive)),
        ("files", "Files followed.", files.files),
        ("files_failing", "Files that cannot be shipped now.", files.failing),
        ("behind_bytes", "Bytes not yet settled at the indexer.", files.behind_bytes),
        ("behind_seconds", "Age of the oldest of them.", files.behind_seconds),
        ("mark_bytes", "Bytes settled, of the files there are now.", files.mark_bytes),
        ("dead_bytes", "Bytes refused and kept as dead letters.", files.dead_bytes),
        ("excluded_bytes", "Bytes left out by a rule.", files.excluded_bytes),
        ("lost_bytes", "Bytes declared lost, of files that are gone too.", status.lost_bytes),
        ("held_bytes", "Bytes of removed files kept on disk because they are not shipped.", status.held_bytes),
        ("dead_letters", "Events refused and kept as dead letters.", status.dead_letters),
        ("requests", "Requests without answer.", status.requests),
        ("requests_limit", "Requests that may be without answer, by the time answers take.", status.requests_limit),
        ("state_unwritable", "Whether the state files cannot be written.", u64::from(status.state_unwritable)),
        ("left_out_files", "Rotated files left out for their age.", files.left_out),
    ];
    for (name, help, value) in gauges {
        let _infallible = writeln!(
            out,
            "# HELP carbontrail_ship_{name} {help}\n# TYPE carbontrail_ship_{name} gauge\ncarbontrail_ship_{name} {value}"
        );
    }
    let name = "carbontrail_ship_redacted_total";
    let _infallible = writeln!(out, "# HELP {name} Values replaced, by class or rule.\n# TYPE {name} counter");
    for (class, count) in &status.redacted {
        let _infallible = writeln!(out, "{name}{{class=\"{class}\"}} {count}");
    }
    let version = env!("CARGO_PKG_VERSION");
    let _infallible = writeln!(
        out,
        "# HELP carbontrail_ship_info Version.\n# TYPE carbontrail_ship_info gauge\ncarbontrail_ship_info{{version=\"{version}\"}} 1"
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_says_why_nothing_is_shipped() {
        let mut status = Status { link: Link::Up, ..Status::default() };
        assert!(answer("GET /health HTTP/1.1\r\n\r\n", &status, true).0.starts_with("200"));
        let (code, _, text) = answer("GET /health HTTP/1.1\r\n\r\n", &status, false);
        assert!(code.starts_with("503") && text.contains("stuck"));
        status.link = Link::Unauthorized;
        status.last_error = Some("the token is refused".to_owned());
        let (code, _, text) = answer("GET /health/ready HTTP/1.1\r\n\r\n", &status, true);
        assert!(code.starts_with("503") && text.contains("token"), "{text}");
        assert!(answer("GET /health/live HTTP/1.1\r\n\r\n", &status, true).0.starts_with("200"));
        assert!(answer("POST /metrics HTTP/1.1\r\n\r\n", &status, true).0.starts_with("405"));
        assert!(answer("GET /x HTTP/1.1\r\n\r\n", &status, true).0.starts_with("404"));
    }

    #[test]
    fn metrics_are_lines_a_scraper_reads() {
        let file = shipper::FileStatus { behind_bytes: 7, lost_bytes: 2, ..shipper::FileStatus::default() };
        let mut files = Totals::default();
        files.add(&file);
        let mut status = Status { files, link: Link::Up, lost_bytes: 3, ..Status::default() };
        status.redacted.insert("jwt".to_owned(), 2);
        let text = metrics(&status, true);
        for line in ["carbontrail_ship_behind_bytes 7", "carbontrail_ship_lost_bytes 3", "carbontrail_ship_up 1"] {
            assert!(text.lines().any(|l| l == line), "{text}");
        }
        assert!(text.contains("carbontrail_ship_redacted_total{class=\"jwt\"} 2"));
        for line in text.lines().filter(|l| !l.starts_with('#')) {
            assert!(line.split(' ').nth(1).is_some_and(|v| v.parse::<u64>().is_ok()), "{line}");
        }
    }
}
