#!/bin/sh
# The service and the client that the README shows are those of examples/hello, which the build compiles, and have fewer
# than 40 lines together. Usage: readme.sh
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
for file in greeter hello; do
  n=$((n + 1))
  block $n > "$temp/$file.c"
  diff -u "examples/hello/$file.c" "$temp/$file.c" || { echo "FAILED: README.md shows another $file.c"; exit 1; }
  lines=$((lines + $(grep -c . "$temp/$file.c")))
done
[ "$lines" -lt 40 ] || { echo "FAILED: $lines lines"; exit 1; }
echo "$lines lines"
