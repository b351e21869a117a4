/*
 * What every function of the grammar does with words: look at the next one, take it, expect it, and find the way
 * back after a mistake. Internal to core/schema.
 */
#ifndef TL_CORE_SCHEMA_PARSER_H
#define TL_CORE_SCHEMA_PARSER_H

#include "core/schema/token.h"

struct tl_parser {
  struct tl_schema_reading *reading;
  struct tl_lexer lexer;
  struct tl_token token; /* the next one */
  struct tl_token ahead; /* the one behind it */
  struct tl_span last;   /* the one before it */
  struct tl_schema *schema;
  const struct tl_schema_declaration **declarations_end;
  const struct tl_schema_member **errors_end, **streams_end, **signals_end;
  const struct tl_schema_procedure **procedures_end;
  int64_t next_error, next_signal;
};

/* ---- the next word ---- */

bool tl_parser_is_end(const struct tl_parser *p);
bool tl_parser_is_sign(const struct tl_parser *p, char sign);
bool tl_parser_is_word(const struct tl_parser *p, const char *word);

/* Goes on to the next one. Documentation that nobody has taken belongs to nothing that can have any, and
 * is reported. */
void tl_parser_advance(struct tl_parser *p);
const char *tl_parser_take_documentation(struct tl_parser *p);

/* Goes on if it is there; returns whether it was. */
bool tl_parser_accept_sign(struct tl_parser *p, char sign);
bool tl_parser_accept_word(struct tl_parser *p, const char *word);

/* Reports that something else stands here than `what`. Returns false, always. */
bool tl_parser_expected(struct tl_parser *p, const char *what);
bool tl_parser_expect_sign(struct tl_parser *p, char sign, const char *what);

/* ---- whole things ---- */

/* A name that is declared here. NULL: it is missing, which has been reported, or the reading has stopped. */
const char *tl_parser_read_name(struct tl_parser *p, const char *what, struct tl_span *out_at);

/* A number; one out of bounds is reported and read as `least`. */
bool tl_parser_read_number(struct tl_parser *p, const char *what, int64_t least, int64_t most,
                           int64_t *out);

/* The `;`. One that is missing at the end of a line is reported there, and what follows is read as if it
 * stood. */
bool tl_parser_end_statement(struct tl_parser *p);

/* The `}`, and a `;` behind it, of what is called `name` and begins at `open`. */
void tl_parser_close_brace(struct tl_parser *p, struct tl_span open, struct tl_span name);

/* After a mistake: goes on behind the next `end` at this level of braces, or to the brace that ends the
 * level. */
void tl_parser_recover(struct tl_parser *p, char end);

#endif
