/*
 * An interface as a program knows it (docs/interface-language.md). `tulle gen` makes one for each file;
 * nobody needs to write one by hand.
 */
#ifndef TULLE_INTERFACE_H
#define TULLE_INTERFACE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tulle_interface {
  const char *name;
  uint32_t version;
  unsigned char fingerprint[32];
  const char *text; /* its canonical form, with or without documentation; at most 256 KiB */
  size_t text_size;
};

#ifdef __cplusplus
}
#endif
#endif
