#!/usr/bin/env python3
"""Judges the simulated Binance perpetuals (USD-M) with the venue's own client,
binance-sdk-derivatives-trading-usds-futures. Arguments: see judge.py.

The client checks the type of every member of what it is told, and only logs what it does not know:
here every such line is a failed check. Faults of the client that this script allows for:
- it declares the `M` of an amendment a text, where the venue sends the number it was given;
- it waits five seconds before it says which stream it could not subscribe to: streams are
  subscribed to one by one.
"""

import logging
import re
import time
from decimal import Decimal

from judge import (
    FUNDING_S, WAIT_S, Failed, Inbox, Loop, Sums, ceiling, check, equal, floor, new_id, plain,
    session, until,
)

NAME = "binance_usdm"
SYMBOL, OTHER = "BTCUSDT", "ETHUSDT"
ALLOWED = ("Failed to parse ORDER_TRADE_UPDATE",)


def raw(value):
    """A model of the client as what came over the wire."""
    if isinstance(value, list):
        return [raw(one) for one in value]
    if hasattr(value, "actual_instance"):
        return raw(value.actual_instance)
    return value.to_dict() if hasattr(value, "to_dict") else value


def named(event):
    """A user event as it came, but for its name, which the client puts into the type."""
    inner = event.actual_instance
    if isinstance(inner, dict):
        return inner
    name = re.sub("(?<=[a-z])(?=[A-Z])", "_", type(inner).__name__).upper()
    return {"e": name, **raw(inner)}


class Complaints(logging.Handler):
    """What the client logs about messages that it does not understand."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.texts = []

    def emit(self, record):
        text = record.getMessage()
        # A refusal that was provoked is logged too.
        if "Error received from server" in text or "Connection with user closed" in text:
            return
        self.texts.append(text)


class Judge:
    def __init__(self, config):
        self.venue = config["binance_usdm"]
        self.ca = config["ca"]
        self.complaints = Complaints()
        logging.getLogger().handlers = [self.complaints]
        from binance_common import configuration, errors
        from binance_sdk_derivatives_trading_usds_futures import (
            derivatives_trading_usds_futures as client,
        )

        self.errors, self.configuration, self.client = errors, configuration, client
        self.rest = self.rest_with(self.venue["key"], self.venue["secret"])
        self.loop = Loop()
        self.sums = Sums("binance_usdm")
        self.user = Inbox("user events", self.hear)

    def rest_with(self, key, secret=None, pem=None):
        options = self.configuration.ConfigurationRestAPI(
            api_key=key, api_secret=secret, private_key=pem, base_path=self.venue["rest"],
            timeout=int(WAIT_S * 1000), retries=0,
        )
        return self.client.DerivativesTradingUsdsFutures(config_rest_api=options).rest_api

    def get(self, answer):
        return raw(answer.data())

    def hear(self, event):
        """Adds up what the account is told."""
        if event["e"] == "ORDER_TRADE_UPDATE" and event["o"]["x"] == "TRADE":
            o = event["o"]
            self.sums.on_perpetual(
                o["t"], o["s"], o["N"], o["S"] == "BUY", Decimal(o["l"]), Decimal(o["L"]),
                Decimal(o["n"]), Decimal(o["rp"]),
            )
        if event["e"] == "ACCOUNT_UPDATE" and event["a"]["m"] == "FUNDING_FEE":
            for balance in event["a"]["B"]:
                # One event for each instrument: by its time and position.
                symbols = [row["s"] for row in event["a"].get("P", [])] or [event["a"].get("S", "")]
                ident = (event["T"], event["E"], tuple(symbols), balance["bc"])
                self.sums.on_funding(ident, "", balance["a"], Decimal(balance["bc"]))

    def event(self, name, what, of=None, **members):
        """The first event of this name with these members, of its part `of` if one is named."""
        def matches(event):
            part = event.get(of, {}) if of else event
            return event["e"] == name and all(part.get(k) == v for k, v in members.items())

        return self.user.wait_for(matches, what)

    def order_event(self, what, **members):
        return self.event("ORDER_TRADE_UPDATE", what, of="o", **members)["o"]

    # What the venue says about instruments, time and account.

    def instruments(self):
        offset = abs(self.get(self.rest.check_server_time())["serverTime"] / 1000 - time.time())
        check(offset < 1, f"the venue's clock is off by {offset:.3f} s")
        info = self.get(self.rest.exchange_information())
        row = next(row for row in info["symbols"] if row["symbol"] == SYMBOL)
        equal((row["contractType"], row["marginAsset"], row["status"]),
              ("PERPETUAL", "USDT", "TRADING"), "exchangeInfo")
        filters = {one["filterType"]: one for one in row["filters"]}
        self.tick = Decimal(filters["PRICE_FILTER"]["tickSize"])
        self.lot = Decimal(filters["LOT_SIZE"]["stepSize"])
        self.least = Decimal(filters["MIN_NOTIONAL"]["notional"])
        kinds = {row["rateLimitType"] for row in info["rateLimits"]}
        equal(kinds, {"REQUEST_WEIGHT", "ORDERS"}, "rateLimits")
        rates = self.get(self.rest.user_commission_rate(SYMBOL))
        self.taker = Decimal(rates["takerCommissionRate"])
        self.maker = Decimal(rates["makerCommissionRate"])
        brackets = self.get(self.rest.notional_and_leverage_brackets(symbol=SYMBOL))
        brackets = brackets[0] if isinstance(brackets, list) else brackets
        check(brackets["brackets"][0]["initialLeverage"] >= 20, f"brackets: {brackets}")
        config = self.get(self.rest.futures_account_configuration())
        equal((config["dualSidePosition"], config["multiAssetsMargin"]), (False, False), "mode")
        mark = self.get(self.rest.mark_price(symbol=SYMBOL))
        left = mark["nextFundingTime"] / 1000 - time.time()
        check(-1 < left <= FUNDING_S + 1, f"next funding in {left:.1f} s")
        self.sums.start = self.balances()
        equal(self.get(self.rest.position_information_v3()), [], "positions at the start")

    def balances(self):
        rows = self.get(self.rest.futures_account_balance_v3())
        return {row["asset"]: Decimal(row["balance"]) for row in rows}

    # Streams.

    def streams(self):
        client = self.client.DerivativesTradingUsdsFutures(
            config_ws_streams=self.configuration.ConfigurationWebSocketStreams(
                stream_url=self.venue["public"].rstrip("/") + "/stream"))
        self.market = client.websocket_streams
        self.loop.call(self.market.create_connection())
        inboxes = {}

        def listen(name, coroutine):
            inboxes[name] = Inbox(name)
            handle = self.loop.call(coroutine)
            handle.on("message", lambda message: inboxes[name](raw(message)))

        lower = SYMBOL.lower()
        streams = self.market
        listen("top", streams.individual_symbol_book_ticker_streams(symbol=lower))
        listen("depth", streams.diff_book_depth_streams(symbol=lower, update_speed="100ms"))
        listen("partial", streams.partial_book_depth_streams(symbol=lower, levels=5))
        listen("trades", streams.aggregate_trade_streams(symbol=lower))
        listen("mark", streams.mark_price_stream(symbol=lower, update_speed="1s"))
        count, compared = self.keep_book(inboxes["depth"], inboxes["top"])
        trade = inboxes["trades"].wait_for(lambda m: True, "trade")
        equal((trade["e"], trade["s"]), ("aggTrade", SYMBOL), "aggTrade")
        mark = inboxes["mark"].wait_for(lambda m: True, "mark")
        check(Decimal(mark["p"]) > 0 and Decimal(mark["i"]) > 0, f"mark: {mark}")
        part = inboxes["partial"].wait_for(lambda m: True, "partial book")
        equal((len(part["b"]), len(part["a"])), (5, 5), "levels of the partial book")
        return f"{count} events of the book, {compared} tops equal to bookTicker"

    def keep_book(self, depth, top):
        """Keeps the book by the venue's rule and compares its top with bookTicker."""
        first = depth.wait_for(lambda m: True, "event of the book")
        book = self.get(self.rest.order_book(SYMBOL, limit=1000))
        while book["lastUpdateId"] < first["U"]:
            book = self.get(self.rest.order_book(SYMBOL, limit=1000))
        depth.wait(lambda: len(depth.messages) >= 40, "40 events of the book")
        sides = {k: {Decimal(p): Decimal(q) for p, q in book[k]} for k in ("bids", "asks")}
        last, compared, applied = None, 0, 0
        tops = {m["u"]: m for m in list(top.messages)}
        for event in list(depth.messages):
            if event["u"] < book["lastUpdateId"]:
                continue
            if last is None:
                check(event["U"] <= book["lastUpdateId"], f"gap after the snapshot: {event['U']}")
            else:
                equal(event["pu"], last, "previous update id")
            for side, key in (("bids", "b"), ("asks", "a")):
                for price, qty in event[key]:
                    sides[side][Decimal(price)] = Decimal(qty)
                    if Decimal(qty) == 0:
                        sides[side].pop(Decimal(price))
            last, applied = event["u"], applied + 1
            bid, ask = max(sides["bids"]), min(sides["asks"])
            check(bid < ask, f"the book is crossed at {last}")
            if last in tops:
                got = (bid, sides["bids"][bid], ask, sides["asks"][ask])
                equal(got, tuple(Decimal(tops[last][k]) for k in "bBaA"), f"top at {last}")
                compared += 1
        check(applied >= 10 and compared >= 3, f"{applied} events, {compared} tops compared")
        return applied, compared

    def listen(self):
        key = self.get(self.rest.start_user_data_stream())["listenKey"]
        equal(self.get(self.rest.start_user_data_stream())["listenKey"], key, "a second key")
        self.rest.keepalive_user_data_stream()
        handle = self.loop.call(self.market.user_data(key))
        handle.on("message", lambda event: self.user(named(event)))
        options = self.configuration.ConfigurationWebSocketAPI(
            api_key=self.venue["key"], api_secret=self.venue["secret"],
            stream_url=self.venue["trade"], timeout=int(WAIT_S * 1000))
        client = self.client.DerivativesTradingUsdsFutures(config_ws_api=options)
        self.api = client.websocket_api
        self.loop.call(self.api.create_connection())
        started = self.call(self.api.start_user_data_stream())
        equal(started["result"]["listenKey"], key, "listen key over the socket")

    def call(self, coroutine):
        """The reply on the socket, refused or not."""
        return raw(self.loop.call(coroutine).data())

    def place(self, side, kind, **more):
        """Places over the socket; gives the order's row."""
        reply = self.call(self.api.new_order(symbol=more.pop("symbol", SYMBOL), side=side, type=kind,
                                             **more))
        check(reply.get("status") == 200, f"order.place {side} {kind} {more}: {reply}")
        return reply["result"]

    def best(self, side, symbol=SYMBOL):
        book = self.get(self.rest.order_book(symbol, limit=5))
        return Decimal(book[side][0][0])

    def resting(self, ratio="0.97"):
        return floor(self.best("bids") * Decimal(ratio), self.tick)

    # Orders.

    def place_modify_cancel(self):
        price, name = self.resting(), new_id()
        placed = self.place("BUY", "LIMIT", time_in_force="GTC", quantity=Decimal("0.01"),
                            price=price, new_client_order_id=name)
        number = placed["orderId"]
        equal((placed["status"], placed["clientOrderId"]), ("NEW", name), "reply")
        new = self.order_event("NEW", c=name, x="NEW")
        equal((Decimal(new["p"]), Decimal(new["q"]), new["i"]), (price, Decimal("0.01"), number),
              "NEW event")
        equal(Decimal(new["b"]), price * Decimal("0.01"), "value of open bids")
        amended = self.call(self.api.modify_order(
            symbol=SYMBOL, side="BUY", order_id=number, quantity=Decimal("0.02"),
            price=price - self.tick, modify_id=77))
        equal(amended.get("status"), 200, f"order.modify: {amended}")
        told = self.order_event("AMENDMENT", i=number, x="AMENDMENT")
        equal((Decimal(told["p"]), Decimal(told["q"]), told["M"]),
              (price - self.tick, Decimal("0.02"), 77), "terms")
        again = self.get(self.rest.modify_order(
            SYMBOL, "BUY", orig_client_order_id=name, quantity=Decimal("0.02"), price=price))
        equal((again["orderId"], Decimal(again["price"])), (number, price), "PUT order")
        found = self.get(self.rest.query_order(SYMBOL, orig_client_order_id=name))
        equal((found["orderId"], found["status"]), (number, "NEW"), "query by client id")
        rows = self.get(self.rest.current_all_open_orders(symbol=SYMBOL))
        equal([row["orderId"] for row in rows], [number], "openOrders")
        gone = self.call(self.api.cancel_order(symbol=SYMBOL, orig_client_order_id=name))
        equal((gone.get("status"), gone["result"]["status"]), (200, "CANCELED"), f"cancel: {gone}")
        told = self.order_event("CANCELED", i=number, x="CANCELED")
        equal(told["c"], name, "client id of a cancelled order")
        again = self.call(self.api.cancel_order(symbol=SYMBOL, order_id=number))
        equal(again["error"], {"code": -2011, "msg": "Unknown order sent."}, "second cancel")

    def together(self):
        price = self.resting()
        terms = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "quantity": "0.01",
                 "price": plain(price), "timeInForce": "GTC"}
        rows = self.get(self.rest.place_multiple_orders([terms, {**terms, "price": plain(price + self.tick / 2)}]))
        check("orderId" in rows[0] and rows[1].get("code") == -4014, f"batchOrders: {rows}")
        self.place("BUY", "LIMIT", time_in_force="GTX", quantity=Decimal("0.01"), price=price)
        equal(len(self.get(self.rest.current_all_open_orders(symbol=SYMBOL))), 2, "open orders")
        equal(self.get(self.rest.cancel_all_open_orders(SYMBOL))["code"], 200, "cancel all")
        until(lambda: not self.get(self.rest.current_all_open_orders(symbol=SYMBOL)), "cancel of all")
        name = new_id()
        self.place("BUY", "LIMIT", time_in_force="GTC", quantity=Decimal("0.01"), price=price,
                   new_client_order_id=name)
        self.rest.auto_cancel_all_open_orders(SYMBOL, 60_000)
        self.rest.auto_cancel_all_open_orders(SYMBOL, 0)
        answer = self.get(self.rest.auto_cancel_all_open_orders(SYMBOL, 1_000))
        equal((answer["symbol"], answer["countdownTime"]), (SYMBOL, "1000"), "countdown")
        started = time.monotonic()
        self.order_event("cancel by the countdown", c=name, x="CANCELED")
        check(time.monotonic() - started > 0.5, "the countdown came early")

    # Positions.

    def leverage(self):
        answer = self.get(self.rest.change_initial_leverage(SYMBOL, 20))
        equal((answer["symbol"], answer["leverage"]), (SYMBOL, 20), "leverage")
        told = self.event("ACCOUNT_CONFIG_UPDATE", "leverage in an event")
        equal(told["ac"], {"s": SYMBOL, "l": 20}, "leverage in an event")
        row = self.get(self.rest.symbol_configuration(symbol=SYMBOL))[0]
        equal((row["leverage"], row["marginType"]), (20, "CROSSED"), "symbolConfig")
        self.refused(-4028, "too high a leverage", lambda: self.rest.change_initial_leverage(SYMBOL, 126))
        self.refused(-4046, "the margin type that it has",
                     lambda: self.rest.change_margin_type(SYMBOL, "CROSSED"))
        self.refused(-4059, "the mode that it has", lambda: self.rest.change_position_mode("false"))

    def open_and_reduce(self):
        name, qty = new_id(), Decimal("0.300")
        placed = self.place("BUY", "MARKET", quantity=qty, new_client_order_id=name,
                            new_order_resp_type="RESULT")
        equal((placed["status"], Decimal(placed["executedQty"])), ("FILLED", qty), "market order")
        last = self.order_event("fill", c=name, X="FILLED")
        equal(Decimal(last["z"]), qty, "filled in all")
        lite = self.event("TRADE_LITE", "fill in short", c=name)
        fills = [m["o"] for m in self.user.messages
                 if m["e"] == "ORDER_TRADE_UPDATE" and m["o"]["c"] == name and m["o"]["x"] == "TRADE"]
        equal(lite["t"], fills[0]["t"], "trade of the short event")
        for fill in fills:
            fee = Decimal(fill["l"]) * Decimal(fill["L"]) * self.taker
            check(abs(Decimal(fill["n"]) - fee) < Decimal("1e-8"), f"fee of {fill}: not {fee}")
        value = sum(Decimal(one["l"]) * Decimal(one["L"]) for one in fills)
        row = self.get(self.rest.position_information_v3(symbol=SYMBOL))[0]
        equal(Decimal(row["positionAmt"]), qty, "position")
        check(abs(Decimal(row["entryPrice"]) - value / qty) < Decimal("1e-8"), f"entry of {row}")
        notional = Decimal(row["markPrice"]) * qty
        check(abs(Decimal(row["notional"]) - notional) < Decimal("1e-6"), f"notional of {row}")
        check(abs(Decimal(row["positionInitialMargin"]) - notional / 20) < Decimal("1e-6"),
              f"margin of {row} at leverage 20")
        same = self.call(self.api.position_information_v2(symbol=SYMBOL))["result"][0]
        equal(same["positionAmt"], row["positionAmt"], "position over the socket")
        event = self.event("ACCOUNT_UPDATE", "position in an event")
        check(event["a"]["m"] == "ORDER", f"reason: {event}")
        reply = self.call(self.api.new_order(symbol=SYMBOL, side="BUY", type="MARKET",
                                             quantity=Decimal("0.1"), reduce_only="true"))
        equal(reply["error"]["code"], -2022, "reduce-only that would add")
        self.place("SELL", "MARKET", quantity=Decimal("0.100"), reduce_only="true")
        until(lambda: self.sums.qty(SYMBOL) == Decimal("0.200"), "reduced position in events")
        trades = self.get(self.rest.account_trade_list(SYMBOL))
        equal(sum(Decimal(one["realizedPnl"]) for one in trades), self.sums.told[SYMBOL],
              "profit in userTrades and in events")

    def funding(self):
        before = self.sums.payments()
        self.user.wait(lambda: self.sums.payments() >= before + 2, "two payments of funding",
                       2 * FUNDING_S + 5)
        rows = until(lambda: self.get(self.rest.get_income_history(income_type="FUNDING_FEE")),
                     "income of funding")
        for row in rows:
            equal((row["symbol"], row["asset"]), (SYMBOL, "USDT"), "payment")
        with self.sums.lock:
            equal(sum(Decimal(row["income"]) for row in rows), self.sums.funding["USDT"],
                  "funding in income and in events")
        paid = self.get(self.rest.get_funding_rate_history(symbol=SYMBOL))
        gaps = {b["fundingTime"] - a["fundingTime"] for a, b in zip(paid, paid[1:])}
        equal(gaps, {FUNDING_S * 1000}, "time between payments")
        rates = {row["fundingTime"]: row for row in paid}
        for row in rows:
            rate = rates[row["time"] // 1000 * 1000]
            exact = -Decimal("0.2") * Decimal(rate["markPrice"]) * Decimal(rate["fundingRate"])
            check(abs(Decimal(row["income"]) - exact) < Decimal("1e-7"),
                  f"payment {row} is not {exact}")
        return f"{len(rows)} payments"

    def turn_and_close(self):
        """A sale of more than there is turns the position; a limit order closes it."""
        self.place("SELL", "MARKET", quantity=Decimal("0.500"))
        until(lambda: self.sums.qty(SYMBOL) == Decimal("-0.300"), "turned position")
        price = ceiling(self.best("asks") * Decimal("1.002"), self.tick)
        self.place("BUY", "LIMIT", time_in_force="IOC", quantity=Decimal("0.300"), price=price,
                   reduce_only="true")
        until(lambda: self.sums.qty(SYMBOL) == 0, "closed position")
        equal(self.get(self.rest.position_information_v3()), [], "positions")

    def isolated(self):
        self.rest.change_margin_type(OTHER, "ISOLATED")
        self.rest.change_initial_leverage(OTHER, 10)
        self.place("SELL", "MARKET", symbol=OTHER, quantity=Decimal("2.00"))
        until(lambda: self.sums.qty(OTHER) == Decimal("-2"), "isolated position")
        before = self.get(self.rest.position_information_v3(symbol=OTHER))[0]
        check(Decimal(before["isolatedWallet"]) > 0, f"isolated: {before}")
        self.rest.modify_isolated_position_margin(OTHER, Decimal("100"), 1)
        after = self.get(self.rest.position_information_v3(symbol=OTHER))[0]
        moved = Decimal(after["isolatedWallet"]) - Decimal(before["isolatedWallet"])
        check(abs(moved - 100) < 1, f"margin moved by {moved}")
        self.refused(-4048, "a margin type with a position",
                     lambda: self.rest.change_margin_type(OTHER, "CROSSED"))
        self.place("BUY", "MARKET", symbol=OTHER, quantity=Decimal("2.00"), reduce_only="true")
        until(lambda: self.sums.qty(OTHER) == 0, "closed isolated position")

    def conditional(self):
        name, trigger = new_id(), ceiling(self.best("asks") * Decimal("1.2"), self.tick)
        reply = self.call(self.api.new_algo_order(
            algo_type="CONDITIONAL", symbol=SYMBOL, side="BUY", type="STOP_MARKET",
            quantity=Decimal("0.01"), trigger_price=trigger, client_algo_id=name))
        equal(reply.get("status"), 200, f"algoOrder.place: {reply}")
        self.event("ALGO_UPDATE", "conditional order in an event", of="o", caid=name, X="NEW")
        found = self.get(self.rest.query_algo_order(client_algo_id=name))
        equal((found["algoStatus"], Decimal(found["triggerPrice"])), ("NEW", trigger), "query")
        self.call(self.api.cancel_algo_order(client_algo_id=name))
        self.event("ALGO_UPDATE", "its cancel", of="o", caid=name, X="CANCELED")
        stop = self.call(self.api.new_order(symbol=SYMBOL, side="BUY", type="STOP_MARKET",
                                            quantity=Decimal("0.01")))
        equal(stop["error"]["code"], -4120, "a conditional order as an ordinary one")

    # Refusals.

    def refused(self, code, what, call):
        try:
            answer = call()
        except (self.errors.BadRequestError, self.errors.UnauthorizedError) as error:
            equal(error.status_code, code, f"{what} ({error.error_message})")
            return
        raise Failed(f"{what} was accepted: {raw(answer.data())}")

    def refusals(self):
        price = self.resting()
        self.rest.change_initial_leverage(SYMBOL, 5)
        good = {"time_in_force": "GTC", "quantity": Decimal("0.01"), "price": price}
        for code, what, changed in (
            (-4014, "a price off the tick", {"price": price + self.tick / 2}),
            (-4023, "a quantity off the lot", {"quantity": Decimal("0.01") + self.lot / 2}),
            (-4004, "a quantity below the least", {"quantity": self.lot / 10}),
            (-4164, "a value below the least", {"quantity": self.lot, "price": floor(self.least * 100, self.tick)}),
            (-2019, "more than the margin bears", {"quantity": Decimal(1100)}),
            (-4003, "no quantity", {"quantity": Decimal(0)}),
        ):
            terms = {**good, **changed}
            reply = self.call(self.api.new_order(symbol=SYMBOL, side="BUY", type="LIMIT", **terms))
            check("error" in reply, f"{what} was accepted: {reply}")
            equal(reply["error"]["code"], code, f"{what} ({reply['error']['msg']})")
        crossing = ceiling(self.best("asks") * Decimal("1.01"), self.tick)
        reply = self.call(self.api.new_order(symbol=SYMBOL, side="BUY", type="LIMIT",
                                             time_in_force="GTX", quantity=Decimal("0.01"),
                                             price=crossing))
        equal(reply["error"]["code"], -5022, "a post-only order through the book")
        reply = self.call(self.api.query_order(symbol=SYMBOL, orig_client_order_id="nobody"))
        equal(reply["error"]["code"], -2013, "a query of an unknown order")
        reply = self.call(self.api.new_order(symbol="NOSUCH", side="BUY", type="MARKET",
                                             quantity=Decimal(1)))
        equal(reply["error"]["code"], -1121, "an unknown symbol")
        forger = self.rest_with(self.venue["key"], "not-the-secret")
        self.refused(-1022, "a bad signature", forger.account_information_v3)
        stranger = self.rest_with("nobody", "nothing")
        self.refused(-2015, "an unknown key", stranger.account_information_v3)

    def ed25519(self):
        with open(self.venue["ed25519_pem_file"], encoding="utf-8") as file:
            pem = file.read()
        signer = self.rest_with(self.venue["ed25519_key"], pem=pem)
        rows = self.get(signer.futures_account_balance_v3())
        equal({row["asset"]: Decimal(row["balance"]) for row in rows}, self.balances(), "balances")

    def agreement(self):
        """Everything is flat: what the venue states follows from what it has told."""
        self.sums.agree(self.balances())
        account = self.get(self.rest.account_information_v3())
        equal(Decimal(account["totalWalletBalance"]), self.sums.expected()["USDT"], "account")
        for kind, ours in (("COMMISSION", -self.sums.fees["USDT"]),
                           ("REALIZED_PNL", sum(self.sums.told.values())),
                           ("FUNDING_FEE", self.sums.funding["USDT"])):
            rows = self.get(self.rest.get_income_history(income_type=kind, limit=1000))
            equal(sum(Decimal(row["income"]) for row in rows), ours, f"income of {kind}")
        equal([text for text in self.complaints.texts if not text.startswith(ALLOWED)], [],
              "what the client did not understand")
        return f"{self.sums.fills()} fills, {self.sums.payments()} payments of funding"

    def limits(self):
        """More than a minute's weight: refused with the time to wait."""
        answer = self.rest.check_server_time()
        used = [one for one in answer.rate_limits if one.rateLimitType == "REQUEST_WEIGHT"]
        check(used and 0 < used[0].count < 2400, f"weight used: {answer.rate_limits}")
        for _ in range(90):
            try:
                self.rest.get_income_history(limit=1)
            except self.errors.TooManyRequestsError as error:
                equal(error.status_code, -1003, "too many requests")
                return
        raise Failed("90 requests of weight 30 in a minute were taken")

    def steps(self):
        return [
            ("instruments, clock, fees, brackets, mark and funding", self.instruments),
            ("depth, bookTicker, partial depth, aggTrade and markPrice streams", self.streams),
            ("user stream and trading socket", self.listen),
            ("place, modify, query, cancel over socket and REST", self.place_modify_cancel),
            ("batch, post-only, cancel all, countdown to cancel", self.together),
            ("leverage, margin type, position mode", self.leverage),
            ("market order, fees, position, reduce-only", self.open_and_reduce),
            ("funding in events, income and rates", self.funding),
            ("position turned and closed", self.turn_and_close),
            ("isolated position, margin added", self.isolated),
            ("conditional orders", self.conditional),
            ("refusals: tick, lot, value, margin, post-only, unknown, signature", self.refusals),
            ("an Ed25519 key", self.ed25519),
            ("balance, profit, fees, funding by own sums", self.agreement),
            ("limit of weight", self.limits),
        ]


if __name__ == "__main__":
    session(NAME, "binance_usdm", Judge, __doc__)
