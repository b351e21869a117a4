/*
 * The DNS-SD subtype label of a capability: how a stranger's browse asks for "nodes that can
 * print".
 *
 * The label is the capability in lower case with `/` as `--`. A capability that does not fit so
 * (other characters than a-z 0-9 - and `/`, or a label that no longer fits a DNS label once `_`
 * stands before it, or one that begins or ends with `-`) becomes `h-` and 16 hexadecimal digits:
 * the first 8 bytes of the BLAKE2b-256 of the capability in lower case. Two capabilities may share
 * a label; that is harmless, because a label is a hint and the catalogue exchanged over the link
 * decides.
 *
 * The hash comes in as a function, because libsodium lives in crypto/ and this folder stands beside
 * it.
 */
#ifndef TL_DISCOVERY_LABEL_H
#define TL_DISCOVERY_LABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TL_LABEL_BYTES_MAX 62 /* a DNS label has 63 bytes, the first of ours is `_` */
#define TL_LABEL_SIZE      (TL_LABEL_BYTES_MAX + 1)

/* Writes the first 8 bytes of BLAKE2b-256(data). */
typedef void tl_label_hash(const void *data, size_t size, uint8_t out[8]);

/* The label of `capability` (tl_capability_is_valid() holds), with its zero. `hash` is called only
 * where the plain form does not fit. */
void tl_label_make(const char *capability, size_t length, tl_label_hash *hash,
                   char out[TL_LABEL_SIZE]);

/* What tl_label_make() writes and nothing else: 1 to 62 of a-z 0-9 -, no `-` first or last. */
bool tl_label_is_valid(const char *label, size_t length);

#endif
