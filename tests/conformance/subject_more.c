/* What a subject does beyond answering: calling others, offering more, telling of its memory and its node. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "tests/conformance/poison.h"
#include "tests/conformance/subject.h"

/* ---- calling others ---- */

/* [service, procedure, timeout_ns]: calls it there -> [status, its number, or 0] */
static int pass_on(struct tulle_call_context *call, void *userdata) {
  struct tulle_unpack args = tulle_call_arguments(call);
  char service[64], procedure[64];
  unsigned char buffer[32];
  struct tulle_channel *c;
  struct tulle_result result = {0};
  (void)userdata;
  tulle_unpack_array(&args);
  tulle_unpack_string(&args, service, sizeof service);
  tulle_unpack_string(&args, procedure, sizeof procedure);
  uint64_t timeout_ns = tulle_unpack_uint(&args);
  if (args.failed) return TULLE_E_BAD_MESSAGE;
  int r = tulle_channel_open(NULL, service, NULL, &c);
  if (r < 0) return r;
  r = tulle_call(c, procedure, NULL, 0, timeout_ns, &result);
  struct tulle_unpack answer = tulle_unpack_on(result.data, result.size);
  uint64_t number = result.size ? tulle_unpack_uint(&answer) : 0;
  tulle_result_clear(&result);
  tulle_channel_close(c);
  struct tulle_pack w = tulle_pack_on(buffer, sizeof buffer);
  tulle_pack_array(&w, 2);
  tulle_pack_int(&w, r);
  tulle_pack_uint(&w, number);
  return tulle_reply(call, buffer, tulle_pack_size(&w));
}

/* ---- a second service ---- */

static struct tulle_service *second;

static int second_ping(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  return tulle_reply(call, NULL, 0);
}

/* A text: offers a service of that name, or nothing any more where it is empty. It does so from outside of the service that
 * it ends. */
static int offer_second(struct tulle_call_context *call, void *userdata) {
  static const struct tulle_procedure procedures[] = {{"ping", second_ping, NULL}};
  static const struct tulle_capability capabilities[] = {{"test/second", 7, NULL}};
  char name[64];
  (void)userdata;
  int r = text_argument(call, name, sizeof name);
  if (r < 0) return r;
  struct tulle_offer offer = {.name = name,
                              .procedures = procedures,
                              .procedure_count = 1,
                              .capabilities = capabilities,
                              .capability_count = 1};
  second = tulle_withdraw(second);
  r = *name ? tulle_offer(NULL, &offer, &second) : 0;
  return r < 0 ? r : tulle_reply(call, NULL, 0);
}

/* ---- memory ---- */

static int spread(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  struct tulle_unpack args = tulle_call_arguments(call);
  poison_spread(tulle_unpack_uint(&args));
  return tulle_reply(call, NULL, 0);
}

static int scan(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  struct tulle_unpack args = tulle_call_arguments(call);
  return reply_int(call, poison_scan(tulle_unpack_uint(&args)));
}

static uint64_t sum_of(const unsigned char *bytes, size_t size) {
  uint64_t sum = 1469598103934665603u;
  for (size_t i = 0; i < size; i++) sum = (sum ^ bytes[i]) * 1099511628211u;
  return sum;
}

/* Bytes: looks at them twice with a while in between. They are what they were, or PROTOCOL. */
static int steady(struct tulle_call_context *call, void *userdata) {
  struct tulle_unpack args = tulle_call_arguments(call);
  size_t size;
  (void)userdata;
  const unsigned char *bytes = tulle_unpack_bytes(&args, &size);
  if (args.failed) return TULLE_E_BAD_MESSAGE;
  uint64_t before = sum_of(bytes, size);
  sleep_ns(2000000);
  return sum_of(bytes, size) == before ? tulle_reply(call, NULL, 0) : TULLE_E_PROTOCOL;
}

/* ---- its node ---- */

static uint64_t status_of(const struct tulle_result *result, const char *key) {
  struct tulle_unpack map = tulle_unpack_on(result->data, result->size);
  struct tulle_unpack value = tulle_unpack_key(&map, key);
  return tulle_unpack_uint(&value);
}

/* What its node counts: [programs, services, channels] */
static int node_counts(struct tulle_call_context *call, void *userdata) {
  struct tulle_channel *node;
  struct tulle_result result;
  unsigned char buffer[64];
  (void)userdata;
  int r = tulle_channel_open(NULL, "node", NULL, &node);
  if (r < 0) return r;
  r = tulle_call(node, "status", NULL, 0, 0, &result);
  struct tulle_pack w = tulle_pack_on(buffer, sizeof buffer);
  tulle_pack_array(&w, 3);
  tulle_pack_uint(&w, r == 0 ? status_of(&result, "programs") : 0);
  tulle_pack_uint(&w, r == 0 ? status_of(&result, "services") : 0);
  tulle_pack_uint(&w, r == 0 ? status_of(&result, "channels") : 0);
  tulle_result_clear(&result);
  tulle_channel_close(node);
  return r < 0 ? r : tulle_reply(call, buffer, tulle_pack_size(&w));
}

/* Of all its links: [best effort lost, dropped] */
static int link_counts(struct tulle_call_context *call, void *userdata) {
  struct tulle_channel *node;
  struct tulle_result result;
  unsigned char buffer[64];
  uint64_t lost = 0, dropped = 0;
  (void)userdata;
  int r = tulle_channel_open(NULL, "node", NULL, &node);
  if (r < 0) return r;
  r = tulle_call(node, "links", NULL, 0, 0, &result);
  struct tulle_unpack list = tulle_unpack_on(result.data, result.size);
  for (size_t left = r == 0 ? tulle_unpack_array(&list) : 0; left; left--) {
    struct tulle_unpack value = tulle_unpack_key(&list, "best_effort_lost");
    lost += tulle_unpack_uint(&value);
    value = tulle_unpack_key(&list, "best_effort_dropped");
    dropped += tulle_unpack_uint(&value);
    tulle_unpack_skip(&list);
  }
  tulle_result_clear(&result);
  tulle_channel_close(node);
  struct tulle_pack w = tulle_pack_on(buffer, sizeof buffer);
  tulle_pack_array(&w, 2);
  tulle_pack_uint(&w, lost), tulle_pack_uint(&w, dropped);
  return r < 0 ? r : tulle_reply(call, buffer, tulle_pack_size(&w));
}

/* ---- datagrams ---- */

/* Whether the answer of `whoami` names this program. */
static bool is_me(const struct tulle_result *result, const struct tulle_identity *me) {
  struct tulle_unpack r = tulle_unpack_on(result->data, result->size);
  size_t size;
  if (tulle_unpack_array(&r) != 6) return false;
  const void *node = tulle_unpack_bytes(&r, &size);
  return size == sizeof me->node && memcmp(node, me->node, size) == 0 &&
         tulle_unpack_uint(&r) == me->client;
}

/* [service, times]: asks it by best effort who this is -> [right, wrong, late] */
static int visit(struct tulle_call_context *call, void *userdata) {
  struct tulle_unpack args = tulle_call_arguments(call);
  struct tulle_target target = {.delivery = TULLE_BEST_EFFORT};
  struct tulle_identity me;
  struct tulle_channel *c = NULL;
  char service[64];
  unsigned char buffer[64];
  uint64_t right = 0, wrong = 0, late = 0;
  (void)userdata;
  tulle_unpack_array(&args);
  tulle_unpack_string(&args, service, sizeof service);
  uint64_t times = tulle_unpack_uint(&args);
  if (args.failed || tulle_self(NULL, &me) < 0) return TULLE_E_BAD_MESSAGE;
  if (tulle_channel_open(NULL, service, &target, &c) < 0) times = 0;
  for (uint64_t i = 0; i < times; i++) {
    struct tulle_result result;
    int r = tulle_call(c, "whoami", NULL, 0, 1000000000, &result);
    if (r == 0)
      is_me(&result, &me) ? right++ : wrong++;
    else
      r == TULLE_E_DEADLINE ? late++ : wrong++;
    tulle_result_clear(&result);
  }
  tulle_channel_close(c);
  struct tulle_pack w = tulle_pack_on(buffer, sizeof buffer);
  tulle_pack_array(&w, 3);
  tulle_pack_uint(&w, right), tulle_pack_uint(&w, wrong), tulle_pack_uint(&w, late);
  return tulle_reply(call, buffer, tulle_pack_size(&w));
}

const struct tulle_procedure more_procedures[] = {
    {"link_counts", link_counts, NULL}, {"visit", visit, NULL},
    {"pass_on", pass_on, NULL},         {"second", offer_second, NULL},
    {"spread", spread, NULL},           {"scan", scan, NULL},
    {"steady", steady, NULL},           {"node_counts", node_counts, NULL},
};
const size_t more_procedure_count = sizeof more_procedures / sizeof *more_procedures;
