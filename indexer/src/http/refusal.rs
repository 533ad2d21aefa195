//! What is refused, why, and what would help: `{"error": {"kind", "message", "at", "hint"}}`.

use crate::query::engine::EngineError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::time::Duration;

/// A refusal. Unknown and forbidden look alike.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    pub(super) message: String,
    /// Byte of the query.
    pub(super) at: Option<usize>,
    pub(super) hint: Option<String>,
    pub(super) retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status, kind, message: message.into(), at: None, hint: None, retry_after: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Refusal {
        Refusal { hint: Some(hint.into()), ..self }
    }

    pub(super) fn retry_after(self, wait: Duration) -> Refusal {
        Refusal { retry_after: Some(wait), ..self }
    }

    pub(super) fn not_found() -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, "not_found", "nothing here")
            .hint("the paths that exist are in /openapi.json")
    }

    pub(super) fn parameter(name: &str, expected: &str) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, "parameter", format!("`{name}` cannot be read"))
            .hint(format!("expected {expected}"))
    }

    pub(super) fn body(&self) -> serde_json::Value {
        json!({"error": {"kind": self.kind, "message": self.message, "at": self.at, "hint": self.hint}})
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Refusal {
        let bad = |kind| Refusal::new(StatusCode::BAD_REQUEST, kind, error.to_string());
        match &error {
            EngineError::Query(query) => Refusal { at: Some(query.at), hint: query.hint.clone(), ..bad("query") },
            EngineError::Time { .. } => bad("time"),
            EngineError::Cursor(_) => bad("cursor").hint("ask again without it"),
            EngineError::Buckets(_) => bad("interval").hint("take a larger interval, or `auto`"),
            EngineError::Field { meant: Some(meant), .. } => bad("field").hint(format!("did you mean `{meant}`?")),
            EngineError::Field { meant: None, .. } => bad("field").hint("the fields that exist are in /v1/fields"),
            EngineError::NotFound => Refusal::not_found(),
            EngineError::Replaying => Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "replaying", error.to_string())
                .hint("an export is whole or not at all; try again in a few seconds")
                .retry_after(Duration::from_secs(2)),
            EngineError::Segment(reason) => {
                tracing::error!(error = %reason, "a segment cannot be read");
                Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "storage", "a part of the store cannot be read")
                    .hint("the server's own messages say which one")
            }
        }
    }
}

/// A path that exists, asked for in another way.
pub(super) async fn wrong_method() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this path is not answered to that method")
}
