#!/bin/sh
# Checks the tables of README.md in this folder against what there is.
#
#   map.sh TEST_CONFORMANCE
#
# Each `case` is one of the suite, each `file` or `file:function` exists, no case stands for nothing; the suite uses every public
# function that people write (not those of generated code); every error code has a line.
cd "$(dirname "$0")/../.." || exit 2
here=tests/conformance
faults=0
fault() {
  echo "$here/README.md: $*"
  faults=$((faults + 1))
}

cases=$("$1" --list) || exit 2
rows=$(grep '^| [A-Z]' "$here/README.md")
named=$(echo "$rows" | grep -o '`[^`]*`' | tr -d '`' | sort -u)
is_case() { echo "$cases" | grep -qx "$1"; }

for name in $named; do
  case $name in
  map.sh | one | loopback) ;;
  tests/*:*) grep -qE "^static void ${name#*:}\(" "${name%%:*}" 2> /dev/null || fault "no ${name#*:} in ${name%%:*}" ;;
  tests/*) [ -f "$name" ] || fault "no file $name" ;;
  *) is_case "$name" || fault "no case '$name'" ;;
  esac
done
for name in $cases; do
  echo "$named" | grep -qx "$name" || fault "the case '$name' stands for nothing"
done
for function in $(sed -n 's/^TULLE_PUBLIC .*[ *]\(tulle_[a-z_]*\)(.*/\1/p' include/tulle/attach.h include/tulle/call.h include/tulle/error.h \
  include/tulle/pack.h include/tulle/service.h); do
  case $function in tulle_call_object | tulle_call_memory) continue ;; esac # of generated code
  grep -qw "$function" $here/*.c || fault "nothing here uses $function()"
done
for code in $(sed -n 's/^ *TULLE_E_\([A-Z_]*\) =.*/\1/p' include/tulle/error.h); do
  echo "$rows" | grep -q "^| $code |" || fault "nothing is said of $code"
done
[ "$faults" -eq 0 ] && echo "conformance: $(echo "$cases" | wc -l) cases, the tables are true"
[ "$faults" -eq 0 ]
