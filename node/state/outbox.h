/*
 * Messages of the node on their way into a program's ring: written as far as there is room, kept
 * until there is more.
 *
 * A message that is larger than a record goes as several. Nothing here bounds the whole: whoever
 * makes messages looks at `bytes` and takes no new work while a program does not read what it
 * asked for.
 */
#ifndef TL_NODE_STATE_OUTBOX_H
#define TL_NODE_STATE_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/list.h"
#include "node/state/port.h"

struct tl_outbox {
  struct tl_list messages;
  size_t bytes;  /* kept */
  size_t offset; /* into the first message */
};

void tl_outbox_init(struct tl_outbox *o);
void tl_outbox_deinit(struct tl_outbox *o);

/* Sends one message, now or when there is room. The end is open. Its bytes are copied where they have to be kept.
 * TULLE_E_NO_MEMORY: it was not sent; errors of the port's write(). */
int tl_outbox_send(struct tl_outbox *o, struct tl_end *end, uint16_t kind, const void *data,
                   size_t size);

/* There is room again: goes on. 0, also when there is still more; errors of the port's write(). */
int tl_outbox_flush(struct tl_outbox *o, struct tl_end *end);

#endif
