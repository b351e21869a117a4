#include "core/schema/words.h"

#include <string.h>

static const struct {
  const char *word;
  const char *text;
} kinds[] = {
    [TL_SCHEMA_BOOL] = {"bool", "a bool"},       [TL_SCHEMA_U8] = {"u8", "a u8"},
    [TL_SCHEMA_U16] = {"u16", "a u16"},          [TL_SCHEMA_U32] = {"u32", "a u32"},
    [TL_SCHEMA_U64] = {"u64", "a u64"},          [TL_SCHEMA_I8] = {"i8", "an i8"},
    [TL_SCHEMA_I16] = {"i16", "an i16"},         [TL_SCHEMA_I32] = {"i32", "an i32"},
    [TL_SCHEMA_I64] = {"i64", "an i64"},         [TL_SCHEMA_F32] = {"f32", "an f32"},
    [TL_SCHEMA_F64] = {"f64", "an f64"},         [TL_SCHEMA_STRING] = {"string", "a string"},
    [TL_SCHEMA_BYTES] = {"bytes", "bytes"},      [TL_SCHEMA_LIST] = {"list", "a list"},
    [TL_SCHEMA_MAP] = {"map", "a map"},          [TL_SCHEMA_ARRAY] = {NULL, "an array"},
    [TL_SCHEMA_ENUM] = {NULL, "an enum"},        [TL_SCHEMA_STRUCT] = {NULL, "a struct"},
    [TL_SCHEMA_UNION] = {NULL, "a union"},       [TL_SCHEMA_OBJECT] = {NULL, "an interface"},
    [TL_SCHEMA_CALLBACK] = {NULL, "a callback"},
};

static const char *const reserved[] = {"callback", "enum",      "error",  "fails",    "in",
                                       "inout",    "interface", "oneway", "optional", "out",
                                       "signal",   "stream",    "struct", "union",    "void"};

static const struct {
  const char *word;
  const char *ours;
} foreign[] = {
    {"int8_t", "i8"},        {"int16_t", "i16"},    {"int32_t", "i32"},   {"int64_t", "i64"},
    {"uint8_t", "u8"},       {"uint16_t", "u16"},   {"uint32_t", "u32"},  {"uint64_t", "u64"},
    {"int8", "i8"},          {"int16", "i16"},      {"int32", "i32"},     {"int64", "i64"},
    {"uint8", "u8"},         {"uint16", "u16"},     {"uint32", "u32"},    {"uint64", "u64"},
    {"byte", "u8"},          {"char", "u8"},        {"short", "i16"},     {"int", "i32"},
    {"unsigned", "u32"},     {"uint", "u32"},       {"long", "i64"},      {"size_t", "u64"},
    {"ssize_t", "i64"},      {"float", "f32"},      {"double", "f64"},    {"boolean", "bool"},
    {"text", "string"},      {"str", "string"},     {"blob", "bytes"},    {"binary", "bytes"},
    {"data", "bytes"},       {"vector", "list<T>"}, {"array", "list<T>"}, {"repeated", "list<T>"},
    {"sequence", "list<T>"}, {"dict", "map<K, V>"}, {"any", "a union"},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

int tl_schema_kind_of(const char *word, size_t size) {
  for (size_t i = 0; i < COUNT(kinds); i++)
    if (kinds[i].word && strlen(kinds[i].word) == size && !memcmp(kinds[i].word, word, size))
      return (int)i;
  return -1;
}

const char *tl_schema_kind_word(enum tl_schema_kind kind) {
  return kinds[kind].word;
}

const char *tl_schema_kind_text(enum tl_schema_kind kind) {
  return kinds[kind].text;
}

bool tl_schema_word_is_reserved(const char *word) {
  for (size_t i = 0; i < COUNT(reserved); i++)
    if (!strcmp(reserved[i], word)) return true;
  return tl_schema_kind_of(word, strlen(word)) >= 0;
}

static bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
static bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool tl_schema_name_is_valid(const char *name, size_t size) {
  if (!size || !is_lower(name[0]) || name[size - 1] == '_') return false;
  for (size_t i = 1; i < size; i++) {
    if (!is_lower(name[i]) && !is_digit(name[i]) && name[i] != '_') return false;
    if (name[i] == '_' && name[i - 1] == '_') return false;
  }
  return true;
}

/* An underscore wherever a capital begins a word, as in "GetValue" but not in "URL". */
bool tl_schema_name_repair(const char *name, size_t size, char *out, size_t out_size) {
  size_t n = 0;
  for (size_t i = 0; i < size; i++) {
    bool begins_word = is_upper(name[i]) && i && !is_upper(name[i - 1]);
    if (n + 3 > out_size) return false;
    if ((begins_word || name[i] == '_') && n && out[n - 1] != '_') out[n++] = '_';
    if (name[i] != '_') out[n++] = (char)(is_upper(name[i]) ? name[i] - 'A' + 'a' : name[i]);
  }
  while (n && out[n - 1] == '_') n--;
  out[n] = 0;
  return tl_schema_name_is_valid(out, n);
}

const char *tl_schema_foreign_type(const char *word) {
  for (size_t i = 0; i < COUNT(foreign); i++)
    if (!strcmp(foreign[i].word, word)) return foreign[i].ours;
  return NULL;
}
