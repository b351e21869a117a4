/*
 * `tulle invite`: the token alone on standard output, what is to be known about it on standard error. Each token lets in one
 * node; for several there are several.
 */
#include <string.h>

#include "core/time.h"
#include "tools/ask.h"
#include "tools/human.h"
#include "tools/json.h"
#include "tools/verbs.h"

#define LIFE_NS  (15 * 60 * TL_S)
#define USES_MAX 8 /* so many invitations a node keeps */

static void print_token(const struct tl_command *c, const struct tulle_result *result,
                        uint64_t life_ns) {
  char token[1024];
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
  }
  explicit_bzero(token, sizeof token);
}

static int invite(struct tl_ask *a, uint64_t life_ns, bool may_invite) {
  unsigned char bytes[64];
  struct tulle_pack args = tulle_pack_on(bytes, sizeof bytes);
  struct tulle_result result;
  tulle_pack_map(&args, 2);
  tulle_pack_text(&args, "life_ns"), tulle_pack_uint(&args, life_ns);
  tulle_pack_text(&args, "may_invite"), tulle_pack_bool(&args, may_invite);
  int r = tl_ask(a, "make an invitation", "invite", &args, a->command->timeout_ns, &result);
  if (r) return r;
  print_token(a->command, &result, life_ns);
  tulle_result_clear(&result);
  return 0;
}

int tl_verb_invite(struct tl_command *c) {
  uint64_t life_ns = tl_command_duration(c, "for", LIFE_NS), uses = tl_command_count(c, "uses", 1);
  char life[TL_HUMAN_SIZE];
  struct tl_ask a;
  if (!uses || uses > USES_MAX)
    return tl_command_fail(c, TULLE_E_INVALID, "a node keeps eight invitations", NULL,
                           "--uses is 1 to %d", USES_MAX);
  if (!life_ns)
    return tl_command_fail(c, TULLE_E_INVALID, "it would be over before anybody has it", NULL,
                           "--for is more than nothing");
  int r = tl_ask_open(c, &a);
  for (uint64_t i = 0; !r && i < uses; i++)
    r = invite(&a, life_ns, tl_command_has(c, "may-invite"));
  if (!r)
    tl_command_say(c,
                   "%s, within %s: 'tulle join' on the other machine reads it from standard input",
                   uses == 1 ? "one use" : "one use each", tl_human_duration(life_ns, life));
  tl_ask_close(&a);
  return r;
}
