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
    /// Different ones so far.
    count: u32,
    rows: Vec<u32>,
}

impl<K: std::hash::Hash + Eq> Interner<K> {
    fn new() -> Interner<K> {
        Interner { ordinals: HashMap::default(), count: 0, rows: Vec::new() }
    }

    /// Adds the next row; says whether its value is a new one.
    fn push<Q>(&mut self, key: &Q) -> bool
    where
        K: std::borrow::Borrow<Q>,
        Q: std::hash::Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let known = self.ordinals.get(key).copied();
        let ordinal = known.unwrap_or_else(|| {
            let ordinal = self.count;
            self.ordinals.insert(key.to_owned(), ordinal);
            self.count += 1;
            ordinal
        });
        self.rows.push(ordinal);
        known.is_none()
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
    fn field(&mut self, name: &str, column: u64, firsts: &[Arc<StoredEvent>]) {
        let (mut values, mut any) = (Vec::new(), false);
        firsts.iter().for_each(|event| any |= put_values(event, name, &mut values));
        if any {
            self.put_field(name, column, &values);
        }
    }

    fn put_field(&mut self, name: &str, column: u64, values: &[u8]) {
        let mut out = vec![KnownBy::Column as u8];
        varint::put(&mut out, column);
        out.extend_from_slice(values);
        self.fields.insert(name.to_owned(), out);
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

/// Appends the number of an event's values of a field and the values; says whether there are any.
fn put_values(event: &StoredEvent, name: &str, out: &mut Vec<u8>) -> bool {
    let mut values: Vec<String> = Vec::new();
    fields::any_value(event, name, &mut |value| {
        values.push(value.text().into_owned());
        false
    });
    varint::put(out, values.len() as u64);
    values.iter().for_each(|value| varint::put_bytes(out, value.as_bytes()));
    !values.is_empty()
}

/// The columns of events that come one by one, in the order of their rows.
pub(super) struct Collector {
    infos: Infos,
    kinds: Interner<Kind>,
    kind_firsts: Vec<Arc<StoredEvent>>,
    parsed: Parsed,
    continued: u64,
    rows: usize,
}

impl Collector {
    /// For so many rows.
    pub(super) fn new(rows: usize) -> Collector {
        Collector {
            infos: Infos::new(),
            kinds: Interner::new(),
            kind_firsts: Vec::new(),
            parsed: Parsed { by_id: BTreeMap::new(), key: Vec::new(), distinct_max: distinct_max(rows) },
            continued: 0,
            rows: 0,
        }
    }

    /// Adds the event of the next row.
    pub(super) fn add(&mut self, event: &Arc<StoredEvent>) {
        self.infos.add(event);
        if self.kinds.push(&Kind::of(event)) {
            self.kind_firsts.push(Arc::clone(event));
        }
        self.parsed.add(self.rows, event);
        self.continued += u64::from(event.body.continues.is_some());
        self.rows += 1;
    }

    /// Writes the sections.
    pub(super) fn finish(mut self, out: &mut Writer) -> Built {
        let mut sections = Sections::default();
        let rows = self.rows;
        self.parsed.by_id.values_mut().for_each(|field| field.fill_to(rows));
        let Infos { interner: streams, firsts, .. } = self.infos;
        let stream_column = sections.column(&streams.rows, firsts.len());
        let labels = labels(&firsts);
        let taken = |name: &str| labels.contains(name);
        for name in OF_STREAM.iter().copied().chain(labels.iter().map(String::as_str)) {
            if !is_other(name) {
                sections.field(name, stream_column, &firsts);
            }
        }
        let kind_column = sections.column(&self.kinds.rows, self.kind_firsts.len());
        for name in OF_KIND.iter().filter(|name| !taken(name)) {
            sections.field(name, kind_column, &self.kind_firsts);
        }
        if self.parsed.by_id.contains_key(&FieldId::SERVICE_TYPE) || OF_PRODUCT.iter().any(|name| taken(name)) {
            OF_PRODUCT.iter().for_each(|name| sections.wide_field(name, KnownBy::Nothing, rows as u64));
        } else {
            OF_PRODUCT.iter().for_each(|name| sections.field(name, stream_column, &firsts));
        }
        let wide = self.parsed.into_sections(&labels, &mut sections);
        for name in labels.iter().filter(|name| is_other(name)) {
            sections.wide_field(name, KnownBy::Nothing, rows as u64);
        }
        loose_fields(rows as u64, self.continued, &mut sections);
        sections.finish(out);
        Built { wide, infos: firsts.iter().map(|event| Arc::clone(&event.info)).collect() }
    }
}

/// Numbers the different infos. Events of one stream may have several: its file's head grows, a label changes.
struct Infos {
    interner: Interner<*const StreamInfo>,
    firsts: Vec<Arc<StoredEvent>>,
    /// In a merge each part brings infos of its own that are equal to another's.
    of_stream: HashMap<StreamId, Vec<u32>>,
    /// Every one seen is kept, so that its address stays its own.
    kept: Vec<Arc<StreamInfo>>,
}

impl Infos {
    fn new() -> Infos {
        Infos { interner: Interner::new(), firsts: Vec::new(), of_stream: HashMap::new(), kept: Vec::new() }
    }

    fn add(&mut self, event: &Arc<StoredEvent>) {
        let pointer = Arc::as_ptr(&event.info);
        if !self.interner.ordinals.contains_key(&pointer) {
            self.kept.push(Arc::clone(&event.info));
            let same_stream = self.of_stream.entry(event.info.stream).or_default();
            let is_equal = |ordinal: &&u32| self.firsts[**ordinal as usize].info == event.info;
            match same_stream.iter().find(is_equal) {
                Some(&ordinal) => {
                    let _none = self.interner.ordinals.insert(pointer, ordinal);
                }
                None => {
                    same_stream.push(self.interner.count);
                    self.firsts.push(Arc::clone(event));
                }
            }
        }
        self.interner.push(&pointer);
    }
}

/// Whether the name is one that events have by themselves and not by their stream.
fn is_other(name: &str) -> bool {
    let given = OF_KIND.contains(&name) || OF_PRODUCT.contains(&name) || LOOSE.contains(&name);
    given || FieldId::from_name(name).is_some()
}

fn labels(firsts: &[Arc<StoredEvent>]) -> BTreeSet<String> {
    firsts.iter().flat_map(|event| event.info.factors.labels.iter().map(|(name, _)| name.clone())).collect()
}

fn loose_fields(rows: u64, continued: u64, sections: &mut Sections) {
    for name in LOOSE.iter().filter(|&&name| name != "wso2.continues") {
        sections.wide_field(name, KnownBy::Nothing, rows);
    }
    if continued > 0 {
        sections.wide_field("wso2.continues", KnownBy::Nothing, continued);
    }
}

/// The parsers' own fields.
struct Parsed {
    by_id: BTreeMap<FieldId, ParsedField>,
    key: Vec<u8>,
    distinct_max: usize,
}

struct ParsedField {
    interner: Interner<Vec<u8>>,
    /// Of each ordinal: number of values, the values.
    values: Vec<u8>,
    /// Rows that have it.
    present: u64,
    /// It has no column: too many different values, or too long ones, or it is free text.
    wide: bool,
}

impl Parsed {
    fn add(&mut self, row: usize, event: &StoredEvent) {
        for (i, field) in event.body.fields.iter().enumerate() {
            let Some(name) = field.id.name() else { continue };
            let repeated = |fields: &[parsers::Field]| fields.iter().any(|other| other.id == field.id);
            if repeated(&event.body.fields[..i]) {
                continue;
            }
            let entry = self.by_id.entry(field.id).or_insert_with(|| ParsedField {
                interner: Interner::new(),
                values: Vec::new(),
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
            if self.key.len() > VALUE_MAX || entry.interner.count as usize > self.distinct_max {
                entry.wide = true;
                entry.interner = Interner::new();
                entry.values = Vec::new();
                continue;
            }
            entry.fill_to(row);
            if entry.interner.push(self.key.as_slice()) {
                put_values(event, name, &mut entry.values);
            }
        }
    }

    /// Writes the sections; says which fields are wide and not free text.
    fn into_sections(self, labels: &BTreeSet<String>, sections: &mut Sections) -> BTreeSet<FieldId> {
        let mut wide = BTreeSet::new();
        for (id, field) in self.by_id {
            let Some(name) = id.name() else { continue };
            if OF_PRODUCT.contains(&name) {
                continue;
            }
            if !field.wide && !labels.contains(name) {
                let column = sections.column(&field.interner.rows, field.interner.count as usize);
                sections.put_field(name, column, &field.values);
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
            if self.interner.push([].as_slice()) {
                varint::put(&mut self.values, 0);
            }
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
