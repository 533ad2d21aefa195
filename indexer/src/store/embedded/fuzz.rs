//! What the fuzz target calls: a good segment whose file was changed is refused or answers, and never panics.
//!
//! Sections and blocks keep their checksums: behind them stand tantivy's own decoders, which trust their bytes. The
//! table of sections is made right again, so that what reads it has to stand by itself.

use super::cache::BlockCache;
use super::container::{self, FILE_NAME};
use super::reader::EmbeddedSegment;
use super::{EmbeddedBuilder, SegmentBuilder, SegmentMeta};
use crate::query::{Matcher, parse, sample};
use crate::store::segment::{Budget, FacetRequest, Order, Question, Row, Segment, SegmentError, Window};
use outside::sim::{SimClock, SimDisk, SimRng};
use parsers::{FieldId, Level, TimeNs};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tantivy::directory::OwnedBytes;

const FOLDER: &str = "/segment";

/// A good segment's file.
static GOOD: OnceLock<(Vec<u8>, SegmentMeta)> = OnceLock::new();

fn good() -> (Vec<u8>, SegmentMeta) {
    let disk = SimDisk::new(1 << 26, SimClock::new(0), SimRng::new(1));
    let folder = Path::new(FOLDER);
    disk.make_folder(folder);
    let files = disk.process();
    let streams = ["/l/wso2carbon.log", "/l/audit.log"].map(|path| sample::stream(path.len() as u64, path));
    let events: Vec<_> = (0..60u64)
        .map(|n| {
            let level = [Level::Info, Level::Error, Level::Warn][n as usize % 3];
            let text = match n % 4 {
                0 => format!("request {n} took {} ms", n * 7),
                1 => "failed java.io.IOException: gone\n\tat org.wso2.A.b(A.java:1)".to_owned(),
                2 => format!("user{n}@carbon.super logged in from 10.0.0.{n}"),
                _ => format!("id 0c3f2a5e-77aa-4d51-9e43-0123456789{n:02x}"),
            };
            let event = sample::event(&streams[n as usize % 2], n * 200, level, "[2026] ", &text);
            Arc::new(sample::with(event, FieldId::TENANT_ID, ["-1234", "1"][n as usize % 2]))
        })
        .collect();
    let meta = EmbeddedBuilder::whole(1 << 20).build(&*files, folder, &events).expect("a segment can be built");
    (disk.contents(&folder.join(FILE_NAME)).expect("it was built"), meta)
}

/// First byte: whether the table's checksum is made right. Then changes: place (4 bytes), length, bytes; a length of
/// 255 cuts the file there.
pub(crate) fn changed(input: &[u8]) {
    let (good, meta) = GOOD.get_or_init(good);
    let mut file = good.clone();
    let (mut rest, sealed) = input.split_first().map_or((input, false), |(first, rest)| (rest, first % 2 == 1));
    while let Some(([a, b, c, d, len], more)) = rest.split_first_chunk() {
        let at = u32::from_le_bytes([*a, *b, *c, *d]) as usize % file.len().max(1);
        if *len == 255 {
            file.truncate(at);
        }
        let (bytes, more) = more.split_at(usize::from(*len % 64).min(more.len()));
        let end = (at + bytes.len()).min(file.len());
        file.get_mut(at..end).into_iter().for_each(|part| part.copy_from_slice(&bytes[..part.len()]));
        rest = more;
    }
    if sealed {
        container::seal(&mut file);
    }
    let cache = Arc::new(BlockCache::new(1 << 20));
    if let Ok(segment) = EmbeddedSegment::open(Path::new(FOLDER), OwnedBytes::new(file), meta.clone(), cache) {
        let _answers: Result<(), SegmentError> = ask(&segment);
    }
}

/// Everything that can be asked of a segment.
fn ask(segment: &dyn Segment) -> Result<(), SegmentError> {
    let budget = Budget::unlimited();
    // One section's damage must not keep the others from being read.
    let mut first = Ok(());
    let mut keep = |result: Result<(), SegmentError>| {
        if first.is_ok() {
            first = result;
        }
    };
    for text in ["*", "failed", "\"request 4\"", "level:ERROR AND user*", "tenant:1 OR file:audit*", "/IO.*gone/"] {
        let Some(matcher) = parse(text).ok().and_then(|query| Matcher::new(&query).ok()) else { continue };
        let question = Question { matcher: &matcher, window: Window::ALL };
        for order in [Order::Newest, Order::Oldest] {
            keep(segment.scan(&question, order, None, &budget, &mut |_| ControlFlow::Continue(())).map(drop));
        }
        keep(segment.count(&question, &budget).map(drop));
        let bounds = [TimeNs(i64::MIN), TimeNs(sample::TEN), TimeNs(i64::MAX)];
        keep(segment.histogram(&question, &bounds, Some("log.level"), &budget).map(drop));
        let request = FacetRequest { field: "wso2.tenant.id", prefix: "", distinct_max: 10 };
        keep(segment.facets(&question, &[request], &budget).map(drop));
    }
    keep(segment.fields(&budget).map(drop));
    (0..segment.meta().events as u32).for_each(|row| keep(segment.event(Row(row)).map(drop)));
    first
}
