/*
 * One side of the measured calls: this program attached to its node, with a channel to an echo program, here or on another
 * node.
 *
 * How waits behave is decided at attaching, so every mode has a session of its own.
 */
#ifndef TL_TOOLS_BENCH_SESSION_H
#define TL_TOOLS_BENCH_SESSION_H

#include <sys/types.h>

#include "tools/bench/limit.h"
#include "tools/command.h"
#include "tulle/tulle.h"

struct tl_bench_session {
  const struct tl_command *command;
  struct tulle *tulle;
  struct tulle_channel *node; /* the service of the own node */
  struct tulle_channel *echo;
  char service[64]; /* of the echo program */
  pid_t node_pid;
  pid_t echo_pid; /* of the own child; 0: it is another node's */
  bool is_remote;
};

/* Starts an echo program here. 0, or the exit code after a complaint; close it in both cases. `mode`: spin, sleep,
 * default. */
int tl_bench_open_local(const struct tl_command *c, const char *mode, struct tl_bench_session *out);

/* Has node `to` start one there. `out_place` is zero where it has no far half of the limits. */
int tl_bench_open_remote(const struct tl_command *c, const char *to, struct tl_bench_session *out,
                         struct tl_chain_place *out_place);

void tl_bench_close(struct tl_bench_session *s);

/* Calls a procedure of the echo program that takes nothing, and yields a cursor on its result. 0 or an error; `result` is
 * to be cleared in both cases. */
int tl_bench_ask(struct tl_bench_session *s, const char *procedure, struct tulle_result *result,
                 struct tulle_unpack *out);

/* Makes the link to node `to` travel over `carrier` ("auto" gives the choice back) and waits until it does. 0, or the exit code after a complaint. */
int tl_bench_carrier(struct tl_bench_session *s, const char *to, const char *carrier);

/* Where the link to node `to` leads. 0, TULLE_E_NOT_FOUND. */
int tl_bench_address(struct tl_bench_session *s, const char *to, struct tl_address *out);

/* Puts both programs and both nodes where they belong. 0 or an error. */
int tl_bench_place(struct tl_bench_session *s, enum tl_placement placement);

/* A local echo program that spins would take a processor from its limit's turn: it is stopped for that long. */
void tl_bench_pause(struct tl_bench_session *s, bool is_paused);

/* Measures calls of the echo. 0 or an error. */
int tl_bench_turn(struct tl_bench_session *s, struct tl_turn *t);

#endif
