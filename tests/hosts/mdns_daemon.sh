#!/bin/sh
# The engine that is avahi-daemon: used where it runs, left when it dies, come back to; all without the node
# noticing more than a line of status. D-Bus and avahi-daemon run in a namespace, on a bus of their own.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/mdns_lib.sh"
build=$1
for program in dbus-daemon avahi-daemon avahi-browse; do
  command -v $program > /dev/null || [ -x /usr/sbin/$program ] || tl_skip "no $program (packages dbus-daemon, avahi-daemon, avahi-utils)"
done
PATH=$PATH:/usr/sbin
[ -z "${TL_NET_INSIDE-}" ] || tl_skip "not root: avahi-daemon wants a user of its own, which a user namespace has not"
tl_net_make 2
idA=$(tl_id 1) idB=$(tl_id 2)

cat > "$tl_temp/bus.conf" << END
<busconfig>
  <type>system</type>
  <listen>unix:path=$tl_temp/bus</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="false"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
    <allow user="*"/>
  </policy>
</busconfig>
END
cat > "$tl_temp/avahi.conf" << END
[server]
host-name=host-of-a
use-ipv4=yes
use-ipv6=yes
enable-dbus=yes
[wide-area]
enable-wide-area=no
[publish]
publish-hinfo=no
publish-workstation=no
[rlimits]
END
export DBUS_SYSTEM_BUS_ADDRESS="unix:path=$tl_temp/bus"

bus() {
  tl_spawn log.bus A dbus-daemon --config-file="$tl_temp/bus.conf" --nofork --nopidfile
  bus_pid=$tl_pid
}
# avahi-daemon writes under /run and cannot be told otherwise: it gets a /run of its own.
daemon() {
  tl_spawn log.daemon A unshare --mount --propagation private sh -c '
    mount -t tmpfs tmpfs /run && mkdir -p /run/avahi-daemon && chmod 777 /run/avahi-daemon &&
    exec avahi-daemon --no-chroot --no-drop-root --no-rlimits --file="$0"' "$tl_temp/avahi.conf"
  daemon_pid=$tl_pid
}

tl_say "without a bus the engine inside is used"
tl_peer A A 1
TULLE_MDNS_ENGINE=embedded tl_peer B B 2
tl_tell A publish 1 print
tl_tell B publish 1
tl_wait_for log.A "^< status embedded no D-Bus" 10
tl_wait_for log.A "^< found $idB .* $(tl_net_address B):9002" 10
tl_wait_for log.B "^< found $idA .* $(tl_net_address A):9001" 10

tl_say "a bus without the daemon is waited on"
bus
tl_wait_for log.A "^< status embedded no avahi-daemon runs" 20

tl_say "the daemon appears: move to it"
daemon
tl_wait_for log.A "^< status avahi-daemon avahi 0.* on host-of-a.local" 20
tl_net_exec A avahi-browse -rtp _tulle._udp > "$tl_temp/browse"
grep -q "^=;eth0;IPv4;$idA;_tulle._udp;local;host-of-a.local;$(tl_net_address A);9001;" "$tl_temp/browse" ||
  tl_fail "the daemon does not announce A: $(cat "$tl_temp/browse")"
grep -q "^=;eth0;IPv4;$idB;_tulle._udp;local;$idB.local;$(tl_net_address B);9002;" "$tl_temp/browse" ||
  tl_fail "the daemon does not see B: $(cat "$tl_temp/browse")"
tl_net_exec A avahi-browse -rtp _print._sub._tulle._udp | grep -q "^=;eth0;IPv4;$idA;" || tl_fail "the daemon knows no subtype"

tl_say "two nodes of one daemon find each other"
tl_peer A2 A 3
tl_tell A2 publish 1
tl_wait_for log.A2 "^< found $idA .* $(tl_net_address A):9001" 10
tl_wait_for log.A "^< found $(tl_id 3) .* $(tl_net_address A):9003" 10
tl_tell A2 quit
tl_wait_for log.A "^< gone $(tl_id 3)" 10

tl_say "an update and a capability through the daemon"
tl_tell A publish 2 print scan
tl_wait_for log.B "^< found $idA fab1000000000000 1 2 " 10
tl_ask B _scan._sub._tulle._udp.local "$idA._tulle._udp.local"
tl_tell B publish 2
tl_wait_for log.A "^< found $idB fab1000000000000 1 2 " 10

tl_say "the daemon is killed: the engine inside takes over"
kill -KILL "$daemon_pid"
tl_wait_for log.A "^< status embedded .*avahi-daemon" 10 2
tl_tell A publish 3 print scan
tl_wait_for log.B "^< found $idA fab1000000000000 1 3 " 10
tl_tell B publish 3
tl_wait_for log.A "^< found $idB fab1000000000000 1 3 " 10

tl_say "the daemon comes back"
daemon
tl_wait_for log.A "^< status avahi-daemon" 20 2
tl_tell B publish 4
tl_wait_for log.A "^< found $idB fab1000000000000 1 4 " 10

tl_say "the bus dies"
kill -KILL "$bus_pid"
tl_wait_for log.A "^< status embedded" 20 4
tl_tell B publish 5
tl_wait_for log.A "^< found $idB fab1000000000000 1 5 " 10

tl_say "through all of this neither lost sight of the other"
sleep 11 # as long as sights without an engine are kept
[ "$(tl_count log.A "^< gone $idB")" -eq 0 ] || tl_fail "A lost B"
[ "$(tl_count log.B "^< gone $idA")" -eq 0 ] || tl_fail "B lost A"
