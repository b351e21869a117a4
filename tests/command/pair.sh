#!/bin/sh
# Two nodes on loopback: one fabric by a token, and every verb that is about the other node. Usage: pair.sh BUILD_DIR
. "$(dirname "$0")/lib.sh"

# as NODE: commands that follow are of that node.
as() { export TULLE_RUNTIME_DIR="$temp/$1.run" TULLE_STATE_DIR="$temp/$1.state"; }

node_begin alpha --listen 127.0.0.1:0
node_begin beta --listen 127.0.0.1:0

as alpha
expect 0 tulle ls nodes --json
shape node:text state:text path:text age_ns:int
expect 0 tulle members --json
shape node:text self:bool
expect 0 tulle links --json
says '^\[\]$'
expect 0 tulle call node.status --json
shape discovery:text discovery_reason:text udp_port:int tcp_port:int handshakes:int
expect 0 tulle doctor
says '^ok +network +UDP port [0-9]+, TCP port'
says '^ok +discovery +off'
echo nonsense > "$temp/token"
input=$temp/token expect 2 tulle join
expect 0 tulle fabric create lab
expect 0 tulle invite
[ "$(wc -l < "$out")" -eq 1 ] || fail "the token does not stand alone"
cp "$out" "$temp/token"
port=$(tulle call node.status --json | sed -n 's/.*"udp_port":\([0-9]*\).*/\1/p')
expect 0 tulle invite --json --for 1m
shape token:text life_ns:int

as beta
input=$temp/token expect 0 tulle join --at "127.0.0.1:$port"
says "^joined fabric 'lab' through alpha in "
says '^members: '
expect 0 tulle members --json
shape node:text node_id:text self:bool state:text
expect 0 tulle members
says '^alpha +linked'
says '^beta +this node'
expect 0 tulle ls nodes
says '^alpha +linked +udp'
expect 0 tulle links --json
shape node:text path:text remote:text state:text rtt_ns:int sent_packets:int
expect 0 tulle links
says '^1 link$'
start textstat "$build/bin/textstat"
start greeter "$build/bin/greeter"

as alpha
expect 0 tulle wait textstat
expect 0 tulle wait greeter
expect 0 tulle ls --json
shape service:text node:text capabilities:array path:text
says '"service":"textstat","node":"beta".*"path":"udp"'
expect 0 tulle find text/count
says '^textstat +beta +udp'
expect 0 tulle call greeter.greet name=you
says '^text: Hello you$'
expect 0 tulle find text/count --json
id=$(sed -n 's/.*"node_id":"\([a-z0-9-]*\)".*/\1/p' "$out")
expect 0 tulle call --node "${id:-none}" greeter.greet name=you
says '^text: Hello you$'
expect 0 tulle call greeter.greet@beta name=you
expect 4 tulle call greeter.greet@alpha name=you
expect 4 tulle call greeter.greet@gamma name=you
head -c 3000000 /dev/urandom > "$temp/random"
expect 0 tulle call --json textstat.count "@$temp/random"
says '"bytes":3000000\}'

expect 0 tulle bench rpc --to beta --duration 25ms --json --timeout 10s
shape case:text path:text placement:text mode:text payload_bytes:int in_flight:int p50_ns:int p99_ns:int p999_ns:int per_second:number limit:text ratio:number
says '"case":"remote-udp","path":"udp","placement":"free".*"limit":"app, ring, process, sealed UDP.*"limit_p50_ns":[1-9]'
says '"case":"remote-udp-64-in-flight","path":"udp".*"limit_per_second":[1-9]'
says '"case":"remote-tcp","path":"tcp"'
says '"case":"idle-link"'
expect 0 tulle bench rpc --to beta --duration 25ms --carrier tcp --case remote --json
grep -q '"path":"udp"' "$out" && fail "another carrier than asked for"
until_true 10 sh -c "tulle links | grep -q ' udp '"

# the token was good for one node
node_begin gamma --listen 127.0.0.1:0
input=$temp/token expect 5 tulle join --timeout 1s --at "127.0.0.1:$port"
complains 'used up'
as alpha

expect 4 tulle members remove gamma
expect 0 tulle members remove beta
until_true 10 sh -c '! tulle ls | grep -q beta'
expect 4 tulle call greeter.greet name=you
echo "all as it should be"
