#include "node/network/echo.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/log.h"

#define PATH_BYTES 4096

struct tl_echo {
  uv_process_t process;
  struct tl_echo **slot;
};

static void closed(uv_handle_t *handle) {
  free(handle->data);
}

static void ended(uv_process_t *process, int64_t status, int number) {
  struct tl_echo *e = process->data;
  (void)status, (void)number;
  *e->slot = NULL;
  uv_close((uv_handle_t *)process, closed);
}

static const char *program(char path[PATH_BYTES]) {
  const char *given = secure_getenv("TULLE_BIN");
  ssize_t size = readlink("/proc/self/exe", path, PATH_BYTES - 1);
  path[size > 0 ? size : 0] = 0;
  return given && *given ? given : path;
}

void tl_echo_start(uv_loop_t *loop, struct tl_echo **slot) {
  char path[PATH_BYTES];
  char *argv[] = {"tulle", "bench", "echo", NULL};
  uv_stdio_container_t stdio[] = {{.flags = UV_IGNORE},
                                  {.flags = UV_IGNORE},
                                  {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO}};
  uv_process_options_t options = {
      .file = program(path), .args = argv, .stdio = stdio, .stdio_count = 3, .exit_cb = ended};
  struct tl_echo *e = *slot ? NULL : calloc(1, sizeof *e);
  if (!e) return;
  e->slot = slot;
  e->process.data = e;
  int r = uv_spawn(loop, &e->process, &options);
  if (r < 0) {
    tl_log(TL_LOG_WARNING, "bench", "%s: %s", options.file, uv_strerror(r));
    uv_close((uv_handle_t *)&e->process, closed);
    return;
  }
  *slot = e;
}

void tl_echo_stop(struct tl_echo **slot) {
  struct tl_echo *e = *slot;
  if (!e) return;
  *slot = NULL;
  (void)uv_process_kill(&e->process, SIGTERM);
  uv_close((uv_handle_t *)&e->process, closed);
}
