//! The query language: text -> [`Query`] -> matched on events ([`matcher`]) or planned on a segment.

pub mod ast;

pub use ast::{Clause, Query, Target, Test};
