/*
 * What stands in the TXT record of a node's DNS-SD service `_tulle._udp`, and the names around it.
 *
 * The instance name is the node's id as 26 base32 letters, so two nodes cannot want one name, and
 * no probing is needed. The record data is the usual sequence of strings, each one length byte and
 * text:
 *
 *   03 v=1                      version of this record
 *   12 f=<16 hex digits>        fabric tag: the first 8 bytes of the fabric id
 *   1c n=<26 base32 letters>    node id, the same as the instance name
 *   xx g=<decimal>              generation of the node's catalogue
 *   12 b=<16 hex digits>        boot number, random at each start of the node
 *
 * In any order; unknown keys are skipped, of a key that comes twice the first counts (RFC
 * 6763, 6.4). All of it is readable and forgeable by everybody on the network.
 */
#ifndef TL_DISCOVERY_ADVERT_H
#define TL_DISCOVERY_ADVERT_H

#include <stddef.h>
#include <stdint.h>

#include "core/text.h"
#include "discovery/discovery.h"

#define TL_ADVERT_VERSION 1
#define TL_ADVERT_TXT_BYTES_MAX                                                                    \
  1200 /* a TXT above the network's packet size is silently never sent */
#define TL_ADVERT_NAME_SIZE TL_BASE32_SIZE(TL_DISCOVERY_ID_SIZE)

struct tl_advert {
  uint16_t version;
  uint8_t tag[TL_DISCOVERY_TAG_SIZE];
  uint8_t id[TL_DISCOVERY_ID_SIZE];
  uint64_t generation;
  uint64_t boot;
};

/* Writes the record data and returns its size. */
size_t tl_advert_encode(const struct tl_advert *advert, uint8_t out[TL_ADVERT_TXT_BYTES_MAX]);

/* TULLE_E_BAD_MESSAGE: a string runs past the end, a key is missing, or a value is not of its form.
 * TULLE_E_TOO_BIG. */
int tl_advert_decode(const uint8_t *data, size_t size, struct tl_advert *out_advert);

/* Instance name <-> id. TULLE_E_BAD_MESSAGE: not an id in lower case. */
void tl_advert_name(const uint8_t id[TL_DISCOVERY_ID_SIZE], char out[TL_ADVERT_NAME_SIZE]);
int tl_advert_name_decode(const char *name, uint8_t out_id[TL_DISCOVERY_ID_SIZE]);

#endif
