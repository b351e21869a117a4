#include <stdio.h>

#include "greeter.tulle.h"

int main(void) {
  struct tulle_memory memory = TULLE_MEMORY;
  struct greeter *greeter;
  const char *text;
  int r = greeter_open(NULL, NULL, &greeter);
  if (!r) r = greeter_greet(greeter, "world", &memory, &text);
  if (r) return fprintf(stderr, "greeter: %s\n", greeter_error_text(r)), tulle_error_exit(r);
  puts(text);
  tulle_memory_clear(&memory);
  return 0;
}
