#include "crypto/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"

#define TEMPORARY_SUFFIX ".tmp"

static int fd_of(void *context) {
  return (int)(intptr_t)context;
}

static int close_with(int fd, int result) {
  close(fd);
  return result;
}

static bool is_private(const struct stat *s) {
  return s->st_uid == geteuid() && !(s->st_mode & (S_IRWXG | S_IRWXO));
}

static int read_all(int fd, uint8_t *out, size_t max, size_t *out_size) {
  size_t size = 0;
  for (;;) {
    uint8_t beyond;
    bool full = size == max;
    ssize_t n = read(fd, full ? &beyond : out + size, full ? 1 : max - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    if (n == 0) break;
    if (full) return TULLE_E_TOO_BIG;
    size += (size_t)n;
  }
  *out_size = size;
  return 0;
}

static int disk_read(void *context, const char *name, uint8_t *out, size_t max, size_t *out_size) {
  struct stat s;
  int fd = openat(fd_of(context), name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -errno;
  if (fstat(fd, &s) < 0) return close_with(fd, -errno);
  if (!S_ISREG(s.st_mode) || !is_private(&s)) return close_with(fd, TULLE_E_REFUSED);
  return close_with(fd, read_all(fd, out, max, out_size));
}

static int write_all(int fd, const uint8_t *data, size_t size) {
  while (size) {
    ssize_t n = write(fd, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    if (n == 0) return TULLE_E_IO;
    data += n;
    size -= (size_t)n;
  }
  return fsync(fd) < 0 ? -errno : 0;
}

static int disk_write(void *context, const char *name, const uint8_t *data, size_t size) {
  int dir = fd_of(context);
  if (unlinkat(dir, name, 0) < 0 && errno != ENOENT) return -errno;
  int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return -errno;
  return close_with(fd, write_all(fd, data, size));
}

static int disk_link(void *context, const char *from, const char *to) {
  return linkat(fd_of(context), from, fd_of(context), to, 0) < 0 ? -errno : 0;
}

static int disk_rename(void *context, const char *from, const char *to) {
  return renameat(fd_of(context), from, fd_of(context), to) < 0 ? -errno : 0;
}

static int disk_remove(void *context, const char *name) {
  return unlinkat(fd_of(context), name, 0) < 0 ? -errno : 0;
}

static int disk_sync_directory(void *context) {
  return fsync(fd_of(context)) < 0 ? -errno : 0;
}

/* Makes the directory and those above it; what exists is left as it is. */
static int make_directories(const char *path) {
  char copy[4096];
  size_t size = strlen(path);
  if (size >= sizeof copy) return TULLE_E_INVALID;
  memcpy(copy, path, size + 1);
  for (char *slash = copy; (slash = strchr(slash + 1, '/'));) {
    *slash = 0;
    if (mkdir(copy, 0700) < 0 && errno != EEXIST) return -errno;
    *slash = '/';
  }
  return mkdir(copy, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int tl_disk_open(const char *path, struct tl_disk *out) {
  struct stat s;
  int r = make_directories(path);
  if (r < 0) return r;
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  if (fstat(fd, &s) < 0) return close_with(fd, -errno);
  if (!is_private(&s)) return close_with(fd, TULLE_E_REFUSED);
  *out = (struct tl_disk){(void *)(intptr_t)fd, disk_read,   disk_write,         disk_link,
                          disk_rename,          disk_remove, disk_sync_directory};
  return 0;
}

void tl_disk_close(struct tl_disk *disk) {
  close(fd_of(disk->context));
}

int tl_disk_fd(const struct tl_disk *disk) {
  return fd_of(disk->context);
}

static int write_temporary(const struct tl_disk *disk, const char *name, const uint8_t *data,
                           size_t size, char out_name[64]) {
  int n = snprintf(out_name, 64, "%s" TEMPORARY_SUFFIX, name);
  TL_ASSERT(n > 0 && n < 64);
  return disk->write(disk->context, out_name, data, size);
}

int tl_disk_replace(const struct tl_disk *disk, const char *name, const uint8_t *data,
                    size_t size) {
  char temporary[64];
  int r = write_temporary(disk, name, data, size, temporary);
  if (r < 0) return r;
  r = disk->rename(disk->context, temporary, name);
  if (r < 0) return r;
  return disk->sync_directory(disk->context);
}

int tl_disk_create(const struct tl_disk *disk, const char *name, const uint8_t *data, size_t size) {
  char temporary[64];
  int r = write_temporary(disk, name, data, size, temporary);
  if (r < 0) return r;
  r = disk->link(disk->context, temporary, name);
  if (r < 0) return r;
  r = disk->remove(disk->context, temporary);
  if (r < 0) return r;
  return disk->sync_directory(disk->context);
}
