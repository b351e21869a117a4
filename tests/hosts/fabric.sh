# Nodes in the networks of lib.sh: source this file after it, with the build folder as $1.
#
#   start_node A [OPTIONS]        a node in namespace A, called node-A; returns when it serves. node_pid is its process
#   start_on A LOG COMMAND...     a program there, in the background; tl_pid is its process
#   on A COMMAND...               a command there
#   join_to A B                   B becomes a member of the fabric that A made
#   until_true SECONDS COMMAND... repeats a command until it succeeds; false when time is up
#   link A B FIELD                a field of A's link to B, or nothing
#   held PID                      how much a process holds: descriptors and shared mappings
bin=$1/bin tests=$1/tests

on() {
  on_where=$1
  shift
  tl_net_exec "$on_where" env "TULLE_RUNTIME_DIR=$tl_temp/$on_where/run" "TULLE_STATE_DIR=$tl_temp/$on_where/state" \
    TULLE_AUTOSTART=0 "$@"
}
start_on() {
  on_where=$1 on_log=$2
  shift 2
  tl_spawn "$on_log" "$on_where" env "TULLE_RUNTIME_DIR=$tl_temp/$on_where/run" \
    "TULLE_STATE_DIR=$tl_temp/$on_where/state" TULLE_AUTOSTART=0 "$@"
}
start_node() {
  node_where=$1
  shift
  mkdir -p "$tl_temp/$node_where"
  node_starts=$((${node_starts-0} + 1))
  start_on "$node_where" "node-$node_where-$node_starts" "$bin/tulle" node --name "node-$node_where" --no-mdns "$@"
  node_pid=$tl_pid
  tl_wait_for "node-$node_where-$node_starts" '^ready' 20
}
join_to() {
  on "$1" "$bin/tulle" invite > "$tl_temp/token" 2> "$tl_temp/errors" || tl_fail "invite"
  on "$2" "$bin/tulle" join --timeout 60s < "$tl_temp/token" || tl_fail "join of $2"
}

until_true() {
  until_end=$(($(date +%s%N) + $1 * 1000000000))
  shift
  until "$@" > /dev/null 2>&1; do
    [ "$(date +%s%N)" -lt "$until_end" ] || return 1
    sleep 0.05
  done
}

# One line for each link, with its fields.
links_of() { on "$1" "$bin/tulle" links --json | sed 's/},{/}\n{/g'; }
link() { links_of "$1" | grep "\"node\":\"node-$2\"" | sed -n "s/.*\"$3\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }
link_is() { [ "$(link "$1" "$2" "$3")" = "$4" ]; }
is_linked() { link_is "$1" "$2" state up; }
status_of() { on "$1" "$bin/tulle" call node.status --json | sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p"; }

held() { echo "$(ls "/proc/$1/fd" | wc -l) descriptors, $(grep -c memfd "/proc/$1/maps") mappings"; }
