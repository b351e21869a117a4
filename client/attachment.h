/*
 * The parts of a `struct tulle`, and what all files of this folder ask of it.
 *
 * There is no thread of the library's own: whoever is inside a function of it and waits also hears
 * of the node (its events word ends every wait) and does what there is to do.
 */
#ifndef TL_CLIENT_ATTACHMENT_H
#define TL_CLIENT_ATTACHMENT_H

#include "client/lock.h"
#include "client/loop.h"
#include "client/process.h"
#include "client/session.h"
#include "core/list.h"
#include "transport/ring/park.h"
#include "tulle/attach.h"

struct tulle {
  uint64_t process;  /* the process that it belongs to */
  char *runtime_dir; /* NULL: the environment's */
  char program[TL_SERVICE_NAME_BYTES_MAX + 1];
  bool may_autostart;
  struct tl_parking parking;

  /* Rung for what happens inside this process: something for the loop, a channel closed, a stop. */
  struct tl_cancel bell;

  struct tl_lock lock; /* guards the session and the services */
  struct tl_session session;
  struct tl_list services; /* by link */

  struct tl_lock list_lock; /* a leaf */
  struct tl_list channels;  /* every channel that is not destroyed, by all_link */

  struct tl_loop loop;
};

/* The attachment meant by `t`: itself, or for NULL that of the whole process, made now if need be.
 * FORKED, and what tulle_attach() yields. */
int tl_attachment_of(struct tulle *t, struct tulle **out);

/* Makes sure that there is a session, attaching again if need be (and starting a node, where that
 * is allowed). DEADLINE, NO_NODE, and what the node refuses with. No lock is held. */
int tl_attachment_ready(struct tulle *t, uint64_t deadline);

/* Tells whoever waits inside the library to look around. Any thread, any lock; async-signal-safe.
 */
void tl_attachment_kick(struct tulle *t);

#endif
