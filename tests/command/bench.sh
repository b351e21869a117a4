#!/bin/sh
# The benchmark on one machine: its fields, its filters, an interrupt, and that it leaves nothing. Figures are not judged.
# Usage: bench.sh BUILD_DIR
. "$(dirname "$0")/lib.sh"

fields='case:text path:text placement:text mode:text payload_bytes:int in_flight:int p50_ns:int p99_ns:int p999_ns:int
        per_second:number limit:text ratio:number'

# Children of the benchmark: it starts echo programs and the far sides of its limits.
left() { pgrep -f "tulle.bench-$1" > /dev/null; }

node_begin alpha --listen 127.0.0.1:0
allowed=$(taskset -p "$node_pid" 2> /dev/null)
expect 0 tulle bench rpc --json --duration 20ms --case local
shape $fields
says '"case":"local-sleep","path":"ring","placement":"same","mode":"sleep","payload_bytes":64,"in_flight":1,'
says '"case":"local-default","path":"ring","placement":"free","mode":"default"'
says '"limit":"futex ping-pong","limit_p50_ns":[1-9][0-9]*,"ratio":[0-9.]+\}$'
if [ "$(nproc)" -gt 1 ]; then
  says '"case":"local-spin","path":"ring","placement":"split","mode":"spin"'
  says '"in_flight":64,.*"limit_per_second":[1-9]'
fi
expect 0 tulle bench rpc --json --duration 20ms --placement same
grep -qv '"placement":"same"' "$out" && fail "another placement than asked for"
expect 0 tulle bench rpc --duration 20ms --case local-sleep --stages
says '^CASE +PLACE'
says '^local-sleep '
says 'limit: futex ping-pong'
says 'rest: locks'
expect 0 tulle bench rpc --json --duration 20ms --case local-sleep --stages
says '"event":"stages"'
expect 4 tulle bench rpc --to nowhere
silent
expect 2 tulle bench rpc --duration 0
expect 2 tulle bench rpc --placement sideways
expect 2 tulle bench rpc --case nonesuch
complains "no case has .nonesuch"

tulle bench rpc --duration 20s > "$out" 2> "$err" &
pid=$!
until_true 10 pgrep -f "tulle.bench-$pid"
kill -INT "$pid"
wait "$pid"
got=$?
[ "$got" -eq 130 ] || fail "interrupted: exit code $got, not 130"
left "$pid" && fail "an echo program is left"
[ "$(taskset -p "$node_pid" 2> /dev/null)" = "$allowed" ] || fail "the node is still pinned"

# the echo program as other nodes start it: it is found, answers, and can be told to go
start echo tulle bench echo
expect 0 tulle wait tulle.bench
expect 0 tulle call tulle.bench.info --json
shape pid:int node_pid:int udp_port:int tcp_port:int key:object
expect 0 tulle call tulle.bench.place placement=free side=1
expect 2 tulle call tulle.bench.place placement=sideways side=1
expect 2 tulle call tulle.bench.place
kill -TERM "$pid"
wait "$pid" || fail "the echo program ends with $?"
echo "all as it should be"
