#include "node/state/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

static const struct tl_charge program_charge = {{[TL_RESOURCE_PROGRAMS] = 1,
                                                 [TL_RESOURCE_DESCRIPTORS] = 2, /* socket, pidfd */
                                                 [TL_RESOURCE_OBJECTS] = 1}};

struct tl_charge tl_node_limit(uint64_t memory_bytes, uint64_t descriptors) {
  uint64_t most = 16384, half = descriptors / 2;
  return (struct tl_charge){{[TL_RESOURCE_PROGRAMS] = 1024,
                             [TL_RESOURCE_MEMORY] = memory_bytes / 4,
                             [TL_RESOURCE_DESCRIPTORS] = half < most ? half : most,
                             [TL_RESOURCE_OBJECTS] = 65536}};
}

int tl_node_new(const struct tl_node_config *config, uint64_t now, struct tl_node **out_node) {
  struct tl_node *n = calloc(1, sizeof *n);
  if (!n) return TULLE_E_NO_MEMORY;
  n->config = *config;
  n->started = now;
  n->deadline = TL_NEVER;
  n->idle_at = config->is_autostarted ? now + TL_NODE_IDLE_NS : TL_NEVER;
  tl_accounts_init(&n->accounts, &config->limit, config->secret);
  tl_registry_init(&n->registry, config->secret);
  struct tl_place *here = &n->registry.here;
  memcpy(here->node_id, config->self.node, sizeof here->node_id);
  snprintf(here->node_id_text, sizeof here->node_id_text, "%s", config->node_id_text);
  snprintf(here->node_name, sizeof here->node_name, "%s", config->self.node_name);
  tl_list_init(&n->programs);
  tl_list_init(&n->pending);
  *out_node = n;
  return 0;
}

struct tl_node *tl_node_free(struct tl_node *node) {
  if (!node) return NULL;
  TL_ASSERT(tl_list_is_empty(&node->programs) && tl_list_is_empty(&node->pending));
  TL_ASSERT(node->end_count == 0);
  tl_registry_deinit(&node->registry);
  tl_accounts_deinit(&node->accounts);
  free(node);
  return NULL;
}

/* ---- programs ---- */

static void party_fill(struct tl_party *party, struct tl_node *node,
                       const struct tl_credentials *credentials, const char *name) {
  *party = node->config.self;
  party->client = ++node->last_client;
  party->uid = credentials->uid;
  party->gid = credentials->gid;
  party->pid = credentials->pid;
  bool is_valid = tl_name_is_valid(name, strlen(name), TL_SERVICE_NAME_BYTES_MAX);
  snprintf(party->program, sizeof party->program, "%s", is_valid ? name : "?");
}

static struct tl_program *program_new(struct tl_node *node, struct tl_port *port,
                                      const struct tl_port_ops *ops,
                                      const struct tl_credentials *credentials, const char *name) {
  struct tl_program *p = calloc(1, sizeof *p);
  if (!p) return NULL;
  p->node = node;
  p->port = port;
  p->ops = ops;
  party_fill(&p->party, node, credentials, name);
  tl_table_init(&p->ends, node->config.secret);
  tl_list_init(&p->offers);
  tl_list_init(&p->pending);
  tl_outbox_init(&p->replies);
  return p;
}

static void program_free(struct tl_program *p) {
  tl_table_deinit(&p->ends);
  tl_outbox_deinit(&p->replies);
  free(p);
}

/* Begins its channel 0, and welcomes it when nothing can fail any more. */
static int program_begin(struct tl_program *p) {
  int r = tl_end_connect(p, TL_ROLE_CLIENT, "", &p->node->config.self, p->account, &tl_service_far,
                         NULL, &p->control);
  if (r < 0) return r;
  p->control->is_whole = true;
  p->ops->welcome(p->port, &p->party);
  return 0;
}

int tl_node_attach(struct tl_node *node, uint64_t now, struct tl_port *port,
                   const struct tl_port_ops *ops, const struct tl_credentials *credentials,
                   const char *name, struct tl_program **out_program) {
  (void)now;
  struct tl_program *p = program_new(node, port, ops, credentials, name);
  if (!p) return TULLE_E_NO_MEMORY;
  int r = tl_account_open(&node->accounts, credentials->uid, &p->account);
  if (r < 0) goto no_account;
  r = tl_account_charge(p->account, &program_charge);
  if (r < 0) goto no_room;
  r = program_begin(p);
  if (r < 0) goto no_channel;
  tl_list_push_back(&node->programs, &p->link);
  node->program_count++;
  node->counters.programs++;
  node->idle_at = TL_NEVER;
  *out_program = p;
  return 0;

no_channel:
  tl_account_release(p->account, &program_charge);
no_room:
  tl_account_close(p->account);
no_account:
  node->counters.refused++;
  program_free(p);
  return r;
}

static void program_end_channels(struct tl_program *p, uint64_t now) {
  size_t cursor;
  struct tl_end *end;
  while ((cursor = 0, end = tl_table_next(&p->ends, &cursor))) tl_end_gone(end, now);
}

struct tl_program *tl_node_detach(struct tl_program *program, uint64_t now) {
  struct tl_node *node = program->node;
  program->is_cut = true; /* nothing is said to it any more */
  tl_service_forget(program, now);
  while (!tl_list_is_empty(&program->offers))
    tl_service_withdraw(tl_container_of(program->offers.next, struct tl_offer, in_program),
                        "its program ended", now);
  program_end_channels(program, now);
  tl_list_remove(&program->link);
  node->program_count--;
  if (node->config.is_autostarted && node->program_count == 0)
    node->idle_at = now + TL_NODE_IDLE_NS;
  tl_account_release(program->account, &program_charge);
  tl_account_close(program->account);
  program_free(program);
  return NULL;
}

void tl_program_cut(struct tl_program *program, const char *reason) {
  if (program->is_cut) return;
  program->is_cut = true;
  program->node->counters.cut++;
  program->ops->cut(program->port, reason);
}

/* ---- channels ---- */

void tl_node_close_said(struct tl_program *program, uint64_t now, uint32_t number) {
  struct tl_end *end = tl_program_end(program, number);
  if (!end) return;
  if (end == program->control) {
    tl_program_cut(program, "it closed its channel to the node");
  } else if (end->far && end->state == TL_END_OPEN && !end->is_leaving && program->ops->leave) {
    end->is_leaving = true;
    program->ops->leave(end);
  } else {
    tl_end_gone(end, now);
  }
}

void tl_node_left(struct tl_end *end, uint64_t now) {
  tl_end_gone(end, now);
}

int tl_node_piece(struct tl_end *end, uint64_t now, const struct tl_piece *piece) {
  if (end->state != TL_END_OPEN || !end->far) return 0; /* too late: it is being closed */
  int r = end->far->piece(end, now, piece);
  if (r == TL_FULL) end->is_paused = true;
  return r;
}

void tl_node_writable(struct tl_end *end, uint64_t now) {
  if (end->state == TL_END_OPEN && end->far) end->far->writable(end, now);
}

void tl_node_broken(struct tl_end *end, uint64_t now) {
  if (end == end->program->control) {
    tl_program_cut(end->program, "it broke the ring of its channel to the node");
    return;
  }
  if (end->state != TL_END_CLOSED && end->far)
    end->far->closed(end, now, end->program->ops->begun(end));
  tl_end_close(end, now, TULLE_E_PROTOCOL, 0);
}

/* ---- time ---- */

uint64_t tl_node_deadline(const struct tl_node *node) {
  return tl_time_min(node->deadline, node->idle_at);
}

void tl_node_timeout(struct tl_node *node, uint64_t now) {
  if (node->deadline <= now) tl_service_timeout(node, now);
  if (node->idle_at <= now) {
    node->wants_end = true;
    node->idle_at = TL_NEVER;
  }
}
