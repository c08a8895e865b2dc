#!/usr/bin/env python3
"""Judges the simulated linear perpetuals of Bybit with the venue's own client, pybit. Arguments: see
judge.py; how the client is used: see bybit.py.
"""

import time
from decimal import Decimal

from bybit import SYMBOL, Bybit
from judge import FUNDING_S, Inbox, ceiling, check, equal, floor, new_id, plain, session, until

# As the ledger names it: beside the spot pair of the same name.
PERP = SYMBOL + ".P"


class Judge(Bybit):
    category = "linear"

    def __init__(self, config):
        super().__init__(config)
        self.positions, self.fast = Inbox("position stream"), Inbox("fast execution stream")

    def add(self, row):
        if row["execType"] == "Funding":
            self.sums.on_funding(row["execId"], PERP, "USDT", -Decimal(row["execFee"]))
            return
        equal(row["execType"], "Trade", "kind of an execution")
        self.sums.on_perpetual(row["execId"], PERP, "USDT", row["side"] == "Buy",
                               Decimal(row["execQty"]), Decimal(row["execPrice"]),
                               Decimal(row["execFee"]), Decimal(row["execPnl"]))

    # What the venue says about the instrument and the account.

    def instruments(self):
        row = self.rest.get_instruments_info(**self.of)["result"]["list"][0]
        equal((row["contractType"], row["settleCoin"], row["status"]),
              ("LinearPerpetual", "USDT", "Trading"), "instrument")
        self.tick = Decimal(row["priceFilter"]["tickSize"])
        self.lot = Decimal(row["lotSizeFilter"]["qtyStep"])
        self.least = Decimal(row["lotSizeFilter"]["minNotionalValue"])
        check(Decimal(row["leverageFilter"]["maxLeverage"]) >= 50, f"leverage: {row}")
        self.start()
        info = self.rest.get_account_info()["result"]
        equal((info["marginMode"], info["unifiedMarginStatus"] in (3, 4, 5, 6)),
              ("REGULAR_MARGIN", True), "account")
        ticker = self.rest.get_tickers(**self.of)["result"]["list"][0]
        left = int(ticker["nextFundingTime"]) / 1000 - time.time()
        check(-1 < left <= FUNDING_S + 1, f"next funding in {left:.1f} s")
        equal(self.held(), [], "positions at the start")

    def held(self):
        answer = self.rest.get_positions(category="linear", settleCoin="USDT")
        return answer["result"]["list"]

    # Streams.

    def streams(self):
        public = self.socket(self.unified.WebSocket, channel_type="linear")
        trades, tickers = Inbox("publicTrade"), Inbox("tickers")
        public.trade_stream(SYMBOL, trades)
        public.ticker_stream(SYMBOL, tickers)
        note = self.books(public)
        trade = trades.wait_for(lambda m: m["data"], "trade")["data"][0]
        check(trade["S"] in ("Buy", "Sell") and Decimal(trade["v"]) > 0, f"trade: {trade}")
        whole = tickers.wait_for(lambda m: True, "ticker")["data"]
        for name in ("markPrice", "indexPrice", "bid1Price", "ask1Price"):
            check(Decimal(whole[name]) > 0, f"{name} of {whole}")
        check(abs(Decimal(whole["fundingRate"])) < Decimal("0.01"), f"funding rate of {whole}")
        # The client fills in what a delta leaves out.
        tickers.wait(lambda: len({m["data"]["markPrice"] for m in tickers.messages}) >= 2, "other mark")
        return note

    def listen(self):
        super().listen()
        self.private.position_stream(self.positions)
        self.private.fast_execution_stream(self.fast)

    # Orders.

    def place_amend_cancel(self):
        price, link = floor(self.best("b")[0] * Decimal("0.97"), self.tick), new_id()
        terms = {"side": "Buy", "orderType": "Limit", "timeInForce": "PostOnly", "positionIdx": 0}
        reply = self.over_socket(self.trade.place_order, qty="0.01", price=plain(price),
                                 orderLinkId=link, **terms)
        equal((reply["retCode"], reply["data"].get("orderLinkId")), (0, link), "order.create")
        check(int(reply["header"]["X-Bapi-Limit"]) > 0, f"rate limit header: {reply['header']}")
        number = reply["data"]["orderId"]
        row = self.state(link, "New")
        equal((row["orderId"], Decimal(row["price"]), row["qty"]), (number, price, "0.01"), "order")
        rows = self.rest.get_open_orders(**self.of, orderLinkId=link)["result"]["list"]
        equal([(one["orderId"], one["orderStatus"]) for one in rows], [(number, "New")], "realtime")
        reply = self.over_socket(self.trade.amend_order, orderLinkId=link, qty="0.02",
                                 price=plain(price - self.tick))
        equal(reply["retCode"], 0, f"order.amend: {reply}")
        self.orders.wait(lambda: any((Decimal(one["price"]), one["qty"]) == (price - self.tick, "0.02")
                                     for one in self.states(link)), "amended order")
        answer = self.rest.amend_order(**self.of, orderId=number, price=plain(price))
        equal(answer["result"]["orderId"], number, "order/amend")
        self.refused(10001, "an amendment that changes nothing",
                     lambda: self.rest.amend_order(**self.of, orderId=number, price=plain(price)))
        reply = self.over_socket(self.trade.cancel_order, orderLinkId=link)
        equal(reply["retCode"], 0, "order.cancel")
        row = self.state(link, "Cancelled")
        equal((row["cancelType"], row["leavesQty"]), ("CancelByUser", "0"), "cancelled order")
        reply = self.over_socket(self.trade.cancel_order, orderLinkId=link)
        equal(reply["retCode"], 110001, "a second cancel")
        self.refused(110072, "a client id used before", lambda: self.rest.place_order(
            **self.of, qty="0.01", price=plain(price), orderLinkId=link, **terms))

    def together(self):
        price = floor(self.best("b")[0] * Decimal("0.97"), self.tick)
        order = {"symbol": SYMBOL, "side": "Buy", "orderType": "Limit", "qty": "0.01",
                 "price": plain(price)}
        answer = self.rest.place_batch_order(category="linear", request=[
            {**order, "orderLinkId": new_id()}, {**order, "orderLinkId": new_id(), "qty": "0.0001"}])
        codes = [row["code"] for row in answer["retExtInfo"]["list"]]
        equal((codes[0], codes[1] != 0), (0, True), f"batch: {answer['retExtInfo']}")
        self.refused(10001, "cancel-all without a symbol or coin",
                     lambda: self.rest.cancel_all_orders(category="linear"))
        self.rest.cancel_all_orders(category="linear", settleCoin="USDT")
        until(lambda: not self.rest.get_open_orders(**self.of)["result"]["list"], "cancel of all")

    def protection(self):
        """Disconnect protection: orders go when the socket that asked for it has been gone."""
        guard = self.private_socket(channel_type="private")
        guard.subscribe("dcp.{symbol}", Inbox("dcp"), "future")
        self.rest.set_dcp(product="DERIVATIVES", timeWindow=3)
        info = self.rest.query_dcp_info()["result"]["dcpInfos"]
        equal([(row["product"], row["timeWindow"]) for row in info], [("DERIVATIVES", "3")], "dcp")
        link, price = new_id(), floor(self.best("b")[0] * Decimal("0.97"), self.tick)
        self.rest.place_order(**self.of, side="Buy", orderType="Limit", qty="0.01",
                              price=plain(price), orderLinkId=link)
        self.state(link, "New")
        started = time.monotonic()
        guard.exit()
        row = self.state(link, "Cancelled")
        check(time.monotonic() - started > 2, "the protection came early")
        equal(row["cancelType"], "CancelByDCP", "cancelType")

    # Positions.

    def leverage(self):
        change = lambda value: self.rest.set_leverage(**self.of, buyLeverage=value, sellLeverage=value)
        equal(change("20")["retCode"], 0, "set-leverage")
        self.refused(110043, "the leverage that it has", lambda: change("20"))
        self.refused(110013, "too high a leverage", lambda: change("101"))
        self.refused(110025, "the mode that it has",
                     lambda: self.rest.switch_position_mode(**self.of, mode=0))
        row = self.rest.get_positions(**self.of)["result"]["list"][0]
        equal((row["leverage"], row["size"], row["side"]), ("20", "0", ""), "a flat position")

    def open_and_reduce(self):
        link, qty = new_id(), Decimal("0.3")
        reply = self.over_socket(self.trade.place_order, side="Buy", orderType="Market",
                                 qty=plain(qty), orderLinkId=link, positionIdx=0)
        equal(reply["retCode"], 0, "market order")
        done = self.state(link, "Filled")
        equal(Decimal(done["cumExecQty"]), qty, "filled in all")
        self.executions.wait(lambda: self.sums.qty(PERP) == qty, "executions")
        mine = [row for m in self.executions.messages for row in m["data"] if row["orderLinkId"] == link]
        for row in mine:
            fee = Decimal(row["execQty"]) * Decimal(row["execPrice"]) * self.taker_fee
            check(abs(Decimal(row["execFee"]) - fee) < Decimal("1e-7"), f"fee of {row}: not {fee}")
        value = sum(Decimal(row["execQty"]) * Decimal(row["execPrice"]) for row in mine)
        fees = sum(Decimal(row["execFee"]) for row in mine)
        equal(Decimal(done["cumFeeDetail"]["USDT"]), fees, "fees of the order")
        quick = self.fast.wait_for(lambda m: m["data"][0]["orderId"] == done["orderId"], "fast execution")
        equal(quick["data"][0]["execId"], mine[0]["execId"], "id of the fast execution")
        told = self.positions.wait_for(lambda m: m["data"][0]["size"] == "0.3", "position")["data"][0]
        row = self.rest.get_positions(**self.of)["result"]["list"][0]
        equal((row["side"], Decimal(row["size"]), row["positionIdx"]), ("Buy", qty, 0), "position")
        for name, price in (("avgPrice", row["avgPrice"]), ("entryPrice", told["entryPrice"])):
            check(abs(Decimal(price) - value / qty) < Decimal("1e-7"), f"{name} {price}")
        reply = self.over_socket(self.trade.place_order, side="Buy", orderType="Market", qty="0.1",
                                 reduceOnly=True)
        equal(reply["retCode"], 110017, "reduce-only that would add")
        self.rest.place_order(**self.of, side="Sell", orderType="Market", qty="0.1", reduceOnly=True)
        self.executions.wait(lambda: self.sums.qty(PERP) == Decimal("0.2"), "reduced position")
        coin = self.coins()["USDT"]
        check(Decimal(coin["totalPositionIM"]) > 0, f"margin in the wallet: {coin}")

    def funding(self):
        before = self.sums.payments()
        self.executions.wait(lambda: self.sums.payments() >= before + 2, "two payments of funding",
                             2 * FUNDING_S + 5)
        rows = self.pages(self.rest.get_transaction_log, accountType="UNIFIED", category="linear",
                          type="SETTLEMENT")
        with self.sums.lock:
            equal(sum(Decimal(row["change"]) for row in rows), self.sums.funding["USDT"],
                  "funding in the log and on the stream")
        listed = self.pages(self.rest.get_executions, **self.of, execType="Funding")
        equal(-sum(Decimal(row["execFee"]) for row in listed), self.sums.funding["USDT"],
              "funding in the executions")
        history = self.rest.get_funding_rate_history(**self.of)["result"]["list"]
        rates = {int(row["fundingRateTimestamp"]): Decimal(row["fundingRate"]) for row in history}
        for row in listed:
            equal(Decimal(row["feeRate"]), rates[int(row["execTime"])], "rate of a payment")
        times = sorted(rates)
        equal({b - a for a, b in zip(times, times[1:])}, {FUNDING_S * 1000}, "time between payments")
        return f"{len(rows)} payments"

    def turn_and_close(self):
        """A sale of more than there is turns the position; an order for all of it closes it."""
        self.rest.place_order(**self.of, side="Sell", orderType="Market", qty="0.5")
        self.executions.wait(lambda: self.sums.qty(PERP) == Decimal("-0.3"), "turned position")
        price = ceiling(self.best("a")[0] * Decimal("1.002"), self.tick)
        self.rest.place_order(**self.of, side="Buy", orderType="Limit", timeInForce="IOC", qty="0.1",
                              price=plain(price), reduceOnly=True)
        self.executions.wait(lambda: self.sums.qty(PERP) == Decimal("-0.2"), "smaller position")
        self.rest.place_order(**self.of, side="Buy", orderType="Market", qty="0", reduceOnly=True,
                              closeOnTrigger=True)
        self.executions.wait(lambda: self.sums.qty(PERP) == 0, "closed position")
        self.positions.wait_for(lambda m: m["data"][0]["size"] == "0" and m["data"][0]["side"] == "",
                                "flat position")
        equal(self.held(), [], "positions")

    def isolated(self):
        self.rest.set_margin_mode(setMarginMode="ISOLATED_MARGIN")
        equal(self.rest.get_account_info()["result"]["marginMode"], "ISOLATED_MARGIN", "mode")
        self.rest.place_order(**self.of, side="Sell", orderType="Market", qty="0.05")
        self.executions.wait(lambda: self.sums.qty(PERP) == Decimal("-0.05"), "isolated position")
        self.refused(3400045, "a margin mode with a position",
                     lambda: self.rest.set_margin_mode(setMarginMode="REGULAR_MARGIN"))
        self.rest.place_order(**self.of, side="Buy", orderType="Market", qty="0.05", reduceOnly=True)
        self.executions.wait(lambda: self.sums.qty(PERP) == 0, "closed isolated position")
        self.rest.set_margin_mode(setMarginMode="REGULAR_MARGIN")

    def refusals(self):
        price = floor(self.best("b")[0] * Decimal("0.97"), self.tick)

        def order(**changed):
            fields = {"side": "Buy", "orderType": "Limit", "qty": "0.01", "price": plain(price)}
            fields.update(changed, orderLinkId=new_id())
            return lambda: self.rest.place_order(**self.of, **fields)

        self.rest.set_leverage(**self.of, buyLeverage="5", sellLeverage="5")
        for code, what, changed in (
            (10001, "a price off the tick", {"price": plain(price + self.tick / 2)}),
            (10001, "a quantity off the lot", {"qty": plain(Decimal("0.01") + self.lot / 2)}),
            (10001, "a quantity below the least", {"qty": "0"}),
            (110094, "a value below the least", {"qty": plain(self.lot), "price": "4000"}),
            (110007, "more than the margin bears", {"qty": "1100"}),
            (110003, "a price far through the book", {"price": plain(floor(price * 2, self.tick))}),
            (10001, "a side of hedge mode", {"positionIdx": 1}),
        ):
            self.refused(code, what, order(**changed))
        link = new_id()
        self.rest.place_order(**self.of, side="Buy", orderType="Limit", timeInForce="PostOnly",
                              qty="0.01", orderLinkId=link,
                              price=plain(ceiling(self.best("a")[0] * Decimal("1.01"), self.tick)))
        row = self.state(link, "Cancelled")
        equal(row["rejectReason"], "EC_PostOnlyWillTakeLiquidity", "post-only through the book")
        self.refused(110001, "a cancel of an unknown order",
                     lambda: self.rest.cancel_order(**self.of, orderLinkId=new_id()))
        stranger = self.session(self.venue["secret"] + "x")
        self.refused(10004, "a bad signature", lambda: stranger.get_positions(**self.of))

    def agreement(self):
        """Everything is flat: what the venue states follows from what it has told."""
        self.sums.agree(self.balances())
        trades = self.pages(self.rest.get_executions, **self.of, execType="Trade")
        equal(len(trades), self.sums.fills(), "executions listed and streamed")
        log = self.pages(self.rest.get_transaction_log, accountType="UNIFIED", category="linear")
        equal(sum(Decimal(row["change"]) for row in log), self.sums.changes["USDT"],
              "changes in the log")
        return f"{self.sums.fills()} fills, {self.sums.payments()} payments of funding"

    def steps(self):
        return [
            ("instrument, clock, fees, account, next funding", self.instruments),
            ("book, trades, tickers", self.streams),
            ("order, execution, fast execution, position, wallet; trade socket", self.listen),
            ("place, query, amend, cancel over socket and REST", self.place_amend_cancel),
            ("batch, cancel all", self.together),
            ("disconnect protection", self.protection),
            ("leverage, position mode", self.leverage),
            ("market order, fees, position, reduce-only", self.open_and_reduce),
            ("funding in executions, log and rates", self.funding),
            ("position turned, reduced, closed", self.turn_and_close),
            ("isolated margin", self.isolated),
            ("refusals: tick, lot, value, margin, price, post-only, unknown, signature", self.refusals),
            ("cancel all", self.clear),
            ("balances, profit, fees, funding by own sums", self.agreement),
        ]


if __name__ == "__main__":
    session("bybit_linear", "bybit", Judge, __doc__)
