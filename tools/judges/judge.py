"""What the judges have in common: reading the simulator's line, waiting for messages, own sums.

Every judge is called as `NAME.py SIM [SUMS]`. SIM is the first line that `stoop sim --json` prints:
as a file, as `-` for standard input, or as the text itself:

    {"VENUE": {"rest": "https://..", "public": "wss://..", "trade": "wss://..", "private": "wss://..",
               "key": "..", "secret": ".."},
     "ca": "ca.pem"}

SUMS is a folder: there the judge leaves what it has added up from its own fills and payments, for
compare.py to compare with the simulator's ledger. Exit code 0 if every check holds or the simulator
has no such venue, 1 with the check that did not hold.
"""

import asyncio
import copy
import json
import os
import sys
import threading
import time
import uuid
from collections import defaultdict
from decimal import ROUND_DOWN, ROUND_UP, Decimal

WAIT_S = 15.0
# A session takes less than a minute; a client may wait for ever.
SESSION_S = 150.0
# `funding_every_s` of venues.toml.
FUNDING_S = 10


class Failed(Exception):
    """A check that does not hold."""


def check(holds, message):
    if not holds:
        raise Failed(message)


def equal(found, expected, what):
    check(found == expected, f"{what}: expected {expected!r}, found {found!r}")


def floor(value, increment):
    return (value / increment).to_integral_value(ROUND_DOWN) * increment


def ceiling(value, increment):
    return (value / increment).to_integral_value(ROUND_UP) * increment


def plain(value):
    return format(value.normalize(), "f")


def new_id():
    """A client id that every venue takes."""
    return "judge" + uuid.uuid4().hex[:20]


def read_config(argument):
    if argument.lstrip().startswith("{"):
        return json.loads(argument)
    if argument == "-":
        return json.loads(sys.stdin.readline())
    with open(argument, encoding="utf-8") as file:
        return json.loads(file.readline())


def until(find, what, seconds=WAIT_S, every=0.05):
    """The first true value of a question that is asked again and again."""
    deadline = time.monotonic() + seconds
    while True:
        found = find()
        if found:
            return found
        check(time.monotonic() < deadline, f"no {what} within {seconds:.0f} s")
        time.sleep(every)


class Inbox:
    """Messages of one subscription or socket in their order, waited for from the main thread."""

    def __init__(self, name, hear=None):
        self.name, self.hear = name, hear
        self.messages, self.arrived = [], threading.Condition()

    def __call__(self, message):
        # Some clients go on changing what they have handed out.
        message = json.loads(message) if isinstance(message, str) else copy.deepcopy(message)
        with self.arrived:
            if self.hear:
                self.hear(message)
            self.messages.append(message)
            self.arrived.notify_all()

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

    def find(self, matches):
        """The first message that matches, if there is one."""
        with self.arrived:
            return next((message for message in self.messages if matches(message)), None)

    def wait_for(self, matches, what, seconds=WAIT_S):
        return self.wait(lambda: self.find(matches), what, seconds)


class Loop:
    """A client whose sockets are of asyncio lives in a thread of its own."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(WAIT_S)


class Position:
    """A perpetual's position: quantity, and the money that opening and closing it has moved."""

    def __init__(self):
        self.qty, self.cash, self.settled = Decimal(0), Decimal(0), Decimal(0)


class Sums:
    """What follows from an account's own fills and payments, and from nothing else.

    Profit of a perpetual is added up when its position is flat, where it does not depend on how a
    venue shares costs between the parts of a position.
    """

    def __init__(self, venue):
        self.venue, self.seen = venue, set()
        self.start, self.changes = {}, defaultdict(Decimal)
        self.fees, self.funding = defaultdict(Decimal), defaultdict(Decimal)
        self.spot, self.perpetuals = defaultdict(Decimal), defaultdict(Position)
        self.told = defaultdict(Decimal)
        self.lock = threading.RLock()

    def is_new(self, ident):
        """Whether a fill or payment has not been told before."""
        fresh = ident not in self.seen
        self.seen.add(ident)
        return fresh

    def fee(self, asset, amount):
        self.fees[asset] += amount
        self.changes[asset] -= amount

    def on_spot(self, ident, symbol, assets, buys, qty, price, fee, fee_asset):
        """A fill on a spot market; `assets` are its base and what it is paid in."""
        with self.lock:
            if not self.is_new(("fill", symbol, ident)):
                return
            base, quote = assets
            sign = 1 if buys else -1
            self.changes[base] += sign * qty
            self.changes[quote] -= sign * qty * price
            self.spot[symbol] += sign * qty - (fee if fee_asset == base else 0)
            self.fee(fee_asset, fee)

    def on_perpetual(self, ident, symbol, settle, buys, qty, price, fee, told=None):
        """A fill of a perpetual, quantity in base units; `told` is the profit that the venue tells."""
        with self.lock:
            if not self.is_new(("fill", symbol, ident)):
                return
            position = self.perpetuals[symbol]
            sign = 1 if buys else -1
            position.qty += sign * qty
            position.cash -= sign * qty * price
            if position.qty == 0:
                self.changes[settle] += position.cash
                position.settled += position.cash
                position.cash = Decimal(0)
            self.told[symbol] += told or 0
            self.fee(settle, fee)

    def on_funding(self, ident, symbol, asset, amount):
        """A payment, received positive."""
        with self.lock:
            if self.is_new(("funding", symbol, ident)):
                self.funding[asset] += amount
                self.changes[asset] += amount

    def qty(self, symbol):
        with self.lock:
            return self.perpetuals[symbol].qty

    def fills(self):
        with self.lock:
            return sum(1 for ident in self.seen if ident[0] == "fill")

    def payments(self):
        with self.lock:
            return sum(1 for ident in self.seen if ident[0] == "funding")

    def expected(self):
        """Balances that these sums lead to."""
        with self.lock:
            assets = set(self.start) | set(self.changes)
            return {one: self.start.get(one, Decimal(0)) + self.changes[one] for one in assets}

    def agree(self, balances):
        """Balances that the venue states are those of the sums; every position is flat."""
        for symbol, position in self.perpetuals.items():
            equal(position.qty, Decimal(0), f"position in {symbol} at the end")
            equal(self.told[symbol], position.settled, f"profit in {symbol} as told, fill by fill")
        for asset, expected in self.expected().items():
            equal(balances.get(asset, Decimal(0)), expected, f"balance of {asset} by our own sums")

    def write(self, folder, name):
        def texts(amounts):
            return {key: str(value) for key, value in sorted(amounts.items())}

        settled = {symbol: position.settled for symbol, position in self.perpetuals.items()}
        found = {
            "venue": self.venue, "start": texts(self.start), "changes": texts(self.changes),
            "fees": texts(self.fees), "funding": texts(self.funding), "spot": texts(self.spot),
            "realised": texts(settled), "fills": self.fills(),
        }
        with open(os.path.join(folder, f"{name}.json"), "w", encoding="utf-8") as file:
            json.dump(found, file)


def session(name, venue, make, documentation):
    """Runs a judge: `make` takes the whole configuration and gives an object with `venue_name`,
    `steps()`, and `sums` if it keeps any. Ends the process."""
    if len(sys.argv) not in (2, 3):
        sys.exit(documentation)
    outcome = []

    def hold():
        try:
            outcome.append(judged(name, venue, make))
        except Failed as failure:
            say(name, f"FAILED: {failure}")
        except Exception as error:  # whatever a client raises is a verdict too
            place = error.__traceback__
            while place.tb_next:
                place = place.tb_next
            where = f"{os.path.basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}"
            say(name, f"FAILED: {type(error).__name__}: {error} ({where})")
            if os.environ.get("STOOP_JUDGES_TRACE"):
                import traceback

                traceback.print_exc()
        if not outcome:
            outcome.append(1)

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    thread.join(SESSION_S)
    if not outcome:
        say(name, f"FAILED: not done after {SESSION_S:.0f} s")
        outcome.append(1)
    # Threads of the client may still wait for something.
    sys.stdout.flush()
    os._exit(outcome[0])


def judged(name, venue, make):
    config = read_config(sys.argv[1])
    if venue not in config:
        say(name, f"skipped: the simulator has no {venue}")
        return 0
    # The layers below the clients read these when they are loaded, or when they connect.
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "WEBSOCKET_CLIENT_CA_BUNDLE"):
        os.environ[variable] = config["ca"]
    judge = make(config)
    steps = judge.steps()
    for what, act in steps:
        note = act()
        say(name, what + (f" ({note})" if note else ""))
    sums = getattr(judge, "sums", None)
    if sums and len(sys.argv) == 3:
        sums.write(sys.argv[2], name)
    say(name, f"all {len(steps)} checks hold")
    return 0


def say(name, text):
    print(f"{name}: {text}", flush=True)
