//! Requests on their way: over HTTP, or by call when the indexer lives in the same process.

use crate::core::SendError;
use std::fmt;
use std::time::Duration;
use wire::{Answer, Draft, Limits};

/// Takes requests to an indexer. Must not block; the answer comes through `answer`, from any thread.
pub trait Forward: Send + Sync {
    /// Sends one request.
    fn send(&self, request: Draft, answer: AnswerTo);
}

impl<F: Fn(Draft, AnswerTo) + Send + Sync> Forward for F {
    fn send(&self, request: Draft, answer: AnswerTo) {
        self(request, answer);
    }
}

type Reply = Box<dyn FnOnce(Result<Answer, SendError>) + Send>;

/// Where an answer goes. Dropped without one, the request counts as not answered.
pub struct AnswerTo(Option<Reply>);

impl AnswerTo {
    /// An answer goes to `reply`.
    pub fn new(reply: impl FnOnce(Result<Answer, SendError>) + Send + 'static) -> AnswerTo {
        AnswerTo(Some(Box::new(reply)))
    }

    /// Gives the answer.
    pub fn give(mut self, result: Result<Answer, SendError>) {
        if let Some(reply) = self.0.take() {
            reply(result);
        }
    }
}

impl Drop for AnswerTo {
    fn drop(&mut self) {
        if let Some(reply) = self.0.take() {
            reply(Err(SendError::Unreachable("the request was given up".to_owned())));
        }
    }
}

impl fmt::Debug for AnswerTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnswerTo")
    }
}

/// Why requests cannot be sent at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForwardError {
    /// The address is none.
    #[error("`{0}` is not the address of an indexer; write it as https://HOST:PORT")]
    Address(String),
    /// A certificate, key or proxy that cannot be used.
    #[error("{what} cannot be used: {why}")]
    Setting {
        /// Which.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// The HTTP client or its threads could not be made.
    #[error("failed to set up the way to the indexer: {0}")]
    Setup(String),
}

/// How the indexer is reached, besides its address.
#[derive(Clone, Default)]
pub struct Way {
    /// Certificates of authorities to trust besides the host's own, PEM.
    pub authorities: Option<Vec<u8>>,
    /// Certificate and key that this shipper shows (mutual TLS), PEM, one after the other.
    pub identity: Option<Vec<u8>>,
    /// HTTP proxy on the way; else what the environment says.
    pub proxy: Option<String>,
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").field("identity", &self.identity.is_some()).finish_non_exhaustive()
    }
}

impl Way {
    fn apply(&self, mut client: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, ForwardError> {
        let wrong = |what| move |error: reqwest::Error| ForwardError::Setting { what, why: chain(&error) };
        if let Some(pem) = &self.authorities {
            let what = "the file of authorities (`ca_file`)";
            let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(wrong(what))?;
            if certificates.is_empty() {
                return Err(ForwardError::Setting { what, why: "it holds no certificate in PEM".to_owned() });
            }
            client = client.tls_certs_merge(certificates);
        }
        if let Some(pem) = &self.identity {
            let what = "the client certificate or its key (`client_cert`, `client_key`)";
            client = client.identity(reqwest::Identity::from_pem(pem).map_err(wrong(what))?);
        }
        if let Some(proxy) = &self.proxy {
            client = client.proxy(reqwest::Proxy::all(proxy).map_err(wrong("the proxy (`proxy`)"))?);
        }
        Ok(client)
    }
}

/// Sends to `POST {to}/v1/batches`.
#[derive(Debug)]
pub struct HttpForward {
    client: reqwest::Client,
    address: reqwest::Url,
    /// The address for people: without path, and with the proxy on the way.
    place: String,
    token: Option<Token>,
    runtime: Option<tokio::runtime::Runtime>,
}

/// An agent token; never shown.
#[derive(Clone)]
struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for an answer. The indexer answers after its fsync, so a loaded disk may take its time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// The same for who only wants to know whether one comes.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer that is no answer, shown to people.
const REASON_BYTES_MAX: usize = 200;
/// Requests of so many bytes of events are compressed on a thread of their own.
const COMPRESSED_ALONE_BYTES: usize = 1 << 20;
/// Answers are small; this is far above the largest.
const ANSWER_BYTES_MAX: usize = 16 << 20;

impl HttpForward {
    /// Sends to the indexer at `to`, with an agent token where one is needed.
    ///
    /// # Errors
    /// See [`ForwardError`].
    pub fn new(to: &str, token: Option<String>) -> Result<HttpForward, ForwardError> {
        HttpForward::by(to, token, &Way::default())
    }

    /// As [`HttpForward::new`], by a way of its own.
    ///
    /// # Errors
    /// See [`ForwardError`].
    pub fn by(to: &str, token: Option<String>, way: &Way) -> Result<HttpForward, ForwardError> {
        let address = format!("{}/v1/batches", to.trim_end_matches('/'));
        let address = reqwest::Url::parse(&address).map_err(|_| ForwardError::Address(to.to_owned()))?;
        if !matches!(address.scheme(), "http" | "https") || address.host_str().is_none() {
            return Err(ForwardError::Address(to.to_owned()));
        }
        let mut client = way.apply(reqwest::Client::builder())?;
        if !speaks_tls(&address, way.proxy.as_deref()) {
            // None are missed then: a small host may have none, and they take memory.
            client = client.tls_certs_only([]);
        }
        let client = client
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("carbontrail/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| refused_to_build(&e))?;
        let place = place(&address, way.proxy.as_deref());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            // One compresses all: each has a compressor and buffers of its own, and one keeps up with what one reads.
            .max_blocking_threads(1)
            .thread_name("forward")
            .enable_all()
            .build()
            .map_err(|e| ForwardError::Setup(e.to_string()))?;
        Ok(HttpForward { client, address, place, token: token.map(Token), runtime: Some(runtime) })
    }
}

/// How an indexer answers to a request that holds nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The status: 401 and 403 tell of the token.
    pub status: u16,
    /// Its clock, as the header `date` has it.
    pub date: Option<String>,
}

impl HttpForward {
    /// Asks whether the indexer would take batches, by the very way that batches take. Waits for the answer.
    ///
    /// # Errors
    /// When it cannot be reached: where, why, and what to look at.
    pub fn probe(&self) -> Result<Probe, SendError> {
        let gone = || SendError::Unreachable("the request was given up".to_owned());
        let runtime = self.runtime.as_ref().ok_or_else(gone)?;
        // Timers are made inside the runtime only.
        let sent = runtime.block_on(async { self.call().timeout(PROBE_TIMEOUT).body("").send().await });
        let response = sent.map_err(|error| at(&self.place, SendError::Unreachable(chain(&error))))?;
        let date = response.headers().get("date").and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Probe { status: response.status().as_u16(), date })
    }

    fn call(&self) -> reqwest::RequestBuilder {
        let call = self.client.post(self.address.clone()).header("content-type", "application/x-carbontrail");
        match &self.token {
            Some(Token(token)) => call.bearer_auth(token),
            None => call,
        }
    }
}

impl Forward for HttpForward {
    fn send(&self, request: Draft, answer: AnswerTo) {
        let Some(runtime) = &self.runtime else { return };
        let call = self.call();
        let place = self.place.clone();
        runtime.spawn(async move {
            // Compressing 4 MiB takes some ten milliseconds: not on a thread that serves sockets. Waking another one costs more
            // than a small request.
            let body = match request.event_bytes() {
                ..COMPRESSED_ALONE_BYTES => Ok(wire::encode_draft(&request)),
                _ => tokio::task::spawn_blocking(move || wire::encode_draft(&request)).await,
            };
            let result = match body {
                Ok(body) => exchange(call.body(body)).await.map_err(|error| at(&place, error)),
                Err(error) => Err(SendError::Refused(format!("the request could not be encoded: {error}"))),
            };
            answer.give(result);
        });
    }
}

impl Drop for HttpForward {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Whether TLS is spoken on the way: to the indexer, or to a proxy.
fn speaks_tls(address: &reqwest::Url, proxy: Option<&str>) -> bool {
    let is_secured = |url: &str| url.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("https:"));
    let proxies = PROXY_VARIABLES.iter().filter_map(|name| std::env::var(name).ok());
    is_secured(address.as_str()) || proxy.is_some_and(is_secured) || proxies.into_iter().any(|url| is_secured(&url))
}

fn refused_to_build(error: &reqwest::Error) -> ForwardError {
    match chain(error) {
        why if why.contains("No CA certificates") => ForwardError::Setting {
            what: "TLS",
            why:
                "this host trusts no authority; install its package of them (`ca-certificates`), or name the indexer's \
                  own (`ca_file`)"
                    .to_owned(),
        },
        why if why.contains("KeyMismatch") => ForwardError::Setting {
            what: "the client certificate (`client_cert`)",
            why: "the key (`client_key`) is not its key".to_owned(),
        },
        why => ForwardError::Setup(why),
    }
}

fn place(address: &reqwest::Url, proxy: Option<&str>) -> String {
    // An address may hold a user and a password, which are nobody's business.
    let shown = |url: &reqwest::Url| url.origin().ascii_serialization();
    match proxy.and_then(|proxy| reqwest::Url::parse(proxy).ok()) {
        Some(proxy) => format!("{} by way of the proxy {}", shown(address), shown(&proxy)),
        None => match PROXY_VARIABLES.into_iter().find(|name| std::env::var_os(name).is_some()) {
            Some(name) => format!("{} (perhaps by way of a proxy: {name} is set)", shown(address)),
            None => shown(address),
        },
    }
}

/// What the HTTP client looks at when no proxy is configured.
const PROXY_VARIABLES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// Adds where it happened, and what to look at where that can be told.
fn at(place: &str, error: SendError) -> SendError {
    let tell = |reason: String| {
        let of_proxy = if place.contains(" proxy") { PROXY_HINTS } else { &[] };
        let mut hints = of_proxy.iter().chain(HINTS).filter(|(part, _)| reason.contains(part));
        let hint = hints.next().map(|(_, hint)| format!(" ({hint})")).unwrap_or_default();
        format!("{place}: {reason}{hint}")
    };
    match error {
        SendError::Unreachable(reason) => SendError::Unreachable(tell(reason)),
        SendError::Unauthorized(reason) => SendError::Unauthorized(tell(reason)),
        SendError::Refused(reason) => SendError::Refused(tell(reason)),
        other => other,
    }
}

/// What a part of a reason means for whoever set this up; the first that fits is told.
const HINTS: &[(&str, &str)] = &[
    ("Connection refused", "does `carbontrail serve` run there, and listen on this address?"),
    ("lookup address", "is the host's name written right?"),
    ("operation timed out", "is it the right address, and does a firewall let it through?"),
    ("UnknownIssuer", "name the file of the authority that signed its certificate as `ca_file` in [ship]"),
    ("not valid for name", "use the name that its certificate has, or give it one for this name"),
    ("Expired", "its certificate has expired, or this host's clock is wrong"),
    ("CertificateRequired", "it wants a certificate of this host: `client_cert` and `client_key` in [ship]"),
    ("UnknownCA", "it does not know the authority that signed the certificate of this host (`client_cert`)"),
    ("InvalidContentType", "it does not speak TLS: http:// instead of https://?"),
    ("invalid HTTP version", "does it speak TLS: https:// instead of http://?"),
    ("Connection reset", "does it speak TLS: https:// instead of http://?"),
    ("token is not known", "is it one of this store? `carbontrail token create` there makes one"),
    ("status 404", "the address of `carbontrail serve` alone is needed, without a path"),
];

/// The same where a proxy is on the way.
const PROXY_HINTS: &[(&str, &str)] = &[
    ("Connection refused", "does the proxy listen there?"),
    ("Connection reset", "does the proxy want a user and a password, and let this through?"),
    ("proxy authorization required", PROXY_USER),
    ("status 407", PROXY_USER),
    ("tunnel error", "the proxy lets nothing through to that host and port, or not with this user and password"),
    ("an HTML page", "is it the proxy that answers? It may want another user and password"),
];
const PROXY_USER: &str =
    "the proxy wants a user and a password: `proxy = \"http://USER:PASSWORD@HOST:PORT\"` in [ship]";

async fn exchange(call: reqwest::RequestBuilder) -> Result<Answer, SendError> {
    let mut response = call.send().await.map_err(|e| SendError::Unreachable(chain(&e)))?;
    let status = response.status().as_u16();
    let retry_after = response
        .headers()
        .get("retry-after")
        .and_then(|v| v.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|e| SendError::Unreachable(chain(&e)))? {
        if body.len() + part.len() > ANSWER_BYTES_MAX {
            return Err(SendError::Unreachable("the answer is too long to be one".to_owned()));
        }
        body.extend_from_slice(&part);
    }
    judge(status, retry_after, &body)
}

/// What an HTTP answer means.
fn judge(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Result<Answer, SendError> {
    let limits = Limits { decoded_bytes_max: ANSWER_BYTES_MAX, ..Limits::default() };
    match status {
        200 | 409 => match wire::decode_answer(body, limits) {
            Ok(answer) => Ok(answer),
            Err(error) if status == 200 => Err(SendError::Unreachable(error.to_string())),
            Err(_) => Err(SendError::Refused(reason(status, body))),
        },
        401 | 403 => Err(SendError::Unauthorized(reason(status, body))),
        // Only a proxy says that, of itself and not of what it was to carry.
        407 => Err(SendError::Unreachable(reason(status, body))),
        413 => Err(SendError::TooLarge { max: None }),
        426 => Err(SendError::Version(reason(status, body))),
        429 | 503 | 507 => Err(SendError::Busy { retry_after, reason: reason(status, body) }),
        400..=499 => Err(SendError::Refused(reason(status, body))),
        _ => Err(SendError::Unreachable(reason(status, body))),
    }
}

/// Status and what the indexer says of it, on one line.
fn reason(status: u16, body: &[u8]) -> String {
    let message = serde_json::from_slice::<serde_json::Value>(body)
        .ok()
        .and_then(|v| v.pointer("/error/message").and_then(|m| m.as_str().map(str::to_owned)));
    let text = match message {
        Some(message) => message,
        // A page for a browser tells nothing that fits a line.
        None if body.trim_ascii_start().starts_with(b"<") => "an HTML page, which no indexer sends".to_owned(),
        None => String::from_utf8_lossy(&body[..body.len().min(REASON_BYTES_MAX)]).into_owned(),
    };
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(REASON_BYTES_MAX).collect();
    match text.trim() {
        "" => format!("status {status}"),
        text => format!("status {status}, {text}"),
    }
}

/// An error with its causes, without the address that each repeats.
fn chain(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    match last.to_string() {
        // What the TLS library says of it ends in an address of its manual.
        text if text.contains("close_notify") => "the connection was closed in the middle".to_owned(),
        text => text,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn statuses_mean_what_the_protocol_says() {
        let empty = wire::encode_answer(&Answer::default());
        assert_eq!(judge(200, None, &empty), Ok(Answer::default()));
        assert!(matches!(judge(200, None, b"<html>"), Err(SendError::Unreachable(_))));
        assert!(matches!(judge(401, None, b""), Err(SendError::Unauthorized(_))));
        assert!(matches!(judge(403, None, b""), Err(SendError::Unauthorized(_))));
        assert!(matches!(judge(407, None, b""), Err(SendError::Unreachable(_))));
        assert_eq!(judge(413, None, b""), Err(SendError::TooLarge { max: None }));
        assert!(matches!(judge(426, None, b""), Err(SendError::Version(_))));
        let wait = Some(Duration::from_secs(3));
        assert!(matches!(judge(507, wait, b""), Err(SendError::Busy { retry_after, .. }) if retry_after == wait));
        assert!(matches!(judge(502, None, b""), Err(SendError::Unreachable(_))));
        let refused = judge(400, None, br#"{"error":{"kind":"x","message":"no\nsuch thing"}}"#);
        assert_eq!(refused, Err(SendError::Refused("status 400, no such thing".to_owned())));
    }

    #[test]
    fn reasons_say_where_and_what_to_look_at() {
        let url = reqwest::Url::parse("https://store.example:7600/v1/batches").unwrap();
        let place = place(&url, Some("http://user:secret@proxy.example:3128/"));
        assert_eq!(place, "https://store.example:7600 by way of the proxy http://proxy.example:3128");
        let told = at("https://store", SendError::Unreachable("invalid peer certificate: UnknownIssuer".to_owned()));
        let SendError::Unreachable(told) = told else { panic!("{told:?}") };
        assert!(told.starts_with("https://store: invalid") && told.contains("`ca_file`"), "{told}");
        let told = at(&place, SendError::Unreachable("tunnel error: proxy authorization required".to_owned()));
        assert!(told.to_string().contains("a user and a password"), "{told}");
        let html = judge(502, None, b"\n<!DOCTYPE HTML><html>");
        assert_eq!(html, Err(SendError::Unreachable("status 502, an HTML page, which no indexer sends".to_owned())));
    }

    #[test]
    fn a_request_given_up_is_answered_all_the_same() {
        let seen = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&seen);
        drop(AnswerTo::new(move |result| *slot.lock().unwrap() = Some(result)));
        assert!(matches!(*seen.lock().unwrap(), Some(Err(SendError::Unreachable(_)))));
    }

    #[test]
    fn addresses_are_checked_and_tokens_not_shown() {
        assert!(HttpForward::new("localhost:7600", None).is_err());
        assert!(HttpForward::new("ftp://x", None).is_err());
        let bad = |way: Way| HttpForward::by("https://x", None, &way).unwrap_err().to_string();
        assert!(bad(Way { authorities: Some(b"none".to_vec()), ..Way::default() }).contains("ca_file"));
        assert!(bad(Way { identity: Some(b"none".to_vec()), ..Way::default() }).contains("client_cert"));
        assert!(bad(Way { proxy: Some("::".to_owned()), ..Way::default() }).contains("proxy"));
        assert!(
            HttpForward::by("http://x", None, &Way { proxy: Some("http://p:3128".into()), ..Way::default() }).is_ok()
        );
        let forward = HttpForward::new("http://127.0.0.1:1/", Some("secret".to_owned())).unwrap();
        assert_eq!(forward.address.as_str(), "http://127.0.0.1:1/v1/batches");
        assert!(!format!("{forward:?}").contains("secret"));
    }
}
