/*
 * How to start the child program tulle-mdns. The starting itself belongs to the node's loop.
 *
 * The child gets one end of a stream socketpair as descriptor TL_DISCOVERY_CHILD_FD and speaks the
 * lines of docs/discovery.md over it. It ends by itself, saying goodbye on the network, when the
 * other end closes; killing it is never needed. Its standard error is the node's log. With libuv:
 * uv_spawn() with four stdio entries, the first three ignore/ignore/inherit, the fourth
 * UV_CREATE_PIPE | UV_READABLE_PIPE | UV_WRITABLE_PIPE.
 */
#ifndef TL_DISCOVERY_CHILD_H
#define TL_DISCOVERY_CHILD_H

#include <stddef.h>

#define TL_DISCOVERY_CHILD_FD       3
#define TL_DISCOVERY_CHILD_ARGS_MAX 8

/* The program's path with its zero: $TULLE_MDNS if set, else `tulle-mdns` beside the running
 * program, else in $PATH. TULLE_E_NOT_FOUND, TULLE_E_TOO_BIG. Not for setuid programs. */
int tl_discovery_child_path(char *out_path, size_t size);

/* The argument vector, NULL at its end: `path` --fd 3, and --interface `interface` unless that is
 * NULL. A node that listens on a loopback address only passes "lo"; else the child takes all
 * interfaces and `lo` only where it is the only one. Borrows both strings. */
void tl_discovery_child_argv(const char *path, const char *interface,
                             const char *out_argv[TL_DISCOVERY_CHILD_ARGS_MAX]);

#endif
