/*
 * `tulle errors [CODE]` and `tulle version`: what the program knows about itself.
 */
#include <stdlib.h>
#include <string.h>

#include "core/wire/control.h"
#include "tools/columns.h"
#include "tools/command.h"
#include "tools/json.h"
#include "tools/verbs.h"

/* No code is beyond: -1 to -999 are errno's, -1001 and below are tulle's. */
#define CODE_MIN (-1100)

static void error_json(struct tl_json *j, int code) {
  tl_json_object(j);
  tl_json_key(j, "code");
  tl_json_int(j, code);
  tl_json_put_text(j, "name", tulle_error_name(code));
  tl_json_put_text(j, "text", tulle_error_text(code));
  tl_json_put_text(j, "hint", tulle_error_hint(code));
  tl_json_put_uint(j, "exit", (uint64_t)tulle_error_exit(code));
  tl_json_end(j);
}

static void error_row(struct tl_columns *t, int code) {
  char number[16];
  tl_columns_add(t, tulle_error_name(code));
  snprintf(number, sizeof number, "%d", code);
  tl_columns_add(t, number);
  tl_columns_add_count(t, (uint64_t)tulle_error_exit(code));
  tl_columns_add(t, tulle_error_text(code));
}

static int list_all(const struct tl_command *c) {
  struct tl_json j = tl_json_on(stdout);
  struct tl_columns t = tl_columns_new("NAME >CODE >EXIT MEANING");
  if (c->json) tl_json_array(&j);
  for (int code = -1; code > CODE_MIN; code--) {
    if (!tulle_error_name(code)) continue;
    if (c->json)
      error_json(&j, code);
    else
      error_row(&t, code);
  }
  if (c->json) {
    tl_json_end(&j);
    tl_json_finish(&j);
  } else {
    tl_columns_print(&t, stdout);
  }
  tl_columns_free(&t);
  return 0;
}

/* By number, with or without its sign, or by name, with or without TULLE_E_. 0 if there is none. */
static int find_code(const char *text) {
  static const char prefix[] = "TULLE_E_";
  if (!strncasecmp(text, prefix, sizeof prefix - 1)) text += sizeof prefix - 1;
  char *end;
  long number = strtol(text, &end, 10);
  if (*text && !*end && number > CODE_MIN && number < -CODE_MIN) {
    int code = (int)(number < 0 ? number : -number);
    return tulle_error_name(code) ? code : 0;
  }
  for (int code = -1; code > CODE_MIN; code--)
    if (tulle_error_name(code) && !strcasecmp(tulle_error_name(code), text)) return code;
  return 0;
}

static int unknown_code(const struct tl_command *c, const char *text) {
  const char *names[128] = {0};
  size_t count = 0;
  char why[96] = "", upper[64];
  size_t i = 0;
  for (; text[i] && i < sizeof upper - 1; i++)
    upper[i] = text[i] >= 'a' && text[i] <= 'z' ? (char)(text[i] - 32) : text[i];
  upper[i] = 0;
  for (int code = -1; code > CODE_MIN && count < 127; code--)
    if (tulle_error_name(code)) names[count++] = tulle_error_name(code);
  const char *near = tl_command_nearest(upper, names);
  if (near) snprintf(why, sizeof why, "did you mean '%s'?", near);
  return tl_command_fail(c, TULLE_E_INVALID, why, "tulle errors lists all there are",
                         "no such error code: %s", text);
}

int tl_verb_errors(struct tl_command *c) {
  if (!c->operand_count) return list_all(c);
  int code = find_code(c->operands[0]);
  if (!code) return unknown_code(c, c->operands[0]);
  if (c->json) {
    struct tl_json j = tl_json_on(stdout);
    error_json(&j, code);
    tl_json_finish(&j);
    return 0;
  }
  printf("%s (%d, exit code %d): %s\n", tulle_error_name(code), code, tulle_error_exit(code),
         tulle_error_text(code));
  if (tulle_error_hint(code)) printf("  hint: %s\n", tulle_error_hint(code));
  return 0;
}

int tl_verb_version(struct tl_command *c) {
  if (!c->json) {
    printf("tulle %s\ncontrol protocol %d to %d\n", TL_TOOLS_VERSION, TL_CONTROL_VERSION_MIN,
           TL_CONTROL_VERSION_MAX);
    return 0;
  }
  struct tl_json j = tl_json_on(stdout);
  tl_json_object(&j);
  tl_json_put_text(&j, "version", TL_TOOLS_VERSION);
  tl_json_put_uint(&j, "control_version_min", TL_CONTROL_VERSION_MIN);
  tl_json_put_uint(&j, "control_version_max", TL_CONTROL_VERSION_MAX);
  tl_json_end(&j);
  tl_json_finish(&j);
  return 0;
}
