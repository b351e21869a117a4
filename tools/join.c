/*
 * `tulle join`: reads a token from standard input, never from the command line, which every user of the machine can
 * read. Returns when the membership is stored and the first link is up.
 */
#include <string.h>
#include <unistd.h>

#include "core/address.h"
#include "core/limits.h"
#include "core/time.h"
#include "tools/ask.h"
#include "tools/human.h"
#include "tools/json.h"
#include "tools/verbs.h"

#define TOKEN_BYTES_MAX 1024
#define ADDRESSES_MAX   8
#define JOIN_NS         (15 * TL_S) /* a handshake over a slow link, with repetitions */

static int read_token(const struct tl_command *c, char token[TOKEN_BYTES_MAX]) {
  if (c->operand_count)
    return tl_command_fail(c, TULLE_E_INVALID,
                           "what stands there can be read by every user of this machine",
                           "tulle join < FILE, or paste it when asked",
                           "the token is read from standard input, never from the command line");
  if (isatty(STDIN_FILENO)) tl_command_say(c, "paste the token, then Enter:");
  if (!fgets(token, TOKEN_BYTES_MAX, stdin)) token[0] = 0;
  char *start = token + strspn(token, " \t\r\n");
  size_t size = strcspn(start, " \t\r\n");
  memmove(token, start, size);
  token[size] = 0;
  if (size) return 0;
  return tl_command_fail(c, TULLE_E_INVALID, "nothing but empty space came from standard input",
                         "make one with 'tulle invite' on a member", "there is no token");
}

static int pack_arguments(const struct tl_command *c, const char *token, struct tulle_pack *args) {
  const char *addresses[ADDRESSES_MAX], *text;
  size_t count = 0, cursor = 0;
  struct tl_address address;
  while ((text = tl_command_next(c, "at", &cursor))) {
    if (tl_address_parse(text, TL_PORT_DEFAULT, &address))
      return tl_command_fail(c, TULLE_E_INVALID, "such as 10.0.0.7:8855 or [fe80::1%eth0]:8855",
                             NULL, "'%s' is not ADDR:PORT", text);
    if (count == ADDRESSES_MAX)
      return tl_command_fail(c, TULLE_E_INVALID, NULL, NULL, "more than %d addresses",
                             ADDRESSES_MAX);
    addresses[count++] = text;
  }
  tulle_pack_map(args, 3);
  tulle_pack_text(args, "token");
  tulle_pack_text(args, token);
  tulle_pack_text(args, "at");
  tulle_pack_array(args, count);
  for (size_t i = 0; i < count; i++) tulle_pack_text(args, addresses[i]);
  tulle_pack_text(args, "leave");
  tulle_pack_bool(args, tl_command_has(c, "leave"));
  return 0;
}

static void print_joined(const struct tl_command *c, const struct tulle_result *result) {
  struct tulle_unpack u = tulle_unpack_on(result->data, result->size);
  char fabric[64], node[64], name[64], took[TL_HUMAN_SIZE];
  if (c->json) {
    struct tl_json j = tl_json_on(stdout);
    tl_json_value(&j, &u);
    tl_json_finish(&j);
    return;
  }
  printf("joined fabric '%s' through %s in %s\nmembers:",
         tl_ask_text(&u, "fabric", fabric, sizeof fabric),
         tl_ask_text(&u, "node", node, sizeof node),
         tl_human_duration(tl_ask_uint(&u, "took_ns", 0), took));
  struct tulle_unpack members = tulle_unpack_key(&u, "members");
  size_t count = tulle_unpack_array(&members);
  for (size_t i = 0; i < count; i++) {
    tulle_unpack_string(&members, name, sizeof name);
    printf(" %s", name);
  }
  printf("\n");
}

int tl_verb_join(struct tl_command *c) {
  char token[TOKEN_BYTES_MAX] = "";
  unsigned char bytes[TOKEN_BYTES_MAX + ADDRESSES_MAX * 128];
  struct tulle_pack args = tulle_pack_on(bytes, sizeof bytes);
  struct tl_ask a = {0};
  struct tulle_result result;
  c->timeout_ns = tl_command_duration(c, "timeout", JOIN_NS);
  int r = read_token(c, token);
  if (!r) r = pack_arguments(c, token, &args);
  if (!r) r = tl_ask_open(c, &a);
  if (!r) r = tl_ask(&a, "join", "join", &args, c->timeout_ns, &result);
  if (!r) {
    print_joined(c, &result);
    tulle_result_clear(&result);
  }
  if (r == tulle_error_exit(TULLE_E_DEADLINE))
    tl_command_say(
        c,
        "  nobody answers to a token that is used up, expired, or not of a node at that address");
  tl_ask_close(&a);
  explicit_bzero(token, sizeof token);
  explicit_bzero(bytes, sizeof bytes);
  return r;
}
