#!/bin/sh
# Real mDNS between network namespaces, with the engine inside.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/mdns_lib.sh"
build=$1
export TULLE_MDNS_ENGINE=embedded
tl_net_make 3
idA=$(tl_id 1) idB=$(tl_id 2)

tl_say "two nodes find each other"
tl_peer A A 1
tl_peer B B 2
tl_tell A publish 7 print image--decode
tl_tell B publish 8 print
tl_wait_for log.A "^< found $idB fab1000000000000 1 8 [0-9a-f]{16} $(tl_net_address B):9002" 10
tl_wait_for log.B "^< found $idA fab1000000000000 1 7 [0-9a-f]{16} $(tl_net_address A):9001" 10
tl_wait_for log.B "^< found $idA .* \[fe80::.*%[0-9]+\]:9001" 10
tl_wait_for log.A "^dial $idB $(tl_net_address B):9002" 10
[ "$(tl_count log.A "$idA")" -eq 0 ] || tl_fail "A reports itself"

tl_say "any DNS-SD browser finds them by capability"
tl_ask C _image--decode._sub._tulle._udp.local "$idA._tulle._udp.local"
tl_ask C _print._sub._tulle._udp.local "$idB._tulle._udp.local"
tl_ask C _tulle._udp.local "$idB._tulle._udp.local"
tl_ask C _services._dns-sd._udp.local _tulle._udp.local

tl_say "an update is seen, and a capability that ended is not"
tl_tell A publish 9 print scan
tl_wait_for log.B "^< found $idA fab1000000000000 1 9 " 10
tl_ask C _scan._sub._tulle._udp.local "$idA._tulle._udp.local"
tl_ask_in_vain C _image--decode._sub._tulle._udp.local
[ "$(tl_count log.B "^< gone $idA")" -eq 0 ] || tl_fail "an update looked like a goodbye"

tl_say "lines that make no sense change nothing"
for line in garbage "publish x y z" "label UPPER" "hello 1 1" "$(printf '%02000d' 0)" "gone $idB" commit browse; do
  tl_tell B raw "$line"
done
tl_tell B publish 9 print
tl_wait_for log.A "^< found $idB fab1000000000000 1 9 " 10
[ "$(tl_count log.B '^stopped')" -eq 0 ] || tl_fail "garbage ended the child"

tl_say "a new address is followed"
ip -n "$(tl_ns A)" addr del "$(tl_net_address A)/24" dev eth0
ip -n "$(tl_ns A)" addr add "10.77.$tl_subnet.101/24" dev eth0
tl_wait_for log.B "^< found $idA .* 10.77.$tl_subnet.101:9001" 20

tl_say "a killed child comes again, and nobody else notices"
kill -KILL "$(tl_child B)"
tl_wait_for log.B '^stopped 137' 5
tl_wait_for log.B '^< hello 1' 10 2
tl_wait_for log.B "^< found $idA .* 10.77.$tl_subnet.101:9001" 10 2

tl_say "goodbye when the node ends in order"
tl_tell A quit
tl_wait_for log.A '^stopped 0' 10
tl_wait_for log.B "^< gone $idA" 10

tl_say "goodbye when the node is killed"
tl_peer A2 A 1
peer_pid=$(sed -n 's/^child //p' "$tl_temp/log.A2" | xargs -I{} sed -n 's/^PPid:\t//p' /proc/{}/status)
tl_tell A2 publish 1
tl_wait_for log.B "^< found $idA fab1000000000000 1 1 " 10
kill -KILL "$peer_pid"
tl_wait_for log.B "^< gone $idA" 10 2

tl_say "two machines with one key are noticed, a restart is not"
tl_peer A3 A 1
tl_tell A3 publish 1
tl_wait_for log.B "^< found $idA fab1000000000000 1 1 " 10 3
[ "$(tl_count log.B '^< cloned')" -eq 0 ] || tl_fail "a restart looked like a clone"
tl_peer C C 1
tl_tell C publish 1
tl_wait_for log.B "^< cloned $idA" 20
