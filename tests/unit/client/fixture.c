#include "tests/unit/client/fixture.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEPT_MAX 20000

atomic_uint fixture_calls, fixture_overlaps, fixture_running, fixture_abandoned;

static atomic_bool is_released;
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tulle_call_context *kept[KEPT_MAX];
static unsigned kept_count;

/* ---- the service ---- */

static int echo(struct tulle_call_context *call, void *userdata) {
  struct tulle_unpack args = tulle_call_arguments(call);
  (void)userdata;
  return tulle_reply(call, args.at, (size_t)(args.end - args.at));
}

static int count(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  atomic_fetch_add(&fixture_calls, 1);
  return tulle_reply(call, NULL, 0);
}

static int fail_own(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  return tulle_reply_error(call, 42, "no");
}

static int refuse(struct tulle_call_context *call, void *userdata) {
  (void)call, (void)userdata;
  return TULLE_E_REFUSED;
}

static int hold(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  if (atomic_fetch_add(&fixture_running, 1) > 0) atomic_fetch_add(&fixture_overlaps, 1);
  bool is_abandoned = false;
  while (!atomic_load(&is_released) && !is_abandoned) {
    is_abandoned = tulle_call_is_abandoned(call);
    sched_yield();
  }
  if (is_abandoned) atomic_fetch_add(&fixture_abandoned, 1);
  atomic_fetch_add(&fixture_calls, 1);
  atomic_fetch_sub(&fixture_running, 1);
  return tulle_reply(call, NULL, 0);
}

static int keep(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  pthread_mutex_lock(&kept_lock);
  bool fits = kept_count < KEPT_MAX;
  if (fits) kept[kept_count++] = call;
  pthread_mutex_unlock(&kept_lock);
  return fits ? TULLE_LATER : TULLE_E_LIMIT;
}

/* The argument is passed on to another service of the same program, or of another one. */
static int relay(struct tulle_call_context *call, void *userdata) {
  struct tulle *t = userdata;
  struct tulle_unpack args = tulle_call_arguments(call);
  struct tulle_channel *c;
  struct tulle_result result;
  int r = tulle_channel_open(t, "far", NULL, &c);
  if (r) return r;
  size_t size = (size_t)(args.end - args.at);
  r = tulle_call(c, size ? "echo" : "left", args.at, size, TULLE_FOREVER, &result);
  if (!r) r = tulle_reply(call, result.data, result.size);
  tulle_result_clear(&result);
  tulle_channel_close(c);
  return r;
}

static int produce(struct tulle_call_context *call, void *userdata) {
  struct tulle_unpack args = tulle_call_arguments(call);
  size_t size = (size_t)tulle_unpack_uint(&args);
  unsigned char *bytes = calloc(1, size + 8);
  (void)userdata;
  if (!bytes) return TULLE_E_NO_MEMORY;
  struct tulle_pack w = tulle_pack_on(bytes, size + 8);
  tulle_pack_counted_(&w, size, 0, 0, 0xc4, 0xc5);
  w.at += size;
  int r = tulle_reply(call, bytes, tulle_pack_size(&w));
  free(bytes);
  return r;
}

static int left(struct tulle_call_context *call, void *userdata) {
  unsigned char bytes[16];
  uint64_t deadline = tulle_call_deadline(call);
  (void)userdata;
  return tulle_reply(
      call, bytes,
      fixture_pack_uint(bytes, deadline == TULLE_FOREVER ? deadline : deadline - tl_time_now()));
}

struct tulle_service *fixture_offer(struct tulle *t, const char *name) {
  const struct tulle_procedure procedures[] = {
      {"echo", echo, NULL},  {"count", count, NULL}, {"fail", fail_own, NULL},
      {"refuse", refuse, t}, {"hold", hold, NULL},   {"keep", keep, NULL},
      {"relay", relay, t},   {"left", left, NULL},   {"produce", produce, NULL},
  };
  struct tulle_offer offer = {.name = name,
                              .procedures = procedures,
                              .procedure_count = sizeof procedures / sizeof *procedures};
  struct tulle_service *s = NULL;
  assert_ok(tulle_offer(t, &offer, &s));
  return s;
}

/* ---- life ---- */

static void *serve(void *argument) {
  struct fixture *f = argument;
  int r = tulle_serve(f->server, f->threads);
  return (void *)(intptr_t)r;
}

void fixture_serve(struct fixture *f, unsigned threads) {
  f->threads = threads;
  assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
}

void fixture_stop_serving(struct fixture *f) {
  void *r;
  if (!f->threads) return;
  tulle_stop(f->server);
  pthread_join(f->thread, &r);
  assert_true(r == NULL);
  f->threads = 0;
}

struct tulle *fixture_attach(const struct fixture *f, const char *program) {
  struct tulle_options o = {
      .runtime_dir = fake_node_dir(f->node), .program = program, .no_autostart = true};
  struct tulle *t = NULL;
  assert_ok(tulle_attach(&o, &t));
  return t;
}

void fixture_open(struct fixture *f, unsigned threads, uint32_t ring_bytes) {
  *f = (struct fixture){.node = fake_node_start(ring_bytes)};
  atomic_store(&fixture_calls, 0);
  atomic_store(&fixture_overlaps, 0);
  atomic_store(&fixture_abandoned, 0);
  fixture_release(false);
  f->server = fixture_attach(f, "server");
  f->service = fixture_offer(f->server, "test");
  fixture_serve(f, threads ? threads : 1);
  f->client = fixture_attach(f, "client");
  assert_ok(tulle_channel_open(f->client, "test", NULL, &f->channel)); /* the server has its part */
  if (!threads) fixture_stop_serving(f);
}

void fixture_close(struct fixture *f) {
  fixture_release(true);
  f->channel = tulle_channel_close(f->channel);
  fixture_stop_serving(f);
  f->client = tulle_detach(f->client);
  f->server = tulle_detach(f->server);
  fixture_answer_kept();
  fake_node_stop(f->node);
}

/* ---- helpers ---- */

void fixture_release(bool released) {
  atomic_store(&is_released, released);
}

unsigned fixture_kept(void) {
  pthread_mutex_lock(&kept_lock);
  unsigned n = kept_count;
  pthread_mutex_unlock(&kept_lock);
  return n;
}

unsigned fixture_answer_kept(void) {
  pthread_mutex_lock(&kept_lock);
  unsigned n = kept_count;
  while (kept_count) {
    struct tulle_call_context *call = kept[--kept_count];
    struct tulle_unpack args = tulle_call_arguments(call);
    assert_ok(tulle_reply(call, args.at, (size_t)(args.end - args.at)));
  }
  pthread_mutex_unlock(&kept_lock);
  return n;
}

void fixture_until(const atomic_uint *counter, unsigned wanted) {
  while (atomic_load(counter) < wanted) sched_yield();
}

size_t fixture_pack_uint(unsigned char out[16], uint64_t v) {
  struct tulle_pack w = tulle_pack_on(out, 16);
  tulle_pack_uint(&w, v);
  return tulle_pack_size(&w);
}

void fixture_echo(struct tulle_channel *c, size_t size) {
  unsigned char *data = malloc(size + 1), *args = malloc(size + 8);
  assert_true(data && args);
  for (size_t i = 0; i < size; i++) data[i] = (unsigned char)(i * 7 + (i >> 9));
  struct tulle_pack w = tulle_pack_on(args, size + 8);
  struct tulle_result result;
  tulle_pack_bytes(&w, data, size);
  assert_ok(tulle_call(c, "echo", args, tulle_pack_size(&w), 30 * TL_S, &result));
  assert_int_equal(result.size, tulle_pack_size(&w));
  assert_memory_equal(result.data, args, result.size);
  tulle_result_clear(&result);
  free(data);
  free(args);
}
