/*
 * `tulle doctor`: looks at everything that can be wrong, and says the cure.
 *
 * Each check is one function that adds one or more lines. It looks for itself; it changes nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/time.h"
#include "tools/ask.h"
#include "tools/human.h"
#include "tools/json.h"
#include "tools/verbs.h"

#define FINDINGS_MAX 64
#define FILES_MIN    1024 /* descriptors: three a channel, and some */
#define RECEIVE_MIN  (4u << 20)

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum level { LEVEL_OK, LEVEL_WARN, LEVEL_FAIL };
static const char *const level_names[] = {"ok", "warn", "fail"};

struct finding {
  enum level level;
  const char *what;
  char text[256];
  char cure[256];
};

struct doctor {
  struct tl_command *command;
  struct finding findings[FINDINGS_MAX];
  size_t count;
  int exit_code; /* of the first failure */
};

static void find(struct doctor *d, enum level level, const char *what, const char *cure,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

static void find(struct doctor *d, enum level level, const char *what, const char *cure,
                 const char *format, ...) {
  if (d->count == FINDINGS_MAX) return;
  struct finding *f = &d->findings[d->count++];
  *f = (struct finding){.level = level, .what = what};
  va_list args;
  va_start(args, format);
  vsnprintf(f->text, sizeof f->text, format, args);
  va_end(args);
  snprintf(f->cure, sizeof f->cure, "%s", cure ? cure : "");
  if (level == LEVEL_FAIL && !d->exit_code) d->exit_code = TL_EXIT_USAGE;
}

/* ---- this machine ---- */

static void check_kernel(struct doctor *d) {
  int fd = memfd_create("tulle-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) {
    find(d, LEVEL_FAIL, "memory", "allow memfd_create in the container's seccomp rules",
         "memfd_create: %s", strerror(errno));
  } else {
    close(fd);
    find(d, LEVEL_OK, "memory", NULL, "sealed shared memory");
  }
  long r = syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0);
  if (r < 0 && (errno == ENOSYS || errno == EPERM))
    find(d, LEVEL_WARN, "waiting",
         "Linux 5.16 or newer has it; without it waits take descriptors and a system call more",
         "no futex_waitv here");
  else
    find(d, LEVEL_OK, "waiting", NULL, "futex_waitv");
}

static void check_files(struct doctor *d) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit)) return;
  if (limit.rlim_cur < FILES_MIN)
    find(d, LEVEL_WARN, "descriptors", "ulimit -n 4096", "%llu may be open; a channel takes three",
         (unsigned long long)limit.rlim_cur);
  else
    find(d, LEVEL_OK, "descriptors", NULL, "%llu may be open", (unsigned long long)limit.rlim_cur);
}

static void check_udp(struct doctor *d) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1, segment = 1200;
  char size[TL_HUMAN_SIZE];
  if (fd < 0) {
    find(d, LEVEL_FAIL, "udp", NULL, "no UDP socket: %s", strerror(errno));
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
  find(d, is_small || !gso || !gro ? LEVEL_WARN : LEVEL_OK, "udp",
       is_small ? "sysctl -w net.core.rmem_max=4194304 (bursts may be lost without it)" : NULL,
       "%s, %s; receive buffer %s", gso ? "GSO" : "no GSO", gro ? "GRO" : "no GRO", size);
}

/* ---- the state of the node ---- */

static const char *state_dir(char *out, size_t size) {
  const char *dir = getenv("TULLE_STATE_DIR"), *xdg = getenv("XDG_STATE_HOME"),
             *home = getenv("HOME");
  if (dir && *dir)
    snprintf(out, size, "%s", dir);
  else if (xdg && *xdg)
    snprintf(out, size, "%s/tulle", xdg);
  else if (home && *home)
    snprintf(out, size, "%s/.local/state/tulle", home);
  else
    out[0] = 0;
  return out;
}

/* A file of the state that others may read, or "". */
static void readable_file(const char *dir, char *out, size_t size) {
  DIR *entries = opendir(dir);
  struct dirent *e;
  struct stat st;
  out[0] = 0;
  while (entries && (e = readdir(entries)))
    if (!fstatat(dirfd(entries), e->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) &&
        st.st_mode & 077)
      snprintf(out, size, "%s/%.200s", dir, e->d_name);
  if (entries) closedir(entries);
}

static void check_state(struct doctor *d) {
  char dir[256], file[512], cure[256];
  struct stat st;
  if (!*state_dir(dir, sizeof dir) || stat(dir, &st)) {
    if (errno == EACCES)
      find(d, LEVEL_WARN, "identity", NULL, "%s is not ours to look into", dir);
    else
      find(d, LEVEL_OK, "identity", NULL, "none yet: the first start of a node makes it in %s",
           dir);
    return;
  }
  readable_file(dir, file, sizeof file);
  bool is_open = st.st_mode & 077;
  snprintf(cure, sizeof cure, "chmod -R go= %.200s", dir);
  if (is_open && *file)
    find(d, LEVEL_FAIL, "identity", cure, "others can read %.200s", file);
  else if (is_open)
    find(d, LEVEL_FAIL, "identity", cure, "others may enter %.200s, so no node starts there", dir);
  else
    find(d, LEVEL_OK, "identity", NULL, "%s is readable by its owner only", dir);
}

/* ---- the node ---- */

static void check_versions(struct doctor *d, const struct tulle_unpack *status) {
  char version[64];
  tl_ask_text(status, "version", version, sizeof version);
  if (*version && strcmp(version, TL_TOOLS_VERSION))
    find(d, LEVEL_WARN, "version", "restart the node with the same version",
         "this is %s, the node is %s", TL_TOOLS_VERSION, version);
}

/* "none" has a reason: switched off by the user, or something that is to be cured. */
static void check_discovery(struct doctor *d, const struct tulle_unpack *status) {
  char how[64], reason[256];
  tl_ask_text(status, "discovery", how, sizeof how);
  tl_ask_text(status, "discovery_reason", reason, sizeof reason);
  if (!*how || !strcmp(reason, "switched off"))
    find(d, LEVEL_OK, "discovery", NULL, "off: only peers that were named are found");
  else if (!strcmp(how, "none"))
    find(d, LEVEL_WARN, "discovery", "until then, name a peer: tulle node --peer ADDR:PORT",
         "no mDNS: %s", reason);
  else
    find(d, LEVEL_OK, "discovery", NULL, "mDNS, %s%s%s", how, *reason ? ": " : "", reason);
}

static void check_ports(struct doctor *d, const struct tulle_unpack *status) {
  uint64_t udp = tl_ask_uint(status, "udp_port", 0), tcp = tl_ask_uint(status, "tcp_port", 0);
  if (tl_ask_bool(status, "local_only"))
    find(d, LEVEL_OK, "network", NULL, "this machine only; 'tulle node' opens it to others");
  else if (udp && tcp)
    find(d, LEVEL_OK, "network", NULL, "UDP port %llu, TCP port %llu", (unsigned long long)udp,
         (unsigned long long)tcp);
  else
    find(d, LEVEL_WARN, "network",
         "see who has the port: ss -ulnpt; or choose another: tulle node --listen ADDR:PORT",
         "no %s port",
         udp   ? "TCP"
         : tcp ? "UDP"
               : "UDP or TCP");
}

static void check_links(struct doctor *d, struct tl_ask *a) {
  struct tulle_result result = {0};
  if (tulle_call(a->node, "links", NULL, 0, d->command->timeout_ns, &result)) return;
  struct tulle_unpack u = tulle_unpack_on(result.data, result.size);
  size_t count = tulle_unpack_array(&u), bad = 0;
  char node[64], state[32];
  for (size_t i = 0; i < count; i++) {
    tl_ask_text(&u, "state", state, sizeof state);
    if (strcmp(state, "up")) {
      bad++;
      find(d, LEVEL_WARN, "link",
           "see whether the machine runs, and what 'tulle doctor' says there", "%s is %s",
           tl_ask_text(&u, "node", node, sizeof node), state);
    }
    tulle_unpack_skip(&u);
  }
  if (!bad) find(d, LEVEL_OK, "links", NULL, "%zu up", count);
  tulle_result_clear(&result);
}

static void check_status(struct doctor *d, struct tl_ask *a) {
  struct tulle_result result = {0};
  char node[64], fabric[64], age[TL_HUMAN_SIZE];
  int r = tulle_call(a->node, "status", NULL, 0, d->command->timeout_ns, &result);
  if (r) {
    find(d, LEVEL_FAIL, "node", tulle_error_hint(r), "it does not say how it is: %s",
         tulle_error_text(r));
    d->exit_code = tulle_error_exit(r);
    return;
  }
  struct tulle_unpack u = tulle_unpack_on(result.data, result.size);
  find(d, LEVEL_OK, "node", NULL,
       "'%s', pid %llu, up %s, fabric '%s', programs: %llu, services: %llu",
       tl_ask_text(&u, "node", node, sizeof node), (unsigned long long)tl_ask_uint(&u, "pid", 0),
       tl_human_duration(tl_ask_uint(&u, "uptime_ns", 0), age),
       tl_ask_text(&u, "fabric", fabric, sizeof fabric),
       (unsigned long long)tl_ask_uint(&u, "programs", 0),
       (unsigned long long)tl_ask_uint(&u, "services", 0));
  check_versions(d, &u);
  check_discovery(d, &u);
  check_ports(d, &u);
  tulle_result_clear(&result);
  check_links(d, a);
}

static void check_node(struct doctor *d) {
  struct tl_ask a = {.command = d->command};
  struct tulle_options options = {
      .program = "tulle", .no_autostart = true, .timeout_ns = d->command->timeout_ns};
  int r = tulle_attach(&options, &a.tulle);
  if (!r) r = tulle_channel_open(a.tulle, TL_NODE_SERVICE, NULL, &a.node);
  if (!r) {
    check_status(d, &a);
  } else {
    d->exit_code = tulle_error_exit(r);
    find(d, LEVEL_FAIL, "node", tulle_error_hint(r), "%s", tulle_error_text(r));
  }
  tl_ask_close(&a);
}

/* ---- what was found ---- */

static size_t count_of(const struct doctor *d, enum level level) {
  size_t n = 0;
  for (size_t i = 0; i < d->count; i++) n += d->findings[i].level == level;
  return n;
}

static void print_json(const struct doctor *d) {
  struct tl_json j = tl_json_on(stdout);
  tl_json_object(&j);
  tl_json_key(&j, "checks");
  tl_json_array(&j);
  for (size_t i = 0; i < d->count; i++) {
    const struct finding *f = &d->findings[i];
    tl_json_object(&j);
    tl_json_put_text(&j, "level", level_names[f->level]);
    tl_json_put_text(&j, "what", f->what);
    tl_json_put_text(&j, "text", f->text);
    tl_json_put_text(&j, "cure", *f->cure ? f->cure : NULL);
    tl_json_end(&j);
  }
  tl_json_end(&j);
  tl_json_put_uint(&j, "failures", count_of(d, LEVEL_FAIL));
  tl_json_put_uint(&j, "warnings", count_of(d, LEVEL_WARN));
  tl_json_end(&j);
  tl_json_finish(&j);
}

static void print_lines(const struct doctor *d) {
  for (size_t i = 0; i < d->count; i++) {
    const struct finding *f = &d->findings[i];
    printf("%-6s%-13s%s\n", level_names[f->level], f->what, f->text);
    if (*f->cure) printf("%6s%-13scure: %s\n", "", "", f->cure);
  }
  size_t failures = count_of(d, LEVEL_FAIL), warnings = count_of(d, LEVEL_WARN);
  printf("%zu failure%s, %zu warning%s\n", failures, failures == 1 ? "" : "s", warnings,
         warnings == 1 ? "" : "s");
}

int tl_verb_doctor(struct tl_command *c) {
  struct doctor d = {.command = c};
  check_node(&d);
  check_state(&d);
  check_kernel(&d);
  check_files(&d);
  check_udp(&d);
  if (c->json)
    print_json(&d);
  else
    print_lines(&d);
  return d.exit_code;
}
