//! How fast files are understood, on one core, beside `zstd -1` of the same bytes in blocks of 1 MiB in the same run.
//!
//! Every pair is measured in turn, several times, by the processor time of the thread; the best of each counts. So the
//! ratios hold on a busy machine too, the absolute figures do not.
#![allow(clippy::print_stdout, reason = "a command line program")]

use benches::by_regex::ByRegex;
use benches::corpus::{BLOCK_BYTES, Corpus, Product};
use benches::dice::Dice;
use benches::measure::yardsticks::thread_seconds;
use clap::Parser as _;
use parsers::own::Syntax;
use parsers::redact::{Action, Class, Rule, Rules};
use parsers::{Context, FieldId, FileFacts, Format, FormatSpec, Formats, Offset, Parser, Value, template};
use std::cell::RefCell;
use std::hint::black_box;
use std::sync::Arc;

/// Measures the parsers: all fields of every event, templates, own layouts, redaction, and the same by regular expressions.
#[derive(clap::Parser)]
#[command(after_help = "Example:\n  parse-speed --mib 16 --rounds 5")]
struct Arguments {
    /// Corpus of each product, in MiB.
    #[arg(long, default_value_t = 16)]
    mib: usize,
    /// How often each measurement is made; the best counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// How much the parser sees at once, as a shipper reads.
const READ_BYTES: usize = 256 << 10;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    println!("| what | MB/s | zstd -1, MB/s | times as fast | compressed to |\n|---|---|---|---|---|");
    for product in Product::ALL {
        let name = product.folder();
        let mut mix = Vec::new();
        Corpus::new(product, 1).append_bytes(arguments.mib << 20, &mut mix);
        let (single, texts) = parts(&mix);
        let carbon = File { name: "wso2carbon.log", ..File::default() };
        let mine = File { formats: Formats::new([layout(product)?]), ..carbon.clone() };
        let redacted = File { redact: true, ..carbon.clone() };
        row(&arguments, &format!("{name}: single lines"), &single, &|| parse(&single, &carbon, true))?;
        row(&arguments, "— without templates", &single, &|| parse(&single, &carbon, false))?;
        row(&arguments, &format!("{name}: with stacks"), &mix, &|| parse(&mix, &carbon, true))?;
        row(&arguments, "— without templates", &mix, &|| parse(&mix, &carbon, false))?;
        row(&arguments, "— templates of its texts alone", &texts.bytes, &|| texts.split())?;
        row(&arguments, "— single lines, by the product's layout, compiled", &single, &|| {
            parse(&single, &mine, true)
        })?;
        row(&arguments, "— single lines, secrets redacted", &single, &|| parse(&single, &redacted, true))?;
        let regex = RefCell::new(ByRegex::new()?);
        let by_regex = |text: &[u8], templates| regex.borrow_mut().read(text, templates).fields;
        row(&arguments, "— single lines, by `regex` captures", &single, &|| by_regex(&single, true))?;
        row(&arguments, "— — without templates", &single, &|| by_regex(&single, false))?;
        row(&arguments, "— with stacks, by `regex` captures", &mix, &|| by_regex(&mix, true))?;
    }
    let access = access(arguments.mib << 20);
    let file = File { name: "http_access.log", ..File::default() };
    row(&arguments, "access lines", &access, &|| parse(&access, &file, true))?;
    row(&arguments, "— without templates", &access, &|| parse(&access, &file, false))?;
    Ok(())
}

/// Measures `work` on `bytes` and the compressor on the same, and prints both.
fn row(arguments: &Arguments, what: &str, bytes: &[u8], work: &dyn Fn() -> u64) -> anyhow::Result<()> {
    let (mut best, mut yardstick, mut packed) = (f64::MAX, f64::MAX, 0);
    for _ in 0..arguments.rounds {
        best = best.min(seconds_of(&mut || {
            black_box(work());
            Ok(())
        })?);
        let once = &mut || {
            packed = black_box(compress(bytes)?);
            Ok(())
        };
        yardstick = yardstick.min(seconds_of(once)?);
    }
    let rate = |seconds: f64| bytes.len() as f64 / 1e6 / seconds;
    println!(
        "| {what} | {:.0} | {:.0} | {:.2} | 1/{:.1} |",
        rate(best),
        rate(yardstick),
        yardstick / best,
        bytes.len() as f64 / packed as f64
    );
    Ok(())
}

/// The kernel counts a thread's time in ticks of some milliseconds, so a measurement takes many of them.
const MEASURED_SECONDS: f64 = 0.25;

/// Processor time of one run of `work`.
fn seconds_of(work: &mut dyn FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let begun = thread_seconds()?;
    let mut runs = 0;
    loop {
        work()?;
        runs += 1;
        let seconds = thread_seconds()? - begun;
        if seconds >= MEASURED_SECONDS {
            return Ok(seconds / f64::from(runs));
        }
    }
}

fn compress(bytes: &[u8]) -> anyhow::Result<usize> {
    let mut compressor = zstd::bulk::Compressor::new(1)?;
    let mut out = Vec::with_capacity(zstd::zstd_safe::compress_bound(BLOCK_BYTES));
    bytes.chunks(BLOCK_BYTES).try_fold(0, |sum, block| {
        out.clear();
        Ok(sum + compressor.compress_to_buffer(block, &mut out)?)
    })
}

/// How a file is read.
#[derive(Clone, Debug, Default)]
struct File {
    name: &'static str,
    formats: Formats,
    redact: bool,
}

fn parse(text: &[u8], file: &File, templates: bool) -> u64 {
    let context = Context { formats: file.formats.clone(), ..Context::default() };
    let mut parser = Parser::new(FileFacts { name: file.name.into(), family: None }, Offset(0), context);
    if !templates {
        parser = parser.without_templates();
    }
    if file.redact {
        parser.redact(secrets());
    }
    let (mut fields, mut at, mut end) = (0, 0, 0);
    while end < text.len() {
        end = (end + READ_BYTES).min(text.len());
        at += parser.advance(&text[at..end], &[], &mut |event, _| fields += event.fields.len() as u64);
    }
    fields
}

/// What follows the heads of events, one after the other.
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    fn split(&self) -> u64 {
        let mut splitter = template::Splitter::new();
        let (mut sum, mut from) = (0, 0);
        for end in &self.ends {
            sum ^= splitter.split(&self.bytes[from..*end]).hash();
            from = *end;
        }
        sum
    }
}

/// The events of one line, and the texts of all.
fn parts(mix: &[u8]) -> (Vec<u8>, Texts) {
    let (mut single, mut texts) = (Vec::new(), Texts { bytes: Vec::new(), ends: Vec::new() });
    let facts = FileFacts { name: "wso2carbon.log".into(), family: None };
    let mut parser = Parser::new(facts, Offset(0), Context::default());
    parser.advance(mix, &[], &mut |event, bytes| {
        if event.lines == 1 {
            single.extend_from_slice(bytes);
        }
        if let Some(Value::Span { start, .. }) = event.get(FieldId::MESSAGE) {
            texts.bytes.extend_from_slice(bytes[*start as usize..].trim_ascii_end());
            texts.ends.push(texts.bytes.len());
        }
    });
    (single, texts)
}

/// The product's layout, but for one conversion, so that its lines are not left to the family that is built in.
fn layout(product: Product) -> anyhow::Result<Format> {
    let text = match product {
        Product::ApiManager => "TID: [%X{tenant}] [%X{app}] [%d] %5p {%c} - %m%ex%n",
        Product::IdentityServer => "TID: [%X{tenant}] [%X{app}] [%d] [%X{Correlation-ID}] %5p {%c} - %m%ex%n",
        Product::MicroIntegrator => "[%d] %5p {%C} - %m%ex%n",
    };
    Format::new(FormatSpec::new("mine", Syntax::Layout, text)).map_err(|e| anyhow::anyhow!("layout `{text}`: {e:?}"))
}

/// All classes of secrets.
fn secrets() -> Option<Arc<Rules>> {
    let rule = |class: Class| Rule { name: class.name().to_owned(), action: Action::Mask, pattern: None };
    let rules: Vec<Rule> = Rules::group("secrets")?.map(rule).collect();
    Rules::new(&rules, None).ok().map(Arc::new)
}

/// Lines as Tomcat writes them.
fn access(bytes: usize) -> Vec<u8> {
    let (mut out, mut dice) = (String::with_capacity(bytes + 300), Dice::new(3));
    let mut n = 0;
    while out.len() < bytes {
        n += 1;
        let (a, b, id) = (dice.below(250), dice.below(9000), dice.below(1 << 40));
        out.push_str(&format!(
            "10.0.{}.{a} - - [22/Apr/2026:11:{:02}:{:02} +0530] \"GET /orders/{id:x}?page={a} HTTP/1.1\" 200 {b} \"-\" \
             \"Apache-HttpClient/4.5.13 (Java/17.0.9)\" 0.{:03}\n",
            a % 7,
            n / 600 % 60,
            n / 10 % 60,
            b % 900
        ));
    }
    out.into_bytes()
}
