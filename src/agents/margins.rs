//! Whether positions stand on what is configured, by what the venue states of them while we trade.
//!
//! Before a venue is ready its connector has made leverage and margin mode so. What differs later was
//! changed by somebody else: that is told, and told again only after it has been right in between.

use crate::types::{InstrumentId, MarginSettings, PositionReport};

/// The statements of one venue.
pub(super) struct Margins {
    wanted: MarginSettings,
    /// Instruments of which the last statement differed.
    wrong: Vec<InstrumentId>,
}

impl Margins {
    /// Of so many instruments.
    pub(super) fn new(wanted: MarginSettings, instruments: usize) -> Self {
        Self { wanted, wrong: Vec::with_capacity(instruments) }
    }

    /// Takes a statement; true if it is news that it differs from what is configured.
    pub(super) fn is_news(&mut self, report: &PositionReport) -> bool {
        let known = self.wrong.iter().position(|id| *id == report.instrument);
        match (known, self.wanted.differs_from(report)) {
            (None, true) => {
                self.wrong.push(report.instrument);
                true
            }
            (Some(at), false) => {
                self.wrong.swap_remove(at);
                false
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{AMOUNT_DECIMALS, Amount, MarginMode};

    fn told(instrument: u16, times: i128, mode: MarginMode) -> PositionReport {
        let leverage = Amount(times * 10i128.pow(AMOUNT_DECIMALS));
        let instrument = InstrumentId(instrument);
        PositionReport { instrument, leverage, mode, ..PositionReport::default() }
    }

    #[test]
    fn what_differs_is_news_once_until_it_has_been_right() {
        use MarginMode::{Cross, Isolated};
        let wanted = MarginSettings { leverage: Some(5), mode: Some(Cross) };
        let mut margins = Margins::new(wanted, 2);
        for (report, news) in [
            (told(0, 5, Cross), false),
            (told(0, 0, Isolated), false), // nothing is stated
            (told(0, 10, Cross), true),
            (told(0, 20, Cross), false),
            (told(1, 5, Isolated), true),
            (told(0, 5, Cross), false),
            (told(0, 4, Cross), true),
            (told(1, 5, Isolated), false),
        ] {
            assert_eq!(margins.is_news(&report), news, "{report:?}");
        }
        let mut free = Margins::new(MarginSettings::default(), 2);
        assert!(!free.is_news(&told(0, 10, Isolated)), "as the account has it");
    }
}
