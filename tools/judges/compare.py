"""Compares what the judges have added up with the simulator's own ledgers, to the last digit.

    compare.py SUMS SIM

SUMS is the folder that the judges were given, SIM what `stoop sim --json` has printed until its end:
the last line holds the ledgers. Exit code 0 if they agree, 1 with every place where they do not.
"""

import json
import os
import sys
from collections import defaultdict
from decimal import Decimal


def added(rows, name):
    total = defaultdict(Decimal)
    for row in rows:
        for key, amount in row[name].items():
            total[key] += Decimal(amount)
    return total


def differences(venue, rows, ledger):
    """Of one venue; its judges ran one after the other on the same account."""
    found, compared = [], 0

    def same(what, ours, theirs):
        nonlocal compared
        compared += 1
        if ours != theirs:
            found.append(f"{venue}: {what}: judge {ours}, ledger {theirs}")

    start, changes = rows[0]["start"], added(rows, "changes")
    for asset, row in ledger["balances"].items():
        same(f"balance of {asset}", Decimal(start.get(asset, 0)) + changes[asset],
             Decimal(row["free"]) + Decimal(row["locked"]))
        same(f"locked {asset}", Decimal(0), Decimal(row["locked"]))
    for name in ("fees", "funding"):
        ours = added(rows, name)
        for asset in sorted(set(ours) | set(ledger[name])):
            same(f"{name} in {asset}", ours[asset], Decimal(ledger[name].get(asset, 0)))
    spot, realised = added(rows, "spot"), added(rows, "realised")
    for symbol, row in ledger["positions"].items():
        if symbol in realised:
            same(f"position in {symbol}", Decimal(0), Decimal(row["qty"]))
            same(f"profit in {symbol}", realised[symbol], Decimal(row["realised"]))
        else:
            same(f"bought less sold of {symbol}", spot[symbol], Decimal(row["qty"]))
    for symbol in (set(spot) | set(realised)) - set(ledger["positions"]):
        found.append(f"{venue}: {symbol} is not in the ledger")
    same("fills", sum(row["fills"] for row in rows), ledger["fills"])
    same("open orders", 0, ledger["open_orders"])
    same("losses covered", {}, {key: sum for key, sum in ledger["covered"].items() if Decimal(sum)})
    return found, compared


def main(folder, printed):
    with open(printed, encoding="utf-8") as file:
        ledgers = json.loads(file.read().splitlines()[-1]).get("ledgers")
    if ledgers is None:
        print("judges: FAILED: the simulator has not printed its ledgers")
        return 1
    by_venue = defaultdict(list)
    for name in sorted(os.listdir(folder), key=lambda name: os.stat(os.path.join(folder, name)).st_mtime_ns):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            row = json.load(file)
        by_venue[row["venue"]].append(row)
    failed = False
    for venue, rows in sorted(by_venue.items()):
        found, compared = differences(venue, rows, ledgers[venue])
        for text in found:
            print(f"ledger: FAILED: {text}")
        failed = failed or bool(found)
        if not found:
            fills = ledgers[venue]["fills"]
            print(f"ledger: {venue}: {compared} sums of {len(rows)} sessions and {fills} fills agree")
    return 1 if failed or not by_venue else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
