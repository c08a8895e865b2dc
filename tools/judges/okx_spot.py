#!/usr/bin/env python3
"""OKX's own Python client (python-okx) trades spot and a swap against a running `stoop sim`.

    okx_spot.py CONFIG

CONFIG is a JSON file, `-` for standard input, or the JSON itself:

    {"okx": {"rest": "https://localhost:1234", "public": "wss://localhost:1234/ws/v5/public",
             "trade": "wss://localhost:1234/ws/v5/private",
             "key": "...", "secret": "...", "passphrase": "..."},
     "ca": "/path/to/ca.pem"}

Exit code 0 if every check holds or the simulator has no such venue, 1 with the check that did not
hold. The client is used as published: only its addresses and its certificate authority are set.
"""

import asyncio
import json
import os
import sys
import threading
import time
import uuid
from decimal import ROUND_DOWN, Decimal

SPOT = "BTC-USDT"
SWAP = "BTC-USDT-SWAP"
WAIT_S = 15.0
# The whole session takes half a minute; the client itself may wait for ever.
SESSION_S = 120.0


class Failed(Exception):
    """A check that does not hold."""


def check(holds, message):
    if not holds:
        raise Failed(message)


def equal(found, expected, what):
    check(found == expected, f"{what}: expected {expected!r}, found {found!r}")


def step(text):
    print(f"okx: {text}", flush=True)


def floor(value, increment):
    return (value / increment).to_integral_value(ROUND_DOWN) * increment


def plain(value):
    return format(value.normalize(), "f")


def new_id():
    return "judge" + uuid.uuid4().hex[:20]


def read_config(argument):
    if argument.lstrip().startswith("{"):
        return json.loads(argument)
    if argument == "-":
        return json.load(sys.stdin)
    with open(argument, encoding="utf-8") as file:
        return json.load(file)


class Inbox:
    """Messages of one socket, waited for from the main thread."""

    def __init__(self, name):
        self.name = name
        self.messages = []
        self.arrived = threading.Condition()

    def __call__(self, text):
        with self.arrived:
            self.messages.append(json.loads(text))
            self.arrived.notify_all()

    def rows(self, channel):
        """All rows of a channel, oldest first."""
        with self.arrived:
            of = [m for m in self.messages if m.get("arg", {}).get("channel") == channel]
            return [row for message in of for row in message.get("data", [])]

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


class Loop:
    """The client's sockets are of asyncio: they live in a thread of their own."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(WAIT_S)


class Judge:
    def __init__(self, config):
        self.venue = config["okx"]
        os.environ["SSL_CERT_FILE"] = config["ca"]
        # The layers below read the certificate authority when they are loaded.
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
        self.books, self.told = Inbox("public socket"), Inbox("private socket")

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
        hours = (int(funding["nextFundingTime"]) - int(funding["fundingTime"])) / 3_600_000
        equal(hours, 8.0, "hours between payments of funding")

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
        self.books.wait(lambda: self.books.rows("trades"), "trade")
        self.books.wait(lambda: self.books.rows("bbo-tbt"), "best level")
        self.books.wait(lambda: self.books.rows("mark-price"), "mark price")
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
        self.told.wait(lambda: self.told.rows("account"), "snapshot of the account")

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
            return next((row for row in self.told.rows("orders")
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

    def swap(self):
        self.rows(self.account.set_leverage("5", "cross", instId=SWAP), "set-leverage")
        name = new_id()
        row = self.over_socket(self.socket.place_order, {
            "instIdCode": self.swap_code, "tdMode": "cross", "side": "sell", "ordType": "market",
            "sz": "12.5", "clOrdId": name})
        equal(row["sCode"], "0", f"swap: {row}")
        fill = self.state(name, "filled")
        equal((fill["accFillSz"], fill["feeCcy"], fill["lever"]), ("12.5", "USDT", "5"), "swap")
        position = self.rows(self.account.get_positions("SWAP"), "positions")[0]
        equal((position["pos"], position["mgnMode"], position["lever"]), ("-12.5", "cross", "5"),
              "position")
        value = Decimal("12.5") * self.contract * Decimal(position["markPx"])
        equal(Decimal(position["notionalUsd"]), value, "value of the position")
        self.told.wait(
            lambda: [row for row in self.told.rows("positions") if row["pos"] == "-12.5"],
            "position on the channel",
        )
        too_many = self.over_socket(self.socket.place_order, {
            "instIdCode": self.swap_code, "tdMode": "cross", "side": "buy", "ordType": "market",
            "sz": "13", "reduceOnly": True})
        equal(too_many["sCode"], "51169", "reducing more than there is")
        self.rows(self.trade.close_positions(SWAP, "cross"), "close-position")
        self.told.wait(
            lambda: [row for row in self.told.rows("positions") if row["pos"] == "0"],
            "closed position on the channel",
        )
        equal(self.rows(self.account.get_positions("SWAP"), "positions"), [], "positions")

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
        answer = self.trade.place_order(SPOT, "cash", "buy", "limit", "0.01", clOrdId="a-b", px="1")
        equal(answer["data"][0]["sCode"], "51000", "a client id with a hyphen")
        equal(self.trade.get_order(SPOT, clOrdId="nobody")["code"], "51603", "an unknown order")

    def run(self):
        for what, act in [
            ("instruments, time, account", self.instruments),
            ("book, trades and marks", self.depth),
            ("private channels", self.listen),
            ("an order placed, amended, cancelled", self.place_query_cancel),
            ("market orders, fees, post-only", self.market_orders),
            ("a swap opened and closed", self.swap),
            ("refusals", self.refusals),
        ]:
            act()
            step(what)


def main():
    config = read_config(sys.argv[1])
    if "okx" not in config:
        step("skipped: the simulator has no such venue")
        return 0
    outcome = []

    def session():
        try:
            Judge(config).run()
            outcome.append(0)
        except Failed as failure:
            print(f"okx: FAILED: {failure}", file=sys.stderr, flush=True)
            outcome.append(1)

    thread = threading.Thread(target=session, daemon=True)
    thread.start()
    thread.join(SESSION_S)
    if not outcome:
        print("okx: FAILED: the session did not come to an end", file=sys.stderr, flush=True)
        outcome.append(1)
    # The client's threads may still wait for something.
    sys.stdout.flush()
    os._exit(outcome[0])


if __name__ == "__main__":
    sys.exit(main())
