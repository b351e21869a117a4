#include <stdio.h>
#include <tulle/tulle.h>

static int greet(struct tulle_call_context *call, void *greeting) {
  char name[64], text[128], buffer[160];
  struct tulle_unpack arguments = tulle_call_arguments(call);
  struct tulle_unpack value = tulle_unpack_key(&arguments, "name");
  tulle_unpack_string(&value, name, sizeof name);
  if (!tulle_unpack_is_ok(&value)) return TULLE_E_INVALID;
  snprintf(text, sizeof text, "%s %s", (const char *)greeting, name);
  struct tulle_pack reply = tulle_pack_on(buffer, sizeof buffer);
  tulle_pack_map(&reply, 1);
  tulle_pack_text(&reply, "text");
  tulle_pack_text(&reply, text);
  return tulle_reply(call, buffer, tulle_pack_size(&reply));
}

int main(void) {
  struct tulle_procedure procedures[] = {{"greet", greet, "Hello"}};
  struct tulle_offer offer = {.name = "greeter", .procedures = procedures, .procedure_count = 1};
  int r = tulle_offer(NULL, &offer, NULL);
  return tulle_error_exit(r ? r : tulle_serve(NULL, 1));
}
