# Networks for tests: source this file from a test script in this folder.
#
#   . "$(dirname "$0")/lib.sh"
#   tl_net_make 2                    # namespaces A and B with eth0 on one bridge, 10.77.X.1 and 10.77.X.2
#   tl_net_exec A ping -c1 "$(tl_net_address B)"
#   tl_spawn log.A A some-server     # in the background; tl_pid is its process, output in $tl_temp/log.A
#   tl_wait_for log.A '^ready' 5     # until a line matches, or the test fails
#
# Everything is named after this process and goes away when the script ends, however it ends. A test that
# cannot run exits with 77 and says why.
#
# Names of namespaces are single capital letters. Functions that fail end the test with exit code 1.

tl_temp=
tl_made=
tl_pids=
tl_failures=0

tl_say() { echo "$(basename "$0"): $*"; }
tl_skip() { tl_say "SKIP: $*"; exit 77; }
tl_fail() { tl_say "FAILED: $*"; exit 1; }

tl_ns() { echo "tl$$-$1"; }

# Ends what this test started: its own processes first, then whatever still runs in its namespaces.
tl_cleanup() {
  tl_status=$?
  trap - EXIT INT TERM HUP
  for tl_p in $tl_pids; do kill -KILL "$tl_p" 2> /dev/null; done
  for tl_n in $tl_made; do
    for tl_p in $(ip netns pids "$tl_n" 2> /dev/null); do kill -KILL "$tl_p" 2> /dev/null; done
    ip netns del "$tl_n" 2> /dev/null
  done
  [ "$tl_status" -eq 0 ] || [ "$tl_status" -eq 77 ] || tl_show_logs
  [ -n "$tl_temp" ] && rm -rf "$tl_temp"
  exit "$tl_status"
}

# What the processes of a failed test said.
tl_show_logs() {
  for tl_f in "$tl_temp"/*; do
    [ -f "$tl_f" ] || continue
    echo "--- $(basename "$tl_f")"
    tail -n 60 "$tl_f"
  done
}

tl_begin() {
  [ -n "$tl_temp" ] && return
  tl_temp=$(mktemp -d) || exit 1
  chmod 755 "$tl_temp"
  trap tl_cleanup EXIT
  trap 'exit 1' INT TERM HUP
}

# An ordinary user starts the script again as root of a user namespace of his own, if the kernel lets him.
if [ "$(id -u)" -ne 0 ] && [ -z "${TL_NET_INSIDE-}" ] && unshare --user --map-root-user --net --mount true 2> /dev/null; then
  TL_NET_INSIDE=1 exec unshare --user --map-root-user --net --mount "$0" "$@"
fi

# Makes sure that network namespaces can be made here, or ends the test with the reason.
tl_net_need() {
  command -v ip > /dev/null || tl_skip "no ip command (package iproute2)"
  [ "$(id -u)" -eq 0 ] || tl_skip "not root, and the kernel gives ordinary users no namespaces"
  [ -z "${TL_NET_INSIDE-}" ] || mount -t tmpfs tmpfs /run 2> /dev/null || tl_skip "no tmpfs in a user namespace"
  tl_begin
  ip netns add "$(tl_ns probe)" 2> "$tl_temp/probe" || tl_skip "cannot make a network namespace: $(cat "$tl_temp/probe")"
  ip netns del "$(tl_ns probe)"
  rm -f "$tl_temp/probe"
}

tl_net_add() {
  ip netns add "$(tl_ns "$1")" || tl_fail "cannot make namespace $1"
  tl_made="$tl_made $(tl_ns "$1")"
  ip -n "$(tl_ns "$1")" link set lo up
  # No duplicate address detection: an address that is tentative for a second is no use to a test.
  ip netns exec "$(tl_ns "$1")" sysctl -qw net.ipv6.conf.default.accept_dad=0 2> /dev/null
}

tl_subnet=$(($$ % 250))
tl_net_address() { echo "10.77.$tl_subnet.$(($(printf %d "'$1") - 64))"; }

# A veth pair between the namespace $1 (as eth0) and the bridge.
tl_net_plug() {
  ip -n "$(tl_ns hub)" link add "to$1" type veth peer name eth0 netns "$(tl_ns "$1")" || tl_fail "cannot make a veth pair"
  ip -n "$(tl_ns hub)" link set "to$1" master br0 up
  ip -n "$(tl_ns "$1")" addr add "$(tl_net_address "$1")/24" dev eth0
  ip -n "$(tl_ns "$1")" link set eth0 up
}

# tl_net_make N: the namespaces A, B, ... on one bridge, which lives in a namespace of its own.
tl_net_make() {
  tl_net_need
  tl_net_add hub
  ip -n "$(tl_ns hub)" link add br0 type bridge forward_delay 0 || tl_skip "the kernel has no bridge"
  ip -n "$(tl_ns hub)" link set br0 up
  tl_n=0
  while [ "$tl_n" -lt "$1" ]; do
    tl_letter=$(printf "\\$(printf %o $((65 + tl_n)))")
    tl_net_add "$tl_letter"
    tl_net_plug "$tl_letter"
    tl_n=$((tl_n + 1))
  done
}

tl_net_exec() { tl_where=$1; shift; ip netns exec "$(tl_ns "$tl_where")" "$@"; }

# tl_spawn LOG WHERE COMMAND...: in the background, in namespace WHERE (- : here). Sets tl_pid.
tl_spawn() {
  tl_log=$1 tl_where=$2
  shift 2
  if [ "$tl_where" = - ]; then
    "$@" > "$tl_temp/$tl_log" 2>&1 &
  else
    ip netns exec "$(tl_ns "$tl_where")" "$@" > "$tl_temp/$tl_log" 2>&1 &
  fi
  tl_pid=$!
  tl_pids="$tl_pids $tl_pid"
}

# tl_count LOG PATTERN: how many lines match.
tl_count() { if [ -f "$tl_temp/$1" ]; then grep -cE -- "$2" "$tl_temp/$1"; else echo 0; fi; }

# tl_wait_for LOG PATTERN SECONDS [COUNT]: until COUNT (1) lines of the log match the extended expression.
tl_wait_for() {
  tl_end=$(($(date +%s%N) + $3 * 1000000000))
  until [ "$(tl_count "$1" "$2")" -ge "${4-1}" ]; do
    [ "$(date +%s%N)" -lt "$tl_end" ] || tl_fail "no line '$2' in $1 within $3 s"
    sleep 0.02
  done
}

