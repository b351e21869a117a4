#!/bin/sh
# The rules of the house that a machine can check.
#
#   tidy.sh SOURCE_DIR BUILD_DIR [CC]
#
# Floors: a file includes only what the `.may_include` of its folder names, and no two folders include each other; nor do
# two files, where NAME.c, NAME.h and NAME_internal.h count as one. No two libraries define the same internal symbol.
# Homes: each outer library is included in its own folders only. Headers compile alone. Every source file is built.
# Words that mark unfinished work, and paths of somebody's machine, are nowhere. No two decisions have one number.
# Prints each fault as file: what.
set -u
cd "$1" || exit 2
build=$2
cc=${3:-cc}
temp=$(mktemp -d) || exit 2
trap 'rm -rf "$temp"' EXIT
faults=$temp/faults
: > "$faults"

code_folders=; for d in core crypto transport discovery client node tools examples; do [ -d $d ] && code_folders="$code_folders $d"; done
sources() { find $code_folders include tests -name '*.[ch]' | sort; }

# --- floors ---------------------------------------------------------------------------------------------------------

# Prints the folder of a file as `.may_include` files name it: the longest one that has such a file.
module_of() {
  d=$(dirname "$1")
  while [ "$d" != . ] && [ ! -f "$d/.may_include" ]; do d=$(dirname "$d"); done
  echo "$d"
}

check_floors() {
  find $code_folders -name '*.[ch]' | sort | while read -r file; do
    [ "$file" = transport/carrier.h ] && continue # the contract between two floors stands on its own
    module=$(module_of "$file")
    if [ "$module" = . ]; then
      echo "$file: no .may_include in its folder or above"
      continue
    fi
    sed -n 's/^#include "\(.*\)"$/\1/p' "$file" | while read -r path; do
      case $path in
      tulle/*) target=include ;;
      transport/carrier.h) target=transport/carrier.h ;;
      *.tulle.h) continue ;; # made when it is built
      *) [ -f "$path" ] || { echo "$file: includes \"$path\", which is not there (paths start at the root)"; continue; }
         target=$(module_of "$path") ;;
      esac
      [ "$target" = "$module" ] && continue
      echo "$module $target" >> "$temp/edges"
      grep -qx "$target" "$module/.may_include" || echo "$file: $module may not include $target"
    done
  done >> "$faults"
  [ -f "$temp/edges" ] || return
  sort -u "$temp/edges" | tsort > /dev/null 2> "$temp/cycle" || sed 's/^/include cycle: /' "$temp/cycle" >> "$faults"
}

# Prints the files that include each other in a circle, without .c and .h. What nothing leads to, or what leads to nothing,
# is in no circle: it is taken away until nothing is left to take. What only connects two circles counts as in one.
files_in_circles() {
  grep -H '^#include "' $(sources) |
    sed -n 's/^\(.*\)\.[ch]:#include "\(.*\)\.h"$/\1 \2/p' |
    sed -e 's| tulle/| include/tulle/|' -e 's/_internal\( \|$\)/\1/g' | awk '
      $1 != $2 { from[NR] = $1; to[NR] = $2 }
      END {
        do {
          again = 0; split("", goes); split("", comes)
          for (e in from) { goes[from[e]] = 1; comes[to[e]] = 1 }
          for (e in from) if (!comes[from[e]] || !goes[to[e]]) { delete from[e]; delete to[e]; again = 1 }
        } while (again)
        for (e in from) { print from[e]; print to[e] }
      }' | sort -u
}

# A circle can only be understood as one file. tests/tidy/knots lists those that have not been untied yet.
check_circles() {
  files_in_circles > "$temp/circles"
  sort "tests/tidy/knots" > "$temp/knots"
  comm -23 "$temp/circles" "$temp/knots" | sed 's/$/: includes files that include it/' >> "$faults"
  comm -13 "$temp/circles" "$temp/knots" | sed 's/$/: is in no circle any more: take it out of tests\/tidy\/knots/' >> "$faults"
}

# --- homes of the outer libraries -----------------------------------------------------------------------------------

# check_home HEADER_PATTERN ALLOWED_PATH_PATTERN
check_home() {
  grep -lE "^#include <$1" $(sources) | grep -vE "^($2)" | sed "s|\$|: <$1> is not at home here|" >> "$faults"
}

check_homes() {
  check_home 'sodium' 'crypto/|tests/'
  check_home 'msgpack' 'core/wire/|client/|tools/|examples/|tests/'
  check_home 'avahi' 'discovery/mdns/|tests/'
  check_home 'uv\.h' 'discovery/mdns/|node/'
}

# --- files ----------------------------------------------------------------------------------------------------------

check_headers_compile_alone() {
  find $code_folders include -name '*.h' | sort | while read -r header; do
    echo "#include \"$header\"" |
      "$cc" -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -I. -Iinclude -fsyntax-only -x c - 2> "$temp/cc" ||
      echo "$header: does not compile alone: $(grep -m1 error "$temp/cc")"
  done >> "$faults"
}

check_every_source_is_built() {
  [ -f "$build/compile_commands.json" ] || return
  find $code_folders tests -name '*.c' | while read -r file; do
    grep -qF "/$file" "$build/compile_commands.json" && continue
    case $file in tests/fuzz/replay.c) continue ;; esac
    echo "$file: no target builds it"
  done >> "$faults"
}

check_readmes() {
  find $code_folders -name .may_include | while read -r f; do
    d=$(dirname "$f")
    [ -f "$d/README.md" ] || echo "$d: no README.md"
  done >> "$faults"
}

check_words() {
  files=$(find $code_folders include tests docs cmake $([ -f README.md ] && echo README.md) CMakeLists.txt -type f \
    \( -name '*.[ch]' -o -name '*.sh' -o -name '*.md' -o -name '*.cmake' -o -name CMakeLists.txt -o -name '*.pml' \) |
    grep -v '^tests/tidy/')
  grep -nEw 'TODO|FIXME|XXX|HACK' $files | sed 's/$/  (unfinished)/' >> "$faults"
  grep -nE '(^|[^a-zA-Z0-9_.])/(work|home|tmp/wt)/' $files | sed 's/$/  (path of a machine)/' >> "$faults"
  grep -nP '\t' $(sources) | sed 's/$/  (tab)/' >> "$faults"
}

# Each decision has a number of its own, in the name of its file and in its title.
check_decisions() {
  ls docs/decisions | sed -n 's/^\([0-9]*\)-.*/\1/p' | uniq -d | sed 's/$/: a number of two decisions/' >> "$faults"
  for file in docs/decisions/[0-9]*.md; do
    number=$(basename "$file" | sed 's/^0*\([0-9]*\)-.*/\1/')
    head -n 1 "$file" | grep -q "^# $number\. " || echo "$file: its title has another number" >> "$faults"
  done
}

# A page that is named is there.
check_pages() {
  grep -rhoE 'docs/[a-z][a-z0-9/-]*\.md' $code_folders include tests README.md docs | sort -u | while read -r page; do
    [ -f "$page" ] || echo "$page: is named, and not there"
  done >> "$faults"
}

check_format() {
  command -v clang-format > /dev/null || { echo "clang-format is not installed: layout not checked"; return; }
  clang-format --dry-run --Werror $(sources) 2> "$temp/format" || grep -m 20 error: "$temp/format" >> "$faults"
}

# --- what the library exports ---------------------------------------------------------------------------------------

check_exports() {
  library=$(find "$build/lib" -name 'libtulle.so*' -type f 2> /dev/null | head -n 1)
  [ -n "$library" ] || return
  nm -D --defined-only "$library" | awk '{print $3}' | grep -vE '^(tulle_|TULLE_0|_init|_fini|__asan|__ubsan|__odr_asan|_edata|_end|__bss_start|$)' |
    sed 's/^/libtulle.so exports /' >> "$faults"
}

# Names that mean two things are told apart by nobody, least of all by a linker.
check_symbols() {
  find "$build/lib" -name 'libtl_*.a' 2> /dev/null | sort | while read -r library; do
    nm -g --defined-only "$library" 2> /dev/null | awk -v library="$(basename "$library")" \
      'NF == 3 && $2 ~ /[TDBRVWC]/ && $3 ~ /^tl_/ { print $3, library }'
  done | sort -u > "$temp/symbols"
  awk '{ print $1 }' "$temp/symbols" | uniq -d | while read -r symbol; do
    echo "$symbol is defined in" $(sed -n "s/^$symbol //p" "$temp/symbols")
  done >> "$faults"
}

# --- what the page about security promises ---------------------------------------------------------------------------

# Each `TEST: CASE` of tests/security.md is a test of the build and a case of a source.
check_security_cases() {
  [ -f "$build/CTestTestfile.cmake" ] || return
  ctest --test-dir "$build" -N | sed -n 's/^ *Test *#[0-9]*: //p' | sed 's/ .*//' > "$temp/tests"
  grep -oE '`(unit|sim|hosts|fuzz|command|model|conformance)_[a-z0-9_]+(: [a-z0-9_]+)?`' tests/security.md | tr -d '`' | sort -u |
    while IFS=: read -r name case; do
      grep -qx "$name" "$temp/tests" || echo "tests/security.md: no test $name"
      case=${case# }
      [ -z "$case" ] || grep -rqE "(TEST|CASE|cmocka_unit_test[a-z_]*)\($case[,)]" tests --include='*.c' ||
        echo "tests/security.md: no case $case"
    done >> "$faults"
}

check_floors
check_circles
check_homes
check_headers_compile_alone
check_every_source_is_built
check_readmes
check_words
check_decisions
check_pages
check_format
check_exports
check_security_cases
check_symbols

if [ -s "$faults" ]; then
  cat "$faults"
  echo "tidy: $(wc -l < "$faults") faults"
  exit 1
fi
echo "tidy: no faults"
