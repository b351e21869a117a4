#include "node/options.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

static const char usage[] =
    "usage: tulle node [--name NAME] [--listen ADDR:PORT] [--peer ADDR:PORT]... [--no-mdns]\n"
    "                  [--carrier auto|udp|tcp]\n"
    "\n"
    "Runs the node of this machine in the foreground. One line beginning with `ready` on\n"
    "standard error says that programs can attach.\n"
    "\n"
    "  --name NAME         what the node is called (default: the host's name)\n"
    "  --listen ADDR:PORT  where other nodes reach it (default: all addresses, port 8855)\n"
    "  --peer ADDR:PORT    another node, for where multicast does not reach; may be repeated\n"
    "  --no-mdns           neither announce nor look for nodes by mDNS\n"
    "  --carrier CARRIER   what links use: auto (UDP, TCP where UDP does not pass), udp or tcp\n"
    "  --ready-fd FD       where a newline says, as well, that programs can attach\n"
    "  --autostarted       as programs start it: this machine only, ends a minute after the last\n"
    "                      one, and its standard error only until it is ready\n"
    "\n"
    "It lives in $TULLE_RUNTIME_DIR (socket) and $TULLE_STATE_DIR (keys, trust).\n";

enum {
  OPTION_NAME = 1,
  OPTION_LISTEN,
  OPTION_PEER,
  OPTION_NO_MDNS,
  OPTION_CARRIER,
  OPTION_READY_FD,
  OPTION_AUTOSTARTED,
  OPTION_HELP
};

static const struct option known[] = {
    {"name", required_argument, NULL, OPTION_NAME},
    {"listen", required_argument, NULL, OPTION_LISTEN},
    {"peer", required_argument, NULL, OPTION_PEER},
    {"no-mdns", no_argument, NULL, OPTION_NO_MDNS},
    {"carrier", required_argument, NULL, OPTION_CARRIER},
    {"ready-fd", required_argument, NULL, OPTION_READY_FD},
    {"autostarted", no_argument, NULL, OPTION_AUTOSTARTED},
    {"help", no_argument, NULL, OPTION_HELP},
    {0},
};

static int refuse(const char *what, const char *value) {
  fprintf(stderr, "error: %s: %s\n  hint: tulle node --help\n", what, value);
  return TULLE_E_INVALID;
}

static int read_name(const char *value, char out[TL_NODE_NAME_BYTES_MAX + 1]) {
  if (!tl_name_is_valid(value, strlen(value), TL_NODE_NAME_BYTES_MAX))
    return refuse("not a node name (letters, digits, '.', '_', '-', at most 63)", value);
  snprintf(out, TL_NODE_NAME_BYTES_MAX + 1, "%s", value);
  return 0;
}

static int read_address(const char *value, struct tl_address *out) {
  if (tl_address_parse(value, TL_PORT_DEFAULT, out) == 0) return 0;
  return refuse("not an address like 10.0.0.1:8855 or [fe80::1%2]:8855", value);
}

static int read_carrier(const char *value, enum tl_carrier_choice *out) {
  static const char *const names[] = {
      [TL_CARRIER_AUTO] = "auto", [TL_CARRIER_ONLY_UDP] = "udp", [TL_CARRIER_ONLY_TCP] = "tcp"};
  for (int i = 0; i < 3; i++) {
    if (strcmp(value, names[i]) != 0) continue;
    *out = (enum tl_carrier_choice)i;
    return 0;
  }
  return refuse("not a carrier (auto, udp, tcp)", value);
}

/* One that this process was given, and none of the standard three. */
static int read_descriptor(const char *value, int *out) {
  char *end;
  errno = 0;
  long fd = strtol(value, &end, 10);
  if (errno || *end || end == value || fd < 3 || fd > INT_MAX || fcntl((int)fd, F_GETFD) < 0)
    return refuse("not an open descriptor", value);
  (void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
  *out = (int)fd;
  return 0;
}

static int read_option(int option, const char *value, struct tl_node_options *o) {
  switch (option) {
  case OPTION_NAME:
    return read_name(value, o->name);
  case OPTION_LISTEN:
    o->has_listen = true;
    return read_address(value, &o->listen);
  case OPTION_PEER:
    if (o->peer_count == TL_NODE_PEERS_MAX) return refuse("more peers than are taken", value);
    return read_address(value, &o->peers[o->peer_count++]);
  case OPTION_NO_MDNS:
    o->no_mdns = true;
    return 0;
  case OPTION_CARRIER:
    return read_carrier(value, &o->carrier);
  case OPTION_AUTOSTARTED:
    o->is_autostarted = true;
    return 0;
  case OPTION_READY_FD:
    return read_descriptor(value, &o->ready_fd);
  case OPTION_HELP:
    fputs(usage, stdout);
    return TL_END;
  default:
    return TULLE_E_INVALID; /* getopt has said why */
  }
}

int tl_node_options_read(int argc, char **argv, struct tl_node_options *out) {
  int option;
  *out = (struct tl_node_options){.ready_fd = -1};
  optind = 0;
  while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
    int r = read_option(option, optarg, out);
    if (r) return r;
  }
  return optind < argc ? refuse("an argument that means nothing here", argv[optind]) : 0;
}
