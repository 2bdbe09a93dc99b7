//! Chance that is the same in every run (splitmix64).

pub struct Draws(u64);

impl Draws {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, not including, 1.
    #[expect(clippy::cast_precision_loss, reason = "32 bits fit")]
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 32) as f64 / f64::from(u32::MAX) * (1.0 - f64::EPSILON)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "few")]
    pub fn below(&mut self, count: usize) -> usize {
        ((self.unit() * count as f64) as usize).min(count - 1)
    }

    /// How long until the next of events that come at random, so many a second.
    pub fn wait_secs(&mut self, per_sec: f64) -> f64 {
        -(1.0 - self.unit()).ln() / per_sec
    }
}
