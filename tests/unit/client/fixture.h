/* A fake node, a program that serves on a thread, and a program that calls. */
#ifndef TESTS_UNIT_CLIENT_FIXTURE_H
#define TESTS_UNIT_CLIENT_FIXTURE_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/time.h"
#include "tests/unit/client/fake_node.h"
#include "tests/unit/test.h"
#include "tulle/tulle.h"

#define assert_code(expression, code)                                                              \
  do {                                                                                             \
    int got_ = (expression);                                                                       \
    if (got_ != (code))                                                                            \
      fail_msg("%s: %d (%s), expected %d", #expression, got_, tulle_error_text(got_), (code));     \
  } while (0)
#define assert_ok(expression) assert_code(expression, 0)

struct fixture {
  struct fake_node *node;
  struct tulle *server, *client;
  struct tulle_service *service;
  struct tulle_channel *channel; /* of the client */
  pthread_t thread;
  unsigned threads; /* 0: nobody serves */
};

/* What the service "test" has been doing. */
extern atomic_uint fixture_calls, fixture_overlaps, fixture_running, fixture_abandoned;

/*
 * "test" has the procedures: echo; count; fail (42, "no"); refuse; hold (until fixture_release() or
 * abandoned); keep (answers in fixture_answer_kept()); relay (calls echo of "far", or
 * without arguments its left);
 * produce (that many bytes); left (nanoseconds to the deadline).
 */
void fixture_open(struct fixture *f, unsigned threads, uint32_t ring_bytes);
void fixture_close(struct fixture *f);

struct tulle *fixture_attach(const struct fixture *f, const char *program);
struct tulle_service *fixture_offer(struct tulle *t, const char *name);
void fixture_serve(struct fixture *f, unsigned threads);
void fixture_stop_serving(struct fixture *f);

/* Lets all "hold" calls go, now and later; or holds again. */
void fixture_release(bool is_released);

/* Answers what "keep" has, the last first, with its arguments. Returns how many. */
unsigned fixture_answer_kept(void);
unsigned fixture_kept(void);

/* Waits until `*counter` is at least `wanted`. */
void fixture_until(const atomic_uint *counter, unsigned wanted);

/* Calls "echo" with a binary of that size and checks what comes back. */
void fixture_echo(struct tulle_channel *c, size_t size);

size_t fixture_pack_uint(unsigned char out[16], uint64_t v);

#endif
