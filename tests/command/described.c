/*
 * A service with an interface, and its client: `described` serves, `described open TEXT` opens a channel as a program made
 * for the interface TEXT would, and exits as the command does.
 */
#include <stdio.h>
#include <string.h>

#include "crypto/fingerprint.h"
#include "tulle/tulle.h"

static const char text[] = "/// Adds up.\n"
                           "interface sums 1 {\n"
                           "  error too_much = 1;\n"
                           "  /// Both together.\n"
                           "  add(u32 left, u32 right) -> (u64 sum) fails too_much;\n"
                           "}\n";

static int make(const char *from, struct tulle_interface *out) {
  struct tl_schema *schema;
  int r = tl_schema_read(from, strlen(from), NULL, &schema);
  if (r) return r;
  *out = (struct tulle_interface){
      .name = "sums", .version = 1, .text = from, .text_size = strlen(from)};
  r = tl_fingerprint(schema, out->fingerprint);
  tl_schema_free(schema);
  return r;
}

static int add(struct tulle_call_context *call, void *userdata) {
  struct tulle_unpack args = tulle_call_arguments(call);
  unsigned char bytes[16];
  struct tulle_pack w = tulle_pack_on(bytes, sizeof bytes);
  (void)userdata;
  tulle_unpack_array(&args);
  uint64_t left = tulle_unpack_uint(&args), right = tulle_unpack_uint(&args);
  if (left > 1000) return tulle_reply_error(call, 1, "beyond a thousand");
  tulle_pack_array(&w, 1), tulle_pack_uint(&w, left + right);
  return tulle_reply(call, bytes, tulle_pack_size(&w));
}

static int open_as(const char *from) {
  struct tulle_interface interface;
  struct tulle_target target = {.interface = &interface};
  struct tulle_channel *channel;
  int r = make(from, &interface);
  if (!r) r = tulle_channel_open(NULL, "sums", &target, &channel);
  if (!r) tulle_channel_close(channel);
  return tulle_error_exit(r);
}

int main(int argc, char **argv) {
  static const struct tulle_procedure procedures[] = {{"add", add, NULL}};
  struct tulle_interface interface;
  if (argc > 2) return open_as(argv[2]);
  int r = make(text, &interface);
  struct tulle_offer offer = {
      .name = "sums", .procedures = procedures, .procedure_count = 1, .interface = &interface};
  if (!r) r = tulle_offer(NULL, &offer, NULL);
  return tulle_error_exit(r ? r : tulle_serve(NULL, 1));
}
