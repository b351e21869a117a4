# A node of one's own for a test of the command: source this file with the build folder as $1.
#
#   node_begin NAME [OPTIONS]    starts a node in folders of its own; everything ends with the script
#   start NAME COMMAND...        in the background, output in $temp/NAME.log; its process in $pid
#   expect CODE COMMAND...       runs it, output in $out and $err (files); fails unless it exits with CODE
#   says PATTERN, complains PATTERN    the last command's standard output, standard error, has such a line
#   shape FIELD:TYPE...          the last command's standard output is JSON of that shape
set -u
build=$(cd "$1" && pwd)
PATH=$build/bin:$PATH
export PATH TULLE_AUTOSTART=0 TULLE_BIN="$build/bin/tulle"
temp=$(mktemp -d) || exit 1
out=$temp/out err=$temp/err
pids=

fail() { echo "FAILED: $*"; [ -f "$out" ] && head -c 2000 "$out"; [ -f "$err" ] && head -c 2000 "$err"; exit 1; }

cleanup() {
  status=$?
  trap - EXIT INT TERM HUP
  for p in $pids; do kill -KILL "$p" 2> /dev/null; done
  wait 2> /dev/null
  [ "$status" -eq 0 ] || tail -n 40 "$temp"/*.log 2> /dev/null
  rm -rf "$temp"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

start() {
  name=$1
  shift
  "$@" > "$temp/$name.log" 2>&1 &
  pid=$!
  pids="$pids $pid"
}

# until_true SECONDS COMMAND...
until_true() {
  end=$(($(date +%s) + $1))
  shift
  until "$@" > /dev/null 2>&1; do
    [ "$(date +%s)" -le "$end" ] || fail "not within its time: $*"
    sleep 0.02
  done
}

node_begin() {
  node=$1
  shift
  export TULLE_RUNTIME_DIR="$temp/$node.run" TULLE_STATE_DIR="$temp/$node.state"
  mkdir -m 700 -p "$TULLE_RUNTIME_DIR" "$TULLE_STATE_DIR"
  start "node-$node" tulle node --name "$node" --no-mdns "$@"
  node_pid=$pid
  until_true 10 grep -q '^ready' "$temp/node-$node.log"
}

expect() {
  wanted_code=$1
  shift
  "$@" > "$out" 2> "$err" < "${input:-/dev/null}"
  got=$?
  [ "$got" -eq "$wanted_code" ] || fail "exit code $got, not $wanted_code: $*"
}

says() { grep -qE -- "$1" "$out" || fail "standard output lacks: $1"; }
complains() { grep -qE -- "$1" "$err" || fail "standard error lacks: $1"; }
silent() { [ ! -s "$out" ] || fail "standard output is not empty"; }
shape() { "$build/tests/json_shape" "$@" < "$out" 2> "$err" || fail "wrong shape: $*"; }
