//! From batches to durable, searchable events.

pub mod access;
pub mod event;
pub mod query;
pub mod store;
