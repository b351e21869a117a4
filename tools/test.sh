#!/bin/sh
# Builds tulle and runs all of its tests. Usage: ./tools/test.sh [--quick] [CTEST OPTIONS]
#
# What it does: installs missing Debian packages, builds the `dev` preset (address and undefined-behaviour sanitizers), runs
# every test of it, then the threaded tests under the `tsan` preset. --quick leaves the second part out.
# Tests that need network namespaces are skipped, with the reason, where they cannot be made (not root).
# Results: build/dev/junit.xml and build/tsan/junit.xml. The last line counts passed, failed and skipped tests.
set -u
cd "$(dirname "$0")/.." || exit 2
. tools/packages.sh
quick=
[ "${1:-}" = --quick ] && { quick=1; shift; }

run() {
  echo "+ $*"
  "$@"
}

# logged FILE COMMAND...: prints the command, keeps its output in a file and shows the end of that only if it fails.
logged() {
  log=$1
  shift
  echo "+ $*"
  "$@" > "$log" 2>&1 && return 0
  tail -n 40 "$log"
  failed=$((failed + 1))
  return 1
}

jobs=$(nproc)
need_packages $packages_build $packages_test || exit 2
passed=0 failed=0 skipped=0

# run_preset NAME [CTEST OPTIONS]: configures, builds, tests and adds to the counts.
run_preset() {
  preset=$1
  shift
  mkdir -p "build/$preset"
  logged "build/$preset/configure.log" cmake --preset "$preset" || return
  logged "build/$preset/build.log" cmake --build --preset "$preset" --parallel "$jobs" || return
  run ctest --preset "$preset" --parallel "$jobs" --output-junit "$PWD/build/$preset/junit.xml" "$@"
  count "build/$preset/junit.xml"
}

# Adds the totals of a JUnit file to the counts, and prints why tests were skipped.
count() {
  attribute() { sed -n "s/.*[[:space:]]$2=\"\([0-9]*\)\".*/\1/p" "$1" | head -n 1; }
  flat=$(mktemp) && tr '\n' ' ' < "$1" | sed 's/<testcase.*//' > "$flat"
  total=$(attribute "$flat" tests) bad=$(attribute "$flat" failures) skip=$(attribute "$flat" skipped)
  rm -f "$flat"
  passed=$((passed + ${total:-0} - ${bad:-0} - ${skip:-0}))
  failed=$((failed + ${bad:-1}))
  skipped=$((skipped + ${skip:-0}))
}

run_preset dev "$@"
[ -n "$quick" ] || run_preset tsan -L threads "$@"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
