#!/bin/sh
# A machine whose cable is pulled and put back, and which changes its address, again and again, while a program on it is called.
#
#   moves.sh BUILD_DIR [PULLS [MOVES]]
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/fabric.sh"
pulls=${2:-100} moves=${3:-15}
tl_net_make 2
start_node A --peer "$(tl_net_address B)"
start_node B --peer "$(tl_net_address A)"
on A "$bin/tulle" fabric create lab > /dev/null || tl_fail "fabric create"
join_to A B
start_on B serve "$tests/traffic" serve steady
on A "$bin/tulle" wait steady --timeout 20s || tl_fail "no service in B"
call() { on A "$bin/tulle" call --timeout "${1:-3s}" steady.notes > "$tl_temp/call" 2>&1; }
call || tl_fail "the first call"
milliseconds() { echo $(($(date +%s%N) / 1000000)); }
worst_of() { sort -n "$1" | awk '{ t[NR] = $1 } END { print t[int((NR + 1) / 2)] " ms, at worst " t[NR] " ms" }'; }

# Each cut lasts up to a tenth of a second, every twenty-fifth longer than the link takes to notice.
i=0
while [ "$i" -lt "$pulls" ]; do
  ip -n "$(tl_ns hub)" link set toB down
  if [ $((i % 25)) -eq 24 ]; then sleep 2; else sleep "0.$(awk "BEGIN { srand($i); printf \"%03d\", rand() * 100 }")"; fi
  ip -n "$(tl_ns hub)" link set toB up
  begin=$(milliseconds)
  until_true 10 call 1s || tl_fail "no call within 10 s after pull $i"
  echo $(($(milliseconds) - begin)) >> "$tl_temp/times"
  i=$((i + 1))
done
tl_say "$pulls cuts: calls again after $(worst_of "$tl_temp/times")"

# The machine gets another address. The link has to be the one that was there before: its age says so.
i=0
: > "$tl_temp/times"
is_linked A B || until_true 5 is_linked A B || tl_fail "no link before the moves"
age=$(link A B age_ns) began=$(milliseconds)
network=$(tl_net_address B | sed 's/\.[0-9]*$//')
old=$(tl_net_address B)
while [ "$i" -lt "$moves" ]; do
  new=$network.$((10 + i % 200))
  ip -n "$(tl_ns B)" addr del "$old/24" dev eth0 && ip -n "$(tl_ns B)" addr add "$new/24" dev eth0 || tl_fail "no new address"
  old=$new
  begin=$(milliseconds)
  until_true 10 call 3s || tl_fail "no call within 10 s after move $i"
  echo $(($(milliseconds) - begin)) >> "$tl_temp/times"
  i=$((i + 1))
done
link A B remote | grep -q "^$old:" || tl_fail "the link does not lead to $old but to $(link A B remote)"
least=$((age / 1000000 + $(milliseconds) - began - 100))
[ "$(($(link A B age_ns) / 1000000))" -ge "$least" ] || tl_fail "the moves cost the link"
tl_say "$moves moves: called again after $(worst_of "$tl_temp/times"), by the same link"
