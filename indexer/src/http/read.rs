//! The questions that are answered at once.

use super::ask::Asked;
use super::json;
use super::refusal::Refusal;
use crate::event::StoredEvent;
use crate::query::engine::{Counted, Cursor, Interval, PageOrder, PageRequest};
use crate::query::fields::{FieldKind, rfc3339};
use crate::query::names;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

const EVENTS_MAX: usize = 10_000;
const VALUES_MAX: usize = 1000;

/// `GET /v1/search`
pub(super) async fn search(asked: Asked) -> Result<Response, Refusal> {
    asked
        .work(|asked, engine, budget| {
            let began = engine.monotonic();
            let order = match asked.text("order") {
                None | Some("newest") => PageOrder::Newest,
                Some("oldest") => PageOrder::Oldest,
                Some("file") => PageOrder::File,
                Some(_) => return Err(Refusal::parameter("order", "newest, oldest or file")),
            };
            let cursor = asked.text("cursor").map(Cursor::read).transpose()?;
            let with_raw = asked.flag("raw")?;
            let request = PageRequest { order, limit: asked.number("limit", 100, 1, EVENTS_MAX)?, cursor, with_raw };
            let page = engine.search(&asked.scope, &asked.ask()?, &request, budget)?;
            let cursor = page.cursor.map(|cursor| cursor.to_string());
            let rest = json!({
                "cursor": cursor, "complete": page.complete, "left_out": {"copies": page.copies_left_out},
                "took_ms": millis(engine.monotonic().saturating_sub(began)),
            });
            Ok(events(asked, &page.events, with_raw, &rest))
        })
        .await
}

/// `GET /v1/context/{id}`
pub(super) async fn context(asked: Asked) -> Result<Response, Refusal> {
    asked
        .work(|asked, engine, budget| {
            let id = event_id(asked)?;
            let (before, after) = (asked.number("before", 10, 0, 1000)?, asked.number("after", 10, 0, 1000)?);
            let with_raw = asked.flag("raw")?;
            let found = engine.context(&asked.scope, id, before, after, budget)?;
            Ok(events(asked, &found.events, with_raw, &json!({"complete": found.complete})))
        })
        .await
}

/// `GET /v1/event/{id}`
pub(super) async fn event(asked: Asked) -> Result<Response, Refusal> {
    asked
        .work(|asked, engine, _budget| {
            let event = engine.event(&asked.scope, event_id(asked)?)?;
            let mut out = String::new();
            json::event(&mut out, &event, asked.flag("raw")?);
            Ok(json_text(out))
        })
        .await
}

/// `GET /v1/count`
pub(super) async fn count(asked: Asked) -> Result<Response, Refusal> {
    asked
        .work(|asked, engine, budget| {
            let began = engine.monotonic();
            let counted = engine.count(&asked.scope, &asked.ask()?, budget)?;
            Ok(counted_json(json!({"count": counted.value}), &counted, engine.monotonic().saturating_sub(began)))
        })
        .await
}

/// `GET /v1/histogram`
pub(super) async fn histogram(asked: Asked) -> Result<Response, Refusal> {
    asked
        .work(|asked, engine, budget| {
            let began = engine.monotonic();
            let interval = asked.text("interval").unwrap_or_default().parse::<Interval>();
            let interval = interval.map_err(|error| Refusal::parameter("interval", &error.to_string()))?;
            let by = asked.text("by");
            let counted = engine.histogram(&asked.scope, &asked.ask()?, interval, by, budget)?;
            let buckets = counted.value.buckets.iter().map(|(from, bucket)| {
                let mut shown = json!({"from": rfc3339(*from), "count": bucket.count});
                if by.is_some() {
                    shown["by"] = json!(bucket.by);
                }
                shown
            });
            let buckets: Vec<Value> = buckets.collect();
            let answer = json!({"interval_ms": counted.value.interval_ms, "buckets": buckets});
            Ok(counted_json(answer, &counted, engine.monotonic().saturating_sub(began)))
        })
        .await
}

/// `GET /v1/facets`
pub(super) async fn facets(asked: Asked) -> Result<Response, Refusal> {
    asked
        .work(|asked, engine, budget| {
            let began = engine.monotonic();
            let default = "level,host,product,logger";
            let names: Vec<String> =
                asked.text("fields").unwrap_or(default).split(',').map(|name| name.trim().to_owned()).collect();
            if names.len() > 50 {
                return Err(Refusal::parameter("fields", "at most 50 names"));
            }
            let limit = asked.number("limit", 10, 1, VALUES_MAX)?;
            let counted = engine.facets(&asked.scope, &asked.ask()?, &names, "", limit, budget)?;
            let mut fields = serde_json::Map::new();
            let mut beyond = serde_json::Map::new();
            for facet in &counted.value {
                let values: Vec<Value> =
                    facet.values.iter().map(|value| json!({"value": value.value, "count": value.count})).collect();
                fields.insert(facet.name.clone(), values.into());
                beyond.insert(
                    facet.name.clone(),
                    json!({"distinct": facet.distinct, "not_told_apart": facet.not_told_apart}),
                );
            }
            let answer = json!({"fields": fields, "of": beyond});
            Ok(counted_json(answer, &counted, engine.monotonic().saturating_sub(began)))
        })
        .await
}

/// `GET /v1/values`
pub(super) async fn values(asked: Asked) -> Result<Response, Refusal> {
    asked
        .work(|asked, engine, budget| {
            let began = engine.monotonic();
            let Some(field) = asked.text("field") else {
                return Err(Refusal::parameter("field", "the name of a field"));
            };
            let limit = asked.number("limit", 20, 1, VALUES_MAX)?;
            let (names, prefix) = ([field.to_owned()], asked.text("prefix").unwrap_or_default());
            let counted = engine.facets(&asked.scope, &asked.ask()?, &names, prefix, limit, budget)?;
            let values = counted.value.iter().flat_map(|facet| &facet.values);
            let values: Vec<Value> = values.map(|value| json!({"value": value.value, "count": value.count})).collect();
            Ok(counted_json(json!({"values": values}), &counted, engine.monotonic().saturating_sub(began)))
        })
        .await
}

/// `GET /v1/fields`
pub(super) async fn fields(asked: Asked) -> Result<Response, Refusal> {
    asked
        .work(|asked, engine, budget| {
            let seen = engine.fields(&asked.scope, budget)?;
            let fields = seen.value.iter().map(|field| {
            json!({"name": field.name, "alias": field.alias, "type": kind(field.kind), "count": field.count})
        });
            let fields: Vec<Value> = fields.collect();
            let aliases: Vec<Value> =
                names::ALIASES.iter().map(|(alias, full)| json!({"alias": alias, "fields": full})).collect();
            Ok(json_text(json!({"fields": fields, "aliases": aliases, "complete": seen.complete}).to_string()))
        })
        .await
}

/// `GET /v1/parse`
pub(super) async fn parse(asked: Asked) -> Result<Response, Refusal> {
    let parsed = crate::query::take_apart(asked.text("q").unwrap_or_default());
    let tokens =
        parsed.tokens.iter().map(|token| json!({"from": token.from, "to": token.to, "kind": token.kind.name()}));
    let tokens: Vec<Value> = tokens.collect();
    let notes: Vec<Value> = parsed.notes.iter().map(|(at, text)| json!({"at": at, "message": text})).collect();
    let (query, error) = match &parsed.query {
        Ok(query) => (Some(query.to_string()), None),
        Err(error) => {
            (None, Some(json!({"kind": "query", "message": error.message, "at": error.at, "hint": error.hint})))
        }
    };
    let answer = json!({"tokens": tokens, "query": query, "notes": notes, "error": error, "complete": true});
    Ok(json_text(answer.to_string()))
}

fn event_id(asked: &Asked) -> Result<wire::EventId, Refusal> {
    // What cannot be an id is not there, like any other that is not.
    asked.id.as_deref().and_then(|id| id.parse().ok()).ok_or_else(Refusal::not_found)
}

/// Events, and what else the answer says: as one object, or a line each with the rest in headers.
fn events(asked: &Asked, events: &[Arc<StoredEvent>], raw: bool, rest: &Value) -> Response {
    let mut out = String::with_capacity(events.iter().map(|event| event.raw.len() + 512).sum());
    if asked.ndjson {
        for event in events {
            json::event(&mut out, event, raw);
            out.push('\n');
        }
        let mut response = with_type(out, "application/x-ndjson");
        let headers = response.headers_mut();
        let mut put = |name: &'static str, value: Option<String>| {
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                headers.insert(name, value);
            }
        };
        put("carbontrail-cursor", rest["cursor"].as_str().map(str::to_owned));
        put("carbontrail-complete", Some(rest["complete"].to_string()));
        put("carbontrail-left-out-copies", rest["left_out"]["copies"].as_u64().map(|copies| copies.to_string()));
        return response;
    }
    out.push_str("{\"events\":[");
    for (i, event) in events.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        json::event(&mut out, event, raw);
    }
    out.push(']');
    for (name, value) in rest.as_object().into_iter().flatten() {
        let _written = write!(out, ",\"{name}\":{value}");
    }
    out.push('}');
    json_text(out)
}

fn counted_json<T>(mut answer: Value, counted: &Counted<T>, took: Duration) -> Response {
    answer["complete"] = counted.complete.into();
    answer["left_out"] = json!({"copies": counted.copies_left_out});
    answer["took_ms"] = millis(took).into();
    json_text(answer.to_string())
}

fn millis(time: Duration) -> f64 {
    (time.as_micros() as f64 / 100.0).round() / 10.0
}

fn kind(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Text => "text",
        FieldKind::Keyword => "keyword",
        FieldKind::Number => "number",
        FieldKind::Time => "time",
        FieldKind::Ip => "ip",
        FieldKind::Level => "level",
        FieldKind::Flag => "flag",
    }
}

fn json_text(text: String) -> Response {
    with_type(text, "application/json")
}

fn with_type(text: String, kind: &'static str) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], text).into_response()
}
