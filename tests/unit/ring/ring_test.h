/*
 * What the tests of rings share: a random sequence, a count of descriptors, and channels whose raw parts
 * the test keeps, so that it can play a hostile peer.
 */
#ifndef TL_TESTS_UNIT_RING_RING_TEST_H
#define TL_TESTS_UNIT_RING_RING_TEST_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/error.h"
#include "tests/unit/test.h"
#include "transport/ring/channel.h"

/* ---- random numbers: the same for the same seed ---- */

struct random {
  uint64_t state;
};

static inline uint64_t random_next(struct random *r) {
  r->state += 0x9e3779b97f4a7c15;
  uint64_t z = r->state;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

static inline uint32_t random_below(struct random *r, uint32_t n) {
  return (uint32_t)(random_next(r) % n);
}

/* ---- descriptors ---- */

static inline int count_descriptors(void) {
  int n = 0;
  DIR *d = opendir("/proc/self/fd");
  if (!d) return -1;
  while (readdir(d)) n++;
  closedir(d);
  return n;
}

static int descriptors_before;

static inline int remember_descriptors(void **state) {
  (void)state;
  descriptors_before = count_descriptors();
  return 0;
}

static inline int check_descriptors(void **state) {
  (void)state;
  return count_descriptors() != descriptors_before;
}

#define leak_checked(test)                                                                         \
  cmocka_unit_test_setup_teardown(test, remember_descriptors, check_descriptors)

/* ---- a victim, and what its peer holds ---- */

/* `victim` is a whole channel; `own` and `peer` are the attacker's two segments, the first writable. */
struct siege {
  struct tl_channel victim;
  struct tl_segment own;
  struct tl_segment peer;
  int fd_in; /* what the victim writes to wake the attacker */
  int fd_out;
};

static inline void party_make(uint32_t data_bytes, struct tl_segment *out_writer,
                              struct tl_segment *out_reader) {
  int fd;
  if (tl_segment_create(TL_SEGMENT_PARTY, data_bytes, &fd)) abort();
  if (tl_segment_map(fd, TL_SEGMENT_PARTY, TL_SEGMENT_WRITER, data_bytes, out_writer)) abort();
  if (tl_segment_seal(fd)) abort();
  if (tl_segment_map(fd, TL_SEGMENT_PARTY, TL_SEGMENT_READER, data_bytes, out_reader)) abort();
  close(fd);
}

static inline void siege_begin(struct siege *s, uint32_t data_bytes) {
  struct tl_segment own, peer;
  party_make(data_bytes, &own, &s->peer);
  party_make(data_bytes, &s->own, &peer);
  int towards_victim = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
      towards_peer = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  s->fd_out = dup(towards_victim);
  s->fd_in = dup(towards_peer);
  tl_channel_init(&s->victim, &own, &peer, towards_victim, towards_peer, 1u << 20);
}

static inline void siege_end(struct siege *s) {
  tl_channel_deinit(&s->victim);
  tl_segment_unmap(&s->own);
  tl_segment_unmap(&s->peer);
  close(s->fd_in);
  close(s->fd_out);
}

#endif
