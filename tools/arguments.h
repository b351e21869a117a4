/*
 * What is given to a call on the command line, as one msgpack value: KEY=VALUE words, JSON, a file's bytes.
 */
#ifndef TL_TOOLS_ARGUMENTS_H
#define TL_TOOLS_ARGUMENTS_H

#include "tools/buffer.h"
#include "tools/command.h"

/* Operands from number `first` on; none: `out` stays empty. 0 and `out`, to be deinited; or the exit code after a
 * complaint. Reads standard input only when an operand says so. */
int tl_arguments_read(const struct tl_command *c, size_t first, struct tl_buffer *out);

#endif
