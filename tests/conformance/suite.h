/*
 * What the files of the suite share: the programs that they direct, waiting, and the place where they run.
 *
 * Each file has the cases of one topic and shows them as a table; suite.c runs them all. README.md says which case
 * stands for which row of what was promised.
 */
#ifndef TL_TESTS_CONFORMANCE_SUITE_H
#define TL_TESTS_CONFORMANCE_SUITE_H

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/time.h"
#include "tests/unit/test.h"
#include "tulle/tulle.h"

/* ---- the place ---- */

extern const char *suite_path;          /* what every channel must travel over: ring, udp or tcp */
extern struct tulle_channel *suite_far; /* the agent on the node under test */
extern struct tulle_channel
    *suite_near; /* the agent on the suite's own node; in one setting both are there */

static inline bool suite_is_local(void) {
  return strcmp(suite_path, "ring") == 0;
}

/* Does something to a node or the network (control.sh says what there is); fails the case if that failed. */
void suite_control(const char *command);

/* The same; false where the setting has no such thing. */
bool suite_may_control(const char *command);

/* Opens both agents anew, once they can be reached again. */
void suite_find_agents(void);

/* ---- checks ---- */

#define assert_code(expression, code)                                                              \
  do {                                                                                             \
    int got_ = (expression);                                                                       \
    if (got_ != (code))                                                                            \
      fail_msg("%s: %d (%s), expected %d (%s)", #expression, got_, tulle_error_text(got_), (code), \
               tulle_error_text(code));                                                            \
  } while (0)

#define assert_ok(expression) assert_code(expression, 0)

/* ---- programs under test ---- */

struct subject {
  char name[32];
  uint64_t pid;
  struct tulle_channel *agent; /* that started it */
  struct tulle_channel *channel;
};

/* A name that no other subject of this run has. */
void subject_name(char out[32]);

/* A fresh subject on the far node, or on the agent's, with a channel to it. */
struct subject subject_start(unsigned threads);
struct subject subject_start_at(struct tulle_channel *at, unsigned threads);
void subject_stop(struct subject *s);

/* Starts one under a name; waits until it is offered. */
uint64_t agent_start(struct tulle_channel *at, const char *name, unsigned threads);
/* From a copy of the program under another file name. */
uint64_t agent_start_as(struct tulle_channel *at, const char *name, const char *file);
int agent_kill(struct tulle_channel *at, uint64_t pid, int number);

/* Runs the subject's program with these words (NULL: the end) and waits for its exit code; 128 + n for signal n. */
int agent_run(struct tulle_channel *at, const char *const *words);

/* What it counted: calls that ran, that overlapped, that were abandoned. */
struct counts {
  uint64_t calls, overlaps, abandoned;
};
struct counts subject_counts(const struct subject *s);

/* The numbers that it was given to note: how many, twice, after a higher one, with bytes that were not theirs. */
struct notes {
  uint64_t noted, twice, late, wrong;
};
struct notes subject_notes(const struct subject *s);

/* What its node counts. */
struct node_counts {
  uint64_t programs, services, channels;
};
struct node_counts subject_node_counts(const struct subject *s);

/* What the links of its node have lost, and had no room for, of what was best effort. */
struct link_counts {
  uint64_t lost, dropped;
};
struct link_counts subject_link_counts(const struct subject *s);

/* It asks `service` so many times who it is, by best effort: answers that were right, and wrong, and that did not come. */
struct visit {
  uint64_t answered, wrong, late;
};
struct visit subject_visit(const struct subject *s, const char *service, uint64_t times);

/* ---- calls ---- */

/* The arguments "one unsigned number". */
size_t pack_uint(unsigned char out[16], uint64_t v);

/* Calls with one number, or without arguments, and wants one number back. */
uint64_t ask_uint(struct tulle_channel *c, const char *procedure, uint64_t argument);
uint64_t ask(struct tulle_channel *c, const char *procedure);

/* Calls with one text, and wants one number back. */
uint64_t ask_text(struct tulle_channel *c, const char *procedure, const char *argument);

/* ---- asynchronous calls ---- */

struct flight {
  atomic_uint done, wrong;
  int last; /* status */
};

/* A completion; `userdata` is the flight. */
void landed(void *userdata, int status, const struct tulle_result *result);

/* Dispatches until `wanted` have landed, or fails. */
void dispatch_until(struct flight *f, unsigned wanted, uint64_t timeout_ns);

/* Begins a call that keeps the subject's only thread for ever, and returns when it does. */
void hang(struct subject *s, struct flight *f);

/* Lets others run, while something is looked for again and again. Fails the case when that lasts too long:
 *   for (uint64_t end = 0; !there_is_something();) patience(&end, 5 * TL_S); */
void patience(uint64_t *end, uint64_t timeout_ns);

/* ---- the cases ---- */

struct topic {
  const char *name;
  const struct CMUnitTest *cases;
  size_t count;
};

#define SUITE_TOPIC(topic_name, ...)                                                               \
  static const struct CMUnitTest cases[] = {__VA_ARGS__};                                          \
  const struct topic topic_name##_topic = {#topic_name, cases, sizeof cases / sizeof *cases}

extern const struct topic calls_topic, flight_topic, errors_topic, ends_topic, serving_topic,
    identity_topic, naming_topic, limits_topic, delivery_topic, network_topic;

#endif
