/*
 * Starting a node for the user of this program, as gpg starts its agent.
 *
 * The node is nobody's child: the program gets no SIGCHLD for it, and it outlives the program. Of
 * several started at once one stays, which is the node's business (a lock on its state folder).
 */
#ifndef TL_CLIENT_AUTOSTART_H
#define TL_CLIENT_AUTOSTART_H

#include <stdint.h>

/* Starts `tulle node --autostarted` in the folder of tl_place_to_start(), and waits until it serves,
 * until it has ended, or until `deadline`. What keeps it from serving it says on standard error.
 * Errors: NO_NODE (no program, no folder, or it ended), -errno of what failed. */
int tl_autostart(const char *runtime_dir, uint64_t deadline);

#endif
