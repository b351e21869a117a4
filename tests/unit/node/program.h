/*
 * A program written by hand against docs/protocol-control.md, docs/protocol-node.md and docs/protocol-rpc.md, without the
 * client library: what the tests of the node talk to it with. It trusts nobody less than it should and asserts on
 * every surprise.
 */
#ifndef TESTS_UNIT_NODE_PROGRAM_H
#define TESTS_UNIT_NODE_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/wire/control.h"
#include "transport/ring/channel.h"
#include "tulle/pack.h"

#define PROGRAM_CHANNELS_MAX 64

/* A segment mapped for writing that waits for its channel. */
struct own_segment {
  uint32_t number;
  uint32_t channel;
  struct tl_segment map;
};

struct conversation {
  bool is_used;
  bool is_closed; /* the node said so */
  uint32_t number;
  int code;
  uint64_t begun;
  enum tl_channel_role role;
  struct tl_party peer;
  char service[64];
  struct tl_channel channel;
};

struct program {
  int fd;
  /* Turns something else between looks, when the node runs in this thread; NULL: it runs elsewhere. */
  void (*pump)(void *context);
  void *pump_context;
  struct tl_party self;
  struct own_segment segments[PROGRAM_CHANNELS_MAX];
  struct conversation conversations[PROGRAM_CHANNELS_MAX];
  struct tl_control last;
  uint64_t next_id;
  struct own_segment grown; /* the peer's last data area, mapped for reading */
  size_t switches;          /* that it has followed on channel 0 */
  int seals;                /* adds these to every segment before it says `mapped` */
  bool keeps_silent;        /* does not answer `segment` with `mapped` */
  bool is_hung_up;
};

/* Connects; no hello yet. */
void program_connect(struct program *p, const char *socket_path);
void program_send(struct program *p, const struct tl_control *m);
/* Handles one control message as a well-behaved program would. False: there was none, or the node hung up. */
bool program_step(struct program *p);
/* hello to channel 0. False: refused, and `last` says why. */
bool program_attach(struct program *p, const char *socket_path, const char *name);
void program_detach(struct program *p);

struct conversation *program_conversation(struct program *p, uint32_t number);

/* Sends a call on channel 0 and returns its id. */
uint64_t program_begin_call(struct program *p, const char *procedure, const void *args,
                            size_t size);
/* Waits for its reply; returns the status; the body goes to `out`. */
int program_end_call(struct program *p, uint64_t id, void *out, size_t out_max, size_t *out_size);
int program_call(struct program *p, const char *procedure, const void *args, size_t size);
/* Calls with a map of one text. */
int program_call_text(struct program *p, const char *procedure, const char *key, const char *value);
/* 0 and the conversation, or the error of `open`. */
int program_open(struct program *p, const char *service, struct conversation **out);

/* What the last call answered. */
extern uint8_t program_reply[65536];
extern size_t program_reply_size;

#endif
