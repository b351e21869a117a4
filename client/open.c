/* Opening and closing channels. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/attach.h"
#include "client/budget.h"
#include "client/detail.h"
#include "client/drive.h"
#include "client/node.h"
#include "client/stay.h"
#include "core/text.h"
#include "core/wire/service.h"

/* What the node serves itself: channel 0, which every program has. */
#define NODE_SERVICE "node"

static bool is_node_name(const char *name) {
  return strnlen(name, TL_NODE_NAME_BYTES_MAX + 1) <= TL_NODE_NAME_BYTES_MAX && *name;
}

static const uint16_t delivery_bits[] = {[TULLE_ORDERED] = 0,
                                         [TULLE_UNORDERED] = TL_KIND_UNORDERED,
                                         [TULLE_BEST_EFFORT] = TL_KIND_BEST_EFFORT};

static bool is_target(const struct tulle_target *target) {
  const struct tulle_interface *interface = target->interface;
  if (target->delivery < TULLE_ORDERED || target->delivery > TULLE_BEST_EFFORT) return false;
  if (target->node && !is_node_name(target->node)) return false;
  if (interface && (!interface->text || interface->text_size > TL_INTERFACE_BYTES_MAX))
    return false;
  return !target->capability ||
         tl_capability_is_valid(target->capability, strlen(target->capability));
}

static void pack_text_or_nil(struct tulle_pack *w, const char *key, const char *text) {
  tulle_pack_text(w, key);
  if (text)
    tulle_pack_text(w, text);
  else
    tulle_pack_nil(w);
}

/* The arguments of `open`, of which all but the interface's text is short. */
#define SHORT_BYTES_MAX 512

static void pack_open(struct tulle_pack *w, const char *service, const struct tulle_target *target,
                      bool with_text) {
  const struct tulle_interface *interface = target->interface;
  tulle_pack_map(w, 3 + (size_t)(interface != NULL) + with_text);
  pack_text_or_nil(w, "service", service);
  pack_text_or_nil(w, "node", target->node);
  pack_text_or_nil(w, "capability", target->capability);
  if (interface) tl_fingerprint_encode(w, true, interface->fingerprint);
  if (with_text) {
    tulle_pack_text(w, "interface");
    tulle_pack_text_of(w, interface->text, interface->text_size);
  }
}

/* Asks the node for a channel: its number. */
static int ask_with(struct tulle *t, const struct tulle_pack *args, uint64_t deadline,
                    uint32_t *out_number) {
  struct tulle_result result;
  int r = tl_node_call(t, "open", args->start, tulle_pack_size(args), deadline, &result);
  if (!r) {
    struct tulle_unpack map = tulle_unpack_on(result.data, result.size);
    struct tulle_unpack value = tulle_unpack_key(&map, "channel");
    uint64_t number = tulle_unpack_uint(&value);
    if (value.failed || number > UINT32_MAX) r = TULLE_E_PROTOCOL;
    *out_number = (uint32_t)number;
  }
  tl_detail_set(r ? result.text : NULL);
  tulle_result_clear(&result);
  return r;
}

/* The interface's text only follows where the fingerprint alone does not open. */
static int ask(struct tulle *t, const char *service, const struct tulle_target *target,
               uint64_t deadline, uint32_t *out_number) {
  uint8_t bytes[SHORT_BYTES_MAX];
  struct tulle_pack w = tulle_pack_on(bytes, sizeof bytes);
  pack_open(&w, service, target, false);
  int r = ask_with(t, &w, deadline, out_number);
  if (r != TULLE_E_INTERFACE || !target->interface) return r;
  size_t size = SHORT_BYTES_MAX + target->interface->text_size;
  uint8_t *more = malloc(size);
  if (!more) return TULLE_E_NO_MEMORY;
  w = tulle_pack_on(more, size);
  pack_open(&w, service, target, true);
  r = ask_with(t, &w, deadline, out_number);
  free(more);
  return r;
}

static int open_node(struct tulle *t, uint64_t deadline, struct tulle_channel **out) {
  for (;;) {
    int r = tl_attachment_ready(t, deadline);
    if (r) return r;
    struct tulle_channel *c = tl_stay_claim_node(t);
    if (!c) continue; /* it has just died */
    *out = c;
    return 0;
  }
}

int tulle_channel_open(struct tulle *t, const char *service, const struct tulle_target *target,
                       struct tulle_channel **out) {
  struct tulle_target any = {.node = NULL};
  struct tulle_channel *c = NULL;
  uint32_t number;
  if (!target) target = &any;
  if (!service || !out || !is_target(target)) return TULLE_E_INVALID;
  if (!tl_name_is_valid(service, strlen(service), TL_SERVICE_NAME_BYTES_MAX))
    return TULLE_E_INVALID;
  int r = tl_attachment_of(t, &t);
  if (r) return r;
  uint64_t timeout_ns = target->timeout_ns ? target->timeout_ns : TULLE_TIMEOUT_DEFAULT;
  uint64_t deadline = tl_time_add(tl_time_now(), tl_budget_cut(timeout_ns));
  if (strcmp(service, NODE_SERVICE) == 0 && !target->node)
    return target->delivery ? TULLE_E_INVALID : open_node(t, deadline, out);
  tl_stay_open_begin(t);
  unsigned given_up = __atomic_load_n(&t->stay.given_up, __ATOMIC_ACQUIRE);
  r = ask(t, service, target, deadline, &number);
  if (!r) {
    tl_stay_poll(t, tl_time_now()); /* its descriptors came before the answer */
    c = tl_stay_claim(t, number);
    if (!c) r = TULLE_E_PEER_GONE; /* it has ended already */
  }
  tl_stay_open_end(t);
  if ((r == TULLE_E_PEER_GONE || r == TULLE_E_CANCELLED) &&
      __atomic_load_n(&t->stay.given_up, __ATOMIC_ACQUIRE) != given_up)
    r = -EMFILE; /* the node knows only that this side closed it */
  if (r) return r;
  c->delivery = delivery_bits[target->delivery];
  *out = c;
  return 0;
}

struct tulle_channel *tulle_channel_close(struct tulle_channel *c) {
  if (!c || tl_process_is_other(c->process)) return NULL;
  if (c->number) { /* the node's own is everybody's */
    tl_drive_close(c);
    tl_stay_forget(c->t, c);
  }
  tl_stay_unclaim(c->t, c);
  return NULL;
}

const struct tulle_identity *tulle_channel_peer(const struct tulle_channel *c) {
  return &c->peer;
}

/* What the link to a node travels over, or NULL. */
static const char *path_of_link(const struct tulle_result *result, const char *node) {
  struct tulle_unpack list = tulle_unpack_on(result->data, result->size);
  for (size_t left = tulle_unpack_array(&list); left && !list.failed; left--) {
    char name[TL_NODE_NAME_BYTES_MAX + 1], path[8];
    struct tulle_unpack value = tulle_unpack_key(&list, "node");
    tulle_unpack_string(&value, name, sizeof name);
    value = tulle_unpack_key(&list, "path");
    tulle_unpack_string(&value, path, sizeof path);
    if (strcmp(name, node) == 0) return strcmp(path, "tcp") == 0 ? "tcp" : "udp";
    tulle_unpack_skip(&list);
  }
  return NULL;
}

const char *tulle_channel_path(struct tulle_channel *c) {
  struct tulle_result result;
  const char *path = NULL;
  if (c->peer.is_local || tl_process_is_other(c->process)) return "ring";
  uint64_t deadline = tl_time_add(tl_time_now(), tl_budget_cut(TULLE_TIMEOUT_DEFAULT));
  if (tl_node_call(c->t, "links", NULL, 0, deadline, &result) == 0)
    path = path_of_link(&result, c->peer.node_name);
  tulle_result_clear(&result);
  return path ? path : "udp";
}
