#include "node/host/privilege.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DESCRIPTORS_WANTED 65536

bool tl_privilege_user(uint32_t *out_uid, uint32_t *out_gid) {
  const struct passwd *p = geteuid() == 0 ? getpwnam(TL_PRIVILEGE_USER) : NULL;
  if (!p) return false;
  *out_uid = p->pw_uid;
  *out_gid = p->pw_gid;
  return true;
}

static int give_file(int directory_fd, const char *name, uint32_t uid, uint32_t gid) {
  struct stat s;
  int fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return 0; /* sockets and links: nothing that a node reads */
  int r = 0;
  if (fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && s.st_uid == 0 && s.st_nlink == 1 &&
      fchown(fd, uid, gid))
    r = -errno;
  close(fd);
  return r;
}

int tl_privilege_give(int directory_fd, uint32_t uid, uint32_t gid) {
  int r = fchown(directory_fd, uid, gid) ? -errno : 0;
  int copy = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *d = copy < 0 ? NULL : fdopendir(copy);
  if (!d) {
    if (copy >= 0) close(copy);
    return -errno;
  }
  for (const struct dirent *e; r == 0 && (e = readdir(d));)
    if (e->d_type == DT_REG) r = give_file(directory_fd, e->d_name, uid, gid);
  closedir(d);
  return r;
}

uint64_t tl_privilege_raise_descriptors(void) {
  struct rlimit l;
  if (getrlimit(RLIMIT_NOFILE, &l)) return 1024;
  struct rlimit more = {DESCRIPTORS_WANTED, l.rlim_max};
  if (more.rlim_cur > l.rlim_max) more.rlim_max = more.rlim_cur; /* root may */
  if (setrlimit(RLIMIT_NOFILE, &more)) {
    more = (struct rlimit){l.rlim_max, l.rlim_max};
    setrlimit(RLIMIT_NOFILE, &more);
  }
  return getrlimit(RLIMIT_NOFILE, &l) ? 1024 : l.rlim_cur;
}

/* Only who has rights can give up the bound of them, so this comes before anything else. */
static void drop_bounding_set(void) {
  for (int c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
    prctl(PR_CAPBSET_DROP, c, 0, 0, 0); /* fails without the right to: an ordinary user's node */
}

int tl_privilege_become(uint32_t uid, uint32_t gid) {
  drop_bounding_set();
  if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)) return -errno;
  return 0;
}

int tl_privilege_drop(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[2] = {{0}};
  drop_bounding_set();
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  if (syscall(SYS_capset, &header, none)) return -errno;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return -errno;
#ifndef __SANITIZE_ADDRESS__ /* its search for leaks traces the process */
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)) return -errno;
#endif
  return 0;
}
