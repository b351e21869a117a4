#!/bin/sh
# Runs the conformance suite in one of its settings.
#
#   settings.sh one|loopback|udp|tcp BIN_DIR TESTS_DIR [CASE]
#
# one: caller and service at one node. loopback: two nodes on this host, over UDP. udp, tcp: two nodes in two network
# namespaces with a cable between them, the carrier forced. Exit 77 with a reason where a setting cannot be made.
set -u
setting=$1 bin=$2 tests=$3
here=$(cd "$(dirname "$0")" && pwd)
temp=$(mktemp -d) || exit 2
space=tulle-conformance-$$
# An address of this run alone: a port of 127.0.0.1 may be anybody's by now.
host=127.87.$(($$ / 256 % 256)).$(($$ % 256))
pids=
expected=$setting
home=b
. "$here/place.sh"

skip() {
  echo "SKIP: $*"
  exit 77
}

cleanup() {
  trap - EXIT INT TERM
  for pid in $pids; do
    pkill -KILL -P "$pid" 2> /dev/null # subjects of an agent
    kill "$pid" 2> /dev/null
  done
  for file in "$temp"/*.pid; do
    [ -f "$file" ] && kill -KILL "$(cat "$file")" 2> /dev/null
  done
  for where in a b; do
    ip netns pids "$space-$where" 2> /dev/null | xargs -r kill -KILL 2> /dev/null
    ip netns del "$space-$where" 2> /dev/null
  done
  wait 2> /dev/null
  rm -rf "$temp"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

make_namespaces() {
  [ "$(id -u)" -eq 0 ] || skip "not root: no network namespaces"
  ip netns add "$space-a" 2> /dev/null || skip "network namespaces cannot be made here"
  ip netns add "$space-b" || die "ip netns add"
  ip link add name eth0 netns "$space-a" type veth peer name eth0 netns "$space-b" || die "ip link add"
  for end in a:1 b:2; do
    ip -n "$space-${end%:*}" addr add "10.87.0.${end#*:}/24" dev eth0
    ip -n "$space-${end%:*}" link set lo up
    ip -n "$space-${end%:*}" link set eth0 up
  done
}

join_b_to_a() {
  on a "$bin/tulle" fabric create lab > /dev/null || die "fabric create"
  on a "$bin/tulle" invite > "$temp/token" || die "invite"
  on b "$bin/tulle" join --at "$1" < "$temp/token" || die "join"
}

chmod 755 "$temp" # other users shall reach the nodes
mkdir -p "$temp/a" "$temp/b"
case $setting in
one)
  expected=ring home=a
  start_node a
  ;;
loopback)
  expected=udp
  start_node a
  start_node b
  join_b_to_a "$host:20000"
  ;;
udp | tcp)
  make_namespaces
  start_node a
  start_node b
  join_b_to_a 10.87.0.1:8855
  ;;
*) die "no setting '$setting'" ;;
esac
echo "setting=$setting bin=$bin temp=$temp space=$space host=$host home=$home" > "$temp/place"

for agent in far:$home near:a; do
  become "${agent#*:}" "$tests/subject" agent "${agent%:*}" 2> "$temp/agent-${agent%:*}.log" &
  pids="$pids $!"
done
on a env "TULLE_SUITE_CONTROL=$here/control.sh $temp/place" "$tests/test_conformance" "$expected" ${4+"$4"}
result=$?
[ "$result" -eq 0 ] || for log in "$temp"/*.log; do echo "--- $log"; tail -n 15 "$log"; done
exit "$result"
