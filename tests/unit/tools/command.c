#include "tools/command.h"

#include "tests/unit/test.h"
#include <stdlib.h>
#include <string.h>

#include "core/time.h"

/* Parses words separated by spaces (which this keeps for as long as `c` is used). What is complained about is
 * in `complaint`. */
static char line_text[1024];
static char *complaint;

static int parse(const char *line, struct tl_command *c) {
  static char *argv[128];
  int argc = 0;
  snprintf(line_text, sizeof line_text, "%s", line);
  for (char *word = strtok(line_text, " "); word; word = strtok(NULL, " ")) argv[argc++] = word;
  argv[argc] = NULL;
  free(complaint);
  complaint = NULL;
  size_t size = 0;
  FILE *terminal_out = stdout, *terminal_err = stderr;
  stdout = stderr = open_memstream(&complaint, &size);
  int r = tl_command_parse(argc, argv, tl_verbs, c);
  fclose(stderr);
  stdout = terminal_out;
  stderr = terminal_err;
  return r;
}

static void test_flags_stand_anywhere(void **state) {
  (void)state;
  static const char *const lines[] = {
      "tulle --json call --node heron textstat.count @f --timeout 250ms",
      "tulle call textstat.count @f --timeout=250ms --node=heron --json",
      "tulle --node heron --timeout 250ms --json call textstat.count @f",
      "tulle --json --timeout 250ms --node heron call -- textstat.count @f",
  };
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    struct tl_command c;
    assert_int_equal(parse(lines[i], &c), 0);
    assert_string_equal(c.verb->name, "call");
    assert_int_equal(c.operand_count, 2);
    assert_string_equal(c.operands[0], "textstat.count");
    assert_string_equal(c.operands[1], "@f");
    assert_string_equal(tl_command_text(&c, "node"), "heron");
    assert_int_equal(c.timeout_ns, 250 * TL_MS);
    assert_true(c.json);
    assert_false(c.quiet);
  }
}

static void test_dashes_end_options(void **state) {
  (void)state;
  struct tl_command c;
  assert_int_equal(parse("tulle call -q a.b -- --json -5", &c), 0);
  assert_true(c.quiet);
  assert_false(c.json);
  assert_int_equal(c.operand_count, 3);
  assert_string_equal(c.operands[1], "--json");
  assert_string_equal(c.operands[2], "-5");
  assert_int_equal(parse("tulle errors -1002", &c), 0);
  assert_string_equal(c.operands[0], "-1002");
  assert_int_equal(parse("tulle call a.b -", &c), 0);
  assert_string_equal(c.operands[1], "-");
}

static void test_letters(void **state) {
  (void)state;
  struct tl_command c;
  assert_int_equal(parse("tulle -qv ls", &c), 0);
  assert_true(c.quiet && c.verbose);
  assert_int_equal(parse("tulle ls -qx", &c), TULLE_E_INVALID);
}

static void test_two_words(void **state) {
  (void)state;
  struct tl_command c;
  assert_int_equal(parse("tulle fabric create lab", &c), 0);
  assert_string_equal(c.verb->name, "fabric create");
  assert_string_equal(c.operands[0], "lab");
  assert_int_equal(parse("tulle fabric --json create lab", &c), 0);
  assert_int_equal(parse("tulle members", &c), 0);
  assert_string_equal(c.verb->name, "members");
  assert_int_equal(parse("tulle members remove heron", &c), 0);
  assert_string_equal(c.verb->name, "members remove");
}

static void test_repeated_options(void **state) {
  (void)state;
  struct tl_command c;
  assert_int_equal(parse("tulle node --peer a:1 --peer=b:2 --name n", &c), 0);
  size_t cursor = 0;
  assert_string_equal(tl_command_next(&c, "peer", &cursor), "a:1");
  assert_string_equal(tl_command_next(&c, "peer", &cursor), "b:2");
  assert_null(tl_command_next(&c, "peer", &cursor));
  assert_false(tl_command_has(&c, "listen"));
}

static void refuse(const char *line, const char *wanted) {
  struct tl_command c;
  int r = parse(line, &c);
  if (r != TULLE_E_INVALID || !strstr(complaint, wanted))
    print_message("%s: %d %s\n", line, r, complaint);
  assert_int_equal(r, TULLE_E_INVALID);
  assert_non_null(strstr(complaint, wanted));
}

static void test_refusals(void **state) {
  (void)state;
  refuse("tulle", "usage: tulle COMMAND");
  refuse("tulle cal a.b", "did you mean 'tulle call'?");
  refuse("tulle fabric", "did you mean 'tulle fabric create'?");
  refuse("tulle fabric crate lab", "did you mean 'tulle fabric create'?");
  refuse("tulle bench", "did you mean 'tulle bench rpc'?");
  refuse("tulle qqqqq", "no such command: qqqqq");
  refuse("tulle --quiet", "no command given");
  refuse("tulle ls --jsn", "did you mean '--json'?");
  refuse("tulle ls --node x", "no such option: --node");
  refuse("tulle ls --qqqq", "no such option: --qqqq");
  refuse("tulle ls -z", "no such option: -z");
  refuse("tulle call a.b --node", "--node needs a value");
  refuse("tulle call a.b --timeout", "--timeout needs a value");
  refuse("tulle call a.b --timeout 5x", "not a duration");
  refuse("tulle call a.b --timeout=", "not a duration");
  refuse("tulle call a.b --timeout -5", "not a duration");
  refuse("tulle call a.b --repeat many", "not a number");
  refuse("tulle bench rpc --carrier sctp", "no such choice");
  refuse("tulle bench rpc --carrier=", "no such choice");
  refuse("tulle bench rpc --placement sam", "no such choice");
  refuse("tulle ls --json=yes", "--json takes no value");
  refuse("tulle call", "usage: tulle call");
  refuse("tulle wait a b", "one operand too many: b");
  refuse("tulle fabric create", "usage: tulle fabric create NAME");
}

static void test_json_complaints(void **state) {
  (void)state;
  refuse("tulle --json nonsense", "{\"error\":{\"code\":-22,\"name\":\"INVALID\"");
  refuse("tulle call --json", "\"exit\":2}}");
}

static void test_help(void **state) {
  (void)state;
  struct tl_command c;
  assert_int_equal(parse("tulle --help", &c), TL_END);
  for (const struct tl_verb *v = tl_verbs; v->name; v++)
    if (!v->is_hidden) assert_non_null(strstr(complaint, v->summary));
  assert_null(strstr(complaint, "bench echo"));
  assert_int_equal(parse("tulle call --help", &c), TL_END);
  assert_non_null(strstr(complaint, "usage: tulle call SERVICE.PROCEDURE[@NODE]"));
  assert_non_null(strstr(complaint, "Examples:"));
  assert_non_null(strstr(complaint, "Exit codes:"));
  assert_int_equal(parse("tulle -h", &c), TL_END);
  assert_int_equal(parse("tulle call a.b --nonsense --help", &c), TL_END);
  assert_int_equal(parse("tulle nonsense --help", &c), TULLE_E_INVALID);
}

/* An option that stands before its verb is taken apart without knowing the verb. */
static void test_options_agree_between_verbs(void **state) {
  (void)state;
  for (const struct tl_verb *a = tl_verbs; a->name; a++)
    for (const struct tl_option *x = a->options; x && x->name; x++) {
      for (const struct tl_option *common = tl_common_options; common->name; common++)
        assert_string_not_equal(x->name, common->name);
      for (const struct tl_verb *b = tl_verbs; b->name; b++)
        for (const struct tl_option *y = b->options; y && y->name; y++)
          if (!strcmp(x->name, y->name)) assert_int_equal(x->kind, y->kind);
    }
}

static void test_nearest(void **state) {
  (void)state;
  static const char *const words[] = {"greet", "count", "textstat", "host", NULL};
  assert_string_equal(tl_command_nearest("gret", words), "greet");
  assert_string_equal(tl_command_nearest("cuont", words), "count");
  assert_string_equal(tl_command_nearest("text", words), "textstat");
  assert_null(tl_command_nearest("xyz", words));
  assert_null(tl_command_nearest("", words));
  assert_null(tl_command_nearest("h", words));
}

static int teardown(void **state) {
  (void)state;
  free(complaint);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_flags_stand_anywhere),
      cmocka_unit_test(test_dashes_end_options),
      cmocka_unit_test(test_letters),
      cmocka_unit_test(test_two_words),
      cmocka_unit_test(test_repeated_options),
      cmocka_unit_test(test_refusals),
      cmocka_unit_test(test_json_complaints),
      cmocka_unit_test(test_help),
      cmocka_unit_test(test_options_agree_between_verbs),
      cmocka_unit_test(test_nearest),
  };
  return cmocka_run_group_tests(tests, NULL, teardown);
}
