/*
 * The few file operations that the trust store needs, in one directory, as a table.
 *
 * A node uses the real directory; tests and the simulator use one in memory that can fail or lose
 * power at each step. Names are plain file names. All files are private to their owner (mode 0600).
 */
#ifndef TL_CRYPTO_DISK_H
#define TL_CRYPTO_DISK_H

#include <stddef.h>
#include <stdint.h>

struct tl_disk {
  void *context;

  /* Reads a whole file. TULLE_E_NOT_FOUND; TULLE_E_TOO_BIG (over `max`); TULLE_E_REFUSED (another
   * user may read or write it); TULLE_E_IO. */
  int (*read)(void *context, const char *name, uint8_t *out, size_t max, size_t *out_size);

  /* Writes and syncs a new file, in the place of an old one of that name; another name of the old
   * one keeps its bytes. A crash in between leaves any bytes, so a file that matters is never
   * written under its own name. */
  int (*write)(void *context, const char *name, const uint8_t *data, size_t size);

  /* A second name for a file. Never replaces: TULLE_E_EXISTS. */
  int (*link)(void *context, const char *from, const char *to);

  /* Atomically replaces `to`. */
  int (*rename)(void *context, const char *from, const char *to);

  /* TULLE_E_NOT_FOUND when there is none. */
  int (*remove)(void *context, const char *name);

  /* All links, renames and removals so far survive a power cut after this. */
  int (*sync_directory)(void *context);
};

/* A directory of the real file system, made (0700, and its parents) if missing. TULLE_E_REFUSED: it
 * belongs to another user, or others may enter it. Holds a descriptor until tl_disk_close(). */
int tl_disk_open(const char *path, struct tl_disk *out);
void tl_disk_close(struct tl_disk *disk);

/* The descriptor of a directory opened by tl_disk_open(): for flock(), by which a node owns it. */
int tl_disk_fd(const struct tl_disk *disk);

/* Writes `name` so that after a crash it holds the old bytes or the new ones. */
int tl_disk_replace(const struct tl_disk *disk, const char *name, const uint8_t *data, size_t size);

/* As above, but TULLE_E_EXISTS when there is a file of that name already. */
int tl_disk_create(const struct tl_disk *disk, const char *name, const uint8_t *data, size_t size);

#endif
