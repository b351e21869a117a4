/*
 * What an idle peer costs: memory that its link holds, and packets that it sends.
 *
 * Eight endpoints are all linked with each other and send each other some megabytes. Then nothing is said for a while.
 * What is held is counted where it is taken: the wrapped malloc() family, and whole pages for what libsodium guards.
 * That is an upper bound of the memory that is touched, and the same under every sanitizer.
 */
#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/world.h"
#include "tests/unit/test.h"

#define NODES          WORLD_NODES_MAX
#define ENDS           (NODES * (NODES - 1)) /* each link has two, and both are in this process */
#define MESSAGE_BYTES  16384u
#define TRANSFER_BYTES (1u << 20)
#define PEER_BYTES_MAX (64u << 10)
#define PAGE           4096u

/* ---- the wrapped family ---- */

static size_t held;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__real_sodium_malloc(size_t size);
void __real_sodium_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);
void *__wrap_sodium_malloc(size_t size);
void __wrap_sodium_free(void *p);

static size_t size_of(void *p) {
  return p ? malloc_usable_size(p) : 0;
}

void *__wrap_malloc(size_t size) {
  void *p = __real_malloc(size);
  held += size_of(p);
  return p;
}

void *__wrap_calloc(size_t n, size_t size) {
  void *p = __real_calloc(n, size);
  held += size_of(p);
  return p;
}

void *__wrap_realloc(void *p, size_t size) {
  held -= size_of(p);
  p = __real_realloc(p, size);
  held += size_of(p);
  return p;
}

void __wrap_free(void *p) {
  held -= size_of(p);
  __real_free(p);
}

/* Its size stands in a page in front of the data, and 16 bytes behind the data see whether it was overrun. The size of a
 * session is all that is taken here. */
static size_t guarded;

void *__wrap_sodium_malloc(size_t size) {
  guarded = PAGE + (size + 16 + PAGE - 1) / PAGE * PAGE;
  held += guarded;
  return __real_sodium_malloc(size);
}

void __wrap_sodium_free(void *p) {
  if (p) held -= guarded;
  __real_sodium_free(p);
}

/* ---- the test ---- */

static struct world w;

static bool pass(struct world *world) {
  (void)world;
  return false;
}

static void transfer_all(void) {
  size_t sent[NODES][NODES] = {{0}};
  bool is_done = false;
  while (!is_done) {
    is_done = true;
    for (unsigned a = 0; a < NODES; a++)
      for (unsigned b = 0; b < NODES; b++) {
        if (a == b) continue;
        while (sent[a][b] < TRANSFER_BYTES && world_send(&w, a, b, MESSAGE_BYTES) == 0)
          sent[a][b] += MESSAGE_BYTES;
        is_done &= sent[a][b] >= TRANSFER_BYTES;
      }
    (void)world_run_until(&w, TL_MS, pass);
  }
  WORLD_CHECK(&w, world_run_until(&w, 60 * TL_S, world_all_delivered));
}

static uint64_t packets_sent(void) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < NODES; i++) sum += world_counters(&w, i).packets_sent;
  return sum;
}

static void run_idle(enum tl_carrier_choice carrier, uint64_t seed) {
  struct tl_sim_faults faults = {.delay = TL_MS};
  world_init(&w, seed, NODES);
  tl_sim_set_faults(w.sim, &faults);
  w.config.carrier = carrier;
  world_start(&w);
  size_t without = held;
  world_dial_all(&w);
  WORLD_CHECK(&w, world_run_until(&w, 60 * TL_S, world_all_connected));
  transfer_all();
  size_t busy = held;
  (void)world_run_until(&w, 5 * TL_S, pass);
  size_t each = (held - without) / ENDS;
  uint64_t before = packets_sent();
  (void)world_run_until(&w, 15 * TL_S, pass);
  double per_second = (double)(packets_sent() - before) / (ENDS / 2) / 15;
  printf("idle peer by %s: %zu bytes (%zu while it was busy), %.2f packets a second and link\n",
         carrier == TL_CARRIER_ONLY_TCP ? "TCP" : "UDP", each, (busy - without) / ENDS, per_second);
  WORLD_CHECK(&w, each <= PEER_BYTES_MAX);
  /* One question and one answer an interval, which is at least half a second. */
  WORLD_CHECK(&w, per_second <= 4.0);
  WORLD_CHECK(&w, world_all_connected(&w));
  world_deinit(&w);
}

static void an_idle_peer_by_udp(void **state) {
  (void)state;
  run_idle(TL_CARRIER_ONLY_UDP, 1);
}

static void an_idle_peer_by_tcp(void **state) {
  (void)state;
  run_idle(TL_CARRIER_ONLY_TCP, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_idle_peer_by_udp),
      cmocka_unit_test(an_idle_peer_by_tcp),
  };
  world_fabric_make();
  int r = cmocka_run_group_tests(tests, NULL, NULL);
  world_fabric_free();
  return r;
}
