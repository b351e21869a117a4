/*
 * `tulle doctor`: looks at everything that can be wrong, and says the cure.
 *
 * Each check is one function that adds one or more lines. It looks for itself; it changes nothing. Here is what the node
 * says, and how findings are shown; doctor_machine.c and doctor_place.c look at the rest.
 */
#include "tools/doctor.h"

#include <stdarg.h>
#include <string.h>

#include "tools/ask.h"
#include "tools/human.h"
#include "tools/json.h"
#include "tools/verbs.h"

/* A dial that failed once was perhaps unlucky. */
#define FAILURES_MIN 2

static const char *const level_names[] = {"ok", "warn", "fail"};

void tl_doctor_find(struct tl_doctor *d, enum tl_doctor_level level, const char *what,
                    const char *cure, const char *format, ...) {
  if (d->count == TL_DOCTOR_FINDINGS_MAX) return;
  struct tl_finding *f = &d->findings[d->count++];
  *f = (struct tl_finding){.level = level, .what = what};
  va_list args;
  va_start(args, format);
  vsnprintf(f->text, sizeof f->text, format, args);
  va_end(args);
  snprintf(f->cure, sizeof f->cure, "%s", cure ? cure : "");
  if (level == TL_DOCTOR_FAIL && !d->exit_code) d->exit_code = TL_EXIT_USAGE;
}

/* ---- the node ---- */

static void check_versions(struct tl_doctor *d, const struct tulle_unpack *status) {
  char version[64];
  tl_ask_text(status, "version", version, sizeof version);
  if (*version && strcmp(version, TL_TOOLS_VERSION))
    tl_doctor_find(d, TL_DOCTOR_WARN, "version", "restart the node with the same version",
                   "this is %s, the node is %s", TL_TOOLS_VERSION, version);
}

/* "none" has a reason: switched off by the user, or something that is to be cured. */
static void check_discovery(struct tl_doctor *d, const struct tulle_unpack *status) {
  char how[64], reason[256];
  tl_ask_text(status, "discovery", how, sizeof how);
  tl_ask_text(status, "discovery_reason", reason, sizeof reason);
  if (!*how || !strcmp(reason, "switched off"))
    tl_doctor_find(d, TL_DOCTOR_OK, "discovery", NULL, "off: only peers that were named are found");
  else if (!strcmp(how, "none"))
    tl_doctor_find(d, TL_DOCTOR_WARN, "discovery",
                   "until then, name a peer: tulle node --peer ADDR:PORT", "no mDNS: %s", reason);
  else
    tl_doctor_find(d, TL_DOCTOR_OK, "discovery", NULL, "mDNS, %s%s%s", how, *reason ? ": " : "",
                   reason);
}

static void check_ports(struct tl_doctor *d, const struct tulle_unpack *status) {
  uint64_t udp = tl_ask_uint(status, "udp_port", 0), tcp = tl_ask_uint(status, "tcp_port", 0);
  if (tl_ask_bool(status, "local_only"))
    tl_doctor_find(d, TL_DOCTOR_OK, "network", NULL,
                   "this machine only; 'tulle node' opens it to others");
  else if (udp && tcp)
    tl_doctor_find(d, TL_DOCTOR_OK, "network", NULL, "UDP port %llu, TCP port %llu",
                   (unsigned long long)udp, (unsigned long long)tcp);
  else
    tl_doctor_find(
        d, TL_DOCTOR_WARN, "network",
        "see who has the port: ss -ulnpt; or choose another: tulle node --listen ADDR:PORT",
        "no %s port",
        udp   ? "TCP"
        : tcp ? "UDP"
              : "UDP or TCP");
}

static bool has_other_members(struct tl_doctor *d, struct tl_ask *a) {
  struct tulle_result result = {0};
  if (tulle_call(a->node, "members", NULL, 0, d->command->timeout_ns, &result)) return false;
  struct tulle_unpack u = tulle_unpack_on(result.data, result.size);
  size_t count = tulle_unpack_array(&u);
  tulle_result_clear(&result);
  return count > 1;
}

static void check_links(struct tl_doctor *d, struct tl_ask *a) {
  struct tulle_result result = {0};
  if (tulle_call(a->node, "links", NULL, 0, d->command->timeout_ns, &result)) return;
  struct tulle_unpack u = tulle_unpack_on(result.data, result.size);
  size_t count = tulle_unpack_array(&u), bad = 0;
  char node[64], state[32];
  for (size_t i = 0; i < count; i++) {
    tl_ask_text(&u, "state", state, sizeof state);
    if (strcmp(state, "up")) {
      bad++;
      tl_doctor_find(d, TL_DOCTOR_WARN, "link",
                     "see whether the machine runs, and what 'tulle doctor' says there", "%s is %s",
                     tl_ask_text(&u, "node", node, sizeof node), state);
    }
    tulle_unpack_skip(&u);
  }
  tulle_result_clear(&result);
  if (bad) return;
  if (!count && has_other_members(d, a))
    tl_doctor_find(d, TL_DOCTOR_WARN, "links",
                   "see whether one runs, and whether 'tulle members' there still lists this node",
                   "none of the other members is linked");
  else
    tl_doctor_find(d, TL_DOCTOR_OK, "links", NULL, "%zu up", count);
}

/* Heard of, and nobody answers: the usual cause is a firewall that lets multicast in and nothing else. */
static void check_heard(struct tl_doctor *d, const struct tulle_unpack *row) {
  char node[64], id[64], state[32], known_by[32];
  tl_ask_text(row, "state", state, sizeof state);
  tl_ask_text(row, "node", node, sizeof node);
  tl_ask_text(row, "known_by", known_by, sizeof known_by);
  const char *name = *node ? node : tl_ask_id(row, "node_id", id, sizeof id);
  if (!strcmp(state, "cloned"))
    tl_doctor_find(d, TL_DOCTOR_FAIL, "clone", "make a new state folder on the copy",
                   "two machines use the key of %s", name);
  if (!strcmp(state, "heard of") && tl_ask_uint(row, "failures", 0) >= FAILURES_MIN)
    tl_doctor_find(d, TL_DOCTOR_WARN, "unanswered",
                   "let the node's UDP and TCP port through the firewalls of both machines",
                   "%s is known (%s) and does not answer", name, known_by);
}

static void check_nodes(struct tl_doctor *d, struct tl_ask *a) {
  struct tulle_result result = {0};
  if (tulle_call(a->node, "nodes", NULL, 0, d->command->timeout_ns, &result)) return;
  struct tulle_unpack u = tulle_unpack_on(result.data, result.size);
  size_t count = tulle_unpack_array(&u);
  for (size_t i = 0; i < count; i++) {
    check_heard(d, &u);
    tulle_unpack_skip(&u);
  }
  tulle_result_clear(&result);
}

static void check_status(struct tl_doctor *d, struct tl_ask *a) {
  struct tulle_result result = {0};
  char node[64], fabric[64], age[TL_HUMAN_SIZE];
  int r = tulle_call(a->node, "status", NULL, 0, d->command->timeout_ns, &result);
  if (r) {
    tl_doctor_find(d, TL_DOCTOR_FAIL, "node", tulle_error_hint(r), "it does not say how it is: %s",
                   tulle_error_text(r));
    d->exit_code = tulle_error_exit(r);
    return;
  }
  struct tulle_unpack u = tulle_unpack_on(result.data, result.size);
  tl_doctor_find(d, TL_DOCTOR_OK, "node", NULL,
                 "'%s', pid %llu, up %s, fabric '%s', programs: %llu, services: %llu",
                 tl_ask_text(&u, "node", node, sizeof node),
                 (unsigned long long)tl_ask_uint(&u, "pid", 0),
                 tl_human_duration(tl_ask_uint(&u, "uptime_ns", 0), age),
                 tl_ask_text(&u, "fabric", fabric, sizeof fabric),
                 (unsigned long long)tl_ask_uint(&u, "programs", 0),
                 (unsigned long long)tl_ask_uint(&u, "services", 0));
  check_versions(d, &u);
  check_discovery(d, &u);
  check_ports(d, &u);
  if (tl_ask_bool(&u, "recovered"))
    tl_doctor_find(d, TL_DOCTOR_FAIL, "trust",
                   "look at 'tulle members', then 'tulle fabric accept'",
                   "the trust file was damaged, and the one before it may lack the newest changes");
  tulle_result_clear(&result);
  check_links(d, a);
  check_nodes(d, a);
}

static void check_node(struct tl_doctor *d) {
  struct tl_ask a = {.command = d->command};
  struct tulle_options options = {
      .program = "tulle", .no_autostart = true, .timeout_ns = d->command->timeout_ns};
  int r = tulle_attach(&options, &a.tulle);
  if (!r) r = tulle_channel_open(a.tulle, TL_NODE_SERVICE, NULL, &a.node);
  if (!r) {
    check_status(d, &a);
  } else {
    d->exit_code = tulle_error_exit(r);
    tl_doctor_find(d, TL_DOCTOR_FAIL, "node", tulle_error_hint(r), "%s", tulle_error_text(r));
  }
  d->has_node = !r;
  tl_ask_close(&a);
}

/* ---- what was found ---- */

static size_t count_of(const struct tl_doctor *d, enum tl_doctor_level level) {
  size_t n = 0;
  for (size_t i = 0; i < d->count; i++) n += d->findings[i].level == level;
  return n;
}

static void print_json(const struct tl_doctor *d) {
  struct tl_json j = tl_json_on(stdout);
  tl_json_object(&j);
  tl_json_key(&j, "checks");
  tl_json_array(&j);
  for (size_t i = 0; i < d->count; i++) {
    const struct tl_finding *f = &d->findings[i];
    tl_json_object(&j);
    tl_json_put_text(&j, "level", level_names[f->level]);
    tl_json_put_text(&j, "what", f->what);
    tl_json_put_text(&j, "text", f->text);
    tl_json_put_text(&j, "cure", *f->cure ? f->cure : NULL);
    tl_json_end(&j);
  }
  tl_json_end(&j);
  tl_json_put_uint(&j, "failures", count_of(d, TL_DOCTOR_FAIL));
  tl_json_put_uint(&j, "warnings", count_of(d, TL_DOCTOR_WARN));
  tl_json_end(&j);
  tl_json_finish(&j);
}

static void print_lines(const struct tl_doctor *d) {
  for (size_t i = 0; i < d->count; i++) {
    const struct tl_finding *f = &d->findings[i];
    printf("%-6s%-13s%s\n", level_names[f->level], f->what, f->text);
    if (*f->cure) printf("%6s%-13scure: %s\n", "", "", f->cure);
  }
  size_t failures = count_of(d, TL_DOCTOR_FAIL), warnings = count_of(d, TL_DOCTOR_WARN);
  printf("%zu failure%s, %zu warning%s\n", failures, failures == 1 ? "" : "s", warnings,
         warnings == 1 ? "" : "s");
}

int tl_verb_doctor(struct tl_command *c) {
  static struct tl_doctor d;
  d = (struct tl_doctor){.command = c};
  check_node(&d);
  tl_doctor_check_place(&d);
  tl_doctor_check_machine(&d);
  if (c->json)
    print_json(&d);
  else
    print_lines(&d);
  return d.exit_code;
}
