/*
 * The model of an interface: what docs/interface-language.md means, checked.
 *
 *   text --tl_schema_read()--> struct tl_schema --tl_schema_write()--> canonical form
 *                                    |
 *                                    +--> generators, `describe`, `call`, tl_schema_compare()
 *
 * A schema is never changed after it has been read, and everything it points to lives in its own
 * memory until tl_schema_free(): it may be shared between threads. What has been read holds:
 * every name is declared, of the right kind and unique in its place; no type contains itself;
 * every bound of the language's page is kept. A generator need not check anything again.
 *
 * Lists are singly linked in the order of the file, with their lengths beside them.
 */
#ifndef TL_CORE_SCHEMA_SCHEMA_H
#define TL_CORE_SCHEMA_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/schema/problem.h"

/* The table "Limits" of the page. */
#define TL_SCHEMA_TEXT_BYTES_MAX (256u << 10)
#define TL_SCHEMA_NAME_BYTES_MAX 63
#define TL_SCHEMA_MEMBERS_MAX    1024
#define TL_SCHEMA_PARAMETERS_MAX 32
#define TL_SCHEMA_NAMES_MAX      8192
#define TL_SCHEMA_NESTING_MAX    8
#define TL_SCHEMA_PLACES_MAX     65536

enum tl_schema_kind {
  TL_SCHEMA_BOOL,
  TL_SCHEMA_U8,
  TL_SCHEMA_U16,
  TL_SCHEMA_U32,
  TL_SCHEMA_U64,
  TL_SCHEMA_I8,
  TL_SCHEMA_I16,
  TL_SCHEMA_I32,
  TL_SCHEMA_I64,
  TL_SCHEMA_F32,
  TL_SCHEMA_F64,
  TL_SCHEMA_STRING,
  TL_SCHEMA_BYTES,
  TL_SCHEMA_LIST,
  TL_SCHEMA_MAP,
  TL_SCHEMA_ARRAY,
  TL_SCHEMA_ENUM, /* this and the rest are declared, and named */
  TL_SCHEMA_STRUCT,
  TL_SCHEMA_UNION,
  TL_SCHEMA_OBJECT,   /* a reference to something with procedures; in parameters only */
  TL_SCHEMA_CALLBACK, /* a reference to one function; in parameters only */
};

struct tl_schema_declaration;

/* `bound` is how many bytes or elements a STRING, BYTES, LIST or MAP has at most, 0 if it has no
 * bound of its own; and how many an ARRAY has exactly. */
struct tl_schema_type {
  enum tl_schema_kind kind;
  uint32_t bound;
  const struct tl_schema_type *key;                /* MAP */
  const struct tl_schema_type *element;            /* LIST, ARRAY; MAP: its values */
  const struct tl_schema_declaration *declaration; /* from ENUM on; may be &schema->self */
};

enum tl_schema_direction { TL_SCHEMA_IN = 1, TL_SCHEMA_OUT = 2, TL_SCHEMA_INOUT = 3 };

/*
 * Whatever has a name in a list: a field, an alternative, a value, a parameter, an error, a stream,
 * a signal. `documentation` is lines with newlines between them and none at the end, or NULL;
 * `type` is NULL for void, and of values and errors. `number` is that of a value, error or signal; of all
 * others the position, from 0.
 */
struct tl_schema_member {
  const struct tl_schema_member *next;
  const char *name;
  const char *documentation;
  const struct tl_schema_type *type;
  int32_t number;
  enum tl_schema_direction direction; /* of parameters; of streams IN when others write it */
  bool is_optional;                   /* of fields and parameters */
};

struct tl_schema_members {
  const struct tl_schema_member *first;
  size_t count;
};

/* One of the errors that a procedure declares. */
struct tl_schema_failure {
  const struct tl_schema_failure *next;
  const struct tl_schema_member *error;
};

struct tl_schema_procedure {
  const struct tl_schema_procedure *next;
  const char *name;
  const char *documentation;
  struct tl_schema_members parameters; /* results among them */
  size_t request_count;                /* parameters that are IN or INOUT: in the call's array */
  size_t reply_count;                  /* OUT or INOUT: in the reply's */
  const struct tl_schema_failure *failures;
  size_t failure_count;
  bool is_oneway;
};

struct tl_schema_procedures {
  const struct tl_schema_procedure *first;
  size_t count;
};

struct tl_schema_declaration {
  const struct tl_schema_declaration *next;
  const struct tl_schema_declaration *next_by_need; /* see tl_schema.first_by_need */
  enum tl_schema_kind kind;
  const char *name;
  const char *documentation;
  struct tl_schema_members members;       /* of ENUM, STRUCT, UNION */
  struct tl_schema_procedures procedures; /* of OBJECT; of CALLBACK exactly one, with its name */
  bool is_open;                           /* ENUM, UNION: readers must expect others */
};

struct tl_schema {
  struct tl_schema_declaration self; /* the interface: name, documentation, procedures */
  uint32_t version;
  const struct tl_schema_declaration *first; /* of the declared types */
  size_t declaration_count;
  /* The enums, structs and unions again, each behind all that it contains, as C wants them. */
  const struct tl_schema_declaration *first_by_need;
  struct tl_schema_members errors;
  struct tl_schema_members streams;
  struct tl_schema_members signals;
  void *memory; /* private */
};

/*
 * Reads and checks an interface of `size` bytes at `text` (borrowed for the call). 0 and *out, to be
 * freed with tl_schema_free(); TULLE_E_INVALID: it is wrong, `problems` (may be NULL) says where
 * and why; TULLE_E_NO_MEMORY. Takes memory of about 40 times the size of the text at most.
 */
int tl_schema_read(const char *text, size_t size, struct tl_schema_problems *problems,
                   struct tl_schema **out);

/* Accepts NULL, returns NULL. */
struct tl_schema *tl_schema_free(struct tl_schema *schema);

enum tl_schema_form {
  TL_SCHEMA_CANONICAL,  /* what the fingerprint is of */
  TL_SCHEMA_DOCUMENTED, /* the same with documentation */
};

/*
 * Writes the canonical form and a zero byte behind it into `out` of `out_size` bytes. Returns its length without
 * the zero; more than `out_size` - 1 says that it did not fit and that `out` holds its beginning, as
 * snprintf does. Never more than TL_SCHEMA_TEXT_BYTES_MAX.
 */
size_t tl_schema_write(const struct tl_schema *schema, enum tl_schema_form form, char *out,
                       size_t out_size);

/* A fingerprint is BLAKE2b-256 over this text, then the canonical form. The hash is not computed
 * here: it lives in `crypto`. */
#define TL_SCHEMA_FINGERPRINT_PREFIX "tulle interface 1\n"
#define TL_SCHEMA_FINGERPRINT_BYTES  32

/* Parts of the canonical form, for messages, help and generated comments; as tl_schema_write(). A
 * procedure without `oneway` and `;`, a type as an element of a list is written. */
size_t tl_schema_write_procedure(const struct tl_schema_procedure *procedure, char *out,
                                 size_t out_size);
size_t tl_schema_write_type(const struct tl_schema_type *type, char *out, size_t out_size);

#endif
