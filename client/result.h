/* What a call came to, as the caller gets it: results in memory of their own. */
#ifndef TL_CLIENT_RESULT_H
#define TL_CLIENT_RESULT_H

#include "core/wire/rpc.h"
#include "tulle/call.h"

static inline void tl_result_init(struct tulle_result *r) {
  r->data = NULL;
  r->size = 0;
  r->code = 0;
  r->text = NULL;
  r->owned = NULL;
}

/* What a call with this reply returns; `r` may be NULL. */
int tl_result_read(const struct tl_reply_head *head, const struct tl_reader *rest,
                   struct tulle_result *r);

#endif
