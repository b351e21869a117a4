#include "transport/link/sentmap.h"

#include <stdlib.h>
#include <string.h>

#define PACKETS_FIRST 32u
#define ITEMS_FIRST   64u
#define NO_NUMBER     UINT64_MAX

void tl_sentmap_init(struct tl_sentmap *m, struct tl_account *account) {
  *m = (struct tl_sentmap){.account = account};
  memset(m->skipped, 0xff, sizeof m->skipped);
}

static void release(struct tl_sentmap *m) {
  m->account->bytes -=
      m->packet_capacity * sizeof *m->packets + m->item_capacity * sizeof *m->items;
  free(m->packets);
  free(m->items);
  m->packets = NULL;
  m->items = NULL;
  m->packet_capacity = m->item_capacity = 0;
}

void tl_sentmap_deinit(struct tl_sentmap *m) {
  release(m);
}

void tl_sentmap_trim(struct tl_sentmap *m) {
  if (m->first == m->last && m->item_start == m->item_end) release(m);
}

/* ---- Room ---- */

static int grow_packets(struct tl_sentmap *m) {
  if (m->packet_capacity >= TL_SENTMAP_PACKETS_MAX) return TL_FULL;
  uint32_t capacity = m->packet_capacity ? 2 * m->packet_capacity : PACKETS_FIRST;
  struct tl_sent_packet *packets = malloc(capacity * sizeof *packets);
  if (!packets) return TL_FULL;
  for (uint64_t i = m->first; i < m->last; i++)
    packets[i & (capacity - 1)] = *tl_sentmap_packet(m, i);
  free(m->packets);
  m->account->bytes += (capacity - m->packet_capacity) * sizeof *packets;
  m->packets = packets;
  m->packet_capacity = capacity;
  return 0;
}

static int grow_items(struct tl_sentmap *m, uint32_t needed) {
  uint32_t capacity = m->item_capacity ? m->item_capacity : ITEMS_FIRST;
  while (capacity < needed) capacity *= 2;
  if (capacity > TL_SENTMAP_ITEMS_MAX) return TL_FULL;
  struct tl_sent_item *items = malloc(capacity * sizeof *items);
  if (!items) return TL_FULL;
  for (uint32_t i = m->item_start; i != m->item_end; i++)
    items[i & (capacity - 1)] = m->items[i & (m->item_capacity - 1)];
  free(m->items);
  m->account->bytes += (capacity - m->item_capacity) * sizeof *items;
  m->items = items;
  m->item_capacity = capacity;
  return 0;
}

int tl_sentmap_reserve(struct tl_sentmap *m, uint32_t items) {
  if (m->last - m->first == m->packet_capacity && grow_packets(m)) return TL_FULL;
  uint32_t needed = m->item_end - m->item_start + items;
  return needed > m->item_capacity ? grow_items(m, needed) : 0;
}

uint32_t tl_sentmap_item_room(const struct tl_sentmap *m) {
  return m->item_capacity - (m->item_end - m->item_start);
}

/* ---- Building ---- */

static uint32_t committed_end(const struct tl_sentmap *m) {
  if (m->first == m->last) return m->item_start;
  const struct tl_sent_packet *newest = tl_sentmap_packet(m, m->last - 1);
  return newest->item_first + newest->item_count;
}

void tl_sentmap_add(struct tl_sentmap *m, const struct tl_sent_item *item) {
  m->items[m->item_end++ & (m->item_capacity - 1)] = *item;
}

uint32_t tl_sentmap_building(const struct tl_sentmap *m) {
  return m->item_end - committed_end(m);
}

void tl_sentmap_abandon(struct tl_sentmap *m) {
  m->item_end = committed_end(m);
}

/* A channel may be silent for whole epochs. */
static void next_epoch(struct tl_sentmap *m, uint32_t epoch) {
  TL_ASSERT(epoch > m->epoch);
  uint32_t steps = epoch - m->epoch;
  m->last_next[1] = steps == 1 ? m->last_next[0] : steps == 2 ? m->next : 0;
  m->last_next[0] = steps == 1 ? m->next : 0;
  m->epoch = epoch;
  m->next = 0;
  memset(m->skipped, 0xff, sizeof m->skipped);
}

void tl_sentmap_number(struct tl_sentmap *m, uint32_t epoch, uint64_t counter) {
  if (epoch != m->epoch) next_epoch(m, epoch);
  TL_ASSERT(counter >= m->next);
  for (uint64_t s = counter - m->next > TL_SENTMAP_SKIPPED_MAX ? counter - TL_SENTMAP_SKIPPED_MAX
                                                               : m->next;
       s < counter; s++)
    m->skipped[m->skipped_at++ % TL_SENTMAP_SKIPPED_MAX] = s;
  m->next = counter + 1;
}

void tl_sentmap_commit(struct tl_sentmap *m, const struct tl_sent_packet *packet) {
  uint32_t items = tl_sentmap_building(m);
  struct tl_sent_packet *entry = tl_sentmap_packet(m, m->last);
  *entry = *packet;
  entry->item_first = m->item_end - items;
  entry->item_count = (uint16_t)items;
  entry->state = TL_SENT_IN_FLIGHT;
  if (m->in_flight_count++ == 0) m->in_flight_first = m->last;
  m->last++;
}

/* ---- Acknowledgement ---- */

static bool is_before(const struct tl_sent_packet *p, uint32_t epoch, uint64_t counter) {
  return p->epoch != epoch ? p->epoch < epoch : p->counter < counter;
}

uint64_t tl_sentmap_find(const struct tl_sentmap *m, uint32_t epoch, uint64_t counter) {
  uint64_t low = m->first, high = m->last;
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    if (is_before(tl_sentmap_packet(m, middle), epoch, counter))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

int tl_sentmap_judge(const struct tl_sentmap *m, uint32_t epoch, uint64_t first, uint64_t last) {
  if (epoch > m->epoch) return TULLE_E_PROTOCOL;
  if (m->epoch - epoch > 2) return 0; /* not known any more; what is not in the map has no effect */
  uint64_t next = epoch == m->epoch ? m->next : m->last_next[m->epoch - epoch - 1];
  if (last >= next) return TULLE_E_PROTOCOL;
  if (epoch != m->epoch) return 0;
  for (uint32_t i = 1; i <= TL_SENTMAP_SKIPPED_MAX; i++) { /* from the highest down */
    uint64_t s = m->skipped[(m->skipped_at - i) % TL_SENTMAP_SKIPPED_MAX];
    if (s == NO_NUMBER || s < first) return 0;
    if (s <= last) return TULLE_E_PROTOCOL;
  }
  return 0;
}

void tl_sentmap_set_state(struct tl_sentmap *m, struct tl_sent_packet *packet,
                          enum tl_sent_state state) {
  if (packet->state == TL_SENT_IN_FLIGHT && state != TL_SENT_IN_FLIGHT) m->in_flight_count--;
  packet->state = (uint8_t)state;
}

uint64_t tl_sentmap_oldest(struct tl_sentmap *m) {
  if (m->in_flight_first < m->first) m->in_flight_first = m->first;
  while (tl_sentmap_packet(m, m->in_flight_first)->state != TL_SENT_IN_FLIGHT) m->in_flight_first++;
  return m->in_flight_first;
}

bool tl_sentmap_is_front_done(const struct tl_sentmap *m, uint64_t before) {
  if (m->first == m->last) return false;
  const struct tl_sent_packet *front = tl_sentmap_packet(m, m->first);
  return front->state == TL_SENT_SETTLED ||
         (front->state == TL_SENT_LOST && front->sent_at < before);
}

void tl_sentmap_pop(struct tl_sentmap *m) {
  const struct tl_sent_packet *front = tl_sentmap_packet(m, m->first);
  m->item_start = front->item_first + front->item_count;
  m->first++;
}
