#include "tools/ask.h"

#include <string.h>

#include "core/text.h"
#include "tools/human.h"
#include "tools/json.h"

/* Where the node was looked for, for the complaint that there is none. */
static void describe_place(char *out, size_t size) {
  const char *dir = getenv("TULLE_RUNTIME_DIR"), *xdg = getenv("XDG_RUNTIME_DIR");
  if (dir && *dir)
    snprintf(out, size, "nothing answers at %s/node.sock (TULLE_RUNTIME_DIR)", dir);
  else if (xdg && *xdg)
    snprintf(out, size, "nothing answers at %s/tulle/node.sock nor at /run/tulle/node.sock", xdg);
  else
    snprintf(out, size, "nothing answers at /run/tulle/node.sock");
}

static int attach_failed(const struct tl_command *c, int r) {
  char why[256] = "", limit[TL_HUMAN_SIZE];
  if (r == TULLE_E_NO_NODE) {
    describe_place(why, sizeof why);
    return tl_command_fail(c, r, why, NULL, "no node runs here");
  }
  if (r == TULLE_E_DEADLINE)
    snprintf(why, sizeof why, "the node did not answer within %s",
             tl_human_duration(c->timeout_ns, limit));
  if (r == TULLE_E_INVALID)
    return tl_command_fail(c, r, "$TULLE_RUNTIME_DIR is too long for a socket's path",
                           "choose a shorter one", "cannot attach to a node");
  return tl_command_fail(c, r, why, NULL, "cannot attach to the node: %s", tulle_error_text(r));
}

static int open_ask(const struct tl_command *c, bool may_start, struct tl_ask *out) {
  *out = (struct tl_ask){.command = c};
  struct tulle_options options = {
      .program = "tulle", .no_autostart = !may_start, .timeout_ns = c->timeout_ns};
  int r = tulle_attach(&options, &out->tulle);
  if (r) return attach_failed(c, r);
  struct tulle_target target = {.timeout_ns = c->timeout_ns};
  r = tulle_channel_open(out->tulle, TL_NODE_SERVICE, &target, &out->node);
  if (r) {
    tl_ask_close(out);
    return attach_failed(c, r);
  }
  return 0;
}

int tl_ask_open(const struct tl_command *c, struct tl_ask *out) {
  return open_ask(c, false, out);
}

int tl_ask_open_or_start(const struct tl_command *c, struct tl_ask *out) {
  return open_ask(c, true, out);
}

void tl_ask_close(struct tl_ask *a) {
  a->node = tulle_channel_close(a->node);
  a->tulle = tulle_detach(a->tulle);
}

int tl_ask(struct tl_ask *a, const char *what, const char *procedure, const struct tulle_pack *args,
           uint64_t timeout_ns, struct tulle_result *out) {
  char why[512] = "", limit[TL_HUMAN_SIZE];
  const char *hint = NULL;
  *out = (struct tulle_result){0};
  int r = tulle_call(a->node, procedure, args ? args->start : NULL,
                     args ? tulle_pack_size(args) : 0, timeout_ns, out);
  if (!r) return 0;
  if (r == TULLE_E_DEADLINE)
    snprintf(why, sizeof why, "it took longer than %s", tl_human_duration(timeout_ns, limit));
  else if (out->text)
    snprintf(why, sizeof why, "%s", out->text);
  /* Why it was refused or is busy the node knows best, and says what to do; the codes' hints guess. */
  if (out->text && (r == TULLE_E_REFUSED || r == TULLE_E_BUSY)) hint = "";
  tulle_result_clear(out);
  return tl_command_fail(a->command, r, why, hint, "cannot %s: %s", what, tulle_error_text(r));
}

const char *tl_ask_text(const struct tulle_unpack *r, const char *key, char *out, size_t size) {
  struct tulle_unpack at = tulle_unpack_key(r, key);
  size_t length;
  const char *text = tulle_unpack_text(&at, &length);
  if (length >= size) length = size - 1;
  if (length) memcpy(out, text, length);
  out[length] = 0;
  return out;
}

uint64_t tl_ask_uint(const struct tulle_unpack *r, const char *key, uint64_t otherwise) {
  struct tulle_unpack at = tulle_unpack_key(r, key);
  uint64_t n = tulle_unpack_uint(&at);
  return tulle_unpack_is_ok(&at) ? n : otherwise;
}

bool tl_ask_bool(const struct tulle_unpack *r, const char *key) {
  struct tulle_unpack at = tulle_unpack_key(r, key);
  return tulle_unpack_bool(&at);
}

const char *tl_ask_id(const struct tulle_unpack *r, const char *key, char *out, size_t size) {
  struct tulle_unpack at = tulle_unpack_key(r, key);
  struct tulle_value v = tulle_unpack_any(&at);
  if (v.type == TULLE_BYTES && TL_BASE32_SIZE(v.size) <= size)
    tl_base32_encode(v.data, v.size, out);
  else
    tl_ask_text(r, key, out, size);
  return out;
}
