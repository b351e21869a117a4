#!/bin/sh
# Checks one model exhaustively.
#
#   run.sh pass|fail MODEL [-DNAME[=VALUE]...]
#
# `pass`: every state is visited and no error found. `fail`: the model is a twin with a part missing, and Spin
# finds the run that shows why the part is there. Exits 77 where spin or a compiler is missing.
set -u
expected=$1 model=$2
shift 2
for tool in spin gcc; do
  command -v $tool > /dev/null || { echo "$tool is not installed: the model was not checked"; exit 77; }
done
temp=$(mktemp -d) || exit 2
trap 'rm -rf "$temp"' EXIT
cp "$model" "$temp/model.pml" && cd "$temp" || exit 2

spin "$@" -a model.pml > spin.out 2>&1 || { cat spin.out; exit 1; }
gcc -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=2048 -o pan pan.c || exit 1
./pan -m1000000 > pan.out 2>&1
cat pan.out

if grep -q 'errors: 0' pan.out; then
  result=pass
  if grep -qE 'Search not completed|max search depth too small|reached -DMEMLIM' pan.out; then
    echo "not every state was visited"
    exit 1
  fi
elif grep -qE '^pan:1: (invalid end state|assertion violated)' pan.out; then
  result=fail
else
  exit 1
fi
[ $result = "$expected" ] && exit 0
echo "expected: $expected"
[ $result = fail ] && spin "$@" -t -p -g model.pml | tail -n 60
exit 1
