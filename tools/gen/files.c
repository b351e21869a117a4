/*
 * `tulle gen FILE`: what is made of an interface, as files.
 *
 * A file is replaced as a whole or not at all, and left alone where it is the same already, so that
 * nothing is built again without need.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/gen/c/interface.h"
#include "tools/gen/source.h"

static bool is_same(const char *path, const struct tl_out *out) {
  FILE *f = fopen(path, "re");
  char *text = f ? malloc(out->size + 1) : NULL;
  bool same = text && fread(text, 1, out->size + 1, f) == out->size &&
              memcmp(text, out->text, out->size) == 0;
  free(text);
  if (f) fclose(f);
  return same;
}

/* 0 or an errno. */
static int write_all(int fd, const struct tl_out *out) {
  for (size_t done = 0; done < out->size;) {
    ssize_t n = write(fd, out->text + done, out->size - done);
    if (n < 0 && errno != EINTR) return errno;
    if (n > 0) done += (size_t)n;
  }
  return 0;
}

static int replace(const char *path, const struct tl_out *out) {
  char *temporary;
  if (asprintf(&temporary, "%s.%d.new", path, (int)getpid()) < 0) return ENOMEM;
  int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  int e = fd < 0 ? errno : write_all(fd, out);
  if (fd >= 0 && close(fd) < 0 && !e) e = errno;
  if (!e && rename(temporary, path) < 0) e = errno;
  if (e && fd >= 0) (void)unlink(temporary);
  free(temporary);
  return e;
}

static int write_file(const struct tl_command *c, const char *folder, const char *name,
                      const char *ending, const struct tl_out *out) {
  char path[4096];
  int n = snprintf(path, sizeof path, "%s/%s.tulle.%s", folder, name, ending);
  int e = n < 0 || (size_t)n >= sizeof path ? ENAMETOOLONG : 0;
  if (!e && is_same(path, out)) return 0;
  if (!e) e = replace(path, out);
  return e ? tl_command_fail(c, TULLE_E_IO, strerror(e), NULL, "cannot write %s", path) : 0;
}

int tl_gen_files(const struct tl_command *c, const struct tl_gen_source *s, const char *folder) {
  struct tl_out header, source;
  char problem[TL_GEN_PROBLEM_SIZE], file[TL_SCHEMA_NAME_BYTES_MAX + 8];
  const char *name = s->schema->self.name;
  snprintf(file, sizeof file, "%s.tulle", name);
  int r = tl_gen_c(s->schema, file, &header, &source, problem);
  if (r)
    return tl_command_fail(c, r, *problem ? problem : NULL,
                           r == TULLE_E_EXISTS ? "call one of them by another name" : NULL,
                           "no C can be made of %s", s->path);
  r = write_file(c, folder, name, "h", &header);
  if (!r) r = write_file(c, folder, name, "c", &source);
  tl_out_free(&header);
  tl_out_free(&source);
  return r;
}
