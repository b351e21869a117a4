#!/bin/sh
# Interfaces of running services: told, used for calls, compared when a program opens a channel.
here=$(dirname "$0")
. "$here/lib.sh"
node_begin alpha
start described "$build/tests/described"
expect 0 tulle wait sums

expect 0 tulle describe sums
says '^/// Adds up\.$'
says '^interface sums 1 \{$'
expect 0 tulle describe sums --canonical
[ "$(grep -c '///' "$out")" = 0 ] || fail "documentation in the canonical form"
expect 0 tulle describe sums --json --node alpha
says '"service":"sums","node":"alpha","interface":"sums","version":1,"fingerprint":"[a-z2-7A-Z]*"'
expect 4 tulle describe smus
complains "did you mean 'sums'"
expect 4 tulle describe sums --node beta

expect 0 tulle call sums.add left=2 right=3
says '^sum: 5$'
expect 0 tulle call --json sums.add '{"right": 3, "left": 4}'
[ "$(cat "$out")" = '{"sum":7}' ] || fail "not by its name"
expect 0 tulle call --json sums.add '[1, 2]'
[ "$(cat "$out")" = '{"sum":3}' ] || fail "not by position"
expect 2 tulle call sums.add left=2 rigth=3
complains "did you mean 'right'"
expect 2 tulle call sums.add left=2
complains "wants the parameter 'right', a u32"
expect 2 tulle call sums.add left=-1 right=3
complains "left"
expect 4 tulle call sums.ad left=2 right=3
complains "did you mean 'add'"
expect 1 tulle call sums.add left=2000 right=3
complains "too_much"

open() { "$build/tests/described" open "$1"; }
expect 0 open 'interface sums 1 { error too_much; add(u32 left, u32 right) -> (u64 sum) fails too_much; }'
expect 0 open 'interface sums 1 { error too_much; add(u32 left, u32 right) -> (u64 sum) fails too_much; reset(); }'
expect 8 open 'interface sums 1 { error too_much; add(u32 left, u64 right) -> (u64 sum) fails too_much; }'
expect 8 open 'interface sums 2 { error too_much; add(u32 left, u32 right) -> (u64 sum) fails too_much; }'

# Generated code does the same on both sides.
start greeter "$build/bin/greeter"
expect 0 tulle wait greeter
expect 0 tulle describe greeter
says '^/// Greets people\.$'
expect 0 tulle gen --fingerprint examples/hello/greeter.tulle
fingerprint=$(cat "$out")
expect 0 tulle describe greeter --json
says "\"version\":1,\"fingerprint\":\"$fingerprint\""
expect 0 "$build/tests/opens" newer
expect 8 "$build/tests/opens" other
complains 'another interface: .*greet'
