#include "client/place.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"

#define SYSTEM_DIR "/run/tulle"

static const char *setting(const char *name) {
  const char *value = secure_getenv(name);
  return value && *value ? value : NULL;
}

static int print(char *out, size_t out_size, const char *dir, const char *name) {
  int n = snprintf(out, out_size, "%s%s%s", dir, name ? "/" : "", name ? name : "");
  return n < 0 || (size_t)n >= out_size ? TULLE_E_INVALID : 0;
}

/* For a process that will work in another folder. */
static int print_absolute(char *out, size_t out_size, const char *dir, const char *name) {
  char here[PATH_MAX], folder[PATH_MAX];
  if (*dir == '/') return print(out, out_size, dir, name);
  if (!getcwd(here, sizeof here)) return TULLE_E_NOT_FOUND;
  int r = print(folder, sizeof folder, here, dir);
  return r ? r : print(out, out_size, folder, name);
}

static int places_add(struct tl_places *p, const char *dir, const char *name) {
  struct sockaddr_un *s = &p->sockets[p->count];
  char folder[sizeof s->sun_path];
  *s = (struct sockaddr_un){.sun_family = AF_UNIX};
  int r = print(folder, sizeof folder, dir, name);
  if (!r) r = print(s->sun_path, sizeof s->sun_path, folder, "node.sock");
  if (!r) p->count++;
  return r;
}

int tl_places_find(const char *runtime_dir, struct tl_places *out) {
  struct tl_places p = {.count = 0};
  const char *only = runtime_dir ? runtime_dir : setting("TULLE_RUNTIME_DIR");
  const char *session = setting("XDG_RUNTIME_DIR");
  int r = 0;
  if (only) {
    r = places_add(&p, only, NULL);
  } else {
    if (session) r = places_add(&p, session, "tulle");
    if (!r) r = places_add(&p, SYSTEM_DIR, NULL);
  }
  if (!r) *out = p;
  return r;
}

int tl_place_to_start(const char *runtime_dir, char *out, size_t out_size) {
  const char *only = runtime_dir ? runtime_dir : setting("TULLE_RUNTIME_DIR");
  const char *session = setting("XDG_RUNTIME_DIR");
  if (only) return print_absolute(out, out_size, only, NULL);
  if (session) return print_absolute(out, out_size, session, "tulle");
  return geteuid() == 0 ? print(out, out_size, SYSTEM_DIR, NULL) : TULLE_E_NOT_FOUND;
}

/* In the folder of the running program: what was built or installed with it fits it best. */
static bool program_beside(char *out, size_t out_size) {
  char self[PATH_MAX];
  ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
  if (size <= 0) return false;
  self[size] = 0;
  *strrchr(self, '/') = 0;
  return print(out, out_size, self, "tulle") == 0 && access(out, X_OK) == 0;
}

static bool program_in_path(char *out, size_t out_size) {
  const char *path = setting("PATH");
  if (!path) path = "/usr/local/bin:/usr/bin:/bin";
  while (*path) {
    size_t length = strcspn(path, ":");
    int n = snprintf(out, out_size, "%.*s/tulle", (int)length, path);
    /* A relative part of PATH means the working folder, whose files nobody chose. */
    if (*path == '/' && n > 0 && (size_t)n < out_size && access(out, X_OK) == 0) return true;
    path += length + (path[length] == ':');
  }
  return false;
}

int tl_place_of_program(char *out, size_t out_size) {
  const char *named = setting("TULLE_BIN");
  if (named) return print_absolute(out, out_size, named, NULL);
  return program_beside(out, out_size) || program_in_path(out, out_size) ? 0 : TULLE_E_NOT_FOUND;
}

bool tl_place_may_autostart(void) {
  const char *value = setting("TULLE_AUTOSTART");
  return !value || strcmp(value, "0") != 0;
}

enum tl_parking_mode tl_place_parking_mode(void) {
  const char *value = setting("TULLE_WAIT");
  if (value && strcmp(value, "spin") == 0) return TL_PARKING_SPIN;
  if (value && strcmp(value, "sleep") == 0) return TL_PARKING_SLEEP;
  return TL_PARKING_DEFAULT;
}
