/*
 * The words of an interface file, one after another, each with the documentation that stands before it.
 * Internal to core/schema.
 */
#ifndef TL_CORE_SCHEMA_TOKEN_H
#define TL_CORE_SCHEMA_TOKEN_H

#include "core/schema/reading.h"

enum tl_token_kind {
  TL_TOKEN_END,
  TL_TOKEN_WORD,
  TL_TOKEN_NUMBER,
  TL_TOKEN_ARROW,
  TL_TOKEN_ELLIPSIS,
  TL_TOKEN_SIGN, /* one of {}()<>[],;= : text[at.offset] */
};

struct tl_token {
  enum tl_token_kind kind;
  struct tl_span at;
  int64_t number; /* beyond 64 bits: the nearest that fits */
  const char *documentation;
  struct tl_span documentation_at;
};

struct tl_lexer {
  struct tl_schema_reading *reading;
  uint32_t offset;
  char *
      notes; /* room for all documentation that the rest of the file can hold; NULL before the first */
};

/* Characters that begin no token are reported and passed over. */
struct tl_token tl_lexer_next(struct tl_lexer *lexer);

#endif
