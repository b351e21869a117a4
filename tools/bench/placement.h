/*
 * Where processes may run: both on one core, on different ones, or where the scheduler likes. Placement decides more
 * about a round trip than anything else.
 *
 * What was changed is remembered and put back, also for processes of others (the nodes), also after an interrupt.
 */
#ifndef TL_TOOLS_BENCH_PLACEMENT_H
#define TL_TOOLS_BENCH_PLACEMENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/error.h"

enum tl_placement { TL_PLACE_FREE, TL_PLACE_SAME, TL_PLACE_SPLIT, TL_PLACEMENTS };

/* "free", "same", "split"; and back, TL_PLACEMENTS if it is none. */
const char *tl_placement_name(enum tl_placement p);
enum tl_placement tl_placement_parse(const char *name);

/* The CPU for the near side (`side` 0) and the far side (1), or -1 for no choice. The first two that this process was
 * allowed at its start. */
int tl_placement_cpu(enum tl_placement p, int side);

/* False on a machine with one usable CPU. */
bool tl_placement_can_split(void);

/* Pins all threads of `pid` (0: this process) to `cpu`, or (-1) gives them back what they had before the first
 * call. 0, TULLE_E_LIMIT (too many processes), or -errno: EPERM when it is not ours to pin. */
int tl_placement_pin(pid_t pid, int cpu);

/* Gives all back. Async-signal-safe enough for an exit path: no locks, no memory. */
void tl_placement_restore(void);

#endif
