#!/bin/sh
# Three nodes, and one that is thrown out: every other one refuses it within two seconds, its links close, it does not come back,
# not with a new process either, and nobody else notices anything.
#
#   removed.sh BUILD_DIR
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/fabric.sh"
tl_net_make 3
start_node A
start_node B --peer "$(tl_net_address A)" --peer "$(tl_net_address C)"
start_node C --peer "$(tl_net_address A)" --peer "$(tl_net_address B)"
node_c=$node_pid
on A "$bin/tulle" fabric create lab > /dev/null || tl_fail "fabric create"
join_to A B
join_to A C
for pair in "A B" "B C" "A C"; do
  # shellcheck disable=SC2086
  until_true 20 is_linked $pair || tl_fail "no link of $pair"
done
start_on C serve "$tests/traffic" serve of-c
start_on B serve-b "$tests/traffic" serve of-b
for letter in A B; do on "$letter" "$bin/tulle" wait of-c --timeout 20s || tl_fail "of-c is not known at $letter"; done
on C "$bin/tulle" wait of-b --timeout 20s || tl_fail "of-b is not known at C"
start_on B hanging "$bin/tulle" call of-c.hang --timeout 60s
hanging=$tl_pid
age=$(link A B age_ns)
epoch() { sed -n 's/^admission \([0-9]*\) [^ ]*$/\1/p' "$tl_temp/$1/state/trust" | sort -n | tail -n 1; }
epoch_before=$(epoch C)
[ -n "$epoch_before" ] || tl_fail "no admission epoch in the trust file"

# Only the node with the authority may do it.
on B "$bin/tulle" members remove node-C 2> "$tl_temp/errors" && tl_fail "B removed a member"
until_true 1 is_linked B C || tl_fail "a refused command did something"
on A "$bin/tulle" members remove node-C || tl_fail "members remove"
begin=$(date +%s%N)
gone() { ! links_of "$1" | grep -q "\"node\":\"node-$2\""; }
until_true 2 gone A C || tl_fail "A keeps its link to C"
until_true 2 gone B C || tl_fail "B keeps its link to C"
tl_say "links closed within $((($(date +%s%N) - begin) / 1000000)) ms"
nobody_knows() { ! on "$1" "$bin/tulle" ls --json | grep -q "of-c"; }
for letter in A B; do until_true 2 nobody_knows "$letter" || tl_fail "of-c is still listed at $letter"; done
wait "$hanging" && tl_fail "a call that waited for C succeeded"
[ "$(tl_count hanging 'outcome unknown|peer|gone|link')" -gt 0 ] || tl_fail "the waiting call ended with: $(cat "$tl_temp/hanging")"
until_true 4 gone C A || tl_fail "C believes in its link to A"
until_true 4 gone C B || tl_fail "C believes in its link to B"

# It dials on, and later as a new process: nobody lets it in, and it learns no secret that came after it.
never_linked() {
  never_end=$(($(date +%s%N) + $1 * 1000000000))
  while [ "$(date +%s%N)" -lt "$never_end" ]; do
    for letter in A B; do gone "$letter" C || tl_fail "C is linked to $letter again"; done
    sleep 0.1
  done
}
never_linked 4
kill -KILL "$node_c"
start_node C --peer "$(tl_net_address A)" --peer "$(tl_net_address B)"
never_linked 4
epochs_agree() { [ "$(epoch A)" = "$(epoch B)" ]; }
until_true 5 epochs_agree || tl_fail "A and B have different admission epochs"
[ "$(epoch B)" -gt "$epoch_before" ] || tl_fail "the admission epoch did not change"
[ "$(epoch C)" = "$epoch_before" ] || tl_fail "C has the admission secret of after its removal"
on C "$bin/tulle" call of-b.notes --timeout 2s > /dev/null 2>&1 && tl_fail "C calls B"
on A "$bin/tulle" members --json | grep -q '"node":"node-C"' && tl_fail "C is listed as a member"

# Nobody else noticed.
[ "$(link A B age_ns)" -gt "$age" ] || tl_fail "the link of A and B was lost"
on A "$bin/tulle" call of-b.notes > /dev/null || tl_fail "A does not reach B any more"
tl_say "it stays out, and the others go on"
