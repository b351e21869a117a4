/* What the process gives away before it listens to anybody. */
#ifndef TL_NODE_HOST_PRIVILEGE_H
#define TL_NODE_HOST_PRIVILEGE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

#define TL_PRIVILEGE_USER "tulle"

/* The user that a node started by root becomes. False: no such user here; the node stays root without capabilities. */
bool tl_privilege_user(uint32_t *out_uid, uint32_t *out_gid);

/* A folder, and the files in it, that root made or was told to use, become the user's. */
int tl_privilege_give(int directory_fd, uint32_t uid, uint32_t gid);

/* As many descriptors as the system allows, up to what a node can use. Returns how many there are. */
uint64_t tl_privilege_raise_descriptors(void);

/* Becomes the user of tl_privilege_user(), where root started it. -errno. */
int tl_privilege_become(uint32_t uid, uint32_t gid);

/* No capabilities, no new ones by exec, no core dumps and no tracing by other processes of this user. For good. -errno. */
int tl_privilege_drop(void);

#endif
