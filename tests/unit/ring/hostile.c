/*
 * A peer process that writes whatever it likes into all memory that it was given, as fast as it can, while
 * its victim goes on using the channel: the victim neither crashes nor reads out of bounds nor waits past a
 * deadline, and a channel beside it goes on working.
 *
 * The attacker mixes noise with values that nearly fit, since noise alone dies at the first check.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tests/unit/ring/ring_test.h"

#define BYTES      TL_RING_BYTES_MIN
#define SIEGE_NS   (1500 * TL_MS)
#define ROUNDS_MIN 100

/* ---- the attacker ---- */

/* What attacker and victim tell each other beside the channel. */
struct stage {
  bool is_mapped; /* the attacker has its memory */
  bool is_open;   /* the victim has checked and mapped it: the siege may begin */
  uint64_t writes;
};

struct attacker {
  struct random random;
  struct tl_segment own;
  const struct tl_ring_page *victim;
  uint64_t *words; /* of the position page */
  uint64_t position, sequence;
};

/* Values around what is right. */
static uint64_t clever(struct attacker *x) {
  uint64_t around =
      random_below(&x->random, 2) ? x->victim->read_position : x->victim->write_position;
  switch (random_below(&x->random, 8)) {
  case 0:
    return random_next(&x->random);
  case 1:
    return around + BYTES;
  case 2:
    return around + BYTES + 8;
  case 3:
    return around - 8;
  case 4:
    return around | UINT64_C(1) << 32;
  case 5:
    return UINT64_MAX - random_below(&x->random, 32);
  default:
    return around + random_below(&x->random, BYTES);
  }
}

static void put_header(struct attacker *x, uint32_t length, uint16_t kind, uint16_t flags) {
  struct tl_record_header h = {length, kind, flags, x->sequence};
  memcpy(x->own.data + (x->position & (BYTES - 1)), &h, sizeof h);
}

/* Good records for a while, their headers flickering between two lengths, some with MORE, some with SWITCH. */
static void behave_nearly(struct attacker *x) {
  x->position = x->victim->read_position;
  x->sequence = 0;
  for (uint32_t n = random_below(&x->random, 200); n; n--) {
    uint32_t length = random_below(&x->random, 300);
    uint16_t kind = random_below(&x->random, 20) ? 1 : TL_RECORD_KIND_SWITCH;
    put_header(x, length, kind, (uint16_t)random_below(&x->random, 2));
    x->position += tl_record_bytes(length);
    x->sequence++;
    __atomic_store_n(&x->own.page->write_position, x->position, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 20; i++) {
      volatile uint32_t *shown =
          (volatile void *)(x->own.data + ((x->position - tl_record_bytes(length)) & (BYTES - 1)));
      *shown = i % 2 ? length : (uint32_t)random_next(&x->random) >> random_below(&x->random, 32);
    }
  }
}

static void attack(int own_fd, int victim_fd, struct stage *stage) {
  struct attacker x = {.random = {11}};
  struct tl_segment victim;
  if (tl_segment_map(own_fd, TL_SEGMENT_PARTY, TL_SEGMENT_WRITER, BYTES, &x.own)) _exit(1);
  if (tl_segment_map(victim_fd, TL_SEGMENT_PARTY, TL_SEGMENT_WRITER, BYTES, &victim)) _exit(1);
  x.victim = victim.page;
  x.words = (void *)x.own.page;
  __atomic_store_n(&stage->is_mapped, true, __ATOMIC_RELEASE);
  while (!__atomic_load_n(&stage->is_open, __ATOMIC_ACQUIRE)) sched_yield();
  for (;;) {
    if (random_below(&x.random, 100) == 0) behave_nearly(&x);
    for (int i = 0; i < 100; i++) {
      volatile uint64_t *word = &x.words[16 * random_below(&x.random, 32)];
      *word = clever(&x);
      volatile uint64_t *data =
          (volatile void *)(x.own.data + 8 * random_below(&x.random, BYTES / 8));
      *data = random_next(&x.random) >> random_below(&x.random, 64);
    }
    __atomic_fetch_add(&stage->writes, 200, __ATOMIC_RELAXED);
  }
}

/* ---- the victim ---- */

struct victim {
  struct random random;
  struct tl_segment own, peer;
  struct tl_channel channel;
  uint64_t quarantines, messages, sum;
};

/* Every byte that a peek promises can be read. */
static void read_body(struct victim *v, const void *body, size_t length) {
  for (size_t i = 0; i < length; i++) v->sum += ((const volatile uint8_t *)body)[i];
}

static int step_receive(struct victim *v) {
  struct tl_message m;
  int r = tl_channel_peek(&v->channel, &m);
  if (r) return r;
  read_body(v, m.body, m.length);
  tl_channel_begin(&v->channel, m.sequence);
  tl_channel_release(&v->channel);
  v->messages++;
  return 0;
}

static int step_send(struct victim *v) {
  void *body;
  uint32_t length = random_below(&v->random, 2000);
  int r = tl_channel_reserve(&v->channel, length, &body);
  if (r) return r;
  memset(body, 1, length);
  tl_channel_commit(&v->channel, 1, length);
  tl_channel_publish(&v->channel);
  return 0;
}

static int step_wait(struct victim *v, bool is_for_room) {
  struct tl_wait wait = tl_wait_until(tl_time_now() + random_below(&v->random, 20000));
  struct tl_parking p = {.mode = (enum tl_parking_mode)random_below(&v->random, 3)};
  tl_channel_set_parking(&v->channel, &p);
  v->channel.rx_parker.was_long = random_below(&v->random, 2);
  if (is_for_room) return tl_channel_wait_room(&v->channel, random_below(&v->random, 2000), &wait);
  return tl_channel_wait(&v->channel, &wait);
}

static int victim_step(struct victim *v) {
  switch (random_below(&v->random, 8)) {
  case 0:
    return step_send(v);
  case 1:
    return step_wait(v, false);
  case 2:
    return step_wait(v, true);
  case 3:
    (void)tl_channel_arm(&v->channel);
    (void)tl_channel_arm_room(&v->channel, random_below(&v->random, 2000));
    tl_channel_disarm_room(&v->channel);
    tl_channel_disarm(&v->channel);
    (void)tl_channel_has_begun(&v->channel, 3);
    return 0;
  default:
    return step_receive(v);
  }
}

/* The same memory, a new channel: what a program gets when it opens the service again. */
static void victim_reopen(struct victim *v) {
  struct tl_channel *c = &v->channel;
  free(c->message.bytes);
  close(c->fd_in);
  close(c->fd_out);
  v->own.page->write_position = v->own.page->read_position = 0;
  int in = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), out = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  tl_channel_init(c, &v->own, &v->peer, in, out, 1u << 16);
}

static void is_expected(int r) {
  assert_true(r == 0 || r == TL_EMPTY || r == TL_FULL || r == TL_MORE || r == TL_RING_SWITCH ||
              r == TULLE_E_DEADLINE || r == TULLE_E_PROTOCOL);
}

/* ---- the channel beside it ---- */

static struct tl_channel near, far;
static bool is_over;

static void *echo(void *unused) {
  struct tl_message m;
  void *body;
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
    while (tl_channel_peek(&far, &m))
      if (tl_channel_wait(&far, &wait) < 0) abort();
    tl_channel_release(&far);
    if (tl_channel_reserve(&far, 8, &body)) abort();
    tl_channel_commit(&far, 1, 8);
    tl_channel_publish(&far);
  }
  return unused;
}

static void round_trip(void) {
  struct tl_message m;
  void *body;
  struct tl_wait wait = tl_wait_until(TL_NEVER);
  assert_int_equal(tl_channel_reserve(&near, 8, &body), 0);
  tl_channel_commit(&near, 1, 8);
  tl_channel_publish(&near);
  while (tl_channel_peek(&near, &m)) assert_true(tl_channel_wait(&near, &wait) >= 0);
  tl_channel_release(&near);
}

/* ---- the siege ---- */

static void a_hostile_process_harms_its_own_channel_only(void **state) {
  (void)state;
  int own_fd, victim_fd;
  struct victim v = {.random = {12}};
  struct stage *stage =
      mmap(NULL, sizeof *stage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(stage, MAP_FAILED);
  assert_int_equal(tl_segment_create(TL_SEGMENT_PARTY, BYTES, &own_fd), 0);
  assert_int_equal(tl_segment_create(TL_SEGMENT_PARTY, BYTES, &victim_fd), 0);
  pid_t attacker = fork();
  if (!attacker) attack(own_fd, victim_fd, stage);
  while (!__atomic_load_n(&stage->is_mapped, __ATOMIC_ACQUIRE)) sched_yield();
  assert_int_equal(tl_segment_map(victim_fd, TL_SEGMENT_PARTY, TL_SEGMENT_WRITER, BYTES, &v.own),
                   0);
  assert_int_equal(tl_segment_seal(own_fd), 0);
  assert_int_equal(tl_segment_map(own_fd, TL_SEGMENT_PARTY, TL_SEGMENT_READER, BYTES, &v.peer), 0);
  close(own_fd);
  close(victim_fd);
  int in = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), out = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  tl_channel_init(&v.channel, &v.own, &v.peer, in, out, 1u << 16);
  assert_int_equal(tl_channel_pair(BYTES, 0, &near, &far), 0);
  pthread_t beside;
  __atomic_store_n(&is_over, false, __ATOMIC_RELAXED);
  assert_int_equal(pthread_create(&beside, NULL, echo, NULL), 0);
  __atomic_store_n(&stage->is_open, true, __ATOMIC_RELEASE);
  uint64_t rounds = 0;
  for (uint64_t end = tl_time_now() + SIEGE_NS; tl_time_now() < end || rounds < ROUNDS_MIN;
       rounds++) {
    for (int i = 0; i < 50; i++) {
      int r = victim_step(&v);
      is_expected(r);
      if (r != TULLE_E_PROTOCOL) continue;
      v.quarantines++;
      victim_reopen(&v);
    }
    round_trip();
  }
  __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
  round_trip();
  pthread_join(beside, NULL);
  kill(attacker, SIGKILL);
  int status;
  assert_int_equal(waitpid(attacker, &status, 0), attacker);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  printf("%lu hostile writes, %lu quarantines, %lu messages, %lu round trips beside\n",
         stage->writes, v.quarantines, v.messages, rounds);
  assert_true(v.quarantines > 10);
  munmap(stage, sizeof *stage);
  tl_channel_deinit(&v.channel);
  tl_channel_deinit(&near);
  tl_channel_deinit(&far);
}

int main(void) {
  const struct CMUnitTest tests[] = {leak_checked(a_hostile_process_harms_its_own_channel_only)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
