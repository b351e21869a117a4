/*
 * T-06: remembers every pair of key and counter that encrypted anything, and counts those that came twice.
 *
 * One ledger for the process: start it, run, stop it and expect 0.
 */
#ifndef TL_TESTS_SUPPORT_LEDGER_H
#define TL_TESTS_SUPPORT_LEDGER_H

#include <stddef.h>

void ledger_start(void);

/* How many pairs came twice since start; forgets everything. */
size_t ledger_stop(void);

/* How many encryptions have been seen since start. */
size_t ledger_count(void);

#endif
