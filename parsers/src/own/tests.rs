#![allow(clippy::unwrap_used, reason = "a failing test may panic")]
use super::*;
use crate::{Context, Cut, FileFacts, Input, InputAt, Offset, Parser, Value};

fn layout(text: &str) -> Format {
    Format::new(FormatSpec::new("mine", Syntax::Layout, text)).unwrap()
}

fn wrong(syntax: Syntax, text: &str) -> (usize, String) {
    let error = Format::new(FormatSpec::new("mine", syntax, text)).unwrap_err();
    (error.at, error.text)
}

/// Each event of `text` as its family and fields.
fn parse(format: &Format, name: &str, text: &str) -> Vec<Vec<(String, String)>> {
    let formats = Formats::new([format.clone()]);
    let context = Context { formats, ..Context::default() };
    let mut parser = Parser::new(FileFacts { name: name.into(), family: None }, Offset(0), context);
    let mut events = Vec::new();
    let end = InputAt { at: Offset(text.len() as u64), input: Input::Cut };
    parser.advance(text.as_bytes(), &[end], &mut |event, bytes| {
        let mut fields = vec![("family".to_owned(), event.family.name().to_owned())];
        if let Some(time) = event.time {
            fields.push(("time".into(), jiff::Timestamp::from_nanosecond(time.utc.0.into()).unwrap().to_string()));
        }
        fields.push(("level".into(), format!("{:?}", event.level)));
        for field in &event.fields {
            let value = match &field.value {
                Value::Span { start, len } => {
                    String::from_utf8_lossy(&bytes[*start as usize..(start + len) as usize]).into_owned()
                }
                Value::Literal(text) => text.to_string(),
                Value::Int(number) => number.to_string(),
            };
            fields.push((field.id.name().unwrap().to_owned(), value));
        }
        events.push(fields);
    });
    assert_eq!(parser.cut_place(&[], Cut::Everything), None);
    events
}

fn has(event: &[(String, String)], expected: &[(&str, &str)]) {
    for (name, value) in expected {
        let found: Vec<&str> = event.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
        assert!(found.contains(value), "{name}: {found:?}, expected {value:?}, in {event:#?}");
    }
}

#[test]
fn the_products_own_layouts_are_the_built_in_families() {
    for (text, family) in [
        ("TID: [%tenantId] [%appName] [%d] %5p {%c} - %m%ex%n", "tid"),
        ("TID: [%tenantId] [%appName] [%d] %5p {%c} - %mm%ex%n", "tid"),
        ("TID: [%tenantId] [%appName] [%d] [%X{Correlation-ID}] %5p {%c} - %mm%ex%n", "tid-is"),
        ("TID: [%tenantId] [%d] %5p {%c} - %m%ex%n", "tid-short"),
        ("TID: [%tenantId] [%d] [%X{Correlation-ID}] %5p {%c} - %mm%ex%n", "tid-is-audit"),
        ("TID: [%d] %5p {%c} - %m {%c}%n", "tid-launch"),
        ("[%d] %5p {%c} - %m%ex%n", "plain"),
        ("[%d] %5p {%c} %X{apiName} - %m%ex%n", "plain"),
        ("[%d{DEFAULT}] %5p - %c{1} %m%n", "console"),
        ("%d{ISO8601} [%X{ip}-%X{host}] [%t] %5p %c{1} %m%n", "gwerr"),
        ("%d{ISO8601} [%X{ip}-%X{host}] [%t] %5p {%c} %m%n", "gwerr"),
        ("%d{HH:mm:ss,SSS} [%X{ip}-%X{host}] [%t] %5p %c{1} %m%n", "gwtrace"),
        ("%d{yyyy-MM-dd HH:mm:ss,SSS}|%X{Correlation-ID}|%t|%m%n", "corr"),
        ("ThreadID: [%T] TenantID: [%tenantId] [%d] %5p {%c} - %m%ex%n", "-"),
        ("%d{MM-dd-yyyy}-%d{HH:mm:ss,SSS} [%X{ip}-%X{host}] [%t] %5p %m%n", "mi-otel"),
        ("[%d] [%tenantId] %5p {%c} - %m%ex%n", "brk-corr"),
        ("%d|%p|%c|%m%n", "-"),
    ] {
        let format = layout(text);
        assert_eq!(format.built_in().map_or("-", Family::name), family, "{text}");
    }
    let old = |text: &str| Format::new(FormatSpec::new("mine", Syntax::Layout1, text)).unwrap().built_in();
    for text in [
        "TID: [%T] [%S] [%d] %P%5p {%c} - %x %m {%c}%n",
        "TID: [%T] [%S] [%d] %P%5p {%c} - %x %m %n",
        "[%d] %P%5p {%c} - %x %m%n",
    ] {
        // The context of log4j1 (`%x`) would be lost in a built-in family; it is practically always empty.
        assert!(old(text).is_some(), "{text}");
    }
}

#[test]
fn reads_the_values_of_a_layout() {
    let format = layout(
        "%d{yyyy-MM-dd HH:mm:ss.SSS}{UTC} | %-5level | [%t] %c{1.}:%L | user=%X{user} tier=%X{tier} | %msg%n%throwable",
    );
    let text = "2026-04-22 11:02:13.541 | WARN  | [http-nio-9443-exec-3] o.w.Gate:217 | user=bob tier=gold | slow\n\
        and more\njava.io.IOException: broken\n\tat org.wso2.A.b(A.java:1)\nCaused by: java.net.SocketException: x\n\t... 3 more\n\
        2026-04-22 11:02:14.000 | INFO  | [main] o.w.Gate: | user= tier= | next\n";
    let events = parse(&format, "own.log", text);
    assert_eq!(events.len(), 2, "{events:#?}");
    has(
        &events[0],
        &[
            ("family", "own"),
            ("wso2.log.format", "mine"),
            ("time", "2026-04-22T11:02:13.541Z"),
            ("level", "Warn"),
            ("process.thread.name", "http-nio-9443-exec-3"),
            ("log.logger", "o.w.Gate"),
            ("log.origin.file.line", "217"),
            ("user.name", "bob"),
            ("labels", "tier=gold"),
            ("message", "slow\nand more"),
            ("error.type", "java.io.IOException"),
            ("wso2.error.causes", "java.net.SocketException"),
        ],
    );
    has(&events[1], &[("message", "next"), ("log.logger", "o.w.Gate")]);
    assert!(!events[1].iter().any(|(name, _)| name == "labels" || name == "user.name"));
}

#[test]
fn reads_what_stands_behind_the_message() {
    let format = layout("[%d] %p {%c} - %m {%c} [%X{traceId}]%n");
    let line = "[2026-04-22 11:02:13,541] ERROR {a.B} - uses {braces} {a.B} [abc]\n";
    let events = parse(&format, "own.log", line);
    has(&events[0], &[("message", "uses {braces}"), ("trace.id", "abc"), ("level", "Error")]);
    let format = layout("[%d] %p %c - %m%ex [%X{traceId}]%n");
    let text = "[2026-04-22 11:02:13,541] ERROR a.B - failed java.io.IOException: x\n\tat a.b.C.d(C.java:1)\n [abc]\n";
    let events = parse(&format, "own.log", text);
    has(&events[0], &[("message", "failed"), ("trace.id", "abc"), ("error.type", "java.io.IOException")]);
    assert!(events[0].iter().any(|(n, v)| n == "error.stack_trace" && v.ends_with("(C.java:1)")), "{events:#?}");
}

#[test]
fn optional_and_padded_parts() {
    let format =
        layout("%d{ISO8601} %notEmpty{[%X{Correlation-ID}] }%-5.5p %20.30c{1} %equals{[%marker]}{[]}{} - %m%n");
    let text = "2026-04-22T11:02:13,541 [c-1] INFO             Gateway [SEC] - one\n\
        2026-04-22T11:02:13,541 ERROR             Gateway  - two\n";
    let events = parse(&format, "own.log", text);
    has(
        &events[0],
        &[("wso2.correlation_id", "c-1"), ("log.logger", "Gateway"), ("labels", "marker=SEC"), ("message", "one")],
    );
    has(&events[1], &[("level", "Error"), ("log.logger", "Gateway"), ("message", "two")]);
}

#[test]
fn levels_as_layouts_print_them() {
    let format = layout("%d %level{WARN=Warning, lowerCase=true, length=1} %c: %m%n");
    let text = "2026-04-22 11:02:13,541 Warning A: x\n2026-04-22 11:02:13,541 e A: y\n";
    let events = parse(&format, "own.log", text);
    has(&events[0], &[("level", "Warn"), ("wso2.level.text", "Warning")]);
    has(&events[1], &[("level", "Error"), ("wso2.level.text", "e")]);
}

#[test]
fn the_message_may_stand_on_its_own_line() {
    let format = layout("%d %p [%t] %c%n    %m%n%n");
    let text =
        "2026-04-22 11:02:13,541 INFO [main] a.B\n    hello\n\n2026-04-22 11:02:14,541 WARN [main] a.B\n    again\n\n";
    let events = parse(&format, "own.log", text);
    assert_eq!(events.len(), 2);
    has(&events[0], &[("message", "hello"), ("log.logger", "a.B"), ("level", "Info")]);
}

#[test]
fn launcher_lines_keep_their_family_in_files_of_a_layout() {
    let format = layout("%d | %p | %c | %m%n");
    let text = "TID: [2026-04-22 11:02:00,317]  INFO {org.L} - launched {org.L}\n2026-04-22 11:02:13,541 | INFO | a.B | hello\n";
    let events = parse(&format, "wso2carbon.log", text);
    has(&events[0], &[("family", "tid-launch")]);
    has(&events[1], &[("family", "own")]);
}

#[test]
fn carbon_text_of_other_tenants() {
    let format = Format::new(FormatSpec::new("old", Syntax::Layout1, "%d %P%5p [%S] %c %m {%c}%n")).unwrap();
    let text = "2026-04-22 11:02:13,541 bob@foo.com [3] [] INFO [AM] a.B hello {a.B}\n2026-04-22 11:02:13,541 ERROR [AM] a.B hello {a.B}\n";
    let events = parse(&format, "own.log", text);
    assert_eq!(events.len(), 2, "{events:#?}");
    has(
        &events[0],
        &[("user.name", "bob"), ("wso2.tenant.domain", "foo.com"), ("wso2.server", "AM"), ("message", "hello")],
    );
    has(&events[1], &[("level", "Error"), ("message", "hello")]);
}

#[test]
fn a_zone_in_the_layout_holds() {
    let format = layout("%d{yyyy-MM-dd HH:mm:ss,SSS}{America/New_York} %p %c - %m%n");
    let events = parse(&format, "own.log", "2026-04-22 11:02:13,541 INFO a - x\n");
    has(&events[0], &[("time", "2026-04-22T15:02:13.541Z")]);
}

#[test]
fn what_cannot_be_framed_is_told() {
    assert!(wrong(Syntax::Layout, "%m%n").1.contains("the message comes first"));
    assert!(wrong(Syntax::Layout, "%c %m%n").1.contains("neither a date nor a level"));
    assert_eq!(wrong(Syntax::Layout, "[%d{yyyy-bb}] %m%n").0, 9);
    assert_eq!(wrong(Syntax::Layout, "%d{HH:mm}{Nowhere/Land} %m%n").0, 10);
    assert!(wrong(Syntax::Layout, &"%d ".repeat(300)).1.contains("at most 600"));
    assert!(layout("%p [%t] - %m%n").notes()[0].contains("no date is printed"));
    assert!(layout("%d %quux %m%n").notes()[0].contains("%quux"));
}

#[test]
fn regular_expressions_name_fields_by_their_groups() {
    let mut spec = FormatSpec::new(
        "mine",
        Syntax::Regex,
        r"(?P<time>\S+ \S+) (?P<level>\w+) (?P<http.request.method>[A-Z]+) (?P<tier>\w+): (?P<message>.*)",
    );
    spec.time = Some("dd.MM.yyyy HH:mm:ss".into());
    spec.zone = Some("Asia/Colombo".into());
    let format = Format::new(spec.clone()).unwrap();
    assert!(format.notes()[0].contains("becomes the label `tier`"), "{:?}", format.notes());
    let text = "22.04.2026 11:02:13 warn GET gold: hello\n  more\n22.04.2026 11:02:14 info GET gold: x\n";
    let events = parse(&format, "own.log", text);
    assert_eq!(events.len(), 2, "{events:#?}");
    has(
        &events[0],
        &[
            ("time", "2026-04-22T05:32:13Z"),
            ("level", "Warn"),
            ("http.request.method", "GET"),
            ("labels", "tier=gold"),
            ("message", "hello\n  more"),
        ],
    );
    spec.multiline = false;
    assert_eq!(parse(&Format::new(spec).unwrap(), "own.log", text).len(), 3);
    assert_eq!(wrong(Syntax::Regex, r"(?P<a>x)(").0, 8);
    assert!(wrong(Syntax::Regex, r"(?=x)y").1.contains("look-around"));
    assert!(wrong(Syntax::Regex, r"x*").1.contains("empty line"));
    assert!(wrong(Syntax::Regex, r"(?:(?:\w{99}){99}){99}x").1.contains("compiled"));
}

#[test]
fn grok_patterns_of_logstash_work() {
    let grok = |text: &str| Format::new(FormatSpec::new("mine", Syntax::Grok, text)).unwrap();
    let line = "10.0.0.7 - bob [22/Apr/2026:11:02:13 +0530] \"GET /a?b=c HTTP/1.1\" 503 17 \"-\" \"curl/8.5 (x)\"\n";
    let events = parse(&grok("%{COMBINEDAPACHELOG}"), "front.log", line);
    has(
        &events[0],
        &[
            ("family", "own"),
            ("time", "2026-04-22T05:32:13Z"),
            ("client.ip", "10.0.0.7"),
            ("user.name", "bob"),
            ("http.request.method", "GET"),
            ("url.original", "/a?b=c"),
            ("http.version", "1.1"),
            ("http.response.status_code", "503"),
            ("http.response.body.bytes", "17"),
            ("user_agent.original", "curl/8.5 (x)"),
        ],
    );
    let events = parse(
        &grok(
            "%{TIMESTAMP_ISO8601:timestamp} %{LOGLEVEL:loglevel} +%{JAVACLASS:logger} - %{GREEDYDATA:[event][action]}",
        ),
        "own.log",
        "2026-04-22T11:02:13.541Z WARN  a.b.C - go on\n",
    );
    has(&events[0], &[("level", "Warn"), ("log.logger", "a.b.C"), ("event.action", "go on")]);
    let mut spec = FormatSpec::new("mine", Syntax::Grok, "%{MINE:code} %{GREEDYDATA:message}");
    spec.patterns = vec![("MINE".into(), "E[0-9]{4}".into())];
    has(&parse(&Format::new(spec).unwrap(), "own.log", "E1234 text\n")[0], &[("event.code", "E1234")]);
    assert_eq!(wrong(Syntax::Grok, "%{WORD:a} %{NOSUCH:b}").0, 10);
    assert!(wrong(Syntax::Grok, "%{TIMESTAMP_ISO:b}").1.contains("did you mean `TIMESTAMP_ISO8601`"));
    let mut spec = FormatSpec::new("mine", Syntax::Grok, "%{A}");
    spec.patterns = vec![("A".into(), "x%{A}".into())];
    assert!(Format::new(spec).unwrap_err().text.contains("contain each other"));
}

#[test]
fn every_grok_pattern_of_the_library_compiles() {
    for name in grok::library() {
        // What matches an empty line is refused as a whole format; behind a letter it is none.
        let spec = FormatSpec::new("mine", Syntax::Grok, format!("x%{{{name}:field}}"));
        Format::new(spec).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    for (text, line) in [
        ("%{IPV6:a}$", "fe80::1%eth0"),
        ("%{IPV6:a}$", "::ffff:10.1.2.3"),
        ("%{URI:a}$", "https://bob:x@example.com:9443/a/b?c=d"),
        ("%{UUID:a}$", "0c3f2a5e-77aa-4d51-9e43-0123456789ab"),
        ("%{MAC:a}$", "00:1b:44:11:3a:b7"),
        ("%{QS:a}$", "\"a \\\" b\""),
        ("%{SYSLOGBASE} %{GREEDYDATA:message}$", "Apr  2 11:02:13 host sshd[12]: hello"),
        ("%{DATESTAMP_RFC2822:time}$", "Wed, 22 Apr 2026 11:02:13 +0530"),
        ("%{EMAILADDRESS:a}$", "a.b+c@example.com"),
        ("%{WINPATH:a}$", "C:\\wso2\\repository"),
        ("%{BASE16NUM:a}$", "0xCAFE"),
        ("%{JAVASTACKTRACEPART}$", "\tat org.wso2.A$1.b(A.java:12)"),
    ] {
        let format = Format::new(FormatSpec::new("mine", Syntax::Grok, text)).unwrap();
        assert!(format.recognise(line.as_bytes()).is_some(), "{text} on {line}");
    }
}

#[test]
fn hostile_lines_take_linear_time() {
    let format = layout("%d [%t] [%X{a}] [%X{b}] [%X{c}] [%X{d}] %p %c - %m%n");
    let line = format!("2026-04-22 11:02:13,541 {}", "[] ".repeat(8000));
    // There are 8000^5 ways to cut the values: trying them would not end.
    assert!(format.recognise(line.as_bytes()).is_none());
}

#[test]
fn formats_are_carried_as_far_as_they_fit() {
    let spec = |name: &str, len: usize| FormatSpec::new(name, Syntax::Layout, format!("%d {} %m%n", "x".repeat(len)));
    let list: Vec<Format> = ["a", "b", "c"].iter().map(|n| Format::new(spec(n, 300)).unwrap()).collect();
    let formats = Formats::new(list.clone());
    assert_eq!(formats.list(), &list[..2]);
    assert_eq!(Formats::decode(&formats.encode()), Some(formats));
    assert_eq!(Formats::decode(&[1, 2, 3]), None);
}

#[test]
fn says_why_a_line_is_no_head() {
    let format = layout("%d | %p | %c | %m%n");
    assert_eq!(
        format.explain(b"2026-04-22 11:02:13,541 | INFO - a.B | hello\n"),
        "no head of format `mine`: it fits up to byte 30, then ` | ` should follow"
    );
    assert!(format.explain(b"2026-04-22 11:02:13,541 | INFO | a.B | hello").starts_with("head of format `mine`"));
}
