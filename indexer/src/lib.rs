//! From batches to durable, searchable events.

pub mod access;
pub mod event;
pub mod http;
pub mod query;
pub mod serve;
pub mod store;
pub mod templates;
