#include <stdio.h>
#include <tulle/tulle.h>

int main(void) {
  char buffer[64], text[128];
  struct tulle_channel *greeter;
  struct tulle_result result;
  struct tulle_pack arguments = tulle_pack_on(buffer, sizeof buffer);
  tulle_pack_map(&arguments, 1);
  tulle_pack_text(&arguments, "name");
  tulle_pack_text(&arguments, "world");
  int r = tulle_channel_open(NULL, "greeter", NULL, &greeter);
  if (!r) r = tulle_call(greeter, "greet", buffer, tulle_pack_size(&arguments), 0, &result);
  if (r) return fprintf(stderr, "greeter.greet: %s\n", tulle_error_text(r)), tulle_error_exit(r);
  struct tulle_unpack reply = tulle_unpack_on(result.data, result.size);
  struct tulle_unpack value = tulle_unpack_key(&reply, "text");
  tulle_unpack_string(&value, text, sizeof text);
  return puts(text) < 0;
}
