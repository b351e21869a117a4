#!/bin/sh
# T-15: what an attacker could guess at by timing is compared by sodium_memcmp, or by the library's own checks.
#
#   secrets.sh SOURCE_DIR
#
# Fails on a memcmp, bcmp or str*cmp in crypto/ whose arguments name something secret or a check value. Also: keys are
# wiped by sodium_memzero (a memset before free may be optimised away).
cd "$1" || exit 2
secret='secret|psk|mac[12]?|mac_root|cookie|tag|check|hash|digest|signature|chain|private|token|gate|noise|ts'
public='psk_id|fabric_tag|boot_id|node_id|fabric_id|responder_id'

faults=$(grep -nE '(^|[^_a-z])(memcmp|bcmp|strcmp|strncmp)\(' crypto/*.c |
  sed -E "s/[a-z_.>-]*\\b($public)\\b//g" |
  grep -E ":.*cmp\\(.*(\\b|_)($secret)(\\b|_|\\[)")
wipes=$(grep -nE "memset\\([^;]*\\b(secret|psk|key|seed)[^;]*, 0," crypto/*.c)

[ -z "$faults$wipes" ] && echo "secrets: no faults" && exit 0
printf '%s\n' "$faults" "$wipes" | sed '/^$/d'
exit 1
