/* RFC 9002 on virtual time: round-trip time, congestion, pacing, and what counts as lost when. */
#include "transport/link/recovery.h"

#include "tests/unit/test.h"

#define FULL  1200u
#define DELAY (2 * TL_MS)
#define RTT   (10 * TL_MS)

static struct tl_account account;

/* ---- Round-trip time ---- */

static void the_first_sample_replaces_the_guess(void **state) {
  (void)state;
  struct tl_rtt r;
  tl_rtt_init(&r, 0);
  assert_int_equal(r.smoothed, TL_RTT_UNKNOWN_NS);
  tl_rtt_init(&r, 5 * TL_MS);
  assert_int_equal(r.smoothed, 5 * TL_MS);
  tl_rtt_sample(&r, 8 * TL_MS, TL_MS); /* the first is taken as it is */
  assert_int_equal(r.smoothed, 8 * TL_MS);
  assert_int_equal(r.variation, 4 * TL_MS);
  assert_int_equal(r.min, 8 * TL_MS);
}

static void samples_are_smoothed_and_freed_of_the_peers_delay(void **state) {
  (void)state;
  struct tl_rtt r;
  tl_rtt_init(&r, 0);
  tl_rtt_sample(&r, 8 * TL_MS, 0);
  tl_rtt_sample(&r, 18 * TL_MS, 2 * TL_MS);
  assert_int_equal(r.smoothed, 9 * TL_MS);  /* (7 * 8 + 16) / 8 */
  assert_int_equal(r.variation, 5 * TL_MS); /* (3 * 4 + 8) / 4 */
  tl_rtt_sample(&r, 9 * TL_MS, 2 * TL_MS);  /* would fall below the least: not taken off */
  assert_int_equal(r.smoothed, 9 * TL_MS);
  assert_int_equal(r.min, 8 * TL_MS);
}

static void a_peer_that_was_stopped_does_not_slow_the_path(void **state) {
  (void)state;
  struct tl_rtt r;
  tl_rtt_init(&r, 0);
  tl_rtt_sample(&r, TL_MS, 0);
  tl_rtt_sample(&r, 600 * TL_S, 0);
  assert_true(r.smoothed < TL_RTT_SAMPLE_MAX_NS / 7);
  for (int i = 0; i < 40; i++) tl_rtt_sample(&r, TL_MS, 0);
  assert_true(r.smoothed < 3 * TL_MS);
}

static void times_that_follow(void **state) {
  (void)state;
  struct tl_rtt r;
  tl_rtt_init(&r, 80 * TL_US);
  assert_int_equal(tl_rtt_loss_delay(&r), TL_MS); /* never finer than a millisecond */
  assert_int_equal(tl_rtt_probe_timeout(&r, DELAY), 80 * TL_US + TL_MS + DELAY);
  tl_rtt_init(&r, 80 * TL_MS);
  assert_int_equal(tl_rtt_loss_delay(&r), 90 * TL_MS);
  assert_int_equal(tl_rtt_probe_timeout(&r, DELAY), (80 + 160) * TL_MS + DELAY);
}

/* ---- Congestion ---- */

static void slow_start_doubles_and_avoidance_adds_a_packet(void **state) {
  (void)state;
  struct tl_congestion c;
  tl_congestion_init(&c, FULL);
  assert_int_equal(c.window, 10 * FULL);
  for (int i = 0; i < 10; i++) tl_congestion_sent(&c, FULL);
  assert_false(tl_congestion_has_room(&c, 1));
  for (int i = 0; i < 10; i++) tl_congestion_acked(&c, FULL, 5, false);
  assert_int_equal(c.window, 20 * FULL);
  tl_congestion_lost(&c, 10, 5);
  assert_int_equal(c.window, 10 * FULL);
  for (int i = 0; i < 10; i++) {
    tl_congestion_sent(&c, FULL);
    tl_congestion_acked(&c, FULL, 20, false);
  }
  assert_int_equal(c.window, 11 * FULL);
  assert_int_equal(c.flight, 0);
}

static void one_loss_event_halves_once(void **state) {
  (void)state;
  struct tl_congestion c;
  tl_congestion_init(&c, FULL);
  tl_congestion_lost(&c, 100, 50);
  tl_congestion_lost(&c, 110, 90);  /* sent before the event was noticed */
  tl_congestion_lost(&c, 110, 100); /* in the same instant */
  assert_int_equal(c.window, 5 * FULL);
  tl_congestion_sent(&c, FULL);
  tl_congestion_acked(&c, FULL, 90, false); /* no growth from those either */
  assert_int_equal(c.window, 5 * FULL);
  tl_congestion_lost(&c, 200, 150);
  assert_int_equal(c.window, 5 * FULL / 2);
  for (int i = 0; i < 10; i++)
    tl_congestion_lost(&c, 300 + 100 * (uint64_t)i, 299 + 100 * (uint64_t)i);
  assert_int_equal(c.window, 2 * FULL);
}

static void an_idle_sender_does_not_grow(void **state) {
  (void)state;
  struct tl_congestion c;
  tl_congestion_init(&c, FULL);
  for (int i = 0; i < 100; i++) {
    tl_congestion_sent(&c, FULL);
    assert_true(tl_congestion_is_idle(&c));
    tl_congestion_acked(&c, FULL, 5, true);
  }
  assert_int_equal(c.window, 10 * FULL);
}

static void the_window_has_bounds(void **state) {
  (void)state;
  struct tl_congestion c;
  tl_congestion_init(&c, FULL);
  for (int i = 0; i < 20; i++) {
    tl_congestion_sent(&c, 1 << 20);
    tl_congestion_acked(&c, 1 << 20, 5, false);
  }
  assert_int_equal(c.window, TL_CONGESTION_BYTES_MAX);
  tl_congestion_collapse(&c);
  assert_int_equal(c.window, 2 * FULL);
  tl_congestion_set_packet_bytes(&c, 8932);
  assert_int_equal(c.window, 2 * 8932);
}

/* ---- Pacer ---- */

static uint64_t send_for(struct tl_pacer *p, const struct tl_pacer_path *path, uint64_t from,
                         uint64_t until) {
  uint64_t bytes = 0;
  for (uint64_t now = from; now < until;) {
    uint64_t next = tl_pacer_next(p, now, path);
    if (next > now) {
      now = next;
      continue;
    }
    tl_pacer_sent(p, FULL);
    bytes += FULL;
  }
  return bytes;
}

static void a_long_path_is_paced(void **state) {
  (void)state;
  struct tl_pacer p;
  struct tl_pacer_path path = {.window = 1000 * FULL, .packet_bytes = FULL, .rtt = 100 * TL_MS};
  tl_pacer_init(&p);
  uint64_t bytes = send_for(&p, &path, TL_S, 2 * TL_S);
  uint64_t rate = 1000 * FULL * 10 * 5 / 4; /* bytes a second */
  assert_in_range(bytes, rate, rate + rate / 50);
  path.is_slow_start = true;
  bytes = send_for(&p, &path, 3 * TL_S, 4 * TL_S);
  assert_in_range(bytes, rate * 8 / 5, rate * 8 / 5 + rate / 50);
}

static void a_short_path_never_waits(void **state) {
  (void)state;
  struct tl_pacer p;
  struct tl_pacer_path path = {.window = 100 * FULL, .packet_bytes = FULL, .rtt = 100 * TL_US};
  tl_pacer_init(&p);
  for (uint64_t now = TL_S; now < TL_S + 100 * TL_MS; now += 100 * TL_US)
    for (int i = 0; i < 100; i++) { /* a whole window each round trip */
      assert_true(tl_pacer_next(&p, now, &path) <= now);
      tl_pacer_sent(&p, FULL);
    }
}

static void extremes_do_not_overflow(void **state) {
  (void)state;
  struct tl_pacer p;
  struct tl_pacer_path path = {.window = TL_CONGESTION_BYTES_MAX, .packet_bytes = FULL, .rtt = 0};
  tl_pacer_init(&p);
  assert_true(tl_pacer_next(&p, UINT64_MAX - 1, &path) <= UINT64_MAX - 1);
  path = (struct tl_pacer_path){.window = 2, .packet_bytes = FULL, .rtt = 3600 * TL_S};
  tl_pacer_sent(&p, 1u << 30);
  (void)tl_pacer_next(&p, UINT64_MAX - 1, &path);
}

/* ---- Loss ---- */

static void start(struct tl_recovery *r) {
  tl_recovery_init(r, &account, FULL, RTT, DELAY);
}

static void send_at(struct tl_recovery *r, uint64_t now, uint64_t counter) {
  assert_int_equal(tl_sentmap_reserve(&r->map, 0), 0);
  tl_sentmap_number(&r->map, 0, counter);
  tl_recovery_sent(r, now, &(struct tl_sent_packet){.counter = counter}, FULL);
}

/* Acknowledges [first, last] and returns how many packets are lost by it. */
static unsigned ack_at(struct tl_recovery *r, uint64_t now, uint64_t first, uint64_t last) {
  unsigned lost = 0;
  for (uint64_t i = first; i <= last; i++) tl_recovery_acked(r, i);
  tl_recovery_ack_done(r, now, 0);
  while (tl_recovery_next_lost(r, now)) lost++;
  tl_recovery_losses_done(r, now);
  return lost;
}

static void three_later_packets_prove_a_loss(void **state) {
  (void)state;
  struct tl_recovery r;
  start(&r);
  for (uint64_t n = 0; n < 6; n++) send_at(&r, TL_S, n);
  assert_int_equal(ack_at(&r, TL_S + RTT, 1, 1), 0);
  assert_int_equal(ack_at(&r, TL_S + RTT, 2, 2), 0);
  size_t window = r.congestion.window;
  assert_int_equal(ack_at(&r, TL_S + RTT, 3, 3), 1);
  assert_true(r.congestion.window < window);
  assert_int_equal(tl_sentmap_packet(&r.map, 0)->state, TL_SENT_LOST);
  assert_int_equal(ack_at(&r, TL_S + RTT, 4, 5), 0);
  assert_int_equal(r.congestion.flight, 0);
  assert_int_equal(tl_recovery_deadline(&r), TL_NEVER);
  tl_recovery_deinit(&r);
}

static void an_overtaken_packet_is_lost_by_time(void **state) {
  (void)state;
  struct tl_recovery r;
  start(&r);
  send_at(&r, TL_S, 0);
  send_at(&r, TL_S, 1);
  assert_int_equal(ack_at(&r, TL_S + RTT, 1, 1), 0);
  uint64_t at = tl_recovery_deadline(&r);
  assert_int_equal(at, TL_S + RTT + RTT / 8);
  assert_false(tl_recovery_timeout(&r, at)); /* not a probe */
  assert_null(tl_recovery_next_lost(&r, at - 1));
  tl_recovery_losses_done(&r, at - 1);
  assert_non_null(tl_recovery_next_lost(&r, at));
  assert_null(tl_recovery_next_lost(&r, at));
  tl_recovery_losses_done(&r, at);
  assert_int_equal(tl_recovery_deadline(&r), TL_NEVER);
  tl_recovery_deinit(&r);
}

static void silence_brings_probes_that_back_off(void **state) {
  (void)state;
  struct tl_recovery r;
  start(&r);
  send_at(&r, TL_S, 0);
  uint64_t timeout = RTT + 4 * (RTT / 2) + DELAY, last = TL_S;
  for (uint64_t n = 1; n < 20; n++) {
    uint64_t at = tl_recovery_deadline(&r);
    assert_int_equal(at - last, timeout);
    assert_false(tl_recovery_timeout(&r, at - 1));
    assert_true(tl_recovery_timeout(&r, at));
    r.congestion.window = 0; /* a probe may leave although the window is full */
    assert_true(tl_recovery_may_send(&r, at, FULL));
    send_at(&r, at, n);
    last = at;
    timeout = 2 * timeout < TL_RECOVERY_PROBE_MAX_NS ? 2 * timeout : TL_RECOVERY_PROBE_MAX_NS;
  }
  (void)ack_at(&r, last + RTT, 19, 19);
  assert_int_equal(r.probe_count, 0);
  assert_int_equal(r.probes_due, 0);
  tl_recovery_deinit(&r);
}

static void losses_that_last_collapse_the_window(void **state) {
  (void)state;
  struct tl_recovery r;
  start(&r);
  send_at(&r, TL_S, 0);
  (void)ack_at(&r, TL_S + RTT, 0, 0); /* persistence needs a measured round trip */
  uint64_t probe = tl_rtt_probe_timeout(&r.rtt, DELAY);
  for (uint64_t n = 1; n < 10; n++) send_at(&r, 2 * TL_S + n * probe / 2, n);
  (void)ack_at(&r, 2 * TL_S + 9 * probe / 2 + RTT, 9, 9);
  assert_int_equal(r.congestion.window, 2 * FULL);
  tl_recovery_deinit(&r);
}

static void an_acknowledged_packet_between_breaks_the_row(void **state) {
  (void)state;
  struct tl_recovery r;
  start(&r);
  send_at(&r, TL_S, 0);
  (void)ack_at(&r, TL_S + RTT, 0, 0);
  uint64_t probe = tl_rtt_probe_timeout(&r.rtt, DELAY);
  for (uint64_t n = 1; n < 10; n++) send_at(&r, 2 * TL_S + n * probe / 2, n);
  tl_recovery_acked(&r, 4);
  tl_recovery_acked(&r, 7);
  (void)ack_at(&r, 2 * TL_S + 9 * probe / 2 + RTT, 9, 9);
  assert_in_range(r.congestion.window, 5 * FULL, 6 * FULL); /* halved, no more */
  tl_recovery_deinit(&r);
}

static void a_lost_size_probe_is_no_congestion(void **state) {
  (void)state;
  struct tl_recovery r;
  start(&r);
  assert_int_equal(tl_sentmap_reserve(&r.map, 0), 0);
  tl_sentmap_number(&r.map, 0, 0);
  tl_recovery_sent(&r, TL_S, &(struct tl_sent_packet){.is_probe = true}, 8932);
  for (uint64_t n = 1; n < 5; n++) send_at(&r, TL_S, n);
  assert_int_equal(ack_at(&r, TL_S + RTT, 1, 4), 1);
  assert_true(r.congestion.window >= 10 * FULL);
  assert_int_equal(r.congestion.flight, 0);
  tl_recovery_deinit(&r);
}

static void a_new_epoch_or_a_number_left_out_is_no_loss(void **state) {
  (void)state;
  struct tl_recovery r;
  start(&r);
  static const uint64_t counters[] = {0, 1, 500, 501};
  for (size_t i = 0; i < 4; i++) send_at(&r, TL_S, counters[i]);
  tl_sentmap_number(&r.map, 1, 0);
  tl_recovery_sent(&r, TL_S, &(struct tl_sent_packet){.epoch = 1}, FULL);
  assert_int_equal(ack_at(&r, TL_S + RTT, 2, 2), 0);
  assert_int_equal(ack_at(&r, TL_S + RTT, 0, 1), 0);
  assert_int_equal(ack_at(&r, TL_S + RTT, 4, 4), 0);
  assert_int_equal(ack_at(&r, TL_S + RTT, 3, 3), 0);
  tl_recovery_deinit(&r);
}

static void a_late_acknowledgement_of_a_lost_packet(void **state) {
  (void)state;
  struct tl_recovery r;
  start(&r);
  for (uint64_t n = 0; n < 5; n++) send_at(&r, TL_S, n);
  assert_int_equal(ack_at(&r, TL_S + RTT, 1, 4), 1);
  assert_int_equal(ack_at(&r, TL_S + RTT, 0, 0), 0);
  assert_int_equal(r.congestion.flight, 0);
  assert_int_equal(r.map.in_flight_count, 0);
  tl_recovery_deinit(&r);
}

static void giving_up_says_nothing_about_congestion(void **state) {
  (void)state;
  struct tl_recovery r;
  unsigned given_up = 0;
  start(&r);
  for (uint64_t n = 0; n < 5; n++) send_at(&r, TL_S, n);
  while (tl_recovery_give_up(&r)) given_up++;
  assert_int_equal(given_up, 5);
  assert_int_equal(r.congestion.window, 10 * FULL);
  assert_int_equal(r.congestion.flight, 0);
  assert_int_equal(tl_recovery_deadline(&r), TL_NEVER);
  tl_recovery_deinit(&r);
  assert_int_equal(account.bytes, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_first_sample_replaces_the_guess),
      cmocka_unit_test(samples_are_smoothed_and_freed_of_the_peers_delay),
      cmocka_unit_test(a_peer_that_was_stopped_does_not_slow_the_path),
      cmocka_unit_test(times_that_follow),
      cmocka_unit_test(slow_start_doubles_and_avoidance_adds_a_packet),
      cmocka_unit_test(one_loss_event_halves_once),
      cmocka_unit_test(an_idle_sender_does_not_grow),
      cmocka_unit_test(the_window_has_bounds),
      cmocka_unit_test(a_long_path_is_paced),
      cmocka_unit_test(a_short_path_never_waits),
      cmocka_unit_test(extremes_do_not_overflow),
      cmocka_unit_test(three_later_packets_prove_a_loss),
      cmocka_unit_test(an_overtaken_packet_is_lost_by_time),
      cmocka_unit_test(silence_brings_probes_that_back_off),
      cmocka_unit_test(losses_that_last_collapse_the_window),
      cmocka_unit_test(an_acknowledged_packet_between_breaks_the_row),
      cmocka_unit_test(a_lost_size_probe_is_no_congestion),
      cmocka_unit_test(a_new_epoch_or_a_number_left_out_is_no_loss),
      cmocka_unit_test(a_late_acknowledgement_of_a_lost_packet),
      cmocka_unit_test(giving_up_says_nothing_about_congestion),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
