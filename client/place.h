/*
 * Where things are, as the environment says: the sockets of nodes, the program that starts one, how
 * to wait.
 *
 *   TULLE_RUNTIME_DIR   the node's folder, instead of $XDG_RUNTIME_DIR/tulle and /run/tulle
 *   TULLE_AUTOSTART     0: never start a node
 *   TULLE_BIN           the `tulle` program, instead of the one beside the running program or in PATH
 *   TULLE_WAIT          spin, sleep or default: how waits behave (for benchmarks)
 *
 * In a program with more rights than its user, the environment does not count.
 */
#ifndef TL_CLIENT_PLACE_H
#define TL_CLIENT_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "transport/ring/park.h"

#define TL_PLACES_MAX 2

/* Addresses where a node may listen, the first choice first. `runtime_dir` NULL: the environment's.
 */
struct tl_places {
  struct sockaddr_un sockets[TL_PLACES_MAX];
  size_t count;
};

/* INVALID: a folder's name is too long for a socket. */
int tl_places_find(const char *runtime_dir, struct tl_places *out);

/* The folder in which a node that is started for this user would live, absolute. NOT_FOUND: none. */
int tl_place_to_start(const char *runtime_dir, char *out, size_t out_size);

/* The path of the `tulle` program, absolute. NOT_FOUND. */
int tl_place_of_program(char *out, size_t out_size);

bool tl_place_may_autostart(void);
enum tl_parking_mode tl_place_parking_mode(void);

#endif
