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

for name in store greeter empty int; do
  expect 0 tulle gen $name.tulle
  expect 0 $cc -std=c11 $warnings -Wshadow -I"$source/include" -c $name.tulle.c -o $name.o
  expect 0 $cxx -std=c++17 -x c++ $warnings -I"$source/include" -c $name.tulle.c -o $name.o
  awk 'length > 100' $name.tulle.[ch] > long
  [ -s long ] && fail "lines of $name are long: $(cat long)"
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
