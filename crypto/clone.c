#include "crypto/clone.h"

#include <string.h>

#include "core/time.h"

void tl_clone_watch_init(struct tl_clone_watch *watch) {
  memset(watch, 0, sizeof *watch);
}

static struct tl_clone_entry *entry_of(struct tl_clone_watch *watch, const uint8_t key[32]) {
  struct tl_clone_entry *oldest = &watch->entries[0];
  for (size_t i = 0; i < TL_CLONE_KEYS_MAX; i++) {
    struct tl_clone_entry *e = &watch->entries[i];
    if (e->is_used && memcmp(e->key, key, 32) == 0) return e; /* public keys */
    if (!e->is_used || (oldest->is_used && e->seen_ns < oldest->seen_ns)) oldest = e;
  }
  memset(oldest, 0, sizeof *oldest);
  memcpy(oldest->key, key, 32);
  return oldest;
}

/* Notes a change and tells whether it was one too many. */
static bool is_alternating(struct tl_clone_entry *e, const struct tl_parameters *parameters,
                           uint64_t now_ns) {
  uint32_t max = parameters->clone_changes_max;
  memmove(e->changes_ns + 1, e->changes_ns, (TL_CLONE_CHANGES_MAX - 1) * sizeof *e->changes_ns);
  e->changes_ns[0] = now_ns;
  if (e->change_count < TL_CLONE_CHANGES_MAX) e->change_count++;
  return e->change_count >= max && now_ns - e->changes_ns[max - 1] <= parameters->clone_window_ns;
}

int tl_clone_watch_note(struct tl_clone_watch *watch, const struct tl_parameters *parameters,
                        uint64_t now_ns, const uint8_t key[32], const uint8_t boot_id[16]) {
  struct tl_clone_entry *e = entry_of(watch, key);
  bool changed = e->is_used && memcmp(e->boot_id, boot_id, 16) != 0;
  e->is_used = true;
  e->seen_ns = now_ns;
  memcpy(e->boot_id, boot_id, 16);
  if (changed && is_alternating(e, parameters, now_ns)) {
    if (now_ns >= e->refused_until_ns) watch->alarms++;
    e->refused_until_ns = tl_time_add(now_ns, parameters->clone_refuse_ns);
  }
  return now_ns < e->refused_until_ns ? TL_REFUSED_CLONE : 0;
}
