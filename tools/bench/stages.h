/*
 * Where the time of a call goes.
 */
#ifndef TL_TOOLS_BENCH_STAGES_H
#define TL_TOOLS_BENCH_STAGES_H

#include "tools/bench/session.h"

/* Measures calls of an open session at `placement`, split at the handler's begin, and each step of them alone, and prints a table
 * (with --json an object of "event": "stages"). Complains of nothing: what cannot be measured is left out. */
void tl_stages_report(const struct tl_command *c, struct tl_bench_session *s,
                      struct tl_limit_local *limit, enum tl_placement placement, const char *name);

#endif
