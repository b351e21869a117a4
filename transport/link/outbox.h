/*
 * Messages of one lane on the sending side: a row of bytes (sendbuf.h) and where in it each message
 * ends. Messages have numbers that rise by one.
 *
 * Reliable messages stay until they are acknowledged. Best-effort ones use the same row and are, so
 * to say, acknowledged by being sent.
 */
#ifndef TL_LINK_OUTBOX_H
#define TL_LINK_OUTBOX_H

#include "transport/link/inbox.h"
#include "transport/link/sendbuf.h"

/* Messages in the row: those under way and as many that wait. */
#define TL_OUTBOX_MESSAGES_MAX (2 * TL_INBOX_WINDOW)

struct tl_outbox {
  struct tl_sendbuf bytes;
  uint64_t *ends; /* a queue: ends[id % capacity] for first <= id < last */
  uint32_t capacity;
  uint64_t first; /* the oldest message in the row, at bytes.span.base */
  uint64_t last;
  uint64_t charged; /* messages before this one have been charged to the credit */
};

struct tl_outbox_message {
  uint64_t id;
  uint64_t start; /* in the row */
  uint64_t end;
};

/* NULL: no memory. */
struct tl_outbox *tl_outbox_new(struct tl_account *account);
struct tl_outbox *tl_outbox_free(struct tl_outbox *o, struct tl_account *account);

/* Room for one more message of `size` bytes, to be filled at once; there are less than
 * TL_OUTBOX_MESSAGES_MAX. NULL: no memory. */
uint8_t *tl_outbox_append(struct tl_outbox *o, struct tl_account *account, size_t size);

/* The message that holds the byte at `offset`, which must be in the row. */
struct tl_outbox_message tl_outbox_find(const struct tl_outbox *o, uint64_t offset);

/* `bytes.acked` has moved: forgets messages that are done. */
void tl_outbox_settle(struct tl_outbox *o, struct tl_account *account);

#endif
