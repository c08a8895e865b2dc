#!/bin/sh
# Makes what the fuzzing of the private decoders begins with out of the messages of the tests: in
# corpus/NAME scripts (fuzz_targets/trading/mod.rs says how they read), in NAME.dict the words.
#
#   sh fuzz/seeds.sh
set -eu
cd "$(dirname "$0")"

# message FILE: on one line, with the last request's number and the last order's id for its own
message() {
    tr -d '\n' < "$1" | sed -E \
        -e 's/"id": ?[0-9]+,"status"/"id":@,"status"/' -e 's/"reqId": ?"[0-9]+"/"reqId":"@"/' \
        -e 's/"(c|clientOrderId|origClientOrderId|orderLinkId)": ?"st[0-9a-z]+"/"\1":"#"/g'
}

for venue in binance bybit; do
    name=${venue}_private
    corpus=corpus/$name
    mkdir -p "$corpus"
    for file in ../tests/fixtures/$venue/*.json; do
        base=$(basename "$file" .json)
        text=$(message "$file")
        printf 'e\nt%s\n' "$text" > "$corpus/$base-t"
        printf '!\np%s\ni%s\n' "$text" "$text" > "$corpus/$base-i"
        printf 'd\np%s\n' "$text" > "$corpus/$base-p"
        # As the answer to every command, over either wire.
        for command in 0 1 2 3 4 5 6 7 8 9; do
            printf 'r\nc%s\nr%s\nr%s\n' "$command" "$text" "$text" > "$corpus/$base-r$command"
            printf 'e\nc%s\nt{"id":@,"status":200,"result":%s}\nr%s\n' \
                "$command" "$text" "$text" > "$corpus/$base-t$command"
        done
    done
    # Refused, or not there.
    for command in 0 1 2 3 8; do
        for code in -1021 -2010 -2011 -2013; do
            printf 'e\nd9\nc%s\nt{"id":@,"status":400,"error":{"code":%s,"msg":"x"}}\n' \
                "$command" "$code" > "$corpus/error$command$code"
        done
        empty='{"retCode":0,"result":{"category":"spot","list":[],"nextPageCursor":""}}'
        printf '\nd9\nc%s\nr%s\nr%s\n' "$command" "$empty" "$empty" > "$corpus/empty$command"
    done
    printf '\nc0\nx0\no0\nd9\nc2\nh418Retry-After: 3;{"code":-1003,"msg":"x"}\nd9\nl\n' \
        > "$corpus/life"
    cat ../tests/fixtures/$venue/*.json ../tests/fixtures/$venue/*.json |
        grep -oE '"[^"\\]{1,40}"' | sort -u |
        sed -e 's/"/\\"/g' -e 's/^/"/' -e 's/$/"/' > "$name.dict"
done
