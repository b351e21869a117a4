/* What `tulle doctor` finds out about the folders of the node: is there room, may we, may nobody else, who uses them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/doctor.h"

#define ROOM_MIN (1u << 20) /* bytes: two copies of the largest trust file */

/* The last of these that is set decides; as node/host/directory.c has it for the node. */
static const char *folder(const char *own, const char *root, const char *user, const char *rest,
                          const char *home_rest, char *out, size_t size) {
  const char *dir = getenv(own), *base = getenv(user), *home = getenv("HOME");
  out[0] = 0;
  if (dir && *dir)
    snprintf(out, size, "%s", dir);
  else if (geteuid() == 0)
    snprintf(out, size, "%s", root);
  else if (base && *base)
    snprintf(out, size, "%s%s", base, rest);
  else if (home && *home && home_rest)
    snprintf(out, size, "%s%s", home, home_rest);
  return out;
}

/* ---- the state ---- */

/* A file of it that others may read, or "": a node refuses it although they may not enter the folder. */
static void readable_file(const char *dir, char *out, size_t size) {
  DIR *entries = opendir(dir);
  const struct dirent *e;
  struct stat st;
  out[0] = 0;
  while (entries && (e = readdir(entries)))
    if (!fstatat(dirfd(entries), e->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) &&
        st.st_mode & 077)
      snprintf(out, size, "%.40s", e->d_name);
  if (entries) closedir(entries);
}

static void check_keys(struct tl_doctor *d, const char *dir, const struct stat *st) {
  char file[64], cure[256];
  readable_file(dir, file, sizeof file);
  snprintf(cure, sizeof cure, "chmod -R go= %.200s", dir);
  if (st->st_uid != geteuid() && geteuid() != 0)
    tl_doctor_find(d, TL_DOCTOR_FAIL, "identity",
                   "choose another folder with TULLE_STATE_DIR, or be that user",
                   "%.150s belongs to user %u", dir, (unsigned)st->st_uid);
  else if (st->st_mode & 077)
    tl_doctor_find(d, TL_DOCTOR_FAIL, "identity", cure,
                   "others may enter %.150s, so no node starts there", dir);
  else if (*file)
    tl_doctor_find(d, TL_DOCTOR_FAIL, "identity", cure,
                   "others may read %s in %.150s, so no node starts there", file, dir);
  else
    tl_doctor_find(d, TL_DOCTOR_OK, "identity", NULL, "%.200s is readable by its owner only", dir);
}

static void check_room(struct tl_doctor *d, const char *dir) {
  struct statvfs v;
  if (statvfs(dir, &v)) return;
  unsigned long long room = (unsigned long long)v.f_bavail * v.f_frsize;
  if (v.f_flag & ST_RDONLY)
    tl_doctor_find(d, TL_DOCTOR_FAIL, "disk", "mount it writable, or choose TULLE_STATE_DIR",
                   "%.200s can only be read: nothing that changes can be kept", dir);
  else if (room < ROOM_MIN)
    tl_doctor_find(d, TL_DOCTOR_FAIL, "disk", "make room",
                   "%llu bytes are left for %.180s: nothing that changes can be kept", room, dir);
}

/* Somebody holds the lock of the folder, and no node answers here: it answers elsewhere. */
static void check_lock(struct tl_doctor *d, const char *dir) {
  int fd = d->has_node ? -1 : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  if (flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK)
    tl_doctor_find(d, TL_DOCTOR_FAIL, "state",
                   "set TULLE_RUNTIME_DIR as for that node, or give this one its own "
                   "TULLE_STATE_DIR",
                   "another node uses %.200s, and cannot be reached here", dir);
  close(fd);
}

static void check_state(struct tl_doctor *d) {
  char dir[256];
  struct stat st;
  folder("TULLE_STATE_DIR", "/var/lib/tulle", "XDG_STATE_HOME", "/tulle", "/.local/state/tulle",
         dir, sizeof dir);
  if (!*dir) {
    tl_doctor_find(d, TL_DOCTOR_FAIL, "identity", "set TULLE_STATE_DIR", "no place to keep it");
    return;
  }
  if (stat(dir, &st)) {
    if (errno == EACCES)
      tl_doctor_find(d, TL_DOCTOR_WARN, "identity", NULL, "%.200s is not ours to look into", dir);
    else
      tl_doctor_find(d, TL_DOCTOR_OK, "identity", NULL,
                     "none yet: the first start of a node makes it in %.150s", dir);
    return;
  }
  if (!S_ISDIR(st.st_mode)) {
    tl_doctor_find(d, TL_DOCTOR_FAIL, "identity", "choose another TULLE_STATE_DIR",
                   "%.200s is no folder", dir);
    return;
  }
  check_keys(d, dir, &st);
  check_room(d, dir);
  check_lock(d, dir);
}

/* ---- the socket ---- */

static void check_runtime(struct tl_doctor *d) {
  char dir[256], path[300];
  const struct sockaddr_un *a = NULL;
  struct stat st;
  folder("TULLE_RUNTIME_DIR", "/run/tulle", "XDG_RUNTIME_DIR", "/tulle", NULL, dir, sizeof dir);
  snprintf(path, sizeof path, "%s/node.sock", dir);
  if (d->has_node) return;
  if (!*dir)
    tl_doctor_find(d, TL_DOCTOR_FAIL, "socket", "set TULLE_RUNTIME_DIR", "no place for it");
  else if (strlen(path) >= sizeof a->sun_path)
    tl_doctor_find(d, TL_DOCTOR_FAIL, "socket", "choose a shorter TULLE_RUNTIME_DIR",
                   "%.120s is too long for a socket's path", path);
  else if (!stat(path, &st) && !S_ISSOCK(st.st_mode))
    tl_doctor_find(d, TL_DOCTOR_FAIL, "socket", "take it away", "%.200s is no socket", path);
  else if (!stat(path, &st) && access(path, W_OK))
    tl_doctor_find(d, TL_DOCTOR_FAIL, "socket", "start a node of your own: tulle node",
                   "%.150s is for user %u alone", path, (unsigned)st.st_uid);
}

void tl_doctor_check_place(struct tl_doctor *d) {
  check_runtime(d);
  check_state(d);
}
