#!/bin/sh
# Folders that are not as they should be: full, read-only, others', too long. Usage: place.sh BUILD_DIR
# Works in a mount namespace of its own, so that it can fill a disk; nothing of it is left.
if [ "${TULLE_IN_NAMESPACE:-}" != 1 ]; then
  user=--map-root-user
  [ "$(id -u)" -eq 0 ] && user=
  unshare --mount $user true 2> /dev/null || { echo "skipped: no mount namespace can be had here"; exit 77; }
  TULLE_IN_NAMESPACE=1 exec unshare --mount $user "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"

trap 'status=$?; umount "$temp/state" 2> /dev/null; (exit $status); cleanup' EXIT

mkdir -m 700 "$temp/run" "$temp/state"
export TULLE_RUNTIME_DIR="$temp/run" TULLE_STATE_DIR="$temp/state"

# refused PATTERN: a node does not start, and says why
refused() {
  expect 2 timeout -k 2 20 tulle node --no-mdns --listen 127.0.0.1:0
  complains "$1"
}

serve() {
  rm -f "$temp/serve.log"
  start serve tulle node --no-mdns --listen 127.0.0.1:0 "$@"
  node_pid=$pid
  until_true 10 grep -q '^ready' "$temp/serve.log"
}

end() {
  kill -TERM "$node_pid"
  wait "$node_pid" || fail "the node did not end well"
}

small_disk() { mount -t tmpfs -o size=64k,mode=700 none "$1" || fail "no tmpfs"; }
fill() { dd if=/dev/zero of="$1/fill" bs=1k count=128 2> /dev/null; }

# --- no room at the first start ----------------------------------------------------------------------------------------

small_disk "$temp/state"
fill "$temp/state"
refused 'No space left'
complains 'hint: make room'
expect 3 tulle doctor
says '^fail +disk .*bytes are left'
rm "$temp/state/fill"
serve

# --- no room later: what is there stays, the node goes on ----------------------------------------------------------------

expect 0 tulle members --json
cp "$out" "$temp/members"
cp "$temp/state/trust" "$temp/trust.before"
fill "$temp/state"
expect 2 tulle fabric create lab
complains 'No space left'
expect 2 tulle invite
complains 'No space left'
silent
cmp "$temp/state/trust" "$temp/trust.before" || fail "a full disk changed the trust file"
expect 2 tulle doctor
says '^fail +disk'
expect 0 tulle members --json
cmp "$out" "$temp/members" || fail "a full disk changed the members"
rm "$temp/state/fill"
expect 0 tulle fabric create lab
expect 0 tulle invite
kill -KILL "$node_pid"
wait "$node_pid" 2> /dev/null
serve
expect 0 tulle fabric create lab2
end

# --- read-only -------------------------------------------------------------------------------------------------------

mount -o remount,bind,ro "$temp/state" || fail "no remount"
refused 'Read-only file system'
expect 3 tulle doctor
says '^fail +disk .*can only be read'
umount "$temp/state"
rm -f "$temp/state"/*
serve
end

# --- killed while it writes --------------------------------------------------------------------------------------------

for i in 1 2 3 4 5; do
  serve
  (while tulle fabric create "f$i" --timeout 1s; do :; done) > /dev/null 2>&1 &
  creator=$!
  sleep "0.0$i"
  kill -KILL "$node_pid"
  wait "$node_pid" 2> /dev/null
  wait "$creator"
done
serve
grep -q damaged "$temp/serve.log" && fail "a killed node left a damaged file"
end

# --- damaged -----------------------------------------------------------------------------------------------------------

serve
expect 0 tulle fabric create one
expect 0 tulle fabric create two
expect 0 tulle fabric accept
complains 'nothing was wrong'
end
echo damage >> "$temp/state/trust"
serve
grep -q 'trust file is damaged' "$temp/serve.log" || fail "no alarm"
expect 6 tulle invite
complains 'tulle fabric accept'
silent
expect 2 tulle doctor
says '^fail +trust'
expect 0 tulle fabric accept --json
says '^{"recovered":true}$'
expect 0 tulle invite
end
serve
expect 0 tulle invite
expect 0 tulle fabric accept --json
says '^{"recovered":false}$'
end
echo damage > "$temp/state/trust"
echo damage > "$temp/state/trust.prev"
refused 'is damaged, and a new one would be another node'
rm -f "$temp/state"/*
serve
end

# --- permissions -----------------------------------------------------------------------------------------------------

chmod 755 "$temp/state"
refused 'chmod 700'
expect 3 tulle doctor
says '^fail +identity .*others may enter'
chmod 700 "$temp/state"
chmod 644 "$temp/state/identity.key"
refused 'others may read identity.key'
expect 3 tulle doctor
says '^fail +identity .*others may read identity.key'
chmod 600 "$temp/state/identity.key"
chmod 777 "$temp/run"
refused 'others may write to it'
chmod 700 "$temp/run"
: > "$temp/file"
(TULLE_STATE_DIR="$temp/file" && refused 'Not a directory') || exit 1
(TULLE_STATE_DIR="$temp/file" && expect 3 tulle doctor && says '^fail +identity .*no folder') || exit 1

# --- the socket ------------------------------------------------------------------------------------------------------

long=$temp/$(printf 'x%.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20)
long=$long$long$long$long
mkdir -m 700 -p "$long"
export TULLE_RUNTIME_DIR="$long"
refused 'too long'
expect 2 tulle ls
complains 'too long'
expect 2 tulle doctor
says '^fail +socket .*too long'
export TULLE_RUNTIME_DIR="$temp/run"
mkdir "$temp/run/node.sock"
refused 'Is a directory'
rmdir "$temp/run/node.sock"
echo stale > "$temp/run/node.sock" # whatever is there and is no folder is replaced
serve
end
ln -s "$temp/victim" "$temp/run/node.sock"
serve
[ -e "$temp/victim" ] && fail "a link in the place of the socket was followed"
end
(TULLE_RUNTIME_DIR="$temp/gone" && expect 3 tulle ls && complains 'no node runs here') || exit 1

# --- two nodes, one state --------------------------------------------------------------------------------------------

serve
mkdir -m 700 "$temp/run2"
export TULLE_RUNTIME_DIR="$temp/run2"
refused "another node uses .*: pid $node_pid"
expect 3 tulle doctor
says '^fail +state .*another node uses'
export TULLE_RUNTIME_DIR="$temp/run"
expect 0 tulle ls
end

echo "all as it should be"
