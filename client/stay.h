/*
 * A stay: the time between attaching to a node and its death.
 *
 * A state machine driven by tl_stay_poll(), which whoever is in the library calls when the events
 * word has moved or a second has passed. It never blocks.
 *
 *   NONE -- connected, `hello` said --> GREETED -- `channel` 0 --> READY
 *
 * and from everywhere back to NONE when the node hangs up or talks nonsense: all channels end, and
 * the next attempt is due after a pause of 10 ms, doubling to 1 s.
 */
#ifndef TL_CLIENT_STAY_H
#define TL_CLIENT_STAY_H

#include "client/channel.h"

void tl_stay_init(struct tl_stay *s);

/* (attachment's lock) Ends the stay and all its channels. */
void tl_stay_close(struct tulle *t, int code);

/*
 * Does what the node has said, and tries again to attach when that is due. Any thread, no lock held.
 */
void tl_stay_poll(struct tulle *t, uint64_t now);

/* Polls it if the last time was longer ago than that: for those who never wait, and would not hear
 * that the node is dead. */
void tl_stay_poll_after(struct tulle *t, uint64_t now, uint64_t pause_ns);

/* Acts on how a wait ended: polls it where the node may have said something. */
void tl_stay_hear(struct tulle *t, int wait_end);

/* When it wants to be polled although nothing happens. Any thread. */
uint64_t tl_stay_due(struct tulle *t);

/*
 * A thread is about to open a channel; has it, as a holder (NULL: there is none of that number); or
 * has done with opening. What nobody claims, because its opener has given up, is closed. No lock
 * held.
 */
void tl_stay_open_begin(struct tulle *t);
struct tulle_channel *tl_stay_claim(struct tulle *t, uint32_t number);
void tl_stay_open_end(struct tulle *t);

/* Channel 0 as a handle for the program; and gives back a handle for any channel. No lock held. */
struct tulle_channel *tl_stay_claim_node(struct tulle *t);
void tl_stay_unclaim(struct tulle *t, struct tulle_channel *c);

/* Channel 0, for as long as the caller holds it; NULL: there is none. No lock held. */
struct tulle_channel *tl_stay_node(struct tulle *t);

/* (attachment's lock) The node no longer knows this channel by its number. */
void tl_stay_forget(struct tulle *t, struct tulle_channel *c);

#endif
