/*
 * Calling procedures: the same lines whether the service runs beside this program or on another
 * machine.
 *
 * A channel is a conversation with one service. Every call on it has a deadline and runs at most
 * once; it ends with its result or with an error that says what is known:
 *
 *   NO_SERVICE, NO_PROCEDURE, REFUSED   it did not run
 *   PEER_GONE, UNREACHABLE              the other side went away before it ran: safe to repeat
 *   OUTCOME_UNKNOWN                     the other side went away after it may have begun
 *   DEADLINE                            time is up; the service has been told, and may or may not
 * have finished REMOTE                              it ran and returned an error of its own
 * (result.code and result.text)
 *
 * All functions may be called from any thread.
 */
#ifndef TULLE_CALL_H
#define TULLE_CALL_H

#include "tulle/attach.h"
#include "tulle/interface.h"
#include "tulle/pack.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tulle_channel;
struct tulle_pending;

/* How what is said on a channel travels between machines, calls and answers alike. On one machine
 * nothing is lost or overtaken; what differs there is only what happens when there is no room. */
enum tulle_delivery {
  TULLE_ORDERED,   /* all of it, once, in order */
  TULLE_UNORDERED, /* all of it, once; what is lost on the way and sent again holds up nobody else */
  TULLE_BEST_EFFORT, /* at most once, in any order, never sent again. Nothing waits for room: a call
                      * that finds none ends with AGAIN, an answer is dropped. A call that is lost,
                      * or its answer, ends with DEADLINE, so there has to be one */
};

/* Arguments, and results, where delivery is not ordered. More is TOO_BIG. */
#define TULLE_LOOSE_BYTES_MAX 1900

/* Which of the programs that serve a name is meant. Zeroed: any, nearest first. */
struct tulle_target {
  const char *node;             /* name or id of the node; NULL: any */
  const char *capability;       /* only one that offers this; NULL: any */
  uint64_t timeout_ns;          /* for opening; 0: TULLE_TIMEOUT_DEFAULT */
  enum tulle_delivery delivery; /* the node's own service is ordered only */
  /* What the caller takes the service for; NULL: it does not say. A service that says what it
   * is opens if both are the same, or if either could have become the other by compatible changes. */
  const struct tulle_interface *interface;
};

/* Opens a channel to `service`; "node" is the node of this machine itself. `target` may be NULL.
 * Errors: NO_SERVICE, NO_PEER, REFUSED, INTERFACE (it has another one, and not a compatible one),
 * DEADLINE, UNREACHABLE, LIMIT, BUSY (its program is behind with channels that others opened). Close
 * it with tulle_channel_close(). Cost: one round trip through the node, a second one where the
 * interfaces differ; calls on the channel then bypass the node when the service is local. If the other side
 * dies, the channel stays closed: open another. */
TULLE_PUBLIC int tulle_channel_open(struct tulle *t, const char *service,
                                    const struct tulle_target *target, struct tulle_channel **out);

/* Ends the channel; pending calls on it end with CANCELLED. Returns NULL, accepts NULL. */
TULLE_PUBLIC struct tulle_channel *tulle_channel_close(struct tulle_channel *c);

/* Who serves this channel. Valid until the channel is closed. */
TULLE_PUBLIC const struct tulle_identity *tulle_channel_peer(const struct tulle_channel *c);

/* "ring" on this machine, else "udp" or "tcp": what the calls travel over at this moment. */
TULLE_PUBLIC const char *tulle_channel_path(struct tulle_channel *c);

#define TULLE_RESULT_INLINE_BYTES 240

/* A result. Set by tulle_call() also on TULLE_E_REMOTE; otherwise empty. Give it back with
 * tulle_result_clear(). */
struct tulle_result {
  const void *data; /* msgpack, checked; lives until cleared */
  size_t size;
  int32_t code;     /* the procedure's own error number on TULLE_E_REMOTE, else 0 */
  const char *text; /* what the other side said about an error, zero-terminated, or NULL */
  void *owned;      /* private */
  unsigned char inline_bytes[TULLE_RESULT_INLINE_BYTES]; /* private: small results need no memory of
                                                            their own */
};

TULLE_PUBLIC void tulle_result_clear(struct tulle_result *r);

/* Calls `procedure` and waits. `args` is one msgpack value of `args_size` bytes (both may be 0),
 * borrowed for the call. `timeout_ns` 0 means TULLE_TIMEOUT_DEFAULT. `out` may be NULL if no result
 * is wanted. */
TULLE_PUBLIC int tulle_call(struct tulle_channel *c, const char *procedure, const void *args,
                            size_t args_size, uint64_t timeout_ns, struct tulle_result *out);

/* Called once per asynchronous call with what tulle_call() would have returned; `result` is cleared
 * afterwards. Runs inside tulle_dispatch(), tulle_serve() or a tulle_call() of another thread on
 * the same channel. It may make asynchronous calls. */
typedef void tulle_completion(void *userdata, int status, const struct tulle_result *result);

/* Starts a call and returns at once. Many may be in flight on one channel; they are begun in order.
 * `out_pending` may be NULL; else it is valid until the completion has run. Errors: TULLE_E_AGAIN
 * when the channel has no room now (wait for tulle_fd()), else as tulle_call(). */
TULLE_PUBLIC int tulle_call_async(struct tulle_channel *c, const char *procedure, const void *args,
                                  size_t args_size, uint64_t timeout_ns,
                                  tulle_completion *completion, void *userdata,
                                  struct tulle_pending **out_pending);

/* Ends a pending call with TULLE_E_CANCELLED and tells the service. Its completion runs as always.
 */
TULLE_PUBLIC void tulle_cancel(struct tulle_pending *p);

/* Calls without waiting for an answer of any kind. 0 says that the call was accepted for delivery.
 */
TULLE_PUBLIC int tulle_call_one_way(struct tulle_channel *c, const char *procedure,
                                    const void *args, size_t args_size);

#ifdef __cplusplus
}
#endif
#endif
