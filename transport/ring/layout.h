/*
 * The bytes that two parties of a ring share.
 *
 * A party owns one segment: a position page that never moves and, behind it, the data area that it
 * writes. A larger data area, taken later, is a segment of data alone. Everything here has exactly
 * one writer, the party that owns the segment; the other one maps it read-only. So whatever a
 * reader finds wrong in a page can only have come from that page's owner, and a reader checks all
 * of it (ring.h).
 *
 *   segment of a party                      data segment
 *   0     +----------------------+          0     +----------------------+
 *         | position page        |                | data area            |
 *   4096  +----------------------+                | (a power of two)     |
 *         | data area            |                +----------------------+
 *         | (a power of two)     |
 *         +----------------------+
 *
 * Words that are written by different events stand on separate lines of 128 bytes: processors fetch
 * lines of 64 in pairs. All integers are in host order; nothing here crosses a link. All words are
 * accessed with atomic loads and stores. docs/protocol-ring.md explains each of them to other
 * implementations.
 *
 * A position counts bytes since the ring was made; it starts at 0 and never wraps (at 10 GB/s, 64
 * bits last 58 years). The byte at position p is at offset p modulo the size of the data area.
 */
#ifndef TL_TRANSPORT_RING_LAYOUT_H
#define TL_TRANSPORT_RING_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"

#define TL_RING_MAGIC          UINT32_C(0x676e6972) /* "ring" */
#define TL_RING_LAYOUT_VERSION 1
#define TL_RING_PAGE_BYTES     4096u
#define TL_RING_LINE_BYTES     128u

#define TL_RING_LINE __attribute__((aligned(TL_RING_LINE_BYTES)))

struct tl_ring_page {
  /* Written by the node before the owner has the page; then never again. */
  uint32_t magic;
  uint16_t version;
  uint16_t zero;
  uint32_t data_bytes;

  /* What the owner has published in its data area. Stored release after the records and followed by a
   * full fence; pairs with the reader's acquire, and with its seq_cst second look before it sleeps. */
  TL_RING_LINE uint64_t write_position;

  /* How far the owner has done with the *other* party's data area. Stored release after the last
   * use of the bytes; pairs with the writer's acquire before it overwrites them. */
  TL_RING_LINE uint64_t read_position;

  /* One more than the number of the last call that the owner has begun to run; 0: none. Stored
   * release, before the handler runs; read after the owner's death. */
  TL_RING_LINE uint64_t begun;

  /* The owner waits for records: 4 * generation + enum tl_parked_mode. 0: awake. Stored seq_cst
   * before the second look at write_position; pairs with the waker's seq_cst load after it has
   * published. */
  TL_RING_LINE uint64_t reader_parked;

  /* The owner waits for room, in the same form; and how many free bytes it waits for (stored
   * before). */
  TL_RING_LINE uint64_t writer_parked;
  uint64_t room_wanted;

  /* A futex, counted up by the owner each time it wakes the other party; that one sleeps on it. */
  TL_RING_LINE uint32_t bell;

  /* One more than the number of the processor where the owner last waited; 0: unknown. A hint. */
  TL_RING_LINE uint32_t cpu;

  /* A futex, counted up by a node in its page of a program's first channel when the program has a
   * control message to fetch or something of it ended. Unused in all other pages. */
  TL_RING_LINE uint32_t events;
};

/* In the low two bits of a parked word. */
enum tl_parked_mode {
  TL_PARKED_AWAKE = 0,
  TL_PARKED_FUTEX = 1,      /* it sleeps on the waker's bell */
  TL_PARKED_DESCRIPTOR = 2, /* it polls the eventfd that the waker writes */
};
#define TL_PARKED_MODE_MASK  3u
#define TL_PARKED_GENERATION 4u /* one generation: the waker rings once for each */

/*
 * A record: this header, the body, and up to 63 bytes so that the next header begins a cache line:
 * a line that two records share moves between processors once for each of them. The data
 * area is mapped twice back to back, so a record that passes its end goes on in one piece.
 */
struct tl_record_header {
  uint32_t length; /* of the body */
  uint16_t kind;   /* TL_RECORD_KIND_*, or below those what the users of the channel agree on */
  uint16_t flags;
  uint64_t sequence; /* counts the records of this ring, from 0 */
};

#define TL_RECORD_HEADER_BYTES 16u
#define TL_RECORD_ALIGN        64u

enum tl_record_flag {
  TL_RECORD_MORE = 1,  /* the message goes on in the next record */
  TL_RECORD_ABORT = 2, /* forget the records of this message; no body */
};
#define TL_RECORD_FLAGS_KNOWN (TL_RECORD_MORE | TL_RECORD_ABORT)

/* Kinds from here on belong to the ring itself. */
#define TL_RECORD_KIND_RESERVED UINT16_C(0xff00)
#define TL_RECORD_KIND_SWITCH                                                                      \
  UINT16_C(0xffff) /* struct tl_switch_body; what follows is in another data area */

struct tl_switch_body {
  uint32_t data_bytes; /* of the data area that follows */
  uint32_t number;     /* which one: 0 is the area behind the position page, others count up */
};

/* Bytes that a record with a body of `length` takes. */
static inline uint64_t tl_record_bytes(uint32_t length) {
  return ((uint64_t)length + TL_RECORD_HEADER_BYTES + TL_RECORD_ALIGN - 1) &
         ~(uint64_t)(TL_RECORD_ALIGN - 1);
}

_Static_assert(offsetof(struct tl_ring_page, magic) == 0, "layout");
_Static_assert(offsetof(struct tl_ring_page, version) == 4, "layout");
_Static_assert(offsetof(struct tl_ring_page, zero) == 6, "layout");
_Static_assert(offsetof(struct tl_ring_page, data_bytes) == 8, "layout");
_Static_assert(offsetof(struct tl_ring_page, write_position) == 128, "layout");
_Static_assert(offsetof(struct tl_ring_page, read_position) == 256, "layout");
_Static_assert(offsetof(struct tl_ring_page, begun) == 384, "layout");
_Static_assert(offsetof(struct tl_ring_page, reader_parked) == 512, "layout");
_Static_assert(offsetof(struct tl_ring_page, writer_parked) == 640, "layout");
_Static_assert(offsetof(struct tl_ring_page, room_wanted) == 648, "layout");
_Static_assert(offsetof(struct tl_ring_page, bell) == 768, "layout");
_Static_assert(offsetof(struct tl_ring_page, cpu) == 896, "layout");
_Static_assert(offsetof(struct tl_ring_page, events) == 1024, "layout");
_Static_assert(sizeof(struct tl_ring_page) <= TL_RING_PAGE_BYTES, "layout");
_Static_assert(offsetof(struct tl_record_header, length) == 0, "layout");
_Static_assert(offsetof(struct tl_record_header, kind) == 4, "layout");
_Static_assert(offsetof(struct tl_record_header, flags) == 6, "layout");
_Static_assert(offsetof(struct tl_record_header, sequence) == 8, "layout");
_Static_assert(sizeof(struct tl_record_header) == TL_RECORD_HEADER_BYTES, "layout");
_Static_assert(sizeof(struct tl_switch_body) == 8, "layout");

#endif
