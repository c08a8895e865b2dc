#!/usr/bin/env python3
"""Judges the simulated Binance spot market with the venue's own client, binance-connector. Arguments:
see judge.py. The client is used as published, but its two threads share a TLS socket, which Python
does not bear before 3.13: see SharedSocket.
"""

import base64
import logging
import select
import ssl
import threading
import time
from decimal import Decimal

from judge import Failed, Inbox, Sums, WAIT_S, check, equal, session

SYMBOL = "BTCUSDT"


class SharedSocket:
    """A TLS socket that one thread reads and another writes, as this client does. Before Python
    3.13 nothing keeps the two apart inside the TLS library, and now and then bytes are lost."""

    def __init__(self, socket):
        self.socket, self.lock = socket, threading.Lock()

    def __getattr__(self, name):
        return getattr(self.socket, name)

    def send(self, data):
        with self.lock:
            return self.socket.send(data)

    def recv(self, size):
        timeout = self.socket.gettimeout()
        while True:
            if not self.socket.pending() and not select.select([self.socket], [], [], timeout)[0]:
                raise TimeoutError("timed out")
            with self.lock:
                self.socket.setblocking(False)
                try:
                    return self.socket.recv(size)
                except ssl.SSLWantReadError:
                    continue
                finally:
                    self.socket.settimeout(timeout)


def share_sockets():
    """Makes the client use sockets that bear its two threads."""
    from binance.websocket import binance_socket_manager as manager

    connect = manager.create_connection

    def connect_shared(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.sock = SharedSocket(connection.sock)
        return connection

    manager.create_connection = connect_shared


class Listener(Inbox):
    """Messages of one WebSocket of the client, taken out one by one."""

    def __init__(self, make, hear=None):
        super().__init__("socket", hear)
        self.errors = []
        self.client = make(
            on_message=lambda _, text: self(text), on_error=lambda _, error: self.errors.append(error)
        )

    def take(self, matches, what):
        """Takes out the first message that matches; the others stay."""
        with self.arrived:
            found = self.wait_for(matches, what)
            self.messages.remove(found)
            return found

    def stop(self):
        self.client.stop()


class Api(Listener):
    """The ws api: replies by id, and user events."""

    def request(self, what, send):
        """Sends by `send(id)` and waits for the reply."""
        identity = f"judge-{time.time_ns()}"
        send(identity)
        return self.take(lambda message: message.get("id") == identity, what)

    def event(self, kind, what, **fields):
        """The first user event of this kind with these fields that was not taken yet."""

        def matches(message):
            event = message.get("event", {})
            return event.get("e") == kind and all(event.get(k) == v for k, v in fields.items())

        return self.take(matches, what)["event"]


class Judge:
    def __init__(self, sim):
        logging.disable(logging.WARNING)
        from binance.error import ClientError
        from binance.lib.utils import websocket_api_signature
        from binance.spot import Spot
        from binance.websocket.spot.websocket_api import SpotWebsocketAPIClient
        from binance.websocket.spot.websocket_stream import SpotWebsocketStreamClient

        share_sockets()
        venue = sim["binance"]
        self.venue, self.refused, self.spot_class = venue, ClientError, Spot
        self.sign = websocket_api_signature
        self.stream_class = SpotWebsocketStreamClient
        keys = {"api_key": venue["key"], "api_secret": venue["secret"]}
        self.rest = Spot(base_url=venue["rest"], timeout=WAIT_S, **keys)
        self.sums = Sums("binance")
        self.api = Api(
            lambda **on: SpotWebsocketAPIClient(venue["trade"], timeout=WAIT_S, **keys, **on), self.hear)
        self.keys = keys
        self.tag = f"judge{time.time_ns() // 1_000_000}"

    def hear(self, message):
        """Adds up what the account is told of its fills."""
        fill = message.get("event", {})
        if fill.get("e") == "executionReport" and fill["x"] == "TRADE":
            self.sums.on_spot(fill["t"], SYMBOL, ("BTC", "USDT"), fill["S"] == "BUY", Decimal(fill["l"]),
                              Decimal(fill["L"]), Decimal(fill["n"]), fill["N"])

    def stream(self, combined):
        url = self.venue["public"].rstrip("/").removesuffix("/stream").removesuffix("/ws")
        return Listener(
            lambda **on: self.stream_class(url, is_combined=combined, timeout=WAIT_S, **on)
        )

    def expect_error(self, what, status, code, message, call):
        try:
            reply = call()
        except self.refused as error:
            got = (error.status_code, error.error_code, error.error_message)
            equal(got, (status, code, message), what)
            return
        raise Failed(f"{what}: accepted with {reply!r}")

    def order(self, name, side, kind, **more):
        """`order.place` on the ws api; gives the reply."""
        return self.api.request(
            f"order {name}",
            lambda identity: self.api.client.new_order(
                SYMBOL, side, kind, newClientOrderId=self.tag + name, id=identity, **more
            ),
        )

    def balances(self):
        rows = self.rest.account(omitZeroBalances="true")["balances"]
        return {r["asset"]: Decimal(r["free"]) + Decimal(r["locked"]) for r in rows}

    # The checks, in the order in which they run.

    def instruments(self):
        equal(self.rest.ping(), {}, "ping")
        offset = abs(self.rest.time()["serverTime"] / 1000 - time.time())
        check(offset < 1, f"the venue's clock is off by {offset:.3f} s")
        info = self.rest.exchange_info(symbol=SYMBOL)
        equal([row["symbol"] for row in info["symbols"]], [SYMBOL], "exchangeInfo")
        equal(self.rest.exchange_info(symbols=[SYMBOL])["symbols"], info["symbols"], "symbols")
        self.filters = {row["filterType"]: row for row in info["symbols"][0]["filters"]}
        for name in ("PRICE_FILTER", "LOT_SIZE", "NOTIONAL"):
            check(name in self.filters, f"exchangeInfo has no {name}")
        kinds = {row["rateLimitType"] for row in info["rateLimits"]}
        equal(kinds, {"REQUEST_WEIGHT", "ORDERS", "RAW_REQUESTS"}, "rateLimits")
        self.sums.start = self.balances()
        self.tick = Decimal(self.filters["PRICE_FILTER"]["tickSize"])
        self.lot = Decimal(self.filters["LOT_SIZE"]["stepSize"])
        self.expect_error(
            "unknown symbol", 400, -1121, "Invalid symbol.",
            lambda: self.rest.exchange_info(symbol="NOSUCH"),
        )

    def depth_stream(self):
        listener = self.stream(combined=True)
        lower, tickers = SYMBOL.lower(), {}
        depth = f"{lower}@depth@100ms"
        listener.client.subscribe([depth, f"{lower}@bookTicker", f"{lower}@trade"], id=1)
        listener.take(lambda m: m == {"result": None, "id": 1}, "reply to SUBSCRIBE")
        first = listener.take(lambda m: m.get("stream") == depth, "the first depth event")["data"]
        book = self.rest.depth(SYMBOL, limit=1000)
        while book["lastUpdateId"] < first["U"]:
            book = self.rest.depth(SYMBOL, limit=1000)
        sides = {k: {Decimal(p): Decimal(q) for p, q in book[k]} for k in ("bids", "asks")}
        check(min(map(len, sides.values())) >= 20, "the book has fewer than 20 levels a side")
        last, applied, compared, trades = book["lastUpdateId"], 0, 0, 0
        pending = first
        while applied < 30:
            message = {"stream": depth, "data": pending} if pending else listener.take(
                lambda m: "stream" in m, "depth stream")
            pending, data = None, message["data"]
            if message["stream"].endswith("@bookTicker"):
                tickers[data["u"]] = data
            elif message["stream"].endswith("@trade"):
                equal(data["e"], "trade", "trade stream")
                trades += 1
            elif data["u"] > last:
                held = data["U"] <= last + 1 if applied == 0 else data["U"] == last + 1
                check(held, f"gap: event {data['U']}..{data['u']} after {last}")
                for side, key in (("bids", "b"), ("asks", "a")):
                    for price, qty in data[key]:
                        sides[side][Decimal(price)] = Decimal(qty)
                        if Decimal(qty) == 0:
                            del sides[side][Decimal(price)]
                last, applied = data["u"], applied + 1
                compared += self.compare_top(sides, tickers, last)
        listener.stop()
        check(compared >= 10, f"only {compared} of {applied} tops could be compared")
        check(trades > 0, "no trade came on the trade stream")
        return f"{applied} events, {compared} tops equal to bookTicker, {trades} trades"

    @staticmethod
    def compare_top(sides, tickers, last):
        bid, ask = max(sides["bids"]), min(sides["asks"])
        check(bid < ask, f"crossed book: {bid} {ask} at {last}")
        known = [update for update in tickers if update <= last]
        if not known:
            return 0
        ticker = tickers[max(known)]
        got = (bid, sides["bids"][bid], ask, sides["asks"][ask])
        equal(got, tuple(Decimal(ticker[k]) for k in "bBaA"), f"top of book at {last}")
        return 1

    def subscribe(self):
        def send(identity):
            params = dict(self.sign(self.keys["api_key"], self.keys["api_secret"], {}))
            method = "userDataStream.subscribe.signature"
            self.api.client.send({"id": identity, "method": method, "params": params})

        reply = self.api.request("subscribe to user events", send)
        equal(reply["status"], 200, f"subscribe {reply}")
        equal(reply["result"], {"subscriptionId": 0}, "subscribe")

    def place_query_cancel(self):
        ticker = self.rest.book_ticker(SYMBOL)
        price = self.on_tick(Decimal(ticker["bidPrice"]) * Decimal("0.9"))
        qty = self.qty_for(price, 100)
        before = self.balances()
        placed = self.order("a", "BUY", "LIMIT", timeInForce="GTC", price=str(price),
                            quantity=str(qty), newOrderRespType="ACK")
        equal(placed["status"], 200, f"order.place {placed}")
        equal(placed["result"]["clientOrderId"], self.tag + "a", "clientOrderId")
        equal({row["rateLimitType"] for row in placed["rateLimits"]},
                    {"ORDERS", "REQUEST_WEIGHT"}, "rateLimits of the reply")
        number = placed["result"]["orderId"]
        new = self.api.event("executionReport", "NEW event", i=number, x="NEW")
        equal((new["X"], new["c"], new["C"]), ("NEW", self.tag + "a", ""), "NEW event")
        equal((Decimal(new["p"]), Decimal(new["q"])), (price, qty), "terms in the event")
        found = self.rest.get_order(SYMBOL, origClientOrderId=self.tag + "a")
        equal((found["orderId"], found["status"]), (number, "NEW"), "query by client id")
        check(number in [row["orderId"] for row in self.rest.get_open_orders(SYMBOL)], "openOrders")
        equal(self.balances(), before, "an open order only locks")
        reply = self.api.request("order.cancel", lambda identity: self.api.client.cancel_order(
            SYMBOL, orderId=number, newClientOrderId=self.tag + "x", id=identity))
        equal(reply["status"], 200, f"order.cancel {reply}")
        names = (reply["result"]["origClientOrderId"], reply["result"]["clientOrderId"])
        equal(names, (self.tag + "a", self.tag + "x"), "ids in the cancel's reply")
        gone = self.api.event("executionReport", "CANCELED event", i=number, x="CANCELED")
        equal((gone["C"], gone["c"]), names, "ids in the CANCELED event")
        again = self.api.request("second cancel", lambda identity: self.api.client.cancel_order(
            SYMBOL, orderId=number, id=identity))
        equal((again["status"], again["error"]),
                    (400, {"code": -2011, "msg": "Unknown order sent."}), "second cancel")

    def partial_fill(self):
        """A limit order larger than the best ask fills in part, rests, and is cancelled."""
        before, last = self.balances(), self.rest.my_trades(SYMBOL, limit=1)
        start = last[0]["id"] + 1 if last else 0
        for attempt in range(60):
            ticker = self.rest.book_ticker(SYMBOL)
            price = Decimal(ticker["askPrice"])
            # The rest is large, so that it is still there when its cancel arrives.
            qty = Decimal(ticker["askQty"]) + self.qty_for(price, 20_000)
            placed = self.order(f"p{attempt}", "BUY", "LIMIT", timeInForce="GTC", price=str(price),
                                quantity=str(qty), newOrderRespType="FULL")
            equal(placed["status"], 200, f"order.place {placed}")
            number, seen = placed["result"]["orderId"], placed["result"]["status"]
            cancel = self.api.request("cancel the rest", lambda identity: self.api.client.
                                      cancel_order(SYMBOL, orderId=number, id=identity))
            if seen == "PARTIALLY_FILLED" and cancel["status"] == 200:
                note = self.check_partial(number, placed["result"], cancel["result"])
                self.check_books(before, start)
                return f"{note}, attempt {attempt + 1}"
        raise Failed("no order out of 60 was filled in part")

    def check_partial(self, number, placed, cancelled):
        first = self.api.event("executionReport", "first fill", i=number, x="TRADE")
        fill = placed["fills"][0]
        got = (first["t"], first["l"], first["L"], first["n"], first["N"])
        want = (fill["tradeId"], fill["qty"], fill["price"], fill["commission"],
                fill["commissionAsset"])
        equal(got, want, "fill in the event and in the reply")
        check(not first["m"], "the first fill is a taker's")
        self.api.event("executionReport", "event of that cancel", i=number, x="CANCELED")
        order = self.rest.get_order(SYMBOL, orderId=number)
        equal(order["status"], "CANCELED", "state after the cancel")
        equal(order["executedQty"], cancelled["executedQty"], "executedQty")
        trades = self.rest.my_trades(SYMBOL, orderId=number)
        qty = sum(Decimal(row["qty"]) for row in trades)
        equal(qty, Decimal(order["executedQty"]), "sum of myTrades")
        quote = sum(Decimal(row["quoteQty"]) for row in trades)
        equal(quote, Decimal(order["cummulativeQuoteQty"]), "quote of myTrades")
        return f"{qty} of {order['origQty']} in {len(trades)} fills"

    def check_books(self, before, start):
        """Balances changed by exactly the trades since `start`, all of which are buys."""
        rates = self.rest.query_commission_rates(SYMBOL)["standardCommission"]
        trades = self.rest.my_trades(SYMBOL, fromId=start)
        for row in trades:
            rate = Decimal(rates["maker" if row["isMaker"] else "taker"])
            exact = Decimal(row["qty"]) * rate
            check(0 <= exact - Decimal(row["commission"]) < Decimal("1e-8"),
                  f"commission {row['commission']} of {row['qty']} at {rate}")
            equal(row["commissionAsset"], "BTC", "a buy pays in what it receives")
        bought = sum(Decimal(row["qty"]) - Decimal(row["commission"]) for row in trades)
        paid = sum(Decimal(row["quoteQty"]) for row in trades)
        after = self.balances()
        equal(after["BTC"] - before["BTC"], bought, "change of the BTC balance")
        equal(after["USDT"] - before["USDT"], -paid, "change of the USDT balance")

    def market_and_others(self):
        """The rest of what the client can send: all of it has to be understood."""
        qty = str(self.qty_for(Decimal(self.rest.book_ticker(SYMBOL)["bidPrice"]), 100))
        sold = self.rest.new_order(SYMBOL, "SELL", "MARKET", quantity=qty)
        equal((sold["status"], Decimal(sold["executedQty"])), ("FILLED", Decimal(qty)), "sell")
        equal({row["commissionAsset"] for row in sold["fills"]}, {"USDT"}, "fee of a sell")
        bought = self.rest.new_order(SYMBOL, "BUY", "MARKET", quoteOrderQty="200")
        equal(bought["status"], "FILLED", "buy for quote")
        check(0 < Decimal(bought["cummulativeQuoteQty"]) <= 200, "buy for quote spends too much")
        equal(self.rest.new_order_test(SYMBOL, "BUY", "MARKET", quantity=qty), {}, "test")
        far = str(self.on_tick(Decimal(self.rest.book_ticker(SYMBOL)["bidPrice"]) * Decimal("0.8")))
        maker = {"price": far, "quantity": qty}
        resting = self.rest.new_order(SYMBOL, "BUY", "LIMIT_MAKER", **maker)
        replaced = self.rest.cancel_and_replace(
            SYMBOL, "BUY", "LIMIT_MAKER", "STOP_ON_FAILURE", cancelOrderId=resting["orderId"], **maker)
        equal((replaced["cancelResult"], replaced["newOrderResult"]),
                    ("SUCCESS", "SUCCESS"), "cancelReplace")
        number = replaced["newOrderResponse"]["orderId"]
        less = str(Decimal(qty) - self.lot)
        amended = self.rest.sign_request("PUT", "/api/v3/order/amend/keepPriority", {
            "symbol": SYMBOL, "orderId": number, "newQty": less})
        equal(Decimal(amended["amendedOrder"]["qty"]), Decimal(less), "amend")
        equal(len(self.rest.cancel_open_orders(SYMBOL)), 1, "orders cancelled together")
        equal(self.rest.get_open_orders(SYMBOL), [], "open orders at the end")
        states = {row["orderId"]: row["status"] for row in self.rest.get_orders(SYMBOL)}
        equal((states[number], states[sold["orderId"]]), ("CANCELED", "FILLED"), "allOrders")
        equal([row["interval"] for row in self.rest.get_order_rate_limit()],
                    ["SECOND", "DAY"], "rateLimit/order")
        self.expect_error(
            "post-only that takes", 400, -2010, "Order would immediately match and take.",
            lambda: self.rest.new_order(SYMBOL, "BUY", "LIMIT_MAKER", quantity=qty, price=str(
                self.on_tick(Decimal(self.rest.book_ticker(SYMBOL)["askPrice"]) * Decimal("1.1")))))
        self.expect_error("order that is not there", 400, -2013, "Order does not exist.",
                          lambda: self.rest.get_order(SYMBOL, origClientOrderId="nobody"))

    def bad_signature(self):
        forger = self.spot_class(self.venue["key"], "not-the-secret", base_url=self.venue["rest"])
        message = "Signature for this request is not valid."
        self.expect_error("bad signature", 400, -1022, message, forger.account)
        stranger = self.spot_class("nobody", "nothing", base_url=self.venue["rest"])
        message = "Invalid API-key, IP, or permissions for action."
        self.expect_error("unknown key", 401, -2015, message, stranger.account)
        self.expect_error("recvWindow too large", 400, -1102,
                          "'recvWindow' contains unexpected value. Cannot be greater than 60000.",
                          lambda: self.rest.account(recvWindow=60001))

    def filter_violation(self):
        price = self.on_tick(Decimal(self.rest.book_ticker(SYMBOL)["bidPrice"]) * Decimal("0.9"))
        good = self.qty_for(price, 100)
        for name, wrong_price, qty in (
            ("PRICE_FILTER", price + self.tick / 2, good),
            ("LOT_SIZE", price, good + self.lot / 2),
            ("LOT_SIZE", price, self.lot / 10),
            ("NOTIONAL", price, Decimal(self.filters["LOT_SIZE"]["minQty"])),
        ):
            reply = self.order("f", "BUY", "LIMIT", timeInForce="GTC", price=f"{wrong_price:f}",
                               quantity=f"{qty:f}")
            equal((reply["status"], reply.get("error")),
                        (400, {"code": -1013, "msg": f"Filter failure: {name}"}),
                        f"price {wrong_price} quantity {qty}")

    def ed25519(self):
        if "ed25519_pem_file" not in self.venue:
            return "no such key given"
        from binance.lib.authentication import ed25519_signature

        with open(self.venue["ed25519_pem_file"], encoding="utf-8") as file:
            pem = file.read()
        key = self.venue.get("ed25519_key", self.venue["key"])
        client = self.spot_class(key, base_url=self.venue["rest"], private_key=pem)
        balances = {row["asset"]: row["free"] for row in client.account()["balances"]}
        check("BTC" in balances, "account by the Ed25519 key")
        stamp = int(time.time() * 1000)
        signature = ed25519_signature(pem, f"apiKey={key}&timestamp={stamp}").decode()
        equal(len(base64.b64decode(signature)), 64, "length of the signature")
        params = {"apiKey": key, "timestamp": stamp, "signature": signature}
        logon = self.api.request("session.logon", lambda identity: self.api.client.send(
            {"id": identity, "method": "session.logon", "params": params}))
        equal(logon["status"], 200, f"logon {logon}")
        equal(logon["result"]["apiKey"], key, "key in the reply to the logon")
        status = self.api.request("account.status", lambda identity: self.api.client.send(
            {"id": identity, "method": "account.status",
             "params": {"timestamp": int(time.time() * 1000)}}))
        equal(status["status"], 200, f"account.status after the logon {status}")
        return None

    def on_tick(self, price):
        return price // self.tick * self.tick

    def qty_for(self, price, value):
        """Whole lots worth about `value` in quote."""
        return (Decimal(value) / price) // self.lot * self.lot

    def agreement(self):
        """What the venue states follows from what it has told."""
        listed = {row["id"] for row in self.rest.my_trades(SYMBOL, limit=1000)}
        self.api.wait(lambda: self.sums.fills() >= len(listed), "event of every fill")
        self.sums.agree(self.balances())
        self.api.stop()
        return f"{self.sums.fills()} fills"

    def steps(self):
        return [
            ("instruments, clock, filters, limits", self.instruments),
            ("depth, bookTicker and trade streams", self.depth_stream),
            ("user events", self.subscribe),
            ("place, query, cancel", self.place_query_cancel),
            ("partial fill, trades, fees, balances", self.partial_fill),
            ("market, post-only, cancel-replace, amend, cancel all, history", self.market_and_others),
            ("bad signature, unknown key, recvWindow", self.bad_signature),
            ("filters", self.filter_violation),
            ("an Ed25519 key, logon", self.ed25519),
            ("balances and fees by own sums", self.agreement),
        ]


if __name__ == "__main__":
    session("binance_spot", "binance", Judge, __doc__)
