//! `GET /openapi.json`: what can be asked, described for programs. A test holds it against the routes and real answers.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// The description; see the test of this folder for how it is kept true.
const DESCRIPTION: &str = include_str!("openapi.json");

/// `GET /openapi.json`
pub(super) async fn openapi() -> Response {
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (kind, super::openapi::whole().to_string()).into_response()
}

/// The description, with each scoped path in its long form too.
pub(super) fn whole() -> serde_json::Value {
    let mut description: serde_json::Value =
        serde_json::from_str(DESCRIPTION).expect("the description is JSON, a test reads it");
    let paths = description["paths"].as_object().cloned().unwrap_or_default();
    let scoped = |path: &str| super::SCOPED.iter().any(|(scoped, _)| path.strip_prefix("/v1/") == Some(*scoped));
    for (path, mut item) in paths.into_iter().filter(|(path, _)| scoped(path)) {
        let long = path.replacen("/v1/", "/v1/o/{owner}/{env}/", 1);
        if let Some(parameters) = item["get"]["parameters"].as_array_mut() {
            parameters.push(serde_json::json!({"$ref": "#/components/parameters/owner"}));
            parameters.push(serde_json::json!({"$ref": "#/components/parameters/env"}));
        }
        description["paths"][long] = item;
    }
    description
}
