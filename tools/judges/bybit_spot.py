#!/usr/bin/env python3
"""Judges the simulated spot market of Bybit with the venue's own client, pybit. Arguments: see
judge.py; how the client is used: see bybit.py.
"""

from decimal import Decimal

from bybit import SYMBOL, Bybit
from judge import Failed, Inbox, check, equal, floor, new_id, plain, session


class Judge(Bybit):
    category = "spot"

    def add(self, row):
        self.sums.on_spot(row["execId"], SYMBOL, ("BTC", "USDT"), row["side"] == "Buy",
                          Decimal(row["execQty"]), Decimal(row["execPrice"]),
                          Decimal(row["execFee"]), row["feeCurrency"])

    # What the venue says about the instrument and the time.

    def instruments(self):
        rows = self.rest.get_instruments_info(category="spot")["result"]["list"]
        names = [row["symbol"] for row in rows]
        check(SYMBOL in names, f"instruments-info: {SYMBOL} is not among {names}")
        one = self.rest.get_instruments_info(**self.of)["result"]["list"]
        equal(len(one), 1, f"instruments-info of {SYMBOL}: rows")
        row = one[0]
        equal((row["baseCoin"], row["quoteCoin"], row["status"]), ("BTC", "USDT", "Trading"), "instrument")
        self.tick = Decimal(row["priceFilter"]["tickSize"])
        self.lot = Decimal(row["lotSizeFilter"]["basePrecision"])
        self.min_value = Decimal(row["lotSizeFilter"]["minOrderAmt"])
        check(self.tick > 0 and self.lot > 0 and self.min_value > 0, f"instrument rules: {row}")
        self.start()

    # Public streams, the book kept by the client.

    def depth_stream(self):
        public = self.socket(self.unified.WebSocket, channel_type="spot")
        trades = Inbox("publicTrade")
        best, tickers = Inbox("orderbook.1"), Inbox("tickers")
        public.orderbook_stream(1, SYMBOL, best)
        public.trade_stream(SYMBOL, trades)
        public.ticker_stream(SYMBOL, tickers)
        note = self.books(public)
        first = best.wait(lambda: best.messages and best.messages[0], "snapshot")
        equal((len(first["data"]["b"]), len(first["data"]["a"])), (1, 1), "orderbook.1: levels")
        trade = trades.wait(lambda: trades.messages and trades.messages[0], "trade")["data"][0]
        check(trade["S"] in ("Buy", "Sell") and Decimal(trade["v"]) > 0, f"trade: {trade}")
        ticker = tickers.wait(lambda: tickers.messages and tickers.messages[0], "ticker")
        check(Decimal(ticker["data"]["lastPrice"]) > 0, f"ticker: {ticker}")
        book = self.rest.get_orderbook(**self.of, limit=200)["result"]
        check(Decimal(book["b"][0][0]) < Decimal(book["a"][0][0]), "REST book is crossed")
        rows = self.rest.get_public_trade_history(**self.of, limit=60)
        check(rows["result"]["list"], "recent-trade is empty")
        return note

    # Private streams and orders.

    def place_query_cancel(self):
        locked_before = self.locked()
        price = floor(self.best("b")[0] * Decimal("0.97"), self.tick)
        qty, link = Decimal("0.01"), new_id()
        reply = self.over_socket(
            self.trade.place_order, side="Buy", orderType="Limit", timeInForce="PostOnly",
            qty=plain(qty), price=plain(price), orderLinkId=link,
        )
        equal((reply["retCode"], reply["data"].get("orderLinkId")), (0, link), "order.create")
        check(int(reply["header"]["X-Bapi-Limit"]) > 0, f"rate limit header: {reply['header']}")
        row = self.state(link, "New")
        equal((Decimal(row["price"]), Decimal(row["leavesQty"])), (price, qty), "order on the stream")
        rows = self.rest.get_open_orders(**self.of, orderLinkId=link)
        found = [(row["orderId"], row["orderStatus"]) for row in rows["result"]["list"]]
        equal(found, [(reply["data"]["orderId"], "New")], "order/realtime")
        locked = self.locked()
        equal(locked["USDT"] - locked_before["USDT"], price * qty, "quote locked by the order")
        new_price = price - self.tick
        answer = self.rest.amend_order(
            **self.of, orderLinkId=link, price=plain(new_price)
        )
        equal(answer["result"]["orderId"], reply["data"]["orderId"], "order/amend")
        self.orders.wait(
            lambda: any(Decimal(row["price"]) == new_price for row in self.states(link)), "amended order"
        )
        self.rest.cancel_order(**self.of, orderLinkId=link)
        row = self.state(link, "Cancelled")
        equal(row["cancelType"], "CancelByUser", "cancelType")
        locked = self.locked()
        equal(locked["USDT"], locked_before["USDT"], "quote locked after the cancel")
        self.refused(
            170141, "a client id used before",
            lambda: self.rest.place_order(
                **self.of, side="Buy", orderType="Limit", qty=plain(qty),
                price=plain(price), orderLinkId=link,
            ),
        )

    def partial_fill(self):
        """A buy for more than the best ask holds: fills in part, rests, is cancelled."""
        before = self.balances()
        links = []
        for _ in range(60):
            ask, size = self.best("a")
            qty, link = floor(size + Decimal("20"), self.lot), new_id()
            links.append(link)
            answer = self.rest.place_order(
                **self.of, side="Buy", orderType="Limit", qty=plain(qty),
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
            raise Failed("60 orders for more than the best ask: none filled in part")
        self.compare_fills(links, before)

    def compare_fills(self, links, before):
        """Executions on the stream, executions asked for, and balances: all the same."""
        ends = ("Cancelled", "PartiallyFilledCanceled", "Filled")
        rows = {link: self.state(link, *ends) for link in links}
        filled = sum(Decimal(row["cumExecQty"]) for row in rows.values())
        value = sum(Decimal(row["cumExecValue"]) for row in rows.values())

        def streamed():
            rows = [row for message in self.executions.messages for row in message["data"]]
            found = [row for row in rows if row["orderLinkId"] in links]
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
                **self.of, limit=3, **({"cursor": cursor} if cursor else {})
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
        after, locked = self.balances(), self.locked()
        equal(after["BTC"] - before["BTC"], filled - fees, "base bought, less fees")
        equal(before["USDT"] - after["USDT"], value, "quote paid")
        equal(locked["USDT"], Decimal(0), "quote locked with no order open")
        self.wallets.wait_for(lambda message: message["data"], "message")
        history = self.rest.get_order_history(**self.of, orderLinkId=links[-1])
        found = [row["orderStatus"] for row in history["result"]["list"]]
        equal(found, ["PartiallyFilledCanceled"], "order/history")

    def market_orders(self):
        """A market buy of a quote amount ends with change left; a sell of base fills."""
        link = new_id()
        self.rest.place_order(
            **self.of, side="Buy", orderType="Market", qty="100", orderLinkId=link
        )
        row = self.state(link, "Filled", "PartiallyFilledCanceled")
        value, last = Decimal(row["cumExecValue"]), Decimal(row["avgPrice"])
        check(100 - last * self.lot * 2 < value <= 100, f"market buy of 100 USDT: spent {value}")
        link = new_id()
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
            fields.update(changed, orderLinkId=new_id())
            return lambda: self.rest.place_order(**self.of, **fields)

        self.refused(170134, "a price off the tick", order(price=plain(price + self.tick / 2)))
        self.refused(170137, "a quantity off the lot", order(qty=plain(Decimal("0.01") + self.lot / 2)))
        small = floor(self.min_value / price / 2, self.lot)
        self.refused(170140, "a value below the minimum", order(qty=plain(small)))
        self.refused(170193, "a price far through the book", order(price=plain(floor(bid * 2, self.tick))))
        link = new_id()
        self.rest.place_order(
            **self.of, side="Buy", orderType="Limit", timeInForce="PostOnly",
            qty="0.01", price=plain(floor(bid * Decimal("1.01"), self.tick)), orderLinkId=link,
        )
        row = self.state(link, "Rejected")
        equal(row["rejectReason"], "EC_PostOnlyWillTakeLiquidity", "post-only through the book")
        reply = self.over_socket(self.trade.cancel_order, orderLinkId=new_id())
        equal((reply["retCode"], reply["data"]), (170213, {}), "cancel of an unknown order")
        stranger = self.session(self.venue["secret"] + "x")
        self.refused(10004, "a bad signature", lambda: stranger.get_open_orders(category="spot"))

    def agreement(self):
        self.sums.agree(self.balances())
        return f"{self.sums.fills()} fills"

    def steps(self):
        return [
            ("instruments, clock, fees", self.instruments),
            ("depth, trade and ticker streams", self.depth_stream),
            ("private and trade sockets", self.listen),
            ("no order of before", self.clear),
            ("place, query, amend, cancel, balances", self.place_query_cancel),
            ("partial fill, executions, fees, balances", self.partial_fill),
            ("market orders", self.market_orders),
            ("refusals: filters, post-only, unknown order, bad signature", self.refusals),
            ("cancel all", self.clear),
            ("balances and fees by own sums", self.agreement),
        ]


if __name__ == "__main__":
    session("bybit_spot", "bybit", Judge, __doc__)
