#!/bin/sh
# Makes what the fuzzing of the decoders begins with out of the messages of the tests. For the private
# ones: in corpus/NAME scripts (fuzz_targets/trading/mod.rs says how they read), in NAME.dict the
# words. For the scanners: the messages as they are, with the shapes of futures beside them.
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

# What the messages of the tests have no example of.
mkdir -p corpus/scan_binance corpus/scan_bybit
seed() {
    printf '%s' "$2" > "corpus/$1"
}
seed scan_binance/usdm_top \
    '{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":5123107839020,"s":"BTCUSDT","b":"61800.20","B":"2.507","a":"61800.30","A":"2.510","T":1723161256313,"E":1723161256313}}'
seed scan_binance/usdm_top_2026 \
    '{"e":"bookTicker","u":400900217,"E":1568014460893,"T":1568014460891,"s":"BNBUSDT","ps":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000","st":1}'
seed scan_binance/usdm_depth \
    '{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1723161256299,"T":1723161256298,"s":"BTCUSDT","U":5123107832006,"u":5123107837557,"pu":5123107831937,"b":[["58710.20","0.014"],["61496.50","0.010"],["61510.90","0.000"]],"a":[["61641.50","1.211"],["61652.80","0.195"]]}}'
seed scan_binance/usdm_trade \
    '{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}}'
seed scan_bybit/linear_depth \
    '{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1773386409407,"data":{"s":"BTCUSDT","b":[["71419.80","0"],["71418.20","0.159"],["71417.00","0"]],"a":[["71427.90","0.006"],["71428.30","0"]],"u":10132541,"seq":546137962186},"cts":1773386409404}'
seed scan_bybit/linear_trade \
    '{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1774021164130,"data":[{"T":1774021164129,"s":"BTCUSDT","S":"Buy","v":"0.020","p":"69916.90","L":"ZeroMinusTick","i":"f60eae3c-d812-5c0b-ad26-8010c31c53aa","BT":false,"RPI":false,"seq":549792208812}]}'
for venue in binance bybit; do
    for file in ../tests/fixtures/$venue/*.json; do
        tr -d '\n' < "$file" > "corpus/scan_$venue/$(basename "$file" .json)"
    done
    cp ${venue}_private.dict scan_$venue.dict
    printf '"\\"pu\\":"\n"\\"st\\":1"\n"\\"X\\":\\"MARKET\\""\n",[\\"1.5\\",\\"0\\"]"\n' >> scan_$venue.dict
done
