//! A trading connector of USD-M futures and a venue that answers it, shared by the tests of futures.

use super::super::streams::Product;
use super::super::trading::TradingConnector;
use super::{KEY, MS, NOW, Rig, Sent, id_of, setup};
use crate::types::{
    AssetId, Channel, CommandKind, Instrument, InstrumentId, InstrumentKind, InstrumentRules,
    InstrumentTable, Price, Qty, Scale, VenueNotice,
};
use crate::venues::{Output, VenueSetup};
use std::sync::Arc;

pub(super) const BTC: InstrumentId = InstrumentId(0);
pub(super) const ETH: InstrumentId = InstrumentId(1);
pub(super) const BNB: InstrumentId = InstrumentId(2);
pub(super) const SOL: InstrumentId = InstrumentId(3);
pub(super) const ADA: InstrumentId = InstrumentId(4);
pub(super) const USDT: AssetId = AssetId(0);

pub(super) const ACCOUNT: &str =
    r#"{"feeTier":0,"canTrade":true,"dualSidePosition":false,"multiAssetsMargin":false}"#;
pub(super) const SETTINGS: &str = r#"[{"symbol":"BTCUSDT","marginType":"CROSSED","isAutoAddMargin":false,"leverage":21,"maxNotionalValue":"1000000"},{"symbol":"ETHUSDT","marginType":"ISOLATED","isAutoAddMargin":false,"leverage":5,"maxNotionalValue":"1000000"},{"symbol":"OTHERUSDT","marginType":"CROSSED","isAutoAddMargin":false,"leverage":1,"maxNotionalValue":"1"}]"#;

/// Perpetuals with prices of eight decimals and quantities of three.
pub(super) fn table() -> InstrumentTable {
    table_of(&["BTC", "ETH", "BNB", "SOL", "ADA"])
}

pub(super) fn table_of(names: &[&str]) -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let usdt = table.assets.intern("USDT");
    for name in names {
        let base = table.assets.intern(name);
        table.add(Instrument {
            symbol: format!("{name}USDT"),
            kind: InstrumentKind::LinearPerpetual,
            base,
            quote: usdt,
            settle: usdt,
            scale: Scale { price_decimals: 8, qty_decimals: 3 },
            rules: InstrumentRules {
                tick_size: Price(1_000_000),
                lot_size: Qty(1),
                ..InstrumentRules::default()
            },
            ..Instrument::default()
        });
    }
    table
}

pub(super) fn futures_setup(secret: &str, over_rest: bool) -> VenueSetup {
    let mut setup = setup(secret, over_rest);
    setup.endpoints.private = "wss://localhost:2".to_owned();
    VenueSetup { instruments: Arc::new(table()), ..setup }
}

/// What a venue without surprises answers to a request.
pub(super) fn usual(rig: &Rig, line: &str) -> String {
    let path = line.split('?').next().unwrap();
    match path {
        "GET /fapi/v1/time" => format!(r#"{{"serverTime":{}}}"#, rig.now.as_millis()),
        "GET /fapi/v1/accountConfig" => ACCOUNT.to_owned(),
        "GET /fapi/v1/symbolConfig" => SETTINGS.to_owned(),
        "POST /fapi/v1/listenKey" => r#"{"listenKey":"pqia91"}"#.to_owned(),
        "PUT /fapi/v1/listenKey" => "{}".to_owned(),
        "POST /fapi/v1/countdownCancelAll" => {
            let value = |name: &str| {
                let at = line.find(name).unwrap() + name.len();
                line[at..].split('&').next().unwrap().to_owned()
            };
            let (symbol, time) = (value("symbol="), value("countdownTime="));
            format!(r#"{{"symbol":"{symbol}","countdownTime":"{time}"}}"#)
        }
        _ => panic!("unexpected {line}"),
    }
}

impl Rig {
    pub(super) fn futures(setup: &VenueSetup) -> Self {
        Self::new(Box::new(TradingConnector::new(setup, Product::UsdM).unwrap()))
    }

    /// Answers requests until there are none, each by `answer`; gives their lines, the addresses that
    /// are asked to be opened, and the notices on the way.
    pub(super) fn converse(
        &mut self,
        answer: impl Fn(&Self, &str) -> String,
    ) -> (Vec<String>, Vec<String>, Vec<VenueNotice>) {
        let (mut lines, mut addresses) = (Vec::new(), self.connects());
        let mut notices = Vec::new();
        let mut waiting: Vec<Sent> = self.requests();
        while !waiting.is_empty() {
            let request = waiting.remove(0);
            assert_eq!(request.headers.contains(KEY), !request.line.ends_with("/time"));
            let body = answer(self, &request.line);
            self.response(request.id, 200, "", &body).unwrap();
            notices.extend(self.notices());
            waiting.extend(self.requests());
            addresses.extend(self.connects());
            lines.push(request.line);
        }
        (lines, addresses, notices)
    }

    /// Lets time pass, with a venue that answers as usual; gives the lines of the requests but those
    /// for the time.
    pub(super) fn live(&mut self, seconds: u64) -> Vec<String> {
        let mut all = Vec::new();
        for _ in 0..seconds {
            self.pass(SECOND);
            let (lines, ..) = self.converse(usual);
            all.extend(lines.into_iter().filter(|line| !line.ends_with("/time")));
        }
        all
    }

    pub(super) fn connects(&self) -> Vec<String> {
        let connect = |output| match output {
            Output::Connect(Channel::Private, url) => Some(url.to_owned()),
            _ => None,
        };
        self.out.outputs().filter_map(connect).collect()
    }

    /// A connector that is ready for orders.
    pub(super) fn futures_ready(setup: &VenueSetup) -> Self {
        let mut rig = Self::futures(setup);
        rig.open(Channel::Rest);
        rig.converse(usual);
        rig.open(Channel::Private);
        rig.converse(usual);
        rig.open(Channel::Trade);
        if let Some(logon) = rig.frames().first().cloned() {
            rig.reply(id_of(&logon), r#"{"apiKey":"x"}"#).unwrap();
        }
        assert!(rig.frames().is_empty() && rig.requests().is_empty());
        rig
    }

    /// Submits a command that goes over REST, and gives the response to its only request.
    pub(super) fn asked(&mut self, kind: CommandKind) -> Sent {
        self.submit(kind).unwrap();
        self.requested()
    }

    /// The only request.
    pub(super) fn requested(&mut self) -> Sent {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }
}

/// The line of a request without its signature, which must be there.
pub(super) fn unsigned(line: &str) -> &str {
    line.split_once("&signature=").expect("signed").0
}

pub(super) fn stamp() -> String {
    format!("timestamp={}", NOW.as_millis())
}

pub(super) const SECOND: u64 = 1_000 * MS;
