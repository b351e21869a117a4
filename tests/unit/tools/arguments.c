#include "tools/arguments.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/limits.h"
#include "core/wire/msgpack.h"
#include "tests/unit/test.h"
#include "tools/json.h"

static struct tl_command quiet = {.json = true};

static int read_words(struct tl_buffer *out, size_t count, const char *const *words) {
  quiet.operand_count = count;
  for (size_t i = 0; i < count; i++) quiet.operands[i] = words[i];
  FILE *terminal = stderr;
  stderr = fopen("/dev/null", "w");
  int r = tl_arguments_read(&quiet, 0, out);
  fclose(stderr);
  stderr = terminal;
  return r;
}

#define READ(out, ...)                                                                             \
  read_words(out, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *),                     \
             (const char *const[]){__VA_ARGS__})

static void check(const struct tl_buffer *b, const char *wanted) {
  char *text = NULL;
  size_t size = 0;
  struct tl_json j = tl_json_on(open_memstream(&text, &size));
  struct tulle_unpack u = tulle_unpack_on(b->data, b->size);
  assert_int_equal(tl_msgpack_check(b->data, b->size), 0);
  tl_json_value(&j, &u);
  fclose(j.out);
  assert_string_equal(text, wanted);
  free(text);
}

static void test_words(void **state) {
  (void)state;
  struct tl_buffer b = {0};
  assert_int_equal(READ(&b, "name=world", "count=3", "text=\"3\"", "list=[1,2]", "empty=", "odd={"),
                   0);
  check(&b, "{\"name\":\"world\",\"count\":3,\"text\":\"3\",\"list\":[1,2],\"empty\":\"\",\"odd\":"
            "\"{\"}");
  tl_buffer_deinit(&b);
  assert_int_equal(READ(&b, "a=b=c"), 0);
  check(&b, "{\"a\":\"b=c\"}");
  tl_buffer_deinit(&b);
}

static void test_json(void **state) {
  (void)state;
  struct tl_buffer b = {0};
  assert_int_equal(READ(&b, "{\"name\":\"a=b\"}"), 0);
  check(&b, "{\"name\":\"a=b\"}");
  tl_buffer_deinit(&b);
  assert_int_equal(READ(&b, "5"), 0);
  check(&b, "5");
  tl_buffer_deinit(&b);
  assert_int_equal(read_words(&b, 0, NULL), 0);
  assert_int_equal(b.size, 0);
}

static void test_refusals(void **state) {
  (void)state;
  struct tl_buffer b = {0};
  assert_int_equal(READ(&b, "world"), 2);
  tl_buffer_deinit(&b);
  assert_int_equal(READ(&b, "a=1", "b"), 2);
  tl_buffer_deinit(&b);
  assert_int_equal(READ(&b, "a=1", "a=2"), 2);
  tl_buffer_deinit(&b);
  assert_int_equal(READ(&b, "1", "2"), 2);
  tl_buffer_deinit(&b);
  assert_int_equal(READ(&b, "{\"a\":"), 2);
  tl_buffer_deinit(&b);
  assert_int_equal(READ(&b, "@/nonexistent/file"), 2);
  tl_buffer_deinit(&b);
  assert_int_equal(READ(&b, "@/"), 2);
  tl_buffer_deinit(&b);
}

/* A file of `size` bytes, sparse. */
static const char *file_of(size_t size) {
  static char word[64];
  strcpy(word, "@/tmp/tulle-test-XXXXXX");
  int fd = mkstemp(word + 1);
  assert_true(fd >= 0);
  assert_int_equal(ftruncate(fd, (off_t)size), 0);
  close(fd);
  return word;
}

static void test_files(void **state) {
  (void)state;
  static const size_t sizes[] = {
      0, 1, 255, 256, 65535, 65536, 65537, 1000000, TL_MESSAGE_BYTES_MAX - 256};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    struct tl_buffer b = {0};
    const char *word = file_of(sizes[i]);
    int r = READ(&b, word);
    unlink(word + 1);
    assert_int_equal(r, 0);
    struct tulle_unpack u = tulle_unpack_on(b.data, b.size);
    size_t size;
    assert_non_null(tulle_unpack_bytes(&u, &size));
    assert_int_equal(size, sizes[i]);
    assert_ptr_equal(u.at, u.end);
    tl_buffer_deinit(&b);
  }
}

static void test_files_too_large(void **state) {
  (void)state;
  struct tl_buffer b = {0};
  const char *word = file_of(TL_MESSAGE_BYTES_MAX - 255);
  int r = READ(&b, word);
  unlink(word + 1);
  assert_int_equal(r, 9);
  tl_buffer_deinit(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_words),           cmocka_unit_test(test_json),
      cmocka_unit_test(test_refusals),        cmocka_unit_test(test_files),
      cmocka_unit_test(test_files_too_large),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
