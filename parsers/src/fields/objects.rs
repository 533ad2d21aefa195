//! The fields of JSON objects in messages: API analytics (`apimMetrics`), Micro Integrator analytics, the API log;
//! and of lines that are nothing but an object or `key=value` pairs.

use super::json::{self, Json, Members};
use super::{Fields, number, thrown, trimmed};
use crate::heads::fixed::iso;
use crate::span::{Cursor, Span};
use crate::stamp::{self, Stamp};
use crate::{FieldId, Level, level};

/// Adds the fields of an analytics event somewhere in `message`; gives the time that the event tells.
pub(crate) fn analytics(message: Span, bytes: &[u8], fields: &mut Fields) -> Option<Stamp> {
    let open = message.start as usize + memchr::memchr(b'{', message.of(bytes))?;
    let mut time = None;
    for (key, value) in Members::new(bytes, open, message.end()) {
        match key {
            b"requestTimestamp" | b"timestamp" => time = time.or_else(|| text_time(value, bytes)),
            b"payload" => micro_integrator(value.span(), bytes, fields),
            _ => api_event(key, value, bytes, fields),
        }
    }
    time
}

fn api_event(key: &[u8], value: Json, bytes: &[u8], fields: &mut Fields) {
    let id = match key {
        b"responseLatency" => return milliseconds(value, bytes, fields),
        b"proxyResponseCode" => return integer(FieldId::HTTP_STATUS, value, bytes, fields),
        b"targetResponseCode" => return integer(FieldId::API_TARGET_STATUS, value, bytes, fields),
        b"backendLatency" => return integer(FieldId::API_BACKEND_LATENCY, value, bytes, fields),
        b"errorCode" => return integer(FieldId::API_ERROR_CODE, value, bytes, fields),
        b"requestMediationLatency" => return integer(FieldId::API_REQUEST_LATENCY, value, bytes, fields),
        b"responseMediationLatency" => return integer(FieldId::API_RESPONSE_LATENCY, value, bytes, fields),
        b"responseCacheHit" => FieldId::API_CACHE_HIT,
        b"apiId" => FieldId::API_ID,
        b"applicationId" => FieldId::API_APPLICATION_ID,
        b"apiCreatorTenantDomain" => FieldId::TENANT_DOMAIN,
        b"apiName" => FieldId::API_NAME,
        b"apiVersion" => FieldId::API_VERSION,
        b"apiContext" => FieldId::API_CONTEXT,
        b"apiType" => FieldId::API_TYPE,
        b"apiCreator" => FieldId::API_CREATOR,
        b"apiResourceTemplate" => FieldId::API_RESOURCE,
        b"apiMethod" => FieldId::HTTP_METHOD,
        b"applicationName" => FieldId::API_APPLICATION,
        b"applicationOwner" => FieldId::API_APPLICATION_OWNER,
        b"correlationId" => FieldId::CORRELATION_ID,
        b"destination" => FieldId::URL_FULL,
        b"eventType" => FieldId::API_EVENT_TYPE,
        b"errorType" => FieldId::API_ERROR_TYPE,
        b"errorMessage" => FieldId::ERROR_MESSAGE,
        b"gatewayType" => FieldId::API_GATEWAY_TYPE,
        b"keyType" => FieldId::API_KEY_TYPE,
        b"regionId" => FieldId::CLOUD_REGION,
        b"userIp" => FieldId::CLIENT_IP,
        b"userName" => FieldId::USER_NAME,
        b"userAgent" => FieldId::USER_AGENT_NAME,
        b"platform" => FieldId::USER_AGENT_OS,
        _ => return,
    };
    json::put(fields, id, value, bytes);
}

/// The `payload` of a Micro Integrator event.
fn micro_integrator(payload: Span, bytes: &[u8], fields: &mut Fields) {
    for (key, value) in Members::of(bytes, payload) {
        match key {
            b"entityType" => json::put(fields, FieldId::ARTIFACT_TYPE, value, bytes),
            b"correlation_id" => json::put(fields, FieldId::CORRELATION_ID, value, bytes),
            b"latency" => milliseconds(value, bytes, fields),
            b"failure" => {
                fields.literal(FieldId::EVENT_OUTCOME, if is_true(value, bytes) { "failure" } else { "success" });
            }
            b"apiDetails"
            | b"proxyServiceDetails"
            | b"sequenceDetails"
            | b"endpointDetails"
            | b"inboundEndpointDetails" => details(value.span(), bytes, fields),
            b"remoteHost" => json::put(fields, FieldId::CLIENT_ADDRESS, value, bytes),
            b"httpMethod" => json::put(fields, FieldId::HTTP_METHOD, value, bytes),
            b"httpUrl" => json::put(fields, FieldId::URL_ORIGINAL, value, bytes),
            b"responseCode" => integer(FieldId::HTTP_STATUS, value, bytes, fields),
            _ => {}
        }
    }
}

fn details(object: Span, bytes: &[u8], fields: &mut Fields) {
    for (key, value) in Members::of(bytes, object) {
        let id = match key {
            b"api" => FieldId::ARTIFACT_NAME,
            b"name" => FieldId::ARTIFACT_NAME,
            b"method" if !fields.has(FieldId::HTTP_METHOD) => FieldId::HTTP_METHOD,
            b"apiContext" => FieldId::API_CONTEXT,
            b"subRequestPath" => FieldId::API_RESOURCE,
            _ => continue,
        };
        json::put(fields, id, value, bytes);
    }
}

/// A line of the API log: one flow of a call. Newer products print `| api | tenant | {…}` behind the logger.
pub(crate) fn api_log(message: Span, bytes: &[u8], fields: &mut Fields) {
    if let Some(names) = message.of(bytes).strip_prefix(b"| ") {
        let mut at = message.end() - names.len();
        for id in [FieldId::ARTIFACT_NAME, FieldId::TENANT_DOMAIN] {
            let Some(bar) = memchr::memchr2(b'|', b'{', &bytes[at..message.end()]).map(|i| at + i) else { break };
            if bytes[bar] == b'|' {
                fields.span(id, trimmed(bytes, at, bar));
            }
            at = bar + 1;
        }
    }
    let Some(open) = memchr::memchr(b'{', message.of(bytes)) else { return };
    for (key, value) in Members::new(bytes, message.start as usize + open, message.end()) {
        let id = match key {
            b"statusCode" => {
                integer(FieldId::HTTP_STATUS, value, bytes, fields);
                continue;
            }
            b"correlationId" => FieldId::CORRELATION_ID,
            b"verb" | b"apiMethod" => FieldId::HTTP_METHOD,
            b"apiTo" => FieldId::URL_ORIGINAL,
            b"sourceIP" => FieldId::CLIENT_IP,
            b"flow" => FieldId::CALL_STATE,
            _ => continue,
        };
        json::put(fields, id, value, bytes);
    }
}

/// An event that is a JSON object, as log4j2's JSON layouts, logback's, logrus and others write them.
pub(crate) fn line(bytes: &[u8], fields: &mut Fields) -> (Level, Option<Stamp>) {
    let (mut level, mut time) = (Level::Unknown, None);
    let open = memchr::memchr(b'{', bytes).unwrap_or(0);
    for (key, value) in Members::new(bytes, open, bytes.len()) {
        match key {
            b"level" | b"log.level" | b"severity_text" | b"severity" if level == Level::Unknown => {
                let word = value.span().of(bytes);
                level = level::of_word(word);
                if !level::is_canonical(word, level) {
                    json::put(fields, FieldId::LOG_LEVEL_TEXT, value, bytes);
                }
            }
            b"message" | b"msg" => json::put(fields, FieldId::MESSAGE, value, bytes),
            b"loggerName" | b"logger" | b"log.logger" | b"logger_name" | b"file" => {
                json::put(fields, FieldId::LOG_LOGGER, value, bytes);
            }
            b"caller" if !fields.has(FieldId::LOG_LOGGER) => json::put(fields, FieldId::LOG_LOGGER, value, bytes),
            b"thread" | b"thread_name" | b"threadName" | b"process.thread.name" => {
                json::put(fields, FieldId::THREAD_NAME, value, bytes)
            }
            b"traceId" | b"trace_id" | b"trace.id" => json::put(fields, FieldId::TRACE_ID, value, bytes),
            b"spanId" | b"span_id" | b"span.id" => json::put(fields, FieldId::SPAN_ID, value, bytes),
            b"correlationId" | b"Correlation-ID" | b"correlation_id" => {
                json::put(fields, FieldId::CORRELATION_ID, value, bytes)
            }
            b"time" | b"timestamp" | b"@timestamp" | b"ts" | b"date" => {
                time = time.or_else(|| text_time(value, bytes)).or_else(|| number_time(value, bytes));
            }
            b"instant" => time = time.or_else(|| instant(value.span(), bytes)),
            b"timeMillis" => time = time.or_else(|| milliseconds_time(number(value.span().of(bytes))?)),
            b"thrown" => thrown::fill(value.span(), bytes, fields),
            b"error.type" | b"exception.type" => json::put(fields, FieldId::ERROR_TYPE, value, bytes),
            b"error.message" | b"exception.message" => json::put(fields, FieldId::ERROR_MESSAGE, value, bytes),
            b"error.stack_trace" | b"stack_trace" | b"exception" | b"stacktrace" | b"exception.stacktrace" => {
                thrown::stack(value, bytes, fields);
            }
            b"contextMap" | b"mdc" => context_map(value.span(), bytes, fields),
            _ => {}
        }
    }
    (level, time)
}

/// What log4j2 keeps of the thread's own context.
fn context_map(object: Span, bytes: &[u8], fields: &mut Fields) {
    for (key, value) in Members::of(bytes, object) {
        let id = match key {
            b"Correlation-ID" => FieldId::CORRELATION_ID,
            b"tenantId" => FieldId::TENANT_ID,
            b"tenantDomain" => FieldId::TENANT_DOMAIN,
            b"appName" => FieldId::APP,
            b"apiName" => FieldId::ARTIFACT_NAME,
            b"Artifact-Container" => FieldId::CAR_NAME,
            b"trace_id" => FieldId::TRACE_ID,
            b"span_id" => FieldId::SPAN_ID,
            _ => continue,
        };
        json::put(fields, id, value, bytes);
    }
}

/// Seconds since 1970 with a fraction, or milliseconds: a number that is too large for seconds.
fn number_time(value: Json, bytes: &[u8]) -> Option<Stamp> {
    let Json::Bare(span) = value else { return None };
    let text = span.of(bytes);
    let (whole, fraction) = text.split_at(memchr::memchr(b'.', text).unwrap_or(text.len()));
    let n = number(whole)?;
    if n > 100_000_000_000 {
        return milliseconds_time(n);
    }
    let digits = fraction.get(1..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).take(3);
    let milliseconds =
        digits.clone().fold(0, |sum, b| sum * 10 + i64::from(b - b'0')) * [1000, 100, 10, 1][digits.count()];
    milliseconds_time(n * 1000 + milliseconds)
}

/// Milliseconds since 1970.
fn milliseconds_time(ms: i64) -> Option<Stamp> {
    let second = ms.div_euclid(1000);
    Some(Stamp {
        day: Some(i32::try_from(second.div_euclid(86_400)).ok()?),
        dated: true,
        second: second.rem_euclid(86_400) as u32,
        nanos: ms.rem_euclid(1000) as u32 * 1_000_000,
        offset: Some(0),
        valid: true,
    })
}

/// `instant{epochSecond,nanoOfSecond}` of log4j2; `{seconds,nanos}` of other libraries.
pub(crate) fn instant(object: Span, bytes: &[u8]) -> Option<Stamp> {
    let mut stamp = Stamp { offset: Some(0), dated: true, ..Stamp::default() };
    for (key, value) in Members::of(bytes, object) {
        let n = number(value.span().of(bytes))?;
        match key {
            b"epochSecond" | b"seconds" => {
                stamp.day = i32::try_from(n / 86_400).ok();
                stamp.second = (n % 86_400) as u32;
                stamp.valid = true;
            }
            b"nanoOfSecond" | b"nanos" => stamp.nanos = u32::try_from(n).ok().filter(|n| *n < 1_000_000_000)?,
            _ => {}
        }
    }
    Some(stamp).filter(|s| s.valid)
}

/// A time as text: ISO, or day first as Choreo Connect's enforcer prints it.
pub(crate) fn text_time(value: Json, bytes: &[u8]) -> Option<Stamp> {
    let span = value.span();
    let mut c = Cursor::new(&bytes[..span.end()], span.start as usize);
    let start = c;
    if let Some(stamp) = iso(&mut c) {
        return Some(stamp).filter(|s| s.valid);
    }
    c = start;
    let (day, month, year) = match c.rest() {
        [d, e, b'-', m, n, b'-', b'2', b'0', y, z, b' ', ..] => (pair(*d, *e)?, pair(*m, *n)?, 2000 + pair(*y, *z)?),
        _ => return None,
    };
    c.at += 11;
    let mut stamp = Stamp::on(stamp::day_of(year, month, day));
    stamp::clock(&mut c, &mut stamp)?;
    if c.take_byte(b':') {
        stamp.nanos = c.digits(3, 3)? * 1_000_000;
    }
    Some(stamp).filter(|s| s.valid)
}

fn pair(a: u8, b: u8) -> Option<u32> {
    (a.is_ascii_digit() && b.is_ascii_digit()).then(|| u32::from(a - b'0') * 10 + u32::from(b - b'0'))
}

fn integer(id: FieldId, value: Json, bytes: &[u8], fields: &mut Fields) {
    if let Some(n) = number(value.span().of(bytes)) {
        fields.int(id, n);
    }
}

fn milliseconds(value: Json, bytes: &[u8], fields: &mut Fields) {
    if let Some(ms) = number(value.span().of(bytes)) {
        fields.int(FieldId::EVENT_DURATION, ms.saturating_mul(1_000_000));
    }
}

fn is_true(value: Json, bytes: &[u8]) -> bool {
    value.span().of(bytes) == b"true"
}

/// A logfmt line: `time=… level=… module="…" message="…" key=value`.
pub(crate) fn logfmt(bytes: &[u8], fields: &mut Fields) -> Level {
    let line = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |i| i);
    let mut level = Level::Unknown;
    let mut at = 0;
    while let Some(equals) = memchr::memchr(b'=', &bytes[at..line]).map(|i| at + i) {
        let key = trimmed(bytes, at, equals);
        let mut from = equals + 1;
        while from < line && bytes[from] == b' ' {
            from += 1;
        }
        let (value, next) = logfmt_value(bytes, from, line);
        match key.of(bytes) {
            b"level" => {
                level = level::of_word(value.of(bytes));
                if !level::is_canonical(value.of(bytes), level) {
                    fields.span(FieldId::LOG_LEVEL_TEXT, value);
                }
            }
            b"message" | b"msg" => fields.span(FieldId::MESSAGE, value),
            b"module" | b"logger" => fields.span(FieldId::LOG_LOGGER, value),
            b"traceId" => fields.span(FieldId::TRACE_ID, value),
            b"spanId" => fields.span(FieldId::SPAN_ID, value),
            _ => {}
        }
        at = next;
    }
    level
}

/// A value, quoted or not, and where the next key begins.
fn logfmt_value(bytes: &[u8], from: usize, line: usize) -> (Span, usize) {
    if bytes.get(from) == Some(&b'"') {
        let mut at = from + 1;
        while at < line && bytes[at] != b'"' {
            at += 1 + usize::from(bytes[at] == b'\\');
        }
        let close = at.min(line);
        return (Span::new(from + 1, close), (close + 1).min(line));
    }
    let end = memchr::memchr(b' ', bytes.get(from..line).unwrap_or_default()).map_or(line, |i| from + i);
    (Span::new(from.min(line), end), end)
}
