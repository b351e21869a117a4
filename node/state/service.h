/*
 * The node's own service: calls on channel 0 (docs/protocol-node.md).
 *
 * A procedure answers at once, or keeps the call as `struct tl_pending` and answers later. Every
 * pending call ends: answered, cancelled by its caller, past its deadline, or with its caller's
 * death.
 *
 * A program that does not read its replies is not read from either: once TL_REPLIES_BYTES_MAX of
 * them wait, its calls stay in its ring. So it delays nobody but itself.
 */
#ifndef TL_NODE_STATE_SERVICE_H
#define TL_NODE_STATE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/list.h"
#include "core/time.h"
#include "core/wire/rpc.h"
#include "node/state/router.h"
#include "tulle/pack.h"

#define TL_SERVICE_CALL_BYTES_MAX  (TL_INTERFACE_BYTES_MAX + 65536u) /* a call on channel 0 */
#define TL_SERVICE_REPLY_BYTES_MAX 65536u
#define TL_REPLIES_BYTES_MAX       32768u
#define TL_SERVICE_TEXT_BYTES      1200

struct tl_name;
struct tl_offer;
struct tl_request;

/* What a procedure returns when it has kept the call. */
enum tl_service_condition { TL_LATER = 64 };

/* Answers `q`: 0 with `result` written (nothing: an empty map), a TULLE_E_* code with `text` written or not, or TL_LATER. */
typedef int tl_procedure(struct tl_request *q);

/* One call while its procedure runs. */
struct tl_request {
  struct tl_program *program;
  uint64_t now;
  uint64_t id;
  uint64_t deadline;
  bool is_one_way;
  struct tulle_unpack args; /* a checked map, in private memory until the procedure returns */
  struct tulle_pack result;
  char text[TL_SERVICE_TEXT_BYTES];
};

/* A call that is answered later. */
struct tl_pending {
  struct tl_program *program;
  uint64_t id;
  uint64_t deadline;
  bool is_one_way;
  /* The caller does not wait any more: whoever keeps the call lets go of it. Not called by
   * tl_pending_answer(). */
  void (*ended)(struct tl_pending *p, uint64_t now);
  void *context;
  struct tl_end *end;     /* `open`: the client's end */
  struct tl_name *name;   /* `wait` */
  struct tl_list in_name; /* tl_name.waiting */
  struct tl_list in_program;
  struct tl_list in_node;
};

/* The far side of every channel 0. */
extern const struct tl_far_ops tl_service_far;

/* Keeps the call of `q`, charged to its program, with `ended` set; the procedure then returns TL_LATER. LIMIT, NO_MEMORY. */
int tl_pending_new(const struct tl_request *q, void (*ended)(struct tl_pending *p, uint64_t now),
                   struct tl_pending **out_pending);

/* Answers and frees. `result` is msgpack with status 0 (size 0: an empty map), else text. */
void tl_pending_answer(struct tl_pending *p, int32_t status, const void *result, size_t size);

/* The program is dead: frees all that it waits for. */
void tl_service_forget(struct tl_program *program, uint64_t now);

/* An opening that a call waits for is done: 0, or why not. */
void tl_service_opened(struct tl_end *end, uint64_t now, int code);

/* The name may be served now: answers whoever waits for it, if it really is. */
void tl_service_served(struct tl_node *node, struct tl_name *name);

/* Ends an offer of this node with the channels to it. */
void tl_service_withdraw(struct tl_offer *offer, const char *reason, uint64_t now);

/* Answers what is past its deadline. */
void tl_service_timeout(struct tl_node *node, uint64_t now);

/* Arguments. A missing or nil one is an error when it is required, else `out` stays as it is. INVALID, with the error's text. */
int tl_request_text(struct tl_request *q, const char *key, bool is_required, char *out,
                    size_t out_size);
int tl_request_uint(struct tl_request *q, const char *key, uint64_t *out);
int tl_request_bool(struct tl_request *q, const char *key, bool *out);

/* Writes the error's text and returns `code`. */
int tl_request_refuse(struct tl_request *q, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
