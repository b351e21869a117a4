#include "client/result.h"

#include <stdlib.h>
#include <string.h>

#include "core/wire/msgpack.h"

void tulle_result_clear(struct tulle_result *r) {
  if (r->owned) free(r->owned);
  tl_result_init(r);
}

/* Memory of the result for `size` bytes, or NULL. */
static unsigned char *result_room(struct tulle_result *r, size_t size) {
  if (tl_likely(size <= sizeof r->inline_bytes)) return r->inline_bytes;
  return r->owned = malloc(size);
}

static int read_text(struct tulle_result *r, const void *text, size_t size) {
  if (!size) return 0;
  unsigned char *to = result_room(r, size + 1);
  if (!to) return TULLE_E_NO_MEMORY;
  memcpy(to, text, size);
  to[size] = 0;
  r->text = (const char *)to;
  return 0;
}

static int read_value(struct tulle_result *r, const void *value, size_t size) {
  if (!size) return 0;
  unsigned char *to = result_room(r, size);
  if (!to) return TULLE_E_NO_MEMORY;
  memcpy(to, value, size); /* the check and every later use are of this copy */
  int code = tl_msgpack_check(to, size);
  if (tl_unlikely(code < 0)) {
    tulle_result_clear(r);
    return code;
  }
  r->data = to;
  r->size = size;
  return 0;
}

int tl_result_read(const struct tl_reply_head *head, const struct tl_reader *rest,
                   struct tulle_result *r) {
  size_t size = tl_reader_left(rest);
  if (tl_likely(head->status == 0)) return r ? read_value(r, rest->at, size) : 0;
  if (r) {
    if (head->status > 0) r->code = head->status;
    (void)read_text(r, rest->at, size);
  }
  return head->status > 0 ? TULLE_E_REMOTE : head->status;
}
