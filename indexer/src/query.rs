//! The query language: text -> [`Query`] -> matched on events ([`matcher`]) or planned on a segment.

pub mod ast;
pub mod fields;
pub mod glob;
pub mod matcher;
pub mod network;
pub mod text;
pub mod time;
pub mod words;

pub use ast::{Clause, Query, Target, Test};
pub use matcher::Matcher;
pub use text::{TestError, TextTest, WordPattern};
