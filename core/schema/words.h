/*
 * The words of the language, the rule for names, and what people write who think of another language.
 * Internal to core/schema.
 */
#ifndef TL_CORE_SCHEMA_WORDS_H
#define TL_CORE_SCHEMA_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/schema/schema.h"

/* The kind of type that a word names by itself, or -1. */
int tl_schema_kind_of(const char *word, size_t size);

/* The word of a kind up to TL_SCHEMA_MAP. */
const char *tl_schema_kind_word(enum tl_schema_kind kind);

/* How a kind is spoken of: "a struct", "a list". */
const char *tl_schema_kind_text(enum tl_schema_kind kind);

/* What may not name a type, since it could not be told from the word. */
bool tl_schema_word_is_reserved(const char *word);

/* Lower case, digits, single underscores inside, a letter first; of any length. */
bool tl_schema_name_is_valid(const char *name, size_t size);

/* Makes "GetValue" or "get__value_" a name: "get_value". False if there is none that is like it. */
bool tl_schema_name_repair(const char *name, size_t size, char *out, size_t out_size);

/* What the type of another language is called here: "uint32_t" is "u32". NULL: nothing known. */
const char *tl_schema_foreign_type(const char *word);

#endif
