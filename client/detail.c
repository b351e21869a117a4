#include "client/detail.h"

#include <stdio.h>

#include "tulle/error.h"

static __thread char detail[TL_DETAIL_BYTES];

const char *tulle_error_detail(void) {
  return detail;
}

void tl_detail_set(const char *text) {
  (void)snprintf(detail, sizeof detail, "%s", text ? text : "");
}

char *tl_detail_room(void) {
  return detail;
}
