#!/usr/bin/env python3
"""Bybit's own Python client (pybit) trades spot against a running `stoop sim`.

    bybit_spot.py CONFIG

CONFIG is a JSON file, `-` for standard input, or the JSON itself:

    {"bybit": {"rest": "https://localhost:1234", "public": "wss://localhost:1234",
               "private": "wss://localhost:1234/v5/private", "trade": "wss://localhost:1234/v5/trade",
               "key": "...", "secret": "..."},
     "ca": "/path/to/ca.pem"}

Exit code 0 if every check holds, 1 with the check that did not. The client is used as published:
its addresses and its certificate authority are set, and a race inside it is closed (see Patient).
"""

import copy
import json
import logging
import os
import sys
import threading
import time
import uuid
from decimal import ROUND_DOWN, Decimal

SYMBOL = "BTCUSDT"
WAIT_S = 10.0
# The whole session takes a few seconds; the client itself may wait for ever.
SESSION_S = 120.0


class Failed(Exception):
    """A check that does not hold."""


def check(holds, message):
    if not holds:
        raise Failed(message)


def equal(found, expected, what):
    check(found == expected, f"{what}: expected {expected!r}, found {found!r}")


def step(text):
    print(f"bybit: {text}", flush=True)


class Patient(dict):
    """Waits a moment for a key that is about to be set.

    The client sends a request and only then notes whom to call with the answer. A venue on the
    same machine may answer in between.
    """

    def patiently(self, key):
        deadline = time.monotonic() + 1
        while key not in self and time.monotonic() < deadline:
            time.sleep(0.001)

    def __missing__(self, key):
        self.patiently(key)
        if key not in self:
            raise KeyError(key)
        return self[key]

    def pop(self, key, *default):
        self.patiently(key)
        return super().pop(key, *default)


class Inbox:
    """Messages of one subscription, waited for from the main thread."""

    def __init__(self, name):
        self.name = name
        self.messages = []
        self.arrived = threading.Condition()

    def __call__(self, message):
        # The client goes on changing the book it has handed out.
        message = copy.deepcopy(message)
        with self.arrived:
            self.messages.append(message)
            self.arrived.notify_all()

    def rows(self):
        """All rows of all messages, oldest first."""
        with self.arrived:
            return [row for message in self.messages for row in message["data"]]

    def wait(self, find, what, seconds=WAIT_S):
        """The first true value that `find` gives; called again whenever a message comes."""
        deadline = time.monotonic() + seconds
        with self.arrived:
            while True:
                found = find()
                if found:
                    return found
                left = deadline - time.monotonic()
                check(left > 0, f"{self.name}: no {what} within {seconds:.0f} s")
                self.arrived.wait(left)


def floor(value, increment):
    return (value / increment).to_integral_value(ROUND_DOWN) * increment


def plain(value):
    return format(value.normalize(), "f")


def read_config(argument):
    if argument.lstrip().startswith("{"):
        return json.loads(argument)
    if argument == "-":
        return json.load(sys.stdin)
    with open(argument, encoding="utf-8") as file:
        return json.load(file)


class Judge:
    def __init__(self, config):
        self.venue = config["bybit"]
        self.ca = config["ca"]
        # Read by the TLS layers of the client at their first use.
        os.environ["SSL_CERT_FILE"] = self.ca
        os.environ["WEBSOCKET_CLIENT_CA_BUNDLE"] = self.ca
        import pybit._http_manager
        import pybit._websocket_trading
        import pybit.unified_trading as unified

        pybit._http_manager.HTTP_URL = self.venue["rest"]
        host = self.venue["public"].rstrip("/").removesuffix("/v5/public/spot")
        unified.PUBLIC_WSS = host + "/v5/public/spot"
        unified.PRIVATE_WSS = self.venue["private"]
        pybit._websocket_trading.TRADE_WSS = self.venue["trade"]
        self.unified = unified
        from pybit.exceptions import InvalidRequestError

        self.refusal = InvalidRequestError
        self.rest = self.session(self.venue["secret"])
        self.sockets = []
        self.orders, self.executions = Inbox("order stream"), Inbox("execution stream")
        self.wallets = Inbox("wallet stream")

    def session(self, secret):
        session = self.unified.HTTP(api_key=self.venue["key"], api_secret=secret)
        session.client.verify = self.ca
        return session

    def socket(self, make, **arguments):
        socket = make(testnet=False, **arguments)
        socket.callback_directory = Patient(socket.callback_directory)
        if isinstance(socket.subscriptions, dict):
            socket.subscriptions = Patient(socket.subscriptions)
        self.sockets.append(socket)
        return socket

    def close(self):
        for socket in self.sockets:
            try:
                socket.exit()
            except Exception:  # closing is a courtesy; the verdict is already known
                pass

    # What the venue says about the instrument and the time.

    def instruments(self):
        rows = self.rest.get_instruments_info(category="spot")["result"]["list"]
        names = [row["symbol"] for row in rows]
        check(SYMBOL in names, f"instruments-info: {SYMBOL} is not among {names}")
        one = self.rest.get_instruments_info(category="spot", symbol=SYMBOL)["result"]["list"]
        equal(len(one), 1, f"instruments-info of {SYMBOL}: rows")
        row = one[0]
        equal((row["baseCoin"], row["quoteCoin"], row["status"]), ("BTC", "USDT", "Trading"), "instrument")
        self.tick = Decimal(row["priceFilter"]["tickSize"])
        self.lot = Decimal(row["lotSizeFilter"]["basePrecision"])
        self.min_value = Decimal(row["lotSizeFilter"]["minOrderAmt"])
        check(self.tick > 0 and self.lot > 0 and self.min_value > 0, f"instrument rules: {row}")
        server = int(self.rest.get_server_time()["result"]["timeNano"]) / 1e9
        check(abs(server - time.time()) < 2, f"server time is {server - time.time():+.3f} s off")
        fees = self.rest.get_fee_rates(category="spot", symbol=SYMBOL)["result"]["list"][0]
        self.taker_fee = Decimal(fees["takerFeeRate"])

    # Public streams, the book kept by the client.

    def depth_stream(self):
        public = self.socket(self.unified.WebSocket, channel_type="spot")
        books, trades = Inbox("orderbook.50"), Inbox("publicTrade")
        best, tickers = Inbox("orderbook.1"), Inbox("tickers")
        public.orderbook_stream(50, SYMBOL, books)
        public.orderbook_stream(1, SYMBOL, best)
        public.trade_stream(SYMBOL, trades)
        public.ticker_stream(SYMBOL, tickers)
        seen = books.wait(lambda: len(books.messages) >= 30 and list(books.messages), "30 messages")
        counters = [message["data"]["u"] for message in seen]
        expected = list(range(counters[0], counters[0] + len(counters)))
        equal(counters, expected, "orderbook.50: u is contiguous")
        for message in seen:
            bids = sorted((Decimal(price) for price, _ in message["data"]["b"]), reverse=True)
            asks = sorted(Decimal(price) for price, _ in message["data"]["a"])
            check(0 < len(bids) <= 50 and 0 < len(asks) <= 50,
                  f"orderbook.50: {len(bids)} bids and {len(asks)} asks at u {message['data']['u']}")
            check(bids[0] < asks[0], f"orderbook.50 is crossed: {bids[0]} >= {asks[0]}")
            check(len(set(bids)) == len(bids), "orderbook.50: a bid price is there twice")
        first = best.wait(lambda: best.messages and best.messages[0], "snapshot")
        equal((len(first["data"]["b"]), len(first["data"]["a"])), (1, 1), "orderbook.1: levels")
        trade = trades.wait(lambda: trades.messages and trades.messages[0], "trade")["data"][0]
        check(trade["S"] in ("Buy", "Sell") and Decimal(trade["v"]) > 0, f"trade: {trade}")
        ticker = tickers.wait(lambda: tickers.messages and tickers.messages[0], "ticker")
        check(Decimal(ticker["data"]["lastPrice"]) > 0, f"ticker: {ticker}")
        book = self.rest.get_orderbook(category="spot", symbol=SYMBOL, limit=200)["result"]
        check(Decimal(book["b"][0][0]) < Decimal(book["a"][0][0]), "REST book is crossed")
        rows = self.rest.get_public_trade_history(category="spot", symbol=SYMBOL, limit=60)
        check(rows["result"]["list"], "recent-trade is empty")

    # Private streams and orders.

    def listen(self):
        keys = {"api_key": self.venue["key"], "api_secret": self.venue["secret"]}
        private = self.socket(
            self.unified.WebSocket, channel_type="private", private_auth_expire=10, **keys
        )
        private.order_stream(self.orders)
        private.execution_stream(self.executions)
        private.wallet_stream(self.wallets)
        self.trade = self.socket(self.unified.WebSocketTrading, private_auth_expire=10, **keys)
        deadline = time.monotonic() + WAIT_S
        while not (private.auth and self.trade.auth):
            check(time.monotonic() < deadline, "no login on the private and trade sockets")
            time.sleep(0.01)

    def over_socket(self, operation, **order):
        """The reply on the trade socket, refused or not."""
        replies = Inbox("trade socket")
        operation(replies, error_callback=replies, category="spot", symbol=SYMBOL, **order)
        return replies.wait(lambda: replies.messages and replies.messages[0], "reply")

    def states(self, link):
        return [row for row in self.orders.rows() if row["orderLinkId"] == link]

    def state(self, link, *wanted):
        """The order's row once it is in one of these states."""
        def find():
            return next((row for row in self.states(link) if row["orderStatus"] in wanted), None)

        return self.orders.wait(find, f"{' or '.join(wanted)} of {link}")

    def balances(self):
        result = self.rest.get_wallet_balance(accountType="UNIFIED")["result"]["list"][0]
        coins = {row["coin"]: row for row in result["coin"]}
        wallet = {coin: Decimal(row["walletBalance"]) for coin, row in coins.items()}
        return wallet, {coin: Decimal(row["locked"]) for coin, row in coins.items()}

    def best(self, side):
        book = self.rest.get_orderbook(category="spot", symbol=SYMBOL, limit=1)["result"]
        return [Decimal(text) for text in book[side][0]]

    def place_query_cancel(self):
        _, locked_before = self.balances()
        price = floor(self.best("b")[0] * Decimal("0.97"), self.tick)
        qty, link = Decimal("0.01"), new_link()
        reply = self.over_socket(
            self.trade.place_order, side="Buy", orderType="Limit", timeInForce="PostOnly",
            qty=plain(qty), price=plain(price), orderLinkId=link,
        )
        equal((reply["retCode"], reply["data"].get("orderLinkId")), (0, link), "order.create")
        check(int(reply["header"]["X-Bapi-Limit"]) > 0, f"rate limit header: {reply['header']}")
        row = self.state(link, "New")
        equal((Decimal(row["price"]), Decimal(row["leavesQty"])), (price, qty), "order on the stream")
        rows = self.rest.get_open_orders(category="spot", symbol=SYMBOL, orderLinkId=link)
        found = [(row["orderId"], row["orderStatus"]) for row in rows["result"]["list"]]
        equal(found, [(reply["data"]["orderId"], "New")], "order/realtime")
        _, locked = self.balances()
        equal(locked["USDT"] - locked_before["USDT"], price * qty, "quote locked by the order")
        new_price = price - self.tick
        answer = self.rest.amend_order(
            category="spot", symbol=SYMBOL, orderLinkId=link, price=plain(new_price)
        )
        equal(answer["result"]["orderId"], reply["data"]["orderId"], "order/amend")
        self.orders.wait(
            lambda: any(Decimal(row["price"]) == new_price for row in self.states(link)), "amended order"
        )
        self.rest.cancel_order(category="spot", symbol=SYMBOL, orderLinkId=link)
        row = self.state(link, "Cancelled")
        equal(row["cancelType"], "CancelByUser", "cancelType")
        _, locked = self.balances()
        equal(locked["USDT"], locked_before["USDT"], "quote locked after the cancel")
        self.refused(
            170141, "a client id used before",
            lambda: self.rest.place_order(
                category="spot", symbol=SYMBOL, side="Buy", orderType="Limit", qty=plain(qty),
                price=plain(price), orderLinkId=link,
            ),
        )

    def partial_fill(self):
        """A buy for more than the best ask holds: fills in part, rests, is cancelled."""
        before, _ = self.balances()
        links = []
        for _ in range(20):
            ask, size = self.best("a")
            qty, link = floor(size + Decimal("20"), self.lot), new_link()
            links.append(link)
            answer = self.rest.place_order(
                category="spot", symbol=SYMBOL, side="Buy", orderType="Limit", qty=plain(qty),
                price=plain(ask), orderLinkId=link, timeInForce="GTC",
            )
            equal(answer["result"]["orderLinkId"], link, "order/create")
            row = self.state(link, "New", "PartiallyFilled", "Filled")
            reply = self.over_socket(self.trade.cancel_order, orderLinkId=link)
            check(reply["retCode"] in (0, 170139), f"order.cancel: {reply}")
            last = self.state(link, "Cancelled", "PartiallyFilledCanceled", "Filled")
            filled = Decimal(last["cumExecQty"])
            if row["orderStatus"] == "PartiallyFilled" and filled < qty:
                equal(last["orderStatus"], "PartiallyFilledCanceled", "end of a part-filled order")
                equal(last["cancelType"], "CancelByUser", "cancelType")
                break
        else:
            raise Failed("20 orders for more than the best ask: none filled in part")
        self.compare_fills(links, before)

    def compare_fills(self, links, before):
        """Executions on the stream, executions asked for, and balances: all the same."""
        ends = ("Cancelled", "PartiallyFilledCanceled", "Filled")
        rows = {link: self.state(link, *ends) for link in links}
        filled = sum(Decimal(row["cumExecQty"]) for row in rows.values())
        value = sum(Decimal(row["cumExecValue"]) for row in rows.values())

        def streamed():
            found = [row for row in self.executions.rows() if row["orderLinkId"] in links]
            return found if sum(Decimal(row["execQty"]) for row in found) >= filled else None

        executions = self.executions.wait(streamed, "executions for all that was filled")
        equal(sum(Decimal(row["execQty"]) for row in executions), filled, "executed quantity")
        equal(sum(Decimal(row["execValue"]) for row in executions), value, "executed value")
        for row in executions:
            equal(row["feeCurrency"], "BTC", "fee currency of a buy")
            # A rested part may have been filled as maker.
            if not row["isMaker"]:
                fee = Decimal(row["execQty"]) * self.taker_fee
                check(abs(Decimal(row["execFee"]) - fee) < Decimal("1e-8"), f"fee of {row}: not {fee}")
        fees = sum(Decimal(row["execFee"]) for row in executions)
        listed = {}
        cursor = None
        while cursor is None or cursor:
            page = self.rest.get_executions(
                category="spot", symbol=SYMBOL, limit=3, **({"cursor": cursor} if cursor else {})
            )["result"]
            for row in page["list"]:
                check(row["execId"] not in listed, f"execution/list: {row['execId']} on two pages")
                listed[row["execId"]] = row
            cursor = page["nextPageCursor"]
            if all(row["execId"] in listed for row in executions):
                break
        for row in executions:
            check(row["execId"] in listed, f"execution/list lacks {row['execId']}")
            equal(listed[row["execId"]]["execFee"], row["execFee"], "execFee in the list")
        after, locked = self.balances()
        equal(after["BTC"] - before["BTC"], filled - fees, "base bought, less fees")
        equal(before["USDT"] - after["USDT"], value, "quote paid")
        equal(locked["USDT"], Decimal(0), "quote locked with no order open")
        self.wallets.wait(self.wallets.rows, "message")
        history = self.rest.get_order_history(category="spot", symbol=SYMBOL, orderLinkId=links[-1])
        found = [row["orderStatus"] for row in history["result"]["list"]]
        equal(found, ["PartiallyFilledCanceled"], "order/history")

    def market_orders(self):
        """A market buy of a quote amount ends with change left; a sell of base fills."""
        link = new_link()
        self.rest.place_order(
            category="spot", symbol=SYMBOL, side="Buy", orderType="Market", qty="100", orderLinkId=link
        )
        row = self.state(link, "Filled", "PartiallyFilledCanceled")
        value, last = Decimal(row["cumExecValue"]), Decimal(row["avgPrice"])
        check(100 - last * self.lot * 2 < value <= 100, f"market buy of 100 USDT: spent {value}")
        link = new_link()
        reply = self.over_socket(
            self.trade.place_order, side="Sell", orderType="Market", qty="0.001", orderLinkId=link
        )
        equal(reply["retCode"], 0, "market sell")
        equal(Decimal(self.state(link, "Filled")["cumExecQty"]), Decimal("0.001"), "market sell")

    def refusals(self):
        bid = self.best("b")[0]
        price = floor(bid * Decimal("0.97"), self.tick)

        def order(**changed):
            fields = {"side": "Buy", "orderType": "Limit", "qty": "0.01", "price": plain(price)}
            fields.update(changed, orderLinkId=new_link())
            return lambda: self.rest.place_order(category="spot", symbol=SYMBOL, **fields)

        self.refused(170134, "a price off the tick", order(price=plain(price + self.tick / 2)))
        self.refused(170137, "a quantity off the lot", order(qty=plain(Decimal("0.01") + self.lot / 2)))
        small = floor(self.min_value / price / 2, self.lot)
        self.refused(170140, "a value below the minimum", order(qty=plain(small)))
        self.refused(170193, "a price far through the book", order(price=plain(floor(bid * 2, self.tick))))
        link = new_link()
        self.rest.place_order(
            category="spot", symbol=SYMBOL, side="Buy", orderType="Limit", timeInForce="PostOnly",
            qty="0.01", price=plain(floor(bid * Decimal("1.01"), self.tick)), orderLinkId=link,
        )
        row = self.state(link, "Rejected")
        equal(row["rejectReason"], "EC_PostOnlyWillTakeLiquidity", "post-only through the book")
        reply = self.over_socket(self.trade.cancel_order, orderLinkId=new_link())
        equal((reply["retCode"], reply["data"]), (170213, {}), "cancel of an unknown order")
        stranger = self.session(self.venue["secret"] + "x")
        self.refused(10004, "a bad signature", lambda: stranger.get_open_orders(category="spot"))

    def refused(self, code, what, request):
        try:
            answer = request()
        except self.refusal as error:
            equal(error.status_code, code, f"{what} ({error.message})")
            return
        raise Failed(f"{what} was accepted: {answer}")

    def clear(self):
        self.rest.cancel_all_orders(category="spot", symbol=SYMBOL)
        rows = self.rest.get_open_orders(category="spot", symbol=SYMBOL)["result"]["list"]
        equal(rows, [], "open orders after cancel-all")

    def run(self):
        steps = [
            ("instruments, clock, fees", self.instruments),
            ("depth, trade and ticker streams", self.depth_stream),
            ("private and trade sockets", self.listen),
            ("no order of before", self.clear),
            ("place, query, amend, cancel, balances", self.place_query_cancel),
            ("partial fill, executions, fees, balances", self.partial_fill),
            ("market orders", self.market_orders),
            ("refusals: filters, post-only, unknown order, bad signature", self.refusals),
            ("cancel all", self.clear),
        ]
        for name, action in steps:
            step(name)
            action()


def new_link():
    return f"judge-{uuid.uuid4().hex[:24]}"


def give_up():
    print(f"bybit: FAILED: not done after {SESSION_S:.0f} s", file=sys.stderr, flush=True)
    os._exit(1)


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 1
    watch = threading.Timer(SESSION_S, give_up)
    watch.daemon = True
    watch.start()
    logging.getLogger("pybit").setLevel(logging.CRITICAL)
    judge = None
    try:
        judge = Judge(read_config(sys.argv[1]))
        judge.run()
    except Failed as failure:
        print(f"bybit: FAILED: {failure}", file=sys.stderr)
        return 1
    except Exception as error:  # whatever the client raises is a verdict too
        print(f"bybit: FAILED: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    finally:
        if judge:
            judge.close()
    print("bybit: every check holds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
