//! From files to acknowledged batches.
