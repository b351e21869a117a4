#include "tools/described.h"

#include <string.h>

#include "tools/buffer.h"

static int ask_piece(struct tl_ask *a, const char *service, const char *node, uint64_t from,
                     struct tulle_result *out) {
  unsigned char bytes[256];
  struct tulle_pack args = tulle_pack_on(bytes, sizeof bytes);
  tulle_pack_map(&args, node[0] ? 3 : 2);
  tulle_pack_text(&args, "service"), tulle_pack_text(&args, service);
  tulle_pack_text(&args, "from"), tulle_pack_uint(&args, from);
  if (node[0]) tulle_pack_text(&args, "node"), tulle_pack_text(&args, node);
  *out = (struct tulle_result){0};
  return tulle_call(a->node, "describe", bytes, tulle_pack_size(&args), a->command->timeout_ns,
                    out);
}

/* Appends a piece. 0: there is more; 1: that was the last; below 0: an error. */
static int take_piece(const struct tulle_result *result, struct tl_buffer *text,
                      struct tl_described *out) {
  struct tulle_unpack map = tulle_unpack_on(result->data, result->size);
  struct tulle_unpack piece = tulle_unpack_key(&map, "text");
  struct tulle_unpack fingerprint = tulle_unpack_key(&map, "fingerprint");
  struct tulle_value v = tulle_unpack_any(&fingerprint);
  uint64_t whole = tl_ask_uint(&map, "size", 0);
  size_t size;
  const char *bytes = tulle_unpack_text(&piece, &size);
  tl_ask_text(&map, "node", out->node, sizeof out->node);
  if (v.type == TULLE_NIL) return 1;
  if (!bytes || v.type != TULLE_BYTES || v.size != sizeof out->fingerprint ||
      whole > TL_SCHEMA_TEXT_BYTES_MAX || size > whole - text->size)
    return TULLE_E_PROTOCOL;
  bool is_same = !memcmp(out->fingerprint, v.data, sizeof out->fingerprint);
  if (text->size && !is_same) return TULLE_E_AGAIN; /* it was replaced meanwhile */
  memcpy(out->fingerprint, v.data, sizeof out->fingerprint);
  int r = tl_buffer_append(text, bytes, size);
  if (r) return r;
  if (text->size == whole) return 1;
  return size ? 0 : TULLE_E_PROTOCOL;
}

static int get_text(struct tl_ask *a, const char *service, const char *node,
                    struct tl_described *out, struct tl_buffer *text, char *why, size_t why_size) {
  int r = 0;
  while (!r) {
    struct tulle_result result;
    r = ask_piece(a, service, node, text->size, &result);
    if (r)
      snprintf(why, why_size, "%s", result.text ? result.text : tulle_error_text(r));
    else
      r = take_piece(&result, text, out);
    tulle_result_clear(&result);
  }
  return r < 0 ? r : 0;
}

int tl_described_get(struct tl_ask *a, const char *service, const char *node,
                     struct tl_described *out, char *why, size_t why_size) {
  struct tl_buffer text = {0};
  *out = (struct tl_described){0};
  why[0] = 0;
  int r = get_text(a, service, node, out, &text, why, why_size);
  if (r == TULLE_E_NO_PROCEDURE) r = 0;
  if (!r && text.size) r = tl_schema_read((char *)text.data, text.size, NULL, &out->schema);
  if (!r && text.size) r = tl_buffer_append(&text, "", 1);
  if (r || !text.size) {
    tl_buffer_deinit(&text);
    tl_described_deinit(out);
    return r;
  }
  out->text = (char *)text.data;
  return 0;
}

void tl_described_deinit(struct tl_described *d) {
  d->schema = tl_schema_free(d->schema);
  free(d->text);
  d->text = NULL;
}
