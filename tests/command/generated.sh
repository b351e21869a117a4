#!/bin/sh
# Code made of interfaces compiles clean in the languages that it is for; a program that hands it something else
# does not compile. Usage: generated.sh BUILD_DIR
. "$(dirname "$0")/lib.sh"
source=$PWD
cc=${CC:-cc} cxx=${CXX:-c++}
warnings='-Wall -Wextra -Wconversion -Werror -O2'
cd "$temp" || exit 1
cp "$source/tests/unit/typed/store.tulle" "$source/examples/hello/greeter.tulle" .
echo 'interface empty 1 { error one; enum unused { a } struct lone { list<bytes> b; } }' > empty.tulle
echo 'interface int 1 { struct class { u8 new; bytes delete; } default(inout class this, u32 int) -> (class while); }' > int.tulle

# Text that is long, and that a literal of C has to be careful with.
{
  echo 'interface large 1 {'
  for i in $(seq 60); do
    printf '  /** "Quoted" \\n ??/ %%d caf\303\251 """"" to be broken where it is written as a literal "of C". */\n  f%s();\n' $i
  done
  echo '}'
} > large.tulle

for name in store greeter empty int large; do
  expect 0 tulle gen $name.tulle
  expect 0 $cc -std=c11 $warnings -Wshadow -I"$source/include" -c $name.tulle.c -o $name.o
  expect 0 $cxx -std=c++17 -x c++ $warnings -I"$source/include" -c $name.tulle.c -o $name.o
  awk 'length > 100' $name.tulle.[ch] > long
  [ -s long ] && fail "lines of $name are long: $(cat long)"
done

# The text in the source is the interface, byte for byte.
for name in store large; do
  {
    printf '#include <stdio.h>\n#include <tulle/interface.h>\n'
    sed -n '/^static const struct tulle_interface/,/^};/p' $name.tulle.c
    echo "int main(void) { return fwrite(${name}_interface.text, 1, ${name}_interface.text_size, stdout) == 0; }"
  } > text.c
  expect 0 $cxx -std=c++17 -x c++ $warnings -Wpedantic -I"$source/include" -c text.c -o text.o
  expect 0 $cc -std=c11 $warnings -Wpedantic -I"$source/include" text.c -o text
  expect 0 ./text
  cp "$out" text.tulle
  expect 0 tulle gen --documented $name.tulle
  cmp -s "$out" text.tulle || fail "the text of $name is another one"
done

# compiles YES_OR_NO STATEMENTS: in a function that has all of these.
compiles() {
  cat > program.c << END
#include "store.tulle.h"
int f(struct store *store, struct tulle_memory *memory, struct store_entry *entry, struct store_size *size, void *object);
static int get(struct tulle_call_context *call, const char *key, struct store_entry *value) {
  (void)call, (void)key, (void)value;
  return 0;
}
int f(struct store *store, struct tulle_memory *memory, struct store_entry *entry, struct store_size *size, void *object) {
  const struct store_functions functions = {.get = get};
  (void)store, (void)memory, (void)entry, (void)size, (void)object, (void)functions;
  return $2;
}
END
  if $cc -std=c11 $warnings -I"$source/include" -I. -c program.c 2> errors; then is=yes; else is=no; fi
  [ $is = "$1" ] || fail "compiles: $is, not $1: $2: $(cat errors)"
}
compiles yes 'store_get(store, "key", memory, entry)'
compiles no 'store_get(store, 5, memory, entry)'
compiles no 'store_get(store, "key", memory, size)'
compiles no 'store_get(store, "key", entry)'
compiles no 'store_get(entry, "key", memory, entry)'
compiles no 'store_put(store, size)'
compiles no 'store_put(store, *entry)'
compiles yes 'store_scale(store, size, 2)'
compiles no 'store_scale(store, size, "2")'
compiles no 'store_scale(store, (const struct store_size *)size, 2.0)'
compiles no 'store_none(store)'
compiles no 'store_touch(store, "key", memory)'
compiles no 'store_touch_within(1, store, "key")'
compiles no '(entry->name[0] = 0)'
compiles no '(entry->tint = STORE_COLOR_RED)'
compiles no '(entry->figures[0].is = STORE_FIGURE_BOX)'
compiles yes '(size->width = 1) != 1'
compiles no '(size->widht = 1) != 1'
compiles yes 'store_offer(NULL, &functions, object, NULL, NULL)'
compiles no 'store_offer(NULL, &(struct store_functions){.put = get}, object, NULL, NULL)'
compiles no 'store_offer(NULL, get, object, NULL, NULL)'
