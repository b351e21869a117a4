#include "node/network/network.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/log.h"
#include "crypto/hash.h"
#include "crypto/self.h"
#include "discovery/child.h"
#include "node/network/echo.h"
#include "transport/tcp/tcp.h"
#include "transport/udp/udp.h"

/* What one turn sends at most before the loop looks at anything else. */
#define BURSTS_A_TURN 64

#define CHILD_BUFFER_BYTES 4096

struct tl_network {
  struct tl_network_config config;
  uv_loop_t *loop;
  struct tl_udp *udp;
  struct tl_tcp *tcp;
  struct tl_endpoint *endpoint;
  struct tl_discovery *discovery;
  struct tl_mesh *mesh;
  struct tl_address local;
  uv_process_t child;
  uv_pipe_t pipe;
  char child_in[CHILD_BUFFER_BYTES];
  bool child_runs;
  struct tl_echo *echo;
  uint64_t now;
  bool is_stirred; /* something was begun or ended on the libuv loop */
  bool is_closing;
  unsigned open_handles;
};

/* ---- time and randomness ---- */

static uint64_t random_u64(void *context) {
  uint64_t v;
  (void)context;
  tl_random_fill(&tl_random_system, &v, sizeof v);
  return v;
}

static void label_hash(const void *data, size_t size, uint8_t out[8]) {
  uint8_t full[32];
  struct tl_bytes bytes = {data, size};
  tl_hash(TL_BYTES_NONE, &bytes, 1, full, sizeof full);
  memcpy(out, full, 8);
}

/* ---- the child ---- */

static void handle_closed(uv_handle_t *handle);

static void child_stop(struct tl_network *n, const char *reason) {
  if (!n->child_runs) return;
  n->child_runs = false;
  n->is_stirred = true;
  uv_close((uv_handle_t *)&n->pipe, handle_closed);
  tl_discovery_child_stopped(n->discovery, tl_time_boot(), reason);
}

static void on_child_exit(uv_process_t *process, int64_t status, int number) {
  struct tl_network *n = process->data;
  (void)status, (void)number;
  uv_close((uv_handle_t *)process, handle_closed);
  child_stop(n, "tulle-mdns ended");
}

static void child_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
  struct tl_network *n = handle->data;
  (void)suggested;
  *out = uv_buf_init(n->child_in, sizeof n->child_in);
}

static void on_child_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
  struct tl_network *n = stream->data;
  if (size < 0) {
    child_stop(n, "tulle-mdns closed its pipe");
    return;
  }
  tl_discovery_push_bytes(n->discovery, n->now, buffer->base, (size_t)size);
}

/* Only to loopback: then mDNS has nothing to do on other interfaces. */
static const char *child_interface(const struct tl_network *n) {
  const uint8_t *ip = n->config.listen.ip;
  static const uint8_t loopback6[16] = {[15] = 1};
  bool is_loopback =
      tl_address_is_v4(&n->config.listen) ? ip[12] == 127 : memcmp(ip, loopback6, 16) == 0;
  return is_loopback ? "lo" : NULL;
}

static int child_spawn(struct tl_network *n) {
  char path[4096];
  const char *argv[TL_DISCOVERY_CHILD_ARGS_MAX];
  int r = tl_discovery_child_path(path, sizeof path);
  if (r < 0) return r;
  tl_discovery_child_argv(path, child_interface(n), argv);
  uv_stdio_container_t stdio[] = {
      {.flags = UV_IGNORE},
      {.flags = UV_IGNORE},
      {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
      {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE | UV_WRITABLE_PIPE,
       .data.stream = (uv_stream_t *)&n->pipe},
  };
  uv_process_options_t options = {.file = path,
                                  .args = (char **)(uintptr_t)argv,
                                  .stdio = stdio,
                                  .stdio_count = 4,
                                  .exit_cb = on_child_exit};
  uv_pipe_init(n->loop, &n->pipe, 0);
  n->pipe.data = n->child.data = n;
  n->open_handles += 2;
  n->is_stirred = true;
  r = uv_spawn(n->loop, &n->child, &options);
  if (r < 0) {
    uv_close((uv_handle_t *)&n->pipe, handle_closed);
    uv_close((uv_handle_t *)&n->child, handle_closed);
  }
  return r;
}

static void child_start(struct tl_network *n, uint64_t now) {
  int r = child_spawn(n);
  tl_discovery_child_started(n->discovery, now);
  if (r < 0) {
    tl_discovery_child_stopped(n->discovery, now,
                               "tulle-mdns cannot be started: is it installed beside tulle?");
    return;
  }
  n->child_runs = true;
  uv_read_start((uv_stream_t *)&n->pipe, child_alloc, on_child_read);
}

/* A socket that has no room for a few hundred bytes belongs to a child that hangs: it is replaced. */
static void child_write(struct tl_network *n) {
  char lines[CHILD_BUFFER_BYTES];
  size_t size;
  while (n->child_runs && (size = tl_discovery_poll_bytes(n->discovery, lines, sizeof lines)) > 0) {
    uv_buf_t buffer = uv_buf_init(lines, (unsigned)size);
    if (uv_try_write((uv_stream_t *)&n->pipe, &buffer, 1) != (int)size)
      child_stop(n, "tulle-mdns does not read");
  }
}

/* ---- packets ---- */

static void send_bursts(struct tl_network *n, uint64_t now) {
  struct tl_burst burst;
  for (int i = 0; i < BURSTS_A_TURN && tl_endpoint_poll(n->endpoint, now, &burst) == 0; i++) {
    bool is_tcp = burst.path.carrier == TL_CARRIER_TCP;
    int r = is_tcp ? tl_tcp_send(n->tcp, &burst) : tl_udp_send(n->udp, &burst);
    if (r == TL_FULL) tl_endpoint_blocked(n->endpoint, &burst.path);
    if (r < 0) tl_endpoint_closed(n->endpoint, now, &burst.path, r);
  }
}

static void act(struct tl_network *n, uint64_t now, const struct tl_mesh_action *action) {
  struct tl_path path = action->path;
  if (!action->is_connect) {
    tl_tcp_hang_up(n->tcp, path.connection);
    return;
  }
  int r = tl_tcp_dial(n->tcp, &path.remote, &path.connection);
  if (r < 0) tl_endpoint_closed(n->endpoint, now, &action->path, r);
}

static void child_turn(struct tl_network *n, uint64_t now) {
  if (tl_discovery_wants_child(n->discovery, now)) child_start(n, now);
  if (tl_discovery_has_bytes(n->discovery)) child_write(n);
}

static void echo_turn(struct tl_network *n) {
  if (!n->mesh->wants_echo) return;
  n->mesh->wants_echo = false;
  n->is_stirred = true;
  tl_echo_start(n->loop, &n->echo);
}

void tl_network_begin(struct tl_network *n, uint64_t now) {
  n->now = now;
}

bool tl_network_turn(struct tl_network *n, uint64_t now) {
  struct tl_mesh_action action;
  n->now = now;
  tl_tcp_timeout(n->tcp, now);
  tl_endpoint_timeout(n->endpoint, now);
  while (tl_mesh_turn(n->mesh, now, &action) == 0) act(n, now, &action);
  send_bursts(n, now);
  child_turn(n, now);
  echo_turn(n);
  bool is_stirred = n->is_stirred;
  n->is_stirred = false;
  return is_stirred;
}

uint64_t tl_network_deadline(struct tl_network *n) {
  return tl_time_min(tl_mesh_deadline(n->mesh), tl_tcp_deadline(n->tcp));
}

static void on_packet(void *context, const struct tl_path *path, uint8_t *packet, size_t size) {
  struct tl_network *n = context;
  tl_endpoint_push(n->endpoint, n->now, path, packet, size);
}

/* What the packets lead to is done with all else in tl_network_turn(). */
static void on_batch_end(void *context) {
  (void)context;
}

static void on_opened(void *context, const struct tl_path *path, bool accepted) {
  struct tl_network *n = context;
  tl_endpoint_opened(n->endpoint, n->now, path, accepted);
}

static void on_closed(void *context, const struct tl_path *path, int error) {
  struct tl_network *n = context;
  tl_endpoint_closed(n->endpoint, n->now, path, error);
}

static void on_writable(void *context, const struct tl_path *path) {
  struct tl_network *n = context;
  tl_endpoint_writable(n->endpoint, path);
}

/* ---- addresses for a token ---- */

/* 0.0.0.0 or [::]: every address of the machine. */
static bool is_any(const struct tl_address *a) {
  static const uint8_t any[16], any4[16] = {[10] = 0xff, [11] = 0xff};
  return memcmp(a->ip, any, sizeof any) == 0 || memcmp(a->ip, any4, sizeof any4) == 0;
}

static bool is_useful(const struct ifaddrs *i, struct tl_address *out) {
  if (!i->ifa_addr || i->ifa_flags & IFF_LOOPBACK || !(i->ifa_flags & IFF_UP)) return false;
  return tl_address_from_sockaddr(i->ifa_addr, out) == 0 && !out->scope;
}

/* Where this node can be dialled: the one address it listens on, or those of this machine, IPv4 first (it is what people can
 * read to each other), then global IPv6. A machine without a network names loopback. */
static size_t own_addresses(void *context, struct tl_address *out, size_t max) {
  struct tl_network *n = context;
  struct ifaddrs *all;
  size_t count = 0;
  if (!is_any(&n->config.listen)) {
    out[0] = n->local;
    return 1;
  }
  if (getifaddrs(&all) < 0) return 0;
  for (int v4 = 1; v4 >= 0; v4--) {
    for (struct ifaddrs *i = all; i && count < max; i = i->ifa_next) {
      if (!is_useful(i, &out[count]) || tl_address_is_v4(&out[count]) != (bool)v4) continue;
      out[count++].port = n->local.port;
    }
  }
  freeifaddrs(all);
  if (!count) count = tl_address_parse("127.0.0.1", n->local.port, out) == 0;
  return count;
}

/* ---- life ---- */

static int open_carriers(struct tl_network *n) {
  struct tl_carrier_sink sink = {n, on_packet, on_batch_end, on_opened, on_closed, on_writable};
  struct tl_udp_config udp = {.listen = n->config.listen};
  if (memcmp(udp.listen.ip, (const uint8_t[16]){0}, 16) == 0 && !udp.listen.port)
    udp.listen.port = TL_PORT_DEFAULT;
  char text[TL_ADDRESS_TEXT_SIZE];
  tl_address_format(&udp.listen, text);
  int r = tl_udp_open(n->config.poller, &udp, &sink, &n->udp);
  if (r < 0) {
    tl_log(TL_LOG_ERROR, "network",
           "UDP %s cannot be had: %s (another node? choose with --listen ADDR:PORT)", text,
           tulle_error_text(r));
    return r;
  }
  n->local = *tl_udp_local(n->udp);
  struct tl_tcp_config tcp = {.listen = n->config.listen};
  tcp.listen.port = n->local.port;
  r = tl_tcp_open(n->config.poller, &tcp, &sink, &n->tcp);
  if (r < 0) tl_log(TL_LOG_ERROR, "network", "TCP %s cannot be had: %s", text, tulle_error_text(r));
  return r;
}

static int open_endpoint(struct tl_network *n, uint64_t now) {
  struct tl_endpoint_config config;
  tl_endpoint_config_init(&config);
  config.carrier = n->config.carrier;
  config.self.identity = n->config.identity;
  config.self.trust = n->config.trust;
  config.self.random = &tl_random_system;
  config.self.parameters = &tl_parameters_default;
  config.self.udp_port = n->local.port;
  config.self.tcp_port = n->local.port;
  config.self.wall_s = (uint64_t)time(NULL);
  memcpy(config.self.boot_id, n->config.boot_id, sizeof config.self.boot_id);
  return tl_endpoint_new(&config, now, &n->endpoint);
}

static int open_discovery(struct tl_network *n, uint64_t now) {
  struct tl_discovery_config config = {
      .boot = random_u64(NULL), .mdns = !n->config.no_mdns, .random = random_u64};
  memcpy(config.id, n->config.identity->node_id, sizeof config.id);
  int r = tl_discovery_new(&config, &n->discovery);
  for (size_t i = 0; r == 0 && i < n->config.peer_count; i++) {
    r = tl_discovery_add_static(n->discovery, now, NULL, &n->config.peers[i]);
    if (r == TULLE_E_EXISTS) r = 0;
  }
  return r;
}

static int open_mesh(struct tl_network *n) {
  struct tl_mesh_config config = {.node = n->config.node,
                                  .identity = n->config.identity,
                                  .trust = n->config.trust,
                                  .endpoint = n->endpoint,
                                  .discovery = n->discovery,
                                  .carrier = n->config.carrier,
                                  .port = n->local.port,
                                  .label_hash = label_hash,
                                  .own_addresses = own_addresses,
                                  .own_context = n};
  return tl_mesh_new(&config, &n->mesh);
}

int tl_network_open(const struct tl_network_config *config, struct tl_network **out_network) {
  struct tl_network *n = calloc(1, sizeof *n);
  uint64_t now = tl_time_boot();
  if (!n) return TULLE_E_NO_MEMORY;
  n->config = *config;
  n->loop = config->loop;
  n->now = now;
  int r = open_carriers(n);
  if (r == 0) r = open_endpoint(n, now);
  if (r == 0) r = open_discovery(n, now);
  if (r == 0) r = open_mesh(n);
  if (r < 0) {
    tl_network_close(n);
    return r;
  }
  *out_network = n;
  return 0;
}

static void free_if_closed(struct tl_network *n) {
  if (n->open_handles == 0 && n->is_closing) free(n);
}

static void handle_closed(uv_handle_t *handle) {
  struct tl_network *n = handle->data;
  n->open_handles--;
  free_if_closed(n);
}

/* A word to each peer, so that it need not find out by silence. */
static void end_links(struct tl_network *n, uint64_t now) {
  struct tl_link *link;
  size_t cursor = 0;
  while ((link = tl_endpoint_next_link(n->endpoint, &cursor))) {
    tl_link_close(link, now, 0);
    cursor = 0;
  }
  send_bursts(n, now);
}

void tl_network_close(struct tl_network *n) {
  if (!n) return;
  uint64_t now = tl_time_boot();
  n->mesh = tl_mesh_free(n->mesh, now);
  if (n->endpoint) end_links(n, now);
  n->is_closing = true;
  child_stop(n, "this node ends");
  tl_echo_stop(&n->echo);
  n->endpoint = tl_endpoint_free(n->endpoint);
  n->discovery = tl_discovery_free(n->discovery);
  tl_tcp_close(n->tcp);
  tl_udp_close(n->udp);
  free_if_closed(n);
}

const struct tl_address *tl_network_local(const struct tl_network *n) {
  return &n->local;
}
