//! Requests to a server's query endpoint, for `search` and `tail`.

use anyhow::{Context as _, bail};
use serde_json::Value;

/// Where the query endpoint is when nothing else is said.
pub(crate) const DEFAULT_SERVER: &str = "http://127.0.0.1:7600";

/// A server to ask.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    server: String,
    scope: String,
}

/// Which server, and whose events on it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Where {
    /// The server.
    #[arg(long, value_name = "URL", env = "CARBONTRAIL_SERVER", default_value = DEFAULT_SERVER)]
    server: String,
    /// Owner of the events, where it is not the only one that may be read.
    #[arg(long, value_name = "OWNER", requires = "env")]
    owner: Option<String>,
    /// Environment of the events.
    #[arg(long, value_name = "ENV", requires = "owner")]
    env: Option<String>,
}

/// Parameters of a request.
pub(crate) type Parameters = Vec<(&'static str, String)>;

impl Client {
    /// A client of the server named on the command line.
    ///
    /// # Errors
    /// When the URL is none, or TLS cannot be set up.
    pub(crate) fn new(place: &Where) -> anyhow::Result<Client> {
        let server = &place.server;
        if !server.starts_with("http://") && !server.starts_with("https://") {
            bail!("`{server}` is not a URL: http://HOST:PORT expected");
        }
        let make = || reqwest::Client::builder().user_agent(concat!("carbontrail/", env!("CARGO_PKG_VERSION")));
        let http = match make().build() {
            // A host that trusts no authority can ask without TLS all the same.
            Err(_) if server.starts_with("http://") => make().tls_certs_only([]).build(),
            result => result,
        };
        let why = "failed to set up the HTTP client; where no CA certificates are found, install `ca-certificates`";
        let http = http.context(why)?;
        let scope = match (&place.owner, &place.env) {
            (Some(owner), Some(env)) => format!("/o/{owner}/{env}"),
            _ => String::new(),
        };
        Ok(Client { http, server: server.trim_end_matches('/').to_owned(), scope })
    }

    /// Asks `/v1/WHAT` for JSON.
    ///
    /// # Errors
    /// When the server cannot be reached, or what it refuses and why.
    pub(crate) async fn json(&self, what: &str, parameters: &Parameters) -> anyhow::Result<Value> {
        let response = self.send(what, parameters, "application/json").await?;
        let bytes = response.bytes().await.with_context(|| format!("the answer of {} broke off", self.server))?;
        serde_json::from_slice(&bytes).with_context(|| format!("{} did not answer with JSON", self.server))
    }

    /// Asks for a stream of bytes.
    ///
    /// # Errors
    /// As [`Client::json`].
    pub(crate) async fn send(
        &self,
        what: &str,
        parameters: &Parameters,
        accept: &str,
    ) -> anyhow::Result<reqwest::Response> {
        let url = format!("{}/v1{}/{what}?{}", self.server, self.scope, encode(parameters));
        let request = self.http.get(&url).header("accept", accept);
        let response = request.send().await.map_err(|error| {
            let reason = innermost(&error);
            anyhow::anyhow!("failed to reach {}: {reason}; is `carbontrail up` or `serve` running there?", self.server)
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = response.bytes().await.unwrap_or_default();
        bail!("{}", refusal(status.as_u16(), &body))
    }
}

/// What the server said it refuses, in one sentence.
fn refusal(status: u16, body: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = &answer["error"];
    let Some(message) = error["message"].as_str() else { return format!("the server answered {status}") };
    let place = error["at"].as_u64().map_or(String::new(), |at| format!(" (at byte {at} of the query)"));
    let hint = error["hint"].as_str().map_or(String::new(), |hint| format!("; {hint}"));
    format!("{message}{place}{hint}")
}

/// The last cause of an error: the one that says what happened.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

fn encode(parameters: &Parameters) -> String {
    let mut text = String::new();
    for (name, value) in parameters {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
                _ => text.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_what_urls_cannot_hold() {
        let parameters = vec![("q", "level:ERROR \"a&b\" ü".to_owned()), ("limit", "5".to_owned())];
        assert_eq!(encode(&parameters), "q=level%3AERROR%20%22a%26b%22%20%C3%BC&limit=5");
    }

    #[test]
    fn shows_why_the_server_refused() {
        let body = br#"{"error":{"kind":"query","message":"a word expected","at":7,"hint":"close the bracket"}}"#;
        assert_eq!(refusal(400, body), "a word expected (at byte 7 of the query); close the bracket");
        assert_eq!(refusal(502, b"<html>"), "the server answered 502");
    }
}
