/*
 * The DNS records that announce this node, as raw record data, the same for both engines.
 *
 *   _services._dns-sd._udp.local   PTR  _tulle._udp.local            shared
 *   _tulle._udp.local              PTR  <id>._tulle._udp.local       shared
 *   _<label>._sub._tulle._udp.local PTR <id>._tulle._udp.local       shared, one per label
 *   <id>._tulle._udp.local         SRV  0 0 port host                unique
 *   <id>._tulle._udp.local         TXT  discovery/advert.h           unique
 *
 * Unique names hold the node's id, which is the hash of its key, so nobody is asked (probed)
 * whether a name is free: that saves three quarters of a second, and only a cloned key could
 * answer.
 *
 * A name in record data is a row of labels, each one length byte and its bytes, ended by a zero
 * byte.
 */
#ifndef TL_DISCOVERY_MDNS_RECORDS_H
#define TL_DISCOVERY_MDNS_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "discovery/advert.h"
#include "discovery/label.h"

#define TL_RECORDS_SERVICE "_tulle._udp"
#define TL_RECORDS_DOMAIN  "local"

#define TL_RECORD_NAME_SIZE      256
#define TL_RECORD_DATA_BYTES_MAX 320

enum { TL_RECORD_PTR = 12, TL_RECORD_TXT = 16, TL_RECORD_SRV = 33 };

/* What is announced. */
struct tl_publication {
  bool is_set;
  struct tl_advert advert;
  uint16_t port;
  size_t label_count;
  char labels[TL_CAPABILITIES_MAX][TL_LABEL_SIZE];
};

/* Whether both have the same labels, in the same order. */
bool tl_publication_has_labels_of(const struct tl_publication *p,
                                  const struct tl_publication *other);

struct tl_record {
  char name[TL_RECORD_NAME_SIZE];
  uint16_t type;
  uint32_t ttl_s;
  bool is_unique;
  size_t size;
  uint8_t data[TL_RECORD_DATA_BYTES_MAX];
};

#define TL_RECORDS_BASE 4

/* The four records that every node has. `host` is a dotted name in which `\.`, `\\` and `\ddd` are
 * escapes. TULLE_E_INVALID: it is no name. */
int tl_records_base(const struct tl_publication *p, const char *host,
                    struct tl_record out_records[TL_RECORDS_BASE]);

/* The subtype record of label `index`. */
void tl_records_label(const struct tl_publication *p, size_t index, struct tl_record *out_record);

/* Encodes a dotted name; its size, or TULLE_E_INVALID: an empty or too long label, a bad escape,
 * over 255 bytes. */
int tl_records_name(const char *name, uint8_t out[TL_RECORD_NAME_SIZE]);

#endif
