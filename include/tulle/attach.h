/*
 * A program's attachment to the node of its machine.
 *
 * Everything hangs on one `struct tulle`. Where a function takes one, NULL means the attachment of
 * the whole process, made with the defaults when first needed. The node is the one of
 * $TULLE_RUNTIME_DIR, else of $XDG_RUNTIME_DIR/tulle, else of /run/tulle. Where none runs, one is
 * started for this user (only this machine: no port, no mDNS; it goes when nobody has used it for a
 * minute) unless TULLE_AUTOSTART=0. The program for that is $TULLE_BIN, else the `tulle` in the
 * folder of the running program or in PATH; if it cannot serve it says why on standard error.
 *
 * When the node dies, pending calls end (TULLE_E_PEER_GONE or TULLE_E_OUTCOME_UNKNOWN) and the
 * library attaches again by itself, registering what was registered.
 *
 * All functions may be called from any thread unless they say otherwise. A `struct tulle` used in a
 * forked child yields TULLE_E_FORKED. Times are nanoseconds; a timeout of 0 means "do not wait",
 * TULLE_FOREVER "no bound".
 */
#ifndef TULLE_ATTACH_H
#define TULLE_ATTACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tulle/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TULLE_FOREVER         UINT64_MAX
#define TULLE_TIMEOUT_DEFAULT UINT64_C(5000000000)

struct tulle;

/* Who somebody is. Stamped by nodes; a program cannot choose or forge it. */
struct tulle_identity {
  uint8_t node[16];       /* id of its node: a hash of the node's key */
  uint64_t incarnation;   /* of its node: rises with every start */
  uint64_t client;        /* number of the program on its node, never reused in one incarnation */
  uint32_t uid, gid, pid; /* at attach, on its machine; of a remote program: that node's word */
  uint32_t roles;         /* what the fabric's authority lets its node do (bit mask) */
  bool is_local;          /* on this machine */
  char node_name[64];
  char program[64]; /* what the program calls itself: information only */
};

struct tulle_options {
  const char *runtime_dir; /* NULL: the default described above */
  const char *program;     /* name shown in listings; NULL: the executable's */
  bool no_autostart;       /* never start a node */
  uint64_t timeout_ns;     /* for attaching; 0: TULLE_TIMEOUT_DEFAULT */
};

/* Attaches. `options` may be NULL. Errors: NO_NODE, REFUSED, VERSION, DEADLINE, LIMIT, NO_MEMORY.
 */
TULLE_PUBLIC int tulle_attach(const struct tulle_options *options, struct tulle **out);

/* Ends the attachment with all channels, services and pending calls; returns NULL; accepts NULL. No
 * other thread may be inside a function of `t`. The process-wide attachment ends by itself at exit.
 */
TULLE_PUBLIC struct tulle *tulle_detach(struct tulle *t);

/* Who this program is. */
TULLE_PUBLIC int tulle_self(struct tulle *t, struct tulle_identity *out);

/* ---- event loops ---- */

/* A descriptor that polls readable when tulle_dispatch() has something to do: replies of
 * asynchronous calls, calls to serve, channels ending. Owned by `t`. Use it with any loop,
 * level-triggered. Negative on error. */
TULLE_PUBLIC int tulle_fd(struct tulle *t);

/* Does what is ready, at most one bounded turn, without blocking: runs handlers and completions on
 * the calling thread. One thread at a time; not together with tulle_serve(). Returns how many were
 * run, or an error. */
TULLE_PUBLIC int tulle_dispatch(struct tulle *t);

/* The same for programs without a loop of their own: waits at most `timeout_ns` for something to
 * do, in the fastest way there is. 0: time is up, there is room again for a call that was told
 * TULLE_E_AGAIN, or tulle_stop(). */
TULLE_PUBLIC int tulle_dispatch_wait(struct tulle *t, uint64_t timeout_ns);

/* ---- finding ---- */

struct tulle_found {
  char service[64];
  char node[64];          /* name of the node that has it */
  char capabilities[256]; /* "name/version name/version ...", cut at 255 bytes */
  char path[8];           /* "ring", "udp" or "tcp" */
};

/* Services that offer `capability` (NULL: all services) anywhere in the fabric, nearest first.
 * Fills at most `max` and returns how many there are. Cost: one call to the node, answered from its
 * table. */
TULLE_PUBLIC int tulle_find(struct tulle *t, const char *capability, struct tulle_found *out,
                            size_t max);

/* Returns 0 when somebody serves `service`; waits until then. Errors: DEADLINE. */
TULLE_PUBLIC int tulle_wait(struct tulle *t, const char *service, uint64_t timeout_ns);

#ifdef __cplusplus
}
#endif
#endif
