#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;
use crate::query::ast::{Clause, Target, Test};
use crate::query::sample::{event, stream, with};
use crate::query::words::words;
use crate::query::{Matcher, fields, glob};
use parsers::{FieldId, Level};
use proptest::prelude::*;

fn check(text: &str, expect: &str) {
    assert_eq!(parse(text).map(|query| query.to_string()).map_err(|e| e.to_string()), Ok(expect.to_owned()), "{text}");
}

fn check_error(text: &str, at: usize, message: &str, hint: &str) {
    let error = parse(text).unwrap_err();
    assert_eq!((error.at, error.message.as_str()), (at, message), "{text}");
    assert!(error.hint.as_deref().unwrap_or_default().contains(hint), "{text}: {error:?}");
}

#[test]
fn words_and_operators() {
    check("", "*");
    check("*", "*");
    check("*:*", "*");
    check("timeout", "timeout");
    check("a b", "a AND b");
    check("a OR b c", "a OR b AND c");
    check("(a or b) and c", "(a OR b) AND c");
    check("a || b && !c", "a OR b AND NOT c");
    check("+a -b", "a AND NOT b");
    check("not a", "NOT a");
    check("a not b", "a AND NOT b");
    check("NOT NOT a", "NOT NOT a");
    check("a -(b c)", "a AND NOT (b AND c)");
    check("(((a)))", "a");
}

#[test]
fn small_operators_at_the_edge_are_words() {
    check("and", "\\and");
    check("this and", "this AND \\and");
    check("or else", "\\or AND else");
    check("why not", "why AND \\not");
    check("(why not)", "why AND \\not");
    check("\"and\"", "\"and\"");
}

#[test]
fn text() {
    check("org.wso2.Foo", "\"org.wso2.Foo\"");
    check("10:15:32", "\"10:15:32\"");
    check("->", "\"->\"");
    check("a - b", "a AND \"-\" AND b");
    check("http://host/x", "\"http://host/x\"");
    check("/services/Echo", "\"/services/Echo\"");
    check("/time[ -]?out/", "/time[ -]?out/");
    check("execute()", "\"execute()\"".replace("\"execute()\"", "execute\\(\\)").as_str());
    check("a(b OR c)", "a AND (b OR c)");
    check("Foo.bar(Foo.java:123)", "\"Foo.bar(Foo.java:123)\"");
    check("Caused by: java.lang.Foo", "Caused AND by\\: AND \"java.lang.Foo\"");
    check("Error:x", "\"Error:x\"");
    check("Conn*", "Conn*");
    check("*tion fo?", "*tion AND fo?");
    check("a\\*b*", "a\\*b*");
    check("message:\"x y\"", "\"x y\"");
    check("message:(a OR b*)", "a OR b*");
}

#[test]
fn fields_and_values() {
    check("level:error", "log.level:ERROR");
    check("level : WARNING", "log.level:WARN");
    check("level:(ERROR OR WARN) timeout", "(log.level:ERROR OR log.level:WARN) AND timeout");
    check("level>=warn", "log.level:[\"WARN\" TO *]");
    check("status:>=500", "http.response.status_code:[\"500\" TO *]");
    check(
        "status >= 500 and status < 600",
        "http.response.status_code:[\"500\" TO *] AND http.response.status_code:[* TO \"600\"}",
    );
    check("status:[200 TO 299}", "http.response.status_code:[\"200\" TO \"299\"}");
    check("file:wso2carbon.log", "log.file.path:wso2carbon.log OR log.file.name:wso2carbon.log");
    check("-file:a.log", "NOT (log.file.path:a.log OR log.file.name:a.log)");
    check("logger:org.wso2.*", "log.logger:org.wso2.*");
    check("host:\"app 1\"", "host.name:\"app 1\"");
    check("corr:*", "wso2.correlation_id:*");
    check("_exists_:error.type", "error.type:*");
    check("client.ip:10.0.0.0/8", "client.ip:\"10.0.0.0/8\"");
    check("tenant:-1234", "wso2.tenant.id:\\-1234 OR wso2.tenant.domain:\\-1234");
    check("log.offset:(-1 OR 5)", "log.offset:\\-1 OR log.offset:5");
    check("host:(-a b)", "NOT host.name:a AND host.name:b");
    check("labels.customer:acme", "labels.customer:acme");
    check("url.path:/services/x", "url.path:\\/services\\/x");
    check("url.path:/serv.*/", "url.path:/serv.*/");
    check("@timestamp:[now-1h TO now]", "@timestamp:[\"now-1h\" TO \"now\"]");
    check("@timestamp >= 2026-11-25", "@timestamp:[\"2026-11-25\" TO *]");
    check("exception:[* TO *]", "error.type:*");
    // In quotes a star is no open end.
    check("logger>*", "log.logger:{\"*\" TO *]");
    check("logger:{\"*\" TO *]", "log.logger:{\"*\" TO *]");
}

#[test]
fn errors_say_where_and_what() {
    check_error("a (b", 2, "the parenthesis is not closed", "`)`");
    check_error("a) b", 1, "nothing is open that this `)` could close", "quotes");
    check_error("a \"b", 2, "the quote is not closed", "\"");
    check_error("OR a", 0, "nothing stands before `OR`", "\"OR\"");
    check_error("a AND", 2, "nothing follows `AND`", "\"AND\"");
    check_error("a NOT", 2, "nothing follows `NOT`", "\"NOT\"");
    check_error("()", 0, "nothing stands between the parentheses", "quotes");
    check_error("x levle:ERROR", 2, "there is no field `levle`", "`level`");
    check_error("tid:1", 0, "there is no field `tid`", "quotes");
    check_error("level:", 6, "the value is missing", "`*`");
    check_error("level:loud", 6, "there is no level `loud`", "wso2.level.text");
    check_error("status:[1 2]", 10, "`TO` is missing in the range", "[100 TO 200]");
    check_error("status:[1 TO 2", 7, "the range is not closed", "`]`");
    check_error("status:>", 8, "a value is missing after `>`", ">=500");
    check_error("status:>x", 8, "`x` cannot be a bound here", "number");
    check_error("@timestamp:>yesterday", 12, "`yesterday` cannot be a bound here", "now-1h");
    check_error("a /x[/", 2, "not a regular expression: unclosed character class", "quotes");
    check_error("\"a b\"~2", 5, "words near each other (`~`) cannot be searched for", "AND");
    check_error(&"(".repeat(60), 50, "too many parentheses or NOTs inside each other", "50");
    check_error(&"a ".repeat(1100), 2048, "the query has too many clauses", "1024");
    check_error(&"a".repeat(20_000), QUERY_BYTES_MAX, "the query is too long", "20000");
}

#[test]
fn numbers_are_looked_for_in_whole_characters() {
    // Found by fuzzing: the byte after the first was taken for the begin of a character.
    for text in ["status:(ü", "status:ü", "status:(-ü", "status:(- 2", "http.response.status_code:(\u{fffd}?"] {
        let _refused_or_not = parse(text);
    }
}

#[test]
fn tokens_cover_the_text_in_order() {
    let parsed = take_apart("level:(ERROR or WARN) and not \"x y\" -/r/ status:[1 TO 2]");
    let kinds: Vec<_> = parsed.tokens.iter().map(|token| token.kind.name()).collect();
    let expect = "field operator paren value operator value paren operator negation string negation regex field operator paren value operator value paren";
    assert_eq!(kinds.join(" "), expect);
    assert_eq!(parsed.notes.len(), 1);
    assert_eq!(take_apart("a or b and c").notes.len(), 1);
    assert_eq!(take_apart("level=ERROR").notes.len(), 1);
    assert_eq!(take_apart("level:ERROR \"x").tokens.len(), 4);
}

fn text_test() -> impl Strategy<Value = Test> {
    prop_oneof![
        "[a-zA-Z0-9_äé]{1,6}".prop_map(Test::Word),
        "[a-z .:\"\\\\()*?/-]{1,10}".prop_map(Test::Phrase),
        wildcard(),
        "[a-z/.]{1,6}".prop_map(Test::Regex),
    ]
}

fn wildcard() -> impl Strategy<Value = Test> {
    ("[a-c.:() *?\\\\-]{0,4}", "[*?]", "[a-c]{1,4}")
        .prop_map(|(a, b, c)| Test::Wildcard(format!("{}{b}{c}", glob::escape(&a))))
}

fn clause() -> impl Strategy<Value = Clause> {
    let keyword = prop_oneof![Just("host.name"), Just("log.logger"), Just("labels.x"), Just("wso2.app")];
    let end = || prop::option::of(("[a-zA-Z0-9 :\"\\\\]{1,8}", any::<bool>()));
    let range = (end(), end()).prop_filter("one end at least", |(low, high)| low.is_some() || high.is_some());
    let field_test = prop_oneof![
        ".{1,8}".prop_filter("some word", |text| !text.is_empty()).prop_map(Test::Word),
        ".{0,8}".prop_map(Test::Phrase),
        wildcard(),
        "[a-z/][a-z/.]{0,5}[+]?".prop_map(Test::Regex),
        Just(Test::Exists),
        range.prop_map(|(low, high)| Test::Range { low, high }),
    ];
    prop_oneof![
        text_test().prop_map(|test| Clause { target: Target::Text, test }),
        (keyword, field_test).prop_map(|(name, test)| Clause { target: Target::Field(name.to_owned()), test }),
        Just(Clause { target: Target::Field("client.ip".to_owned()), test: Test::Cidr("10.0.0.0/8".to_owned()) }),
        Just(Clause { target: Target::Field("log.level".to_owned()), test: Test::Word("ERROR".to_owned()) }),
    ]
}

fn query() -> impl Strategy<Value = Query> {
    let leaf = prop_oneof![9 => clause().prop_map(Query::Clause), 1 => Just(Query::All)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let not_and = inner.clone().prop_filter("flat", |query| !matches!(query, Query::And(_)));
        let not_or = inner.clone().prop_filter("flat", |query| !matches!(query, Query::Or(_)));
        prop_oneof![
            prop::collection::vec(not_and, 2..4).prop_map(Query::And),
            prop::collection::vec(not_or, 2..4).prop_map(Query::Or),
            inner.prop_map(|query| Query::Not(Box::new(query))),
        ]
    })
}

proptest! {
    #[test]
    fn never_panics(text in ".{0,80}") {
        let parsed = take_apart(&text);
        let mut last = 0;
        for token in &parsed.tokens {
            prop_assert!(token.from >= last && token.to > token.from && token.to <= text.len());
            prop_assert!(text.is_char_boundary(token.from) && text.is_char_boundary(token.to));
            last = token.to;
        }
        if let Err(error) = parsed.query {
            prop_assert!(error.at <= text.len().max(QUERY_BYTES_MAX));
        }
    }

    #[test]
    fn never_panics_on_likely_text(text in "((level|status|@timestamp|x)?(:|>=| )|[a-cü*?]{1,3}|\"|/|\\(|\\)|\\[|\\]| TO | and | OR |not |-|\\\\|\\{|~|now/d){0,16}") {
        if let Ok(query) = parse(&text) {
            prop_assert_eq!(parse(&query.to_string()), Ok(query));
        }
    }

    #[test]
    fn printed_trees_are_read_back(query in query()) {
        prop_assert_eq!(parse(&query.to_string()), Ok(query.clone()), "{}", query);
    }

    #[test]
    fn what_was_read_is_always_a_matcher(text in "[a-c \":()*/-]{0,20}|level:(ERROR|>=WARN|\\[INFO TO \\*\\])") {
        if let Ok(query) = parse(&text) {
            prop_assert!(Matcher::new(&query).is_ok());
        }
    }

    #[test]
    fn matcher_against_the_definition(query in model_query(), message in model_text(), logger in "[ab.]{0,3}") {
        let plain = event(&stream(7, "/x/a.log"), 5, Level::Error, "HEAD a ", &message);
        let event = if logger.is_empty() { plain } else { with(plain, FieldId::LOG_LOGGER, &logger) };
        let text = parse(&query.to_string()).unwrap();
        prop_assert_eq!(Matcher::new(&text).unwrap().matches(&event), model(&query, &event), "{} on {:?}", query, message);
    }
}

fn model_text() -> impl Strategy<Value = String> {
    "([abAB_é]{1,3}|[ .:$-]|\n\tat ){1,10}"
}

fn model_query() -> impl Strategy<Value = Query> {
    let text = |test: Test| Query::Clause(Clause { target: Target::Text, test });
    let field = |test: Test| Query::Clause(Clause { target: Target::Field("log.logger".to_owned()), test });
    let leaf = prop_oneof![
        "[abé]{1,2}".prop_map(move |word| text(Test::Word(word))),
        "[abAé]{1,2}[ .:-][ab]{1,2}".prop_map(move |phrase| text(Test::Phrase(phrase))),
        "[ab]?[*?][ab]{0,2}[*?]?"
            .prop_filter("not all", |p| p != "*" && p != "**")
            .prop_map(move |p| text(Test::Wildcard(p))),
        "[ab.]{1,2}".prop_map(move |word| field(Test::Word(word))),
        "[ab]?[*?][ab.]{1,2}".prop_map(move |p| field(Test::Wildcard(p))),
        Just(field(Test::Exists)),
        Just(Query::All),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Query::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Query::Or),
            inner.prop_map(|query| Query::Not(Box::new(query))),
        ]
    })
}

/// The meaning of a query, straight from the definition: words in a list, patterns tried on each.
fn model(query: &Query, event: &crate::event::StoredEvent) -> bool {
    match query {
        Query::All => true,
        Query::And(parts) => parts.iter().all(|part| model(part, event)),
        Query::Or(parts) => parts.iter().any(|part| model(part, event)),
        Query::Not(inner) => !model(inner, event),
        Query::Clause(Clause { target: Target::Text, test }) => {
            let text = String::from_utf8(fields::text(event).to_vec()).unwrap();
            let text = words(&text);
            match test {
                Test::Word(wanted) | Test::Phrase(wanted) => {
                    let wanted = words(wanted);
                    text.windows(wanted.len()).any(|window| window == wanted)
                }
                Test::Wildcard(pattern) => text.iter().any(|word| glob::Glob::new(pattern).matches(word)),
                _ => unreachable!("not in the model"),
            }
        }
        Query::Clause(Clause { target: Target::Field(name), test }) => {
            let Some(value) = fields::value(event, name).map(|value| value.text().to_lowercase()) else { return false };
            match test {
                Test::Word(wanted) => value == wanted.to_lowercase(),
                Test::Wildcard(pattern) => glob::Glob::new(pattern).matches(&value),
                Test::Exists => true,
                _ => unreachable!("not in the model"),
            }
        }
    }
}
