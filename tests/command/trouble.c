/* A service for every way in which a call can end badly: `fail`, `hang`, `die`, `garble`. */
#include <stdlib.h>
#include <unistd.h>

#include "tulle/tulle.h"

static int fail(struct tulle_call_context *call, void *userdata) {
  (void)userdata;
  return tulle_reply_error(call, 7, "out of paper\x1b[2J\nload some");
}

static int hang(struct tulle_call_context *call, void *userdata) {
  (void)call, (void)userdata;
  return TULLE_LATER;
}

static int die(struct tulle_call_context *call, void *userdata) {
  (void)call, (void)userdata;
  _exit(0);
}

/* Text that is no UTF-8, and what would steer a terminal. */
static int garble(struct tulle_call_context *call, void *userdata) {
  static const unsigned char reply[] = {0x82, 0xa1, 'a',  0xa2, 0xff, 0xfe,
                                        0xa1, 'b',  0xa3, 0x1b, '[',  'm'};
  (void)userdata;
  return tulle_reply(call, reply, sizeof reply);
}

int main(void) {
  static const struct tulle_procedure procedures[] = {
      {"fail", fail, NULL}, {"hang", hang, NULL}, {"die", die, NULL}, {"garble", garble, NULL}};
  struct tulle_offer offer = {.name = "trouble", .procedures = procedures, .procedure_count = 4};
  int r = tulle_offer(NULL, &offer, NULL);
  return tulle_error_exit(r ? r : tulle_serve(NULL, 1));
}
