/*
 * Programs, and the ends of their channels: who is connected with whom.
 *
 * An end is one party's side of a channel. Its other side is another program's end (`peer`), or the
 * node (`far`): its own service on channel 0, or a lane of a link, whose far side is a program on another
 * node. The router makes ends, charges them, and sees to it that whatever happens to one side, the
 * other one is told once, and that everything is given back.
 *
 *            +---------- introduced -----------+   close said by its program, or the program dies
 *   OPENING -+                                 +-> OPEN --------------------------> freed
 *            +-- the other side is gone --> CLOSED -- close said, or the program dies --> freed
 *                                              ^------ the other side is gone ------ OPEN
 *
 * Who opened a channel pays for both ends. When one side goes, the other one takes over what is
 * left, because its program still has the memory; it gives it back by saying `close`.
 */
#ifndef TL_NODE_STATE_ROUTER_H
#define TL_NODE_STATE_ROUTER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/list.h"
#include "core/table.h"
#include "core/wire/control.h"
#include "node/state/account.h"
#include "node/state/outbox.h"
#include "node/state/port.h"

struct tl_node;
struct tl_offer;

/* What the kernel says about a program at attach. */
struct tl_credentials {
  uint32_t uid;
  uint32_t gid;
  uint32_t pid;
};

struct tl_program {
  struct tl_node *node;
  struct tl_port *port;
  const struct tl_port_ops *ops;
  struct tl_party party;
  struct tl_account *account;
  struct tl_table ends;   /* tl_end by its number */
  struct tl_list link;    /* node->programs */
  struct tl_list offers;  /* tl_offer.in_program */
  struct tl_list pending; /* calls on channel 0 that are not answered yet (service.h) */
  struct tl_end *control; /* channel 0 */
  struct tl_outbox replies;
  uint32_t next_channel;
  bool is_cut;
};

/* The node's side of an end whose other side is the node. */
struct tl_far_ops {
  /* The program wrote. TL_FULL: not taken; it comes again after tl_end_resume(). */
  int (*piece)(struct tl_end *end, uint64_t now, const struct tl_piece *piece);
  /* A piece that the port refused with TL_FULL would fit now. */
  void (*writable)(struct tl_end *end, uint64_t now);
  /* The channel is open: pieces may be written. */
  void (*introduced)(struct tl_end *end, uint64_t now);
  /* The program's side is gone; the end is freed afterwards. `begun` as tl_port_ops.begun. */
  void (*closed)(struct tl_end *end, uint64_t now, uint64_t begun);
};

enum tl_end_state { TL_END_OPENING, TL_END_OPEN, TL_END_CLOSED };

struct tl_end {
  struct tl_program *program;
  uint32_t number;
  enum tl_channel_role role;
  enum tl_end_state state;
  bool is_whole;  /* pieces towards the node are whole messages (channel 0) */
  bool is_paused; /* the far side said TL_FULL */
  bool
      is_leaving; /* its program has closed it; what it had written before is still being passed on */
  char service[TL_SERVICE_NAME_BYTES_MAX + 1];
  struct tl_party other; /* who is at the other side */

  struct tl_end
      *peer; /* the other side, a program of this node; NULL when it is gone or not here */
  const struct tl_far_ops *far; /* the other side is the node */
  void *far_context;

  struct tl_account *payer; /* of `charge` */
  struct tl_charge charge;
  struct tl_charge growth; /* paid by the program itself */

  struct tl_list in_offer; /* a server's end: tl_offer.ends */
  struct tl_pending *open; /* a client's end while OPENING: the call that waits */
  void *seat;              /* the host's side of it */
};

/* The end of that number, or NULL. */
struct tl_end *tl_program_end(const struct tl_program *program, uint32_t number);

/*
 * A new end whose other side is the node, charged to `payer`; it is OPENING, and its port has been
 * asked. LIMIT, NO_MEMORY, and errors of the port.
 */
int tl_end_connect(struct tl_program *program, enum tl_channel_role role, const char *service,
                   const struct tl_party *other, struct tl_account *payer,
                   const struct tl_far_ops *far, void *far_context, struct tl_end **out_end);

/*
 * A new channel from `client` to the program of `offer` (an offer of this node), charged to the
 * client; both ends are OPENING, their ports have been asked. Errors as above.
 */
int tl_end_introduce(struct tl_program *client, struct tl_offer *offer, struct tl_end **out_end);

/* As tl_end_introduce(), for a caller on another node: an end of the server alone, with `far` as
 * its client. */
int tl_end_admit(struct tl_offer *offer, const struct tl_party *caller, struct tl_account *payer,
                 const struct tl_far_ops *far, void *far_context, struct tl_end **out_end);

/* The node ends the channel, in both directions: tells the programs at both sides. Far sides are not told:
 * it is they who call this. Closing a closed end does nothing. */
void tl_end_close(struct tl_end *end, uint64_t now, int code, uint64_t begun);

/* The program's side is gone, by its word or by its death: tells the other side and frees the end. */
void tl_end_gone(struct tl_end *end, uint64_t now);

/* The far side takes pieces again. */
void tl_end_resume(struct tl_end *end);

/* For the host: a larger data area of `bytes` for the program's direction, charged to the program. TULLE_E_LIMIT:
 * more than the program's account allows, or than a channel may have. */
int tl_end_charge_growth(struct tl_end *end, uint64_t bytes);

#endif
