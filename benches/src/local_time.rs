//! Local times as the products print them, without a table lookup a line: a zone's offset is asked
//! once a minute of log time.

use jiff::{Timestamp, tz::TimeZone};

/// Writes instants as a clock in one zone shows them.
#[derive(Clone, Debug)]
pub struct LocalClock {
    zone: TimeZone,
    minute: i64,
    date: [u8; 10],
    offset_secs: i64,
}

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

impl LocalClock {
    /// A clock in `zone`.
    pub fn new(zone: TimeZone) -> LocalClock {
        LocalClock { zone, minute: i64::MIN, date: [b'0'; 10], offset_secs: 0 }
    }

    /// Its zone's name, as a start banner prints it.
    pub fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("Etc/UTC")
    }

    fn turn_to(&mut self, ms: i64) {
        let minute = ms.div_euclid(60_000);
        if minute == self.minute {
            return;
        }
        self.minute = minute;
        let zoned = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(self.zone.clone());
        self.offset_secs = i64::from(zoned.offset().seconds());
        let (year, month, day) = (zoned.year() as u64, zoned.month() as u64, zoned.day() as u64);
        let mut date = Vec::with_capacity(10);
        digits(&mut date, year, 4);
        date.push(b'-');
        digits(&mut date, month, 2);
        date.push(b'-');
        digits(&mut date, day, 2);
        self.date.copy_from_slice(&date);
    }

    fn time(&self, ms: i64, out: &mut Vec<u8>) {
        let of_day = (ms + self.offset_secs * 1_000).rem_euclid(86_400_000) as u64;
        for (index, unit) in [of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1_000 % 60].into_iter().enumerate() {
            if index > 0 {
                out.push(b':');
            }
            digits(out, unit, 2);
        }
    }

    /// Appends `2026-05-05 14:51:35,123`, with `between` in place of the blank.
    pub fn comma(&mut self, ms: i64, between: u8, out: &mut Vec<u8>) {
        self.turn_to(ms);
        out.extend_from_slice(&self.date);
        out.push(between);
        self.time(ms, out);
        out.push(b',');
        digits(out, ms.rem_euclid(1_000) as u64, 3);
    }

    /// Appends `05/May/2026:14:51:35 +0500`, with milliseconds when asked.
    pub fn access(&mut self, ms: i64, with_ms: bool, out: &mut Vec<u8>) {
        self.turn_to(ms);
        out.extend_from_slice(&self.date[8..]);
        out.push(b'/');
        let month = (self.date[5] - b'0') * 10 + self.date[6] - b'0';
        out.extend_from_slice(MONTHS[usize::from(month) - 1]);
        out.push(b'/');
        out.extend_from_slice(&self.date[..4]);
        out.push(b':');
        self.time(ms, out);
        if with_ms {
            out.push(b'.');
            digits(out, ms.rem_euclid(1_000) as u64, 3);
        }
        out.extend_from_slice(if self.offset_secs < 0 { b" -" } else { b" +" });
        let minutes = self.offset_secs.unsigned_abs() / 60;
        digits(out, minutes / 60 * 100 + minutes % 60, 4);
    }

    /// The date as `2026-05-05`.
    pub fn date(&mut self, ms: i64) -> String {
        self.turn_to(ms);
        String::from_utf8_lossy(&self.date).into_owned()
    }

    /// The date as log4j2's archives carry it: `05-05-2026`, month first.
    pub fn archive_date(&mut self, ms: i64) -> String {
        let date = self.date(ms);
        format!("{}-{}", &date[5..], &date[..4])
    }
}

/// Appends `number` with leading zeros.
pub fn digits(out: &mut Vec<u8>, number: u64, width: u32) {
    for place in (0..width).rev() {
        out.push(b'0' + (number / 10u64.pow(place) % 10) as u8);
    }
}

/// Appends `number` without leading zeros.
pub fn decimal(out: &mut Vec<u8>, number: u64) {
    digits(out, number, number.checked_ilog10().unwrap_or(0) + 1);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn prints_local_times_of_both_layouts() {
        let mut clock = LocalClock::new(TimeZone::get("Asia/Colombo").unwrap());
        let ms = 1_777_971_095_123; // 2026-05-05T08:51:35.123Z
        let mut out = Vec::new();
        clock.comma(ms, b' ', &mut out);
        out.push(b'|');
        clock.access(ms, false, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "2026-05-05 14:21:35,123|05/May/2026:14:21:35 +0530");
        assert_eq!(clock.archive_date(ms), "05-05-2026");
    }
}
