#!/bin/sh
# Three nodes in three namespaces behind a network that loses a fifth of the packets, doubles and corrupts one in twenty, and
# delays each by anything up to 100 ms: what programs send to each other arrives, once, unchanged.
#
#   chaos.sh BUILD_DIR [SEED [CALLS [BYTES [NOTES]]]]
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/fabric.sh"
seed=${2:-40} calls=${3:-1000} bytes=${4:-131072} notes=${5:-10000}
tl_net_need
[ -c /dev/net/tun ] || tl_skip "the kernel has no TUN interfaces"

mkfifo "$tl_temp/control"
exec 8<> "$tl_temp/control"
for letter in A B C; do tl_net_add "$letter"; done
"$tests/chaos" "$seed" "$(tl_ns A)=$(tl_net_address A)" "$(tl_ns B)=$(tl_net_address B)" "$(tl_ns C)=$(tl_net_address C)" \
  < "$tl_temp/control" > "$tl_temp/chaos" 2>&1 &
tl_pids="$tl_pids $!"
tl_wait_for chaos '^ready' 5
for letter in A B C; do
  ip -n "$(tl_ns "$letter")" link set eth0 mtu 1500 up || tl_fail "eth0 of $letter"
  ip -n "$(tl_ns "$letter")" addr add "$(tl_net_address "$letter")/24" dev eth0
done

start_node A
start_node B --peer "$(tl_net_address A)"
start_node C --peer "$(tl_net_address A)" --peer "$(tl_net_address B)"
on A "$bin/tulle" fabric create lab > /dev/null || tl_fail "fabric create"
echo "faults 0.2 0.05 0.05 50 50" >&8
join_to A B
join_to A C
until_true 30 is_linked B C || tl_fail "B and C do not find each other"
tl_say "joined over the bad network"

for letter in A B C; do start_on "$letter" "serve-$letter" "$tests/traffic" serve "to-$letter"; done
run() { start_on "$1" "run-$1-$2" "$tests/traffic" run "to-$2" "$calls" "$bytes" "$notes"; runs="$runs $tl_pid"; }
runs=
run A B
run B C
run C A
for pid in $runs; do wait "$pid" || tl_fail "traffic was lost or changed"; done
echo counts >&8
tl_wait_for chaos '^seen' 5
for pair in A-B B-C C-A; do tl_say "$pair: $(tr '\n' ',' < "$tl_temp/run-$pair")"; done
tl_say "$(tail -n 1 "$tl_temp/chaos")"
