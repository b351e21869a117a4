/*
 * Is the other side still there? Asks it when it has been silent, and says when it is unreachable.
 *
 * Any valid packet is a sign of life. After some silence a PING goes out every `ping` until
 * something is heard; after `unreachable` the peer is called unreachable, once, and asked on. With
 * the defaults ten PINGs fit in between, so at 30 % loss each way a false alarm needs ten lost
 * exchanges in both directions.
 *
 * A link on which lanes are open is asked after `silence`, one without any after `keep_alive`,
 * which is longer and still leaves half of the tolerance for questions: nobody waits on an idle
 * link, but its loss is noticed in the same time. The session's responder waits one `ping` longer,
 * so that on a quiet link one side asks and the other answers: two packets an interval.
 *
 *   timers: silence or keep_alive, ping, unreachable (all since the last sign of life)
 */
#ifndef TL_LINK_ALIVE_H
#define TL_LINK_ALIVE_H

#include <stdbool.h>
#include <stdint.h>

struct tl_alive_times {
  uint64_t silence, keep_alive, ping, unreachable;
};

struct tl_alive {
  struct tl_alive_times times;
  uint64_t heard_at;
  uint64_t asked_at; /* the last PING; 0: none since heard_at */
  bool is_patient;   /* the session's responder */
  bool is_unreachable;
};

void tl_alive_init(struct tl_alive *a, const struct tl_alive_times *times, bool is_patient,
                   uint64_t now);

/* A valid packet came. True: the peer had been called unreachable, and is reachable again. */
bool tl_alive_heard(struct tl_alive *a, uint64_t now);

enum tl_alive_verdict {
  TL_ALIVE_QUIET,       /* nothing to do */
  TL_ALIVE_ASK,         /* send a PING */
  TL_ALIVE_UNREACHABLE, /* send a PING, and say that the peer is unreachable: once */
};

enum tl_alive_verdict tl_alive_timeout(struct tl_alive *a, uint64_t now, bool is_busy);

/* When to call it; never TL_NEVER. */
uint64_t tl_alive_deadline(const struct tl_alive *a, bool is_busy);

#endif
