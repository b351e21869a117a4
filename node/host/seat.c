#include "node/host/seat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Calls on channel 0 in one turn: fewer than records of a lane, because each is some work. */
#define TURN_CALLS_MAX 16

/* It is to be settled at the end of this turn. */
static void seat_touch(struct tl_seat *s) {
  if (!s->end) return;
  tl_list_remove(&s->link);
  tl_list_push_back(&s->port->host->touched, &s->link);
}

/* ---- segments handed out ---- */

static void offer_drop(struct tl_port *port, struct tl_segment_offer *o) {
  tl_table_remove(&port->segments, &o->number, sizeof o->number);
  if (o->fd >= 0) close(o->fd);
  o->fd = -1;
}

/* Makes a segment for the seat's program and remembers that it is to be mapped. */
static int offer_make(struct tl_seat *s, struct tl_segment_offer *o, bool is_data,
                      uint32_t data_bytes) {
  struct tl_port *port = s->port;
  if (port->next_segment == UINT32_MAX) return TULLE_E_LIMIT;
  int fd, r = tl_segment_create(is_data ? TL_SEGMENT_DATA : TL_SEGMENT_PARTY, data_bytes, &fd);
  if (r < 0) return r;
  *o = (struct tl_segment_offer){s, port->next_segment, data_bytes, fd, is_data};
  r = tl_table_insert(&port->segments, &o->number, sizeof o->number, o);
  if (r < 0) {
    close(fd);
    o->fd = -1;
    return r;
  }
  port->next_segment++;
  return 0;
}

static void offer_send(const struct tl_segment_offer *o) {
  struct tl_control m = {.type = TL_CONTROL_SEGMENT,
                         .segment = o->number,
                         .channel = o->seat->end->number,
                         .bytes = o->data_bytes,
                         .is_data = o->is_data};
  tl_port_send(o->seat->port, &m, &o->fd);
}

/* ---- life ---- */

static int bell_make(int *out_fd) {
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return -errno;
  *out_fd = fd;
  return 0;
}

static void bell_ready(struct tl_watch *watch, uint32_t events) {
  (void)events;
  tl_seat_turn(tl_container_of(watch, struct tl_seat, watch));
}

static int seat_new(struct tl_end *end, struct tl_seat **out_seat) {
  struct tl_seat *s = calloc(1, sizeof *s);
  if (!s) return TULLE_E_NO_MEMORY;
  s->port = end->program->port;
  s->own.fd = s->data.fd = s->bell_fd = s->node_segment_fd = s->node_bell_fd = -1;
  s->watch = (struct tl_watch){bell_ready};
  tl_list_init(&s->link);
  int r = offer_make(s, &s->own, false, TL_RING_BYTES_MIN);
  if (r == 0) r = bell_make(&s->bell_fd);
  if (r < 0) {
    tl_seat_free(s);
    return r;
  }
  *out_seat = s;
  return 0;
}

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

/* Gives back what is only needed while the channel lives; the node's side stays until the turn's end. */
static void seat_shut(struct tl_seat *s) {
  offer_drop(s->port, &s->own);
  offer_drop(s->port, &s->data);
  close_fd(&s->bell_fd);
  close_fd(&s->node_segment_fd);
  if (s->other) s->other->other = NULL;
  s->other = NULL;
}

static void seat_drop_channel(struct tl_seat *s) {
  if (s->channel) {
    /* The program holds this eventfd as well, so closing it would not end the watch. */
    tl_poller_remove(&s->port->host->poller, tl_channel_fd(s->channel), &s->watch);
    if (s->port->events == &s->channel->own.page->events) s->port->events = NULL;
    tl_channel_deinit(s->channel); /* closes both bells, unmaps */
    free(s->channel);
    s->channel = NULL;
  }
  tl_segment_unmap(&s->node_segment);
  tl_segment_unmap(&s->next_area);
  tl_segment_unmap(&s->node_area);
  close_fd(&s->node_bell_fd);
}

void tl_seat_free(struct tl_seat *s) {
  seat_shut(s);
  seat_drop_channel(s);
  tl_list_remove(&s->link);
  free(s);
}

void tl_seat_close(struct tl_end *end, int code, uint64_t begun) {
  struct tl_seat *s = end->seat;
  struct tl_control m = {
      .type = TL_CONTROL_CLOSED, .channel = end->number, .code = code, .begun = begun};
  if (s->channel && !s->is_broken)
    tl_channel_publish(s->channel); /* what came before the end is there before the word */
  seat_shut(s);
  seat_touch(s);
  tl_port_send(s->port, &m, NULL);
}

void tl_seat_forget(struct tl_end *end) {
  struct tl_seat *s = end->seat;
  seat_shut(s);
  if (s->channel && s->port->events == &s->channel->own.page->events) s->port->events = NULL;
  s->end = NULL;
  end->seat = NULL;
  tl_list_remove(&s->link);
  tl_list_push_back(&s->port->host->gone, &s->link);
}

static void seat_take(struct tl_seat *s, struct tl_end *end) {
  s->end = end;
  end->seat = s;
}

/* ---- making a channel ---- */

int tl_seat_introduce(struct tl_end *client, struct tl_end *server) {
  struct tl_seat *a, *b;
  if (tl_port_is_behind(server->program->port)) return TULLE_E_BUSY;
  int r = seat_new(client, &a);
  if (r < 0) return r;
  r = seat_new(server, &b);
  if (r < 0) {
    tl_seat_free(a);
    return r;
  }
  seat_take(a, client), seat_take(b, server);
  a->other = b, b->other = a;
  offer_send(&a->own), offer_send(&b->own);
  return 0;
}

/* The node's half: its segment, mapped before it is sealed, and the bell that wakes it. */
static int make_node_side(struct tl_seat *s) {
  int r = tl_segment_create(TL_SEGMENT_PARTY, TL_RING_BYTES_MIN, &s->node_segment_fd);
  if (r == 0)
    r = tl_segment_map(s->node_segment_fd, TL_SEGMENT_PARTY, TL_SEGMENT_WRITER, TL_RING_BYTES_MIN,
                       &s->node_segment);
  if (r == 0) r = tl_segment_seal(s->node_segment_fd);
  return r < 0 ? r : bell_make(&s->node_bell_fd);
}

int tl_seat_connect(struct tl_end *end) {
  struct tl_seat *s;
  if (tl_port_is_behind(end->program->port)) return TULLE_E_BUSY;
  int r = seat_new(end, &s);
  if (r < 0) return r;
  r = make_node_side(s);
  if (r < 0) {
    tl_seat_free(s);
    return r;
  }
  seat_take(s, end);
  if (end->number == 0)
    s->port->control = s;
  else
    offer_send(&s->own);
  return 0;
}

void tl_seat_hand_out(struct tl_seat *s) {
  offer_send(&s->own);
}

static void channel_send(struct tl_seat *s, const int fds[3], uint32_t peer_bytes) {
  const struct tl_end *end = s->end;
  struct tl_control m = {.type = TL_CONTROL_CHANNEL,
                         .channel = end->number,
                         .segment = s->own.number,
                         .bytes = peer_bytes,
                         .role = end->role,
                         .party = end->other};
  snprintf(m.name, sizeof m.name, "%s", end->service);
  tl_port_send(s->port, &m, fds);
}

static void handed_over(struct tl_seat *s) {
  close_fd(&s->own.fd);
  close_fd(&s->bell_fd);
}

static void introduction_finish(struct tl_seat *a, struct tl_seat *b) {
  channel_send(a, (int[3]){b->own.fd, a->bell_fd, b->bell_fd}, b->own.data_bytes);
  channel_send(b, (int[3]){a->own.fd, b->bell_fd, a->bell_fd}, a->own.data_bytes);
  handed_over(a), handed_over(b);
  tl_node_introduced(a->end->role == TL_ROLE_CLIENT ? a->end : b->end, a->port->host->now);
}

static int connection_finish(struct tl_seat *s) {
  struct tl_host *host = s->port->host;
  struct tl_segment theirs;
  int r =
      tl_segment_map(s->own.fd, TL_SEGMENT_PARTY, TL_SEGMENT_READER, s->own.data_bytes, &theirs);
  if (r < 0) return r;
  struct tl_channel *c = aligned_alloc(_Alignof(struct tl_channel), sizeof *c);
  if (c) r = tl_poller_add(&host->poller, s->node_bell_fd, EPOLLIN | EPOLLET, &s->watch);
  if (!c || r < 0) {
    tl_segment_unmap(&theirs);
    free(c);
    return c ? r : TULLE_E_NO_MEMORY;
  }
  channel_send(s, (int[3]){s->node_segment_fd, s->bell_fd, s->node_bell_fd}, TL_RING_BYTES_MIN);
  tl_channel_init(c, &s->node_segment, &theirs, s->node_bell_fd, s->bell_fd,
                  TL_SERVICE_CALL_BYTES_MAX);
  if (s->end->number == 0) s->port->events = &s->node_segment.page->events;
  s->channel = c;
  s->node_segment = (struct tl_segment){0}; /* the channel's now, with both bells */
  s->node_bell_fd = s->bell_fd = -1;
  close_fd(&s->node_segment_fd);
  close_fd(&s->own.fd);
  seat_touch(s);
  tl_node_introduced(s->end, host->now);
  return 0;
}

/* ---- growing ---- */

static void grown_send(struct tl_seat *to, const struct tl_segment_offer *o, bool is_peer) {
  struct tl_control m = {.type = TL_CONTROL_GROWN,
                         .channel = to->end->number,
                         .segment = o ? o->number : 0,
                         .bytes = o ? o->data_bytes : 0,
                         .is_peer = is_peer};
  tl_port_send(to->port, &m, is_peer ? &o->fd : NULL);
}

static void growth_finish(struct tl_seat *writer) {
  grown_send(writer, &writer->data, false);
  close_fd(&writer->data.fd);
  writer->growth = TL_GROWTH_NONE;
}

static bool is_growth_size(uint64_t bytes) {
  return bytes <= TL_RING_BYTES_MAX && tl_segment_is_size((uint32_t)bytes);
}

/* Asks the program to map its new area, or tells it that there is none. */
static void growth_begin(struct tl_seat *s, uint32_t bytes) {
  s->growth = TL_GROWTH_NONE;
  int r = tl_end_charge_growth(s->end, bytes);
  if (r == 0) r = offer_make(s, &s->data, true, bytes);
  if (r < 0) {
    grown_send(s, NULL, false);
    return;
  }
  s->growth = TL_GROWTH_MAPPING;
  offer_send(&s->data);
}

int tl_seat_grow(struct tl_port *port, uint32_t channel, uint64_t bytes) {
  struct tl_end *end = tl_program_end(port->program, channel);
  if (!end || end->state == TL_END_CLOSED) return 0; /* it crossed our `closed` */
  struct tl_seat *s = end->seat;
  if (end->state != TL_END_OPEN || s->growth != TL_GROWTH_NONE || !is_growth_size(bytes))
    return TULLE_E_PROTOCOL;
  if (!s->next_area.data) {
    growth_begin(s, (uint32_t)bytes);
    return 0;
  }
  /* Its SWITCH to the area before this one may still stand in the ring, so that area has to stay. */
  s->growth = TL_GROWTH_WAITING;
  s->growth_bytes = (uint32_t)bytes;
  return 0;
}

/* The writer has mapped its new area, which is sealed now. */
static int growth_mapped(struct tl_seat *s) {
  if (!s->channel) {
    if (!s->other) return 0; /* its other side is going */
    s->growth = TL_GROWTH_ATTACHING;
    grown_send(s->other, &s->data, true);
    return 0;
  }
  int r = tl_segment_map(s->data.fd, TL_SEGMENT_DATA, TL_SEGMENT_READER, s->data.data_bytes,
                         &s->next_area);
  if (r < 0) return r;
  s->next_area_number = s->data.number;
  growth_finish(s);
  return 0;
}

/* ---- growing: the node ---- */

/* A larger area for what the node writes: mapped, sealed, and its descriptor. */
static int node_area_make(struct tl_segment *out, uint32_t bytes, int *out_fd) {
  int fd, r = tl_segment_create(TL_SEGMENT_DATA, bytes, &fd);
  if (r < 0) return r;
  r = tl_segment_map(fd, TL_SEGMENT_DATA, TL_SEGMENT_WRITER, bytes, out);
  if (r == 0) r = tl_segment_seal(fd);
  if (r < 0) {
    tl_segment_unmap(out);
    close(fd);
    return r;
  }
  *out_fd = fd;
  return 0;
}

/* The traffic asks for it, and the program's account has it: otherwise the ring stays as it is. */
static void node_grow(struct tl_seat *s) {
  uint32_t bytes = tl_channel_wanted_bytes(s->channel);
  struct tl_segment_offer o = {.data_bytes = bytes, .number = s->node_area_number + 1};
  if (!bytes || s->node_area.data || s->is_growth_refused) return;
  s->is_growth_refused =
      tl_end_charge_growth(s->end, bytes) < 0 || node_area_make(&s->node_area, bytes, &o.fd) < 0;
  if (s->is_growth_refused) return;
  s->node_area_number++;
  grown_send(s, &o, true);
  close(o.fd);
}

/* Goes on in the new area as soon as there is room for the word that says so. */
static void node_switch(struct tl_seat *s) {
  int r = tl_channel_switch(s->channel, &s->node_area, s->node_area_number);
  if (r == TL_FULL || r == TULLE_E_BUSY) return;
  if (r < 0) {
    s->is_broken = true;
    return;
  }
  s->node_area = (struct tl_segment){0};
  s->is_node_area_ready = false;
}

static int node_area_attached(struct tl_seat *s, uint32_t number) {
  if (!s->channel || !s->node_area.data || s->is_node_area_ready || number != s->node_area_number)
    return TULLE_E_PROTOCOL;
  s->is_node_area_ready = true;
  seat_touch(s);
  return 0;
}

/* A program has mapped what its channel's other party will write. */
int tl_seat_attached(struct tl_port *port, uint32_t channel, uint32_t segment) {
  struct tl_end *end = tl_program_end(port->program, channel);
  if (!end || end->state == TL_END_CLOSED) return 0;
  struct tl_seat *s = end->seat, *writer = s->other;
  if (end->far) return node_area_attached(s, segment);
  if (!writer) return 0;
  if (writer->growth != TL_GROWTH_ATTACHING || writer->data.number != segment)
    return TULLE_E_PROTOCOL;
  growth_finish(writer);
  return 0;
}

int tl_seat_mapped(struct tl_port *port, uint32_t segment) {
  struct tl_segment_offer *o = tl_table_remove(&port->segments, &segment, sizeof segment);
  /* One that we took back meanwhile is passed over. */
  if (!o) return segment > 0 && segment < port->next_segment ? 0 : TULLE_E_PROTOCOL;
  struct tl_seat *s = o->seat;
  /* Its writer can have sealed the seals. Then others could not trust it. */
  if (tl_segment_seal(o->fd) < 0) return TULLE_E_PROTOCOL;
  if (o->is_data) return growth_mapped(s);
  s->is_mapped = true;
  if (s->end->far) return connection_finish(s);
  if (s->other && s->other->is_mapped) introduction_finish(s, s->other);
  return 0;
}

/* ---- the node's own channels ---- */

uint32_t tl_seat_piece_bytes_max(const struct tl_end *end) {
  const struct tl_seat *s = end->seat;
  return tl_channel_body_bytes_max(s->channel);
}

int tl_seat_write(struct tl_end *end, const struct tl_piece *piece) {
  struct tl_seat *s = end->seat;
  void *body;
  seat_touch(s);
  int r = tl_channel_reserve(s->channel, piece->size, &body);
  if (piece->flags & TL_RECORD_MORE) s->channel->full_count++; /* it had to be cut */
  if (r == TL_FULL) {
    s->is_room_wanted = true;
    s->room_bytes = piece->size;
  } else if (r < 0) {
    s->is_broken = true;
  }
  if (r) return r;
  if (piece->size) memcpy(body, piece->data, piece->size);
  tl_ring_commit(&s->channel->tx, piece->kind, piece->flags, piece->size);
  return 0;
}

void tl_seat_resume(struct tl_end *end) {
  struct tl_seat *s = end->seat;
  s->has_more = true;
  seat_touch(s);
}

void tl_seat_leave(struct tl_end *end) {
  tl_seat_resume(end);
}

void tl_seat_begin(struct tl_end *end, uint64_t id) {
  const struct tl_seat *s = end->seat;
  tl_channel_begin(s->channel, id);
}

uint64_t tl_seat_begun(const struct tl_end *end) {
  const struct tl_seat *s = end->seat;
  if (!s->channel) return 0;
  return __atomic_load_n(&s->channel->peer.page->begun, __ATOMIC_ACQUIRE);
}

/* The program goes on in the area that it was granted. */
static int follow_switch(struct tl_seat *s) {
  struct tl_switch_body asked = tl_channel_switch_asked(s->channel);
  if (!s->next_area.data || asked.number != s->next_area_number) return TULLE_E_PROTOCOL;
  int r = tl_channel_attach(s->channel, &s->next_area, asked.number);
  if (r < 0) return TULLE_E_PROTOCOL;
  s->next_area = (struct tl_segment){0};
  if (s->growth == TL_GROWTH_WAITING) growth_begin(s, s->growth_bytes);
  return 0;
}

/* 0 and the next piece; otherwise as tl_channel_peek(). */
static int peek_piece(struct tl_seat *s, struct tl_piece *out) {
  struct tl_message m;
  struct tl_record record;
  int r;
  if (s->end->is_whole) {
    r = tl_channel_peek(s->channel, &m);
    if (r == 0)
      *out = (struct tl_piece){
          .sequence = m.sequence, .data = m.body, .size = (uint32_t)m.length, .kind = m.kind};
  } else {
    r = tl_channel_peek_record(s->channel, &record);
    if (r == 0)
      *out = (struct tl_piece){.sequence = record.sequence,
                               .data = record.body,
                               .size = record.length,
                               .kind = record.kind,
                               .flags = record.flags};
  }
  return r;
}

static bool seat_is_open(const struct tl_seat *s) {
  return s->end && s->end->state == TL_END_OPEN && s->channel && !s->is_broken;
}

/* Takes what there is, within a turn. True when there may be more. */
static bool take_pieces(struct tl_seat *s) {
  size_t pieces_max = s->end->is_whole ? TURN_CALLS_MAX : TL_TURN_RECORDS_MAX, bytes = 0;
  for (size_t i = 0; i < pieces_max && bytes < TL_TURN_BYTES_MAX; i++) {
    struct tl_piece piece;
    if (!seat_is_open(s) || s->end->is_paused) return false;
    int r = peek_piece(s, &piece);
    if (r == TL_RING_SWITCH) {
      r = follow_switch(s);
      if (r == 0) continue;
    }
    if (r == TL_EMPTY) return false;
    if (r == TL_MORE || r == TULLE_E_NO_MEMORY) return true;
    if (r == 0) r = tl_node_piece(s->end, s->port->host->now, &piece);
    if (r < 0) s->is_broken = true;
    if (r != 0) return false;
    bytes += piece.size;
    if (seat_is_open(s)) tl_channel_release(s->channel);
  }
  return true;
}

void tl_seat_turn(struct tl_seat *s) {
  if (!seat_is_open(s)) return;
  tl_channel_disarm_edge(s->channel);
  if (s->is_room_wanted) {
    s->is_room_wanted = false;
    tl_channel_disarm_room(s->channel);
    tl_node_writable(s->end, s->port->host->now);
  }
  s->has_more = false;
  if (take_pieces(s)) s->has_more = true; /* as resuming it does */
  seat_touch(s);
}

void tl_seat_settle(struct tl_seat *s) {
  if (!s->end) return;
  if (s->is_broken && s->end->state == TL_END_OPEN) tl_node_broken(s->end, s->port->host->now);
  if (s->end->state == TL_END_CLOSED) {
    seat_drop_channel(s);
    return;
  }
  if (!seat_is_open(s)) return;
  if (s->end->is_leaving) {
    if (s->has_more)
      tl_list_push_back(&s->port->host->busy, &s->link);
    else if (!s->end->is_paused)
      tl_node_left(s->end, s->port->host->now);
    return;
  }
  if (s->is_node_area_ready) node_switch(s);
  node_grow(s);
  /* Before the program wakes: if it answers at once, the look that arming ends with finds that, without a bell. */
  tl_channel_disarm_edge(s->channel);
  tl_channel_publish(s->channel);
  tl_channel_flush(s->channel);
  if (!s->has_more && !s->end->is_paused) s->has_more = tl_channel_arm(s->channel);
  if (s->is_room_wanted && tl_channel_arm_room(s->channel, s->room_bytes)) s->has_more = true;
  if (s->has_more) tl_list_push_back(&s->port->host->busy, &s->link);
}
