//! The real file system, clock and random numbers of Linux.
