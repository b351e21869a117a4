/* What a program asks of its node: finding, waiting for a service. */
#include "client/node.h"

#include <string.h>

#include "client/attach.h"
#include "client/budget.h"
#include "client/drive.h"
#include "client/stay.h"
#include "core/text.h"

/* What asking once may take, also of one who does not want to wait. */
#define ASK_NS (50 * TL_MS)

static bool is_end_of_node(int r) {
  return r == TULLE_E_PEER_GONE || r == TULLE_E_OUTCOME_UNKNOWN || r == TULLE_E_CLOSED;
}

int tl_node_call(struct tulle *t, const char *procedure, const void *args, size_t args_size,
                 uint64_t deadline, struct tulle_result *out) {
  if (out) *out = (struct tulle_result){.data = NULL};
  for (;;) {
    tl_stay_poll(t, tl_time_now()); /* it may have died since anybody looked */
    int r = tl_attachment_ready(t, deadline);
    if (r) return r;
    struct tulle_channel *node = tl_stay_node(t);
    if (!node) continue;
    r = tl_drive_call_until(node, procedure, args, args_size, deadline, out);
    tl_channel_drop(node);
    if (!is_end_of_node(r)) return r;
    if (out) tulle_result_clear(out);
    if (tl_time_now() >= deadline) return TULLE_E_DEADLINE;
  }
}

int tl_node_call_now(struct tulle *t, const char *procedure, const void *args, size_t args_size) {
  struct tulle_channel *node = tl_stay_node(t);
  if (!node) return TULLE_E_NO_NODE;
  int r = tulle_call(node, procedure, args, args_size, 0, NULL);
  tl_channel_drop(node);
  return r;
}

/* ---- finding ---- */

static void add_capability(struct tulle_found *f, const char *name, size_t name_size,
                           uint64_t version) {
  char digits[20];
  size_t used = strlen(f->capabilities), n = 0, room = sizeof f->capabilities - 1;
  do digits[n++] = (char)('0' + version % 10);
  while (version /= 10);
  if (used + (used > 0) + name_size + 1 + n > room) return;
  char *at = f->capabilities + used;
  if (used) *at++ = ' ';
  memcpy(at, name, name_size);
  at += name_size;
  *at++ = '/';
  while (n) *at++ = digits[--n];
  *at = 0;
}

static void read_capabilities(struct tulle_unpack list, struct tulle_found *f) {
  for (size_t left = tulle_unpack_array(&list); left && !list.failed; left--) {
    struct tulle_unpack name = tulle_unpack_key(&list, "name");
    struct tulle_unpack version = tulle_unpack_key(&list, "version");
    size_t size;
    const char *text = tulle_unpack_text(&name, &size);
    uint64_t number = tulle_unpack_uint(&version);
    if (text && !version.failed) add_capability(f, text, size, number);
    tulle_unpack_skip(&list);
  }
}

static void read_text(const struct tulle_unpack *map, const char *key, char *out, size_t out_size) {
  struct tulle_unpack value = tulle_unpack_key(map, key);
  tulle_unpack_string(&value, out, out_size);
}

static void read_found(const struct tulle_unpack *map, struct tulle_found *out) {
  struct tulle_found f = {.capabilities = ""};
  read_text(map, "service", f.service, sizeof f.service);
  read_text(map, "node", f.node, sizeof f.node);
  read_text(map, "path", f.path, sizeof f.path);
  read_capabilities(tulle_unpack_key(map, "capabilities"), &f);
  *out = f;
}

/* One page of the list, from entry `from`: how many there are in it. */
static int find_page(struct tulle *t, const char *capability, size_t from, uint64_t deadline,
                     struct tulle_found *out, size_t max) {
  uint8_t bytes[TL_CAPABILITY_BYTES_MAX + 64];
  struct tulle_pack w = tulle_pack_on(bytes, sizeof bytes);
  struct tulle_result result;
  tulle_pack_map(&w, 2);
  tulle_pack_text(&w, "capability");
  if (capability)
    tulle_pack_text(&w, capability);
  else
    tulle_pack_nil(&w);
  tulle_pack_text(&w, "from");
  tulle_pack_uint(&w, from);
  int r = tl_node_call(t, "list", bytes, tulle_pack_size(&w), deadline, &result);
  if (r) {
    tulle_result_clear(&result);
    return r;
  }
  struct tulle_unpack list = tulle_unpack_on(result.data, result.size);
  size_t count = tulle_unpack_array(&list);
  for (size_t i = 0; i < count && !list.failed; i++) {
    if (from + i < max) read_found(&list, &out[from + i]);
    tulle_unpack_skip(&list);
  }
  tulle_result_clear(&result);
  return list.failed ? TULLE_E_PROTOCOL : (int)count;
}

int tulle_find(struct tulle *t, const char *capability, struct tulle_found *out, size_t max) {
  if (capability && !tl_capability_is_valid(capability, strlen(capability))) return TULLE_E_INVALID;
  if (max && !out) return TULLE_E_INVALID;
  int r = tl_attachment_of(t, &t);
  if (r) return r;
  uint64_t deadline = tl_time_add(tl_time_now(), tl_budget_cut(TULLE_TIMEOUT_DEFAULT));
  size_t total = 0;
  do {
    r = find_page(t, capability, total, deadline, out, max);
    if (r > 0) total += (size_t)r;
  } while (r > 0);
  return r < 0 ? r : (int)total;
}

int tulle_wait(struct tulle *t, const char *service, uint64_t timeout_ns) {
  uint8_t bytes[TL_SERVICE_NAME_BYTES_MAX + 16];
  struct tulle_pack w = tulle_pack_on(bytes, sizeof bytes);
  if (!service || !tl_name_is_valid(service, strlen(service), TL_SERVICE_NAME_BYTES_MAX))
    return TULLE_E_INVALID;
  int r = tl_attachment_of(t, &t);
  if (r) return r;
  tulle_pack_map(&w, 1);
  tulle_pack_text(&w, "service");
  tulle_pack_text(&w, service);
  uint64_t deadline =
      tl_time_add(tl_time_now(), tl_budget_cut(timeout_ns < ASK_NS ? ASK_NS : timeout_ns));
  return tl_node_call(t, "wait", bytes, tulle_pack_size(&w), deadline, NULL);
}
