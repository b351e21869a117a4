/*
 * A node reduced to its discovery: starts tulle-mdns, prints what it says, and prints whom it
 * would dial.
 *
 *   mdns_peer TULLE_MDNS NUMBER PORT [INTERFACE]
 *
 * The node id is NUMBER. Commands on standard input, a line each:
 *
 *   publish GENERATION [LABEL...]
 *   list
 *   raw TEXT      to the child as it stands, as one line
 *   quit         or the end of the input: the child is stopped in order
 *
 * Output, a line each: `child PID`, `< LINE` for each line of the child, `dial ID|- ADDRESS`,
 * `entry ...` and `listed N` for a list, `stopped STATUS` when the child ended.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.h"
#include "core/time.h"
#include "discovery/advert.h"
#include "discovery/child.h"
#include "discovery/discovery.h"
#include "discovery/line.h"

struct peer {
  struct tl_discovery *discovery;
  const char *program;
  const char *interface;
  uint16_t port;
  pid_t child;
  int fd; /* to the child, or -1 */
  bool is_ending;
  char input[4096];
  size_t input_used;
};

static uint64_t random_of(void *context) {
  uint64_t v = 0;
  (void)context;
  if (getrandom(&v, sizeof v, 0) != sizeof v) abort();
  return v;
}

static void child_run(const struct peer *p, int fd) {
  const char *argv[TL_DISCOVERY_CHILD_ARGS_MAX];
  tl_discovery_child_argv(p->program, p->interface, argv);
  dup2(fd, TL_DISCOVERY_CHILD_FD);
  execv(p->program, (char **)argv);
  perror(p->program);
  _exit(127);
}

static void child_start(struct peer *p) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) abort();
  if (fds[0] == TL_DISCOVERY_CHILD_FD ||
      fds[1] == TL_DISCOVERY_CHILD_FD) { /* dup2 would clear no flag */
    int again[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, again) < 0) abort();
    close(fds[0]), close(fds[1]);
    memcpy(fds, again, sizeof fds);
  }
  p->child = fork();
  if (p->child == 0) child_run(p, fds[1]);
  close(fds[1]);
  p->fd = fds[0];
  tl_discovery_child_started(p->discovery, tl_time_now());
  printf("child %d\n", (int)p->child);
}

static void child_end(struct peer *p) {
  int status = 0;
  close(p->fd);
  p->fd = -1;
  waitpid(p->child, &status, 0);
  printf("stopped %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  tl_discovery_child_stopped(p->discovery, tl_time_now(), "ended");
}

static void child_read(struct peer *p) {
  static bool in_line;
  char bytes[4096];
  ssize_t n = read(p->fd, bytes, sizeof bytes);
  if (n <= 0) {
    child_end(p);
    return;
  }
  for (ssize_t i = 0; i < n; i++) {
    if (!in_line) fputs("< ", stdout);
    putchar(bytes[i]);
    in_line = bytes[i] != '\n';
  }
  tl_discovery_push_bytes(p->discovery, tl_time_now(), bytes, (size_t)n);
}

static void child_write(struct peer *p) {
  char bytes[4096];
  size_t n;
  while (p->fd >= 0 && (n = tl_discovery_poll_bytes(p->discovery, bytes, sizeof bytes)))
    if (send(p->fd, bytes, n, MSG_NOSIGNAL) < 0) return; /* it is dying: the read will say so */
}

static const char *id_text(const uint8_t *id, bool has_id) {
  static char text[TL_ADVERT_NAME_SIZE];
  tl_advert_name(id, text);
  return has_id ? text : "-";
}

/* Nobody answers here: each dial is printed and fails. */
static void dials_print(struct peer *p) {
  struct tl_discovery_dial d;
  char address[TL_ADDRESS_TEXT_SIZE];
  while (tl_discovery_poll_dial(p->discovery, tl_time_now(), &d) == 0) {
    tl_address_format(&d.address, address);
    printf("dial %s %s\n", id_text(d.id, d.has_id), address);
    tl_discovery_dialled(p->discovery, tl_time_now(), &d, TULLE_E_UNREACHABLE, NULL);
  }
}

static void list_print(const struct peer *p) {
  struct tl_discovery_entry e;
  size_t cursor = 0;
  int n = 0;
  for (; tl_discovery_next(p->discovery, &cursor, &e) == 0; n++)
    printf("entry %s generation=%" PRIu64 " addresses=%zu cloned=%d\n", id_text(e.id, e.has_id),
           e.generation, e.address_count, e.is_cloned);
  printf("listed %d\n", n);
}

static void publish(struct peer *p, char *words) {
  static char labels[32][TL_LABEL_SIZE];
  struct tl_discovery_advert a = {.fabric_tag = {0xfa, 0xb1}, .port = p->port, .labels = labels};
  char *save = NULL, *word = strtok_r(words, " ", &save);
  a.generation = word ? strtoull(word, NULL, 10) : 0;
  while (a.label_count < 32 && (word = strtok_r(NULL, " ", &save)))
    snprintf(labels[a.label_count++], TL_LABEL_SIZE, "%s", word);
  tl_discovery_publish(p->discovery, &a);
}

static void raw_say(struct peer *p, char *text) {
  size_t size = strlen(text);
  text[size] = '\n';
  if (send(p->fd, text, size + 1, MSG_NOSIGNAL) < 0) perror("raw");
}

static void command(struct peer *p, char *line) {
  if (!strncmp(line, "publish ", 8))
    publish(p, line + 8);
  else if (!strcmp(line, "list"))
    list_print(p);
  else if (!strncmp(line, "raw ", 4))
    raw_say(p, line + 4);
  else if (!strcmp(line, "quit"))
    p->is_ending = true;
  else
    printf("what? %s\n", line);
}

static void input_read(struct peer *p) {
  ssize_t n = read(STDIN_FILENO, p->input + p->input_used, sizeof p->input - 1 - p->input_used);
  if (n <= 0) {
    p->is_ending = true;
    return;
  }
  p->input_used += (size_t)n;
  p->input[p->input_used] = 0;
  for (char *end; (end = memchr(p->input, '\n', p->input_used));) {
    *end = 0;
    command(p, p->input);
    p->input_used -= (size_t)(end + 1 - p->input);
    memmove(p->input, end + 1, p->input_used);
  }
}

static int wait_ms(struct peer *p) {
  uint64_t now = tl_time_now(), at = tl_discovery_deadline(p->discovery);
  if (at <= now) return 0;
  uint64_t ms = (at - now) / TL_MS + 1;
  return ms > 60000 ? 60000 : (int)ms;
}

static void turn(struct peer *p) {
  struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = p->fd, .events = POLLIN}};
  if (tl_discovery_wants_child(p->discovery, tl_time_now())) child_start(p);
  child_write(p);
  dials_print(p);
  fds[1].fd = p->fd;
  fflush(stdout);
  if (poll(fds, 2, wait_ms(p)) < 0 && errno != EINTR) abort();
  if (fds[0].revents) input_read(p);
  if (fds[1].revents && p->fd >= 0) child_read(p);
}

int main(int argc, char **argv) {
  struct peer p = {.fd = -1};
  if (argc < 4) return fputs("usage: mdns_peer TULLE_MDNS NUMBER PORT [INTERFACE]\n", stderr), 2;
  struct tl_discovery_config config = {.mdns = true, .random = random_of};
  unsigned long number = strtoul(argv[2], NULL, 10);
  for (int i = 0; i < 4; i++) config.id[i] = (uint8_t)(number >> (24 - 8 * i));
  config.boot = random_of(NULL);
  p.program = argv[1];
  p.port = (uint16_t)atoi(argv[3]);
  p.interface = argc > 4 ? argv[4] : NULL;
  if (tl_discovery_new(&config, &p.discovery) < 0) return 1;
  while (!p.is_ending) turn(&p);
  if (p.fd >= 0) {
    shutdown(p.fd, SHUT_WR); /* the child says goodbye and ends */
    while (p.fd >= 0) child_read(&p);
  }
  tl_discovery_free(p.discovery);
  return 0;
}
