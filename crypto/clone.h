/*
 * Watches for two machines that use one key: a cloned image, or a stolen disk.
 *
 * Each handshake tells the peer's boot id. A machine that restarts changes it once; two machines
 * under one key change it back and forth. The third change within a minute refuses the key for ten
 * minutes, and that is an alarm.
 */
#ifndef TL_CRYPTO_CLONE_H
#define TL_CRYPTO_CLONE_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/parameters.h"
#include "crypto/refusal.h"

#define TL_CLONE_KEYS_MAX    256 /* the least recently seen makes room */
#define TL_CLONE_CHANGES_MAX 8   /* upper bound of parameters.clone_changes_max */

struct tl_clone_entry {
  uint8_t key[32];
  uint8_t boot_id[16];
  bool is_used;
  uint32_t change_count;
  uint64_t changes_ns[TL_CLONE_CHANGES_MAX]; /* the latest first */
  uint64_t seen_ns;
  uint64_t refused_until_ns;
};

struct tl_clone_watch {
  struct tl_clone_entry entries[TL_CLONE_KEYS_MAX];
  uint64_t alarms;
};

void tl_clone_watch_init(struct tl_clone_watch *watch);

/* Notes a handshake by the owner of `key`. 0, or TL_REFUSED_CLONE. */
int tl_clone_watch_note(struct tl_clone_watch *watch, const struct tl_parameters *parameters,
                        uint64_t now_ns, const uint8_t key[32], const uint8_t boot_id[16]);

#endif
