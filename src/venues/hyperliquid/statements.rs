//! What was last told of the account. The streams repeat the whole of it with every block: what they
//! tell is only what has changed, and what follows from prices alone now and then. What was asked for
//! is told whole.

#![forbid(unsafe_code)]

use super::super::sink::Sink;
use super::super::{DecodeError, decimal};
use super::SECOND_NS;
use super::account::settle;
use super::assets::Assets;
use crate::types::{
    Amount, AssetBalance, AssetId, Event, InstrumentId, MarginReport, Nanos, PositionReport,
};

/// Pause between two statements that differ in what prices have made of them.
const VALUED_NS: u64 = 2 * SECOND_NS;

/// See the module.
pub(super) struct Statements {
    /// Time of the newest state of perpetuals, by the venue.
    newest: Nanos,
    /// By instrument.
    positions: Vec<Option<PositionReport>>,
    margin: Option<MarginReport>,
    /// By asset.
    balances: Vec<Option<AssetBalance>>,
    /// Of what perpetuals settle in: what they have without the profit of open positions, and when.
    wallet: Option<(Amount, Nanos)>,
    /// The same asset in spot: free and locked.
    spot: Option<(Amount, Amount)>,
}

impl Statements {
    pub(super) fn new(instruments: usize, assets: usize) -> Self {
        Self {
            newest: Nanos(0),
            positions: vec![None; instruments],
            margin: None,
            balances: vec![None; assets],
            wallet: None,
            spot: None,
        }
    }

    /// Whether a state of this time is older than what was told.
    pub(super) fn is_past(&self, event_ns: Nanos) -> bool {
        event_ns < self.newest
    }

    /// Whether a balance of it was told.
    pub(super) fn told(&self, asset: AssetId) -> bool {
        self.balances.get(asset.index()).is_some_and(Option::is_some)
    }

    /// What perpetuals settle in, over both wallets; none before both are known.
    fn purse(&self, assets: &Assets) -> Result<Option<AssetBalance>, DecodeError> {
        let nothing = (Amount::ZERO, Amount::ZERO);
        let wallet = if assets.has(true) { self.wallet } else { Some((Amount::ZERO, Nanos(0))) };
        let spot = if assets.has(false) { self.spot } else { Some(nothing) };
        let (Some((wallet, event_ns)), Some((free, locked))) = (wallet, spot) else {
            return Ok(None);
        };
        let free = decimal::sum(free, wallet).ok_or(DecodeError::Invalid("total"))?;
        let (venue, asset) = (assets.venue, settle(assets));
        Ok(Some(AssetBalance { venue, asset, free, locked, event_ns }))
    }
}

/// Tells of one state.
pub(super) struct Teller<'a, 'b> {
    sink: &'a mut Sink<'b>,
    pub(super) statements: &'a mut Statements,
    /// It was asked for: all of it is told.
    whole: bool,
    /// More has changed than prices.
    moved: bool,
}

impl<'a, 'b> Teller<'a, 'b> {
    pub(super) fn new(sink: &'a mut Sink<'b>, statements: &'a mut Statements, whole: bool) -> Self {
        Self { sink, statements, whole, moved: whole }
    }

    pub(super) fn position(&mut self, report: PositionReport) -> Result<(), DecodeError> {
        let InstrumentId(id) = report.instrument;
        let Some(told) = self.statements.positions.get_mut(usize::from(id)) else {
            return Err(DecodeError::UnknownSymbol);
        };
        let moved = told.is_none_or(|told| unvalued(told) != unvalued(report));
        let news = told.is_none_or(|told| {
            let same = PositionReport { event_ns: report.event_ns, ..told } == report;
            !same && told.event_ns.plus(VALUED_NS) <= report.event_ns
        });
        self.moved |= moved;
        if self.whole || moved || news {
            *told = Some(report);
            self.sink.push(Event::Position(report))?;
        }
        Ok(())
    }

    /// Perpetuals have so much without the profit of open positions.
    pub(super) fn wallet(&mut self, wallet: Amount, event_ns: Nanos) {
        let before = self.statements.wallet.replace((wallet, event_ns));
        self.moved |= before.is_none_or(|(before, _)| before != wallet);
        self.statements.newest = self.statements.newest.max(event_ns);
    }

    /// Margin, after the positions and the wallet of the same state.
    pub(super) fn margin(&mut self, report: MarginReport) -> Result<(), DecodeError> {
        let news = self.statements.margin.is_none_or(|told| {
            let same = MarginReport { event_ns: report.event_ns, ..told } == report;
            !same && (self.moved || told.event_ns.plus(VALUED_NS) <= report.event_ns)
        });
        if self.whole || news {
            self.statements.margin = Some(report);
            self.sink.push(Event::Margin(report))?;
        }
        Ok(())
    }

    pub(super) fn balance(&mut self, report: AssetBalance) -> Result<(), DecodeError> {
        let Some(told) = self.statements.balances.get_mut(report.asset.index()) else {
            // Nobody here names such an asset.
            return Ok(());
        };
        let same =
            told.is_some_and(|told| (told.free, told.locked) == (report.free, report.locked));
        if self.whole || !same {
            *told = Some(report);
            self.sink.push(Event::Balance(report))?;
        }
        Ok(())
    }

    /// Spot has so much of what perpetuals settle in, free and locked.
    pub(super) fn spot(&mut self, free: Amount, locked: Amount) {
        self.statements.spot = Some((free, locked));
    }

    /// The sum of both wallets, once both are known.
    pub(super) fn purse(&mut self, assets: &Assets) -> Result<(), DecodeError> {
        match self.statements.purse(assets)? {
            Some(balance) => self.balance(balance),
            None => Ok(()),
        }
    }
}

/// Without what prices make of it.
fn unvalued(report: PositionReport) -> PositionReport {
    let (liquidation, margin, unrealised) = (Amount::ZERO, Amount::ZERO, Amount::ZERO);
    PositionReport { liquidation, margin, unrealised, event_ns: Nanos(0), ..report }
}
