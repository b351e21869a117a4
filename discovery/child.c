/*
 * The program is looked for beside the running one first, so that a build folder and an
 * installation each use their own.
 */
#include "discovery/child.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"

#define PROGRAM "tulle-mdns"

#define NUMBER_TEXT(n)  #n
#define NUMBER_TEXT2(n) NUMBER_TEXT(n)

/* `folder`/tulle-mdns, if one may run it. */
static int path_in(const char *folder, size_t folder_length, char *out, size_t size) {
  char path[PATH_MAX];
  int n = snprintf(path, sizeof path, "%.*s/%s", (int)folder_length, folder, PROGRAM);
  if (n < 0 || (size_t)n >= sizeof path || access(path, X_OK)) return TULLE_E_NOT_FOUND;
  if ((size_t)n >= size) return TULLE_E_TOO_BIG;
  memcpy(out, path, (size_t)n + 1);
  return 0;
}

static int path_beside_self(char *out, size_t size) {
  char self[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self);
  const char *slash = n > 0 && (size_t)n < sizeof self ? memrchr(self, '/', (size_t)n) : NULL;
  return slash ? path_in(self, (size_t)(slash - self), out, size) : TULLE_E_NOT_FOUND;
}

static int path_from_search(char *out, size_t size) {
  const char *folder = getenv("PATH");
  while (folder && *folder) {
    size_t length = strcspn(folder, ":");
    int r = length ? path_in(folder, length, out, size) : TULLE_E_NOT_FOUND;
    if (r != TULLE_E_NOT_FOUND) return r;
    folder += length + (folder[length] == ':');
  }
  return TULLE_E_NOT_FOUND;
}

int tl_discovery_child_path(char *out_path, size_t size) {
  const char *told = getenv("TULLE_MDNS");
  if (told) {
    if (access(told, X_OK)) return TULLE_E_NOT_FOUND;
    if (strlen(told) >= size) return TULLE_E_TOO_BIG;
    memcpy(out_path, told, strlen(told) + 1);
    return 0;
  }
  int r = path_beside_self(out_path, size);
  return r == TULLE_E_NOT_FOUND ? path_from_search(out_path, size) : r;
}

void tl_discovery_child_argv(const char *path, const char *interface,
                             const char *out_argv[TL_DISCOVERY_CHILD_ARGS_MAX]) {
  size_t n = 0;
  out_argv[n++] = path;
  out_argv[n++] = "--fd";
  out_argv[n++] = NUMBER_TEXT2(TL_DISCOVERY_CHILD_FD);
  if (interface) {
    out_argv[n++] = "--interface";
    out_argv[n++] = interface;
  }
  out_argv[n] = NULL;
}
