//! One module for each group of head shapes that begin alike.

pub(crate) mod access;
pub(crate) mod bracket;
pub(crate) mod tid;
