/* An interface file that was read, with the interface in it. Internal to tools/gen. */
#ifndef TL_TOOLS_GEN_SOURCE_H
#define TL_TOOLS_GEN_SOURCE_H

#include "core/schema/schema.h"
#include "tools/buffer.h"
#include "tools/command.h"

struct tl_gen_source {
  const char *path; /* as it was given; "-" is standard input */
  struct tl_buffer text;
  struct tl_schema *schema;
};

/* 0, or the exit code after what was wrong has been told. To be given back with tl_gen_source_deinit(). */
int tl_gen_source_read(const struct tl_command *c, const char *path, struct tl_gen_source *out);
void tl_gen_source_deinit(struct tl_gen_source *s);

/* --against: tells what changed from the interface of the file at `path` to that of `s`. Returns the
 * exit code. */
int tl_gen_against(const struct tl_command *c, const struct tl_gen_source *s, const char *path);

/* Makes header and source in `folder`. Returns the exit code. */
int tl_gen_files(const struct tl_command *c, const struct tl_gen_source *s, const char *folder);

#endif
