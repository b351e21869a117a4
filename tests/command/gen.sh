#!/bin/sh
# `tulle gen`: interfaces in, judgement out. Needs no node. Usage: gen.sh BUILD_DIR
. "$(dirname "$0")/lib.sh"
source=$PWD
forms=$PWD/tests/unit/schema/canonical
cd "$temp" || exit 1
cp "$forms/textstat.tulle" "$forms/store.tulle" .

# --- what is right ---------------------------------------------------------------------------------------------------

expect 0 tulle gen --check textstat.tulle
silent
expect 0 tulle gen --check --json textstat.tulle
shape interface:text version:int procedures:int fingerprint:text canonical:text documented:text
expect 0 tulle gen --canonical textstat.tulle
says '^  count\(bytes text\) -> \(u64 lines, u64 words, u64 bytes\);$'
if grep -q '///' "$out"; then fail "the canonical form has documentation"; fi
cp "$out" canonical
input=canonical expect 0 tulle gen --canonical -
cmp -s "$out" canonical || fail "the canonical form of the canonical form is another one"
expect 0 tulle gen --documented textstat.tulle
says '^  /// Lines, words and bytes'

# The fingerprint is one of the text, so another program can compute it.
expect 0 tulle gen --fingerprint textstat.tulle
fingerprint=$(cat "$out")
other=$({ printf 'tulle interface 1\n'; cat canonical; } | b2sum -l 256 | cut -d' ' -f1 |
  tr -d '\n' | sed 's/../\\x&/g' | xargs -0 printf %b | base32 -w0 | tr A-Z a-z | tr -d =)
[ "$fingerprint" = "$other" ] || fail "fingerprint $fingerprint, b2sum says $other"
expect 0 tulle gen --documented textstat.tulle
cp "$out" documented
input=documented expect 0 tulle gen --fingerprint -
says "^$fingerprint\$"
sed 's/wc(1)/others/' textstat.tulle > comments
input=comments expect 0 tulle gen --fingerprint -
says "^$fingerprint\$"
sed 's/u64 words/u32 words/' textstat.tulle > changed
input=changed expect 0 tulle gen --fingerprint -
if grep -q "$fingerprint" "$out"; then fail "two interfaces have one fingerprint"; fi

# --- what is wrong ---------------------------------------------------------------------------------------------------

sed 's/bytes text/byts text/' textstat.tulle > bad.tulle
expect 2 tulle gen --check bad.tulle
silent
complains "^bad.tulle:4:9: error: there is no type 'byts'; did you mean 'bytes'\?$"
complains '^        \^~~~$'
expect 2 tulle gen --check --json bad.tulle
silent
complains '"problems":\[\{"file":"bad.tulle","line":4,"column":9,'
expect 2 tulle gen --check --canonical textstat.tulle
complains 'one thing'
expect 2 tulle gen --check --output . textstat.tulle
expect 2 tulle gen --check
expect 2 tulle gen --check textstat.tulle store.tulle
expect 2 tulle gen --against textstat.tulle
expect 2 tulle gen --check missing.tulle
complains 'cannot read missing.tulle'
complains 'No such file'
expect 2 tulle gen --check .
cp textstat.tulle other.tulle
expect 2 tulle gen --check other.tulle
complains 'call the file textstat.tulle'
head -c 3000000 /dev/zero > zero.tulle
expect 2 tulle gen --check zero.tulle
complains '^zero.tulle:1:1: error: the file has more than 262144 bytes$'
: > empty.tulle
expect 2 tulle gen --check empty.tulle
complains '^empty.tulle:1:1: error: expected '

# --- C ---------------------------------------------------------------------------------------------------------------

cp "$source/examples/hello/greeter.tulle" .
expect 0 tulle gen greeter.tulle
silent
for kind in h c; do
  diff -u "$source/tests/command/golden/greeter.tulle.$kind.txt" greeter.tulle.$kind || fail "greeter.tulle.$kind is another one"
done
before=$(stat -c '%i %y' greeter.tulle.[ch])
expect 0 tulle gen greeter.tulle
[ "$(stat -c '%i %y' greeter.tulle.[ch])" = "$before" ] || fail "what did not change was written"
echo changed >> greeter.tulle.h
mkdir made
expect 0 tulle gen greeter.tulle --output made
cmp -s made/greeter.tulle.c greeter.tulle.c || fail "two runs made two different files"
expect 0 tulle gen greeter.tulle
cmp -s made/greeter.tulle.h greeter.tulle.h || fail "what had changed was left"
[ "$(ls made | wc -l)" = 2 ] || fail "something was left behind"
expect 2 tulle gen greeter.tulle --output missing
complains 'cannot write missing/greeter.tulle.h'
complains 'No such file'

# What is not made, and what cannot be: an exit code, a reason, and no files.
# refused REASON BODY
refused() {
  echo "interface small 1 { $2 }" > small.tulle
  expect 2 tulle gen small.tulle
  complains "$1"
  [ ! -e small.tulle.h ] || fail "a header was made of: $2"
}
refused "signal 's': no C is generated" 'signal u32 s;'
refused "stream 's': no C is generated" 'stream u32 s;'
refused "callback 'c': no C is generated" 'callback c(u32 a);'
refused "interface 'o': no C is generated" 'interface o { next(); }'
refused "parameter 'me': no C is generated" 'f(small me);'
refused "would both be 'small_open'" 'open();'
refused "would both be 'small_f_within'" 'f(); f_within();'
refused "would both be 'xs_count'" 'f(list<u32> xs, u32 xs_count);'
refused "would both be 'small_f_done'" 'f(); struct f_done { u8 a; }'
refused "would both be 'SMALL_A_B_C'" 'enum a { b_c } enum a_b { c }'
refused "would both be 'small_s_m_entry'" 'struct s { map<u8, u8> m; } struct s_m_entry { u8 a; }'
echo 'interface tulle 1 { f(); }' > tulle.tulle
expect 2 tulle gen tulle.tulle
complains "would be those of the library"

# --- what changed ----------------------------------------------------------------------------------------------------

expect 0 tulle gen --against textstat.tulle textstat.tulle
silent
sed 's/bytes text/bytes text, optional bool fast/' textstat.tulle > grown
expect 0 tulle gen --against textstat.tulle grown
says "^compatible  procedure count: parameter 'fast' was added$"
sed 's/u64 words/u64 tokens/' textstat.tulle > renamed
expect 8 tulle gen --against textstat.tulle renamed
says "^breaks      procedure count: result 'words' is gone$"
complains 'renamed is not compatible with textstat.tulle: 2 changes'
expect 8 tulle gen --json --against textstat.tulle renamed
shape interface:text old_version:int version:int compatible:bool changes:array
sed 's/textstat 1/textstat 2/' renamed > raised
expect 0 tulle gen --against textstat.tulle raised
says '^breaks '
complains 'programs made for version 1 are refused'
expect 8 tulle gen --against raised textstat.tulle
input=textstat.tulle expect 0 tulle gen --against - grown
expect 2 tulle gen --against bad.tulle textstat.tulle
complains '^bad.tulle:4:9'

# --- how long it takes, for people to see ----------------------------------------------------------------------------

{
  echo 'interface large 1 {'
  i=0
  while [ $i -lt 200 ]; do
    echo "  struct entry$i { string<64> name; u64 size; list<u32, 16> parts; map<string, f64> values; optional bytes more; }"
    echo "  /// The entry of that name, and how many there are of it."
    echo "  get$i(string name, optional entry$i wanted) -> (entry$i found, u32 count);"
    i=$((i + 1))
  done
  echo '}'
} > large.tulle
begin=$(date +%s%N)
expect 0 tulle gen --fingerprint large.tulle
echo "an interface of 200 procedures and 200 structs: $((($(date +%s%N) - begin) / 1000)) us"
