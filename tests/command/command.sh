#!/bin/sh
# Each verb against a live node: its exit codes, its output for people and for programs. Usage: command.sh BUILD_DIR
. "$(dirname "$0")/lib.sh"

# --- no node ---------------------------------------------------------------------------------------------------------

export TULLE_RUNTIME_DIR="$temp/none" TULLE_STATE_DIR="$temp/none"
for verb in ls "bench rpc" "ls nodes" "find a" members links invite "fabric create f" "call a.b"; do
  expect 3 tulle $verb
  silent
  complains '^error: no node runs here'
  complains 'TULLE_RUNTIME_DIR'
done
expect 3 tulle ls --json
silent
complains '"name":"NO_NODE".*"exit":3'
expect 3 tulle wait nobody --timeout 100ms
complains 'waited for 100 ms'
expect 3 tulle doctor
says '^fail +node'
expect 0 tulle version
says '^tulle [0-9]'
expect 0 tulle version --json
shape version:text control_version_min:int control_version_max:int
expect 0 tulle errors
says 'NO_SERVICE +-1002 +4 '
expect 0 tulle errors --json
shape code:int name:text text:text 'hint:text|null' exit:int
expect 0 tulle errors no_service
says '^NO_SERVICE'
expect 2 tulle errors NO_SERVISE
complains "did you mean 'NO_SERVICE'"
for shell in bash zsh fish; do
  expect 0 tulle completion $shell
  says tulle
done
expect 2 tulle completion csh
if command -v bash > /dev/null; then
  expect 0 bash -c 'eval "$(tulle completion bash)"; COMP_WORDS=(tulle jo); COMP_CWORD=1; _tulle; echo "${COMPREPLY[@]}"'
  says '^join$'
fi
expect 0 tulle complete -- jo
says '^join$'
expect 0 tulle complete -- fabric ''
says '^create$'
expect 0 tulle complete -- bench rpc --carrier t
says '^tcp$'
expect 2 tulle
expect 2 tulle nonsense
expect 0 tulle --help
says '^usage: tulle COMMAND'
: > /dev/full && { tulle version > /dev/full 2> "$err"; [ $? -eq 2 ] || fail "a full disk is not noticed"; }
expect 0 tulle help
says '^usage: tulle COMMAND'
expect 0 tulle help bench rpc
says '^usage: tulle bench rpc'
expect 2 tulle help cal
complains "did you mean 'tulle call'"

# --- a node alone ----------------------------------------------------------------------------------------------------

node_begin alpha --listen 127.0.0.1:0
expect 0 tulle ls
says '^0 services'
expect 0 tulle ls --json
says '^\[\]$'
expect 4 tulle find text/count
complains "nobody offers 'text/count'"
expect 0 tulle find text/count --json
says '^\[\]$'
expect 2 tulle ls servces
complains "did you mean 'services'"
expect 0 tulle doctor --json
shape checks:array failures:int warnings:int
expect 5 tulle wait nobody --timeout 200ms
complains "nobody serves 'nobody'"
complains 'waited for 200 ms'
expect 2 tulle wait 'no body'

# --- services --------------------------------------------------------------------------------------------------------

start textstat env LC_ALL=C.UTF-8 "$build/bin/textstat"
textstat_pid=$pid
start hostinfo "$build/bin/hostinfo"
start greeter "$build/bin/greeter"
start calculator "$build/bin/calculator"
start echo tulle bench echo --local --service bytes.echo
for service in textstat hostinfo greeter calculator bytes.echo; do expect 0 tulle wait $service; done

expect 0 tulle ls
says '^SERVICE +NODE +PATH'
says '^textstat +alpha +ring .*text/count'
says 'services on 1 node \('
expect 0 tulle ls --json
shape service:text node:text node_id:text capabilities:array offers:array path:text age_ns:int
expect 0 tulle find text/count --json
[ "$("$build/tests/json_shape" --rows service:text < "$out")" = 1 ] || fail "not one service"
says '"service":"textstat".*"capabilities":\["text/count"\].*"path":"ring"'
expect 0 tulle find text/count 'version>=1'
says '^textstat'
expect 4 tulle find text/count 'version>1'
expect 2 tulle find text/count version
expect 2 tulle find 'text count'
expect 0 tulle complete -- call te
says '^textstat\.$'
expect 0 tulle complete -- find text/
says '^text/count$'
expect 0 tulle complete -- call a.b --node a
says '^alpha$'

# what wc says of any file, textstat says
head -c 300000 /dev/urandom > "$temp/random"
head -c 70000 "$build/bin/tulle" > "$temp/binary"
: > "$temp/empty"
printf 'no newline at the end' > "$temp/short"
for file in COMMANDS.md README.md CMakeLists.txt docs/json.md "$temp/random" "$temp/binary" "$temp/empty" "$temp/short"; do
  [ -f "$file" ] || continue
  wanted=$(LC_ALL=C.UTF-8 wc < "$file" | awk '{print "{\"lines\":" $1 ",\"words\":" $2 ",\"bytes\":" $3 "}"}')
  expect 0 tulle call --json textstat.count "@$file"
  [ "$(cat "$out")" = "$wanted" ] || fail "$file: wc says $wanted"
done
expect 0 tulle call textstat.count @CMakeLists.txt
says '^lines: [0-9]+$'
input=CMakeLists.txt expect 0 tulle call textstat.count @-
says "^bytes: $(wc -c < CMakeLists.txt)\$"

# bytes come back as they went, text and JSON sensibly
expect 0 tulle call bytes.echo.echo "@$temp/random"
cmp -s "$out" "$temp/random" || fail "bytes are not what they were"
expect 0 tulle call bytes.echo.echo --json '{"a":{"$b64":"AP+A"},"n":[-1,18446744073709551615,1.5,null]}'
[ "$(cat "$out")" = '{"a":{"$b64":"AP+A"},"n":[-1,18446744073709551615,1.5,null]}' ] || fail "JSON is not what it was"
echo '{"x": 1}' > "$temp/x.json"
input=$temp/x.json expect 0 tulle call bytes.echo.echo -
says '^x: 1$'
expect 0 tulle call bytes.echo.echo --json --repeat 3 5
[ "$(cat "$out")" = "$(printf '5\n5\n5')" ] || fail "three calls"
expect 0 tulle call greeter.greet name=you
says '^text: Hello you$'
expect 0 tulle call greeter.greet@alpha --json '["you"]'
says '^\{"text":"Hello you"\}$'
expect 0 "$build/bin/hello"
says '^Hello world$'
expect 0 "$build/bin/calculate" 7 / -2
says '^-3 remainder 1$'
expect 0 "$build/bin/calculate" -9223372036854775808 - 0
says '^-9223372036854775808$'
expect 1 "$build/bin/calculate" 7 / 0
complains 'calculate: division by zero'
expect 1 "$build/bin/calculate" 9223372036854775807 + 1
complains 'calculate: overflow'
expect 2 "$build/bin/calculate" 7 / two
expect 0 tulle call --json calculator.total '[[1,2,-4]]'
[ "$(cat "$out")" = '{"sum":-1}' ] || fail "a sum is not what it was"
expect 2 tulle call calculator.add '[1,9223372036854775808]'
complains '^  b: 9223372036854775808 is beyond an i64'
expect 0 tulle call hostinfo.memory --json
says "\"total_bytes\":$(($(awk '/^MemTotal/ {print $2}' /proc/meminfo) * 1024)),"
expect 0 tulle call hostinfo.all --json
shape host:text load:object memory:object disks:array uptime_ns:int
expect 0 tulle call -v greeter.greet name=you
complains '^alpha via ring in '
for form in '' --json '--repeat 1000000'; do
  tulle call $form greeter.greet name=you > /dev/full 2> "$err"
  [ $? -eq 2 ] || fail "a result that a full disk lost is not noticed: $form"
done

# --- what goes wrong -------------------------------------------------------------------------------------------------

expect 4 tulle call greter.greet name=you
complains "nobody serves 'greter'"
complains "did you mean 'greeter'"
expect 4 tulle call greeter.gret name=you
complains "^error: greeter has no procedure 'gret'"
complains "did you mean 'greet'"
[ "$(grep -c "'gret'" "$err")" -eq 1 ] || fail "the same is said twice"
expect 4 tulle call greeter.greet --node nowhere
expect 2 tulle call greeter
expect 2 tulle call greeter.greet@alpha --node beta
expect 2 tulle call greeter.greet '{"name":'
complains 'line 1, column 9'
expect 2 tulle call greeter.greet world
expect 2 tulle call greeter.greet name=a name=b
expect 2 tulle call textstat.count @/nonexistent
complains 'No such file'
truncate -s 65M "$temp/large"
expect 9 tulle call textstat.count "@$temp/large"
complains 'at most 64 MiB'
expect 2 tulle call greeter.greet '[5]'
complains '^  name: a string is wanted, here is an integer$'
expect 2 tulle call greeter.greet nmae=you
complains "did you mean 'name'"
expect 2 tulle call greeter.greet '["you",1]'
complains '1 more than declared'
expect 2 tulle call textstat.count 5
expect 2 tulle join tl1-this-is-a-secret
grep -q secret "$err" && fail "the token was repeated"
complains 'standard input'
expect 2 tulle join
complains 'there is no token'

# each way in which a call can end badly has its exit code
start trouble "$build/tests/command_trouble"
expect 0 tulle wait trouble
expect 1 tulle call trouble.fail
complains '^error: trouble.fail returned error 7$'
complains '^  out of paper\?\[2J$'
complains '^  load some$'
expect 1 tulle call trouble.fail --json
silent
complains '"name":"REMOTE".*"exit":1'
expect 0 tulle call trouble.garble --json
says '^\{"a":\{"\$b64":"//4="\},"b":"\\u001b\[m"\}$'
expect 5 tulle call trouble.hang --timeout 100ms
complains 'no answer within 100 ms'
expect 4 tulle call trouble.fial
complains "did you mean 'fail'"
expect 10 tulle call trouble.die
complains 'may have run'
expect 4 tulle call trouble.fail

# a service that does not answer: a deadline, and an interrupt
kill -STOP "$textstat_pid"
expect 5 tulle call textstat.count @CMakeLists.txt --timeout 300ms
complains 'within 300 ms'
tulle call textstat.count @CMakeLists.txt --timeout 20s > "$out" 2> "$err" &
pid=$!
until_true 5 test -d "/proc/$pid/task"
sleep 0.2
kill -INT "$pid"
wait "$pid"
got=$?
[ "$got" -eq 130 ] || fail "interrupted: exit code $got, not 130"
kill -CONT "$textstat_pid"
expect 0 tulle call textstat.count @CMakeLists.txt

# a service that dies: gone from the listing at once
kill -KILL "$textstat_pid"
until_true 5 sh -c '! tulle ls | grep -q ^textstat'
expect 4 tulle call textstat.count @CMakeLists.txt
complains 'last served by alpha until [0-9:]+ '

echo "all as it should be"
