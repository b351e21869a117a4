/*
 * `tulle invite`: the token alone on standard output, what is to be known about it on standard error.
 */
#include <string.h>

#include "core/time.h"
#include "tools/ask.h"
#include "tools/human.h"
#include "tools/json.h"
#include "tools/verbs.h"

#define LIFE_NS (15 * 60 * TL_S)

static void print_token(const struct tl_command *c, const struct tulle_result *result,
                        uint64_t life_ns) {
  char token[1024], life[TL_HUMAN_SIZE];
  struct tulle_unpack u = tulle_unpack_on(result->data, result->size);
  tl_ask_text(&u, "token", token, sizeof token);
  if (c->json) {
    struct tl_json j = tl_json_on(stdout);
    tl_json_object(&j);
    tl_json_put_text(&j, "token", token);
    tl_json_put_uint(&j, "life_ns", life_ns);
    tl_json_end(&j);
    tl_json_finish(&j);
  } else {
    printf("%s\n", token);
    tl_command_say(
        c, "one use, within %s: 'tulle join' on the other machine reads it from standard input",
        tl_human_duration(life_ns, life));
  }
  explicit_bzero(token, sizeof token);
}

int tl_verb_invite(struct tl_command *c) {
  uint64_t life_ns = tl_command_duration(c, "for", LIFE_NS);
  unsigned char bytes[64];
  struct tulle_pack args = tulle_pack_on(bytes, sizeof bytes);
  struct tl_ask a;
  struct tulle_result result;
  tulle_pack_map(&args, 1);
  tulle_pack_text(&args, "life_ns");
  tulle_pack_uint(&args, life_ns);
  int r = tl_ask_open(c, &a);
  if (!r) r = tl_ask(&a, "make an invitation", "invite", &args, c->timeout_ns, &result);
  if (!r) {
    print_token(c, &result, life_ns);
    tulle_result_clear(&result);
  }
  tl_ask_close(&a);
  return r;
}
