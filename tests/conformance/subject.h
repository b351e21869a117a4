/* The program on the far side, in its parts. */
#ifndef TL_TESTS_CONFORMANCE_SUBJECT_H
#define TL_TESTS_CONFORMANCE_SUBJECT_H

#include <stddef.h>
#include <stdint.h>

#include "tulle/tulle.h"

/* A descriptor that the agent gives to each of its subjects: one is added when a call of `hang` has begun. */
#define SUBJECT_BELL_FD 3

/* Answers with one number. */
int reply_uint(struct tulle_call_context *call, uint64_t v);
int reply_int(struct tulle_call_context *call, int64_t v);

/* The only argument as text; BAD_MESSAGE. */
int text_argument(struct tulle_call_context *call, char *out, size_t out_size);

uint64_t now_ns(void);
void sleep_ns(uint64_t ns);

/* Procedures that call others, and those about memory (subject_more.c). */
extern const struct tulle_procedure more_procedures[];
extern const size_t more_procedure_count;

/* The agent: starts and kills subjects (agent.c). Serves until killed; an exit code. */
int run_agent(const char *name);

/* Programs that come, do something and go: an exit code (visitor.c). */
int run_visitor(int argc, char **argv);

#endif
