#!/bin/sh
# A node that root starts: it becomes the user `tulle` where there is one, and has no rights left. Usage: root.sh BUILD_DIR
# The user is made in a mount namespace, on a copy of /etc/passwd: nothing of it is left.
[ "$(id -u)" -eq 0 ] || { echo "skipped: only root can become somebody else"; exit 77; }
if [ "${TULLE_IN_NAMESPACE:-}" != 1 ]; then
  unshare --mount true 2> /dev/null || { echo "skipped: no mount namespace can be had here"; exit 77; }
  command -v setpriv > /dev/null || { echo "skipped: no setpriv"; exit 77; }
  TULLE_IN_NAMESPACE=1 exec unshare --mount "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"

tulle_uid=64990
somebody=64991
chmod 755 "$temp" # other users shall get as far as the socket
export TULLE_RUNTIME_DIR="$temp/run" TULLE_STATE_DIR="$temp/state"

serve() {
  rm -f "$temp/serve.log"
  start serve tulle node --no-mdns --listen 127.0.0.1:0
  node_pid=$pid
  until_true 10 grep -q '^ready' "$temp/serve.log"
}
end() {
  kill -TERM "$node_pid"
  wait "$node_pid" || fail "the node did not end well"
}
status_is() { grep -qE "^$1:[[:space:]]+$2\$" "/proc/$node_pid/status" || fail "$1 is not $2: $(grep "^$1" "/proc/$node_pid/status")"; }

no_rights() {
  for set in CapInh CapPrm CapEff CapBnd CapAmb; do status_is $set 0+; done
  status_is NoNewPrivs 1
}

# --- without the user: it stays root by number, without a right ----------------------------------------------------------

grep -v '^tulle:' /etc/passwd > "$temp/passwd"
mount --bind "$temp/passwd" /etc/passwd || fail "no bind mount"
serve
status_is Uid '0[[:space:]]+0[[:space:]]+0[[:space:]]+0'
no_rights
expect 0 tulle members --json
cp "$out" "$temp/members"
end

# --- with it: what root had made goes over ---------------------------------------------------------------------------------

echo "tulle:x:$tulle_uid:$tulle_uid::/nonexistent:/usr/sbin/nologin" >> "$temp/passwd"
serve
ids="$tulle_uid[[:space:]]+$tulle_uid[[:space:]]+$tulle_uid[[:space:]]+$tulle_uid"
status_is Uid "$ids"
status_is Gid "$ids"
status_is Groups '[[:space:]]*'
no_rights
[ "$(stat -c %u:%a "$temp/state")" = "$tulle_uid:700" ] || fail "the state is not the node's own"
[ "$(stat -c %u:%a "$temp/state/identity.key")" = "$tulle_uid:600" ] || fail "the key is not the node's own"
[ "$(stat -c %a "$temp/run")" = 755 ] || fail "others cannot reach the socket"
expect 0 tulle members --json
cmp "$out" "$temp/members" || fail "the node is another one"
expect 0 tulle invite

# --- everybody may use it, root and `tulle` may administer it --------------------------------------------------------------

as() { setpriv --reuid "$1" --regid "$1" --clear-groups "$build/bin/tulle" $2; }
as_somebody() { as $somebody "$*"; }
as_tulle() { as $tulle_uid "$*"; }
expect 0 as_somebody ls
expect 0 as_somebody members
expect 6 as_somebody invite
silent
expect 6 as_somebody fabric create mine
expect 6 as_somebody members remove osprey
expect 0 as_tulle invite
setpriv --reuid $somebody --regid $somebody --clear-groups cat "$temp/state/trust" > /dev/null 2>&1 &&
  fail "anybody can read the trust file"
end

# --- a second start, and a folder of somebody else ---------------------------------------------------------------------------

serve
status_is Uid "$ids"
end
chown $somebody "$temp/state"
expect 2 timeout -k 2 20 tulle node --no-mdns --listen 127.0.0.1:0
complains 'belongs to another user'

echo "all as it should be"
