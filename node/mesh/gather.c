#include "node/mesh/gather.h"

#include <stdlib.h>
#include <string.h>

static int append(struct tl_gather *g, size_t bytes_max, const struct tl_lane_record *record) {
  if (record->size > bytes_max - g->size) return TULLE_E_TOO_BIG;
  uint8_t *bytes = realloc(g->bytes, g->size + record->size + 1);
  if (!bytes) return TULLE_E_NO_MEMORY;
  g->bytes = bytes;
  if (record->size) memcpy(g->bytes + g->size, record->bytes, record->size);
  g->size += record->size;
  return record->flags & TL_LANE_MORE ? TL_MORE : 0;
}

int tl_gather_push(struct tl_gather *g, size_t bytes_max, const struct tl_lane_record *record,
                   struct tl_mesh_message *out_message) {
  bool is_whole = !g->size && !(record->flags & TL_LANE_MORE);
  if (is_whole) {
    tl_gather_deinit(g); /* of the message before */
    return record->size > bytes_max ? TULLE_E_TOO_BIG
                                    : tl_mesh_decode(record->bytes, record->size, out_message);
  }
  int r = append(g, bytes_max, record);
  if (r != 0) return r;
  r = tl_mesh_decode(g->bytes, g->size, out_message);
  g->size = 0;
  return r;
}

void tl_gather_deinit(struct tl_gather *g) {
  free(g->bytes);
  *g = (struct tl_gather){0};
}

int tl_mesh_send(struct tl_link *link, struct tl_lane *lane, uint8_t kind,
                 const struct tl_mesh_message *message) {
  static uint8_t bytes[TL_MESH_BYTES_MAX];
  struct iovec body = {bytes, tl_mesh_encode(message, bytes, sizeof bytes)};
  if (!body.iov_len) return TULLE_E_TOO_BIG;
  return tl_link_send(link, lane, TL_CLASS_ORDERED, kind, 0, &body, 1);
}
