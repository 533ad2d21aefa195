//! Names of groups: the full names of fields, and the short ones that people and Logstash's patterns use.

use super::pattern::{Target, of_field};
use super::program::Slot;
use crate::FieldId;

/// What a group of that name holds. Names that are no field's become labels.
pub(super) fn target(name: &str) -> Target {
    let name = dotted(name);
    match name.as_str() {
        "message" | "msg" | "log" | "text" => return Target::Message,
        "@timestamp" | "timestamp" | "time" | "date" | "datetime" | "ts" | "logdate" | "log_timestamp" => {
            return Target::Time;
        }
        "level" | "loglevel" | "log_level" | "log.level" | "severity" | "priority" | "lvl" => return Target::Level,
        _ => {}
    }
    match FieldId::from_name(&name).or_else(|| short(&name)) {
        Some(id) if !made_here(id) => of_field(id),
        _ => Target::Slot(Slot::Label(name.into())),
    }
}

/// Fields that parsing makes itself; a text for them would be no such thing.
fn made_here(id: FieldId) -> bool {
    matches!(
        id,
        FieldId::LABELS | FieldId::LOG_FORMAT | FieldId::ERROR_GROUP | FieldId::TEMPLATE_HASH | FieldId::ERROR_CAUSES
    )
}

/// `[http][request][method]` as `http.request.method`.
fn dotted(name: &str) -> String {
    match name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
        Some(inside) => inside.replace("][", "."),
        None => name.to_owned(),
    }
}

fn short(name: &str) -> Option<FieldId> {
    Some(match name {
        "logger" | "class" | "javaclass" | "logger_name" | "loggername" => FieldId::LOG_LOGGER,
        "thread" | "thread_name" | "threadname" => FieldId::THREAD_NAME,
        "thread_id" | "tid" => FieldId::THREAD_ID,
        "tenant" | "tenantid" | "tenantId" | "tenant_id" => FieldId::TENANT_ID,
        "tenant_domain" | "tenantDomain" => FieldId::TENANT_DOMAIN,
        "app" | "appname" | "appName" | "application" => FieldId::APP,
        "corr" | "correlation" | "correlationid" | "correlation_id" | "correlationId" => FieldId::CORRELATION_ID,
        "traceid" | "trace_id" | "traceId" => FieldId::TRACE_ID,
        "spanid" | "span_id" | "spanId" => FieldId::SPAN_ID,
        "clientip" | "client" | "client_ip" | "remote_addr" | "remote" | "src_ip" | "source.address" | "source.ip" => {
            FieldId::CLIENT_ADDRESS
        }
        "clientport" | "client_port" | "src_port" | "source.port" => FieldId::CLIENT_PORT,
        "server" | "serverhost" | "dest_ip" => FieldId::SERVER_ADDRESS,
        "serverport" | "server_port" | "dest_port" => FieldId::SERVER_PORT,
        "verb" | "http_method" | "request_method" => FieldId::HTTP_METHOD,
        "request" | "uri" | "request_uri" | "url" => FieldId::URL_ORIGINAL,
        "path" | "uripath" => FieldId::URL_PATH,
        "query" | "uriquery" => FieldId::URL_QUERY,
        "vhost" | "domain" => FieldId::URL_DOMAIN,
        "httpversion" | "http_version" => FieldId::HTTP_VERSION,
        "response" | "status" | "status_code" => FieldId::HTTP_STATUS,
        "bytes" | "body_bytes_sent" => FieldId::HTTP_BYTES,
        "referrer" | "referer" => FieldId::HTTP_REFERRER,
        "agent" | "useragent" | "user_agent" => FieldId::USER_AGENT,
        "auth" | "user" | "username" | "user_name" => FieldId::USER_NAME,
        "action" => FieldId::EVENT_ACTION,
        "outcome" | "result" => FieldId::EVENT_OUTCOME,
        "code" => FieldId::EVENT_CODE,
        "pid" => FieldId::PROCESS_PID,
        "program" | "process" => FieldId::PROCESS_NAME,
        "method" | "function" => FieldId::ORIGIN_FUNCTION,
        "file" | "sourcefile" => FieldId::ORIGIN_FILE,
        "line" | "lineno" => FieldId::ORIGIN_LINE,
        "exception" | "error_type" => FieldId::ERROR_TYPE,
        _ => return None,
    })
}

/// A time's format as it is compiled: Logstash has names of its own.
pub(super) fn time_format(text: &str) -> &str {
    match text.trim() {
        "ISO8601" | "TIMESTAMP_ISO8601" => "yyyy-MM-dd'T'HH:mm:ss",
        "UNIX_MS" => "UNIX_MILLIS",
        "HTTPDATE" => "dd/MMM/yyyy:HH:mm:ss Z",
        "SYSLOGTIMESTAMP" => "MMM dd HH:mm:ss",
        other => other,
    }
}

/// Whether a time's format means ISO 8601 in all its forms.
pub(super) fn is_iso(text: &str) -> bool {
    matches!(text.trim(), "ISO8601" | "TIMESTAMP_ISO8601")
}
