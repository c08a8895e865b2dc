//! The requests of each product: their names on the socket, their paths on REST.
//!
//! What has no name on the socket goes over REST, wherever orders go. Documents:
//! <https://developers.binance.com/docs/binance-spot-api-docs/websocket-api/trading-requests> and
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api>.

#![forbid(unsafe_code)]

use super::streams::Product;
use crate::types::CommandKind;
use crate::venues::Method;

/// One kind of request, on both wires.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// Method on the socket; empty if there is none.
    pub(super) name: &'static str,
    /// Method and path on REST.
    pub(super) method: Method,
    pub(super) path: &'static str,
}

const fn call(name: &'static str, method: Method, path: &'static str) -> Call {
    Call { name, method, path }
}

const fn rest(method: Method, path: &'static str) -> Call {
    call("", method, path)
}

/// The requests that commands become.
pub(super) struct Calls {
    new: Call,
    cancel: Call,
    replace: Call,
    cancel_all: Call,
    query: Call,
    open_orders: Call,
    fills: Call,
    balances: Call,
    fee_rate: Call,
    /// Where there is funding.
    funding: Option<Call>,
}

static SPOT: Calls = Calls {
    new: call("order.place", Method::Post, "/api/v3/order"),
    cancel: call("order.cancel", Method::Delete, "/api/v3/order"),
    replace: call("order.amend.keepPriority", Method::Put, "/api/v3/order/amend/keepPriority"),
    cancel_all: call("openOrders.cancelAll", Method::Delete, "/api/v3/openOrders"),
    query: call("order.status", Method::Get, "/api/v3/order"),
    open_orders: call("openOrders.status", Method::Get, "/api/v3/openOrders"),
    fills: call("myTrades", Method::Get, "/api/v3/myTrades"),
    balances: call("account.status", Method::Get, "/api/v3/account"),
    fee_rate: call("account.commission", Method::Get, "/api/v3/account/commission"),
    funding: None,
};

static USDM: Calls = Calls {
    new: call("order.place", Method::Post, "/fapi/v1/order"),
    cancel: call("order.cancel", Method::Delete, "/fapi/v1/order"),
    replace: call("order.modify", Method::Put, "/fapi/v1/order"),
    cancel_all: rest(Method::Delete, "/fapi/v1/allOpenOrders"),
    query: call("order.status", Method::Get, "/fapi/v1/order"),
    open_orders: rest(Method::Get, "/fapi/v1/openOrders"),
    fills: rest(Method::Get, "/fapi/v1/userTrades"),
    // The positions; what the account has of each asset is asked for after them (`WALLETS`).
    balances: rest(Method::Get, "/fapi/v3/positionRisk"),
    fee_rate: rest(Method::Get, "/fapi/v1/commissionRate"),
    funding: Some(rest(Method::Get, "/fapi/v1/income")),
};

/// Requests of the USD-M connector's own.
pub(super) static WALLETS: Call = rest(Method::Get, "/fapi/v3/balance");
pub(super) static ACCOUNT_CONFIG: Call = rest(Method::Get, "/fapi/v1/accountConfig");
pub(super) static SYMBOL_CONFIG: Call = rest(Method::Get, "/fapi/v1/symbolConfig");
pub(super) static MARGIN_TYPE: Call = rest(Method::Post, "/fapi/v1/marginType");
pub(super) static LEVERAGE: Call = rest(Method::Post, "/fapi/v1/leverage");
pub(super) static STOP_ORDERS: Call = rest(Method::Get, "/fapi/v1/openAlgoOrders");
pub(super) static DEAD_MAN: Call = rest(Method::Post, "/fapi/v1/countdownCancelAll");
/// Without signature: the key in the header is enough.
pub(super) const LISTEN_KEY: &str = "/fapi/v1/listenKey";

/// The requests of a product.
pub(super) fn of(product: Product) -> &'static Calls {
    match product {
        Product::Spot => &SPOT,
        Product::UsdM => &USDM,
    }
}

impl Calls {
    /// The request that a command becomes; none for what trading connectors do not do.
    #[inline]
    pub(super) fn of(&self, command: &CommandKind) -> Option<&Call> {
        match command {
            CommandKind::New(_) => Some(&self.new),
            CommandKind::Cancel(_) => Some(&self.cancel),
            CommandKind::Replace(_) => Some(&self.replace),
            CommandKind::CancelAll(_) => Some(&self.cancel_all),
            CommandKind::Query(_) => Some(&self.query),
            CommandKind::OpenOrders(_) => Some(&self.open_orders),
            CommandKind::FillsSince { .. } => Some(&self.fills),
            CommandKind::Balances => Some(&self.balances),
            CommandKind::FeeRate(_) => Some(&self.fee_rate),
            CommandKind::FundingSince(_) => self.funding.as_ref(),
            CommandKind::Subscribe(_) | CommandKind::Unsubscribe(_) | CommandKind::Resync(_) => {
                None
            }
        }
    }
}
