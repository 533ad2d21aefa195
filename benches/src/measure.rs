//! Measuring whole processes: what the machine itself can do ([`yardsticks`]), processor time of a child
//! ([`process`]), what a running server answers ([`server`]), and an indexer that only says yes ([`sink`]).
//!
//! A rim: it starts processes, reads the real clock and real files.

pub mod process;
pub mod server;
pub mod sink;
pub mod yardsticks;

/// The value below which `percent` of the sorted values lie; 0 for none.
pub fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * percent / 100.0).round() as usize).copied().unwrap_or(0.0)
}

/// Sorts measured values.
pub fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}
