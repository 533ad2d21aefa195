//! Names of fields and their numbers. The numbers are stored and sent: they are never reused.

/// A field's number. Names are ECS where ECS has one, else `wso2.*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldId(pub u16);

/// One field of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Which one.
    pub id: FieldId,
    /// Its value.
    pub value: Value,
}

/// A field's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Bytes `start..start + len` of the event. Invalid UTF-8 is replaced only when shown.
    Span {
        /// First byte, counted from the event's own.
        start: u32,
        /// Number of bytes.
        len: u32,
    },
    /// Text that does not stand in the bytes as it is (unescaped JSON, a mapped word).
    Literal(Box<str>),
    /// A number (status, bytes, port, durations in the unit of the field).
    Int(i64),
}

macro_rules! fields {
    ($($id:literal $konst:ident $name:literal),* $(,)?) => {
        impl FieldId {
            $(#[doc = concat!("`", $name, "`")] pub const $konst: FieldId = FieldId($id);)*

            /// Every known field with its name, by number.
            pub const ALL: &'static [(FieldId, &'static str)] = &[$((FieldId($id), $name)),*];

            /// The field's full name; `None` for a number of a newer version.
            pub fn name(self) -> Option<&'static str> {
                match self.0 { $($id => Some($name),)* _ => None }
            }

            /// The field of that full name.
            pub fn from_name(name: &str) -> Option<FieldId> {
                match name { $($name => Some(FieldId($id)),)* _ => None }
            }
        }
    };
}

fields! {
    1 MESSAGE "message",
    2 LOG_LEVEL_TEXT "wso2.level.text",
    3 LOG_LOGGER "log.logger",
    4 THREAD_NAME "process.thread.name",
    5 TENANT_ID "wso2.tenant.id",
    6 TENANT_DOMAIN "wso2.tenant.domain",
    7 APP "wso2.app",
    8 ARTIFACT_TYPE "wso2.artifact.type",
    9 ARTIFACT_NAME "wso2.artifact.name",
    10 CORRELATION_ID "wso2.correlation_id",
    11 ERROR_TYPE "error.type",
    12 ERROR_MESSAGE "error.message",
    13 ERROR_STACK_TRACE "error.stack_trace",
    14 ERROR_GROUP "error.group",
    15 ERROR_CAUSES "wso2.error.causes",
    16 ERROR_FRAME "wso2.error.frame",
    17 HTTP_METHOD "http.request.method",
    18 HTTP_STATUS "http.response.status_code",
    19 HTTP_BYTES "http.response.body.bytes",
    20 HTTP_VERSION "http.version",
    21 HTTP_REFERRER "http.request.referrer",
    22 URL_ORIGINAL "url.original",
    23 URL_PATH "url.path",
    24 URL_QUERY "url.query",
    25 CLIENT_IP "client.ip",
    26 USER_NAME "user.name",
    27 USER_AGENT "user_agent.original",
    28 EVENT_DURATION "event.duration",
    29 EVENT_ACTION "event.action",
    30 EVENT_OUTCOME "event.outcome",
    31 SERVER_NAME "wso2.server",
    32 TEMPLATE_HASH "wso2.template.hash",
    33 SERVICE_TYPE "service.type",
    34 SERVICE_VERSION "service.version",
    35 CLIENT_ADDRESS "client.address",
    36 SPAN_ID "span.id",
    37 TRACE_ID "trace.id",
    38 AUDIT_TARGET "wso2.audit.target",
    39 AUDIT_TARGET_TYPE "wso2.audit.target_type",
    40 AUDIT_DATA "wso2.audit.data",
    41 AUDIT_IMPERSONATOR "wso2.audit.impersonator",
    42 CALL_TYPE "wso2.call.type",
    43 CALL_CLASS "wso2.call.class",
    44 CALL_METHOD "wso2.call.method",
    45 CALL_CONNECTION "wso2.call.connection",
    46 CALL_STATE "wso2.call.state",
    47 CALL_STATEMENT "wso2.call.statement",
    48 URL_FULL "url.full",
    49 API_NAME "wso2.api.name",
    50 API_VERSION "wso2.api.version",
    51 API_CONTEXT "wso2.api.context",
    52 API_RESOURCE "wso2.api.resource",
    53 API_TYPE "wso2.api.type",
    54 API_CREATOR "wso2.api.creator",
    55 API_APPLICATION "wso2.api.application",
    56 API_APPLICATION_OWNER "wso2.api.application_owner",
    57 API_TARGET_STATUS "wso2.api.target_status_code",
    58 API_BACKEND_LATENCY "wso2.api.backend_latency_ms",
    59 API_EVENT_TYPE "wso2.api.event_type",
    60 API_ERROR_CODE "wso2.api.error_code",
    61 API_ERROR_TYPE "wso2.api.error_type",
    62 API_GATEWAY_TYPE "wso2.api.gateway_type",
    63 API_KEY_TYPE "wso2.api.key_type",
    64 CLOUD_REGION "cloud.region",
    65 USER_AGENT_NAME "user_agent.name",
    66 USER_AGENT_OS "user_agent.os.name",
    67 CAR_NAME "wso2.car.name",
    68 WIRE_DIRECTION "wso2.wire.direction",
    69 OS_NAME "host.os.full",
    70 JAVA_VERSION "wso2.java.version",
    71 LOCALE "wso2.locale",
    72 TIMEZONE "event.timezone",
    73 API_ID "wso2.api.id",
    74 API_APPLICATION_ID "wso2.api.application_id",
    75 API_REQUEST_LATENCY "wso2.api.request_mediation_latency_ms",
    76 API_RESPONSE_LATENCY "wso2.api.response_mediation_latency_ms",
    77 API_CACHE_HIT "wso2.api.response_cache_hit",
    78 AUDIT_INITIATOR_TYPE "wso2.audit.initiator_type",
    79 COMPONENT "wso2.component",
    80 ERROR_SUPPRESSED "wso2.error.suppressed",
    // Of layouts and formats that people give (`own`).
    100 LABELS "labels",
    101 LOG_FORMAT "wso2.log.format",
    102 THREAD_ID "process.thread.id",
    103 PROCESS_PID "process.pid",
    104 PROCESS_NAME "process.name",
    105 ORIGIN_FUNCTION "log.origin.function",
    106 ORIGIN_FILE "log.origin.file.name",
    107 ORIGIN_LINE "log.origin.file.line",
    108 EVENT_SEQUENCE "event.sequence",
    109 EVENT_CODE "event.code",
    110 HOST_IP "host.ip",
    111 CLIENT_PORT "client.port",
    112 SERVER_ADDRESS "server.address",
    113 SERVER_PORT "server.port",
    114 URL_DOMAIN "url.domain",
    115 HTTP_REQUEST_ID "http.request.id",
    116 HTTP_REQUEST_BYTES "http.request.body.bytes",
    96 REDACTED_CLASSES "wso2.redacted.classes",
}
