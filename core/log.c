#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static enum tl_log_level log_level = TL_LOG_NOTICE;

void tl_log_set_level(enum tl_log_level level) {
  log_level = level;
}

static const char *level_text(enum tl_log_level level) {
  switch (level) {
  case TL_LOG_ERROR:
    return "error";
  case TL_LOG_WARNING:
    return "warning";
  case TL_LOG_NOTICE:
    return "notice";
  case TL_LOG_DEBUG:
    return "debug";
  }
  return "?";
}

void tl_log(enum tl_log_level level, const char *component, const char *format, ...) {
  if (level > log_level) return;
  char line[1024], text[900];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  int size = getenv("JOURNAL_STREAM")
                 ? snprintf(line, sizeof line, "<%d>%s: %s\n", (int)level, component, text)
                 : snprintf(line, sizeof line, "%s %s: %s\n", level_text(level), component, text);
  if (size > 0 && write(STDERR_FILENO, line, (size_t)size) < 0)
    return; /* nowhere left to complain */
}
