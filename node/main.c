/*
 * Starting a node, step by step: options, folders, the place of the only node in them, fewer rights, identity, the
 * socket, the loop. Each step says what is wrong in words for people; then everything before it is undone.
 */
#include "node/main.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/log.h"
#include "core/text.h"
#include "node/host/directory.h"
#include "node/host/listen.h"
#include "node/host/privilege.h"
#include "node/host/store.h"
#include "node/loop.h"
#include "node/network/network.h"
#include "node/options.h"

#define EXIT_BAD           2 /* usage, configuration, or another node in this place */
#define TAKEOVER_MS        5000
#define TAKEOVER_RETRY_MS  10
#define DIRECTORY_RETRY_MS 2000 /* for a node that is just ending */

struct place {
  struct tl_directories path;
  int runtime_fd;
  struct tl_store store;
  bool is_system; /* root's: for all users */
  bool has_user;  /* to become */
  uint32_t uid;
  uint32_t gid;
};

static int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "error: ");
  vfprintf(stderr, format, args);
  fprintf(stderr, "\n");
  va_end(args);
  return EXIT_BAD;
}

/* ---- folders ---- */

static int fail_folder(const char *path, int error) {
  if (error != TULLE_E_REFUSED) return fail("%s: %s", path, tulle_error_text(error));
  return fail("%s belongs to another user, or others may write to it", path);
}

/* Made while this is still root, and then given to the user that it becomes. */
static int open_folder(const struct place *p, const char *path, unsigned mode, int *out_fd) {
  int r = tl_directory_open(path, mode, p->uid, out_fd);
  if (r < 0) return fail_folder(path, r);
  r = p->has_user ? tl_privilege_give(*out_fd, p->uid, p->gid) : 0;
  return r < 0 ? fail_folder(path, r) : 0;
}

static int place_open(struct place *p) {
  const char *variables;
  int state_fd = -1;
  *p = (struct place){.runtime_fd = -1, .is_system = geteuid() == 0, .uid = geteuid()};
  p->has_user = tl_privilege_user(&p->uid, &p->gid);
  int r = tl_directories_find(&p->path, &variables);
  if (r == TULLE_E_TOO_BIG) return fail("%s: too long for a path", variables);
  if (r < 0) return fail("where to live? set %s", variables);
  r = open_folder(p, p->path.state, 0700, &state_fd);
  if (r == 0) r = open_folder(p, p->path.runtime, p->is_system ? 0755 : 0700, &p->runtime_fd);
  if (state_fd >= 0) close(state_fd);
  setenv("TULLE_RUNTIME_DIR", p->path.runtime, 1); /* for the programs that this node starts */
  return r;
}

static int place_give_up_rights(struct place *p) {
  int r = p->has_user ? tl_privilege_become(p->uid, p->gid) : 0;
  if (r == 0) r = tl_privilege_drop();
  if (r < 0) return fail("giving up rights: %s", tulle_error_text(r));
  r = tl_store_open(p->path.state, &p->store);
  if (r == TULLE_E_REFUSED)
    return fail("%s holds keys, and others may enter it\n  hint: chmod 700 %s", p->path.state,
                p->path.state);
  return r < 0 ? fail_folder(p->path.state, r) : 0;
}

static void place_close(struct place *p) {
  tl_store_close(&p->store);
  if (p->runtime_fd >= 0) close(p->runtime_fd);
}

/* ---- being the only one ---- */

static int place_lock(const struct place *p, uint32_t *out_pid, const char **out_path) {
  int state_fd = tl_disk_fd(&p->store.disk);
  *out_path = p->path.state;
  int r = tl_directory_lock(state_fd, out_pid);
  if (r || tl_directory_is_same(state_fd, p->runtime_fd)) return r;
  *out_path = p->path.runtime;
  return tl_directory_lock(p->runtime_fd, out_pid);
}

static int fail_taken(const char *path, uint32_t pid) {
  if (pid) return fail("another node uses %s: pid %u", path, pid);
  return fail("another node uses %s", path);
}

/* To who waits for this node, and sees as well when it ends without a word. */
static void report(const struct tl_node_options *o) {
  if (o->ready_fd >= 0) (void)!write(o->ready_fd, "\n", 1);
}

/* Of nodes that programs start at the same time one stays, and serves them all. One that lives elsewhere on the same
 * state serves nobody here. */
static int give_way(const struct place *p, const struct tl_node_options *o, const char *path,
                    uint32_t pid) {
  for (int waited = 0; o->ready_fd >= 0 && waited < DIRECTORY_RETRY_MS;
       waited += TAKEOVER_RETRY_MS) {
    if (tl_listener_answers(p->path.runtime)) {
      report(o);
      return EXIT_BAD;
    }
    poll(NULL, 0, TAKEOVER_RETRY_MS);
  }
  return fail_taken(path, pid);
}

/* Takes the place of nobody, or of a node that a program started by itself. */
static int place_claim(const struct place *p, const struct tl_node_options *o) {
  uint32_t pid = 0, asked = 0;
  const char *path;
  for (int waited = 0;; waited += TAKEOVER_RETRY_MS) {
    int r = place_lock(p, &pid, &path);
    if (r == 0) return 0;
    if (r < 0) return fail("%s: %s", path, tulle_error_text(r));
    if (o->is_autostarted) return give_way(p, o, path, pid);
    enum tl_takeover t = tl_listener_take_over(p->path.runtime, TAKEOVER_MS, &asked);
    if (t == TL_TAKEOVER_REFUSED) return fail_taken(p->path.runtime, asked);
    if (waited >= (t == TL_TAKEOVER_GIVEN ? TAKEOVER_MS : DIRECTORY_RETRY_MS))
      return fail_taken(path, pid);
    poll(NULL, 0, TAKEOVER_RETRY_MS);
  }
}

/* ---- who it is ---- */

static void default_name(char out[TL_NODE_NAME_BYTES_MAX + 1]) {
  if (gethostname(out, TL_NODE_NAME_BYTES_MAX)) out[0] = 0;
  out[TL_NODE_NAME_BYTES_MAX] = 0;
  out[strcspn(out, ".")] = 0;
  if (!tl_name_is_valid(out, strlen(out), TL_NODE_NAME_BYTES_MAX)) strcpy(out, "node");
}

static int fail_store(const struct place *p, const char *what, int error) {
  if (error == TULLE_E_REFUSED)
    return fail("%s: others may read %s\n  hint: chmod 600 %s/*", p->path.state, what,
                p->path.state);
  if (error == TULLE_E_BAD_MESSAGE)
    return fail("%s: %s is damaged, and a new one would be another node\n"
                "  hint: put the file back from a copy, or start with an empty folder",
                p->path.state, what);
  const char *hint = error == -ENOSPC || error == -EDQUOT ? "\n  hint: make room there"
                     : error == -EROFS ? "\n  hint: mount it writable, or choose TULLE_STATE_DIR"
                                       : "";
  return fail("%s: %s: %s%s", p->path.state, what, tulle_error_text(error), hint);
}

/* The name stands in the certificate, so only a node that may certify itself can change it. */
static int fail_name(const struct place *p, const char *name, int error) {
  if (error == TULLE_E_REFUSED)
    return fail("--name %s: this node is '%s' in the certificate of its fabric\n"
                "  hint: start it without --name, or with another state folder",
                name, tl_trust_state_of(p->store.trust)->self.name);
  if (error == TULLE_E_EXISTS) return fail("--name %s: another member has this name", name);
  return fail("--name %s: %s", name, tulle_error_text(error));
}

static int store_load(struct place *p, const struct tl_node_options *o) {
  char name[TL_NODE_NAME_BYTES_MAX + 1];
  const char *what;
  default_name(name);
  int r = tl_store_load(&p->store, o->name[0] ? o->name : name, tl_time_boot(), &what);
  if (r < 0) return fail_store(p, what, r);
  r = o->name[0] ? tl_trust_rename_node(p->store.trust, o->name) : 0;
  if (r < 0) return fail_name(p, o->name, r);
  if (tl_trust_is_recovered(p->store.trust))
    tl_log(TL_LOG_ERROR, "node", "the trust file is damaged, the one before it is used");
  return 0;
}

static void config_fill(const struct place *p, const struct tl_node_options *o,
                        uint64_t descriptors, struct tl_node_config *out) {
  const struct tl_trust_state *trust = tl_trust_state_of(p->store.trust);
  struct sysinfo info;
  struct tl_party *self = &out->self;
  *out = (struct tl_node_config){.is_autostarted = o->is_autostarted,
                                 .is_local_only = o->is_autostarted};
  memcpy(self->node, p->store.identity->node_id, sizeof self->node);
  self->incarnation = p->store.incarnation;
  self->uid = geteuid();
  self->gid = getegid();
  self->pid = (uint32_t)getpid();
  self->local = true;
  snprintf(self->node_name, sizeof self->node_name, "%s", trust->self.name);
  snprintf(self->program, sizeof self->program, "node");
  tl_node_id_format(self->node, out->node_id_text);
  snprintf(out->fabric, sizeof out->fabric, "%s", trust->fabric_name);
  tl_base32_encode(trust->fabric_id, sizeof trust->fabric_id, out->fabric_id_text);
  snprintf(out->version, sizeof out->version, "%s", TULLE_VERSION_TEXT);
  tl_random_fill(&tl_random_system, out->secret, sizeof out->secret);
  sysinfo(&info);
  out->limit = tl_node_limit((uint64_t)info.totalram * info.mem_unit, descriptors);
}

/* ---- running ---- */

/* systemd's way to learn that a service is up: one datagram to the socket that it names. */
static void notify_ready(void) {
  static const char text[] = "READY=1";
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  const char *path = getenv("NOTIFY_SOCKET");
  if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof a.sun_path) return;
  memcpy(a.sun_path, path, strlen(path));
  if (path[0] == '@') a.sun_path[0] = 0;
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
  (void)!sendto(fd, text, sizeof text - 1, MSG_NOSIGNAL, (struct sockaddr *)&a, size);
  close(fd);
}

/* The program that started it lent its own for saying why it cannot. */
static void give_back_stderr(void) {
  int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (null >= 0) dup2(null, STDERR_FILENO);
  if (null >= 0) close(null);
}

static void say_ready(const struct place *p, const struct tl_node_options *o,
                      const struct tl_node *node) {
  if (o->is_autostarted && o->ready_fd >= 0)
    give_back_stderr();
  else
    fprintf(stderr, "ready: node %s at %s/%s\n", node->config.self.node_name, p->path.runtime,
            TL_LISTEN_NAME);
  report(o);
  if (o->ready_fd >= 0) close(o->ready_fd);
  notify_ready();
}

static struct tl_network_config
network_config(const struct place *p, const struct tl_node_options *o, struct tl_node *node) {
  struct tl_network_config c = {.node = node,
                                .identity = p->store.identity,
                                .trust = p->store.trust,
                                .listen = o->listen,
                                .peers = o->peers,
                                .peer_count = o->peer_count,
                                .carrier = o->carrier,
                                .no_mdns = o->no_mdns};
  memcpy(c.boot_id, p->store.boot_id, sizeof c.boot_id);
  return c;
}

static int serve(const struct place *p, const struct tl_node_options *o, struct tl_node *node) {
  struct tl_network_config network = network_config(p, o, node);
  struct tl_listener listener;
  struct tl_loop *loop;
  int r = tl_listener_open(p->runtime_fd, p->path.runtime, p->is_system ? 0666 : 0600, &listener);
  if (r == TULLE_E_TOO_BIG) return fail("%s is too long for a socket's path", p->path.runtime);
  if (r < 0) return fail("%s/%s: %s", p->path.runtime, TL_LISTEN_NAME, tulle_error_text(r));
  r = tl_loop_open(node, listener.fd, o->is_autostarted ? NULL : &network, &loop);
  if (r == 0) {
    say_ready(p, o, node);
    tl_loop_run(loop);
    tl_loop_close(loop);
  }
  tl_listener_remove(&listener);
  return r < 0 ? fail("the node cannot serve: %s", tulle_error_text(r)) : 0;
}

static int start(struct place *p, const struct tl_node_options *o) {
  struct tl_node_config config;
  struct tl_node *node;
  int r = place_open(p);
  if (r) return r;
  uint64_t descriptors = tl_privilege_raise_descriptors();
  r = place_give_up_rights(p);
  if (r == 0) r = place_claim(p, o);
  if (r == 0) r = store_load(p, o);
  if (r) return r;
  config_fill(p, o, descriptors, &config);
  r = tl_node_new(&config, tl_time_boot(), &node);
  if (r < 0) return fail("%s", tulle_error_text(r));
  r = serve(p, o, node);
  tl_node_free(node);
  return r;
}

int tl_node_main(int argc, char **argv) {
  struct tl_node_options options;
  struct place place;
  int r = tl_node_options_read(argc, argv, &options);
  if (r) return r < 0 ? EXIT_BAD : 0;
  signal(SIGPIPE, SIG_IGN);
  r = start(&place, &options);
  place_close(&place);
  return r;
}
