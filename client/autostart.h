/*
 * Starting a node for the user of this program, as gpg starts its agent.
 *
 * The node is nobody's child: the program gets no SIGCHLD for it, and it outlives the program. Of
 * several started at once one stays, which is the node's business (a lock on its state folder).
 */
#ifndef TL_CLIENT_AUTOSTART_H
#define TL_CLIENT_AUTOSTART_H

/* Starts `tulle node --autostarted` in the folder of tl_place_to_start(), and does not wait until
 * it serves. Errors: NO_NODE (no program, or no folder), -errno of what failed. */
int tl_autostart(const char *runtime_dir);

#endif
