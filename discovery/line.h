/*
 * The lines between a node and its child program tulle-mdns: one fact a line, at most 512 bytes
 * with the newline, printable ASCII, words separated by one space. docs/discovery.md documents
 * every word.
 *
 *   node -> child   hello VERSION
 *                   publish ID TAG PORT BOOT GENERATION     begins a description of this node
 *                   label LABEL                             adds a subtype to it
 *                   commit                                  makes it what is announced
 *                   browse                                  look for others from now on
 *   child -> node   hello VERSION
 *                   found ID TAG ADVERT GENERATION BOOT ADDRESS
 *                   lost ID ADDRESS                         not reachable there any more
 *                   gone ID                                 nothing of it is left
 *                   cloned ID BOOT BOOT                     two boots alternate under one id
 *                   status ENGINE TEXT...
 *
 * ID is 26 base32 letters, TAG and BOOT 16 hexadecimal digits, ADDRESS `a.b.c.d:port` or
 * `[v6%scope]:port`, other numbers decimal. One text per value: no leading zeros, no upper case, no
 * trailing space.
 *
 * Both sides treat the other's lines as hostile: a line that is too long or is not exactly one of
 * these is counted and dropped whole; nothing that can be said here is fatal.
 */
#ifndef TL_DISCOVERY_LINE_H
#define TL_DISCOVERY_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "discovery/discovery.h"

#define TL_LINE_BYTES_MAX 512
#define TL_LINE_VERSION   1

enum tl_line_kind {
  TL_LINE_HELLO,
  TL_LINE_PUBLISH,
  TL_LINE_LABEL,
  TL_LINE_COMMIT,
  TL_LINE_BROWSE,
  TL_LINE_FOUND,
  TL_LINE_LOST,
  TL_LINE_GONE,
  TL_LINE_CLONED,
  TL_LINE_STATUS,
};

/* Only the fields that the kind's line has are read or written. */
struct tl_line {
  enum tl_line_kind kind;
  uint16_t version; /* of the lines (hello) or of the advert (found), never 0 */
  uint16_t port;    /* never 0 */
  uint8_t id[TL_DISCOVERY_ID_SIZE];
  uint8_t tag[TL_DISCOVERY_TAG_SIZE];
  uint64_t generation;
  uint64_t boot;
  uint64_t boot_other;
  struct tl_address address;
  enum tl_discovery_engine engine;
  char label[TL_LABEL_SIZE];
  char text[TL_DISCOVERY_REASON_SIZE];
};

/* Writes the line with its newline, without a zero, and returns its length. Characters of a status
 * text that no line may hold become `?`. */
size_t tl_line_encode(const struct tl_line *line, char out[TL_LINE_BYTES_MAX]);

/* One line without its newline. TULLE_E_BAD_MESSAGE. */
int tl_line_decode(const char *text, size_t length, struct tl_line *out_line);

/* Cuts a stream of bytes into lines. Starts zeroed. */
struct tl_line_splitter {
  char bytes[TL_LINE_BYTES_MAX];
  size_t used;
  uint8_t is_skipping; /* the rest of a line that was too long */
  uint64_t lines;
  uint64_t garbled;
};

/* Takes bytes from *at up to `end` until a line is whole: 0 and the line, or TL_MORE when the bytes
 * are used up. */
int tl_line_split(struct tl_line_splitter *s, const char **at, const char *end,
                  struct tl_line *out_line);

#endif
