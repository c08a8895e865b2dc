"""What the two judges of Bybit have in common: pybit pointed to the simulator, its sockets, an order's
states, refusals.

The client is used as published: its addresses and its certificate authority are set, and a race
inside it is closed (see Patient).
"""

import logging
import time
from decimal import Decimal

from judge import WAIT_S, Failed, Inbox, Sums, check, equal, new_id, until

SYMBOL = "BTCUSDT"


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


class Bybit:
    """A session in one category."""

    category = None

    def __init__(self, config):
        logging.getLogger("pybit").setLevel(logging.CRITICAL)
        self.venue, self.ca = config["bybit"], config["ca"]
        import pybit._http_manager
        import pybit._websocket_trading
        import pybit.unified_trading as unified
        from pybit.exceptions import InvalidRequestError

        pybit._http_manager.HTTP_URL = self.venue["rest"]
        unified.PUBLIC_WSS = self.venue["public"].rstrip("/") + "/v5/public/" + self.category
        unified.PRIVATE_WSS = self.venue["private"]
        pybit._websocket_trading.TRADE_WSS = self.venue["trade"]
        self.unified, self.refusal = unified, InvalidRequestError
        self.rest = self.session(self.venue["secret"])
        self.sums = Sums("bybit")
        self.orders, self.executions = Inbox("order stream"), Inbox("execution stream", self.hear)
        self.wallets = Inbox("wallet stream")
        self.of = {"category": self.category, "symbol": SYMBOL}

    def hear(self, message):
        """Adds up what the account is told of this category."""
        for row in message["data"]:
            if row["category"] == self.category:
                self.add(row)

    def session(self, secret):
        session = self.unified.HTTP(api_key=self.venue["key"], api_secret=secret)
        session.client.verify = self.ca
        return session

    def socket(self, make, **arguments):
        socket = make(testnet=False, **arguments)
        socket.callback_directory = Patient(socket.callback_directory)
        if isinstance(socket.subscriptions, dict):
            socket.subscriptions = Patient(socket.subscriptions)
        return socket

    def private_socket(self, make=None, **arguments):
        keys = {"api_key": self.venue["key"], "api_secret": self.venue["secret"]}
        socket = self.socket(make or self.unified.WebSocket, private_auth_expire=10, **keys, **arguments)
        until(lambda: socket.auth, "login on a private socket")
        return socket

    def listen(self):
        private = self.private_socket(channel_type="private")
        private.order_stream(self.orders)
        private.execution_stream(self.executions)
        private.wallet_stream(self.wallets)
        self.private = private
        self.trade = self.private_socket(self.unified.WebSocketTrading)

    def over_socket(self, operation, **order):
        """The reply on the trade socket, refused or not."""
        replies = Inbox("trade socket")
        operation(replies, error_callback=replies, **self.of, **order)
        return replies.wait_for(lambda reply: True, "reply")

    def states(self, link):
        with self.orders.arrived:
            rows = [row for message in self.orders.messages for row in message["data"]]
        return [row for row in rows if row["orderLinkId"] == link and row["category"] == self.category]

    def state(self, link, *wanted):
        """The order's row once it is in one of these states."""
        def find():
            return next((row for row in self.states(link) if row["orderStatus"] in wanted), None)

        return self.orders.wait(find, f"{' or '.join(wanted)} of {link}")

    def coins(self):
        result = self.rest.get_wallet_balance(accountType="UNIFIED")["result"]["list"][0]
        return {row["coin"]: row for row in result["coin"]}

    def balances(self):
        return {coin: Decimal(row["walletBalance"]) for coin, row in self.coins().items()}

    def locked(self):
        return {coin: Decimal(row["locked"]) for coin, row in self.coins().items()}

    def best(self, side):
        book = self.rest.get_orderbook(**self.of, limit=1)["result"]
        return [Decimal(text) for text in book[side][0]]

    def refused(self, code, what, request):
        try:
            answer = request()
        except self.refusal as error:
            equal(error.status_code, code, f"{what} ({error.message})")
            return
        raise Failed(f"{what} was accepted: {answer}")

    def clear(self):
        self.rest.cancel_all_orders(**self.of)
        rows = self.rest.get_open_orders(**self.of)["result"]["list"]
        equal(rows, [], "open orders after cancel-all")

    def start(self):
        server = int(self.rest.get_server_time()["result"]["timeNano"]) / 1e9
        check(abs(server - time.time()) < 2, f"server time is {server - time.time():+.3f} s off")
        fees = self.rest.get_fee_rates(**self.of)["result"]["list"][0]
        self.taker_fee, self.maker_fee = Decimal(fees["takerFeeRate"]), Decimal(fees["makerFeeRate"])
        self.sums.start = self.balances()

    def pages(self, ask, **arguments):
        """All rows of a list that comes in pages."""
        rows, cursor = [], None
        while cursor is None or cursor:
            page = ask(**arguments, **({"cursor": cursor} if cursor else {}))["result"]
            rows += page["list"]
            cursor = page.get("nextPageCursor", "")
        return rows

    def books(self, public):
        """The book that the client keeps: numbers without a gap, sides in order."""
        books = Inbox("orderbook.50")
        public.orderbook_stream(50, SYMBOL, books)
        seen = books.wait(lambda: len(books.messages) >= 30 and list(books.messages), "30 messages")
        counters = [message["data"]["u"] for message in seen]
        equal(counters, list(range(counters[0], counters[0] + len(counters))), "u is contiguous")
        for message in seen:
            bids = sorted((Decimal(price) for price, _ in message["data"]["b"]), reverse=True)
            asks = sorted(Decimal(price) for price, _ in message["data"]["a"])
            check(0 < len(bids) <= 50 and 0 < len(asks) <= 50,
                  f"{len(bids)} bids and {len(asks)} asks at u {message['data']['u']}")
            check(bids[0] < asks[0], f"orderbook.50 is crossed: {bids[0]} >= {asks[0]}")
            check(len(set(bids)) == len(bids), "orderbook.50: a bid price is there twice")
        return f"{len(seen)} messages of the book"
