#!/bin/sh
# Who lets in whom: tokens and their ends, members that may invite, removal. Usage: members.sh BUILD_DIR
. "$(dirname "$0")/lib.sh"

as() { export TULLE_RUNTIME_DIR="$temp/$1.run" TULLE_STATE_DIR="$temp/$1.state"; }
for name in alpha beta gamma; do node_begin $name --listen 127.0.0.1:0; done

# --- several tokens ----------------------------------------------------------------------------------------------------

as alpha
expect 0 tulle fabric create lab
expect 0 tulle invite --uses 2 --for 10m
[ "$(sort -u "$out" | wc -l)" -eq 2 ] || fail "not two tokens"
complains 'one use each, within 10 m'
expect 2 tulle invite --uses 0
expect 2 tulle invite --uses 9
complains '1 to 8'
expect 2 tulle invite --uses many
expect 2 tulle invite --for 0s
complains 'more than nothing'
expect 2 tulle invite --usse 2
complains "did you mean '--uses'"
expect 0 tulle invite --help
says '--uses N'

# --- a member that may invite ------------------------------------------------------------------------------------------

expect 0 tulle invite --may-invite
cp "$out" "$temp/may"
as beta
input=$temp/may expect 0 tulle join
expect 6 tulle invite --may-invite
expect 0 tulle invite
[ "$(wc -l < "$out")" -eq 1 ] || fail "the token does not stand alone"
cp "$out" "$temp/second"
as gamma
input=$temp/second expect 0 tulle join
says "^joined fabric 'lab' through alpha"
expect 6 tulle invite
complains 'may-invite'
expect 6 tulle members remove beta
complains 'authority'
as alpha
expect 0 tulle members
says '^beta +linked'
says '^gamma +linked'

# --- tokens that are not taken -----------------------------------------------------------------------------------------

as gamma
input=$temp/may expect 6 tulle join --leave
complains 'has been used'
expect 0 tulle members
as alpha
expect 0 tulle invite --for 1ms # over before anybody can type it
cp "$out" "$temp/brief"
as gamma
input=$temp/brief expect 7 tulle join --leave
complains 'expired'

# --- removal -----------------------------------------------------------------------------------------------------------

as alpha
expect 4 tulle members remove nobody
expect 4 tulle members remove gama
complains "did you mean 'gamma'"
expect 0 tulle members remove gamma
expect 0 tulle members
grep -q gamma "$out" && fail "gamma is still there"
gone() { ! tulle links --json | grep -q gamma; }
as beta
until_true 5 gone
expect 0 tulle invite # the authority is linked, and there is a new admission epoch
as gamma
unlinked() { tulle links --json | grep -q '^\[\]$'; }
until_true 5 unlinked
expect 0 tulle doctor
says '^warn +links +none of the other members'
as alpha
expect 0 tulle invite
cp "$out" "$temp/again"
as gamma
input=$temp/again expect 6 tulle join --leave
complains 'was removed .* TULLE_STATE_DIR'

echo "all as it should be"
