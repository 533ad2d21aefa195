//! `POST /v1/batches`: what shippers send (protocol section 6). Decoded off the sockets' threads, bounded; answered
//! when it is durable.

use super::Endpoint;
use super::guard::Reached;
use super::refusal::Refusal;
use crate::access::TokenError;
use crate::serve::SubmitError;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use wire::{DecodeError, Limits, Request, Verdict};

/// Decompressed bytes per compressed byte that a request may have.
const RATIO_MAX: usize = 1000;
/// How long a request waits until fewer others are read.
const WAIT: Duration = Duration::from_secs(10);
/// How long the body of a request may take to come.
const BODY_TIME: Duration = Duration::from_secs(60);
const CONTENT_TYPE: &str = "application/x-carbontrail";

/// `POST /v1/batches`
pub(super) async fn batches(
    State(endpoint): State<Arc<Endpoint>>,
    Extension(reached): Extension<Reached>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    // Whoever may not write is told before a byte of the body is read.
    let source = endpoint.tokens.source(bearer(&headers)?, reached.loopback).map_err(denied)?;
    let request = received(&endpoint, body).await?;
    let answer = endpoint.store.submit(source, request).await.map_err(unanswered)?;
    if let Some(refusal) = no_room(&answer) {
        return Err(refusal);
    }
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE))];
    Ok((kind, wire::encode_answer(&answer)).into_response())
}

/// Reads and decodes a body. Only so many at once, each in bounded time, so that their memory is bounded.
async fn received(endpoint: &Endpoint, body: Body) -> Result<Request, Refusal> {
    let busy = || unanswered(SubmitError::Busy { retry_after: Duration::from_secs(1) });
    let _turn =
        tokio::time::timeout(WAIT, endpoint.bodies.acquire()).await.map_err(|_| busy())?.map_err(|_| failed())?;
    let limits = Limits { decoded_bytes_max: endpoint.request_bytes_max, ratio_max: RATIO_MAX };
    let body = tokio::time::timeout(BODY_TIME, axum::body::to_bytes(body, limits.decoded_bytes_max)).await;
    let body = body.map_err(|_| too_slow())?.map_err(|error| unread(&error, limits))?;
    endpoint.counters.batch(body.len());
    let decoded = tokio::task::spawn_blocking(move || decoded(&body, limits)).await;
    decoded.map_err(|_| failed())?.map_err(|error| undecoded(error, limits))
}

fn decoded(body: &[u8], limits: Limits) -> Result<Request, DecodeError> {
    let mut request = wire::decode_request(body, limits)?;
    crate::templates::complete(&mut request);
    Ok(request)
}

fn too_slow() -> Refusal {
    Refusal::new(StatusCode::REQUEST_TIMEOUT, "slow", format!("the body did not come within {} s", BODY_TIME.as_secs()))
}

/// The body ended early, or is over the limit.
fn unread(error: &axum::Error, limits: Limits) -> Refusal {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("length limit") {
            return too_large(limits.decoded_bytes_max);
        }
        cause = error.source();
    }
    Refusal::new(StatusCode::BAD_REQUEST, "malformed", "the body broke off")
}

/// The token of `Authorization: Bearer …`.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().ok().and_then(|text| text.split_once(' '));
    match text {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(denied(TokenError::Unknown)),
    }
}

fn denied(error: TokenError) -> Refusal {
    let (status, kind) = match &error {
        TokenError::Missing => (StatusCode::UNAUTHORIZED, "token"),
        TokenError::Unknown => (StatusCode::FORBIDDEN, "token"),
        TokenError::File { .. } => {
            tracing::error!(%error, "no agent can be let in");
            return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "token", "tokens cannot be checked now")
                .retry_after(Duration::from_secs(10));
        }
    };
    Refusal::new(status, kind, error.to_string())
}

fn undecoded(error: DecodeError, limits: Limits) -> Refusal {
    let refused = |status, kind| Refusal::new(status, kind, error.to_string());
    match &error {
        DecodeError::TooLarge(_) => too_large(limits.decoded_bytes_max),
        DecodeError::Version { .. } => refused(StatusCode::UPGRADE_REQUIRED, "version"),
        _ => refused(StatusCode::BAD_REQUEST, "malformed")
            .hint("is a proxy between shipper and server that changes bodies?"),
    }
}

fn too_large(max: usize) -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("a request may have {max} bytes, decompressed"))
}

fn unanswered(error: SubmitError) -> Refusal {
    match &error {
        SubmitError::Busy { retry_after } => {
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, "busy", error.to_string()).retry_after(*retry_after)
        }
        _ => failed(),
    }
}

/// 429 or 507 when nothing was taken for lack of room (protocol rule 36). Where only some of the messages were
/// refused, each verdict says so for itself: streams succeed or fail apart.
fn no_room(answer: &wire::Answer) -> Option<Refusal> {
    let mut refused: Option<(u64, &str, bool)> = None;
    for verdict in &answer.verdicts {
        match verdict {
            Verdict::Refused(wire::Refusal::Busy { retry_after_ms, reason, disk_full }) => {
                let before = refused.unwrap_or_default();
                refused = Some((before.0.max(*retry_after_ms), reason, before.2 || *disk_full));
            }
            // Shown or not, it is not what the sender waits for.
            Verdict::Provisional { .. } => {}
            _ => return None,
        }
    }
    let (retry_after_ms, reason, disk_full) = refused?;
    let (status, kind) = match disk_full {
        true => (StatusCode::INSUFFICIENT_STORAGE, "full"),
        false => (StatusCode::TOO_MANY_REQUESTS, "busy"),
    };
    Some(Refusal::new(status, kind, reason).retry_after(Duration::from_millis(retry_after_ms)))
}

fn failed() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "store", "the store gives no answer; send the same again")
        .retry_after(Duration::from_secs(1))
}
