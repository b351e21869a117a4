/*
 * What was sent on one channel and not yet settled: packets in the order of sending, and what each
 * of them carried.
 *
 * Both are queues in arrays that double when they must: new entries at the end, settled packets
 * leave from the front. A packet is named by (epoch, counter), which rises in the order of sending,
 * so names are found by binary search; loss is judged by the place in the queue, which has no gaps
 * where numbers were skipped. Packets that ask for no acknowledgement have no entry.
 *
 * A lost packet keeps its entry for a while, so that a late acknowledgement is still understood.
 */
#ifndef TL_LINK_SENTMAP_H
#define TL_LINK_SENTMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/time.h"
#include "transport/link/span.h"

/* Unsettled packets of one channel. More than 8,192 packets of 1,200 bytes are no LAN's. */
#define TL_SENTMAP_PACKETS_MAX 8192u
#define TL_SENTMAP_ITEMS_MAX   65536u
/* Numbers left out on purpose that are remembered, to recognise who acknowledges what was never
 * sent. */
#define TL_SENTMAP_SKIPPED_MAX 16u

enum tl_sent_kind {
  TL_SENT_ORDERED,  /* lane, at: offset, size, is_fin */
  TL_SENT_RELIABLE, /* lane, at: place in the buffer of reliable messages, size */
  TL_SENT_RESET,    /* lane */
  TL_SENT_CREDIT,   /* lane */
  TL_SENT_LINK_CREDIT,
  TL_SENT_LANES,
  TL_SENT_ACK, /* space, at: the largest number that was acknowledged */
};

/* Names a row of packet numbers. */
struct tl_space_name {
  uint32_t epoch;
  uint32_t channel;
};

struct tl_sent_item {
  union {
    void *lane;
    struct tl_space_name space;
  };
  uint64_t at;
  uint16_t size;
  uint8_t kind; /* enum tl_sent_kind */
  bool is_fin;
};

enum tl_sent_state { TL_SENT_IN_FLIGHT, TL_SENT_LOST, TL_SENT_SETTLED };

struct tl_sent_packet {
  uint64_t counter;
  uint64_t sent_at;
  uint32_t epoch;
  uint32_t mark;
  uint32_t bytes;      /* counted in flight */
  uint32_t item_first; /* index in the queue of items, modulo 2^32 */
  uint16_t item_count;
  uint16_t best_effort_count; /* messages that are gone if it is lost */
  uint8_t state;
  bool is_probe;
  bool was_idle; /* tl_congestion_is_idle() when it left */
};

struct tl_sentmap {
  struct tl_sent_packet *packets; /* capacities are powers of two */
  struct tl_sent_item *items;
  uint32_t packet_capacity;
  uint32_t item_capacity;
  uint64_t first; /* indices of packets: [first, last), never reused */
  uint64_t last;
  uint64_t in_flight_first; /* no packet before this is in flight */
  uint32_t in_flight_count;
  uint32_t item_start; /* indices of items: [item_start, item_end), modulo 2^32 */
  uint32_t item_end;
  uint32_t epoch;        /* of the newest packet */
  uint64_t next;         /* in that epoch: one past the highest number sent */
  uint64_t last_next[2]; /* `next` at the end of the last two epochs */
  uint32_t skipped_at;
  uint64_t skipped[TL_SENTMAP_SKIPPED_MAX]; /* of the present epoch; UINT64_MAX: none */
  struct tl_account *account;
};

void tl_sentmap_init(struct tl_sentmap *m, struct tl_account *account);
void tl_sentmap_deinit(struct tl_sentmap *m);

/* Makes room for one packet with `items` items. 0 or TL_FULL (bound reached, or no memory). */
int tl_sentmap_reserve(struct tl_sentmap *m, uint32_t items);

/* How many items a packet may have now, after a reserve. */
uint32_t tl_sentmap_item_room(const struct tl_sentmap *m);

/* Adds an item to the packet that is being built. */
void tl_sentmap_add(struct tl_sentmap *m, const struct tl_sent_item *item);

/* Items of the packet that is being built. */
uint32_t tl_sentmap_building(const struct tl_sentmap *m);

/* The items since the last commit belong to no packet after all. */
void tl_sentmap_abandon(struct tl_sentmap *m);

/* Notes that this number was sent. Numbers rise. */
void tl_sentmap_number(struct tl_sentmap *m, uint32_t epoch, uint64_t counter);

/* The packet that was being built has left: an entry with all of its items. The caller fills
 * counter, sent_at, epoch, bytes, mark and the flags. */
void tl_sentmap_commit(struct tl_sentmap *m, const struct tl_sent_packet *packet);

static inline struct tl_sent_packet *tl_sentmap_packet(const struct tl_sentmap *m, uint64_t index) {
  return m->packets + (index & (m->packet_capacity - 1));
}

static inline struct tl_sent_item *
tl_sentmap_item(const struct tl_sentmap *m, const struct tl_sent_packet *packet, uint32_t i) {
  return m->items + ((packet->item_first + i) & (m->item_capacity - 1));
}

/* Index of the first packet whose name is (epoch, counter) or later, or `last`. */
uint64_t tl_sentmap_find(const struct tl_sentmap *m, uint32_t epoch, uint64_t counter);

/* Judges one acknowledged range. 0, or TULLE_E_PROTOCOL: it holds a number that was never sent. */
int tl_sentmap_judge(const struct tl_sentmap *m, uint32_t epoch, uint64_t first, uint64_t last);

/* Changes a packet's state and keeps the counts. A settled packet's items are of no more use. */
void tl_sentmap_set_state(struct tl_sentmap *m, struct tl_sent_packet *packet,
                          enum tl_sent_state state);

/* The oldest packet in flight; in_flight_count > 0. */
uint64_t tl_sentmap_oldest(struct tl_sentmap *m);

/* True if the front packet can leave the map: settled, or lost and sent before `before`. */
bool tl_sentmap_is_front_done(const struct tl_sentmap *m, uint64_t before);

/* Takes the front packet out; the caller has dealt with its items. */
void tl_sentmap_pop(struct tl_sentmap *m);

/* Frees the arrays of an empty map. */
void tl_sentmap_trim(struct tl_sentmap *m);

#endif
