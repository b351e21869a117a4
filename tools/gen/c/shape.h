/*
 * How the types of an interface look in C: names, declarations, sizes.
 */
#ifndef TL_TOOLS_GEN_C_SHAPE_H
#define TL_TOOLS_GEN_C_SHAPE_H

#include "core/schema/schema.h"
#include "tools/gen/c/out.h"
#include "tulle/memory.h"

/* The declared types that travel. */
struct tl_used {
  const struct tl_used *next;
  const struct tl_schema_declaration *declaration;
};

struct tl_gen {
  const struct tl_schema *schema;
  const char *name;    /* of the interface */
  const char *handle;  /* the struct for its clients, and variables of it */
  struct tl_out *out;  /* what is being written */
  const char *measure; /* what the function that is being written calls its measure */
  const struct tl_used *used;
  struct tulle_memory memory;
  bool failed; /* no memory */
};

/* Text that lives as long as the generator; "" when there is no memory. */
const char *tl_gen_text(struct tl_gen *g, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A name as C may use it, with a `_` behind it where it is a word of C, of C++, or one that
 * generated functions need for themselves. */
const char *tl_gen_word(struct tl_gen *g, const char *name);

/* A name in capitals. */
const char *tl_gen_capitals(struct tl_gen *g, const char *name);

/* A field, an alternative or a parameter. */
struct tl_slot {
  const char *name;      /* in C */
  const char *said_name; /* in the interface */
  const char *path;      /* what types of its own begin with: "store_entry_counts" */
  const struct tl_schema_type *type;
  bool is_optional;
};

struct tl_slot tl_slot_of(struct tl_gen *g, const struct tl_schema_member *member,
                          const char *owner);

/* The value that an element of a list, a pair of a map, or an optional array is wrapped in a struct
 * with, whose name is `path`. */
struct tl_slot tl_slot_in(const struct tl_slot *slot, const char *path,
                          const struct tl_schema_type *type);

enum tl_form {
  TL_FORM_MEMBER,
  TL_FORM_IN,
  TL_FORM_OUT,
};

/* Its declaration: two where a size or count goes with it, with `between` them ("; " or ", "). */
const char *tl_slot_declare(struct tl_gen *g, const struct tl_slot *slot, enum tl_form form,
                            const char *between);

/* "_size" or "_count" where one goes with it, else "". */
const char *tl_slot_size_suffix(const struct tl_slot *slot);

/* The type of one element: "enum store_color", "const char *", "struct store_entry_rows_element". */
const char *tl_type_name(struct tl_gen *g, const struct tl_schema_type *type, const char *path);

/* Whether an element of a list is wrapped in a struct of its own; the name of that struct. */
bool tl_type_is_wrapped(const struct tl_schema_type *type);
const char *tl_path_element(struct tl_gen *g, const char *path);
const char *tl_path_entry(struct tl_gen *g, const char *path);
const char *tl_path_value(struct tl_gen *g, const char *path);

/* `type` with `const` in front of what it points to, ready for a name: "const struct x *". */
const char *tl_type_pointer(struct tl_gen *g, const char *type);

/* An array of u8 travels as bytes. */
bool tl_type_is_raw(const struct tl_schema_type *type);

/* How many bytes a value takes at most beside texts, bytes and elements of lists; whether it can
 * have any of these; whether values of it point to anything. */
size_t tl_type_fixed_size(const struct tl_schema_type *type);
bool tl_type_is_variable(const struct tl_schema_type *type);
bool tl_slot_has_pointers(const struct tl_schema_member *member);

/* Of the head of an array. */
size_t tl_head_size(size_t count);

/* ---- expressions ---- */

/* A value in C: what it is called, and its size or count. `*x` for what x points to. */
struct tl_place {
  const char *value;
  const char *size;
};

struct tl_place tl_place_of_member(struct tl_gen *g, const char *object,
                                   const struct tl_slot *slot);
struct tl_place tl_place_of_parameter(struct tl_gen *g, const struct tl_slot *slot,
                                      enum tl_form form);

/* &place; place[index]; the `value` in the struct that the place is; what it points to. */
const char *tl_place_address(struct tl_gen *g, struct tl_place place);
struct tl_place tl_place_index(struct tl_gen *g, struct tl_place place, const char *index);
struct tl_place tl_place_inside(struct tl_gen *g, struct tl_place place, const char *member,
                                const struct tl_schema_type *type);
struct tl_place tl_place_pointed(struct tl_gen *g, struct tl_place place);

/* The name of a loop's variable, by its depth from 0. */
const char *tl_gen_index(struct tl_gen *g, int depth);

#endif
