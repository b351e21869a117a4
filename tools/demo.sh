#!/bin/sh
# Two machines in a minute: builds tulle, starts two nodes that find each other, calls from one to the other.
#
# Usage: ./tools/demo.sh
#
# What it does: installs missing Debian packages, builds the `release` preset, makes two network namespaces with a cable between
# them (where it may not, two nodes on loopback with folders of their own), runs the commands that it prints, and takes
# everything down again. Nothing is left but build/release.
set -u
cd "$(dirname "$0")/.." || exit 2
. tools/packages.sh

bin=$PWD/build/release/bin
temp=
space=tulle-demo-$$
pids=

# --- printing and failing -------------------------------------------------------------------------------------------

title() { printf '\n== %s\n' "$*"; }
die() {
  echo "demo: $*" >&2
  for log in "$temp"/*/log; do [ -s "$log" ] && { echo "--- $log" >&2; tail -n 20 "$log" >&2; }; done
  exit 1
}

# --- two machines ---------------------------------------------------------------------------------------------------

# Namespaces need root, or sudo that does not ask in the middle of the demo.
make_network() {
  command -v ip > /dev/null || return 1
  as_root true 2> /dev/null || return 1
  as_root ip netns add "$space-osprey" 2> /dev/null || return 1
  as_root ip netns add "$space-heron" || return 1
  as_root ip link add name eth0 netns "$space-osprey" type veth peer name eth0 netns "$space-heron" || return 1
  number=1
  for name in osprey heron; do
    as_root ip -n "$space-$name" addr add "10.88.0.$number/24" dev eth0
    as_root ip -n "$space-$name" link set lo up
    as_root ip -n "$space-$name" link set eth0 up
    as_root ip -n "$space-$name" route add default dev eth0
    number=$((number + 1))
  done
}

# on MACHINE COMMAND...: runs it there, without printing. become is the same, in place of this shell, so that a background
# job's number is the program's.
on() {
  (become "$@")
}
become() {
  machine=$1
  shift
  set -- env "PATH=$bin:$PATH" "TULLE_BIN=$bin/tulle" "TULLE_RUNTIME_DIR=$temp/$machine/run" "TULLE_STATE_DIR=$temp/$machine/state" "$@"
  if [ "$network" ]; then
    [ "$(id -u)" -eq 0 ] && exec ip netns exec "$space-$machine" "$@"
    # Only entering the namespace needs root: what runs there is this user's.
    exec sudo ip netns exec "$space-$machine" sudo -u "$(id -un)" "$@"
  fi
  exec "$@"
}

# show MACHINE COMMAND...: prints it with the machine's prompt, and runs it.
show() {
  printf '\n%s$ ' "$1"
  shift_machine=$1
  shift
  for word in "$@"; do
    case $word in *[!a-zA-Z0-9_./@:=,-]*) printf "'%s' " "$word" ;; *) printf '%s ' "$word" ;; esac
  done
  echo
  on "$shift_machine" "$@"
}

# start MACHINE COMMAND...: prints it and runs it in the background.
start() {
  printf '\n%s$ ' "$1"
  start_machine=$1
  shift
  echo "$* &"
  become "$start_machine" "$@" 2>> "$temp/$start_machine/log" &
  pids="$pids $!"
}

# until_ready MACHINE PATTERN: waits until its log has the line, ten seconds at most.
until_ready() {
  tries=0
  until grep -q "$2" "$temp/$1/log" 2> /dev/null; do
    tries=$((tries + 1))
    [ "$tries" -gt 200 ] && die "$1: no line '$2' within 10 s"
    sleep 0.05
  done
  grep -m 1 "$2" "$temp/$1/log"
}

cleanup() {
  trap - EXIT INT TERM
  # A background `sudo ip netns exec` hands the signal on; the nodes end their programs' channels and their mDNS child.
  for pid in $pids; do as_root kill "$pid" 2> /dev/null || kill "$pid" 2> /dev/null; done
  wait 2> /dev/null
  for name in osprey heron; do
    as_root ip netns pids "$space-$name" 2> /dev/null | xargs -r kill 2> /dev/null
    as_root ip netns del "$space-$name" 2> /dev/null
  done
  [ -z "$temp" ] || rm -rf "$temp" 2> /dev/null || as_root rm -rf "$temp"
}

# --- the story ------------------------------------------------------------------------------------------------------

title "build"
need_packages $packages_build $packages_net || exit 2
mkdir -p build/release
for step in "cmake --preset release" "cmake --build --preset release --target programs --parallel $(nproc)"; do
  echo "+ $step"
  $step > build/release/demo.log 2>&1 || { tail -n 40 build/release/demo.log; exit 1; }
done

temp=$(mktemp -d) || exit 2
trap cleanup EXIT
trap 'exit 130' INT TERM
mkdir -p "$temp/osprey" "$temp/heron"
if make_network; then
  network=1
  echo "two network namespaces, osprey (10.88.0.1) and heron (10.88.0.2), with a cable between them"
  listen_osprey= listen_heron=
else
  network=
  echo "no namespaces here (not root, no sudo): two nodes on loopback with folders of their own"
  listen_osprey='--listen 127.0.0.1:8855' listen_heron='--listen 127.0.0.1:8856'
fi

title "a node on each machine"
start osprey tulle node --name osprey $listen_osprey
until_ready osprey ^ready
start heron tulle node --name heron $listen_heron
until_ready heron ^ready

title "one fabric: the token is made on one side and read by the other"
show osprey tulle fabric create lab || die "fabric create failed"
printf '\nosprey$ tulle invite > token\n'
on osprey tulle invite > "$temp/token" || die "invite failed"
printf '\nheron$ tulle join < token\n'
on heron tulle join < "$temp/token" || die "join failed"
show osprey tulle members

title "from now on they find each other over mDNS, by themselves"
show heron tulle ls nodes

title "a service on heron, called from osprey by name and by capability"
start heron textstat
start heron hostinfo
show osprey tulle wait textstat || die "textstat did not appear"
show osprey tulle wait hostinfo || die "hostinfo did not appear"
show osprey tulle ls
show osprey tulle find text/count
show osprey tulle call textstat.count @README.md || die "the call failed"
show osprey wc README.md
show osprey tulle call hostinfo.load || die "the call failed"
show osprey tulle links

title "what a call costs, beside the limits of this machine"
show osprey tulle bench rpc --to heron --duration 0.4s || die "the benchmark failed"

title "done: the nodes end, the namespaces go"
