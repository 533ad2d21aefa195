//! The web view: the built files of `dashboards/dist`, part of the program.

use super::refusal::Refusal;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};

/// One file of the web view.
struct Built {
    path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    brotli: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/web_view.rs"));

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>carbontrail</title>\
    <h1>carbontrail</h1><p>The web view is not built into this program: dashboards/dist was empty when it was compiled. \
    Everything else works: try <a href=\"/v1/search?limit=10\">/v1/search?limit=10</a> or the command \
    <code>carbontrail search</code>. What can be asked is in <a href=\"/openapi.json\">/openapi.json</a>.</p></html>\n";

/// Any path that is nothing else. The view has addresses of its own (`/search`), all answered by its first file.
pub(super) async fn file(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    let of_view = !path.contains('.') && !["/v1", "/health", "/_bulk"].iter().any(|other| path.starts_with(other));
    if method != Method::GET && method != Method::HEAD {
        return Refusal::not_found().into_response();
    }
    let wanted = if of_view { "/index.html" } else { path };
    match BUILT.iter().find(|file| file.path == wanted) {
        Some(file) => found(file, &headers),
        None if of_view => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], NOT_BUILT).into_response(),
        None => Refusal::not_found().into_response(),
    }
}

fn found(file: &'static Built, headers: &HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let takes_brotli = accepted.split(',').any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim() == "br" && quality.trim() != "q=0"
    });
    let brotli = file.brotli.filter(|_| takes_brotli);
    let mut response = brotli.unwrap_or(file.bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if brotli.is_some() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    // Names in assets/ have a hash of their content in them.
    let lasting = file.path.starts_with("/assets/");
    let cache = if lasting { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}
