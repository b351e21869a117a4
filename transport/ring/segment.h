/*
 * Segments: sealed memfds, mapped so that they can neither shrink under a reader nor be written by
 * it.
 *
 * The life of one: the node creates it (sized, allocated, sealed against shrinking and growing) and
 * hands it to its writer; the writer maps it and says so; the node then seals away every further
 * writable mapping and hands it to the reader. The existing mapping of the writer goes on working.
 *
 * A mapping shows the data area twice, back to back, so that no record ever wraps. It does not
 * survive fork (MADV_DONTFORK): a child that uses a handle of its parent faults instead of
 * corrupting a ring.
 */
#ifndef TL_TRANSPORT_RING_SEGMENT_H
#define TL_TRANSPORT_RING_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/ring/layout.h"

enum tl_segment_kind {
  TL_SEGMENT_PARTY, /* a position page and a data area */
  TL_SEGMENT_DATA,  /* a data area alone */
};

enum tl_segment_role {
  TL_SEGMENT_WRITER, /* maps it writable */
  TL_SEGMENT_READER, /* maps it read-only */
};

struct tl_segment {
  struct tl_ring_page *page; /* NULL in a data segment; a reader must not write through it */
  uint8_t *data; /* 2 * data_bytes of addresses, the second half showing the first again */
  uint32_t data_bytes;
};

/* A power of two from TL_RING_BYTES_MIN to TL_RING_BYTES_MAX. */
bool tl_segment_is_size(uint32_t data_bytes);

/* What a segment costs its account, and the exact size of its file. */
size_t tl_segment_bytes(enum tl_segment_kind kind, uint32_t data_bytes);

/*
 * A new memfd, zero, allocated in full, sealed against shrinking and growing; a party's position
 * page says what it is. The descriptor is CLOEXEC and the caller's. Errors: INVALID (size),
 * NO_MEMORY, -errno of the system calls.
 */
int tl_segment_create(enum tl_segment_kind kind, uint32_t data_bytes, int *out_fd);

/* No writable mapping and no write from now on, but those that exist. Call it after the writer has
 * mapped. */
int tl_segment_seal(int fd);

/*
 * Whether `fd` is what the other side says: a memfd of exactly this size, sealed against shrinking
 * and growing and, for a reader, against new writers and further seals. REFUSED otherwise. Never
 * blocks, whatever the descriptor is. tl_segment_map() does it, so only a caller that does not map
 * needs it.
 */
int tl_segment_check(int fd, enum tl_segment_kind kind, enum tl_segment_role role,
                     uint32_t data_bytes);

/*
 * Checks and maps. The descriptor stays the caller's and may be closed afterwards.
 * Errors: REFUSED (tl_segment_check), VERSION (a position page of another layout: the caller says
 * both versions, tl_segment_version() has theirs), NO_MEMORY, UNSUPPORTED (pages that are not 4096
 * bytes).
 */
int tl_segment_map(int fd, enum tl_segment_kind kind, enum tl_segment_role role,
                   uint32_t data_bytes, struct tl_segment *out_segment);

/* The layout version in a party's segment, or 0 where there is none. For messages about a mismatch.
 */
unsigned tl_segment_version(int fd);

/* Unmaps; harmless on a zeroed one and twice. */
void tl_segment_unmap(struct tl_segment *s);

#endif
