/*
 * Nodes for tests: an identity, a trust store on a disk in memory, and everything drawn from a seed.
 *
 * One of them makes the fabric; others are admitted to it without a network. Times are what the test says.
 */
#ifndef TL_TESTS_SUPPORT_NODE_FIXTURE_H
#define TL_TESTS_SUPPORT_NODE_FIXTURE_H

#include "crypto/handshake.h"
#include "crypto/responder.h"
#include "crypto/self.h"
#include "crypto/session.h"
#include "tests/support/disk_memory.h"

/* A generator of bytes that the seed determines. */
struct seeded_random {
  uint8_t key[32];
  uint64_t block;
};

struct tl_random seeded_random_init(struct seeded_random *random, uint64_t seed);

struct node_fixture {
  struct seeded_random seeded;
  struct tl_random random;
  struct tl_parameters parameters;
  struct disk_memory memory;
  struct tl_disk disk;
  struct tl_trust_config config;
  struct tl_clone_watch clones;
  struct tl_identity *identity;
  struct tl_trust *trust;
  struct tl_self self;
};

/* A node that has started for the first time: the only member of a fabric of its own. */
void node_fixture_init(struct node_fixture *node, uint64_t seed, const char *name);
void node_fixture_deinit(struct node_fixture *node);

/* The process dies and starts again on the same disk. */
void node_fixture_restart(struct node_fixture *node, uint64_t now_ns);

/* Admits `newcomer` to the fabric of `authority`, as an invitation would. */
void node_fixture_join(struct node_fixture *newcomer, struct node_fixture *authority,
                       uint64_t now_ns);

/* A target for a handshake with `responder`. */
struct tl_handshake_target node_fixture_target(const struct node_fixture *responder);

/* Two ends of a session. */
struct session_pair {
  struct tl_session *initiator;
  struct tl_session *responder;
  struct tl_peer_info responder_info; /* what the initiator knows */
  struct tl_peer_info initiator_info;
};

/* A whole handshake over UDP, without loss. */
void session_pair_init(struct session_pair *pair, struct node_fixture *initiator,
                       struct node_fixture *responder, uint64_t now_ns);
void session_pair_deinit(struct session_pair *pair);

/* 10.0.0.host:8855 */
struct tl_address address_of(uint8_t host);

#endif
