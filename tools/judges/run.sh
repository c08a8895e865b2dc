#!/bin/sh
# Runs the venues' official clients against simulated venues.
#
#   run.sh [STOOP | SIM]
#
# STOOP is the program, which is then started as `STOOP sim --json` with venues.toml, and stopped at
# the end (default: target/release/stoop). SIM is a file with the line that it prints, for a simulator that runs
# already. Every *_spot.py beside this file is one judge and is given that line as a file.
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
sim=

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
    if [ -n "$pid" ] && [ -n "$sim" ]; then rm -f "$sim"; fi
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
    sim=$(mktemp)
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
prepare
if [ -x "$subject" ]; then start; else sim=$subject; fi

failed=0
for judge in "$here"/*_spot.py; do
    "$venv/bin/python" "$judge" "$sim" || failed=1
done
exit "$failed"
