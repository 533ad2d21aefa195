//! The corpus: Carbon main logs of three products, seeded, as many bytes as asked for.
//!
//! Built to be neither easier nor harder than real logs for a compressor or an index: templates and stack
//! shapes by Zipf frequencies, ids that never come again, some very long lines. [`Facts`] counts what came
//! out, and a test holds it to the bounds the benchmarks rest on.

use crate::dice::{Dice, Zipf, hex};
use crate::local_time::{LocalClock, decimal};
use crate::stacks::Stacks;
use crate::templates::{self, APIS, Severity, Template};
use jiff::tz::TimeZone;

/// Whose layout an event has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// API Manager 4: `TID: [tenant] [app] [time] LEVEL {logger} - message`.
    ApiManager,
    /// Identity Server 6: the same with a correlation id.
    IdentityServer,
    /// Micro Integrator 4: `[time] LEVEL {logger} - message`.
    MicroIntegrator,
}

impl Product {
    /// All three.
    pub const ALL: [Product; 3] = [Product::ApiManager, Product::IdentityServer, Product::MicroIntegrator];

    /// Name of its folder.
    pub fn folder(self) -> &'static str {
        match self {
            Product::ApiManager => "wso2am-4.5.0",
            Product::IdentityServer => "wso2is-7.0.0",
            Product::MicroIntegrator => "wso2mi-4.4.0",
        }
    }

    /// Appends the head up to the message. `correlation` is printed where the layout has a place for it.
    pub fn head(
        self,
        clock: &mut LocalClock,
        ms: i64,
        severity: Severity,
        logger: &str,
        correlation: &[u8],
        out: &mut Vec<u8>,
    ) {
        match self {
            Product::ApiManager => out.extend_from_slice(b"TID: [-1234] [] ["),
            Product::IdentityServer => out.extend_from_slice(b"TID: [-1234] [] ["),
            Product::MicroIntegrator => out.push(b'['),
        }
        clock.comma(ms, b' ', out);
        if self == Product::IdentityServer {
            out.extend_from_slice(b"] [");
            out.extend_from_slice(correlation);
        }
        out.extend_from_slice(b"] ");
        out.extend_from_slice(severity.padded().as_bytes());
        out.extend_from_slice(b" {");
        out.extend_from_slice(logger.as_bytes());
        out.extend_from_slice(b"} - ");
    }
}

/// What a corpus holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Bytes.
    pub bytes: u64,
    /// Events.
    pub events: u64,
    /// Lines, frames of stacks too.
    pub lines: u64,
    /// Events whose head line holds an id that never comes again.
    pub unique_ids: u64,
    /// Events with a stack trace.
    pub stacks: u64,
    /// Events whose line is long (2 to 16 KiB).
    pub long_lines: u64,
}

impl Facts {
    /// A part of the events, in percent.
    pub fn percent(&self, part: u64) -> f64 {
        100.0 * part as f64 / self.events.max(1) as f64
    }
}

impl std::ops::AddAssign for Facts {
    fn add_assign(&mut self, other: Facts) {
        self.bytes += other.bytes;
        self.events += other.events;
        self.lines += other.lines;
        self.unique_ids += other.unique_ids;
        self.stacks += other.stacks;
        self.long_lines += other.long_lines;
    }
}

/// Writes one product's events, one after the other.
#[derive(Clone, Debug)]
pub struct Corpus {
    product: Product,
    dice: Dice,
    clock: LocalClock,
    ms: f64,
    pause_ms: f64,
    templates: Vec<Template>,
    ranks: Zipf,
    stacks: Stacks,
    facts: Facts,
}

/// First moment of a corpus: 2026-03-02T00:00:00Z, so that a corpus of a gigabyte spans some days.
pub const START_MS: i64 = 1_772_409_600_000;

const STACK_IN_10_000: u64 = 360;
const LONG_IN_10_000: u64 = 150;

impl Corpus {
    /// A corpus of `product`, beginning at [`START_MS`], an event every 40 ms in the mean, in UTC.
    pub fn new(product: Product, seed: u64) -> Corpus {
        Corpus::starting(product, seed, START_MS, 40.0)
    }

    /// A corpus that begins at `start_ms` with a mean pause of `pause_ms` between two events.
    pub fn starting(product: Product, seed: u64, start_ms: i64, pause_ms: f64) -> Corpus {
        let templates = templates::all();
        let ranks = Zipf::new(templates.len(), 0.95);
        Corpus {
            product,
            dice: Dice::new(seed ^ (product as u64) << 56),
            clock: LocalClock::new(TimeZone::UTC),
            ms: start_ms as f64,
            pause_ms,
            templates,
            ranks,
            stacks: Stacks::default(),
            facts: Facts::default(),
        }
    }

    /// What was written so far.
    pub fn facts(&self) -> Facts {
        self.facts
    }

    /// Appends the next event, all its lines.
    pub fn append(&mut self, out: &mut Vec<u8>) {
        let before = out.len();
        self.ms += self.dice.pause(self.pause_ms);
        let template = &self.templates[self.ranks.draw(&mut self.dice)];
        let mut correlation = Vec::new();
        let correlated = self.product == Product::IdentityServer && self.dice.chance(4_000);
        if correlated {
            self.dice.uuid(&mut correlation);
        }
        let stack = self.dice.chance(STACK_IN_10_000);
        let long = !stack && self.dice.chance(LONG_IN_10_000);
        let severity = if stack { Severity::Error } else { template.severity };
        self.product.head(&mut self.clock, self.ms as i64, severity, template.logger, &correlation, out);
        template.fill(&mut self.dice, None, out);
        let frames = if stack {
            out.push(b' ');
            self.stacks.append(&mut self.dice, out)
        } else {
            if long {
                payload(&mut self.dice, out);
            }
            out.push(b'\n');
            0
        };
        self.facts += Facts {
            bytes: (out.len() - before) as u64,
            events: 1,
            lines: 1 + u64::from(frames),
            unique_ids: u64::from(template.unique_id || correlated),
            stacks: u64::from(stack),
            long_lines: u64::from(long),
        };
    }

    /// Appends events until `out` holds at least `bytes` more.
    pub fn append_bytes(&mut self, bytes: usize, out: &mut Vec<u8>) {
        let end = out.len() + bytes;
        while out.len() < end {
            self.append(out);
        }
    }
}

/// Appends a JSON payload of 2 to 16 KiB, as a wire log or a log mediator prints it.
fn payload(dice: &mut Dice, out: &mut Vec<u8>) {
    let end = out.len() + dice.between(2_048, 16_384) as usize;
    out.extend_from_slice(b", payload = {\"items\":[");
    while out.len() < end {
        out.extend_from_slice(b"{\"name\":\"");
        out.extend_from_slice(dice.pick(APIS).as_bytes());
        out.extend_from_slice(b"\",\"amount\":");
        decimal(out, dice.between(1, 9_999));
        out.extend_from_slice(b",\"state\":\"CONFIRMED\",\"ref\":\"");
        hex(out, dice.bits(), 6);
        out.extend_from_slice(b"\",\"links\":{\"self\":\"/orders/v1/items\",\"next\":null}},");
    }
    out.extend_from_slice(b"null]}");
}

/// Size of the blocks whose compression is measured.
pub const BLOCK_BYTES: usize = 1 << 20;

/// Compressed size of `bytes` with zstd 1, cut into blocks of 1 MiB that know nothing of each other.
///
/// # Errors
/// What the compressor says.
pub fn zstd_1_blocks(bytes: &[u8]) -> std::io::Result<u64> {
    bytes.chunks(BLOCK_BYTES).try_fold(0, |sum, block| Ok(sum + zstd::bulk::compress(block, 1)?.len() as u64))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn stays_within_the_bounds_that_benchmarks_rest_on() {
        for product in Product::ALL {
            let mut corpus = Corpus::new(product, 1);
            let mut bytes = Vec::new();
            corpus.append_bytes(8 * BLOCK_BYTES, &mut bytes);
            let facts = corpus.facts();
            let ratio = bytes.len() as f64 / zstd_1_blocks(&bytes).unwrap() as f64;
            assert!((6.0..=9.0).contains(&ratio), "{product:?}: zstd -1 ratio {ratio:.2}");
            assert!(facts.percent(facts.unique_ids) >= 40.0, "{product:?}: {facts:?}");
            assert!(facts.percent(facts.stacks) >= 3.0, "{product:?}: {facts:?}");
            assert!((1.0..=2.0).contains(&facts.percent(facts.long_lines)), "{product:?}: {facts:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let write = |seed| {
            let mut bytes = Vec::new();
            Corpus::new(Product::ApiManager, seed).append_bytes(100_000, &mut bytes);
            bytes
        };
        assert_eq!(write(7), write(7));
        assert_ne!(write(7), write(8));
    }
}
