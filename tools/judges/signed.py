#!/usr/bin/env python3
"""What the venues' own clients sign, with time, numbers and ids fixed, against the golden files that
the connectors are tested with (`tests/fixtures/*/*client_signed.json`).

    signed.py [--write]

Makes the requests anew and fails if one differs from its file; with --write it writes the files. What
a row holds is what was signed (`text`) and its signature:

- binance: orders on the socket as the client writes them, whole: the names and values of all members
  and the signature. Over REST the client signs members in the order in which they are given: they are
  given in ours. The logon is signed with an Ed25519 key.
- binance perpetuals: the same; the client writes numbers as texts, which signs the same.
- bybit: the login whole; over REST the client's signature of our query or body, as it sorts its own
  queries and writes spaces into its own bodies.
- okx: the login, but that the time is a number at the client; over REST a query whole, and the client's
  signature of our body, as it writes spaces into its own.
- hyperliquid: the whole action, member by member in the order that is hashed, and its signature for the
  test network, which the client pads with no zeros: they are filled up here.
"""

import asyncio
import json
import os
import sys
from decimal import Decimal
from urllib.parse import urlencode

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "fixtures")
# Key and secret of Binance's documentation; the key of its Ed25519 samples is the bytes 0 to 31.
KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
PEM = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f
-----END PRIVATE KEY-----
"""
BINANCE_MS, OTHERS_MS, HYPERLIQUID_MS = 1_795_161_256_000, 1_700_000_000_000, 1_785_000_000_000
OURS = "st0cb0a1b214000001"


def row(name, text, signature):
    return {"name": name, "text": text, "signature": signature}


def of_params(name, params):
    """A row of the members of a Binance request."""
    signature = params.pop("signature")
    return row(name, urlencode(params), signature)


def binance_spot():
    import binance.api
    import binance.lib.utils as utils
    from binance.lib.authentication import ed25519_signature
    from binance.spot import Spot
    from binance.websocket.spot.websocket_api import SpotWebsocketAPIClient

    utils.get_timestamp = binance.api.get_timestamp = lambda: BINANCE_MS
    sent = []
    client = SpotWebsocketAPIClient.__new__(SpotWebsocketAPIClient)
    client.api_key, client.api_secret, client.send = KEY, SECRET, sent.append
    common = {"newClientOrderId": OURS, "newOrderRespType": "ACK", "quantity": "0.007"}
    rows = []

    def socket(name, send, *arguments, **more):
        send("BTCUSDT", *arguments, **more)
        rows.append(of_params(name, dict(sent[-1]["params"])))

    limit = {**common, "price": "61837.63"}
    for tif in ("IOC", "GTC", "FOK"):
        socket(f"socket {tif}", client.new_order, "BUY", "LIMIT", timeInForce=tif, **limit)
    socket("socket market", client.new_order, "BUY", "MARKET", **common)
    socket("socket maker", client.new_order, "SELL", "LIMIT_MAKER", **limit)
    socket("socket cancel", client.cancel_order, orderId=12569099453)
    socket("socket cancel ours", client.cancel_order, origClientOrderId=OURS)
    rest = Spot(KEY, SECRET)
    rest.send_request = lambda method, path, payload: sent.append(payload)

    def query(name, method, path, payload):
        rest.sign_request(method, path, dict(sorted({**payload, "timestamp": 0}.items())))
        rows.append(of_params(name, dict(sent[-1])))

    placed = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "IOC", **limit}
    query("rest IOC", "POST", "/api/v3/order", placed)
    query("rest cancel", "DELETE", "/api/v3/order", {"symbol": "BTCUSDT", "orderId": 12569099453})
    query("rest balances", "GET", "/api/v3/account", {})
    text = f"apiKey={KEY}&timestamp={BINANCE_MS}"
    rows.append(row("logon", text, ed25519_signature(PEM, text).decode()))
    return rows


def binance_usdm():
    from binance_common import configuration, utils, websocket
    from binance_sdk_derivatives_trading_usds_futures.websocket_api import (
        DerivativesTradingUsdsFuturesWebSocketAPI as Api,
    )

    utils.get_timestamp = websocket.get_timestamp = lambda: BINANCE_MS
    config = configuration.ConfigurationWebSocketAPI(api_key=KEY, api_secret=SECRET)
    rows, sent = [], []

    class Sent(Exception):
        """The frame is known: nothing is awaited."""

    async def send(self, payload, connection):
        sent.append(payload)
        raise Sent

    class Open:
        reconnect, is_session_log_on = False, False

    websocket.WebSocketCommon.send_message = send
    api = Api(config)
    api.connections = [Open()]

    def socket(name, make, **more):
        try:
            asyncio.run(make(symbol="BTCUSDT", **more))
        except Sent:
            rows.append(of_params(name, dict(sent[-1]["params"])))

    common = {"position_side": "BOTH", "new_client_order_id": OURS, "new_order_resp_type": "ACK",
              "quantity": Decimal("0.1")}
    limit = {"type": "LIMIT", "price": Decimal("43187"), **common}
    socket("socket GTC", api.new_order, side="BUY", time_in_force="GTC", **limit)
    socket("socket maker", api.new_order, side="SELL", time_in_force="GTX", **limit)
    socket("socket FOK", api.new_order, side="BUY", time_in_force="FOK", reduce_only="true", **limit)
    socket("socket market", api.new_order, side="BUY", type="MARKET", **common)
    socket("socket cancel", api.cancel_order, order_id=325078477)
    socket("socket modify", api.modify_order, side="BUY", order_id=325078477, quantity=Decimal("0.2"),
           price=Decimal("43187.5"))
    # Over REST: the client's encoding and signature of the members in our order.
    members = {"newClientOrderId": OURS, "newOrderRespType": "ACK", "positionSide": "BOTH",
               "price": Decimal("43187"), "quantity": Decimal("0.1"), "side": "BUY", "symbol": "BTCUSDT",
               "timeInForce": "GTC", "timestamp": BINANCE_MS, "type": "LIMIT"}
    text = utils.encoded_string(members)
    rows.append(row("rest GTC", text, utils.get_signature(config, text)))
    config = configuration.ConfigurationWebSocketAPI(api_key=KEY, private_key=PEM)
    from binance_common.signature import Signers

    rows.append(of_params("logon", dict(utils.websocket_api_signature(config, {}, Signers.get_signer(PEM)))))
    return rows


def compact(members):
    return json.dumps(members, separators=(",", ":"))


def bybit():
    from pybit import _helpers, _http_manager, _websocket_stream
    from pybit.unified_trading import HTTP

    _helpers.generate_timestamp = lambda: OTHERS_MS
    key, secret, window, sent = "test_api_key", "test_secret", 5000, []

    class Socket:
        private_auth_expire, rsa_authentication, api_key, api_secret = 10, False, key, secret
        ws = type("Ws", (), {"send": staticmethod(sent.append)})

    _websocket_stream._WebSocketManager._auth(Socket)
    _, expires, signature = json.loads(sent[0])["args"]
    rows = [row("login", f"GET/realtime{expires}", signature)]
    http = HTTP(api_key=key, api_secret=secret)

    def rest(name, payload):
        text = f"{OTHERS_MS}{key}{window}{payload}"
        rows.append(row(name, text, http._auth(payload=payload, recv_window=window, timestamp=OTHERS_MS)))

    link = {"category": "spot", "symbol": "BTCUSDT", "orderLinkId": "st0000000000000007"}
    order = {"category": "spot", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.25",
             "price": "77000.5", "timeInForce": "PostOnly", "marketUnit": "baseCoin", "isLeverage": 0,
             "orderLinkId": "st0000000000000007"}
    rest("rest create", compact(order))
    rest("rest cancel", compact(link))
    rest("rest query", urlencode(link))
    return rows


def okx():
    from okx import consts, utils
    from okx.okxclient import OkxClient
    from okx.websocket import WsUtils

    key, secret, phrase = "985d5b66-57ce", "22582BD0CFF14C41EDBF1AB98506286D", "phrase"
    stamp = "2023-11-14T22:13:20.000Z"
    WsUtils.getLocalTime = lambda: OTHERS_MS // 1000
    utils.get_timestamp = lambda: stamp
    login = json.loads(WsUtils.initLoginParams(False, key, phrase, secret))["args"][0]
    rows = [row("login", f"{login['timestamp']}GET/users/self/verify", login["sign"])]
    sent = []

    class Client(OkxClient):
        def get(self, path, headers):
            sent.append((path, headers[consts.OK_ACCESS_SIGN]))
            return type("Empty", (), {"json": staticmethod(dict)})

    client = Client(key, secret, phrase, flag="0")
    client._request_with_params("GET", "/api/v5/trade/order",
                                {"instId": "BTC-USDT", "clOrdId": "st0000000000000001"})
    path, signature = sent[0]
    rows.append(row("rest query", f"{stamp}GET{path}", signature.decode()))
    order = {"instId": "BTC-USDT", "tdMode": "cash", "clOrdId": "st0000000000000001", "side": "buy",
             "ordType": "post_only", "px": "60000.1", "sz": "0.03"}
    text = utils.pre_hash(stamp, "POST", "/api/v5/trade/order", compact(order), False)
    rows.append(row("rest order", text, utils.sign(text, secret).decode()))
    return rows


def hyperliquid():
    from eth_account import Account
    from hyperliquid.utils import signing
    from hyperliquid.utils.types import Cloid

    wallet = Account.from_key("0x" + "0123456789" * 6 + "0123")
    cloid, rows = Cloid("0x73746f6f700000010000000000001234"), []

    def add(name, action, expires_after=None):
        signature = signing.sign_l1_action(wallet, action, None, HYPERLIQUID_MS, expires_after, False)
        halves = "".join(f"{int(signature[half], 16):064x}" for half in ("r", "s"))
        rows.append(row(name, compact(action), f"{halves}{signature['v']:02x}"))

    def order(tif, buys=True, reduces=False):
        request = {"coin": "BTC", "is_buy": buys, "sz": 0.02, "limit_px": 80000.0,
                   "order_type": {"limit": {"tif": tif}}, "reduce_only": reduces, "cloid": cloid}
        return signing.order_request_to_order_wire(request, 0)

    # Orders are good for the receive window, five seconds.
    until = HYPERLIQUID_MS + 5_000
    for tif in ("Gtc", "Ioc", "Alo"):
        add(f"order {tif}", signing.order_wires_to_order_action([order(tif)]), until)
    add("order reduces", signing.order_wires_to_order_action([order("Ioc", False, True)]), until)
    cancels = [{"asset": 0, "cloid": cloid.to_raw()}]
    add("cancel ours", {"type": "cancelByCloid", "cancels": cancels})
    return rows


FILES = {
    "binance/client_signed.json": binance_spot,
    "binance/usdm_client_signed.json": binance_usdm,
    "bybit/client_signed.json": bybit,
    "okx/client_signed.json": okx,
    "hyperliquid/client_signed.json": hyperliquid,
}


def main(arguments):
    failed = False
    for name, make in FILES.items():
        path, rows = os.path.join(ROOT, name), make()
        text = json.dumps(rows, indent=1) + "\n"
        if arguments == ["--write"]:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        with open(path, encoding="utf-8") as file:
            known = json.load(file)
        differing = [one["name"] for one in rows if one not in known]
        if differing or len(known) != len(rows):
            print(f"signed: FAILED: {name}: the client signs otherwise: {differing}")
            failed = True
        else:
            print(f"signed: {name}: {len(rows)} requests as the client signs them")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
