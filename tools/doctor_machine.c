/* What `tulle doctor` finds out about the machine: kernel, limits, sockets, interfaces, clock. */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/limits.h"
#include "tools/doctor.h"
#include "tools/human.h"

#define FILES_MIN   1024 /* descriptors: three a channel, and some */
#define RECEIVE_MIN (4u << 20)
#define CLOCK_MIN   1704067200 /* 2024: whoever runs this lives later */

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

static void check_kernel(struct tl_doctor *d) {
  int fd = memfd_create("tulle-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) {
    tl_doctor_find(d, TL_DOCTOR_FAIL, "memory",
                   "allow memfd_create in the container's seccomp rules", "memfd_create: %s",
                   strerror(errno));
  } else {
    close(fd);
    tl_doctor_find(d, TL_DOCTOR_OK, "memory", NULL, "sealed shared memory");
  }
  long r = syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0);
  if (r < 0 && (errno == ENOSYS || errno == EPERM))
    tl_doctor_find(
        d, TL_DOCTOR_WARN, "waiting",
        "Linux 5.16 or newer has it; without it waits take descriptors and a system call more",
        "no futex_waitv here");
  else
    tl_doctor_find(d, TL_DOCTOR_OK, "waiting", NULL, "futex_waitv");
}

static void check_files(struct tl_doctor *d) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit)) return;
  if (limit.rlim_cur < FILES_MIN)
    tl_doctor_find(d, TL_DOCTOR_WARN, "descriptors", "ulimit -n 4096",
                   "%llu may be open; a channel takes three", (unsigned long long)limit.rlim_cur);
  else
    tl_doctor_find(d, TL_DOCTOR_OK, "descriptors", NULL, "%llu may be open",
                   (unsigned long long)limit.rlim_cur);
}

static void check_udp(struct tl_doctor *d) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1, segment = 1200;
  char size[TL_HUMAN_SIZE];
  if (fd < 0) {
    tl_doctor_find(d, TL_DOCTOR_FAIL, "udp", NULL, "no UDP socket: %s", strerror(errno));
    return;
  }
  bool gso = !setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
  bool gro = !setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
  int wanted = (int)RECEIVE_MIN, got = 0;
  socklen_t got_size = sizeof got;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof wanted);
  getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &got_size);
  close(fd);
  tl_human_bytes((uint64_t)got / 2, size); /* the kernel doubles what it is asked for */
  bool is_small = (unsigned)got / 2 < RECEIVE_MIN;
  tl_doctor_find(d, is_small || !gso || !gro ? TL_DOCTOR_WARN : TL_DOCTOR_OK, "udp",
                 is_small ? "sysctl -w net.core.rmem_max=4194304 (bursts may be lost without it)"
                          : NULL,
                 "%s, %s; receive buffer %s", gso ? "GSO" : "no GSO", gro ? "GRO" : "no GRO", size);
}

/* Where no node runs, somebody else may have its port. */
static void check_port(struct tl_doctor *d, int type, const char *name) {
  int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0), on = 1;
  struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(TL_PORT_DEFAULT)};
  if (fd < 0) return;
  if (type == SOCK_STREAM) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&any, sizeof any) && errno == EADDRINUSE)
    tl_doctor_find(d, TL_DOCTOR_WARN, "port",
                   "see who has it: ss -ulntp; or choose another: tulle node --listen ADDR:PORT",
                   "%s port %d is taken: a node without --listen would not start", name,
                   TL_PORT_DEFAULT);
  close(fd);
}

static void check_multicast(struct tl_doctor *d) {
  struct ifaddrs *all;
  char names[128] = "";
  if (getifaddrs(&all)) return;
  for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
    bool is_fit = i->ifa_flags & IFF_UP && i->ifa_flags & IFF_MULTICAST &&
                  !(i->ifa_flags & IFF_LOOPBACK) && i->ifa_addr &&
                  (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6);
    size_t used = strlen(names);
    if (is_fit && !strstr(names, i->ifa_name))
      snprintf(names + used, sizeof names - used, " %s", i->ifa_name);
  }
  freeifaddrs(all);
  if (*names)
    tl_doctor_find(d, TL_DOCTOR_OK, "multicast", NULL, "interfaces that can:%s", names);
  else
    tl_doctor_find(d, TL_DOCTOR_WARN, "multicast",
                   "name the other nodes: tulle node --peer ADDR:PORT, tulle join --at ADDR:PORT",
                   "no interface but loopback can: other machines are not found by themselves");
}

/* Nothing of a fabric hangs on it but times that people read; a far wrong one tells of a machine that is not set up. */
static void check_clock(struct tl_doctor *d) {
  time_t now = time(NULL);
  struct tm tm;
  char text[32] = "";
  if (now >= CLOCK_MIN || !gmtime_r(&now, &tm)) return;
  strftime(text, sizeof text, "%Y-%m-%d", &tm);
  tl_doctor_find(d, TL_DOCTOR_WARN, "clock", "timedatectl set-ntp true", "it says %s", text);
}

void tl_doctor_check_machine(struct tl_doctor *d) {
  check_kernel(d);
  check_files(d);
  check_udp(d);
  check_multicast(d);
  check_clock(d);
  if (d->has_node) return;
  check_port(d, SOCK_DGRAM, "UDP");
  check_port(d, SOCK_STREAM, "TCP");
}
