//! Columns: for each field with few different values, which of them each row has.
//!
//! Fields share columns. What depends on the stream only (host, file, labels) is read through the stream
//! column; what depends on the kind of event only (level, dataset, flags, zone) through one column of kinds;
//! and two fields whose values always change together have one column.
//!
//! ```text
//! column/N    ordinals | rows that have each ordinal | ordinal of each row, as `ints`
//! field/NAME  1 | N | for each ordinal of column N: number of values, the values
//! field/NAME  2 | rows that have it            of too many different values: found by their hashes ([`super::ids`])
//! field/NAME  0 | rows that have it            neither: looked at event by event
//! ```
//!
//! A field that no section names has no value in any row. Fields of free text are found by their words.

use super::container::{Container, Writer};
use super::hasher;
use super::ints::{self, Ints};
use super::varint::{self, Reader};
use crate::event::{StoredEvent, StreamInfo};
use crate::query::fields::{self, FieldKind};
use crate::store::segment::SegmentError;
use parsers::{FieldId, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use wire::StreamId;
use xxhash_rust::xxh3::xxh3_128;

/// Longest value in a column.
const VALUE_MAX: usize = 1024;
/// Column of streams: its ordinals count the table of infos.
pub(super) const STREAMS: &str = "column/0";
const FIELD: &str = "field/";
/// Fields that depend on the stream only.
const OF_STREAM: &[&str] = &["host.name", "host.id", "agent.id", "log.file.path", "log.file.name", "log.stream"];
/// Fields that depend on an event's [`Kind`] only.
const OF_KIND: &[&str] = &[
    "log.level",
    "event.dataset",
    "event.timezone",
    "wso2.log.family",
    "wso2.time.source",
    "wso2.zone.source",
    "wso2.repeated",
    "wso2.copy",
    "wso2.redacted",
    "wso2.provisional",
    "wso2.split",
    "wso2.time.future",
    "wso2.head_only",
    "wso2.context_lost",
];
/// Fields that depend on the stream and on whether the event names its product itself.
const OF_PRODUCT: &[&str] = &["service.type", "service.name"];
/// Fields every event has and that are neither in columns nor hashed; looked at event by event.
pub(super) const LOOSE: &[&str] =
    &["@timestamp", "event.ingested", "log.offset", "size", "lines", "wso2.continues", "message"];

/// Different values a column may have.
fn distinct_max(rows: usize) -> usize {
    (rows / 16).clamp(64, 65_536)
}

/// Everything [`OF_KIND`] depends on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    level: parsers::Level,
    dataset: parsers::Dataset,
    family: parsers::Family,
    flags: u32,
    time: Option<(i16, u8, u8)>,
}

impl Kind {
    fn of(event: &StoredEvent) -> Kind {
        let body = &event.body;
        let time = body.time.map(|time| (time.offset_minutes, time.source as u8, time.zone as u8));
        Kind { level: body.level, dataset: body.dataset, family: body.family, flags: body.flags.0, time }
    }
}

/// Numbers values in the order in which they come.
struct Interner<K> {
    ordinals: HashMap<K, u32, hasher::Build>,
    /// Row in which each ordinal came first.
    first_rows: Vec<u32>,
    rows: Vec<u32>,
}

impl<K: std::hash::Hash + Eq> Interner<K> {
    fn new(rows: usize) -> Interner<K> {
        Interner { ordinals: HashMap::default(), first_rows: Vec::new(), rows: Vec::with_capacity(rows) }
    }

    fn push<Q>(&mut self, key: &Q)
    where
        K: std::borrow::Borrow<Q>,
        Q: std::hash::Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let ordinal = match self.ordinals.get(key) {
            Some(&ordinal) => ordinal,
            None => {
                let ordinal = self.first_rows.len() as u32;
                self.ordinals.insert(key.to_owned(), ordinal);
                self.first_rows.push(self.rows.len() as u32);
                ordinal
            }
        };
        self.rows.push(ordinal);
    }
}

/// How a field's section begins.
#[derive(Clone, Copy)]
enum KnownBy {
    Nothing = 0,
    Column = 1,
    Hash = 2,
}

/// The columns of a segment being built.
pub(super) struct Built {
    /// Fields whose values are to be hashed.
    pub(super) wide: BTreeSet<FieldId>,
    /// What the events' streams are, in the order of the ordinals of column 0.
    pub(super) infos: Vec<Arc<StreamInfo>>,
}

/// Sections of columns, with equal ones told apart only once.
#[derive(Default)]
struct Sections {
    by_content: HashMap<u128, u64>,
    columns: Vec<Vec<u8>>,
    fields: BTreeMap<String, Vec<u8>>,
}

impl Sections {
    /// The number of the column with these ordinals.
    fn column(&mut self, rows: &[u32], ordinals: usize) -> u64 {
        let bytes: Vec<u8> = rows.iter().flat_map(|row| row.to_le_bytes()).collect();
        let next = self.columns.len() as u64;
        let columns = &mut self.columns;
        *self.by_content.entry(xxh3_128(&bytes)).or_insert_with(|| {
            let mut counts = vec![0u64; ordinals];
            rows.iter().for_each(|&ordinal| counts[ordinal as usize] += 1);
            let mut out = Vec::new();
            varint::put(&mut out, ordinals as u64);
            counts.iter().for_each(|&count| varint::put(&mut out, count));
            ints::put(&mut out, &rows.iter().map(|&ordinal| i64::from(ordinal)).collect::<Vec<_>>());
            columns.push(out);
            next
        })
    }

    /// A field whose values are those of the first event of each ordinal. None at all: no section.
    fn field(&mut self, name: &str, column: u64, events: &[Arc<StoredEvent>], first_rows: &[u32]) {
        let mut out = vec![KnownBy::Column as u8];
        varint::put(&mut out, column);
        let mut any = false;
        for &row in first_rows {
            let mut values: Vec<String> = Vec::new();
            fields::any_value(&events[row as usize], name, &mut |value| {
                values.push(value.text().into_owned());
                false
            });
            any |= !values.is_empty();
            varint::put(&mut out, values.len() as u64);
            values.iter().for_each(|value| varint::put_bytes(&mut out, value.as_bytes()));
        }
        if any {
            self.fields.insert(name.to_owned(), out);
        }
    }

    fn wide_field(&mut self, name: &str, known: KnownBy, rows: u64) {
        let mut out = vec![known as u8];
        varint::put(&mut out, rows);
        self.fields.insert(name.to_owned(), out);
    }

    fn finish(self, out: &mut Writer) {
        for (number, bytes) in self.columns.into_iter().enumerate() {
            out.add(format!("column/{number}"), bytes);
        }
        for (name, bytes) in self.fields {
            out.add(format!("{FIELD}{name}"), bytes);
        }
    }
}

/// Builds the columns of `events`, which are in the order of their rows.
pub(super) fn build(events: &[Arc<StoredEvent>], out: &mut Writer) -> Built {
    let mut sections = Sections::default();
    let streams = infos(events);
    let mut kinds = Interner::<Kind>::new(events.len());
    events.iter().for_each(|event| kinds.push(&Kind::of(event)));
    let stream_column = sections.column(&streams.rows, streams.first_rows.len());
    let labels = labels(events, &streams.first_rows);
    let taken = |name: &str| labels.contains(name);
    for name in OF_STREAM.iter().copied().chain(labels.iter().map(String::as_str)) {
        if !is_other(name) {
            sections.field(name, stream_column, events, &streams.first_rows);
        }
    }
    let kind_column = sections.column(&kinds.rows, kinds.first_rows.len());
    for name in OF_KIND.iter().filter(|name| !taken(name)) {
        sections.field(name, kind_column, events, &kinds.first_rows);
    }
    let parsed = Parsed::of(events);
    if parsed.by_id.contains_key(&FieldId::SERVICE_TYPE) || OF_PRODUCT.iter().any(|name| taken(name)) {
        OF_PRODUCT.iter().for_each(|name| sections.wide_field(name, KnownBy::Nothing, events.len() as u64));
    } else {
        OF_PRODUCT.iter().for_each(|name| sections.field(name, stream_column, events, &streams.first_rows));
    }
    let wide = parsed.into_sections(events, &labels, &mut sections);
    for name in labels.iter().filter(|name| is_other(name)) {
        sections.wide_field(name, KnownBy::Nothing, events.len() as u64);
    }
    loose_fields(events, &mut sections);
    sections.finish(out);
    Built { wide, infos: streams.first_rows.iter().map(|&row| Arc::clone(&events[row as usize].info)).collect() }
}

/// Numbers the different infos. Events of one stream may have several: its file's head grows, a label changes.
fn infos(events: &[Arc<StoredEvent>]) -> Interner<*const StreamInfo> {
    let mut infos = Interner::<*const StreamInfo>::new(events.len());
    // In a merge each part brings infos of its own.
    let mut of_stream: HashMap<StreamId, Vec<u32>> = HashMap::new();
    for event in events {
        let pointer = Arc::as_ptr(&event.info);
        if !infos.ordinals.contains_key(&pointer) {
            let same_stream = of_stream.entry(event.info.stream).or_default();
            let is_equal = |ordinal: &&u32| events[infos.first_rows[**ordinal as usize] as usize].info == event.info;
            match same_stream.iter().find(is_equal) {
                Some(&ordinal) => drop(infos.ordinals.insert(pointer, ordinal)),
                None => same_stream.push(infos.first_rows.len() as u32),
            }
        }
        infos.push(&pointer);
    }
    infos
}

/// Whether the name is one that events have by themselves and not by their stream.
fn is_other(name: &str) -> bool {
    let given = OF_KIND.contains(&name) || OF_PRODUCT.contains(&name) || LOOSE.contains(&name);
    given || FieldId::from_name(name).is_some()
}

fn labels(events: &[Arc<StoredEvent>], first_rows: &[u32]) -> BTreeSet<String> {
    let infos = first_rows.iter().map(|&row| &events[row as usize].info);
    infos.flat_map(|info| info.factors.labels.iter().map(|(name, _)| name.clone())).collect()
}

fn loose_fields(events: &[Arc<StoredEvent>], sections: &mut Sections) {
    for name in LOOSE.iter().filter(|&&name| name != "wso2.continues") {
        sections.wide_field(name, KnownBy::Nothing, events.len() as u64);
    }
    let continued = events.iter().filter(|event| event.body.continues.is_some()).count();
    if continued > 0 {
        sections.wide_field("wso2.continues", KnownBy::Nothing, continued as u64);
    }
}

/// The parsers' own fields.
struct Parsed<'e> {
    by_id: BTreeMap<FieldId, ParsedField>,
    key: Vec<u8>,
    events: &'e [Arc<StoredEvent>],
}

struct ParsedField {
    interner: Interner<Vec<u8>>,
    /// Rows that have it.
    present: u64,
    /// It has no column: too many different values, or too long ones, or it is free text.
    wide: bool,
}

impl<'e> Parsed<'e> {
    fn of(events: &'e [Arc<StoredEvent>]) -> Parsed<'e> {
        let mut parsed = Parsed { by_id: BTreeMap::new(), key: Vec::new(), events };
        let max = distinct_max(events.len());
        for row in 0..events.len() {
            parsed.add(row, max);
        }
        for field in parsed.by_id.values_mut() {
            field.fill_to(events.len());
        }
        parsed
    }

    fn add(&mut self, row: usize, max: usize) {
        let event = &self.events[row];
        for (i, field) in event.body.fields.iter().enumerate() {
            let Some(name) = field.id.name() else { continue };
            let repeated = |fields: &[parsers::Field]| fields.iter().any(|other| other.id == field.id);
            if repeated(&event.body.fields[..i]) {
                continue;
            }
            let entry = self.by_id.entry(field.id).or_insert_with(|| ParsedField {
                interner: Interner::new(0),
                present: 0,
                wide: fields::kind(name) == FieldKind::Text,
            });
            entry.present += 1;
            if entry.wide {
                continue;
            }
            self.key.clear();
            for same in event.body.fields[i..].iter().filter(|other| other.id == field.id) {
                varint::put_bytes(&mut self.key, &bytes_of(event, &same.value));
            }
            if self.key.len() > VALUE_MAX || entry.interner.first_rows.len() > max {
                entry.wide = true;
                entry.interner = Interner::new(0);
                continue;
            }
            entry.fill_to(row);
            entry.interner.push(self.key.as_slice());
        }
    }

    /// Writes the sections; says which fields are wide and not free text.
    fn into_sections(
        self,
        events: &[Arc<StoredEvent>],
        labels: &BTreeSet<String>,
        sections: &mut Sections,
    ) -> BTreeSet<FieldId> {
        let mut wide = BTreeSet::new();
        for (id, field) in self.by_id {
            let Some(name) = id.name() else { continue };
            if OF_PRODUCT.contains(&name) {
                continue;
            }
            if !field.wide && !labels.contains(name) {
                let column = sections.column(&field.interner.rows, field.interner.first_rows.len());
                sections.field(name, column, events, &field.interner.first_rows);
                continue;
            }
            let hashed = fields::kind(name) != FieldKind::Text && !labels.contains(name);
            if hashed {
                wide.insert(id);
            }
            sections.wide_field(name, if hashed { KnownBy::Hash } else { KnownBy::Nothing }, field.present);
        }
        wide
    }
}

impl ParsedField {
    /// Rows up to `row` that were passed by do not have it.
    fn fill_to(&mut self, row: usize) {
        while !self.wide && self.interner.rows.len() < row {
            self.interner.push([].as_slice());
        }
    }
}

/// A value's bytes; numbers in decimal.
pub(super) fn bytes_of<'e>(event: &'e StoredEvent, value: &'e Value) -> Cow<'e, [u8]> {
    match value {
        Value::Span { start, len } => {
            let span = *start as usize..(*start as usize).saturating_add(*len as usize);
            Cow::Borrowed(event.raw.get(span).unwrap_or_default())
        }
        Value::Literal(text) => Cow::Borrowed(text.as_bytes()),
        Value::Int(number) => Cow::Owned(number.to_string().into_bytes()),
    }
}

/// How a segment knows a field.
pub(super) enum FieldColumn<'a> {
    /// No row has it.
    Absent,
    /// Through a column.
    Column(Column<'a>),
    /// By the hashes of its values.
    Hashed {
        /// Rows that have it.
        rows: u64,
    },
    /// Not at all.
    Loose {
        /// Rows that have it, at most.
        rows: u64,
    },
}

/// A column and the values of a field for each of its ordinals.
#[derive(Clone, Copy)]
pub(super) struct Column<'a> {
    /// Ordinal of each row.
    pub(super) rows: Ints<'a>,
    counts: &'a [u8],
    ordinals: usize,
    values: &'a [u8],
}

impl<'a> Column<'a> {
    /// Number of ordinals.
    pub(super) fn ordinals(&self) -> usize {
        self.ordinals
    }

    /// Rows that have each ordinal.
    pub(super) fn counts(&self) -> impl Iterator<Item = u64> + 'a {
        let mut reader = Reader(self.counts);
        (0..self.ordinals).map_while(move |_| reader.number())
    }

    /// The values of each ordinal in turn.
    pub(super) fn values(&self) -> impl Iterator<Item = Vec<&'a str>> + 'a {
        let mut reader = Reader(self.values);
        (0..self.ordinals).map_while(move |_| {
            let count = reader.count()?;
            (0..count).map(|_| reader.text()).collect()
        })
    }
}

/// Opens the column of a field.
pub(super) fn open<'a>(container: &'a Container, field: &str) -> Result<FieldColumn<'a>, SegmentError> {
    let name = format!("{FIELD}{field}");
    if !container.names(&name).any(|found| found == name) {
        return Ok(FieldColumn::Absent);
    }
    let damaged = || container.corrupt(&format!("the column of field `{field}` does not make sense"));
    let mut reader = Reader(container.section(&name)?);
    let [known] = reader.array().ok_or_else(damaged)?;
    let number = reader.number().ok_or_else(damaged)?;
    if known != KnownBy::Column as u8 {
        let rows = number;
        let hashed = known == KnownBy::Hash as u8;
        return Ok(if hashed { FieldColumn::Hashed { rows } } else { FieldColumn::Loose { rows } });
    }
    let (rows, counts, ordinals) = open_column(container, &format!("column/{number}"))?;
    Ok(FieldColumn::Column(Column { rows, counts, ordinals, values: reader.0 }))
}

/// Opens a column: ordinal of each row, rows of each ordinal, number of ordinals.
pub(super) fn open_column<'a>(
    container: &'a Container,
    name: &str,
) -> Result<(Ints<'a>, &'a [u8], usize), SegmentError> {
    let damaged = || container.corrupt(&format!("`{name}` does not make sense"));
    let mut reader = Reader(container.section(name)?);
    let ordinals = reader.count().ok_or_else(damaged)?;
    let counts = reader.0;
    for _ in 0..ordinals {
        reader.number().ok_or_else(damaged)?;
    }
    let counts = &counts[..counts.len() - reader.0.len()];
    Ok((Ints::open(reader.0).ok_or_else(damaged)?, counts, ordinals))
}

/// The names of all fields that some row has.
pub(super) fn names(container: &Container) -> impl Iterator<Item = &str> {
    container.names(FIELD).map(|name| &name[FIELD.len()..])
}
