/*
 * A session: the time between attaching to a node and its death.
 *
 * A state machine driven by tl_session_poll(), which whoever is in the library calls when the
 * events word has moved or a second has passed. It never blocks.
 *
 *   NONE -- connected, `hello` said --> GREETED -- `channel` 0 --> READY
 *
 * and from everywhere back to NONE when the node hangs up or talks nonsense: all channels end, and
 * the next attempt is due after a pause of 10 ms, doubling to 1 s.
 */
#ifndef TL_CLIENT_SESSION_H
#define TL_CLIENT_SESSION_H

#include "client/socket.h"
#include "core/table.h"
#include "transport/ring/segment.h"
#include "tulle/attach.h"

struct tulle;
struct tulle_channel;
struct tulle_service;

enum tl_session_state { TL_SESSION_NONE, TL_SESSION_GREETED, TL_SESSION_READY };

/* All of it is guarded by the attachment's lock, but for what says otherwise. */
struct tl_session {
  enum tl_session_state state; /* atomic: written under the lock, read anywhere */
  struct tl_socket socket;
  struct tulle_channel *node; /* channel 0, held; NULL unless READY */
  struct tulle_identity self;
  uint32_t events_seen;     /* atomic: the events word at the last poll */
  struct tl_table channels; /* by number */
  unsigned opening;         /* threads that are opening a channel */
  unsigned unclaimed;       /* clients' channels that are here and not yet theirs */
  struct tl_list segments;  /* mapped for a channel or a growth that is not complete */
  size_t segment_count;
  int code;                    /* why the last attempt failed */
  uint64_t retry_at, pause_ns; /* the next attempt, and the pause after it */
  uint64_t polled_at;          /* atomic: the last poll */
  uint64_t register_at;        /* atomic: when to offer again what was not taken; TL_NEVER */
};

void tl_session_init(struct tl_session *s);

/* (attachment's lock) Ends the session and all its channels. */
void tl_session_close(struct tulle *t, int code);

/*
 * Does what the node has said, and tries again to attach when that is due and `may_connect`. Any
 * thread, no lock held.
 */
void tl_session_poll(struct tulle *t, uint64_t now);

/* Polls it if the last time was longer ago than that: for those who never wait, and would not hear
 * that the node is dead. */
void tl_session_poll_after(struct tulle *t, uint64_t now, uint64_t pause_ns);

/* When it wants to be polled although nothing happens. Any thread. */
uint64_t tl_session_due(struct tulle *t);

/*
 * A thread is about to open a channel; has it, as a holder (NULL: there is none of that number); or
 * has done with opening. What nobody claims, because its opener has given up, is closed. No lock
 * held.
 */
void tl_session_open_begin(struct tulle *t);
struct tulle_channel *tl_session_claim(struct tulle *t, uint32_t number);
void tl_session_open_end(struct tulle *t);

/* Channel 0 as a handle for the program; and gives back a handle for any channel. No lock held. */
struct tulle_channel *tl_session_claim_node(struct tulle *t);
void tl_session_unclaim(struct tulle *t, struct tulle_channel *c);

/* Channel 0, for as long as the caller holds it; NULL: there is no session. No lock held. */
struct tulle_channel *tl_session_node(struct tulle *t);

/* (attachment's lock) The node no longer knows this channel by its number. */
void tl_session_forget(struct tulle *t, struct tulle_channel *c);

#endif
