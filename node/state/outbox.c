#include "node/state/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "node/state/router.h"
#include "transport/ring/layout.h"

struct message {
  struct tl_list link;
  size_t size;
  uint16_t kind;
  uint8_t bytes[];
};

void tl_outbox_init(struct tl_outbox *o) {
  *o = (struct tl_outbox){0};
  tl_list_init(&o->messages);
}

static struct message *first_message(const struct tl_outbox *o) {
  return tl_container_of(o->messages.next, struct message, link);
}

static void outbox_drop_first(struct tl_outbox *o) {
  struct message *m = first_message(o);
  tl_list_remove(&m->link);
  o->bytes -= m->size;
  o->offset = 0;
  free(m);
}

void tl_outbox_deinit(struct tl_outbox *o) {
  while (!tl_list_is_empty(&o->messages)) outbox_drop_first(o);
}

/* Writes records until all is written or there is no room. */
static int write_records(struct tl_end *end, uint16_t kind, const uint8_t *data, size_t size,
                         size_t *offset) {
  const struct tl_port_ops *ops = end->program->ops;
  uint32_t max = ops->piece_bytes_max(end);
  do {
    size_t left = size - *offset, n = left < max ? left : max;
    struct tl_piece piece = {.data = data + *offset,
                             .size = (uint32_t)n,
                             .kind = kind,
                             .flags = n < left ? TL_RECORD_MORE : 0};
    int r = ops->write(end, &piece);
    if (r) return r;
    *offset += n;
  } while (*offset < size);
  return 0;
}

int tl_outbox_send(struct tl_outbox *o, struct tl_end *end, uint16_t kind, const void *data,
                   size_t size) {
  size_t offset = 0;
  if (tl_list_is_empty(&o->messages)) {
    int r = write_records(end, kind, data, size, &offset);
    if (r <= 0) return r;
    o->offset = offset;
  }
  struct message *m = malloc(sizeof *m + size);
  if (!m) return TULLE_E_NO_MEMORY;
  m->size = size;
  m->kind = kind;
  if (size) memcpy(m->bytes, data, size);
  tl_list_push_back(&o->messages, &m->link);
  o->bytes += size;
  return 0;
}

int tl_outbox_flush(struct tl_outbox *o, struct tl_end *end) {
  while (!tl_list_is_empty(&o->messages)) {
    struct message *m = first_message(o);
    int r = write_records(end, m->kind, m->bytes, m->size, &o->offset);
    if (r) return r == TL_FULL ? 0 : r;
    outbox_drop_first(o);
  }
  return 0;
}
