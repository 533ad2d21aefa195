//! From the bytes of a WSO2 log file to events: the event model, framing, and one module per format.
//!
//! A pure function: (context, bytes, inputs) -> (events, context). No files, sockets, clock, threads
//! or async in here; what does not stand in the bytes of a stream comes in as an [`Input`].

mod context;
mod context_code;
mod dataset;
mod event;
mod event_of;
mod explain;
mod family;
mod field;
mod fields;
mod file_name;
mod framing;
mod head;
mod heads;
mod level;
mod near;
pub mod own;
mod parser;
mod patterns;
pub mod redact;
mod span;
mod stamp;
pub mod template;
mod time;
mod wrapper;
mod zone;

pub use context::{Channel, Context, ContextError, FileFacts, Input, InputAt, Zone};
pub use event::{
    Continues, Event, EventTime, Flags, Level, Offset, TimeNs, TimeSource, ZoneSource, first_line, head_hash,
};
pub use explain::explain;
pub use family::{Dataset, Family};
pub use field::{Field, FieldId, Value};
pub use file_name::{is_dated, plain_name};
pub use framing::Lines;
pub use own::{Format, FormatSpec, Formats};
pub use parser::{Cut, Parser, Provisional};
pub use patterns::Patterns;
