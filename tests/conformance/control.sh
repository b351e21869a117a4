#!/bin/sh
# Disturbs the place where the suite runs. Exit code 3: that cannot be done in this setting.
#
#   control.sh PLACE kill|stop|cont far|near        sends the node that signal; kill waits for its end
#   control.sh PLACE start far|near [moved]         starts it again; moved: at another port
#   control.sh PLACE cut|mend                       the cable between two nodes
set -u
here=$(dirname "$0")
. "$1"
. "$here/place.sh"
node=$home
[ "${3-}" = near ] && node=a

is_there() { [ -r "/proc/$1/stat" ] && ! grep -q ') Z ' "/proc/$1/stat"; }

case $2 in
kill)
  pid=$(cat "$temp/$node.pid")
  kill -KILL "$pid" || exit 1
  while is_there "$pid"; do sleep 0.01; done
  ;;
stop) kill -STOP "$(cat "$temp/$node.pid")" ;;
cont) kill -CONT "$(cat "$temp/$node.pid")" ;;
start) start_node "$node" "${4:-again}" ;;
cut | mend)
  case $setting in
  udp | tcp) ip -n "$space-b" link set eth0 "$([ "$2" = cut ] && echo down || echo up)" ;;
  *) exit 3 ;;
  esac
  ;;
*) exit 2 ;;
esac
