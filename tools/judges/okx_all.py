#!/usr/bin/env python3
"""Judges the simulated OKX, spot and a swap, with the venue's own client, python-okx. Arguments: see
judge.py. The client is used as published: only its addresses and its certificate authority are set.
"""

import time
from decimal import Decimal

from judge import (
    FUNDING_S, Inbox, Loop, Sums, check, equal, floor, new_id, plain, session, until,
)

SPOT = "BTC-USDT"
SWAP = "BTC-USDT-SWAP"


def rows_of(inbox, channel):
    """All rows of a channel, oldest first."""
    with inbox.arrived:
        of = [m for m in inbox.messages if m.get("arg", {}).get("channel") == channel]
        return [row for message in of for row in message.get("data", [])]


class Judge:
    def __init__(self, config):
        self.venue = config["okx"]
        from okx import Account, MarketData, PublicData, Trade
        from okx.websocket.WsPrivateAsync import WsPrivateAsync
        from okx.websocket.WsPublicAsync import WsPublicAsync

        self.private_socket, self.public_socket = WsPrivateAsync, WsPublicAsync
        domain = self.venue["rest"]
        self.apis = (Account, MarketData, PublicData, Trade)
        self.account = Account.AccountAPI(*self.keys(), flag="0", domain=domain)
        self.trade = Trade.TradeAPI(*self.keys(), flag="0", domain=domain)
        self.market = MarketData.MarketAPI(flag="0", domain=domain)
        self.public = PublicData.PublicAPI(flag="0", domain=domain)
        self.loop = Loop()
        self.sums = Sums("okx")
        self.books, self.told = Inbox("public socket"), Inbox("private socket", self.hear)

    def hear(self, message):
        """Adds up what the account is told of its fills."""
        if message.get("arg", {}).get("channel") != "orders":
            return
        for row in message.get("data", []):
            if not row["tradeId"]:
                continue
            qty, price, fee = Decimal(row["fillSz"]), Decimal(row["fillPx"]), -Decimal(row["fillFee"])
            if row["instType"] == "SPOT":
                self.sums.on_spot(row["tradeId"], SPOT, ("BTC", "USDT"), row["side"] == "buy", qty, price,
                                  fee, row["fillFeeCcy"])
            else:
                self.sums.on_perpetual(row["tradeId"], SWAP, "USDT", row["side"] == "buy",
                                       qty * self.contract, price, fee, Decimal(row["fillPnl"]))

    def keys(self):
        return self.venue["key"], self.venue["secret"], self.venue["passphrase"]

    def rows(self, answer, what):
        equal(answer["code"], "0", f"{what}: {answer}")
        return answer["data"]

    # What the venue says about instruments, time and account.

    def instruments(self):
        rows = self.rows(self.public.get_instruments("SPOT", instId=SPOT), "instruments")
        equal(len(rows), 1, f"instruments of {SPOT}")
        self.tick, self.lot = Decimal(rows[0]["tickSz"]), Decimal(rows[0]["lotSz"])
        self.code = rows[0]["instIdCode"]
        rows = self.rows(self.public.get_instruments("SWAP", instId=SWAP), "instruments")
        self.contract, self.swap_code = Decimal(rows[0]["ctVal"]), rows[0]["instIdCode"]
        equal((rows[0]["ctType"], rows[0]["settleCcy"]), ("linear", "USDT"), "swap")
        stamp = int(self.rows(self.public.get_system_time(), "time")[0]["ts"])
        check(abs(stamp / 1e3 - time.time()) < 2, f"the venue's time is {stamp}")
        config = self.rows(self.account.get_account_config(), "account/config")[0]
        equal((config["acctLv"], config["posMode"]), ("2", "net_mode"), "account")
        fee = self.rows(self.account.get_fee_rates("SPOT", instId=SPOT), "trade-fee")[0]
        self.taker = -Decimal(fee["taker"])
        mark = self.rows(self.public.get_mark_price("SWAP", instId=SWAP), "mark-price")[0]
        check(Decimal(mark["markPx"]) > 0, f"mark price: {mark}")
        funding = self.rows(self.public.get_funding_rate(SWAP), "funding-rate")[0]
        between = int(funding["nextFundingTime"]) - int(funding["fundingTime"])
        equal(between, FUNDING_S * 1000, "time between payments of funding")
        self.sums.start = self.balances()
        equal(self.rows(self.account.get_positions("SWAP"), "positions"), [], "positions at the start")

    # Public channels: the book is kept by the venue's rule.

    def depth(self):
        socket = self.public_socket_at(self.venue["public"])
        args = [{"channel": name, "instId": SPOT} for name in ("books", "bbo-tbt", "trades")]
        args.append({"channel": "mark-price", "instId": SWAP})
        self.loop.call(socket.subscribe(args, self.books))

        def acks():
            return len([m for m in self.books.messages if m.get("event") == "subscribe"]) == 4

        self.books.wait(acks, "four acknowledgements")

        def of_books():
            found = [m for m in self.books.messages
                     if m.get("arg", {}).get("channel") == "books" and "action" in m]
            return found if len(found) >= 20 else None

        frames = self.books.wait(of_books, "20 messages of the book")
        equal((frames[0]["action"], frames[0]["data"][0]["prevSeqId"]), ("snapshot", -1), "first")
        last, bids, asks = None, {}, {}
        for frame in frames:
            data = frame["data"][0]
            equal(data["checksum"], 0, "checksum")
            if last is not None:
                equal((frame["action"], data["prevSeqId"]), ("update", last), "link of an update")
            last = data["seqId"]
            for side, levels in ((bids, data["bids"]), (asks, data["asks"])):
                for price, quantity, _, _ in levels:
                    if quantity == "0":
                        side.pop(Decimal(price), None)
                    else:
                        side[Decimal(price)] = Decimal(quantity)
            check(max(bids) < min(asks), f"the book is crossed at {last}")
        self.books.wait(lambda: rows_of(self.books, "trades"), "trade")
        self.books.wait(lambda: rows_of(self.books, "bbo-tbt"), "best level")
        self.books.wait(lambda: rows_of(self.books, "mark-price"), "mark price")
        self.loop.call(socket.stop())

    def public_socket_at(self, url):
        async def make():
            socket = self.public_socket(url)
            await socket.start()
            return socket

        return self.loop.call(make())

    def listen(self):
        async def make():
            key, secret, passphrase = self.keys()
            socket = self.private_socket(key, passphrase, secret, self.venue["trade"])
            await socket.start()
            return socket

        self.socket = self.loop.call(make())
        args = [{"channel": "orders", "instType": "ANY"}, {"channel": "account"},
                {"channel": "positions", "instType": "ANY"}, {"channel": "balance_and_position"}]
        self.loop.call(self.socket.subscribe(args, self.told))

        def acks():
            return len([m for m in self.told.messages if m.get("event") == "subscribe"]) == 4

        self.told.wait(acks, "four acknowledgements")
        self.told.wait(lambda: rows_of(self.told, "account"), "snapshot of the account")

    def over_socket(self, send, order):
        """The reply's row on the socket."""
        name = new_id()
        self.loop.call(send([order], id=name))

        def reply():
            return next((m for m in self.told.messages if m.get("id") == name), None)

        answer = self.told.wait(reply, f"reply to {order}")
        check(answer["data"], f"reply without rows: {answer}")
        return answer["data"][0]

    def state(self, name, *wanted):
        """The order's row once it is in one of these states."""
        def find():
            return next((row for row in rows_of(self.told, "orders")
                         if row["clOrdId"] == name and row["state"] in wanted), None)

        return self.told.wait(find, f"{' or '.join(wanted)} of {name}")

    def balances(self):
        details = self.rows(self.account.get_account_balance(), "balance")[0]["details"]
        return {row["ccy"]: Decimal(row["cashBal"]) for row in details}

    def best(self, instrument, side):
        book = self.rows(self.market.get_orderbook(instrument, sz="1"), "books")[0]
        return Decimal(book[side][0][0])

    # Orders.

    def place_query_cancel(self):
        price, name = floor(self.best(SPOT, "bids") * Decimal("0.98"), self.tick), new_id()
        order = {"instIdCode": self.code, "tdMode": "cash", "side": "buy", "ordType": "post_only",
                 "px": plain(price), "sz": "0.01", "clOrdId": name}
        row = self.over_socket(self.socket.place_order, order)
        equal(row["sCode"], "0", f"place: {row}")
        order_id = row["ordId"]
        equal(self.state(name, "live")["ordId"], order_id, "order on the channel")
        pending = self.rows(self.trade.get_order_list(instType="SPOT"), "orders-pending")
        check(order_id in [one["ordId"] for one in pending], f"orders-pending: {pending}")
        row = self.over_socket(
            self.socket.amend_order,
            {"instIdCode": self.code, "clOrdId": name, "newSz": "0.02", "reqId": "r1"},
        )
        equal(row["sCode"], "0", f"amend: {row}")
        row = self.rows(self.trade.amend_order(SPOT, clOrdId=name, newPx=plain(price - self.tick)),
                        "amend over REST")[0]
        equal(row["sCode"], "0", "amend over REST")
        found = self.rows(self.trade.get_order(SPOT, clOrdId=name), "order")[0]
        equal((found["sz"], Decimal(found["px"])), ("0.02", price - self.tick), "amended order")
        row = self.rows(self.trade.cancel_order(SPOT, ordId=order_id), "cancel")[0]
        equal(row["sCode"], "0", "cancel")
        equal(self.state(name, "canceled")["cancelSource"], "1", "cancelSource")
        row = self.over_socket(self.socket.cancel_order, {"instIdCode": self.code, "clOrdId": name})
        equal(row["sCode"], "51400", "a second cancel")

    def market_orders(self):
        before, name = self.balances(), new_id()
        row = self.rows(self.trade.place_order(SPOT, "cash", "buy", "market", "1000", clOrdId=name),
                        "market order")[0]
        equal(row["sCode"], "0", "market order")
        self.state(name, "filled")
        done = self.rows(self.trade.get_order(SPOT, clOrdId=name), "order")[0]
        bought, fee = Decimal(done["accFillSz"]), -Decimal(done["fee"])
        fills = self.rows(self.trade.get_fills(instType="SPOT", ordId=done["ordId"]), "fills")
        equal(sum(Decimal(one["fillSz"]) for one in fills), bought, "filled quantity")
        check(fee > 0 and done["feeCcy"] == "BTC", f"fee: {done}")
        after = self.balances()
        equal(after["BTC"] - before["BTC"], bought - fee, "base bought less the fee")
        spent = sum(Decimal(one["fillSz"]) * Decimal(one["fillPx"]) for one in fills)
        equal(before["USDT"] - after["USDT"], spent, "quote spent")
        check(abs(spent - 1000) < 1, f"spent {spent} of 1000")
        crossing, name = floor(self.best(SPOT, "asks") * Decimal("1.01"), self.tick), new_id()
        row = self.over_socket(self.socket.place_order, {
            "instIdCode": self.code, "tdMode": "cash", "side": "buy", "ordType": "post_only",
            "px": plain(crossing), "sz": "0.01", "clOrdId": name})
        equal(row["sCode"], "0", "a post-only order that would take is accepted")
        equal(self.state(name, "canceled")["cancelSource"], "31", "and cancelled")

    def protect(self):
        """The dead man's switch is set here and looked at later: it takes ten seconds at least."""
        def after(seconds):
            # The client has no call of its own for it.
            return self.rows(self.trade._request_with_params(
                "POST", "/api/v5/trade/cancel-all-after", {"timeOut": seconds}), "cancel-all-after")[0]

        check(after("10")["triggerTime"] != "0", "a time to cancel at")
        time.sleep(1.1)
        equal(after("0")["triggerTime"], "0", "no time to cancel at")
        price, self.guarded = floor(self.best(SPOT, "bids") * Decimal("0.98"), self.tick), new_id()
        order = {"tdMode": "cash", "side": "buy", "ordType": "limit", "px": plain(price), "sz": "0.01"}
        rows = self.rows(self.trade.place_multiple_orders(
            [{"instId": SPOT, "clOrdId": name, **order} for name in (self.guarded, new_id())]), "batch")
        equal([row["sCode"] for row in rows], ["0", "0"], "batch")
        rows = self.rows(self.trade.cancel_multiple_orders(
            [{"instId": SPOT, "clOrdId": rows[1]["clOrdId"]}]), "cancel of a batch")
        equal(rows[0]["sCode"], "0", "cancel of a batch")
        self.state(self.guarded, "live")
        time.sleep(1.1)
        after("10")

    def protected(self):
        def find():
            return next((row for row in rows_of(self.told, "orders")
                         if row["clOrdId"] == self.guarded and row["state"] == "canceled"), None)

        equal(self.told.wait(find, "cancel by the timer")["cancelSource"], "20", "cancelSource")
        equal(self.rows(self.trade.get_order_list(), "orders-pending"), [], "orders-pending")

    def swap_order(self, side, size, **more):
        """Over the socket; gives the reply's row and the client id."""
        name = new_id()
        return self.over_socket(self.socket.place_order, {
            "instIdCode": self.swap_code, "tdMode": "cross", "side": side, "ordType": "market",
            "sz": size, "clOrdId": name, **more}), name

    def swap(self):
        answer = self.rows(self.account.set_leverage("5", "cross", instId=SWAP), "set-leverage")[0]
        equal((answer["lever"], answer["mgnMode"]), ("5", "cross"), "leverage")
        equal(self.account.set_leverage("101", "cross", instId=SWAP)["code"], "59102", "too high a leverage")
        row, name = self.swap_order("sell", "12.5")
        equal(row["sCode"], "0", f"swap: {row}")
        fill = self.state(name, "filled")
        equal((fill["accFillSz"], fill["feeCcy"], fill["lever"]), ("12.5", "USDT", "5"), "swap")
        self.told.wait(lambda: self.sums.qty(SWAP) == -Decimal("12.5") * self.contract, "fills")
        position = self.rows(self.account.get_positions("SWAP"), "positions")[0]
        equal((position["pos"], position["mgnMode"], position["lever"]), ("-12.5", "cross", "5"),
              "position")
        fills = self.rows(self.trade.get_fills(instType="SWAP", ordId=fill["ordId"]), "fills")
        value = sum(Decimal(one["fillSz"]) * Decimal(one["fillPx"]) for one in fills)
        check(abs(Decimal(position["avgPx"]) - value / Decimal("12.5")) < Decimal("1e-8"), "avgPx")
        fees = self.rows(self.account.get_fee_rates("SWAP", instId=SWAP), "trade-fee")[0]
        rate = Decimal(fees.get("takerU") or fees["taker"])
        for one in fills:
            exact = Decimal(one["fillSz"]) * self.contract * Decimal(one["fillPx"]) * rate
            check(abs(Decimal(one["fee"]) - exact) < Decimal("1e-8"), f"fee of {one}: not {exact}")
        value = Decimal("12.5") * self.contract * Decimal(position["markPx"])
        equal(Decimal(position["notionalUsd"]), value, "value of the position")
        self.told.wait(
            lambda: [row for row in rows_of(self.told, "positions") if row["pos"] == "-12.5"],
            "position on the channel",
        )
        equal(self.swap_order("buy", "13", reduceOnly=True)[0]["sCode"], "51169",
              "reducing more than there is")
        self.funding()
        equal(self.swap_order("buy", "2.5", reduceOnly=True)[0]["sCode"], "0", "reduce-only")
        self.told.wait(lambda: self.sums.qty(SWAP) == -10 * self.contract, "smaller position")
        self.swap_order("buy", "15")
        self.told.wait(lambda: self.sums.qty(SWAP) == 5 * self.contract, "turned position")
        self.rows(self.trade.close_positions(SWAP, "cross"), "close-position")
        self.told.wait(
            lambda: [row for row in rows_of(self.told, "positions") if row["pos"] == "0"],
            "closed position on the channel",
        )
        self.told.wait(lambda: self.sums.qty(SWAP) == 0, "closed position")
        equal(self.rows(self.account.get_positions("SWAP"), "positions"), [], "positions")
        return f"{self.sums.payments()} payments of funding"

    def payments(self):
        """Payments that the venue lists, which it tells of by the balance alone."""
        rows = self.rows(self.account.get_account_bills(type="8"), "bills")
        for row in rows:
            equal((row["instId"], row["ccy"]), (SWAP, "USDT"), "payment")
            self.sums.on_funding(row["billId"], SWAP, "USDT", Decimal(row["balChg"]))
        return rows

    def funding(self):
        def told():
            return [row for row in rows_of(self.told, "balance_and_position")
                    if row["eventType"] == "funding_fee"]

        before = len(told())
        self.told.wait(lambda: len(told()) >= before + 2, "two payments of funding", 2 * FUNDING_S + 5)
        until(lambda: len(self.payments()) >= 2, "bills of funding")
        rates = {row["fundingTime"]: Decimal(row["realizedRate"]) for row in self.rows(
            self.public.funding_rate_history(SWAP), "funding-rate-history")}
        check(len(rates) >= 2, f"rates: {rates}")
        times = sorted(map(int, rates))
        equal({b - a for a, b in zip(times, times[1:])}, {FUNDING_S * 1000}, "time between payments")

    def refusals(self):
        Account, _, _, _ = self.apis
        key, secret, passphrase = self.keys()
        domain = self.venue["rest"]
        stranger = Account.AccountAPI(key, secret + "x", passphrase, flag="0", domain=domain)
        equal(stranger.get_account_config()["code"], "50113", "a bad signature")
        forgetful = Account.AccountAPI(key, secret, passphrase + "x", flag="0", domain=domain)
        equal(forgetful.get_account_config()["code"], "50105", "a bad passphrase")
        answer = self.trade.place_order(SPOT, "cash", "buy", "limit", "0.01", px="100000000")
        equal((answer["code"], answer["data"][0]["sCode"]), ("1", "51137"), "a price far away")
        price = plain(floor(self.best(SPOT, "bids") * Decimal("0.98"), self.tick))
        for code, what, size, at in (
            ("51000", "a price off the tick", "0.01", price + "5" if "." in price else price + ".05"),
            ("51121", "a size off the lot", "0.010000001", price),
            ("51020", "too small a size", "0.000001", price),
            ("51008", "more than there is", "200", price),
        ):
            answer = self.trade.place_order(SPOT, "cash", "buy", "limit", size, px=at)
            equal(answer["data"][0]["sCode"], code, f"{what} ({answer['data'][0]['sMsg']})")
        self.account.set_leverage("1", "cross", instId=SWAP)
        for code, what, size in (("51121", "contracts off the lot", "0.015"),
                                 ("51008", "more than the margin bears", "30000")):
            answer = self.trade.place_order(SWAP, "cross", "buy", "limit", size, px=price)
            equal(answer["data"][0]["sCode"], code, f"{what} ({answer['data'][0]['sMsg']})")
        answer = self.trade.place_order(SPOT, "cash", "buy", "limit", "0.01", clOrdId="a-b", px="1")
        equal(answer["data"][0]["sCode"], "51000", "a client id with a hyphen")
        equal(self.trade.get_order(SPOT, clOrdId="nobody")["code"], "51603", "an unknown order")

    def agreement(self):
        """Everything is flat: what the venue states follows from what it has told."""
        self.payments()
        self.sums.agree(self.balances())
        fills = self.rows(self.trade.get_fills(instType="SWAP"), "fills")
        realised = sum(Decimal(row["fillPnl"]) for row in fills)
        equal(realised, self.sums.told[SWAP], "profit in the list of fills and on the channel")
        return f"{self.sums.fills()} fills, {self.sums.payments()} payments of funding"

    def steps(self):
        return [
            ("instruments, time, account, next funding", self.instruments),
            ("book, trades and marks", self.depth),
            ("private channels", self.listen),
            ("an order placed, amended, cancelled", self.place_query_cancel),
            ("market orders, fees, post-only", self.market_orders),
            ("batches, cancel-all-after set", self.protect),
            ("a swap: leverage, fees, position, reduce-only, funding, turned, closed", self.swap),
            ("cancel-all-after has cancelled", self.protected),
            ("refusals: tick, lot, size, balance, margin, price, id, signature", self.refusals),
            ("balances, profit, fees, funding by own sums", self.agreement),
        ]


if __name__ == "__main__":
    session("okx", "okx", Judge, __doc__)
