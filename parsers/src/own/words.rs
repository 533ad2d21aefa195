//! The conversion words of log4j2 and the letters of log4j1, and those that Carbon adds to both.

use super::program::{Fit, Slot};
use crate::{FieldId, Level};

/// What a conversion prints.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meaning {
    Unknown,
    LineEnd,
    Message,
    Throwable,
    /// Nothing, or nothing that can be seen.
    Nothing,
    Date,
    Level,
    Value(Slot, Fit),
    /// What its first option prints.
    Inside,
    /// That, or nothing.
    Maybe,
    /// That, or another text.
    Either,
    /// That, changed.
    Changed,
    /// Carbon's `%P` of log4j1.
    OtherTenant,
}

pub(super) const LEVELS: &[(&str, Level)] = &[
    ("OFF", Level::Unknown),
    ("FATAL", Level::Fatal),
    ("ERROR", Level::Error),
    ("WARN", Level::Warn),
    ("INFO", Level::Info),
    ("DEBUG", Level::Debug),
    ("TRACE", Level::Trace),
    ("ALL", Level::Unknown),
];

/// Every word of log4j2, with those of Carbon's own converters.
const WORDS: &[&str] = &[
    "appName",
    "black",
    "blue",
    "c",
    "C",
    "class",
    "cyan",
    "d",
    "date",
    "enc",
    "encode",
    "endOfBatch",
    "equals",
    "equalsIgnoreCase",
    "errorDetails",
    "ex",
    "exception",
    "F",
    "file",
    "fqcn",
    "green",
    "highlight",
    "K",
    "l",
    "L",
    "level",
    "line",
    "location",
    "logger",
    "m",
    "M",
    "magenta",
    "map",
    "MAP",
    "marker",
    "markerSimpleName",
    "maxLen",
    "maxLength",
    "mdc",
    "MDC",
    "message",
    "method",
    "mm",
    "msg",
    "n",
    "N",
    "nano",
    "NDC",
    "ndc",
    "notEmpty",
    "p",
    "pid",
    "processId",
    "process",
    "r",
    "R",
    "rEx",
    "rException",
    "red",
    "relative",
    "repeat",
    "replace",
    "rThrowable",
    "sn",
    "sequenceNumber",
    "style",
    "t",
    "T",
    "tenantDomain",
    "tenantId",
    "thread",
    "threadId",
    "threadName",
    "threadPriority",
    "throwable",
    "tid",
    "tn",
    "tp",
    "u",
    "uuid",
    "variablesNotEmpty",
    "varsNotEmpty",
    "white",
    "x",
    "X",
    "xEx",
    "xException",
    "xThrowable",
    "yellow",
];

/// The letters of log4j1, with those of Carbon's `TenantAwarePatternLayout`.
const LETTERS: &[u8] = b"ACDFHIKLMPSTUX@cdlmnprtx";

/// The longest conversion word that `text` begins with; log4j takes the letters behind it for text.
pub(super) fn longest(text: &[u8], old: bool) -> &[u8] {
    if old {
        let known = text.first().is_some_and(|b| LETTERS.contains(b));
        return &text[..usize::from(known)];
    }
    let fits = |len: &usize| WORDS.iter().any(|w| w.as_bytes() == &text[..*len]);
    let len = (1..=text.len()).rev().find(fits).unwrap_or(0);
    &text[..len]
}

/// How many options in braces a conversion takes.
pub(super) fn takes_options(word: &str, old: bool) -> usize {
    if old {
        return usize::from(matches!(word, "c" | "C" | "d" | "X"));
    }
    match word {
        "n" | "t" | "tn" | "thread" | "threadName" | "T" | "tid" | "threadId" | "tp" | "threadPriority" | "L"
        | "line" | "M" | "method" | "F" | "file" | "l" | "location" | "r" | "relative" | "sn" | "sequenceNumber"
        | "x" | "NDC" | "ndc" | "N" | "nano" | "endOfBatch" | "fqcn" | "marker" | "markerSimpleName" | "tenantId"
        | "tenantDomain" | "appName" | "errorDetails" => 0,
        "d" | "date" | "encode" | "enc" | "highlight" | "style" | "maxLen" | "maxLength" | "repeat" | "R" => 2,
        "replace" | "equals" | "equalsIgnoreCase" => 3,
        "" => 0,
        // Exceptions take any number: depth, filters, separator.
        "ex" | "exception" | "throwable" | "xEx" | "xException" | "xThrowable" | "rEx" | "rException"
        | "rThrowable" => 8,
        "m" | "msg" | "message" | "mm" => 4,
        _ => 1,
    }
}

/// What a word prints, given its first option.
pub(super) fn meaning(word: &str, option: &str, old: bool) -> Meaning {
    use Fit::{Any, Number, Word};
    use Meaning::{
        Changed, Date, Either, Inside, LineEnd, Maybe, Message, Nothing, OtherTenant, Throwable, Unknown, Value,
    };
    let field = |id, fit| Value(Slot::Field(id), fit);
    let none = |fit| Value(Slot::None, fit);
    if old {
        match word {
            "T" => return field(FieldId::TENANT_ID, Number),
            "S" => return field(FieldId::SERVER_NAME, Any),
            "A" => return field(FieldId::APP, Any),
            "D" => return field(FieldId::TENANT_DOMAIN, Any),
            "U" => return field(FieldId::USER_NAME, Any),
            "@" => return none(Any),
            "H" => return field(FieldId::HOST_IP, Any),
            "I" => return Value(Slot::Label("instance".into()), Any),
            "K" => return Value(Slot::Label("uuid".into()), Any),
            "P" => return OtherTenant,
            "x" => return none(Word),
            _ => {}
        }
    }
    match word {
        "d" | "date" => Date,
        "p" | "level" => Meaning::Level,
        "c" | "logger" => field(FieldId::LOG_LOGGER, Any),
        "C" | "class" => Value(Slot::Label("class".into()), Any),
        "M" | "method" => field(FieldId::ORIGIN_FUNCTION, Any),
        "L" | "line" => field(FieldId::ORIGIN_LINE, Any),
        "F" | "file" => field(FieldId::ORIGIN_FILE, Any),
        "l" | "location" => Value(Slot::Label("location".into()), Any),
        "fqcn" => Value(Slot::Label("fqcn".into()), Any),
        "t" | "tn" | "thread" | "threadName" => field(FieldId::THREAD_NAME, Any),
        "T" | "tid" | "threadId" => field(FieldId::THREAD_ID, Number),
        "tp" | "threadPriority" => none(Number),
        "m" | "msg" | "message" | "mm" => Message,
        "n" => LineEnd,
        "X" | "mdc" | "MDC" => of_key(option),
        "x" | "NDC" | "ndc" => Value(Slot::Label("ndc".into()), Any),
        "ex" | "exception" | "throwable" | "xEx" | "xException" | "xThrowable" | "rEx" | "rException"
        | "rThrowable" | "errorDetails" => match option {
            "none" | "0" => Nothing,
            // One word of the exception, on the line itself.
            "short.className"
            | "short.methodName"
            | "short.lineNumber"
            | "short.fileName"
            | "short.message"
            | "short.localizedMessage" => none(Any),
            _ => Throwable,
        },
        "marker" | "markerSimpleName" => Value(Slot::Label("marker".into()), Any),
        "r" | "relative" | "N" | "nano" => none(Number),
        "u" | "uuid" => Value(Slot::Label("uuid".into()), Word),
        "sn" | "sequenceNumber" => field(FieldId::EVENT_SEQUENCE, Number),
        "pid" | "processId" | "process" => field(FieldId::PROCESS_PID, Number),
        "endOfBatch" => none(Word),
        "K" | "map" | "MAP" => match option {
            "" => none(Any),
            key => of_key(key),
        },
        "tenantId" => field(FieldId::TENANT_ID, Any),
        "tenantDomain" => field(FieldId::TENANT_DOMAIN, Any),
        "appName" => field(FieldId::APP, Any),
        "highlight" | "style" | "black" | "red" | "green" | "yellow" | "blue" | "magenta" | "cyan" | "white" => Inside,
        "encode" | "enc" | "maxLen" | "maxLength" => Inside,
        "notEmpty" | "varsNotEmpty" | "variablesNotEmpty" => Maybe,
        "equals" | "equalsIgnoreCase" => Either,
        "replace" => Changed,
        "repeat" | "R" => none(Any),
        _ => Unknown,
    }
}

/// A value of the thread's context, by its key.
fn of_key(key: &str) -> Meaning {
    let key = key.split_once(":-").map_or(key, |(key, _)| key);
    if key.is_empty() || key.contains(',') {
        return Meaning::Value(Slot::None, Fit::Any);
    }
    Meaning::Value(slot_of_key(key), Fit::Any)
}

/// The field of a key of the thread's context; others are labels.
pub(super) fn slot_of_key(key: &str) -> Slot {
    let folded: String = key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    Slot::Field(match folded.as_str() {
        "correlationid" | "activityid" => FieldId::CORRELATION_ID,
        "tenantid" => FieldId::TENANT_ID,
        "tenantdomain" => FieldId::TENANT_DOMAIN,
        "appname" => FieldId::APP,
        "apiname" => FieldId::ARTIFACT_NAME,
        "traceid" => FieldId::TRACE_ID,
        "spanid" => FieldId::SPAN_ID,
        "username" | "user" => FieldId::USER_NAME,
        "artifactcontainer" => FieldId::CAR_NAME,
        "clientip" | "remoteip" | "remoteaddress" => FieldId::CLIENT_ADDRESS,
        // Set by Synapse and nearly always empty.
        "ip" | "host" => return Slot::None,
        _ => return Slot::Label(key.into()),
    })
}

/// The word that `%level{…}` prints for a level.
pub(super) fn level_word(name: &str, option: &str) -> String {
    let mut word = name.to_owned();
    let (mut length, mut lower) = (None, false);
    for pair in option.split(',') {
        let Some((key, value)) = pair.split_once('=') else { continue };
        let (key, value) = (key.trim(), value.trim());
        match key {
            _ if key.eq_ignore_ascii_case("length") => length = value.parse::<usize>().ok(),
            _ if key.eq_ignore_ascii_case("lowerCase") => lower = value.eq_ignore_ascii_case("true"),
            _ if key.eq_ignore_ascii_case(name) => return value.to_owned(),
            _ => {}
        }
    }
    if let Some(length) = length {
        word = word.chars().take(length).collect();
    }
    if lower { word.to_ascii_lowercase() } else { word }
}
