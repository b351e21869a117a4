/*
 * The check that every msgpack value from outside passes, on private memory, before anything
 * decodes it.
 *
 * A msgpack header of five bytes can claim four billion values, and msgpack-c 4.0.0 reserves memory
 * for the claim. So: a claimed count is at most the bytes that follow, the depth at most
 * TL_MSGPACK_DEPTH_MAX, all values together at most TL_MSGPACK_OBJECTS_MAX. After it, reading is
 * safe with tulle_unpack_* and with msgpack-c.
 */
#ifndef TL_CORE_WIRE_MSGPACK_H
#define TL_CORE_WIRE_MSGPACK_H

#include <stddef.h>

#include "core/error.h"
#include "core/limits.h"

/* 0 if `data` is exactly one value within the limits; TULLE_E_BAD_MESSAGE or TULLE_E_LIMIT. No
 * allocation. */
int tl_msgpack_check(const void *data, size_t size);

#endif
