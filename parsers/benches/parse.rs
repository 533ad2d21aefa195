//! How fast files are understood, on one core: single-line Carbon, a mix with stacks, access lines.
//!
//! Rates are MB of log text a second. `zstd -1` of the same bytes in blocks of 1 MiB is the yardstick beside
//! them, in the same run.
#![allow(missing_docs, reason = "criterion's macros make items")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use parsers::redact::{Action, Rule, Rules};
use parsers::{Context, FileFacts, Offset, Parser};
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

/// Numbers that vary without a pattern (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

const LOGGERS: [&str; 6] = [
    "org.wso2.carbon.apimgt.gateway.handlers.security.APIAuthenticationHandler",
    "org.apache.synapse.mediators.builtin.LogMediator",
    "org.wso2.carbon.identity.oauth2.token.AccessTokenIssuer",
    "org.wso2.carbon.core.internal.CarbonCoreActivator",
    "org.apache.synapse.transport.passthru.SourceHandler",
    "org.wso2.carbon.databridge.core.DataBridge",
];

fn head(out: &mut String, dice: &mut Dice, n: u64) {
    let (ms, s, m) = (n % 1000, n / 1000 % 60, n / 60_000 % 60);
    let level = ["  INFO", "  INFO", "  INFO", "  WARN", " ERROR", " DEBUG"][dice.below(6) as usize];
    let logger = LOGGERS[dice.below(6) as usize];
    write!(out, "TID: [-1234] [] [2026-04-22 11:{m:02}:{s:02},{ms:03}]{level} {{{logger}}} - ").unwrap_or_default();
}

fn carbon(bytes: usize) -> String {
    let (mut out, mut dice) = (String::with_capacity(bytes + 300), Dice(7));
    for n in 0.. {
        head(&mut out, &mut dice, n * 3);
        let (a, b) = (dice.below(1 << 40), dice.below(4000));
        match dice.below(3) {
            0 => writeln!(out, "Request {a:x} to /orders/{b} took {} ms, status = {}", b / 7, 200 + b % 5),
            1 => writeln!(out, "Access token issued for application k{a:x} scope default, user = admin{b}"),
            _ => writeln!(out, "I/O error: Received fatal alert: certificate_unknown from 10.1.2.{}", b % 250),
        }
        .unwrap_or_default();
        if out.len() >= bytes {
            return out;
        }
    }
    out
}

fn mixed(bytes: usize) -> String {
    let (mut out, mut dice) = (String::with_capacity(bytes + 9000), Dice(9));
    let mut n = 0;
    while out.len() < bytes {
        n += 1;
        head(&mut out, &mut dice, n);
        if dice.below(20) > 0 {
            writeln!(out, "Request {:x} done in {} ms", dice.below(1 << 40), dice.below(900)).unwrap_or_default();
            continue;
        }
        out.push_str("Cannot mediate org.apache.synapse.SynapseException: Error while building message\n");
        for _ in 0..20 + dice.below(60) {
            let (a, b) = (dice.below(40), dice.below(900));
            writeln!(out, "\tat org.wso2.carbon.gateway.step{a}.Handler{a}.handle(Handler{a}.java:{b})")
                .unwrap_or_default();
        }
        out.push_str("Caused by: java.net.SocketTimeoutException: Read timed out\n\t... 12 more\n");
    }
    out
}

fn access(bytes: usize) -> String {
    let (mut out, mut dice) = (String::with_capacity(bytes + 300), Dice(3));
    while out.len() < bytes {
        let (a, b) = (dice.below(250), dice.below(9000));
        writeln!(
            out,
            "10.0.{}.{a} - - [22/Apr/2026:11:{:02}:{:02} +0530] \"GET /orders/{b}?page={a} HTTP/1.1\" 200 {b} \"-\" \"Apache-HttpClient/4.5.13 (Java/17.0.9)\"",
            a % 7,
            b % 60,
            a % 60,
        )
        .unwrap_or_default();
    }
    out
}

fn secrets() -> Arc<Rules> {
    let classes = Rules::group("secrets").into_iter().flatten();
    let rules = classes.map(|c| Rule { name: c.name().to_owned(), action: Action::Mask, pattern: None });
    Arc::new(Rules::new(&rules.collect::<Vec<_>>(), None).expect("built-in classes are right"))
}

fn parse(text: &[u8], rules: Option<Arc<Rules>>) -> usize {
    let mut parser =
        Parser::new(FileFacts { name: "wso2carbon.log".into(), family: None }, Offset(0), Context::default());
    parser.redact(rules);
    let (mut fields, mut at) = (0, 0);
    for end in (0..=text.len()).step_by(256 << 10).chain([text.len()]) {
        at += parser.advance(&text[at..end], &[], &mut |event, _| fields += event.fields.len());
    }
    fields
}

fn files(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    group.sample_size(10);
    for (name, text) in [("carbon", carbon(8 << 20)), ("mixed", mixed(8 << 20)), ("access", access(8 << 20))] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| {
            b.iter_batched(|| (), |()| parse(black_box(text.as_bytes()), None), BatchSize::PerIteration)
        });
        // The promise is 0.7 of the whole way to the wire, of which parsing is a part.
        group.bench_function(format!("{name}, secrets redacted"), |b| {
            b.iter_batched(secrets, |rules| parse(black_box(text.as_bytes()), Some(rules)), BatchSize::PerIteration)
        });
        group.bench_function(format!("{name} by zstd -1"), |b| {
            b.iter(|| {
                text.as_bytes()
                    .chunks(1 << 20)
                    .map(|block| zstd::bulk::compress(block, 1).map_or(0, |z| z.len()))
                    .sum::<usize>()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, files);
criterion_main!(benches);
