#!/bin/sh
# The interface, the service and the client that the README shows are those of examples/hello, which the build compiles. The
# two programs have at most 30 lines together, the interface 8. Usage: readme.sh
set -u
[ -f README.md ] || { echo "SKIP: no README.md"; exit 77; }
temp=$(mktemp -d) || exit 1
trap 'rm -rf "$temp"' EXIT
# The n-th block of C.
block() {
  awk -v n="$1" '/^```c$/ {count++; inside = count == n; next} /^```$/ {inside = 0} inside' README.md
}
lines=0
n=0
for file in greeter.tulle greeter.c hello.c; do
  n=$((n + 1))
  block $n > "$temp/$file"
  diff -u "examples/hello/$file" "$temp/$file" || { echo "FAILED: README.md shows another $file"; exit 1; }
  [ $file = greeter.tulle ] || lines=$((lines + $(wc -l < "$temp/$file")))
done
[ "$lines" -le 30 ] || { echo "FAILED: $lines lines"; exit 1; }
[ "$(wc -l < "$temp/greeter.tulle")" -le 8 ] || { echo "FAILED: the interface is long"; exit 1; }
echo "$lines lines"
