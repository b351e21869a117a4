/* What the rest of this folder asks of calls. */
#ifndef TL_CLIENT_CALL_H
#define TL_CLIENT_CALL_H

#include "client/channel.h"

/*
 * One turn of the loop on a client's channel: takes what arrived, ends what is late, runs
 * completions, at most `max` of them. Returns how many ran; out_is_more: there is more to do at
 * once. Nothing happens while another thread drives the channel: it does the same.
 */
unsigned tl_call_turn(struct tulle_channel *c, unsigned max, bool *out_is_more);

/* For the length of a wait of the loop: true when the calling thread has become the driver of a
 * channel with something to wait for, to be given back. */
bool tl_call_drive_wait(struct tulle_channel *c);
void tl_call_drive_end(struct tulle_channel *c);

/* This program is done with the channel: calls end with CANCELLED, completions run here unless
 * another thread drives. */
void tl_call_close(struct tulle_channel *c);

/* A synchronous call that must end by a time, not within one. */
int tl_call_until(struct tulle_channel *c, const char *procedure, const void *args,
                  size_t args_size, uint64_t deadline, struct tulle_result *out);

#endif
