/*
 * Messages (as opposed to ordered records) of one lane on the receiving side.
 *
 * Each message is taken whole. Those that came in parts wait as assemblies until the last part is
 * here; whole ones stand in a queue in the order in which they became whole. Reliable messages have
 * numbers that rise by one: a window over them says which came already, so each is taken once. Best
 * effort has no memory of what came: the packets' replay window keeps copies away.
 */
#ifndef TL_LINK_INBOX_H
#define TL_LINK_INBOX_H

#include "core/list.h"
#include "core/wire/frame.h"
#include "transport/link/ranges.h"
#include "transport/link/span.h"

/* A sender has at most this many reliable messages of a lane under way, counted from the oldest
 * that is not acknowledged. More is a breach of the protocol. */
#define TL_INBOX_WINDOW 1024u

/* Best-effort messages that a lane's user has not yet taken. Beyond that, new ones are dropped. */
#define TL_INBOX_BEST_EFFORT_BYTES_MAX 65536u

/* Parts of one message: even the smallest packets make fewer. */
#define TL_ASSEMBLY_RANGES_MAX 128u

#define TL_ASSEMBLY_BUCKETS 64u

/* One message of which parts are missing. */
struct tl_assembly {
  struct tl_list link; /* of the lane's bucket, or of all best-effort ones of the flow */
  void *lane;
  uint64_t id;
  uint32_t total;
  struct tl_ranges parts;
  uint8_t bytes[];
};

/* NULL: no memory. Charged to the account. */
struct tl_assembly *tl_assembly_new(struct tl_account *account, void *lane, uint64_t id,
                                    uint32_t total);
/* Takes it out of its list. Returns NULL. */
struct tl_assembly *tl_assembly_free(struct tl_assembly *a, struct tl_account *account);

/* 0, TL_END when the message is whole, TL_FULL, or TULLE_E_PROTOCOL: another total than before. */
int tl_assembly_push(struct tl_assembly *a, const struct tl_frame_msg *part);

/* Which reliable messages came, and parts of some. */
struct tl_reliable_in {
  uint64_t first; /* the lowest number that has not come */
  uint64_t came[TL_INBOX_WINDOW / 64];
  struct tl_list partial[TL_ASSEMBLY_BUCKETS];
  uint32_t partial_count;
};

/* NULL: no memory. */
struct tl_reliable_in *tl_reliable_in_new(struct tl_account *account);
/* Returns NULL. */
struct tl_reliable_in *tl_reliable_in_free(struct tl_reliable_in *r, struct tl_account *account);

/* Throws away parts of messages. */
void tl_reliable_in_clear(struct tl_reliable_in *r, struct tl_account *account);

/* 0: new; TL_END: it came before; TULLE_E_PROTOCOL: too far ahead. */
int tl_reliable_in_judge(const struct tl_reliable_in *r, uint64_t id);
void tl_reliable_in_mark(struct tl_reliable_in *r, uint64_t id);

struct tl_assembly *tl_reliable_in_find(const struct tl_reliable_in *r, uint64_t id);
void tl_reliable_in_add(struct tl_reliable_in *r, struct tl_assembly *a);
void tl_reliable_in_remove(struct tl_reliable_in *r, struct tl_account *account,
                           struct tl_assembly *a);

/* Whole messages, oldest first. */
struct tl_inbox {
  struct tl_span span;
  uint32_t best_effort_bytes;
};

void tl_inbox_init(struct tl_inbox *q);
/* Empties it and frees its memory. */
void tl_inbox_clear(struct tl_inbox *q, struct tl_account *account);

static inline bool tl_inbox_is_empty(const struct tl_inbox *q) {
  return q->span.base == q->span.end;
}

/* `bytes` are kind, flags and body. 0, or TL_FULL: no memory, or a best-effort message too many. */
int tl_inbox_push(struct tl_inbox *q, struct tl_account *account, bool is_reliable,
                  const uint8_t *bytes, size_t size);

struct tl_inbox_message {
  bool is_reliable;
  uint8_t kind;
  uint8_t flags;
  const uint8_t *bytes; /* the body, in place */
  size_t size;
};

/* The oldest message, again and again until it is popped. 0 or TL_EMPTY. */
int tl_inbox_next(const struct tl_inbox *q, struct tl_inbox_message *out_message);
void tl_inbox_pop(struct tl_inbox *q, struct tl_account *account);

#endif
