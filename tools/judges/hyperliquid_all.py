#!/usr/bin/env python3
"""Judges the simulated Hyperliquid, perpetuals and spot, with the venue's own client,
hyperliquid-python-sdk. Arguments: see judge.py.

Faults of the client that this script allows for:
- it signs for the testnet at every address but the mainnet's own, so the simulator takes both;
- it places orders over HTTP only and drops replies to what was posted over its socket: these are
  picked up before it sees them.
"""

import json
import time
from decimal import Decimal

from judge import FUNDING_S, WAIT_S, Inbox, Sums, check, equal, floor, session, until

NAME = "hyperliquid"
PERP, SPOT = "BTC", "HYPE/USDC"
# The two wallets of dollars as the ledger names them.
DOLLARS, SPOT_DOLLARS = "USDC", "USDC:spot"


class Judge:
    def __init__(self, config):
        from eth_account import Account
        from hyperliquid.exchange import Exchange
        from hyperliquid.info import Info
        from hyperliquid.utils import error, signing, types

        venue = config["hyperliquid"]
        self.account_class, self.exchange_class = Account, Exchange
        self.signing, self.cloid, self.refusal = signing, types.Cloid, error.ClientError
        self.url, self.user = venue["rest"], venue["address"]
        self.wallet = Account.from_key(venue["private_key"])
        self.info = Info(self.url, timeout=WAIT_S)
        self.exchange = Exchange(self.wallet, self.url, timeout=WAIT_S)
        self.sums = Sums("hyperliquid")
        self.spot_coin = self.info.name_to_coin[SPOT]
        self.events, self.orders = Inbox("userEvents", self.hear), Inbox("orderUpdates")
        self.fills, self.fundings = Inbox("userFills"), Inbox("userFundings")
        self.posts, self.next_cloid = Inbox("post"), int(time.time() * 1000)

    def hear(self, message):
        """Adds up what the account is told."""
        data = message["data"]
        for fill in data.get("fills", []):
            qty, price, fee = (Decimal(fill[k]) for k in ("sz", "px", "fee"))
            ident, buys = (fill["time"], fill["tid"], fill["oid"]), fill["side"] == "B"
            if fill["coin"] == PERP:
                self.sums.on_perpetual(ident, PERP, DOLLARS, buys, qty, price, fee,
                                       Decimal(fill["closedPnl"]))
            else:
                asset = SPOT_DOLLARS if fill["feeToken"] == "USDC" else fill["feeToken"]
                self.sums.on_spot(ident, fill["coin"], ("HYPE", SPOT_DOLLARS), buys, qty, price, fee,
                                  asset)
        if "funding" in data:
            paid = data["funding"]
            self.sums.on_funding(paid["time"], paid["coin"], DOLLARS, Decimal(paid["usdc"]))

    def new_cloid(self):
        self.next_cloid += 1
        return self.cloid.from_int(self.next_cloid)

    def status(self, answer):
        """The first row of an answer to an action."""
        equal(answer["status"], "ok", f"action: {answer}")
        return answer["response"]["data"]["statuses"][0]

    def update(self, what, status, **members):
        """The first update of an order in this state."""
        def find():
            return next((row for message in self.orders.messages for row in message["data"]
                         if row["status"] == status
                         and all(row["order"].get(k) == v for k, v in members.items())), None)

        return self.orders.wait(find, what)

    # What the venue says about instruments and the account.

    def instruments(self):
        meta, contexts = self.info.meta_and_asset_ctxs()
        index = next(i for i, row in enumerate(meta["universe"]) if row["name"] == PERP)
        equal(meta["universe"][index]["szDecimals"], 5, "decimals of sizes")
        check(Decimal(contexts[index]["oraclePx"]) > 0, f"context: {contexts[index]}")
        spot, spot_contexts = self.info.spot_meta_and_asset_ctxs()
        names = {row["name"] for row in spot["universe"]}
        check(self.spot_coin in names, f"{self.spot_coin} is not in {names}")
        check(self.spot_coin in {row["coin"] for row in spot_contexts}, "contexts of spot")
        mids = self.info.all_mids()
        check(Decimal(mids[PERP]) > 0 and Decimal(mids[self.spot_coin]) > 0, f"mids: {mids}")
        fees = self.info.user_fees(self.user)
        self.taker, self.spot_taker = (Decimal(fees[k]) for k in ("userCrossRate", "userSpotCrossRate"))
        equal(self.info.user_role(self.user), {"role": "user"}, "role")
        self.used = self.info.user_rate_limit(self.user)["nRequestsUsed"]
        self.sums.start = self.balances()
        equal(self.info.user_state(self.user)["assetPositions"], [], "positions at the start")

    def balances(self):
        """Of both wallets; perpetuals' is the account's value without open profit."""
        state = self.info.user_state(self.user)
        open_profit = sum(Decimal(row["position"]["unrealizedPnl"]) for row in state["assetPositions"])
        rows = self.info.spot_user_state(self.user)["balances"]
        found = {row["coin"]: Decimal(row["total"]) for row in rows}
        found[SPOT_DOLLARS] = found.pop("USDC")
        found[DOLLARS] = Decimal(state["marginSummary"]["accountValue"]) - open_profit
        return found

    # Streams.

    def streams(self):
        inboxes = {}
        for kind in ("bbo", "l2Book", "trades", "activeAssetCtx"):
            inboxes[kind] = Inbox(kind)
            self.info.subscribe({"type": kind, "coin": PERP}, inboxes[kind])
        inboxes["spot"], inboxes["mids"] = Inbox("bbo of spot"), Inbox("allMids")
        self.info.subscribe({"type": "bbo", "coin": SPOT}, inboxes["spot"])
        self.info.subscribe({"type": "allMids"}, inboxes["mids"])
        books = inboxes["l2Book"]
        books.wait(lambda: len(books.messages) >= 4, "4 books")
        inboxes["bbo"].wait(lambda: len(inboxes["bbo"].messages) >= 10, "10 best prices")
        best = {m["data"]["time"]: m["data"]["bbo"] for m in inboxes["bbo"].messages}
        times, same = [], 0
        for message in books.messages:
            bids, asks = message["data"]["levels"]
            equal((len(bids), len(asks)), (20, 20), "levels")
            prices = [Decimal(row["px"]) for row in reversed(bids)] + [Decimal(row["px"]) for row in asks]
            equal(prices, sorted(set(prices)), "prices of a book")
            times.append(message["data"]["time"])
            # Two changes may have the same time, which is all that orders these messages.
            same += [bids[0], asks[0]] == best.get(times[-1])
        equal(times, sorted(times), "times of books")
        trades = inboxes["trades"].wait_for(lambda m: m["data"], "trade")["data"]
        check(trades[0]["side"] in ("A", "B") and len(trades[0]["users"]) == 2, f"trade: {trades[0]}")
        context = inboxes["activeAssetCtx"].wait_for(lambda m: True, "context")["data"]["ctx"]
        check(Decimal(context["markPx"]) > 0 and "funding" in context, f"context: {context}")
        inboxes["mids"].wait_for(lambda m: PERP in m["data"]["mids"], "middle prices")
        inboxes["spot"].wait_for(lambda m: m["data"]["coin"] == self.spot_coin, "best prices of spot")
        return f"{len(times)} books, {same} with the best prices of a bbo"

    def listen(self):
        self.info.subscribe({"type": "orderUpdates", "user": self.user}, self.orders)
        self.info.subscribe({"type": "userEvents", "user": self.user}, self.events)
        self.info.subscribe({"type": "userFills", "user": self.user}, self.fills)
        self.info.subscribe({"type": "userFundings", "user": self.user}, self.fundings)
        self.fills.wait_for(lambda m: m["data"]["isSnapshot"], "snapshot of fills")
        self.fundings.wait_for(lambda m: m["data"]["isSnapshot"], "snapshot of payments")
        manager = self.info.ws_manager
        original = manager.on_message

        def on_message(socket, text):
            message = json.loads(text)
            if message["channel"] == "post":
                return self.posts(message)
            return original(socket, text)

        manager.ws.on_message = on_message

    def post(self, action, wallet=None, nonce=None, **more):
        """An action over the socket, signed by the client; gives what stands in the reply."""
        nonce = nonce or self.signing.get_timestamp_ms()
        signature = self.signing.sign_l1_action(
            wallet or self.wallet, action, None, nonce, more.get("expiresAfter"), False)
        payload = {"action": action, "nonce": nonce, "signature": signature, "vaultAddress": None, **more}
        self.next_cloid += 1
        request = {"type": "action", "payload": payload}
        number = self.next_cloid
        self.info.ws_manager.ws.send(json.dumps({"method": "post", "id": number, "request": request}))
        reply = self.posts.wait_for(lambda m: m["data"]["id"] == number, "reply to a post")
        equal(reply["data"]["response"]["type"], "action", f"reply: {reply}")
        return reply["data"]["response"]["payload"]

    def best(self, side, coin=PERP):
        return Decimal(self.info.l2_snapshot(coin)["levels"][0 if side == "bids" else 1][0]["px"])

    def resting(self):
        return floor(self.best("bids") * Decimal("0.97"), Decimal(1))

    # Orders.

    def place_modify_cancel(self):
        price, cloid = self.resting(), self.new_cloid()
        row = self.status(self.exchange.order(
            PERP, True, 0.01, float(price), {"limit": {"tif": "Alo"}}, cloid=cloid))
        number = row["resting"]["oid"]
        equal(row["resting"]["cloid"], cloid.to_raw(), "cloid in the reply")
        told = self.update("open order", "open", oid=number)["order"]
        equal((told["cloid"], Decimal(told["limitPx"]), told["origSz"]),
              (cloid.to_raw(), price, "0.01"), "order in an update")
        found = self.info.query_order_by_cloid(self.user, cloid)
        equal((found["order"]["order"]["oid"], found["order"]["status"]), (number, "open"), "by cloid")
        equal(self.info.query_order_by_oid(self.user, number)["order"], found["order"], "by oid")
        rows = self.info.frontend_open_orders(self.user)
        equal([(row["oid"], row["tif"]) for row in rows], [(number, "Alo")], "frontendOpenOrders")
        equal([row["oid"] for row in self.info.open_orders(self.user)], [number], "openOrders")
        row = self.status(self.exchange.modify_order(
            number, PERP, True, 0.02, float(price - 1), {"limit": {"tif": "Alo"}}, cloid=cloid))
        changed = row["resting"]["oid"]
        check(changed != number, "a changed order has a new number")
        self.update("end of the old order", "canceled", oid=number)
        self.update("the new order", "open", oid=changed, cloid=cloid.to_raw())
        self.exchange.cancel_by_cloid(PERP, cloid)
        told = self.update("cancelled order", "canceled", oid=changed)["order"]
        equal(told["sz"], "0.02", "what was left of a cancelled order")
        gone = self.status(self.exchange.cancel(PERP, changed))
        equal(gone, {"error": "Order was never placed, already canceled, or filled."}, "a second cancel")
        equal(self.info.query_order_by_oid(self.user, 1)["status"], "unknownOid", "unknown order")

    def over_the_socket(self):
        price, cloid = self.resting(), self.new_cloid()
        wire = self.signing.order_request_to_order_wire(
            {"coin": PERP, "is_buy": True, "sz": 0.01, "limit_px": float(price),
             "order_type": {"limit": {"tif": "Gtc"}}, "reduce_only": False, "cloid": cloid},
            self.info.name_to_asset(PERP))
        action = self.signing.order_wires_to_order_action([wire])
        nonce = self.signing.get_timestamp_ms()
        number = self.status(self.post(action, nonce=nonce))["resting"]["oid"]
        again = self.post(action, nonce=nonce)
        equal(again, {"status": "err", "response": f"Invalid nonce: duplicate nonce {nonce}"}, "a nonce")
        late = self.post(action, expiresAfter=nonce - 60_000)
        equal(late["status"], "err", f"an action too late: {late}")
        cancel = {"type": "cancel", "cancels": [{"a": self.info.name_to_asset(PERP), "o": number}]}
        equal(self.status(self.post(cancel)), "success", "cancel over the socket")
        self.update("its cancel", "canceled", oid=number)

    def together(self):
        price = float(self.resting())
        order = {"coin": PERP, "is_buy": True, "sz": 0.01, "order_type": {"limit": {"tif": "Alo"}},
                 "reduce_only": False}
        answer = self.exchange.bulk_orders([{**order, "limit_px": price}, {**order, "limit_px": price - 1},
                                            {**order, "limit_px": price, "sz": 0.0001}])
        rows = answer["response"]["data"]["statuses"]
        equal(rows[2], {"error": "Order must have minimum value of $10."}, "the third of a batch")
        numbers = [row["resting"]["oid"] for row in rows[:2]]
        answer = self.exchange.bulk_cancel([{"coin": PERP, "oid": number} for number in numbers])
        equal(answer["response"]["data"]["statuses"], ["success", "success"], "cancel of a batch")
        number = self.status(self.exchange.bulk_orders([{**order, "limit_px": price}]))["resting"]["oid"]
        now = self.signing.get_timestamp_ms
        self.exchange.schedule_cancel(now() + 60_000)
        equal(self.exchange.schedule_cancel(now() + 1_000)["status"], "err", "a schedule too soon")
        equal(self.exchange.schedule_cancel(None)["status"], "ok", "no schedule")
        started = time.monotonic()
        equal(self.exchange.schedule_cancel(now() + 5_500)["status"], "ok", "a schedule")
        self.update("cancel by schedule", "scheduledCancel", oid=number)
        check(time.monotonic() - started > 4.5, "the scheduled cancel came early")

    # Positions.

    def open_and_reduce(self):
        equal(self.exchange.update_leverage(10, PERP)["status"], "ok", "leverage")
        equal(self.exchange.update_leverage(41, PERP),
              {"status": "err", "response": "Invalid leverage value"}, "too high a leverage")
        cloid = self.new_cloid()
        row = self.status(self.exchange.market_open(PERP, True, 0.3, cloid=cloid))["filled"]
        equal(row["totalSz"], "0.3", "market order")
        self.update("filled order", "filled", cloid=cloid.to_raw())
        self.events.wait(lambda: self.sums.qty(PERP) == Decimal("0.3"), "fills")
        mine = [fill for fill in self.info.user_fills(self.user) if fill.get("cloid") == cloid.to_raw()]
        value = sum(Decimal(one["sz"]) * Decimal(one["px"]) for one in mine)
        for fill in mine:
            exact = Decimal(fill["sz"]) * Decimal(fill["px"]) * self.taker
            check(abs(Decimal(fill["fee"]) - exact) <= Decimal("1e-6"), f"fee of {fill}: not {exact}")
            equal((fill["dir"], fill["crossed"]), ("Open Long", True), "direction")
        position = self.info.user_state(self.user)["assetPositions"][0]["position"]
        equal((position["szi"], position["leverage"]), ("0.3", {"type": "cross", "value": 10}), "position")
        entry = value / Decimal("0.3")
        check(abs(Decimal(position["entryPx"]) - entry) < Decimal("1e-7"), f"entry of {position}")
        check(abs(Decimal(position["marginUsed"]) - Decimal(position["positionValue"]) / 10)
              < Decimal("1e-5"), f"margin of {position} at leverage 10")
        wrong = self.status(self.exchange.order(
            PERP, True, 0.1, float(floor(self.best("asks") * Decimal("1.01"), Decimal(1))),
            {"limit": {"tif": "Ioc"}}, reduce_only=True))
        equal(wrong, {"error": "Reduce only order would increase position."}, "reduce-only that adds")
        row = self.status(self.exchange.market_close(PERP, 0.1))
        equal(row["filled"]["totalSz"], "0.1", "a part closed")
        self.events.wait(lambda: self.sums.qty(PERP) == Decimal("0.2"), "reduced position")

    def funding(self):
        before = self.sums.payments()
        self.events.wait(lambda: self.sums.payments() >= before + 2, "two payments of funding",
                         2 * FUNDING_S + 5)
        # One may come between two of them: then all are read again.
        for _ in range(20):
            streamed = {(row["time"], row["coin"]): row["usdc"]
                        for message in self.fundings.messages for row in message["data"]["fundings"]}
            rows = self.info.user_funding_history(self.user, 0)
            position = self.info.user_state(self.user)["assetPositions"][0]["position"]
            with self.sums.lock:
                told = self.sums.funding[DOLLARS]
            of_history = sum(Decimal(row["delta"]["usdc"]) for row in rows)
            if len(rows) == len(streamed) and of_history == told == -Decimal(position["cumFunding"]["allTime"]):
                break
            time.sleep(0.2)
        equal(of_history, told, "funding by history and by events")
        equal({(row["time"], row["delta"]["coin"]): row["delta"]["usdc"] for row in rows}, streamed,
              "payments in the history and on the stream")
        rates = {row["time"]: row["fundingRate"] for row in self.info.funding_history(PERP, 0)}
        for row in rows:
            equal(Decimal(row["delta"]["fundingRate"]), Decimal(rates[row["time"]]), "rate of a payment")
        gaps = {b - a for a, b in zip(sorted(rates), sorted(rates)[1:])}
        equal(gaps, {FUNDING_S * 1000}, "time between payments")
        equal(Decimal(position["cumFunding"]["allTime"]), -told, "cumFunding")
        return f"{len(rows)} payments"

    def turn_and_close(self):
        """A sale of more than there is turns the position; the client closes it."""
        equal(self.status(self.exchange.market_open(PERP, False, 0.5))["filled"]["totalSz"], "0.5", "turn")
        self.events.wait(lambda: self.sums.qty(PERP) == Decimal("-0.3"), "turned position")
        self.exchange.market_close(PERP)
        self.events.wait(lambda: self.sums.qty(PERP) == 0, "closed position")
        equal(self.info.user_state(self.user)["assetPositions"], [], "positions")

    def isolated(self):
        equal(self.exchange.update_leverage(5, PERP, is_cross=False)["status"], "ok", "isolated")
        self.exchange.market_open(PERP, False, 0.05)
        self.events.wait(lambda: self.sums.qty(PERP) == Decimal("-0.05"), "isolated position")
        before = self.info.user_state(self.user)["assetPositions"][0]["position"]
        equal(before["leverage"]["type"], "isolated", "leverage")
        equal(self.exchange.update_isolated_margin(50, PERP)["status"], "ok", "margin added")
        after = self.info.user_state(self.user)["assetPositions"][0]["position"]
        moved = Decimal(after["leverage"]["rawUsd"]) - Decimal(before["leverage"]["rawUsd"])
        check(abs(moved - 50) < 1, f"margin moved by {moved}")
        self.exchange.market_close(PERP)
        self.events.wait(lambda: self.sums.qty(PERP) == 0, "closed isolated position")
        equal(self.exchange.update_leverage(10, PERP)["status"], "ok", "cross again")

    def spot(self):
        before = self.balances()
        row = self.status(self.exchange.market_open(SPOT, True, 20.0))["filled"]
        equal(row["totalSz"], "20.0", "spot bought")
        cloid = self.new_cloid()
        ask = self.best("asks", SPOT)
        resting = self.status(self.exchange.order(
            SPOT, True, 5.0, float(floor(ask * Decimal("0.97"), Decimal("0.001"))),
            {"limit": {"tif": "Gtc"}}, cloid=cloid))["resting"]["oid"]
        hold = {row["coin"]: Decimal(row["hold"]) for row in self.info.spot_user_state(self.user)["balances"]}
        check(hold["USDC"] > 0, f"held by an open order: {hold}")
        equal(self.status(self.exchange.cancel(SPOT, resting)), "success", "cancel on spot")
        self.status(self.exchange.market_open(SPOT, False, 7.5))
        self.events.wait(lambda: self.sums.spot[self.spot_coin] > 12, "fills on spot")
        until(lambda: self.balances()["HYPE"] == self.sums.expected()["HYPE"], "balance of HYPE")
        fills = [fill for fill in self.info.user_fills(self.user) if fill["coin"] == self.spot_coin]
        equal({fill["feeToken"] for fill in fills if fill["side"] == "B"}, {"HYPE"}, "fee of a buy")
        equal({fill["feeToken"] for fill in fills if fill["side"] == "A"}, {"USDC"}, "fee of a sale")
        gained = self.balances()["HYPE"] - before["HYPE"]
        fees = sum(Decimal(one["fee"]) for one in fills if one["side"] == "B")
        equal(gained, Decimal("12.5") - fees, "HYPE gained")
        poor = self.status(self.exchange.order(
            SPOT, False, 1_000_000.0, float(ask), {"limit": {"tif": "Gtc"}}))
        equal(poor, {"error": "Insufficient spot balance"}, "more than there is")

    def transfer(self):
        equal(self.exchange.usd_class_transfer(125.5, True)["status"], "ok", "to perpetuals")
        with self.sums.lock:
            self.sums.changes[DOLLARS] += Decimal("125.5")
            self.sums.changes[SPOT_DOLLARS] -= Decimal("125.5")
        equal(self.balances()[DOLLARS], self.sums.expected()[DOLLARS], "after the transfer")

    def agent(self):
        answer, key = self.exchange.approve_agent("judge")
        equal(answer["status"], "ok", "approval")
        wallet = self.account_class.from_key(key)
        agents = [(row["name"], row["address"]) for row in self.info.extra_agents(self.user)]
        equal(agents, [("judge", wallet.address.lower())], "extraAgents")
        trader = self.exchange_class(wallet, self.url, account_address=self.user, timeout=WAIT_S)
        row = self.status(trader.order(PERP, True, 0.01, float(self.resting()), {"limit": {"tif": "Alo"}}))
        self.update("order of the agent", "open", oid=row["resting"]["oid"])
        equal(self.status(trader.cancel(PERP, row["resting"]["oid"])), "success", "its cancel")
        equal(trader.usd_class_transfer(1, True)["status"], "err", "an agent moves no funds")
        stranger = self.exchange_class(self.account_class.create(), self.url, timeout=WAIT_S)
        # Which address is named depends on the network that the signature is taken to be for.
        text = stranger.cancel(PERP, 1)["response"]
        check(text.startswith("User or API Wallet 0x") and text.endswith(" does not exist."), text)

    def refusals(self):
        price = self.resting()
        gtc = {"limit": {"tif": "Gtc"}}
        crossing = float(floor(self.best("asks") * Decimal("1.01"), Decimal(1)))
        for text, what, order in (
            ("Price must be divisible by tick size.", "a price off the tick",
             (0.01, float(price) + 0.5, gtc)),
            ("Order has invalid size.", "a size off the lot", (0.010001, float(price), gtc)),
            ("Order must have minimum value of $10.", "a value below the least",
             (0.0001, float(price), gtc)),
            ("Insufficient margin to place order.", "more than the margin bears",
             (2_000.0, float(price), gtc)),
            ("Order price too far from oracle", "a price far away", (0.01, 1000.0, gtc)),
            ("Order could not immediately match against any resting orders.", "nothing to take",
             (0.01, float(price), {"limit": {"tif": "Ioc"}})),
        ):
            size, at, kind = order
            equal(self.status(self.exchange.order(PERP, True, size, at, kind)), {"error": text}, what)
        row = self.status(self.exchange.order(PERP, True, 0.01, crossing, {"limit": {"tif": "Alo"}}))
        check(row.get("error", "").startswith(
            "Post only order would have immediately matched, bbo was"), f"post-only: {row}")
        for status in ("tickRejected", "minTradeNtlRejected", "perpMarginRejected", "oracleRejected",
                       "iocCancelRejected", "badAloPxRejected"):
            self.update(f"an order that was {status}", status)
        try:
            self.info.post("/info", {"type": "nonsense"})
        except self.refusal as error:
            equal(error.status_code, 422, "an unknown question")
        else:
            check(False, "an unknown question was answered")

    def agreement(self):
        """Everything is flat: what the venue states follows from what it has told."""
        self.sums.agree(self.balances())
        fills = {(fill["tid"], fill["oid"]): fill for fill in self.info.user_fills(self.user)}
        equal(len(fills), self.sums.fills(), "fills in the history and in events")
        streamed = {(fill["tid"], fill["oid"]): fill
                    for message in self.fills.messages for fill in message["data"]["fills"]}
        equal(streamed, fills, "fills on the stream and in the history")
        equal(self.info.open_orders(self.user), [], "open orders")
        used = self.info.user_rate_limit(self.user)["nRequestsUsed"] - self.used
        check(used > 30, f"actions counted: {used}")
        states = {row["status"] for row in self.info.historical_orders(self.user)}
        check({"filled", "canceled", "scheduledCancel", "tickRejected"} <= states, f"states: {states}")
        return f"{self.sums.fills()} fills, {self.sums.payments()} payments of funding"

    def limits(self):
        """More than a minute's weight of questions, which is far above the venue's own here."""
        for count in range(2_000):
            try:
                self.info.user_role(self.user)
            except self.refusal as error:
                equal(error.status_code, 429, f"after {count} questions")
                return f"after {count} questions"
        return check(False, "2000 questions of weight 60 in a minute were taken")

    def steps(self):
        return [
            ("instruments of both kinds, fees, role", self.instruments),
            ("bbo, l2Book, trades, activeAssetCtx, allMids", self.streams),
            ("order updates, user events, fills, fundings", self.listen),
            ("place, query, modify, cancel by number and cloid", self.place_modify_cancel),
            ("actions over the socket, duplicate nonce, expiry", self.over_the_socket),
            ("batches, scheduled cancel", self.together),
            ("leverage, market order, fees, position, reduce-only", self.open_and_reduce),
            ("funding in events, history and rates", self.funding),
            ("position turned and closed", self.turn_and_close),
            ("isolated position, margin added", self.isolated),
            ("spot: market orders, hold, fees in either token, balance", self.spot),
            ("transfer between wallets", self.transfer),
            ("agent approved, trades, moves no funds; a stranger", self.agent),
            ("refusals: tick, size, value, margin, oracle, post-only, nothing to take", self.refusals),
            ("balances, profit, fees, funding by own sums", self.agreement),
            ("limit of weight", self.limits),
        ]


if __name__ == "__main__":
    session(NAME, "hyperliquid", Judge, __doc__)
