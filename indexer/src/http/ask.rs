//! A question as it comes over HTTP: scope, parameters, and a thread to work on it.

use super::Endpoint;
use super::refusal::Refusal;
use crate::access::Scope;
use crate::query::engine::{Ask, Engine};
use crate::store::segment::Budget;
use axum::extract::{FromRequestParts, Query, RawPathParams};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use std::sync::Arc;
use std::time::Duration;

/// How long a query waits for others to end before it is refused.
const WAIT: Duration = Duration::from_secs(5);

/// A question.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) scope: Scope,
    pub(super) ndjson: bool,
    /// What stands for `{id}` in the path.
    pub(super) id: Option<String>,
    parameters: Vec<(String, String)>,
}

impl FromRequestParts<Arc<Endpoint>> for Asked {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, endpoint: &Arc<Endpoint>) -> Result<Asked, Refusal> {
        let path = RawPathParams::from_request_parts(parts, endpoint).await.map_err(|_| Refusal::not_found())?;
        let of_path = |name: &str| path.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
        let scope = match (of_path("owner"), of_path("env")) {
            (Some(owner), Some(environment)) => {
                let snapshot = endpoint.engine.snapshot();
                Scope::on_loopback(&owner, &environment, &endpoint.tokens, &snapshot).ok_or_else(Refusal::not_found)?
            }
            _ => Scope::local(),
        };
        let Query(parameters) = Query::try_from_uri(&parts.uri)
            .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "parameter", "the parameters are not UTF-8 text"))?;
        let accept = parts.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let ndjson = accept.contains("application/x-ndjson");
        Ok(Asked { endpoint: Arc::clone(endpoint), scope, ndjson, id: of_path("id"), parameters })
    }
}

impl Asked {
    /// A parameter that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let last = self.parameters.iter().rev().find(|(key, _)| key == name);
        last.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub(super) fn number(&self, name: &str, default: usize, least: usize, most: usize) -> Result<usize, Refusal> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| Refusal::parameter(name, &format!("a number from {least} to {most}")))
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.text(name) {
            None | Some("0" | "false") => Ok(false),
            Some("1" | "true") => Ok(true),
            Some(_) => Err(Refusal::parameter(name, "1 or 0")),
        }
    }

    /// Query, time, zone and copies.
    pub(super) fn ask(&self) -> Result<Ask, Refusal> {
        let zone = self.text("tz").map(|name| {
            let zone = jiff::tz::TimeZone::get(name).ok().or_else(|| offset(name));
            zone.ok_or_else(|| Refusal::parameter("tz", "a zone like UTC, Asia/Colombo or +05:30"))
        });
        let owned = |name| self.text(name).map(str::to_owned);
        Ok(Ask {
            query: owned("q").unwrap_or_default(),
            from: owned("from"),
            to: owned("to"),
            zone: zone.transpose()?,
            copies: self.flag("copies")?,
        })
    }

    /// Does `work` on a thread for queries; it is ended when the client leaves.
    pub(super) async fn work<T: Send + 'static>(
        self,
        work: impl FnOnce(&Asked, &Engine, &Budget) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let endpoint = Arc::clone(&self.endpoint);
        let _turn = endpoint.turn().await?;
        let budget = Arc::new(endpoint.engine.budget());
        let cancel = CancelOnDrop(Arc::clone(&budget));
        let done = tokio::task::spawn_blocking(move || work(&self, &self.endpoint.engine, &budget)).await;
        drop(cancel);
        done.unwrap_or_else(|_| {
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "this question made the server fail"))
        })
    }
}

impl Endpoint {
    /// Waits for a turn among the queries at work.
    pub(super) async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Refusal> {
        self.counters.query();
        match tokio::time::timeout(WAIT, self.queries.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "busy", "too many searches run at once")
                .hint("try again in a moment, or narrow the time")
                .retry_after(Duration::from_secs(2))),
        }
    }
}

fn offset(text: &str) -> Option<jiff::tz::TimeZone> {
    let (sign, rest) = text.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':')?;
    // An offset of more than a day is none, and a larger one would not fit.
    let part = |text: &str, most: i32| text.parse::<i32>().ok().filter(|n| (0..=most).contains(n));
    let seconds = part(hours, 25)? * 3600 + part(minutes, 59)? * 60;
    let seconds = match sign {
        "+" => seconds,
        "-" => -seconds,
        _ => return None,
    };
    jiff::tz::Offset::from_seconds(seconds).ok().map(jiff::tz::TimeZone::fixed)
}

/// Ends a query whose client has left.
#[derive(Debug)]
pub(super) struct CancelOnDrop(pub(super) Arc<Budget>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
