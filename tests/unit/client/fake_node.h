/*
 * A small node on a thread of the test, written by hand against docs/protocol-control.md and
 * docs/protocol-node.md, so that a test can make it die, refuse, stall and lie.
 *
 * Programs attach to it as to any node. The test can also be the other side of a channel itself
 * (fake_node_take, fake_node_give) and do on it what no library would.
 */
#ifndef TESTS_UNIT_CLIENT_FAKE_NODE_H
#define TESTS_UNIT_CLIENT_FAKE_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/wire/control.h"
#include "transport/ring/channel.h"

struct fake_node;

/* Starts in a fresh folder, with first data areas of that size. */
struct fake_node *fake_node_start(uint32_t ring_bytes);

/* The folder, for struct tulle_options. Lives as long as the node. */
const char *fake_node_dir(const struct fake_node *n);

/* Dies: all connections and its listening socket are gone, the folder stays. */
void fake_node_die(struct fake_node *n);

/* Comes back in the same folder. */
void fake_node_return(struct fake_node *n);

/* Dies for good. */
void fake_node_stop(struct fake_node *n);

/* From now on `hello` is answered with `refused` and this code; 0: not any more. */
void fake_node_refuse(struct fake_node *n, int code);

/* From now on calls of this procedure of the node are never answered; NULL: all are. "open-reply":
 * channels are opened, but the answer does not come. "hello": neither does a welcome. */
void fake_node_ignore(struct fake_node *n, const char *procedure);

/* How many calls of `register` succeeded so far. */
unsigned fake_node_registrations(struct fake_node *n);

/* How many channels between programs, or with the test, are open. */
unsigned fake_node_channels(struct fake_node *n);

/* A service of the test: the next program that opens it gets a channel whose other end the test
 * takes with fake_node_take(). */
void fake_node_offer(struct fake_node *n, const char *service);

/* Waits until a program has opened the test's service, and gives its end. */
struct tl_channel *fake_node_take(struct fake_node *n);

/* The other way: the test as a client of a service that a program has registered. */
struct tl_channel *fake_node_open(struct fake_node *n, const char *service);

/* The test's end dies; the program is told `closed` with this code and `begun`. */
void fake_node_close(struct fake_node *n, struct tl_channel *end, int code, uint64_t begun);

/* Sends bytes as they are, or a message, with `fd_count` descriptors of /dev/null, to every
 * program, and rings. */
void fake_node_say(struct fake_node *n, const struct tl_control *m, unsigned fd_count);
void fake_node_say_bytes(struct fake_node *n, const void *bytes, size_t size, unsigned fd_count);

/* Waits until some program has hung up. */
void fake_node_wait_hangup(struct fake_node *n);

#endif
