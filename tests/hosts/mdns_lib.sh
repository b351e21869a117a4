# For the tests of discovery: nodes reduced to their discovery (mdns_peer.c). Source lib.sh first.

# tl_id NUMBER: the node id of peer NUMBER, as text.
tl_id() {
  # 16 bytes, the number in the first four, as base32; only numbers below 32 are needed here: the digit of weight 2^0
  # stands at bit 31 of the 128, which is the second bit of letter 7.
  tl_alphabet=abcdefghijklmnopqrstuvwxyz234567
  tl_v=$(($1 * 8)) # bits 25..34 of the id, two letters
  echo "aaaaa$(echo $tl_alphabet | cut -c$((tl_v / 32 + 1)))$(echo $tl_alphabet | cut -c$((tl_v % 32 + 1)))aaaaaaaaaaaaaaaaaaa"
}

# tl_peer NAME WHERE NUMBER [INTERFACE]: peer NUMBER (port 9000 + NUMBER) in namespace WHERE; log.NAME has what it says.
tl_peer() {
  mkfifo "$tl_temp/in.$1"
  tl_spawn "log.$1" "$2" sh -c 'exec "$@" < "$0"' "$tl_temp/in.$1" \
    "$build/tests/mdns_peer" "$build/bin/tulle-mdns" "$3" $((9000 + $3)) ${4-}
  # Held open, so that the peer sees no end of input between two commands. Opening waits until the peer has.
  tl_spawn "hold.$1" - sh -c 'exec sleep 600 > "$0"' "$tl_temp/in.$1"
  tl_wait_for "log.$1" '^child' 10
}

# tl_tell NAME COMMAND...
tl_tell() { tl_to=$1; shift; echo "$*" > "$tl_temp/in.$tl_to"; }

# tl_child NAME: the process of its tulle-mdns.
tl_child() { sed -n 's/^child //p' "$tl_temp/log.$1" | tail -n 1; }

# tl_ask WHERE NAME EXPECTED: until EXPECTED answers a PTR question on eth0, or the test fails.
tl_ask() {
  tl_net_exec "$1" "$build/tests/mdns_ask" eth0 "$2" ptr 5000 "$3" > "$tl_temp/asked" || tl_fail "$3 does not answer for $2"
}

# tl_ask_in_vain WHERE NAME: nobody answers within a second.
tl_ask_in_vain() {
  tl_net_exec "$1" "$build/tests/mdns_ask" eth0 "$2" ptr 1000 > "$tl_temp/asked" && tl_fail "somebody still answers for $2"
}
