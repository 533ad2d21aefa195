//! Seeded random numbers: the same seed gives the same corpus on every machine and with every version
//! of every crate, which is why no crate is asked.

/// A seeded generator (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// A generator that always gives the same numbers for the same seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end` (0 when `end` is 0).
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True in `in_10_000` of 10,000 cases.
    pub fn chance(&mut self, in_10_000: u64) -> bool {
        self.below(10_000) < in_10_000
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    /// A number from 0 to 1, 1 excluded.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A pause whose mean is `mean`, as between independent arrivals.
    pub fn pause(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Appends a random UUID of version 4.
    pub fn uuid(&mut self, out: &mut Vec<u8>) {
        let (high, low) = (self.bits(), self.bits());
        let high = high & !0xf000 | 0x4000;
        let low = low & !(3 << 62) | 2 << 62;
        for (bits, from, digits, dash) in
            [(high, 32, 8, true), (high, 16, 4, true), (high, 0, 4, true), (low, 48, 4, true), (low, 0, 12, false)]
        {
            hex(out, bits >> from, digits);
            if dash {
                out.push(b'-');
            }
        }
    }
}

/// Appends the lowest `digits` hex digits of `bits`.
pub fn hex(out: &mut Vec<u8>, bits: u64, digits: u32) {
    for digit in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(bits >> (4 * digit) & 15) as usize]);
    }
}

/// Draws ranks 0, 1, 2, … with frequencies that fall as 1 / (rank + 1)^exponent.
#[derive(Clone, Debug)]
pub struct Zipf {
    cumulated: Vec<f64>,
}

impl Zipf {
    /// For `ranks` ranks.
    pub fn new(ranks: usize, exponent: f64) -> Zipf {
        let mut sum = 0.0;
        let cumulated = (1..=ranks)
            .map(|rank| {
                sum += (rank as f64).powf(-exponent);
                sum
            })
            .collect();
        Zipf { cumulated }
    }

    /// One rank.
    pub fn draw(&self, dice: &mut Dice) -> usize {
        let at = dice.unit() * self.cumulated.last().copied().unwrap_or(0.0);
        self.cumulated.partition_point(|&c| c <= at).min(self.cumulated.len() - 1)
    }
}
