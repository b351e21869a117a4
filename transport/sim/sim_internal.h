/*
 * What the parts of the simulator share: the clock with its events, the ports, the streams.
 *
 * An event is a heap entry; entries of one instant run in the order in which they were made. An
 * event that lost its object (a closed port, a dead stream) finds it by number, sees that it is
 * gone and does nothing.
 */
#ifndef TL_TRANSPORT_SIM_INTERNAL_H
#define TL_TRANSPORT_SIM_INTERNAL_H

#include "core/list.h"
#include "core/table.h"
#include "transport/sim/sim.h"

#define SIM_PARTITIONS_MAX   256
#define SIM_SOCKET_BYTES     (256u << 10) /* what a paused process's socket keeps */
#define SIM_STREAM_BYTES     (256u << 10) /* under way in one direction before TL_FULL */
#define SIM_PACKET_BYTES_MAX (16u + 65535u)

enum sim_event_kind {
  SIM_PACKET,   /* UDP: `to`, bytes */
  SIM_STREAM,   /* the first chunk of a stream's direction is due: `end` (the receiving one) */
  SIM_SYN,      /* a dial reaches its goal: `end` (the dialler's) */
  SIM_DIALLED,  /* its answer is back: `end`, `error` */
  SIM_WRITABLE, /* `end` may send again */
  SIM_RESUME,   /* `port_number` goes on after a pause */
};

struct sim_event {
  uint64_t time;
  uint64_t order;
  enum sim_event_kind kind;
  int error;
  uint64_t end;
  uint64_t port_number;
  struct tl_address from;
  struct tl_address to;
  size_t size;
  uint8_t bytes[];
};

/* A piece of a TCP stream; size 0 is the FIN, or a reset where `error` is not 0. */
struct sim_chunk {
  struct tl_list link;
  uint64_t time; /* not before this */
  int error;
  size_t size;
  size_t at; /* for a chunk that is being cut */
  uint8_t bytes[];
};

/* One end of a TCP connection; each end holds the direction that flows towards it. */
struct sim_end {
  uint64_t id;   /* of the whole simulation, never used again */
  uint64_t peer; /* the other end's id, or 0 */
  struct tl_sim_port *port;
  struct tl_list link; /* in the port's list */
  struct tl_path path;
  struct tl_address local; /* what the other end sees */
  bool is_open;            /* the user has heard `opened` */
  bool is_left;            /* the user has hung up: nothing is told any more */
  bool is_dead;          /* the way is gone for good (rebinding): nothing arrives, nobody is told */
  bool is_blocked;       /* its user was told TL_FULL */
  bool is_queued;        /* a SIM_STREAM event is under way for `chunks` */
  struct tl_list chunks; /* towards this end, in order */
  size_t chunk_bytes;
  uint64_t last_time; /* of the last chunk: streams do not overtake themselves */
  uint8_t *torn;
  size_t torn_size;
};

struct sim_partition {
  uint64_t from; /* port numbers; 0: any */
  uint64_t to;
};

struct tl_sim_port {
  struct tl_sim *sim;
  struct tl_list link;
  uint64_t number; /* from 1, never used again */
  struct tl_address address;
  struct tl_sim_user user;
  uint64_t due;          /* the user's deadline in the simulation's time */
  uint64_t paused_until; /* 0: runs */
  size_t paused_bytes;
  double rate;
  uint64_t rate_since; /* the simulation's time at which the port's clock showed rate_local */
  uint64_t rate_local;
  uint64_t busy_until; /* of the bottleneck */
  uint32_t burst_left; /* packets still to lose in a row */
  uint32_t last_connection;
  struct tl_list ends;
};

struct tl_sim {
  uint64_t now;
  struct tl_sim_random random;
  struct tl_sim_faults faults;
  struct tl_sim_tap tap;
  struct tl_sim_counters counters;
  uint64_t trace;
  uint64_t last_order, last_port, last_end;
  struct sim_event **heap;
  size_t heap_size, heap_room;
  struct tl_list ports;
  struct tl_table by_address;
  struct tl_table ends; /* by id */
  struct sim_partition partitions[SIM_PARTITIONS_MAX];
  size_t partition_count;
  uint8_t last_packet[SIM_PACKET_BYTES_MAX]; /* for splices */
  size_t last_packet_size;
};

/* sim.c: a new event with room for `size` bytes, to be filled in and handed to sim_event_add(). */
struct sim_event *sim_event_new(uint64_t time, enum sim_event_kind kind, size_t size);
void sim_event_add(struct tl_sim *sim, struct sim_event *event); /* takes it */
void sim_trace(struct tl_sim *sim, uint64_t port, const void *bytes, size_t size);
struct tl_sim_port *sim_port_at(const struct tl_sim *sim, const struct tl_address *address);
bool sim_is_parted(const struct tl_sim *sim, uint64_t from, uint64_t to);
/* After the user of `port` was called: its turn to answer, and its new deadline. */
void sim_port_turn(struct tl_sim_port *port);

/* packet.c */
void sim_packet_send(struct tl_sim *sim, struct tl_sim_port *from_port,
                     const struct tl_address *from, const struct tl_address *to,
                     const uint8_t *bytes, size_t size);
void sim_packet_arrive(struct tl_sim *sim, struct sim_event *event);
/* When something of `size` bytes that leaves now is at the other side, or TL_NEVER where the
 * bottleneck is full. */
uint64_t sim_arrival(struct tl_sim *sim, struct tl_sim_port *port, size_t size);

/* stream.c */
int sim_stream_send(struct tl_sim_port *port, const struct tl_burst *burst);
void sim_stream_event(struct tl_sim *sim, const struct sim_event *event);
void sim_streams_abandon(struct tl_sim_port *port); /* by rebinding: without a word */
void sim_streams_reset(struct tl_sim_port *port);   /* by closing: the others hear of it */

#endif
