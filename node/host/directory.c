#include "node/host/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* ---- where ---- */

static const char *environment(const char *name) {
  const char *value = getenv(name);
  return value && value[0] ? value : NULL;
}

static int path_join(char out[TL_DIRECTORY_PATH_SIZE], const char *base, const char *rest) {
  int n = snprintf(out, TL_DIRECTORY_PATH_SIZE, "%s%s", base, rest);
  return n < 0 || n >= TL_DIRECTORY_PATH_SIZE ? TULLE_E_TOO_BIG : 0;
}

static int find_runtime(char out[TL_DIRECTORY_PATH_SIZE], const char **out_variables) {
  const char *own = environment("TULLE_RUNTIME_DIR"), *user = environment("XDG_RUNTIME_DIR");
  *out_variables = "TULLE_RUNTIME_DIR or XDG_RUNTIME_DIR";
  if (own) return path_join(out, own, "");
  if (geteuid() == 0) return path_join(out, "/run/tulle", "");
  if (user) return path_join(out, user, "/tulle");
  return TULLE_E_NOT_FOUND;
}

static int find_state(char out[TL_DIRECTORY_PATH_SIZE], const char **out_variables) {
  const char *own = environment("TULLE_STATE_DIR"), *user = environment("XDG_STATE_HOME");
  const char *home = environment("HOME");
  *out_variables = "TULLE_STATE_DIR, XDG_STATE_HOME or HOME";
  if (own) return path_join(out, own, "");
  if (geteuid() == 0) return path_join(out, "/var/lib/tulle", "");
  if (user) return path_join(out, user, "/tulle");
  if (home) return path_join(out, home, "/.local/state/tulle");
  return TULLE_E_NOT_FOUND;
}

int tl_directories_find(struct tl_directories *out, const char **out_variables) {
  int r = find_runtime(out->runtime, out_variables);
  return r < 0 ? r : find_state(out->state, out_variables);
}

/* ---- making ---- */

static int make_parents(const char *path) {
  char part[TL_DIRECTORY_PATH_SIZE];
  int r = path_join(part, path, "");
  if (r < 0) return r;
  for (char *p = strchr(part + 1, '/'); p; p = strchr(p + 1, '/')) {
    *p = 0;
    if (mkdir(part, 0755) && errno != EEXIST) return -errno;
    *p = '/';
  }
  return 0;
}

static int check_owner(int fd, uint32_t owner) {
  struct stat s;
  if (fstat(fd, &s)) return -errno;
  if (s.st_uid != geteuid() && s.st_uid != owner) return TULLE_E_REFUSED;
  return s.st_mode & (S_IWGRP | S_IWOTH) ? TULLE_E_REFUSED : 0;
}

int tl_directory_open(const char *path, unsigned mode, uint32_t owner, int *out_fd) {
  int r = make_parents(path);
  if (r < 0) return r;
  if (mkdir(path, mode) && errno != EEXIST) return -errno;
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  r = check_owner(fd, owner);
  if (r < 0) {
    close(fd);
    return r;
  }
  *out_fd = fd;
  return 0;
}

bool tl_directory_is_same(int a, int b) {
  struct stat s, t;
  return !fstat(a, &s) && !fstat(b, &t) && s.st_dev == t.st_dev && s.st_ino == t.st_ino;
}

/* The kernel's list has a line for each lock: "1: FLOCK ADVISORY WRITE 812 fe:01:1234 0 EOF". */
static uint32_t lock_holder(int fd) {
  struct stat s;
  char line[256];
  uint32_t found = 0;
  FILE *f = fopen("/proc/locks", "re");
  if (!f || fstat(fd, &s)) {
    if (f) fclose(f);
    return 0;
  }
  while (!found && fgets(line, sizeof line, f)) {
    unsigned pid, major, minor;
    unsigned long long inode;
    if (sscanf(line, "%*u: FLOCK %*s %*s %u %x:%x:%llu", &pid, &major, &minor, &inode) == 4 &&
        inode == s.st_ino && makedev(major, minor) == s.st_dev)
      found = pid;
  }
  fclose(f);
  return found;
}

int tl_directory_lock(int fd, uint32_t *out_pid) {
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return 0;
  if (errno != EWOULDBLOCK) return -errno;
  *out_pid = lock_holder(fd);
  return TL_FULL;
}
