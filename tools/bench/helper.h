/*
 * A child process that does a job when told to, and stops when told to: the far side of a limit.
 *
 * It is forked before the program attaches to a node, holds nothing but shared memory and what the job needs, and dies with its
 * parent.
 */
#ifndef TL_TOOLS_BENCH_HELPER_H
#define TL_TOOLS_BENCH_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/error.h"

struct tl_helper_orders; /* shared */

/* Runs until *stop is set, at most 100 ms longer. */
typedef void tl_helper_work(void *context, int job, const uint32_t *stop);

struct tl_helper {
  pid_t pid;
  struct tl_helper_orders *orders;
};

/* Zeroed memory that a helper forked later shares; stops the program if there is none. */
void *tl_helper_memory(size_t size);

/* 0 or -errno. */
int tl_helper_fork(tl_helper_work *work, void *context, struct tl_helper *out);

/* Ends it. Harmless on a zeroed one. */
void tl_helper_end(struct tl_helper *h);

/* Moves it to `cpu` (-1: where the scheduler likes) and has it begin `job`. Returns when it has begun. 0 or TULLE_E_IO: it
 * is dead. */
int tl_helper_start(struct tl_helper *h, int job, int cpu);

/* Says stop; the caller then wakes it if it sleeps in its job. */
void tl_helper_stop(struct tl_helper *h);

/* Returns when it has stopped. 0 or TULLE_E_IO. */
int tl_helper_join(struct tl_helper *h);

#endif
