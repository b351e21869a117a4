#!/bin/sh
# Runs the conformance suite in one of its settings.
#
#   settings.sh one|loopback|udp|tcp BIN_DIR TESTS_DIR [CASE]
#
# one: caller and service at one node. loopback: two nodes on this host, over UDP. udp, tcp: two nodes in two network
# namespaces with a cable between them, the carrier forced. Exit 77 with a reason where a setting cannot be made.
set -u
setting=$1 bin=$2 tests=$3
temp=$(mktemp -d) || exit 2
space=tulle-conformance-$$
pids=
expected=ring

die() {
  echo "settings.sh: $*" >&2
  for log in "$temp"/*.log; do echo "--- $log"; tail -n 30 "$log"; done >&2
  exit 1
}
skip() {
  echo "SKIP: $*"
  exit 77
}

# on NODE COMMAND...: runs it where programs of that node run. become is the same, in place of this shell, so that a
# background job's number is the program's.
on() {
  (become "$@")
}
become() {
  where=$1
  shift
  set -- env "TULLE_RUNTIME_DIR=$temp/$where/run" "TULLE_STATE_DIR=$temp/$where/state" TULLE_AUTOSTART=0 "$@"
  case $setting in
  udp | tcp) exec ip netns exec "$space-$where" "$@" ;;
  *) exec "$@" ;;
  esac
}

cleanup() {
  trap - EXIT INT TERM
  for pid in $pids; do
    pkill -KILL -P "$pid" 2> /dev/null # subjects of the agent
    kill "$pid" 2> /dev/null
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

until_line() {
  for _ in $(seq 400); do
    grep -q "$2" "$1" 2> /dev/null && return 0
    sleep 0.05
  done
  die "no line '$2' in $1 within 20 s"
}

# start_node NAME [OPTIONS]
start_node() {
  node=$1
  shift
  become "$node" "$bin/tulle" node --name "node-$node" "$@" 2> "$temp/$node.log" &
  pids="$pids $!"
  until_line "$temp/$node.log" '^ready'
}

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
home=b
case $setting in
one)
  start_node a --no-mdns --listen 127.0.0.1:0
  home=a
  ;;
loopback)
  expected=udp
  # An address of this run alone: a port of 127.0.0.1 may be anybody's by now.
  host=127.87.$(($$ / 256 % 256)).$(($$ % 256))
  start_node a --no-mdns --listen "$host:20000"
  start_node b --no-mdns --listen "$host:20001"
  join_b_to_a "$host:20000"
  ;;
udp | tcp)
  expected=$setting
  make_namespaces
  start_node a --carrier "$setting" --no-mdns
  start_node b --carrier "$setting" --no-mdns
  join_b_to_a 10.87.0.1:8855
  ;;
*) die "no setting '$setting'" ;;
esac

for agent in far:$home near:a; do
  become "${agent#*:}" "$tests/subject" agent "${agent%:*}" 2> "$temp/${agent%:*}.log" &
  pids="$pids $!"
done
on a "$tests/test_conformance" "$expected" ${4+"$4"}
result=$?
[ "$result" -eq 0 ] || for log in "$temp"/*.log; do echo "--- $log"; tail -n 15 "$log"; done
exit "$result"
