//! Questions to a running server, with the time the answer took.
#![allow(clippy::disallowed_methods, reason = "a rim: it reads the clock")]

use super::sorted;
use anyhow::{Context as _, bail};
use serde_json::Value;
use std::time::{Duration, Instant};

/// A running server.
#[derive(Clone, Debug)]
pub struct Server {
    http: reqwest::Client,
    url: String,
}

impl Server {
    /// The server at `url`.
    ///
    /// # Errors
    /// When the client cannot be set up.
    pub fn new(url: &str) -> anyhow::Result<Server> {
        Ok(Server { http: reqwest::Client::builder().build()?, url: url.to_owned() })
    }

    /// The answer to `path?query` as text.
    ///
    /// # Errors
    /// When the server does not answer with success.
    pub async fn text(&self, path: &str) -> anyhow::Result<String> {
        let url = format!("{}{path}", self.url);
        let response = self.http.get(&url).send().await.with_context(|| format!("failed to ask {url}"))?;
        let status = response.status();
        let text = response.text().await.with_context(|| format!("the answer of {url} broke off"))?;
        if status.is_success() { Ok(text) } else { bail!("{url} answered {status}: {text}") }
    }

    /// The answer as JSON.
    ///
    /// # Errors
    /// As [`Server::text`].
    pub async fn json(&self, path: &str) -> anyhow::Result<Value> {
        let text = self.text(path).await?;
        serde_json::from_str(&text).with_context(|| format!("{path} did not answer with JSON"))
    }

    /// Number of events a query finds.
    ///
    /// # Errors
    /// As [`Server::text`].
    pub async fn count(&self, query: &str) -> anyhow::Result<u64> {
        let answer = self.json(&format!("/v1/count?copies=1&q={query}")).await?;
        answer["count"].as_u64().context("the answer has no count")
    }

    /// Milliseconds each of `times` equal questions took, sorted.
    ///
    /// # Errors
    /// As [`Server::text`].
    pub async fn latencies(&self, path: &str, times: usize) -> anyhow::Result<Vec<f64>> {
        let mut taken = Vec::with_capacity(times);
        for _ in 0..times {
            let started = Instant::now();
            self.text(path).await?;
            taken.push(started.elapsed().as_secs_f64() * 1e3);
        }
        Ok(sorted(taken))
    }

    /// Waits until a query finds something; the time of the wait.
    ///
    /// # Errors
    /// When it takes longer than `limit`.
    pub async fn wait_for(&self, query: &str, limit: Duration) -> anyhow::Result<Duration> {
        let started = Instant::now();
        while self.count(query).await? == 0 {
            if started.elapsed() > limit {
                bail!("`{query}` was not found within {} s", limit.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(started.elapsed())
    }
}
