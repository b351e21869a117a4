/*
 * One run of tl_schema_read(): the text, the memory of what is made of it, and what is wrong with it.
 * Internal to core/schema.
 *
 * Memory comes in chunks that live as long as the schema. When it ends, and when a bound of the whole
 * file is passed, the reading is `stopped`: from then on the lexer finds nothing but the end, so that
 * every loop ends and nobody has to unwind.
 */
#ifndef TL_CORE_SCHEMA_READING_H
#define TL_CORE_SCHEMA_READING_H

#include "core/schema/schema.h"

struct tl_span {
  uint32_t offset;
  uint32_t size;
};

/* What the public model points to, with the place in the file beside it. The public part comes first, so
 * a pointer to it is a pointer to the whole. */
struct tl_schema_type_node {
  struct tl_schema_type type;
  struct tl_span at; /* its first word */
};

struct tl_schema_member_node {
  struct tl_schema_member member;
  struct tl_span at; /* its name, as all below */
};

struct tl_schema_failure_node {
  struct tl_schema_failure failure;
  struct tl_span at;
};

struct tl_schema_procedure_node {
  struct tl_schema_procedure procedure;
  struct tl_span at;
};

struct tl_schema_declaration_node {
  struct tl_schema_declaration declaration;
  struct tl_span at;
  enum {
    TL_SCHEMA_NOT_SEEN,
    TL_SCHEMA_BEING_SEEN,
    TL_SCHEMA_SEEN
  } seen;          /* by the walk of check.c */
  unsigned depth;  /* of arrays in its msgpack */
  uint64_t places; /* values that it holds in place */
};

struct tl_schema_node {
  struct tl_schema schema;
  struct tl_span at; /* of its name; schema.self has no node around it */
};

struct tl_schema_reading {
  const char *text;
  size_t size;
  struct tl_schema_problems *problems;          /* may be NULL */
  size_t problem_count;                         /* those that are not among them as well */
  struct tl_span lines[TL_SCHEMA_PROBLEMS_MAX]; /* of the problems */
  struct tl_schema_node *node;
  struct tl_span ghosts[TL_SCHEMA_PROBLEMS_MAX]; /* names whose declarations could not be read */
  size_t ghost_count;
  size_t name_count;
  bool stopped;
  bool out_of_memory;
};

/* Zeroed; NULL when the reading has stopped or stops now. */
void *tl_schema_allocate(struct tl_schema_reading *r, size_t size);

/* The span's text with a zero behind it; NULL as above. */
const char *tl_schema_copy(struct tl_schema_reading *r, struct tl_span span);

/* Notes a problem, unless there is one on that line already: what follows from a problem stands
 * mostly on the line of its cause. */
void tl_schema_report(struct tl_schema_reading *r, struct tl_span at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether a problem there would be noted. Asked before what takes time is done for its text: who writes
 * the file decides how many problems it has. */
bool tl_schema_is_wanted(const struct tl_schema_reading *r, struct tl_span at);

/* Puts the problems in order and finds their lines and columns. */
void tl_schema_problems_finish(struct tl_schema_reading *r);

/* The number of the line of an offset, from 1. */
uint32_t tl_schema_line(const struct tl_schema_reading *r, uint32_t offset);

/* A span as a printf argument for "%.*s", cut where nobody would read on. */
#define TL_SPAN(r, span) (int)((span).size < 64 ? (span).size : 64), (r)->text + (span).offset

void tl_schema_parse(struct tl_schema_reading *r);
void tl_schema_check(struct tl_schema_reading *r);

#endif
