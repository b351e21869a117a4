/*
 * The packets of a link.
 *
 * Out: first what goes to particular paths (ATTACH on a new connection, a PATH_RESPONSE, a
 * PATH_CHALLENGE, a packet that tries a size), each a packet of its own; then a burst for the path
 * in use, filled by the flow. A burst is sealed in place, packet behind packet; all are of the
 * path's full size but the last. One that the flow could not quite fill is filled up with PAD while
 * more is to come, so that bulk leaves in one system call.
 *
 * In: a packet is opened in place, then its frames are taken one by one: PING, PATH_*, REKEY*,
 * CLOSE and PAD here, all others by the flow. Whatever no honest peer sends ends the link.
 *
 * The flow names a packet by its channel and counter. Counters run on when the keys change, so its
 * epoch is always 0.
 */
#include "transport/link/endpoint_internal.h"

#define OWN_BYTES_MAX      (1 + REKEY_FRAME_BYTES + 3) /* PING and a REKEY frame */
#define PATH_PACKET_BYTES  (TL_PACKET_OVERHEAD + 1 + TL_FRAME_PATH_BYTES)
#define CLOSE_EACH         (100 * TL_MS)
#define RECORD_PLAIN_FLOOR 1024u /* no peer takes less */

/* A packet with more than this part of its room filled may be filled up to go in a burst. */
#define FILL_PART(room) ((room)*3 / 4)

/* ---- One packet ---- */

static struct tl_writer plain_writer(uint8_t *packet, size_t room) {
  return tl_writer_on(packet + TL_PACKET_HEAD_BYTES, room);
}

/* Seals `plain` bytes that stand at packet + 16. 0 and the packet's size, or the link is over. */
static int packet_seal(struct tl_link *link, uint64_t now, unsigned slot, uint8_t *packet,
                       size_t plain, size_t *out_size) {
  uint64_t counter;
  int r = tl_session_seal(link->session, now, slot, packet, plain, out_size, &counter);
  if (r < 0) {
    tl_link_end(link, now, link->alive.is_unreachable ? TL_REASON_LOST : TL_REASON_EXPIRED, 0,
                false);
    return TL_EMPTY;
  }
  return 0;
}

static struct tl_flow_packet packet_name(const struct tl_link *link, const struct connection *c,
                                         size_t bytes, bool is_eliciting) {
  unsigned slot = c ? c->slot : TL_CHANNEL_UDP;
  return (struct tl_flow_packet){.channel = c ? c->name : TL_FLOW_CHANNEL_UDP,
                                 .counter = tl_session_next_counter(link->session, slot),
                                 .bytes = bytes,
                                 .is_eliciting = is_eliciting};
}

/* A UDP packet with nothing but frames of ours, written to `w`. The flow notes its number, and
 * follows its fate only where it has a mark: questions and answers of paths are repeated by
 * route.c, and their loss says nothing about the path in use. */
static int poll_alone(struct tl_link *link, uint64_t now, const struct tl_address *to,
                      const struct tl_writer *w, uint32_t mark, struct tl_burst *out_burst) {
  uint8_t *packet = link->ep->out;
  size_t size = 0, plain = tl_writer_size(w);
  struct tl_flow_packet name = packet_name(link, NULL, plain + TL_PACKET_OVERHEAD, mark != 0);
  TL_ASSERT(!w->failed);
  name.is_probe = true;
  name.mark = mark;
  if (packet_seal(link, now, TL_CHANNEL_UDP, packet, plain, &size) != 0) return TL_EMPTY;
  tl_flow_sent(link->flow, now, &name);
  *out_burst = (struct tl_burst){{*to, TL_CARRIER_UDP, 0}, packet, size, size};
  return 0;
}

static int poll_response(struct tl_link *link, uint64_t now, struct tl_burst *out_burst) {
  struct tl_writer w = plain_writer(link->ep->out, PATH_PACKET_BYTES);
  if (!link->must_respond || link->ep->is_udp_blocked) return TL_EMPTY;
  link->must_respond = false;
  tl_frame_write_path(&w, TL_FRAME_PATH_RESPONSE, link->response);
  return poll_alone(link, now, &link->respond_to, &w, 0, out_burst);
}

static int poll_challenge(struct tl_link *link, uint64_t now, struct tl_burst *out_burst) {
  struct tl_writer w = plain_writer(link->ep->out, PATH_PACKET_BYTES);
  uint8_t challenge[TL_ROUTE_CHALLENGE_BYTES];
  struct tl_address to;
  if (link->state != LINK_UP || link->ep->is_udp_blocked ||
      !tl_route_poll(&link->route, now, PATH_PACKET_BYTES, challenge, &to))
    return TL_EMPTY;
  link->ep->counters.path_challenges++;
  tl_frame_write_path(&w, TL_FRAME_PATH_CHALLENGE, challenge);
  return poll_alone(link, now, &to, &w, 0, out_burst);
}

static int poll_size_probe(struct tl_link *link, uint64_t now, struct tl_burst *out_burst) {
  if (link->state != LINK_UP || link->on_tcp || link->ep->is_udp_blocked) return TL_EMPTY;
  uint32_t size = tl_mtu_poll(&link->mtu, now);
  if (size == 0) return TL_EMPTY;
  struct tl_writer w = plain_writer(link->ep->out, size - TL_PACKET_OVERHEAD);
  tl_frame_write_ping(&w);
  tl_frame_write_pad(&w, tl_writer_left(&w));
  link->ep->counters.mtu_probes++;
  return poll_alone(link, now, &link->route.address, &w, ++link->mtu_mark, out_burst);
}

/* ---- Bursts ---- */

/* Frames of ours that ride in front of the flow's; true: they ask for an acknowledgement. */
static bool write_own(struct tl_link *link, struct tl_writer *w) {
  struct link_rekey *k = &link->rekey;
  bool is_eliciting = link->must_ping || k->is_due;
  if (k->is_due)
    tl_frame_write_rekey(w, link->is_initiator ? TL_FRAME_REKEY1 : TL_FRAME_REKEY2, k->message,
                         sizeof(k->message));
  if (link->must_ping) tl_frame_write_ping(w);
  link->must_ping = k->is_due = false;
  return is_eliciting;
}

/* Plaintext of one packet; 0: nothing is due. A channel that is not in use gets acknowledgements. */
static size_t fill(struct tl_link *link, uint64_t now, const struct connection *c, uint8_t *packet,
                   size_t room) {
  struct tl_writer w = plain_writer(packet, OWN_BYTES_MAX);
  bool is_spare = c != link->main;
  bool is_eliciting = !is_spare && write_own(link, &w);
  size_t own = tl_writer_size(&w);
  struct tl_flow_packet name = packet_name(link, c, TL_PACKET_OVERHEAD + own, is_eliciting);
  name.is_spare = is_spare;
  return own +
         tl_flow_poll(link->flow, now, &name, packet + TL_PACKET_HEAD_BYTES + own, room - own);
}

static int poll_record(struct tl_link *link, uint64_t now, const struct connection *c,
                       struct tl_burst *out_burst) {
  uint8_t *packet = link->ep->out;
  size_t size = 0, room = TL_BURST_BYTES_MAX - TL_PACKET_OVERHEAD;
  if (!c || !c->has_attached || c->is_blocked || c->must_answer) return TL_EMPTY;
  if (link->peer.max_record && link->peer.max_record < room) room = link->peer.max_record;
  if (room < RECORD_PLAIN_FLOOR) room = RECORD_PLAIN_FLOOR;
  size_t plain = fill(link, now, c, packet, room);
  if (plain == 0 || packet_seal(link, now, c->slot, packet, plain, &size) != 0) return TL_EMPTY;
  *out_burst = (struct tl_burst){c->path, packet, size, size};
  return 0;
}

static int poll_data(struct tl_link *link, uint64_t now, struct tl_burst *out_burst) {
  size_t full = tl_mtu_size(&link->mtu), room = full - TL_PACKET_OVERHEAD, total = 0, first = 0;
  if (!link->route.is_known || link->ep->is_udp_blocked) return TL_EMPTY;
  for (size_t i = 0; i < TL_BURST_PACKETS_MAX && total + full <= TL_BURST_BYTES_MAX; i++) {
    uint8_t *packet = link->ep->out + total;
    size_t size = 0, plain = fill(link, now, NULL, packet, room);
    if (plain == 0) break;
    bool is_last = plain < room;
    if (is_last && plain >= FILL_PART(room) && i + 1 < TL_BURST_PACKETS_MAX &&
        total + 2 * full <= TL_BURST_BYTES_MAX &&
        tl_flow_has_output(link->flow, now, TL_FLOW_CHANNEL_UDP)) {
      memset(packet + TL_PACKET_HEAD_BYTES + plain, TL_FRAME_PAD, room - plain);
      plain = room;
      is_last = false;
    }
    if (packet_seal(link, now, TL_CHANNEL_UDP, packet, plain, &size) != 0) break;
    if (i == 0) first = size;
    total += size;
    if (is_last) break;
  }
  if (total == 0) return TL_EMPTY;
  *out_burst =
      (struct tl_burst){{link->route.address, TL_CARRIER_UDP, 0}, link->ep->out, total, first};
  return 0;
}

/* ---- The end ---- */

static int seal_close(struct tl_link *link, uint64_t now, const struct connection *c,
                      struct tl_burst *out_burst) {
  uint8_t *packet = link->ep->out;
  struct tl_writer w = plain_writer(packet, 16);
  uint64_t counter;
  size_t size = 0;
  unsigned slot = c ? c->slot : TL_CHANNEL_UDP;
  tl_frame_write_close(&w, link->code & TL_FRAME_REASON_MAX);
  if (tl_session_seal(link->session, now, slot, packet, tl_writer_size(&w), &size, &counter) != 0)
    return TL_EMPTY;
  *out_burst = (struct tl_burst){{link->route.address, TL_CARRIER_UDP, 0}, packet, size, size};
  if (c) out_burst->path = c->path;
  return 0;
}

/* CLOSE goes out once on each channel, after which its connection is closed, and a few times by
 * UDP: now, on a timer, and when the peer still sends. */
static int poll_close(struct tl_link *link, uint64_t now, struct tl_burst *out_burst) {
  TL_LIST_FOR_EACH(l, &link->channels) {
    struct connection *c = tl_container_of(l, struct connection, of_link);
    int r = TL_EMPTY;
    if (c->has_attached && !c->must_answer) r = seal_close(link, now, c, out_burst);
    tl_connection_drop(c);
    if (r == 0) return 0;
  }
  link->main = NULL;
  if (link->closes_left == 0 || now < link->close_at || !link->route.is_known ||
      link->ep->is_udp_blocked)
    return TL_EMPTY;
  link->closes_left--;
  link->close_at = tl_time_add(now, CLOSE_EACH);
  return seal_close(link, now, NULL, out_burst);
}

/* ---- Output ---- */

static int poll_attaches(struct tl_link *link, uint64_t now, struct tl_burst *out_burst) {
  TL_LIST_FOR_EACH(l, &link->channels) {
    struct connection *c = tl_container_of(l, struct connection, of_link);
    if (tl_connection_poll_attach(c, now, out_burst) == 0) return 0;
    if (link->state == LINK_OVER) break;
  }
  return TL_EMPTY;
}

static int poll_spare_channels(struct tl_link *link, uint64_t now, struct tl_burst *out_burst) {
  TL_LIST_FOR_EACH(l, &link->channels) {
    const struct connection *c = tl_container_of(l, struct connection, of_link);
    if (c == link->main || !tl_flow_has_output(link->flow, now, c->name)) continue;
    if (poll_record(link, now, c, out_burst) == 0) return 0;
    if (link->state == LINK_OVER) break;
  }
  return TL_EMPTY;
}

static int poll_live(struct tl_link *link, uint64_t now, struct tl_burst *out_burst) {
  if (link->attempt && link->attempt->state == ATTEMPT_HELD) return TL_EMPTY;
  if (poll_attaches(link, now, out_burst) == 0) return 0;
  if (poll_response(link, now, out_burst) == 0) return 0;
  if (poll_challenge(link, now, out_burst) == 0) return 0;
  if (poll_size_probe(link, now, out_burst) == 0) return 0;
  if (link->state == LINK_OVER) return TL_EMPTY;
  int r = link->on_tcp ? poll_record(link, now, link->main, out_burst)
                       : poll_data(link, now, out_burst);
  return r == 0 || link->state == LINK_OVER ? r : poll_spare_channels(link, now, out_burst);
}

/* Channels besides the one in use, or one that is not ready yet. */
static bool has_other_channels(const struct tl_link *link) {
  const struct connection *c = link->on_tcp ? link->main : NULL;
  const struct tl_list *first = link->channels.next;
  if (!c) return first != &link->channels;
  return first != &c->of_link || first->next != &link->channels || !c->has_attached;
}

bool tl_link_is_drained(const struct tl_link *link, uint64_t now) {
  if (link->state != LINK_UP || link->attempt || link->must_ping || link->must_respond ||
      link->rekey.is_due || has_other_channels(link))
    return false;
  uint32_t channel = link->on_tcp && link->main ? link->main->name : TL_FLOW_CHANNEL_UDP;
  return !tl_flow_has_output(link->flow, now, channel);
}

int tl_link_poll(struct tl_link *link, uint64_t now, struct tl_burst *out_burst) {
  int r = TL_EMPTY;
  if (link->state != LINK_OVER) r = poll_live(link, now, out_burst);
  if (r != 0 && link->state == LINK_OVER) r = poll_close(link, now, out_burst);
  if (r == 0) return 0;
  tl_link_settle(link, now);
  return TL_EMPTY;
}

/* ---- Input ---- */

/* A link that is forced to TCP does not invite its peer back to UDP. */
static void take_challenge(struct tl_link *link, const struct tl_path *path,
                           const uint8_t *challenge) {
  bool is_forced = link->choice == TL_CARRIER_ONLY_TCP && link->main;
  if (path->carrier != TL_CARRIER_UDP || is_forced) return;
  link->must_respond = true;
  link->respond_to = path->remote;
  memcpy(link->response, challenge, sizeof(link->response));
}

/* One frame. 0; TL_FULL; TULLE_E_PROTOCOL; TL_END: the link is over. */
static int take_frame(struct tl_link *link, uint64_t now, const struct tl_path *path,
                      const struct tl_frame *frame) {
  switch (frame->type) {
  case TL_FRAME_PAD:
  case TL_FRAME_PING:
    return 0;
  case TL_FRAME_PATH_CHALLENGE:
    take_challenge(link, path, frame->path);
    return 0;
  case TL_FRAME_PATH_RESPONSE:
    tl_link_path_response(link, now, frame->path);
    return 0;
  case TL_FRAME_REKEY1:
  case TL_FRAME_REKEY2:
    tl_link_rekey_frame(link, now, frame);
    break;
  case TL_FRAME_CLOSE:
    tl_link_end(link, now, TL_REASON_CLOSED, frame->reason, false);
    break;
  default:
    return tl_flow_frame(link->flow, now, frame);
  }
  return link->state == LINK_OVER ? TL_END : 0;
}

static bool is_own(enum tl_frame_type type) {
  return type == TL_FRAME_PING || type == TL_FRAME_PATH_CHALLENGE ||
         type == TL_FRAME_PATH_RESPONSE || type == TL_FRAME_REKEY1 || type == TL_FRAME_REKEY2;
}

static bool is_content(enum tl_frame_type type) {
  return type == TL_FRAME_STREAM || type == TL_FRAME_MSG;
}

/* All frames of an opened packet. 0, TL_FULL (counts as never received) or TL_END. */
static int take_frames(struct tl_link *link, uint64_t now, const struct tl_path *path,
                       const struct tl_opened *opened, uint32_t channel) {
  struct tl_reader reader = tl_reader_on(opened->plain, opened->plain_bytes);
  struct tl_flow_packet name = {.channel = channel,
                                .counter = opened->counter,
                                .bytes = opened->plain_bytes + TL_PACKET_OVERHEAD};
  struct tl_frame frame;
  bool is_active = false;
  int r;
  while ((r = tl_frame_next(&reader, &frame)) == 0) {
    r = take_frame(link, now, path, &frame);
    if (r != 0) break;
    name.is_eliciting |= is_own(frame.type);
    if (is_content(frame.type)) link->used_at = now;
    is_active |= tl_frame_is_eliciting(frame.type);
  }
  if (link->state == LINK_OVER) return TL_END;
  if (r == TL_END) r = tl_flow_received(link->flow, now, &name);
  if (r < 0) {
    link->ep->counters.drop_frames++;
    tl_link_end(link, now, TL_REASON_PROTOCOL, TL_REASON_PROTOCOL, true);
    return TL_END;
  }
  link->ep->counters.drop_room += r == TL_FULL;
  if (r == 0 && is_active) tl_link_peer_sends_on(link, now, channel);
  return r;
}

/* A packet of the session was opened: what is common to all ways in which it may have come. */
static void note_packet(struct tl_link *link, uint64_t now, const struct tl_opened *opened) {
  link->packets_in++;
  link->bytes_in += opened->plain_bytes + TL_PACKET_OVERHEAD;
  tl_link_heard(link, now);
  tl_link_prove(link, now);
  tl_link_touch(link);
  tl_link_raise(link, NOTE_LINK_LANES);
}

void tl_link_push_data(struct tl_link *link, uint64_t now, const struct tl_path *path,
                       uint8_t *packet, size_t size) {
  struct tl_opened opened;
  if (tl_session_open(link->session, now, TL_CHANNEL_UDP, packet, size, &opened) != 0) return;
  if (link->state == LINK_OVER) { /* it has not heard of the end */
    link->ep->counters.drop_late++;
    tl_link_touch(link);
    return;
  }
  note_packet(link, now, &opened);
  if (link->state == LINK_OVER) return;
  link->udp_heard_at = now;
  tl_link_heard_from(link, now, &path->remote, size, opened.is_highest);
  (void)take_frames(link, now, path, &opened, TL_FLOW_CHANNEL_UDP);
}

bool tl_link_push_record(struct tl_link *link, uint64_t now, struct connection *c, uint8_t *packet,
                         size_t size) {
  struct tl_opened opened;
  if (tl_session_open(link->session, now, c->slot, packet, size, &opened) != 0) return false;
  if (link->state == LINK_OVER) {
    link->ep->counters.drop_late++;
    return true;
  }
  note_packet(link, now, &opened);
  if (link->state == LINK_OVER) return true;
  return take_frames(link, now, &c->path, &opened, c->name) != TL_FULL;
}

void tl_link_take_attach(struct tl_link *link, uint64_t now, const struct tl_opened *opened) {
  note_packet(link, now, opened);
  for (size_t i = 0; i < opened->plain_bytes; i++) {
    if (opened->plain[i] == TL_FRAME_PAD) continue;
    link->ep->counters.drop_frames++;
    tl_link_end(link, now, TL_REASON_PROTOCOL, TL_REASON_PROTOCOL, true);
    return;
  }
}
