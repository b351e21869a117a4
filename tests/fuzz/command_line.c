/* Any words, one a line: parsed, explained or refused, never run. */
#include <stdlib.h>
#include <string.h>

#include "tools/arguments.h"
#include "tools/command.h"
#include "tools/constraint.h"

#define WORDS_MAX 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct tl_command *c) {
  struct tl_buffer value = {0};
  struct tl_constraint constraint;
  for (size_t i = 0; i < c->operand_count; i++)
    if (!tl_constraint_parse(c->operands[i], &constraint))
      (void)tl_constraint_holds(&constraint, 1, "mem=8G arch=arm64");
  bool reads_files = c->operand_count > 1 && strchr("@-", c->operands[1][0]);
  if (!reads_files) (void)tl_arguments_read(c, 1, &value);
  tl_buffer_deinit(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct tl_command c;
  static FILE *nowhere;
  char *words[WORDS_MAX + 2] = {"tulle"};
  int count = 1;
  if (!nowhere) nowhere = fopen("/dev/null", "w");
  FILE *out = stdout, *err = stderr;
  char *text = malloc(size + 1);
  if (!nowhere || !text) abort();
  memcpy(text, data, size);
  text[size] = 0;
  for (char *at = text; at && count < WORDS_MAX;) words[count++] = strsep(&at, "\n");
  stdout = stderr = nowhere;
  if (tl_command_parse(count, words, tl_verbs, &c) == 0) look(&c);
  stdout = out;
  stderr = err;
  free(text);
  return 0;
}
