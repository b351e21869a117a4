/*
 * What a node keeps on disk, and is made of at its start: keys, trust, and how often it has started.
 */
#ifndef TL_NODE_HOST_STORE_H
#define TL_NODE_HOST_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/disk.h"
#include "crypto/identity.h"
#include "crypto/trust.h"

struct tl_store {
  struct tl_disk disk;
  bool is_open;
  struct tl_identity *identity;
  struct tl_trust *trust;
  uint64_t incarnation; /* 1 at the first start, then rising */
  uint8_t boot_id[16];  /* of the kernel */
};

/* Opens the folder, which nobody but this user may enter (else REFUSED). -errno. */
int tl_store_open(const char *path, struct tl_store *out);

/* Loads all of it, or makes it where there is none: a node of that name in a fabric of one. Counts the start, durably. On
 * failure `out_what` says which file. BAD_MESSAGE: damaged; REFUSED: others may read it; -errno. */
int tl_store_load(struct tl_store *s, const char *node_name, uint64_t now, const char **out_what);

/* Wipes and closes. Harmless on a zeroed one. */
void tl_store_close(struct tl_store *s);

#endif
