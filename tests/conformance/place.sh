# Where the suite runs: sourced by settings.sh, which makes the place, and by control.sh, which disturbs it. Both know
#
#   setting  one, loopback, udp, tcp         bin    folder of the command
#   temp     folder of everything here       space  how the network namespaces begin
#   host     address of both nodes (loopback) home   the node under test: a or b

die() {
  echo "$(basename "$0"): $*" >&2
  for log in "$temp"/*.log; do echo "--- $log"; tail -n 30 "$log"; done >&2
  exit 1
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

until_line() {
  for _ in $(seq 400); do
    grep -q "$2" "$1" 2> /dev/null && return 0
    sleep 0.05
  done
  die "no line '$2' in $1 within 20 s"
}

# options_of NODE [again|moved]: where it listens; moved: elsewhere. Without mDNS a node that starts again has to be told of the
# other one.
options_of() {
  case $setting:$1:${2-} in
  one:*) echo "--listen 127.0.0.1:0" ;;
  loopback:a:*) echo "--listen $host:20000" ;;
  loopback:b:) echo "--listen $host:20001" ;;
  loopback:b:again) echo "--listen $host:20001 --peer $host:20000" ;;
  loopback:b:moved) echo "--listen $host:20002 --peer $host:20000" ;;
  *:b:again) echo "--carrier $setting --peer 10.87.0.1:8855" ;;
  *:b:moved) echo "--carrier $setting --peer 10.87.0.1:8855 --listen 0.0.0.0:9001" ;;
  *) echo "--carrier $setting" ;;
  esac
}

# start_node NODE [again|moved]
start_node() {
  log=$temp/$1.log
  : > "$log"
  # shellcheck disable=SC2046
  become "$1" "$bin/tulle" node --name "node-$1" --no-mdns $(options_of "$@") > /dev/null 2> "$log" &
  echo $! > "$temp/$1.pid"
  until_line "$log" '^ready'
}
