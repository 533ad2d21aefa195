//! The query language: text -> [`Query`] -> matched on events ([`matcher`]) or planned on a segment.

pub mod ast;
pub mod engine;
pub mod fields;
pub mod glob;
pub mod matcher;
pub mod names;
pub mod network;
pub mod parse;
mod print;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod sample;
pub mod text;
pub mod time;
pub mod words;

pub use ast::{Clause, Query, Target, Test};
pub use matcher::Matcher;
pub use parse::{Parsed, QueryError, Token, TokenKind, parse, take_apart};
pub use text::{TestError, TextTest, WordPattern};
