#!/bin/sh
# Strangers on the network of two nodes that talk to each other: a flood over UDP, and a thousand TCP connections. They hear
# nothing, cause nothing, and disturb nobody.
#
#   strangers.sh BUILD_DIR [SECONDS [RATE]]
#
# Rates are printed, not judged: this machine may be busy with other things. SECURITY T-20 asks for 80 %.
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/fabric.sh"
seconds=${2:-5} rate=${3:-100000}
tl_net_make 3
start_node A --peer "$(tl_net_address B)"
node_a=$node_pid
start_node B --peer "$(tl_net_address A)"
node_b=$node_pid
on A "$bin/tulle" fabric create lab > /dev/null || tl_fail "fabric create"
join_to A B
start_on B serve "$tests/traffic" serve steady
on A "$bin/tulle" wait steady --timeout 20s || tl_fail "no service in B"
text_of() { on A "$bin/tulle" call node.status --json | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
fabric=$(text_of fabric_id) node=$(text_of node_id)
strangers() { tl_net_exec C "$tests/flood" "$1" "$(tl_net_address A)" 8855 "$fabric" "$node" "$2" "$3" "$4"; }
memory() { awk '/^VmRSS/ { print $2 }' "/proc/$node_a/status"; }
counted() { status_of A "$1"; }
measure() { on A "$tests/traffic" rate steady "$seconds"; }

# A first small flood touches what is touched for good.
strangers udp 1000 1 1 > /dev/null || tl_fail "strangers were answered"
age=$(link A B age_ns) exchanges=$(counted dh_operations) memory_before=$(memory)
strangers udp 0 "$seconds" 1 > /dev/null &
idle=$!
quiet=$(measure) || tl_fail "calls without a flood: $quiet"
wait "$idle"
dropped=$(counted dropped_packets)
strangers udp "$rate" "$seconds" 20 > "$tl_temp/flood" 2>&1 &
flood=$!
flooded=$(measure) || tl_fail "calls under the flood: $flooded"
wait "$flood" || tl_fail "strangers were answered: $(cat "$tl_temp/flood")"
tl_say "$(cat "$tl_temp/flood"), $(($(counted dropped_packets) - dropped)) dropped"
tl_say "without: $quiet; under the flood: $flooded"
grown=$(($(memory) - memory_before))
tl_say "the node grew by $grown KiB"
[ "$grown" -le 1024 ] || tl_fail "the node grew by $grown KiB"
[ "$(counted dh_operations)" = "$exchanges" ] || tl_fail "strangers caused handshakes"
[ "$(($(counted dropped_packets) - dropped))" -gt 1000 ] || tl_fail "the flood did not arrive"
is_linked A B || tl_fail "the link is lost"
[ "$(link A B age_ns)" -gt "$age" ] || tl_fail "the link was lost"

# TCP: 1,000 connections from 40 addresses, and a member that connects meanwhile.
source=100
network=$(tl_net_address C | sed 's/\.[0-9]*$//')
while [ "$source" -lt 140 ]; do
  ip -n "$(tl_ns C)" addr add "$network.$source/24" dev eth0 || tl_fail "address"
  source=$((source + 1))
done
fds() { find "/proc/$node_a/fd" -type l 2> /dev/null | wc -l; }
kill -KILL "$node_b"
fds_before=$(fds) fds_most=0
(for round in 1 2 3; do strangers tcp 1000 "$network" 40 || exit 1; done) > "$tl_temp/calls" 2>&1 &
calls=$!
tl_wait_for calls '^open' 10
start_node B --peer "$(tl_net_address A)" --carrier tcp
begin=$(date +%s%N) member=
while kill -0 "$calls" 2> /dev/null; do
  now=$(fds)
  [ "$now" -le "$fds_most" ] || fds_most=$now
  [ -n "$member" ] || ! link_is B A state up || member=$((($(date +%s%N) - begin) / 1000000))
done
wait "$calls" || tl_fail "strangers over TCP: $(cat "$tl_temp/calls")"
[ -n "$member" ] || tl_fail "no member got in while strangers called"
tl_say "$(tail -n 1 "$tl_temp/calls"), at most $((fds_most - fds_before)) open at once"
tl_say "a member was in after $member ms"
# One of those open is the member's.
[ $((fds_most - fds_before)) -le 65 ] || tl_fail "more than 64 strangers were let in at once"
on A "$bin/tulle" call steady.notes --timeout 10s > /dev/null || tl_fail "no call after the strangers"
few_held() { [ "$(fds)" -le $((fds_before + 1)) ]; } # the member's
until_true 5 few_held || tl_fail "the node keeps descriptors of strangers: $fds_before before, $(fds) after"
