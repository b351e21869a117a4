#include "greeter.tulle.h"

static int greet(struct tulle_call_context *call, const char *name, const char **text) {
  *text = tulle_printf(tulle_call_memory(call), "Hello %s", name);
  return *text ? 0 : TULLE_E_NO_MEMORY;
}

int main(void) {
  static const struct greeter_functions functions = {.greet = greet};
  int r = greeter_offer(NULL, &functions, NULL, NULL, NULL);
  return tulle_error_exit(r ? r : tulle_serve(NULL, 1));
}
