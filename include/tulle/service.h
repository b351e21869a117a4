/*
 * Offering procedures under a name, to programs on this machine and on every node of the fabric.
 *
 * Calls are handled in order of arrival, one at a time, by whoever runs tulle_serve() with one
 * thread or tulle_dispatch(); with N threads, N at once.
 */
#ifndef TULLE_SERVICE_H
#define TULLE_SERVICE_H

#include "tulle/attach.h"
#include "tulle/interface.h"
#include "tulle/memory.h"
#include "tulle/pack.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tulle_service;
struct tulle_call_context;

/* Handles one call. Returns 0 after tulle_reply(); TULLE_LATER when it will reply later, from any
 * thread; a negative code, or a positive error number of its own, to answer with an error. */
typedef int tulle_handler(struct tulle_call_context *call, void *userdata);

#define TULLE_LATER INT32_MIN

struct tulle_procedure {
  const char *name;
  tulle_handler *handler;
  void *userdata;
};

struct tulle_capability {
  const char *name; /* "print", "image/decode" */
  uint32_t version;
  const char *attributes; /* "mem=8G colour=yes", or NULL */
};

/* What a program offers. Everything is copied. */
struct tulle_offer {
  const char *name;
  const struct tulle_procedure *procedures;
  size_t procedure_count;
  const struct tulle_capability *capabilities;
  size_t capability_count;
  bool hidden; /* not announced on the network: found only by programs that name it, and by members'
                  catalogues */
  const struct tulle_interface *interface; /* NULL: it has none, its calls are untyped */
};

/* Offers a service; `out` may be NULL for an offer that lasts as long as the attachment. Errors: EXISTS
 * (the name is taken on this node), INVALID (also: an interface that is none, or has another
 * fingerprint), LIMIT, NO_NODE. */
TULLE_PUBLIC int tulle_offer(struct tulle *t, const struct tulle_offer *offer,
                             struct tulle_service **out);

/* Ends the offer: no new channels; open ones end. Returns NULL, accepts NULL. Not from inside a
 * handler of it. */
TULLE_PUBLIC struct tulle_service *tulle_withdraw(struct tulle_service *s);

/* Serves everything that `t` offers with `threads` threads (the calling one among them) until
 * tulle_stop(). Returns 0 then, or an error. It goes on through deaths and returns of the node. */
TULLE_PUBLIC int tulle_serve(struct tulle *t, unsigned threads);

/* Makes tulle_serve() return. Async-signal-safe. */
TULLE_PUBLIC void tulle_stop(struct tulle *t);

/* ---- inside a handler ---- */

/* A cursor on the arguments, which have been checked and are private memory until the reply.
 * Nothing given: a cursor at the end. */
TULLE_PUBLIC struct tulle_unpack tulle_call_arguments(const struct tulle_call_context *call);

/* Who calls, stamped by the nodes. */
TULLE_PUBLIC const struct tulle_identity *tulle_call_caller(const struct tulle_call_context *call);

/* When the caller stops waiting, CLOCK_MONOTONIC nanoseconds; TULLE_FOREVER if never. */
TULLE_PUBLIC uint64_t tulle_call_deadline(const struct tulle_call_context *call);

/* True when nobody waits for the answer any more: cancelled, past its deadline, or the caller is
 * gone. From then on the caller is told DEADLINE or CANCELLED, whatever is replied: what was begun
 * may be undone. Cost: tens of nanoseconds; ask it in every round of long work. */
TULLE_PUBLIC bool tulle_call_is_abandoned(const struct tulle_call_context *call);

/* What the generated function that offered the service was given as its object, else NULL. Not after
 * the handler has returned. */
TULLE_PUBLIC void *tulle_call_object(const struct tulle_call_context *call);

/* Memory that is given back after the answer, by the library. */
TULLE_PUBLIC struct tulle_memory *tulle_call_memory(struct tulle_call_context *call);

/* Answers with one msgpack value (size 0: nothing). Never blocks. After it `call` is invalid if the
 * handler had returned TULLE_LATER. Errors: INVALID (second answer), TOO_BIG; AGAIN: the caller's
 * channel is best effort, there was no room, and the answer was dropped. A caller that is gone is not an error. */
TULLE_PUBLIC int tulle_reply(struct tulle_call_context *call, const void *result, size_t size);

/* Answers with an error: `code` as in tulle_handler, `text` (may be NULL) for people. */
TULLE_PUBLIC int tulle_reply_error(struct tulle_call_context *call, int32_t code, const char *text);

#ifdef __cplusplus
}
#endif
#endif
