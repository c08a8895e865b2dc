//! Deterministic randomness and the disturbances that make venues differ.
//!
//! Everything here depends on the seed and on flow time alone, never on how often it is asked.

/// splitmix64: small, fast, good enough to move a simulated market.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// A stream of its own for every (seed, purpose).
    pub(super) fn new(seed: u64, purpose: u64) -> Self {
        let mut random = Self(seed ^ purpose.wrapping_mul(0xd134_2543_de82_ef95));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// In 0 .. 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// In `low .. high`.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// In 0 .. `count`.
    pub(super) fn index(&mut self, count: usize) -> usize {
        ((self.unit() * count as f64) as usize).min(count.saturating_sub(1))
    }

    /// Mean 0 and variance 1, roughly normal: only exactly rounded operations, so every machine
    /// draws the same.
    pub(super) fn normal(&mut self) -> f64 {
        const HALF_OF_TWELVE: f64 = 6.0;
        (0..12).map(|_| self.unit()).sum::<f64>() - HALF_OF_TWELVE
    }

    /// A waiting time around `mean_ns`.
    pub(super) fn wait(&mut self, mean_ns: f64) -> u64 {
        ((mean_ns * self.between(0.2, 1.8)) as u64).max(1)
    }
}

/// How often and how far one venue's prices part from the other's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dislocations {
    /// Over all symbols together; 0 for none.
    pub per_second: f64,
    /// Smallest distance of one venue's bid above the other's ask, in basis points.
    pub edge_min_bp: f64,
    /// Largest.
    pub edge_max_bp: f64,
    /// Shortest, in milliseconds.
    pub last_min_ms: f64,
    /// Longest; a symbol is dislocated for at most 60 % of the time.
    pub last_max_ms: f64,
}

impl Default for Dislocations {
    fn default() -> Self {
        Self {
            per_second: 18.0,
            edge_min_bp: 5.0,
            edge_max_bp: 20.0,
            last_min_ms: 30.0,
            last_max_ms: 70.0,
        }
    }
}

/// When which book of one pair parts from the others.
#[derive(Clone, Debug)]
pub(super) struct DislocationClock {
    random: Random,
    settings: Dislocations,
    period_ns: f64,
    /// Candidates: places of books.
    books: Vec<usize>,
    /// When the next dislocation begins or the running one ends.
    pub(super) next_ns: u64,
    /// The book concerned and its distance as a ratio.
    active: Option<(usize, f64)>,
}

impl DislocationClock {
    /// `pairs` share the settings' rate.
    pub(super) fn new(
        settings: Dislocations,
        pairs: usize,
        books: Vec<usize>,
        random: Random,
    ) -> Self {
        let per_second = settings.per_second / pairs.max(1) as f64;
        let runs = per_second > 0.0 && !books.is_empty();
        let period_ns = if runs { 1e9 / per_second } else { 0.0 };
        let mut clock =
            Self { random, settings, period_ns, books, next_ns: u64::MAX, active: None };
        if runs {
            clock.next_ns = clock.random.wait(period_ns);
        }
        clock
    }

    /// Begins or ends a dislocation at [`Self::next_ns`]; gives the book concerned.
    pub(super) fn turn(&mut self) -> usize {
        const SHARE_MAX: f64 = 0.6;
        let last_max = (self.settings.last_max_ms * 1e6).min(self.period_ns * SHARE_MAX);
        let last_min = (self.settings.last_min_ms * 1e6).min(last_max);
        let last_mean = f64::midpoint(last_min, last_max);
        if let Some((book, _)) = self.active.take() {
            self.next_ns += self.random.wait(self.period_ns - last_mean);
            return book;
        }
        let book = self.books[self.random.index(self.books.len())];
        let edge = self.random.between(self.settings.edge_min_bp, self.settings.edge_max_bp) * 1e-4;
        let edge = if self.random.unit() < 0.5 { edge } else { -edge };
        self.active = Some((book, edge));
        self.next_ns += (self.random.between(last_min, last_max) as u64).max(1);
        book
    }

    /// Distance of a book from the common price now, to which `spread` is added outwards.
    pub(super) fn offset(&self, book: usize, spread: f64) -> f64 {
        match self.active {
            Some((concerned, edge)) if concerned == book => edge + edge.signum() * spread,
            _ => 0.0,
        }
    }
}

/// A small mean-reverting difference of one book from the common price.
#[derive(Clone, Debug, Default)]
pub(super) struct Noise(f64);

impl Noise {
    /// The next value, as a ratio; its standard deviation is about 0.3 basis points.
    pub(super) fn step(&mut self, random: &mut Random) -> f64 {
        self.0 = self.0 * 0.98 + random.normal() * 0.06e-4;
        self.0
    }
}
