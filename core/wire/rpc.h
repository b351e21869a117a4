/*
 * Calls and replies: the bodies of a channel's messages (docs/protocol-rpc.md).
 *
 *   CALL    0        8        16  17  18      20      24     24+n
 *           +--------+--------+---+---+-------+-------+------+-----------+
 *           | id     | budget | n | f | zero  | zero  | name | arguments |
 *           +--------+--------+---+---+-------+-------+------+-----------+
 *   REPLY   0        8        12      16
 *           +--------+--------+-------+------------------+
 *           | id     | status | zero  | result or text   |
 *           +--------+--------+-------+------------------+
 *   CANCEL  0        8
 *           +--------+
 *           | id     |
 *           +--------+
 *
 * `id` is the caller's, rising by one on each channel from 1. `budget` is how many nanoseconds the
 * caller will still wait (a duration, because clocks of two machines differ); 2^64-1 says for ever.
 * `f` bit 0: one-way, nobody waits for a reply. `status` 0: a msgpack result follows; below 0: a
 * TULLE_E_* code; above 0: the procedure's own error number; with both a UTF-8 text follows. All
 * integers are little-endian; "zero" is written as zero and refused otherwise.
 */
#ifndef TL_CORE_WIRE_RPC_H
#define TL_CORE_WIRE_RPC_H

#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/limits.h"

/* Kinds of a channel's messages (the `kind` of its ring records). 0x8000 and above belong to the
 * ring itself. */
enum tl_message_kind {
  TL_KIND_CALL = 1,
  TL_KIND_REPLY = 2,
  TL_KIND_CANCEL = 3,
};

/*
 * Two bits of a kind say how the message travels between machines; a node looks at nothing else of it. Without them: whole
 * and in order. A loose message is always one record, so that none waits for another's.
 */
#define TL_KIND_UNORDERED   0x10u
#define TL_KIND_BEST_EFFORT 0x20u
#define TL_KIND_LOOSE       0x30u /* mask; both at once mean nothing */

/* A loose message, its head included: one record even in the smallest ring. */
#define TL_LOOSE_BYTES_MAX 2032u

#define TL_CALL_HEAD_BYTES     24
#define TL_CALL_HEAD_BYTES_MAX (TL_CALL_HEAD_BYTES + TL_PROCEDURE_NAME_BYTES_MAX)
#define TL_REPLY_HEAD_BYTES    16
#define TL_CANCEL_BYTES        8

#define TL_CALL_ONE_WAY 0x01u

/* `flags` and `name_size` stand apart: two bytes that are written one by one and then read together
 * are not to be had before both have reached the cache. */
struct tl_call_head {
  uint64_t id;
  uint64_t budget_ns;
  uint8_t flags;
  const char *name; /* in place when decoded: in foreign memory its characters may still change */
  uint8_t name_size;
};

struct tl_reply_head {
  uint64_t id;
  int32_t status;
};

/* All inline, and each asks for its bytes at once: every call passes through four of them. */

/* Each writes one head; the arguments, result or text follow it. */

static inline void tl_call_encode(struct tl_writer *w, const struct tl_call_head *head) {
  uint8_t *p = tl_write_room(w, TL_CALL_HEAD_BYTES + head->name_size);
  if (!p) return;
  tl_store_le(p, head->id, 8);
  tl_store_le(p + 8, head->budget_ns, 8);
  tl_store_le(p + 16, head->name_size | (uint64_t)head->flags << 8, 8);
  memcpy(p + TL_CALL_HEAD_BYTES, head->name, head->name_size);
}

static inline void tl_reply_encode(struct tl_writer *w, const struct tl_reply_head *head) {
  uint8_t *p = tl_write_room(w, TL_REPLY_HEAD_BYTES);
  if (!p) return;
  tl_store_le(p, head->id, 8);
  tl_store_le(p + 8, (uint32_t)head->status, 8);
}

static inline void tl_cancel_encode(struct tl_writer *w, uint64_t id) {
  tl_write_u64(w, id);
}

/* Each reads one head, every byte once, and leaves the reader at what follows. 0 or
 * TULLE_E_BAD_MESSAGE. */

static inline int tl_call_decode(struct tl_reader *r, struct tl_call_head *out) {
  const uint8_t *p = tl_read_bytes(r, TL_CALL_HEAD_BYTES);
  if (!p) return TULLE_E_BAD_MESSAGE;
  uint64_t rest = tl_load_le(p + 16, 8);
  uint8_t name_size = (uint8_t)rest, flags = (uint8_t)(rest >> 8);
  const uint8_t *name = tl_read_bytes(r, name_size);
  if (!name || rest >> 16 || (flags & ~TL_CALL_ONE_WAY)) return TULLE_E_BAD_MESSAGE;
  if (!name_size || name_size > TL_PROCEDURE_NAME_BYTES_MAX) return TULLE_E_BAD_MESSAGE;
  *out = (struct tl_call_head){.id = tl_load_le(p, 8),
                               .budget_ns = tl_load_le(p + 8, 8),
                               .flags = flags,
                               .name_size = name_size,
                               .name = (const char *)name};
  return 0;
}

static inline int tl_reply_decode(struct tl_reader *r, struct tl_reply_head *out) {
  const uint8_t *p = tl_read_bytes(r, TL_REPLY_HEAD_BYTES);
  if (!p) return TULLE_E_BAD_MESSAGE;
  uint64_t rest = tl_load_le(p + 8, 8);
  if (rest >> 32) return TULLE_E_BAD_MESSAGE;
  *out = (struct tl_reply_head){.id = tl_load_le(p, 8), .status = (int32_t)(uint32_t)rest};
  return 0;
}

static inline int tl_cancel_decode(struct tl_reader *r, uint64_t *out_id) {
  uint64_t id = tl_read_u64(r);
  if (!tl_reader_done(r)) return TULLE_E_BAD_MESSAGE;
  *out_id = id;
  return 0;
}

#endif
