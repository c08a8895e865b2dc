//! Fixed-size log-linear histogram.

/// Records durations.
#[derive(Debug)]
pub struct Writer {}

impl Writer {
    /// Counts one duration.
    pub fn record(&mut self, _ns: u64) {
        todo!()
    }
}

/// What a histogram held at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// How many durations were recorded.
    pub count: u64,
    /// Shortest, exact; 0 if there is none.
    pub min: u64,
    /// Longest, exact; 0 if there is none.
    pub max: u64,
    /// Mean, exact to the rounding of the division; 0 if there is none.
    pub mean: u64,
}

impl Snapshot {
    /// The duration that a share `q` (0 to 1) of all recorded ones does not exceed, within 1 %.
    #[must_use]
    pub fn quantile(&self, _q: f64) -> u64 {
        todo!()
    }

    /// Adds what another histogram held.
    pub fn merge(&mut self, _other: &Snapshot) {
        todo!()
    }
}
