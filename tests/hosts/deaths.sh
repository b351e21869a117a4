#!/bin/sh
# Programs, nodes and machines that die while calls between two machines wait: every call ends with the right error, and the
# nodes hold afterwards what they held before.
#
#   deaths.sh BUILD_DIR [SERVERS [CLIENTS [NODES [CABLES]]]]      how many of each die
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/fabric.sh"
servers=${2:-60} clients=${3:-60} nodes=${4:-5} cables=${5:-3}
tl_net_make 2
start_node A --peer "$(tl_net_address B)"
node_a=$node_pid
start_node B --peer "$(tl_net_address A)"
node_b=$node_pid
on A "$bin/tulle" fabric create lab > /dev/null || tl_fail "fabric create"
join_to A B

# mend and break scripts run outside of the namespaces; what they start is ended with everything else.
script() { cat > "$tl_temp/$1.sh" && chmod +x "$tl_temp/$1.sh"; }
in_b="exec ip netns exec $(tl_ns B) env TULLE_RUNTIME_DIR=$tl_temp/B/run TULLE_STATE_DIR=$tl_temp/B/state TULLE_AUTOSTART=0"
script serve << END
#!/bin/sh
($in_b $tests/traffic serve victim) > $tl_temp/victim 2>&1 &
echo \$! > $tl_temp/victim.pid
END
script kill << END
#!/bin/sh
kill -KILL \$(cat $tl_temp/\$1.pid) && rm $tl_temp/\$1.pid
END

links_held() { echo "$(link A B lanes) lanes, $(status_of A programs) programs, $(status_of A channels) channels"; }
all_held() { echo "A: $(held "$1"), $(links_held); B: $(held "$2")"; }
settled() { [ "$(all_held "$node_a" "$node_b")" = "$before" ]; }
check_settled() {
  until_true 10 settled || tl_fail "before $1: $before; after: $(all_held "$node_a" "$node_b")"
}
waiting() {
  what=$1
  shift
  on A "$tests/waiting" "$@" > "$tl_temp/waiting" 2>&1 || tl_fail "$what: $(cat "$tl_temp/waiting")"
  tl_say "$what: $(cat "$tl_temp/waiting")"
}
until_true 10 is_linked A B || tl_fail "no link"
on A "$bin/tulle" ls > /dev/null

# What a first round leaves for good (buffers, accounts of the peer) is there before the count.
waiting "a server" victim 1 1 10000 "$tl_temp/serve.sh" "$tl_temp/kill.sh victim"
before=$(all_held "$node_a" "$node_b")
waiting "servers killed" victim "$servers" 2 10000 "$tl_temp/serve.sh" "$tl_temp/kill.sh victim"
check_settled "the servers' deaths"

# Clients in A that call with all their might, killed at random moments. The service in B lives on.
start_on B steady "$tests/traffic" serve steady
steady=$tl_pid
on A "$bin/tulle" wait steady --timeout 20s || tl_fail "no service in B"
before=$(all_held "$node_a" "$node_b")
i=0
while [ "$i" -lt "$clients" ]; do
  start_on A hammer "$tests/traffic" hammer steady
  hammer=$tl_pid
  sleep "0.$(awk "BEGIN { srand($i); printf \"%03d\", 30 + rand() * 300 }")"
  kill -KILL "$hammer" || tl_fail "a client ended by itself: $(cat "$tl_temp/hammer")"
  wait "$hammer" 2> /dev/null
  i=$((i + 1))
done
on A "$tests/traffic" run steady 100 65536 0 > "$tl_temp/after" 2>&1 || tl_fail "the service after its clients' deaths"
check_settled "the clients' deaths"
tl_say "$clients clients killed, nothing of them is left: $before"

# The far node is killed, and started again; its programs attach to the new one.
script node << END
#!/bin/sh
[ -f $tl_temp/node.pid ] && exit 0
($in_b $bin/tulle node --name node-B --no-mdns --peer $(tl_net_address A)) >> $tl_temp/node-B 2>&1 &
echo \$! > $tl_temp/node.pid
END
echo "$node_b" > "$tl_temp/node.pid"
waiting "far nodes killed" steady "$nodes" 3 10000 "$tl_temp/node.sh" "$tl_temp/kill.sh node"
"$tl_temp/node.sh"
kill -0 "$steady" || tl_fail "the program in B did not survive its node"

# The far machine goes away: its cable is pulled.
script pull << END
#!/bin/sh
exec ip -n $(tl_ns hub) link set toB down
END
script plug << END
#!/bin/sh
exec ip -n $(tl_ns hub) link set toB up
END
waiting "cables pulled" steady "$cables" 4 10000 "$tl_temp/plug.sh" "$tl_temp/pull.sh"
"$tl_temp/plug.sh"
until_true 20 on A "$bin/tulle" call --timeout 1s steady.notes || tl_fail "no call after the cable is back"
kill -0 "$node_a" || tl_fail "the near node died"
