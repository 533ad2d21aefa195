//! Who is answered at all, and the headers of every answer.

use super::refusal::Refusal;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// How a request came in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reached {
    /// At a loopback address.
    pub(super) loopback: bool,
}

/// What a browser may do with what comes from here: nothing but show our own view.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types svelte-trusted-html";

/// Answer to reads at any address but loopback.
pub(super) async fn loopback_only() -> Refusal {
    let message = "reading is answered on loopback only: people cannot log in yet, so whoever reached this address could read everything";
    Refusal::new(StatusCode::FORBIDDEN, "loopback_only", message)
        .hint("on this machine, ask the address 127.0.0.1 that the server also listens on (`--listen 127.0.0.1:7600`)")
}

/// Lets through only what was meant for this machine: a page whose name was pointed to 127.0.0.1 has another `Host`,
/// one of another site has another `Origin`.
pub(super) async fn same_machine(request: Request, next: Next) -> Response {
    let headers = request.headers();
    // HTTP/2 has the host in the address.
    let in_address = request.uri().authority().map(|authority| authority.as_str());
    let host = in_address.or(text(headers, header::HOST.as_str()));
    let refused = |what: &str| {
        Refusal::new(StatusCode::FORBIDDEN, "host", format!("{what} is not this machine"))
            .hint("use http://127.0.0.1 or http://localhost with the port")
            .into_response()
    };
    let Some(host) = host.filter(|host| is_loopback(host)) else { return refused("the name in `Host`") };
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        if origin.split_once("://").map(|(_, origin)| origin) != Some(host) {
            return refused("the page in `Origin`");
        }
    }
    let from_elsewhere = text(headers, "sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    if from_elsewhere && request.uri().path().starts_with("/v1/") {
        return refused("the page that asks");
    }
    next.run(request).await
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether a host, with or without port, names this machine's loopback.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|b| b.is_ascii_digit()) && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Headers of every answer.
pub(super) async fn headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine() {
        for host in ["localhost", "LocalHost:7600", "127.0.0.1:7600", "127.0.0.1", "[::1]:7600", "[::1]", "127.1.2.3"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:7600",
            "10.0.0.1",
            "",
            "0.0.0.0:7600",
            "[::2]:1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
