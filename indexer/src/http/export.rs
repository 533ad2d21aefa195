//! `GET /v1/export`: everything that a query finds, in file order, as a stream. It is whole, or breaks off so that no
//! client can take it for whole.

use super::ask::{Asked, CancelOnDrop};
use super::json;
use super::refusal::Refusal;
use crate::query::engine::{Engine, Export};
use crate::store::segment::Budget;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use std::io;
use std::sync::Arc;

/// Bytes of events in a piece of the stream.
const PIECE_BYTES: usize = 1 << 20;

#[derive(Clone, Copy, Debug)]
enum Format {
    Raw,
    Ndjson { with_raw: bool },
}

/// An export on its way.
struct Sending {
    export: Export,
    format: Format,
    /// Events that may still be sent.
    left: usize,
    budget: Arc<Budget>,
    _cancel: CancelOnDrop,
}

/// `GET /v1/export`
pub(super) async fn export(asked: Asked) -> Result<Response, Refusal> {
    let format = match asked.text("format") {
        Some("raw") => Format::Raw,
        None | Some("ndjson") => Format::Ndjson { with_raw: asked.flag("raw")? },
        Some(_) => return Err(Refusal::parameter("format", "raw or ndjson")),
    };
    let left = asked.number("limit", usize::MAX, 1, usize::MAX)?;
    let _turn = asked.endpoint.turn().await?;
    let engine: &Engine = &asked.endpoint.engine;
    let export = engine.export(&asked.scope, &asked.ask()?)?;
    let budget = Arc::new(Budget::unlimited());
    let sending = Sending { export, format, left, _cancel: CancelOnDrop(Arc::clone(&budget)), budget };
    let pieces = stream::try_unfold(sending, |mut sending| async move {
        let next = tokio::task::spawn_blocking(move || {
            let piece = sending.piece();
            piece.map(|piece| piece.map(|piece| (piece, sending)))
        });
        // The reason is in the server's own messages; the client sees the transfer break off.
        next.await.map_err(io::Error::other)?
    });
    let kind = match format {
        Format::Raw => "application/octet-stream",
        Format::Ndjson { .. } => "application/x-ndjson",
    };
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], Body::from_stream(pieces)).into_response())
}

impl Sending {
    fn piece(&mut self) -> io::Result<Option<Bytes>> {
        if self.left == 0 {
            return Ok(None);
        }
        let events = self.export.next(PIECE_BYTES, &self.budget).map_err(|error| {
            tracing::warn!(%error, "an export broke off");
            io::Error::other(error.to_string())
        })?;
        let events = &events[..events.len().min(self.left)];
        self.left -= events.len();
        if events.is_empty() {
            return Ok(None);
        }
        let mut out = Vec::with_capacity(events.iter().map(|event| event.raw.len()).sum());
        match self.format {
            Format::Raw => events.iter().for_each(|event| out.extend_from_slice(&event.raw)),
            Format::Ndjson { with_raw } => {
                let mut text = String::new();
                for event in events {
                    json::event(&mut text, event, with_raw);
                    text.push('\n');
                }
                out = text.into_bytes();
            }
        }
        Ok(Some(Bytes::from(out)))
    }
}
