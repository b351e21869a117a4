/* Typed calls from one program to another: what arrives, what comes back, and how calls fail. */
#include <stdlib.h>

#include "store.tulle.h"
#include "tests/unit/client/fixture.h"
#include "tests/unit/typed/values.h"

static struct fixture f;
static struct tulle_service *service;
static struct store *store;
/* The same for the service's threads; the way of a call through a ring is none that the thread sanitizer sees. */
static _Atomic(struct store *) store_of_service;
static struct store_values values;
static int object;
static atomic_uint touched;
static struct tulle_call_context *kept;
static atomic_uint kept_count;

/* ---- the service ---- */

/* How long the service that this one asks may take, in seconds, as a name. */
static const char *ask_for_time(struct tulle_call_context *call) {
  const struct store_entry *found;
  size_t count;
  uint32_t seconds;
  int r = store_search(atomic_load(&store_of_service), "time", NULL, 0, 0, tulle_call_memory(call),
                       &found, &count, &seconds);
  return tulle_printf(tulle_call_memory(call), "%u", r ? 0 : seconds);
}

static int get(struct tulle_call_context *call, const char *key, struct store_entry *value) {
  if (tulle_call_object(call) != &object) return TULLE_E_IO;
  if (!strcmp(key, "gone")) return STORE_NOT_FOUND;
  if (!strcmp(key, "refused")) return TULLE_E_REFUSED;
  if (!strcmp(key, "nothing")) return 0; /* which is no entry: its name is NULL */
  *value = values.full;
  value->name =
      strcmp(key, "time") ? tulle_printf(tulle_call_memory(call), "%s", key) : ask_for_time(call);
  return 0;
}

static int put(struct tulle_call_context *call, const struct store_entry *value) {
  (void)call;
  bool is_whole = value->figures_count == 6 && value->counts_count == 3 && *value->tint == 7 &&
                  value->one.m_count == 2 && !strcmp(value->note, "") && value->raw_size == 0;
  return is_whole ? 0 : STORE_FULL;
}

static int scale(struct tulle_call_context *call, struct store_size *s, double factor) {
  (void)call;
  s->width = (uint32_t)(s->width * factor);
  s->height = (uint32_t)(s->height * factor);
  return 0;
}

static int search(struct tulle_call_context *call, const char *pattern, const uint32_t *limits,
                  size_t limits_count, uint32_t int_, const struct store_entry **results,
                  size_t *results_count, uint32_t *total) {
  uint32_t count = int_;
  for (size_t i = 0; i < limits_count; i++) count += limits[i];
  struct store_entry *found =
      tulle_memory_take(tulle_call_memory(call), count * sizeof *found, sizeof(void *));
  for (uint32_t i = 0; i < count; i++) {
    found[i] = values.bare;
    found[i].name = pattern;
  }
  *results = found;
  *results_count = *total = count;
  if (!strcmp(pattern, "time"))
    *total = (uint32_t)((tulle_call_deadline(call) - tl_time_now()) / TL_S);
  return 0;
}

static int everything(struct tulle_call_context *call, const struct store_all *a,
                      const struct store_deep *d_, const char *const **names, size_t *names_count,
                      uint32_t *i_, const uint32_t *limit, uint8_t key[4], float m[2][2],
                      const struct store_size **where, const char *x[2], struct store_all *b,
                      struct store_deep *e, const void **blob, size_t *blob_size,
                      const enum store_plain **mood, const uint16_t *parts[2],
                      size_t parts_count[2]) {
  static const enum store_plain good = STORE_PLAIN_B;
  (void)call;
  *b = *a, *e = *d_;
  x[0] = *names_count ? (*names)[*names_count - 1] : "none", x[1] = limit ? "limited" : "";
  *names_count = *names_count ? *names_count - 1 : 0;
  *i_ += limit ? *limit : 0;
  key[0]++;
  for (int i = 0; i < 4; i++) m[i / 2][i % 2] = (float)i;
  *where = *where ? NULL : &values.boxes[1];
  *blob = "blob", *blob_size = 4;
  *mood = limit ? &good : NULL;
  parts[0] = NULL, parts_count[0] = 0, parts[1] = values.shorts, parts_count[1] = 2;
  return 0;
}

static int ping(struct tulle_call_context *call) {
  kept = call;
  atomic_fetch_add(&kept_count, 1);
  return TULLE_LATER;
}

static int touch(struct tulle_call_context *call, const char *key) {
  (void)call;
  atomic_fetch_add(&touched, (unsigned)strlen(key));
  return 0;
}

static const struct store_functions functions = {.get = get,
                                                 .put = put,
                                                 .scale = scale,
                                                 .search = search,
                                                 .everything = everything,
                                                 .ping = ping,
                                                 .touch = touch};

static void open_with(unsigned threads) {
  fill_values(&values);
  fixture_open(&f, 0, 65536);
  assert_ok(store_offer(f.server, &functions, &object, NULL, &service));
  fixture_serve(&f, threads);
  assert_ok(store_open(f.client, NULL, &store));
  atomic_store(&store_of_service, store);
}

static int open_it(void **state) {
  (void)state;
  open_with(1);
  return 0;
}

static int open_two(void **state) {
  (void)state;
  open_with(2);
  return 0;
}

static int close_it(void **state) {
  (void)state;
  store = store_close(store);
  fixture_stop_serving(&f);
  service = tulle_withdraw(service);
  fixture_close(&f);
  return 0;
}

/* ---- calls ---- */

static void a_struct_goes_and_comes(void **state) {
  (void)state;
  unsigned char buffer[4096];
  struct tulle_memory memory = TULLE_MEMORY_ON(buffer);
  struct store_entry e;
  assert_ok(store_put(store, &values.full));
  assert_ok(store_get(store, "found", &memory, &e));
  assert_string_equal(e.name, "found");
  assert_int_equal(e.figures[3].path[1].height, 300);
  assert_null(memory.blocks); /* what fits allocates nothing */
  assert_ok(store_put(store, &e));
  tulle_memory_clear(&memory);
  assert_null(store_close(NULL));
}

static void inout_comes_back(void **state) {
  (void)state;
  struct store_size s = {2, 3};
  assert_ok(store_scale(store, &s, 1.5));
  assert_int_equal(s.width, 3);
  assert_int_equal(s.height, 4);
}

static void lists_come_back_small_and_large(void **state) {
  (void)state;
  struct tulle_memory memory = TULLE_MEMORY;
  const struct store_entry *found;
  const uint32_t limits[] = {1, 2};
  size_t count;
  uint32_t total;
  assert_ok(store_search(store, "", NULL, 0, 0, &memory, &found, &count, &total));
  assert_int_equal(count, 0);
  assert_ok(store_search(store, "pattern", limits, 2, 197, &memory, &found, &count, &total));
  assert_int_equal(count, 200);
  assert_int_equal(total, 200);
  assert_string_equal(found[199].name, "pattern");
  tulle_memory_clear(&memory);
}

static void every_kind_of_parameter(void **state) {
  (void)state;
  struct tulle_memory memory = TULLE_MEMORY;
  const char *const all_names[] = {"first", "second"}, *const *names = all_names, *x[2];
  size_t names_count = 2, blob_size, parts_count[2];
  uint32_t number = 40, limit = 2;
  uint8_t key[4] = {1, 2, 3, 4};
  float m[2][2];
  const struct store_size *where = NULL;
  struct store_all b;
  struct store_deep e;
  const void *blob;
  const enum store_plain *mood;
  const uint16_t *parts[2];
  assert_ok(store_everything(store, &values.all, &values.deep, &memory, &names, &names_count,
                             &number, &limit, key, m, &where, x, &b, &e, &blob, &blob_size, &mood,
                             parts, parts_count));
  assert_int_equal(names_count, 1);
  assert_string_equal(names[0], "first");
  assert_int_equal(number, 42);
  assert_int_equal(key[0], 2);
  assert_true(m[1][1] == 3);
  assert_int_equal(where->height, 300);
  assert_string_equal(x[0], "second");
  assert_string_equal(x[1], "limited");
  assert_true(b.u8 == UINT64_MAX && b.p == STORE_PLAIN_C);
  assert_string_equal(e.names[1], "alpha");
  assert_memory_equal(blob, "blob", 4);
  assert_int_equal(*mood, STORE_PLAIN_B);
  assert_int_equal(parts_count[0], 0);
  assert_int_equal(parts[1][1], 65535);
  /* Again with what came back, and with nothing where nothing may be; the same text goes twice. */
  assert_ok(store_everything(store, &b, &e, &memory, &names, &names_count, &number, NULL, key, m,
                             &where, x, &b, &e, &blob, &blob_size, &mood, parts, parts_count));
  assert_int_equal(names_count, 0);
  assert_null(where);
  assert_null(mood);
  assert_string_equal(x[0], "first");
  tulle_memory_clear(&memory);
}

static void one_way_is_accepted(void **state) {
  (void)state;
  assert_ok(store_touch(store, "four"));
  fixture_until(&touched, 4);
}

/* ---- failing ---- */

static void failed_with(int got, int code, const char *detail) {
  assert_int_equal(got, code);
  assert_string_equal(tulle_error_detail(), detail);
}

static void errors_are_returned(void **state) {
  (void)state;
  struct tulle_memory memory = TULLE_MEMORY;
  struct store_entry e = {.name = "untouched"};
  assert_int_equal(store_get(store, "gone", &memory, &e), STORE_NOT_FOUND);
  assert_string_equal(store_error_text(STORE_NOT_FOUND), "not found");
  assert_string_equal(store_error_text(TULLE_E_REFUSED), tulle_error_text(TULLE_E_REFUSED));
  failed_with(store_get(store, "refused", &memory, &e), TULLE_E_REFUSED, "");
  failed_with(store_get(store, "nothing", &memory, &e), TULLE_E_INVALID,
              "store.get: 'name' is NULL");
  assert_string_equal(e.name, "untouched");
  assert_null(memory.blocks);
  assert_int_equal(store_poke(store), 0); /* nobody hears that it is not offered */
}

static void what_is_wrong_does_not_leave(void **state) {
  (void)state;
  struct store_entry e = values.full;
  e.counts_count = 17;
  failed_with(store_put(store, &e), TULLE_E_INVALID, "store.put: 'counts' has too many elements");
  e = values.full, e.one.is = (enum store_strict_is)9;
  failed_with(store_put(store, &e), TULLE_E_INVALID,
              "store.put: an argument changed or is no value of its type");
  failed_with(store_touch(store, NULL), TULLE_E_INVALID, "store.touch: 'key' is NULL");
  assert_int_equal(store_put(NULL, &values.full), TULLE_E_INVALID);
}

/* From a program without generated code. */
static void wrong_arguments_are_named(void **state) {
  (void)state;
  struct tulle_result result;
  struct tulle_channel *c = store_channel(store);
  assert_code(tulle_call(c, "get", "\x91\x05", 2, 0, &result), TULLE_E_BAD_MESSAGE);
  assert_string_equal(result.text, "store.get: argument 'key' is not text");
  tulle_result_clear(&result);
  assert_code(tulle_call(c, "get", NULL, 0, 0, &result), TULLE_E_BAD_MESSAGE);
  assert_string_equal(result.text, "store.get: the argument list is missing");
  tulle_result_clear(&result);
  assert_code(tulle_call(c, "unusual", NULL, 0, 0, &result), TULLE_E_NO_PROCEDURE);
  tulle_result_clear(&result);
}

/* "test" answers with what it was given, which is no result of these. */
static void wrong_results_are_named(void **state) {
  (void)state;
  struct store *other;
  struct tulle_service *liar;
  unsigned char buffer[64];
  struct tulle_memory memory = TULLE_MEMORY_ON(buffer), before = memory;
  struct store_entry e = {.name = "untouched"};
  liar = fixture_offer(f.server, "liar");
  assert_ok(store_open_as(f.client, "liar", NULL, &other));
  assert_int_equal(store_get(other, "x", &memory, &e), TULLE_E_NO_PROCEDURE);
  (void)store_close(other);
  assert_null(tulle_withdraw(liar));
  assert_string_equal(e.name, "untouched");
  assert_memory_equal(&memory, &before, sizeof memory);
}

/* ---- later, and meanwhile ---- */

static unsigned done_count;
static int done_status;
static char done_name[16];

static void ping_done(void *userdata, int status) {
  assert_ptr_equal(userdata, &object);
  done_count++;
  done_status = status;
}

static void get_done(void *userdata, int status, const struct store_entry *value) {
  (void)userdata;
  done_count++;
  done_status = status;
  if (!status) snprintf(done_name, sizeof done_name, "%s", value->name);
}

static void until_done(unsigned count) {
  while (done_count < count) assert_true(tulle_dispatch_wait(f.client, TL_S) >= 0);
}

static void answers_may_come_later(void **state) {
  (void)state;
  done_count = 0;
  unsigned before = atomic_load(&kept_count);
  assert_ok(store_ping_async(store, 0, ping_done, &object, NULL));
  fixture_until(&kept_count, before + 1);
  assert_ok(store_ping_reply(kept));
  until_done(1);
  assert_ok(done_status);
}

static void many_at_once(void **state) {
  (void)state;
  done_count = 0;
  for (unsigned i = 0; i < 50; i++)
    assert_ok(store_get_async(store, "later", TL_S, get_done, NULL, NULL));
  until_done(50);
  assert_ok(done_status);
  assert_string_equal(done_name, "later");
  assert_ok(store_get_async(store, "gone", TL_S, get_done, NULL, NULL));
  until_done(51);
  assert_int_equal(done_status, STORE_NOT_FOUND);
  assert_code(store_get_async(store, NULL, TL_S, get_done, NULL, NULL), TULLE_E_INVALID);
  assert_code(store_get_async(store, "x", TL_S, NULL, NULL, NULL), TULLE_E_INVALID);
}

static void a_cancelled_one_is_done(void **state) {
  (void)state;
  struct tulle_pending *pending;
  done_count = 0;
  unsigned before = atomic_load(&kept_count);
  assert_ok(store_ping_async(store, 0, ping_done, &object, &pending));
  fixture_until(&kept_count, before + 1);
  tulle_cancel(pending);
  until_done(1);
  assert_code(done_status, TULLE_E_CANCELLED);
  assert_ok(store_ping_reply(kept));
}

static void a_deadline_ends_a_call(void **state) {
  (void)state;
  unsigned before = atomic_load(&kept_count);
  assert_code(store_ping_within(20 * TL_MS, store), TULLE_E_DEADLINE);
  if (atomic_load(&kept_count) > before) assert_ok(store_ping_reply(kept));
}

/* What a handler asks others for may take as long as its own caller waits, and no longer. */
static void nested_calls_have_the_time_of_their_caller(void **state) {
  (void)state;
  struct tulle_memory memory = TULLE_MEMORY;
  struct store_entry e;
  assert_ok(store_get_within(600 * TL_S, store, "time", &memory, &e));
  assert_true(atoi(e.name) > 300 && atoi(e.name) <= 600);
  assert_ok(store_get_within(4 * TL_S, store, "time", &memory, &e));
  assert_true(atoi(e.name) <= 4);
  tulle_memory_clear(&memory);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_it, close_it)
      CASE(a_struct_goes_and_comes),
      CASE(inout_comes_back),
      CASE(lists_come_back_small_and_large),
      CASE(every_kind_of_parameter),
      CASE(one_way_is_accepted),
      CASE(errors_are_returned),
      CASE(what_is_wrong_does_not_leave),
      CASE(wrong_arguments_are_named),
      CASE(wrong_results_are_named),
      CASE(answers_may_come_later),
      CASE(many_at_once),
      CASE(a_cancelled_one_is_done),
      CASE(a_deadline_ends_a_call),
      cmocka_unit_test_setup_teardown(nested_calls_have_the_time_of_their_caller, open_two,
                                      close_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
