//! The assets of an account that concern us, and what a list of balances says by leaving out.

#![forbid(unsafe_code)]

use super::super::DecodeError;
use super::super::sink::Sink;
use super::names::Names;
use crate::types::{AssetBalance, AssetId, Event, MarginReport, Nanos};

/// The assets of our instruments, and those that perpetuals of ours settle in.
pub(in crate::venues) struct Assets {
    traded: Vec<AssetId>,
    pub(in crate::venues) settle: Vec<AssetId>,
}

impl Assets {
    pub(in crate::venues) fn new(names: &Names) -> Self {
        let (mut traded, mut settle) = (Vec::new(), Vec::new());
        for instrument in names.instruments.of_venue(names.venue) {
            if instrument.is_perpetual() {
                settle.push(instrument.settle);
                traded.push(instrument.settle);
            } else {
                traded.extend([instrument.base, instrument.quote]);
            }
        }
        for list in [&mut traded, &mut settle] {
            list.sort_unstable();
            list.dedup();
            list.retain(|asset| *asset != AssetId::NONE);
        }
        Self { traded, settle }
    }

    /// Lists over REST leave out what is zero: that is stated too.
    pub(in crate::venues) fn state_absent(
        &self,
        names: &Names,
        is_listed: impl Fn(&str) -> bool,
        event_ns: Nanos,
        sink: &mut Sink<'_>,
    ) -> Result<(), DecodeError> {
        let venue = names.venue;
        for &asset in &self.traded {
            if is_listed(names.instruments.assets.name(asset)) {
                continue;
            }
            let none = AssetBalance { venue, asset, event_ns, ..AssetBalance::default() };
            sink.push(Event::Balance(none))?;
            if self.settle.contains(&asset) {
                let none = MarginReport { venue, asset, event_ns, ..MarginReport::default() };
                sink.push(Event::Margin(none))?;
            }
        }
        Ok(())
    }
}
