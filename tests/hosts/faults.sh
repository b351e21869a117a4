#!/bin/sh
# What happens to calls between two nodes when the network or a node fails: UDP blocked in mid-run (TCP takes over, and UDP comes
# back), the far node killed (calls end, the service is gone, and found again after a restart).
#
#   faults.sh BUILD_DIR
set -u
. "$(dirname "$0")/lib.sh"
bin=$1/bin
tl_net_make 2
command -v nft > /dev/null || tl_skip "nft is not installed"

# on NODE COMMAND...
on() {
  where=$1
  shift
  tl_net_exec "$where" env "TULLE_RUNTIME_DIR=$tl_temp/$where/run" "TULLE_STATE_DIR=$tl_temp/$where/state" TULLE_AUTOSTART=0 "$@"
}
start_on() {
  where=$1 log=$2
  shift 2
  tl_spawn "$log" "$where" env "TULLE_RUNTIME_DIR=$tl_temp/$where/run" "TULLE_STATE_DIR=$tl_temp/$where/state" \
    TULLE_AUTOSTART=0 "$@"
}
start_node() {
  start_on "$1" "log.$1$2" "$bin/tulle" node --name "node-$1" --no-mdns --peer "$3"
  tl_wait_for "log.$1$2" '^ready' 10
}
call() { on A "$bin/tulle" call --timeout "$1" --json textstat.count @LICENSE 2>> "$tl_temp/errors"; }
path() { on A "$bin/tulle" links --json | tr ',{' '\n\n' | sed -n 's/.*"path":"\([a-z]*\)".*/\1/p' | head -n 1; }

# until SECONDS COMMAND...: repeats it until it succeeds.
until_true() {
  limit=$(($1 * 10))
  shift
  while ! "$@" > /dev/null 2>&1; do
    limit=$((limit - 1))
    [ "$limit" -gt 0 ] || return 1
    sleep 0.1
  done
}
path_is() { [ "$(path)" = "$1" ]; }

mkdir -p "$tl_temp/A" "$tl_temp/B"
address_a=$(tl_net_address A) address_b=$(tl_net_address B)
start_node A 1 "$address_b:8855"
start_node B 1 "$address_a:8855"
on A "$bin/tulle" fabric create lab > /dev/null || tl_fail "fabric create"
on A "$bin/tulle" invite > "$tl_temp/token" 2> /dev/null || tl_fail "invite"
on B "$bin/tulle" join < "$tl_temp/token" || tl_fail "join"
start_on B log.service "$bin/textstat"
until_true 10 call 1s || tl_fail "the first call"
path_is udp || tl_fail "the link begins with '$(path)', not with udp"
tl_say "linked over udp"

# UDP is blocked at one end. Every call must still end well: those under way move to TCP.
tl_net_exec A nft -f - << RULES || tl_fail "nft"
table inet block {
  chain in { type filter hook input priority 0; meta l4proto udp drop; }
  chain out { type filter hook output priority 0; meta l4proto udp drop; }
}
RULES
for i in 1 2 3 4 5 6 7 8; do call 10s > /dev/null || tl_fail "call $i while UDP is blocked"; done
until_true 5 path_is tcp || tl_fail "blocked UDP, but the link uses '$(path)'"
tl_say "calls went on over tcp"
tl_net_exec A nft delete table inet block
until_true 30 path_is udp || tl_fail "UDP passes again, but the link uses '$(path)'"
call 10s > /dev/null || tl_fail "a call after the return to UDP"
tl_say "back on udp"

# The far node dies without a word. Its service goes from the list, calls end with an error, nothing hangs.
for pid in $(ip netns pids "$(tl_ns B)"); do kill -KILL "$pid"; done
started=$(date +%s)
if call 20s; then tl_fail "a call to a dead node succeeded"; fi
[ $(($(date +%s) - started)) -lt 10 ] || tl_fail "a call to a dead node took ten seconds"
tl_say "calls to a dead node end"

# It comes back: same identity, found by its address, service and all.
start_node B 2 "$address_a:8855"
start_on B log.service2 "$bin/textstat"
until_true 30 call 1s || tl_fail "the node came back, but its service is not called"
tl_say "and are made again when it is back"
