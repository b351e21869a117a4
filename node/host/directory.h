/*
 * Where a node lives: the folder of its socket and the folder of its state, and the locks that make it the only one there.
 */
#ifndef TL_NODE_HOST_DIRECTORY_H
#define TL_NODE_HOST_DIRECTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

#define TL_DIRECTORY_PATH_SIZE 4096

struct tl_directories {
  char runtime[TL_DIRECTORY_PATH_SIZE]; /* of node.sock */
  char state[TL_DIRECTORY_PATH_SIZE];
};

/* From TULLE_RUNTIME_DIR and TULLE_STATE_DIR, else the user's ($XDG_RUNTIME_DIR/tulle, $XDG_STATE_HOME/tulle), or for
 * root the system's (/run/tulle, /var/lib/tulle). NOT_FOUND: this user has
 * none. TOO_BIG. Of either, the text for people names the variables that would say it. */
int tl_directories_find(struct tl_directories *out, const char **out_variables);

/* Makes the folder with all above it (those: 0755), and opens it. A folder of a user other than this one and `owner`, or
 * one that others may write, is REFUSED; -errno. */
int tl_directory_open(const char *path, unsigned mode, uint32_t owner, int *out_fd);

/* The folder is this node's alone until `fd` is closed. TL_FULL: another one holds it; `out_pid` says who, or 0. -errno. */
int tl_directory_lock(int fd, uint32_t *out_pid);

/* True when both are the same folder. */
bool tl_directory_is_same(int a, int b);

#endif
