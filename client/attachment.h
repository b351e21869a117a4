/*
 * The state of an attachment, and who may touch what of it. All that works on it lies above; here
 * is no function.
 *
 * There is no thread of the library's own: whoever is inside a function of it and waits also hears
 * of the node (its events word ends every wait) and does what there is to do.
 */
#ifndef TL_CLIENT_ATTACHMENT_H
#define TL_CLIENT_ATTACHMENT_H

#include "client/alert.h"
#include "client/lead.h"
#include "client/line.h"
#include "core/table.h"
#include "tulle/attach.h"

struct tulle_channel;

enum tl_stay_state { TL_STAY_NONE, TL_STAY_GREETED, TL_STAY_READY };

/* From attaching to a node to its death: stay.h. The attachment's lock, but for what says otherwise. */
struct tl_stay {
  enum tl_stay_state state;   /* atomic: written under the lock, read anywhere */
  struct tulle_channel *node; /* channel 0, held; NULL unless READY */
  struct tulle_identity self;
  uint32_t events_seen;     /* atomic: the events word at the last poll */
  struct tl_table channels; /* by number */
  unsigned opening;         /* threads that are opening a channel */
  unsigned unclaimed;       /* clients' channels that are here and not yet theirs */
  struct tl_list segments;  /* mapped for a channel or a growth that is not complete */
  size_t segment_count;
  unsigned given_up;           /* atomic: channels that there was no descriptor left for */
  int code;                    /* why the last attempt failed */
  uint64_t retry_at, pause_ns; /* the next attempt, and the pause after it */
  uint64_t polled_at;          /* atomic: the last poll */
};

/* What the loop's leader has: loop.h. */
struct tl_loop {
  struct tl_list members;
  size_t member_count;
  struct tl_list ready;
  unsigned steps;    /* since all members were looked at */
  uint64_t taken_at; /* when the last call was taken off a ring, by the coarse clock */
  struct tl_list spares;
  size_t spare_count;
  bool has_room; /* somebody who was told AGAIN may try again, since the last wait began */

  /* descriptors, made when first needed */
  int epoll_fd; /* -1: none */
  int timer_fd;
  bool is_in_epoll;
  bool uses_fd;      /* the program has asked for the descriptor */
  uint64_t timer_at; /* what the timer is set to */
};

struct tulle {
  uint64_t process;  /* the process that it belongs to */
  char *runtime_dir; /* NULL: the environment's */
  char program[TL_SERVICE_NAME_BYTES_MAX + 1];
  bool may_autostart;
  struct tl_parking parking;
  struct tl_alert alert;
  struct tl_line line;

  struct tl_lock lock; /* guards the stay and the services */
  struct tl_stay stay;
  struct tl_list services; /* by link */
  uint64_t register_at;    /* atomic: when to offer again what was not taken; TL_NEVER */

  struct tl_lock list_lock; /* a leaf */
  struct tl_list channels;  /* every channel that is not destroyed, by all_link */

  struct tl_lead lead;
  struct tl_loop loop;
};

#endif
