/*
 * Interfaces of services: read and checked when they are registered, compared when somebody opens a channel with
 * another one. docs/protocol-node.md says when; core/schema does the work.
 *
 * The texts come from programs and from other nodes. A model of one exists only while it is looked at; what is kept is
 * its documented canonical form, which has at most TL_INTERFACE_BYTES_MAX bytes.
 */
#ifndef TL_NODE_STATE_INTERFACE_H
#define TL_NODE_STATE_INTERFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/limits.h"
#include "tulle/pack.h"

struct tl_offer;

/* One answer of `describe` has so much of a text; who wants the rest asks again. */
#define TL_INTERFACE_PIECE_BYTES_MAX 32768u

/* What somebody says its interface is; all of it may be missing. */
struct tl_claim {
  bool has_fingerprint;
  uint8_t fingerprint[TL_FINGERPRINT_BYTES];
  const char *text; /* borrowed; NULL: the fingerprint alone */
  size_t size;
};

/* Reads the text of a claim: 0 and its documented canonical form, to be freed. INVALID and `why`: it is no interface, or
 * not of that fingerprint; NO_MEMORY. */
int tl_interface_read(const struct tl_claim *claim, char **out_text, size_t *out_size, char *why,
                      size_t why_size);

/*
 * Whether who makes the claim may open a channel to the offer: one of the two has no interface, both have the same, or one could
 * have become the other by compatible changes. `text` is the offer's interface; NULL: not known here, then a
 * claim with another fingerprint is refused. 0; INTERFACE, INVALID, NO_MEMORY, and `why`.
 */
int tl_interface_judge(const struct tl_offer *offer, const struct tl_claim *claim, const char *text,
                       size_t size, char *why, size_t why_size);

/* Whether the fingerprints alone let it open. */
bool tl_interface_is_same(const struct tl_offer *offer, const struct tl_claim *claim);

/* The result of `describe`: the piece of the text that begins at `from`. */
void tl_interface_pack(struct tulle_pack *w, const struct tl_offer *offer, const char *text,
                       size_t size, uint64_t from);

#endif
