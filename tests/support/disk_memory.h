/*
 * A directory in memory that can fail or lose power at any step, for tests of the trust store and for
 * nodes in the simulator.
 *
 * It keeps the two promises of a real disk and not one more: bytes are safe after a finished write, names
 * after sync_directory. A power cut undoes any number of the latest unsynced changes of names, and leaves a
 * file that was being written with any bytes.
 */
#ifndef TL_TESTS_SUPPORT_DISK_MEMORY_H
#define TL_TESTS_SUPPORT_DISK_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/disk.h"

#define DISK_MEMORY_NAMES     12
#define DISK_MEMORY_INODES    32
#define DISK_MEMORY_SNAPSHOTS 24

struct disk_memory_inode {
  uint8_t *data;
  size_t size;
};

struct disk_memory_names {
  struct {
    char name[32];
    int inode; /* -1: free */
  } entries[DISK_MEMORY_NAMES];
};

struct disk_memory {
  struct disk_memory_inode inodes[DISK_MEMORY_INODES];
  struct disk_memory_names names[DISK_MEMORY_SNAPSHOTS]; /* [0] is safe, the last is what is seen */
  size_t latest;
  unsigned steps;   /* of which a write takes three, every other change one */
  unsigned fail_at; /* this step fails with fail_error; 0: none */
  int fail_error;
  unsigned cut_at; /* the power goes at this step, and all later ones fail; 0: never */
  bool is_dead;
};

void disk_memory_init(struct disk_memory *memory, struct tl_disk *out);
void disk_memory_deinit(struct disk_memory *memory);

/* The same directory once more, to try several futures of one moment. */
void disk_memory_copy(const struct disk_memory *from, struct disk_memory *to, struct tl_disk *out);

/* How many names have unsynced changes behind them: a cut can keep 0 to this many. */
size_t disk_memory_unsynced(const struct disk_memory *memory);

/* After a power cut: keeps `kept` of the unsynced changes, and works again. */
void disk_memory_restart(struct disk_memory *memory, size_t kept);

/* The bytes of a file as they are, to be looked at or damaged; NULL when there is none. */
uint8_t *disk_memory_file(struct disk_memory *memory, const char *name, size_t *out_size);

/* Puts a file there, or takes it away with data NULL, durably and without a step. */
void disk_memory_put(struct disk_memory *memory, const char *name, const uint8_t *data,
                     size_t size);

#endif
