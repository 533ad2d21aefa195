#![allow(clippy::unwrap_used, reason = "tests")]
//! The edge of a server as it runs.

use crate::http::openapi;
use crate::serve::tests::{Got, Served};
use outside::Clock as _;
use outside::real::RealClock;
use outside::sim::{SimClock, SimDisk, SimRng};
use parsers::Level;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};

fn served() -> Served {
    let mut served = Served::start();
    let lines: Vec<_> = (0..20)
        .map(|i| ([Level::Info, Level::Error][i % 2], format!("request {i} {}", ["ok", "timeout"][i % 2])))
        .collect();
    let lines: Vec<_> = lines.iter().map(|(level, text)| (*level, text.as_str())).collect();
    served.send(&lines);
    served
}

#[test]
fn questions_and_answers() {
    let served = served();
    let page = served.get("/v1/search?q=timeout&limit=3&raw=1").json();
    assert_eq!(page["events"].as_array().unwrap().len(), 3);
    assert_eq!(page["events"][0]["message"], "request 19 timeout");
    assert_eq!(page["events"][0]["event.original"], "request 19 timeout\n");
    assert_eq!((&page["complete"], &page["left_out"]), (&json!(true), &json!({"copies": 0})));
    let cursor = page["cursor"].as_str().unwrap();
    let next = served.get(&format!("/v1/search?q=timeout&limit=100&cursor={cursor}")).json();
    assert_eq!((next["events"].as_array().unwrap().len(), &next["cursor"]), (7, &Value::Null));

    assert_eq!(served.get("/v1/count?q=level:ERROR%20OR%20ok").json()["count"], 20);
    assert_eq!(served.get("/v1/count?from=now-1d&to=now-1h").json()["count"], 0);
    let histogram = served.get("/v1/histogram?by=level&interval=1h").json();
    let sum: u64 =
        histogram["buckets"].as_array().unwrap().iter().map(|bucket| bucket["count"].as_u64().unwrap()).sum();
    assert_eq!((sum, &histogram["interval_ms"]), (20, &json!(3_600_000)));
    let facets = served.get("/v1/facets?fields=level,log.file.name&q=request").json();
    assert_eq!(facets["fields"]["level"], json!([{"value": "ERROR", "count": 10}, {"value": "INFO", "count": 10}]));
    assert_eq!(facets["fields"]["log.file.name"], json!([{"value": "a.log", "count": 20}]));
    let values = served.get("/v1/values?field=level&prefix=er").json();
    assert_eq!(values["values"], json!([{"value": "ERROR", "count": 10}]));
    let fields = served.get("/v1/fields").json();
    let level = fields["fields"].as_array().unwrap().iter().find(|field| field["name"] == "log.level").unwrap();
    assert_eq!(*level, json!({"name": "log.level", "alias": "level", "type": "level", "count": 20}));
}

#[test]
fn an_event_and_what_stands_around_it() {
    let served = served();
    let page = served.get("/v1/search?q=%22request%2010%22").json();
    let id = page["events"][0]["id"].as_str().unwrap();
    assert_eq!(served.get(&format!("/v1/event/{id}")).json()["message"], "request 10 ok");
    let context = served.get(&format!("/v1/context/{id}?before=2&after=1")).json();
    let messages: Vec<_> =
        context["events"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["request 8 ok", "request 9 timeout", "request 10 ok", "request 11 timeout"]);
    for path in [
        "/v1/event/AAAAAAAAAAAAAAAAAAAAAAAA",
        "/v1/event/short",
        "/v1/context/AAAAAAAAAAAAAAAAAAAAAAAA",
        "/v1/nothing",
        "/v1/o/x/y/count",
    ] {
        let got = served.get(path);
        assert_eq!((got.status, got.json()["error"]["message"].as_str()), (404, Some("nothing here")), "{path}");
    }
}

#[test]
fn export_gives_the_file_back() {
    let served = served();
    let raw = served.get(&format!("/v1/export?q=stream:{}&format=raw", crate::serve::tests::STREAM));
    let file: String = (0..20).map(|i| format!("request {i} {}\n", ["ok", "timeout"][i % 2])).collect();
    assert_eq!((raw.status, String::from_utf8(raw.body).unwrap()), (200, file));
    let lines = served.get("/v1/export?q=timeout&limit=4");
    let lines: Vec<Value> = lines
        .body
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!((lines.len(), &lines[0]["message"]), (4, &json!("request 1 timeout")));
    let page = served.get("/v1/search?order=file&limit=2").json();
    assert_eq!(page["events"][1]["message"], "request 1 timeout");
}

#[test]
fn a_line_each_when_asked_for() {
    let served = served();
    let got =
        served.ask("GET /v1/search?limit=2 HTTP/1.0\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n", &[]);
    assert_eq!(got.body.split(|b| *b == b'\n').filter(|line| !line.is_empty()).count(), 2);
    assert_eq!(
        (got.header("content-type"), got.header("carbontrail-complete")),
        (Some("application/x-ndjson"), Some("true"))
    );
    assert!(got.header("carbontrail-cursor").is_some());
}

#[test]
fn errors_say_where_and_what() {
    let served = served();
    let check = |path: &str, kind: &str, at: Value, hint: &str| {
        let got = served.get(path);
        let error = &got.json()["error"];
        assert_eq!((got.status, error["kind"].as_str(), &error["at"]), (400, Some(kind), &at), "{path}");
        assert!(error["hint"].as_str().unwrap_or_default().contains(hint), "{path}: {error}");
    };
    check("/v1/search?q=levle:ERROR", "query", json!(0), "`level`");
    check("/v1/count?q=a%20(b", "query", json!(2), "`)`");
    check("/v1/search?limit=0", "parameter", Value::Null, "1 to 10000");
    check("/v1/search?cursor=abc", "cursor", Value::Null, "without");
    check("/v1/search?order=best", "parameter", Value::Null, "newest");
    check("/v1/facets?fields=levle", "field", Value::Null, "`level`");
    check("/v1/histogram?interval=1x", "parameter", Value::Null, "auto");
    check("/v1/histogram?from=2020&interval=1ms", "interval", Value::Null, "larger");
    check("/v1/values", "parameter", Value::Null, "field");
    check("/v1/tail?q=(", "query", json!(0), "quotes");
    let from = served.get("/v1/count?from=yesterday").json();
    assert!(from["error"]["message"].as_str().unwrap().contains("`from`"), "{from}");
    assert_eq!(served.ask("POST /v1/count HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", &[]).status, 405);
    let parsed = served.get("/v1/parse?q=level:ERROR%20(").json();
    assert_eq!((parsed["tokens"].as_array().unwrap().len(), &parsed["error"]["at"]), (4, &json!(12)));
}

#[test]
fn only_this_machine_is_answered() {
    let served = served();
    let with = |headers: &str| served.ask(&format!("GET /v1/count HTTP/1.0\r\n{headers}\r\n\r\n"), &[]).status;
    assert_eq!(with("Host: 127.0.0.1:7600"), 200);
    assert_eq!(with("Host: evil.example"), 403);
    assert_eq!(with("X: y"), 403);
    assert_eq!(with("Host: localhost:1\r\nOrigin: http://localhost:1"), 200);
    assert_eq!(with("Host: localhost:1\r\nOrigin: http://evil.example"), 403);
    assert_eq!(with("Host: localhost:1\r\nOrigin: null"), 403);
    assert_eq!(with("Host: localhost\r\nSec-Fetch-Site: cross-site"), 403);
    assert_eq!(with("Host: localhost\r\nSec-Fetch-Site: same-origin"), 200);
}

/// A disk of so many bytes.
fn disk(bytes: u64) -> SimDisk {
    SimDisk::new(bytes, SimClock::new(RealClock::default().wall_ns()), SimRng::new(1))
}

/// The message of `request` that holds events, alone.
fn only_ranges(mut request: wire::Request) -> Vec<u8> {
    request.messages.retain(|message| matches!(message, wire::Message::Ranges(_)));
    wire::encode_request(&request)
}

#[test]
fn little_room_is_429_and_a_full_disk_507_until_there_is_room() {
    let (little, enough) = (1 << 20, 64 << 20);
    for (low_water, kept, status, kind) in [(8 << 20, little, 429, "busy"), (0, 0, 507, "full")] {
        let disk = disk(enough);
        let mut served = Served::on(&disk, low_water);
        served.send(&[(Level::Info, "one")]);
        let request = served.request(&[(Level::Info, "two")]);
        let mixed = wire::encode_request(&request);
        let ranges = only_ranges(request);
        disk.set_capacity(disk.used() + kept);
        let got = served.post(None, &ranges);
        assert_eq!((got.status, got.json()["error"]["kind"].as_str()), (status, Some(kind)), "{got:?}");
        assert!(got.header("retry-after").is_some());
        // Marks are still told while only events are refused: then each message speaks for itself.
        if status == 429 {
            let got = served.post(None, &mixed);
            let answer = wire::decode_answer(&got.body, wire::Limits::default()).unwrap();
            assert_eq!((got.status, answer.verdicts.len()), (200, 2));
            assert!(matches!(answer.verdicts[1], wire::Verdict::Refused(wire::Refusal::Busy { .. })));
        }
        assert_eq!(served.get("/v1/count").json()["count"], 1, "what was taken is found");
        disk.set_capacity(enough);
        served.until(|served| served.post(None, &ranges).status == 200);
        assert_eq!(served.get("/v1/count").json()["count"], 2, "once, however often it was sent");
        assert_eq!(served.get("/health/ready").status, 200);
    }
}

#[test]
fn elsewhere_only_batches_and_probes() {
    let served = Served::at("0.0.0.0:0");
    assert_eq!(served.get("/health/live").status, 200);
    assert_eq!(served.get("/health/ready").status, 200);
    for path in ["/v1/search", "/v1/o/local/default/count", "/metrics", "/openapi.json", "/", "/v1/tail"] {
        let got = served.get(path);
        assert_eq!((got.status, got.json()["error"]["kind"].as_str()), (403, Some("loopback_only")), "{path}");
        assert!(got.json()["error"]["message"].as_str().unwrap().contains("log in"));
    }
    assert_eq!(served.post(None, b"x").status, 401, "a token is needed here");
}

#[test]
fn live_tail() {
    let mut served = served();
    let mut stream = served.connect();
    stream.write_all(b"GET /v1/tail?q=level:ERROR HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert!(lines.by_ref().any(|line| line == ": following"), "connected");
    served.send(&[(Level::Info, "not this"), (Level::Error, "but this")]);
    let mut events = lines.by_ref().filter(|line| line.starts_with("event:") || line.starts_with("data:"));
    assert_eq!(events.next().unwrap(), "event: line");
    let data = events.next().unwrap();
    let event: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(event["message"], "but this");
    // What tail announced, search finds.
    assert_eq!(served.get("/v1/count?q=%22but%20this%22").json()["count"], 1);
    // The end of the server ends the stream.
    served.running.take().unwrap().shutdown();
    assert_eq!(lines.find(|line| line.starts_with("event:")), None);
}

#[test]
fn figures_and_probes() {
    let served = served();
    served.until(|served| {
        let metrics = String::from_utf8(served.get("/metrics").body).unwrap();
        metrics.lines().any(|line| line == "carbontrail_indexer_events 20")
    });
    let metrics = String::from_utf8(served.get("/metrics").body).unwrap();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.split_once(' ').unwrap().1.parse::<u64>().is_ok(), "{line}");
    }
    assert_eq!(served.get("/health/ready").json(), json!({"status": "ready"}));
}

#[test]
fn the_web_view_comes_with_its_fences() {
    let served = served();
    let page = served.get("/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    for part in
        ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]
    {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"));
    assert_eq!(
        (page.header("x-content-type-options"), page.header("referrer-policy")),
        (Some("nosniff"), Some("no-referrer"))
    );
    let text = String::from_utf8(page.body).unwrap();
    assert_eq!(served.get("/search?q=x").body, text.clone().into_bytes(), "addresses of the view");
    assert_eq!(served.get("/assets/none.js").status, 404);
    let Some(script) = text.split('"').find(|part| part.starts_with("/assets/") && part.ends_with(".js")) else {
        return;
    };
    let plain = served.get(script);
    assert_eq!(plain.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(
        (plain.header("content-type"), plain.header("content-encoding")),
        (Some("text/javascript; charset=utf-8"), None)
    );
    let packed =
        served.ask(&format!("GET {script} HTTP/1.0\r\nHost: localhost\r\nAccept-Encoding: gzip, br\r\n\r\n"), &[]);
    assert_eq!(packed.header("content-encoding"), Some("br"));
    assert!(packed.body.len() < plain.body.len());
}

#[test]
fn the_description_is_true() {
    let served = served();
    let description = served.get("/openapi.json").json();
    assert_eq!(description, openapi::whole());
    let paths = description["paths"].as_object().unwrap();
    let described: BTreeSet<String> = paths.keys().cloned().collect();
    assert_eq!(described, super::described().collect(), "routes and description");
    let id = served.get("/v1/search?limit=1").json()["events"][0]["id"].as_str().unwrap().to_owned();
    for (path, item) in paths {
        let Some(schema) = item["get"]["responses"]["200"]["content"]["application/json"].as_object() else { continue };
        if let Some(example) = schema.get("example") {
            check_shape(&description, &schema["schema"], example, path);
        }
        let real = path.replace("{id}", &id).replace("{owner}", "local").replace("{env}", "default");
        let got: Got = served.get(&format!("{real}?field=level&by=level&q=level:ERROR"));
        assert_eq!(got.status, 200, "{real}");
        check_shape(&description, &schema["schema"], &got.json(), path);
        for parameter in item["get"]["parameters"].as_array().unwrap() {
            resolved(&description, parameter);
        }
    }
    let refused = served.get("/v1/count?q=(").json();
    check_shape(&description, &json!({"$ref": "#/components/schemas/Refused"}), &refused, "refused");
}

fn resolved<'d>(description: &'d Value, schema: &'d Value) -> &'d Value {
    match schema["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').unwrap();
            description.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
        }
        None => schema,
    }
}

/// Holds a value against the part of JSON Schema that the description uses; unknown properties only where allowed.
fn check_shape(description: &Value, schema: &Value, value: &Value, at: &str) {
    let schema = resolved(description, schema);
    if let Some(any) = schema["oneOf"].as_array() {
        if value.is_null() && any.iter().any(|schema| schema["type"] == "null") {
            return;
        }
        return check_shape(description, &any[0], value, at);
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = types.is_empty() || types.contains(&kind) || (kind == "integer" && types.contains(&"number"));
    assert!(fits, "{at}: {value} is not {types:?}");
    if let Some(values) = schema["enum"].as_array() {
        assert!(values.contains(value), "{at}: {value}");
    }
    for item in value.as_array().into_iter().flatten() {
        check_shape(description, &schema["items"], item, &format!("{at}[]"));
    }
    let Some(object) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(object.contains_key(name.as_str().unwrap()), "{at}: {name} is missing in {value}");
    }
    for (name, value) in object {
        let at = format!("{at}.{name}");
        if let Some(schema) = schema["properties"].get(name) {
            check_shape(description, schema, value, &at);
        } else if schema["additionalProperties"].is_object() {
            check_shape(description, &schema["additionalProperties"], value, &at);
        } else {
            assert!(
                schema["additionalProperties"] == true || schema.get("properties").is_none(),
                "{at} is not described"
            );
        }
    }
}
