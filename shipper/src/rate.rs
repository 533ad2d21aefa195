//! Rates that delay and never drop: a bucket of bytes that fills with time. A read may take it below nothing; the
//! next one waits until that is made good.

use std::time::Duration;

/// So much of a second's bytes is saved up while nothing is read, and is one read at most.
const PART_OF_SECOND: u64 = 10;
/// One read of a limited file has at least so many bytes.
const READ_BYTES_MIN: u64 = 4 << 10;

/// How much may be read now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    /// Bytes that are there; what was read ahead of time is owed.
    bytes: i64,
    filled_at: Duration,
}

impl Bucket {
    fn bytes_at(self, rate: u64, now: Duration) -> i64 {
        let passed = now.saturating_sub(self.filled_at).as_micros().min(3_600_000_000);
        let came = i64::try_from(u128::from(rate) * passed / 1_000_000).unwrap_or(i64::MAX);
        self.bytes.saturating_add(came).min(read_bytes(rate) as i64)
    }

    /// Whether a read may be made.
    pub(crate) fn is_open(self, rate: Option<u64>, now: Duration) -> bool {
        rate.is_none_or(|rate| self.bytes_at(rate, now) >= 0)
    }

    /// Notes what was read.
    pub(crate) fn take(&mut self, rate: Option<u64>, now: Duration, bytes: usize) {
        let Some(rate) = rate else { return };
        self.bytes = self.bytes_at(rate, now).saturating_sub_unsigned(bytes as u64);
        self.filled_at = now;
    }

    /// When a read may be made.
    pub(crate) fn open_at(self, rate: Option<u64>, now: Duration) -> Duration {
        let Some(rate) = rate else { return now };
        let owed = u64::try_from(-self.bytes_at(rate, now)).unwrap_or(0);
        now + Duration::from_micros(owed.saturating_mul(1_000_000).div_ceil(rate.max(1)))
    }
}

/// Bytes of one read under a rate.
pub(crate) fn read_bytes(rate: u64) -> u64 {
    (rate / PART_OF_SECOND).max(READ_BYTES_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lets_through_what_its_rate_says_and_not_more() {
        let rate = Some(1_000_000);
        let (mut bucket, mut now, mut read) = (Bucket::default(), Duration::ZERO, 0u64);
        while now < Duration::from_secs(10) {
            if bucket.is_open(rate, now) {
                bucket.take(rate, now, 70_000);
                read += 70_000;
                assert!(!bucket.is_open(rate, now), "what was taken is owed");
            }
            let open = bucket.open_at(rate, now);
            assert!(open > now || bucket.is_open(rate, now));
            now = open.max(now + Duration::from_millis(1));
        }
        assert!((9_900_000..=10_200_000).contains(&read), "{read}");
        assert!(bucket.is_open(None, now));
    }
}
