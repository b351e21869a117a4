/*
 * A seat: the host's side of one end of a channel.
 *
 * Two programs: both seats hand a segment out, wait until it is mapped, seal it and give it to the
 * other one. Then they hold nothing but their numbers: the node is out of it. A program and the
 * node: the seat also keeps the node's side of the channel, and reads and writes it in turns.
 */
#ifndef TL_NODE_HOST_SEAT_H
#define TL_NODE_HOST_SEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "node/host/port.h"
#include "transport/ring/channel.h"

/* A segment that a program was handed to map for writing. */
struct tl_segment_offer {
  struct tl_seat *seat;
  uint32_t number; /* 0: none */
  uint32_t data_bytes;
  int fd; /* -1: handed over, or none */
  bool is_data;
};

/* How far a program's wish for a larger data area has come. */
enum tl_growth { TL_GROWTH_NONE, TL_GROWTH_WAITING, TL_GROWTH_MAPPING, TL_GROWTH_ATTACHING };

struct tl_seat {
  struct tl_port *port;
  struct tl_end *end;    /* NULL: forgotten */
  struct tl_seat *other; /* the other program's; NULL: the node's, or gone */
  struct tl_segment_offer own;
  struct tl_segment_offer data; /* while it grows */
  enum tl_growth growth;
  uint32_t growth_bytes; /* asked for, while it waits */
  bool is_mapped;        /* `own` is */
  int bell_fd;           /* eventfd that wakes this party, until handed over; -1 */

  /* Where the other party is the node. */
  struct tl_channel *channel; /* NULL until open */
  struct tl_segment node_segment;
  int node_segment_fd;
  int node_bell_fd;
  struct tl_segment next_area; /* the program's granted data area, mapped, until its SWITCH comes */
  uint32_t next_area_number;
  struct tl_segment node_area; /* the node's next data area; what is mapped is being granted */
  uint32_t node_area_number;   /* the last one made */
  bool is_node_area_ready;     /* the program has attached it */
  bool is_growth_refused;      /* by the program's account: not asked again */
  bool is_room_wanted;         /* write() said TL_FULL to a body of `room_bytes` */
  uint32_t room_bytes;
  bool is_broken;
  bool has_more; /* another turn is due without a ring of the bell */
  struct tl_watch watch;
  struct tl_list link; /* of at most one: host->touched, busy, gone */
};

/* Operations of tl_port_ops. */
int tl_seat_introduce(struct tl_end *client, struct tl_end *server);
int tl_seat_connect(struct tl_end *end);
void tl_seat_close(struct tl_end *end, int code, uint64_t begun);
void tl_seat_forget(struct tl_end *end);
uint32_t tl_seat_piece_bytes_max(const struct tl_end *end);
int tl_seat_write(struct tl_end *end, const struct tl_piece *piece);
void tl_seat_resume(struct tl_end *end);
void tl_seat_leave(struct tl_end *end);
void tl_seat_begin(struct tl_end *end, uint64_t id);
uint64_t tl_seat_begun(const struct tl_end *end);

/* Hands the segment of channel 0 out, which tl_seat_connect() had kept until the welcome. */
void tl_seat_hand_out(struct tl_seat *seat);

/* Control messages of the program. A negative result ends its attachment: it broke the protocol. */
int tl_seat_mapped(struct tl_port *port, uint32_t segment);
int tl_seat_grow(struct tl_port *port, uint32_t channel, uint64_t bytes);
int tl_seat_attached(struct tl_port *port, uint32_t channel, uint32_t segment);

/* The bell rang, or the last turn left something: one bounded turn. */
void tl_seat_turn(struct tl_seat *seat);

/* The end of a turn: shows what was written and goes to sleep, or becomes busy. */
void tl_seat_settle(struct tl_seat *seat);

void tl_seat_free(struct tl_seat *seat);

#endif
