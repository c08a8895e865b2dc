#!/bin/sh
# Runs the venues' official clients against simulated venues.
#
#   run.sh [STOOP | SIM]
#
# STOOP is the program, which is then started as `STOOP sim --json` with venues.toml, and stopped at
# the end (default: target/release/stoop): the ledgers that it prints then are compared with what the
# judges have added up. SIM is a file with the line that it prints first, for a simulator that runs
# already, whose ledgers are not compared. Judges of one venue run one after the other, venues at the
# same time.
#
# First of all, without a simulator: what the clients sign is what the golden files say (signed.py).
#
# Exit code 0 if all judges are content, or if they cannot run here, which is said in a line that
# starts with `judges: skipped:`. STOOP_JUDGES_VENV names the virtual environment (default:
# target/judges).
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
subject=${1:-$root/target/release/stoop}
venv=${STOOP_JUDGES_VENV:-$root/target/judges}
pid=
work=

skip() {
    echo "judges: skipped: $1"
    exit 0
}

# shellcheck disable=SC2329 # called by the trap
finish() {
    if [ -n "$pid" ]; then
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    fi
    if [ -n "$work" ]; then rm -rf "$work"; fi
}
trap finish EXIT
trap 'exit 1' INT TERM

# The environment is made once and again when the list of packages changes.
prepare() {
    command -v python3 >/dev/null 2>&1 || skip "python3 is not installed"
    if cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then return; fi
    mkdir -p "$venv"
    python3 -m venv --clear "$venv" >"$venv.log" 2>&1 ||
        skip "python3 cannot make a virtual environment: $(tail -n 1 "$venv.log")"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        -r "$here/requirements.txt" >"$venv.log" 2>&1 ||
        skip "the clients cannot be installed: $(tail -n 1 "$venv.log")"
    cp "$here/requirements.txt" "$venv/requirements.txt"
}

start() {
    sim=$work/sim
    # The loop below may look before the program's shell has made it.
    : >"$sim"
    "$subject" sim --json --config "$here/venues.toml" >"$sim" &
    pid=$!
    tries=0
    while [ "$(wc -l <"$sim")" -eq 0 ]; do
        if ! kill -0 "$pid" 2>/dev/null || [ "$tries" -ge 300 ]; then
            echo "judges: $subject sim --json prints nothing" >&2
            exit 1
        fi
        tries=$((tries + 1))
        sleep 0.1
    done
}

if [ ! -e "$subject" ]; then
    echo "judges: there is no $subject; build it, or name the program or a running simulator" >&2
    exit 1
fi
# judge NAME...: one after the other
judge() {
    for name in "$@"; do
        "$venv/bin/python" "$here/$name.py" "$sim" "$work/sums" || return 1
    done
}

prepare
export PYTHONDONTWRITEBYTECODE=1
failed=0
"$venv/bin/python" "$here/signed.py" || failed=1

work=$(mktemp -d)
mkdir "$work/sums"
if [ -x "$subject" ]; then start; else sim=$subject; fi
judge binance_spot & running=$!
judge binance_usdm & running="$running $!"
judge bybit_spot bybit_linear & running="$running $!"
judge okx_all & running="$running $!"
judge hyperliquid_all & running="$running $!"
for one in $running; do wait "$one" || failed=1; done

if [ -n "$pid" ] && [ "$failed" -eq 0 ]; then
    kill "$pid"
    wait "$pid" || failed=1
    pid=
    "$venv/bin/python" "$here/compare.py" "$work/sums" "$sim" || failed=1
fi
exit "$failed"
