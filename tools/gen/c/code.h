/*
 * The parts of what is generated, each written to g->out.
 */
#ifndef TL_TOOLS_GEN_C_CODE_H
#define TL_TOOLS_GEN_C_CODE_H

#include "tools/gen/c/shape.h"

/* Whether values of a declared type travel in any call: otherwise nothing encodes or decodes them. */
bool tl_gen_is_used(const struct tl_gen *g, const struct tl_schema_declaration *declaration);

/* types.c: for the header. */
void tl_gen_types(struct tl_gen *g);

/* The lines of a member of a struct. */
void tl_gen_member(struct tl_gen *g, int indent, const struct tl_slot *slot);

/* The types that a field's or parameter's own type is made of, "struct store_entry_counts_entry". */
void tl_gen_wrappers(struct tl_gen *g, const struct tl_slot *slot);

/* self.c: the interface itself, as `NAME_interface`. */
void tl_gen_self(struct tl_gen *g);

/* encode.c: functions for each declared type; lines for one value. Measuring is nothing where
 * the size is fixed. */
void tl_gen_encoders(struct tl_gen *g);
void tl_gen_measure(struct tl_gen *g, int indent, const struct tl_slot *slot,
                    struct tl_place place);
void tl_gen_encode(struct tl_gen *g, int indent, const struct tl_slot *slot, struct tl_place place);

/* decode.c: the same; a field of the struct `v` is the one at `position` of those that came, of which the first
 * `needed` are always there. */
void tl_gen_decoders(struct tl_gen *g);
void tl_gen_decode_field(struct tl_gen *g, const struct tl_schema_member *m, const char *owner,
                         size_t position, size_t needed);

/* procedure.c: what both sides know of a procedure. */
void tl_gen_procedures(struct tl_gen *g);

/* What its types and its values are named after. */
const char *tl_gen_owner(struct tl_gen *g, const struct tl_schema_procedure *p);

/* Whether its results point to anything. */
bool tl_gen_takes_memory(const struct tl_schema_procedure *p);

/* Declarations with a comma before each: of all parameters; of those in `direction`, as arguments. */
const char *tl_gen_declare_all(struct tl_gen *g, const struct tl_schema_procedure *p,
                               bool has_memory);
const char *tl_gen_declare_some(struct tl_gen *g, const struct tl_schema_procedure *p,
                                enum tl_schema_direction direction);

/* What a function is given for a parameter: from parameters of the same names, or from the struct
 * `v` of values; by value, or where it can be written. */
enum tl_handing {
  TL_HAND_ON,         /* as it came */
  TL_HAND_ON_CONTENT, /* it came as out, and goes as in */
  TL_HAND_VALUE,      /* v.x as in */
  TL_HAND_ROOM,       /* v.x as out */
};
const char *tl_gen_hand(struct tl_gen *g, const struct tl_schema_member *m,
                        enum tl_handing handing);
const char *tl_gen_hand_some(struct tl_gen *g, const struct tl_schema_procedure *p,
                             enum tl_schema_direction direction, enum tl_handing handing);

/* Measures what goes in `direction` and packs it, where `begin` says how packing begins. */
void tl_gen_pack_some(struct tl_gen *g, const struct tl_schema_procedure *p,
                      enum tl_schema_direction direction, const char *begin);

/* client.c and server.c: prototypes for the header, functions for the source. */
void tl_gen_client_header(struct tl_gen *g);
void tl_gen_client(struct tl_gen *g);
void tl_gen_server_header(struct tl_gen *g);
void tl_gen_server(struct tl_gen *g);

#endif
