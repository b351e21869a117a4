/*
 * What an interface may declare, and C cannot have.
 */
#ifndef TL_TOOLS_GEN_C_CHECK_H
#define TL_TOOLS_GEN_C_CHECK_H

#include "tools/gen/c/shape.h"

#define TL_GEN_PROBLEM_SIZE 256

/* UNSUPPORTED or EXISTS with a sentence, or 0. */
int tl_gen_check(struct tl_gen *g, char problem[TL_GEN_PROBLEM_SIZE]);

#endif
