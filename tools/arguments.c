#include "tools/arguments.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/limits.h"
#include "tools/human.h"
#include "tools/json_read.h"
#include "tulle/pack.h"

/* The head of a call and the header of a binary fit into this beside the file's bytes. */
#define MESSAGE_MARGIN 256
#define BYTES_MAX      ((size_t)TL_MESSAGE_BYTES_MAX - MESSAGE_MARGIN)
#define READ_BYTES     65536
#define BINARY_HEAD    5

/* Appends all of `fd`; TULLE_E_TOO_BIG beyond BYTES_MAX. */
static int read_all(int fd, struct tl_buffer *out) {
  out->size_max = BYTES_MAX + BINARY_HEAD;
  for (;;) {
    int r = tl_buffer_reserve(out, READ_BYTES);
    if (r == TULLE_E_TOO_BIG && out->size < out->size_max)
      r = tl_buffer_reserve(out, out->size_max - out->size);
    uint8_t beyond;
    bool is_full = r == TULLE_E_TOO_BIG;
    if (r && !is_full) return r;
    ssize_t n = read(fd, is_full ? &beyond : out->data + out->size,
                     is_full ? 1 : out->capacity - out->size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    if (n == 0) return 0;
    if (is_full) return TULLE_E_TOO_BIG;
    out->size += (size_t)n;
    if (out->size > out->size_max) return TULLE_E_TOO_BIG;
  }
}

static int read_failed(const struct tl_command *c, const char *name, int r) {
  char why[128], limit[TL_HUMAN_SIZE];
  snprintf(why, sizeof why, "a message holds at most %s",
           tl_human_bytes(TL_MESSAGE_BYTES_MAX, limit));
  if (r == TULLE_E_TOO_BIG) return tl_command_fail(c, r, why, NULL, "%s is too large", name);
  tl_command_fail(c, r, strerror(-r), NULL, "cannot read %s", name);
  return TL_EXIT_USAGE;
}

/* The bytes of a file as one binary: its header is put in front once its size is known. */
static int read_file(const struct tl_command *c, const char *path, struct tl_buffer *out) {
  static const uint8_t room[BINARY_HEAD];
  bool is_stdin = !strcmp(path, "-");
  int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return read_failed(c, path, -errno);
  int r = tl_buffer_append(out, room, sizeof room);
  if (!r) r = read_all(fd, out);
  if (!is_stdin) close(fd);
  if (r) return read_failed(c, is_stdin ? "standard input" : path, r);
  size_t size = out->size - BINARY_HEAD;
  uint8_t head[BINARY_HEAD];
  struct tulle_pack w = tulle_pack_on(head, sizeof head);
  tulle_pack_counted_(&w, size, 0, 0, 0xc4, 0xc5);
  size_t head_size = tulle_pack_size(&w);
  memcpy(out->data + BINARY_HEAD - head_size, head, head_size);
  memmove(out->data, out->data + BINARY_HEAD - head_size, head_size + size);
  out->size = head_size + size;
  return 0;
}

static int read_json(const struct tl_command *c, const char *text, size_t size, const char *name,
                     struct tl_buffer *out) {
  struct tl_json_error error;
  int r = tl_json_read(text, size, out, &error);
  if (!r) return 0;
  char why[160];
  snprintf(why, sizeof why, "line %zu, column %zu: %s", error.line, error.column, error.text);
  return tl_command_fail(
      c, r, why, "arguments are KEY=VALUE words, JSON, @FILE, or - for JSON from standard input",
      "%s is not JSON", name);
}

static int read_stdin_json(const struct tl_command *c, struct tl_buffer *out) {
  struct tl_buffer text = {0};
  int r = read_all(STDIN_FILENO, &text);
  r = r ? read_failed(c, "standard input", r)
        : read_json(c, (char *)text.data, text.size, "standard input", out);
  tl_buffer_deinit(&text);
  return r;
}

/* Length of the key of KEY=VALUE, or 0 if it is not that. */
static size_t key_size(const char *word) {
  size_t size = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");
  return word[size] == '=' ? size : 0;
}

/* A value that is JSON is taken as such, so that numbers are numbers; anything else is text. */
static int append_value(const char *value, struct tl_buffer *out) {
  size_t before = out->size;
  int r = tl_json_read(value, strlen(value), out, NULL);
  if (!r) return 0;
  out->size = before;
  size_t size = strlen(value);
  if ((r = tl_buffer_reserve(out, size + BINARY_HEAD))) return r;
  struct tulle_pack w = tulle_pack_on(out->data + out->size, size + BINARY_HEAD);
  tulle_pack_text_of(&w, value, size);
  out->size += tulle_pack_size(&w);
  return 0;
}

static int append_pair(const struct tl_command *c, const char *word, struct tl_buffer *out) {
  size_t size = key_size(word);
  if (!size)
    return tl_command_fail(c, TULLE_E_INVALID,
                           "the words before it are KEY=VALUE, so this must be as well", NULL,
                           "'%s' is not KEY=VALUE", word);
  int r = tl_buffer_reserve(out, size + BINARY_HEAD);
  if (!r) {
    struct tulle_pack w = tulle_pack_on(out->data + out->size, size + BINARY_HEAD);
    tulle_pack_text_of(&w, word, size);
    out->size += tulle_pack_size(&w);
    r = append_value(word + size + 1, out);
  }
  return r ? tl_command_fail(c, r, NULL, NULL, "cannot use '%s': %s", word, tulle_error_text(r))
           : 0;
}

static int read_pairs(const struct tl_command *c, size_t first, struct tl_buffer *out) {
  size_t count = c->operand_count - first;
  if (tl_buffer_reserve(out, BINARY_HEAD)) return tulle_error_exit(TULLE_E_NO_MEMORY);
  struct tulle_pack w = tulle_pack_on(out->data, BINARY_HEAD);
  tulle_pack_map(&w, count);
  out->size = tulle_pack_size(&w);
  for (size_t i = first; i < c->operand_count; i++) {
    for (size_t k = first; k < i; k++) {
      size_t size = key_size(c->operands[i]);
      if (size && size == key_size(c->operands[k]) && !memcmp(c->operands[i], c->operands[k], size))
        return tl_command_fail(c, TULLE_E_INVALID, NULL, NULL, "'%.*s' is given twice", (int)size,
                               c->operands[i]);
    }
    int r = append_pair(c, c->operands[i], out);
    if (r) return r;
  }
  return 0;
}

int tl_arguments_read(const struct tl_command *c, size_t first, struct tl_buffer *out) {
  if (first >= c->operand_count) return 0;
  const char *word = c->operands[first];
  bool is_single = c->operand_count == first + 1;
  if (key_size(word)) return read_pairs(c, first, out);
  if (!is_single)
    return tl_command_fail(c, TULLE_E_INVALID, "only KEY=VALUE words may be several", NULL,
                           "one argument too many: '%s'", c->operands[first + 1]);
  if (word[0] == '@') return read_file(c, word + 1, out);
  if (!strcmp(word, "-")) return read_stdin_json(c, out);
  return read_json(c, word, strlen(word), "the argument", out);
}
