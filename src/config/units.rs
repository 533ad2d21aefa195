//! Durations (`5s`, `250ms`, `7d`) and sizes (`64MiB`, `2GiB`, `500MB`) as people write them.

use std::time::Duration;

const DURATIONS: &[(&str, u64)] =
    &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 7 * 86_400_000)];

const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// Reads a duration.
///
/// # Errors
/// What is wrong with the text, for people.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wanted = "a number and one of ms, s, m, h, d, w expected, such as 5s or 7d";
    scaled(text, DURATIONS).map(Duration::from_millis).ok_or_else(|| format!("`{text}` is not a duration: {wanted}"))
}

/// Reads a size.
///
/// # Errors
/// What is wrong with the text, for people.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wanted = "a number and one of B, KiB, MiB, GiB, TiB, kB, MB, GB, TB expected, such as 2GiB";
    scaled(text, SIZES).ok_or_else(|| format!("`{text}` is not a size: {wanted}"))
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// A size for people: the largest unit that leaves a whole number, else one decimal.
pub(crate) fn show_size(bytes: u64) -> String {
    let (name, factor) = [("TiB", 1u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        .into_iter()
        .find(|(_, factor)| bytes >= *factor)
        .unwrap_or(("B", 1));
    if bytes.is_multiple_of(factor) {
        format!("{} {name}", bytes / factor)
    } else {
        format!("{:.1} {name}", bytes as f64 / factor as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!(duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        assert_eq!(size("2GiB"), Ok(2 << 30));
        assert_eq!(size("500 MB"), Ok(500_000_000));
        assert!(duration("5").is_err());
        assert!(duration("5 parsecs").is_err());
        assert!(size("-1GiB").is_err());
        assert!(size("99999999999TiB").is_err());
    }

    #[test]
    fn shows_sizes() {
        assert_eq!(show_size(2 << 30), "2 GiB");
        assert_eq!(show_size(1_500), "1.5 KiB");
        assert_eq!(show_size(12), "12 B");
    }
}
