#include "discovery/mdns/harden.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MEMORY_BYTES_MAX (128ul << 20)
#define DESCRIPTORS_MAX  4096 /* a watch of avahi takes two */
#define NICENESS         10

/* The sanitizers reserve terabytes of addresses and look for leaks from a thread that traces the
 * others. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

static void limit(__rlimit_resource_t what, rlim_t value) {
  struct rlimit l = {value, value};
  (void)setrlimit(what, &l);
}

static void close_others(int fd) {
  if (fd > STDERR_FILENO + 1) (void)close_range(STDERR_FILENO + 1, (unsigned)fd - 1, 0);
  (void)close_range((unsigned)fd + 1, ~0u, 0);
}

/* Users that cannot be become (no such mapping in this user namespace) leave us as we are: that
 * root is not the real one. */
static int leave_root(void) {
  if (geteuid() != 0) return 0;
  const struct passwd *user = getpwnam("tulle");
  if (!user) user = getpwnam("nobody");
  if (!user) return -ENOENT;
  if (setgroups(0, NULL) < 0 && errno != EPERM && errno != EINVAL) return -errno;
  if (setgid(user->pw_gid) < 0 && errno != EPERM && errno != EINVAL) return -errno;
  if (setuid(user->pw_uid) < 0 && errno != EPERM && errno != EINVAL) return -errno;
  return 0;
}

/* Calls are numbered by architecture; a filter for one says nothing about another. */
#if defined(__x86_64__)
#define NATIVE_ARCHITECTURE AUDIT_ARCH_X86_64
#define CALL_NUMBERS_END    0x40000000u /* above: the x32 numbers of the same calls */
#elif defined(__aarch64__)
#define NATIVE_ARCHITECTURE AUDIT_ARCH_AARCH64
#define CALL_NUMBERS_END    0x40000000u
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE_ARCHITECTURE AUDIT_ARCH_RISCV64
#define CALL_NUMBERS_END    0x40000000u
#endif

#ifdef NATIVE_ARCHITECTURE

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define REFUSE(number)                                                                             \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),                                             \
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

/* A list of what is refused, not of what is allowed: libc, libdbus and avahi differ between
 * systems in what they call, and nothing that they need is here. */
static void refuse_calls(void) {
  struct sock_filter code[] = {
    LOAD(arch),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCHITECTURE, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    LOAD(nr),
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, CALL_NUMBERS_END, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    REFUSE(__NR_execve),
    REFUSE(__NR_execveat),
    REFUSE(__NR_process_vm_readv),
    REFUSE(__NR_process_vm_writev),
    REFUSE(__NR_unshare),
    REFUSE(__NR_setns),
    REFUSE(__NR_bpf),
    REFUSE(__NR_userfaultfd),
    REFUSE(__NR_keyctl),
    REFUSE(__NR_add_key),
    REFUSE(__NR_perf_event_open),
    REFUSE(__NR_io_uring_setup),
#if !IS_SANITIZED
    REFUSE(__NR_ptrace),
#endif
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof code / sizeof *code, code};
  (void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

#else

static void refuse_calls(void) {}

#endif

int tl_harden(int fd) {
  close_others(fd);
  int r = leave_root();
  if (r < 0) return r;
  (void)setpriority(PRIO_PROCESS, 0, NICENESS);
  (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, DESCRIPTORS_MAX);
  if (IS_SANITIZED) {
    (void)prctl(PR_SET_DUMPABLE, 1);
  } else {
    limit(RLIMIT_AS, MEMORY_BYTES_MAX);
    limit(RLIMIT_NPROC, 0);
  }
  refuse_calls();
  return 0;
}
