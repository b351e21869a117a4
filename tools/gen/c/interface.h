/*
 * From the model of an interface to C: docs/interface-c.md says what.
 */
#ifndef TL_TOOLS_GEN_C_INTERFACE_H
#define TL_TOOLS_GEN_C_INTERFACE_H

#include "core/schema/schema.h"
#include "tools/gen/c/check.h"
#include "tools/gen/c/out.h"

/*
 * Makes header and source of an interface that was read from a file of the name `file` (without
 * folders). Both are freed with tl_out_free(). UNSUPPORTED: it declares something that does not
 * become C, EXISTS: two of its names would become one in C; `problem` says which. NO_MEMORY.
 */
int tl_gen_c(const struct tl_schema *schema, const char *file, struct tl_out *out_header,
             struct tl_out *out_source, char problem[TL_GEN_PROBLEM_SIZE]);

#endif
