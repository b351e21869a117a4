#!/bin/sh
# Where networks are poor: only lo, lo among others, no multicast, no network at all.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/mdns_lib.sh"
build=$1
export TULLE_MDNS_ENGINE=embedded
tl_net_make 1
tl_net_add L # only lo
tl_net_add N # not even lo
ip -n "$(tl_ns N)" link set lo down

tl_say "two nodes on a machine without a network find each other over lo"
tl_peer L1 L 1
tl_peer L2 L 2
tl_tell L1 publish 1
tl_tell L2 publish 1
tl_wait_for log.L1 "^< status embedded .*only lo is up" 5
tl_wait_for log.L1 "^< found $(tl_id 2) .* 127.0.0.1:9002" 10
tl_wait_for log.L2 "^< found $(tl_id 1) .* 127.0.0.1:9001" 10

tl_say "two nodes on one machine with a network find each other over it"
tl_peer A1 A 3
tl_peer A2 A 4
tl_tell A1 publish 1
tl_tell A2 publish 1
tl_wait_for log.A1 "^< found $(tl_id 4) .* $(tl_net_address A):9004" 10
tl_wait_for log.A2 "^< found $(tl_id 3) .* $(tl_net_address A):9003" 10

tl_say "or over lo when told"
tl_peer A5 A 5 lo
tl_peer A6 A 6 lo
tl_tell A5 publish 1
tl_tell A6 publish 1
tl_wait_for log.A5 "^< found $(tl_id 6) .* 127.0.0.1:9006" 10
tl_wait_for log.A6 "^< found $(tl_id 5) .* 127.0.0.1:9005" 10
[ "$(tl_count log.A5 10.77)" -eq 0 ] || tl_fail "the other interface was used as well"

tl_say "without any network nothing hangs, and all ends in order"
tl_peer N N 7
tl_tell N publish 1
tl_wait_for log.N "^< status embedded .*no interface is up" 5
tl_tell N list
tl_wait_for log.N "^listed 0" 5
tl_tell N quit
tl_wait_for log.N "^stopped 0" 5

tl_say "when the network appears it is used, when it goes lo takes its place"
tl_net_plug L
tl_tell L1 publish 2
tl_wait_for log.L2 "^< found $(tl_id 1) .* $(tl_net_address L):9001" 10
tl_wait_for log.L1 "^< found $(tl_id 2) .* $(tl_net_address L):9002" 10
ip -n "$(tl_ns L)" link set eth0 down
tl_wait_for log.L2 "^< status embedded .*only lo is up" 10 2
tl_wait_for log.L1 "^< lost $(tl_id 2) $(tl_net_address L):9002" 20
tl_tell L1 list
tl_wait_for log.L1 "^entry $(tl_id 2) .*addresses=[12] " 5 # 127.0.0.1, and ::1 where lo can multicast IPv6
[ "$(tl_count log.L1 "^< gone $(tl_id 2)")" -eq 0 ] || tl_fail "L1 lost L2"

tl_say "an interface that cannot multicast is none"
ip -n "$(tl_ns L)" link set eth0 multicast off up
tl_tell L1 list
tl_wait_for log.L1 "^listed 1" 5 2
tl_tell L1 quit
tl_wait_for log.L1 "^stopped 0" 5
tl_wait_for log.L2 "^< gone $(tl_id 1)" 10
