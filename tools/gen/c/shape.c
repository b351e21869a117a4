#include "tools/gen/c/shape.h"

#include <stdarg.h>
#include <string.h>

#define KIND_HAS_POINTER(kind)                                                                     \
  ((kind) == TL_SCHEMA_STRING || (kind) == TL_SCHEMA_BYTES || (kind) == TL_SCHEMA_LIST ||          \
   (kind) == TL_SCHEMA_MAP)

/* ---- names ---- */

const char *tl_gen_text(struct tl_gen *g, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const char *text = tulle_vprintf(&g->memory, format, arguments);
  va_end(arguments);
  if (!text) g->failed = true;
  return text ? text : "";
}

/* Words of C and C++, macros of headers that are always included, and names that generated
 * functions use beside their parameters. Sorted by nothing: there are few. */
static const char *const words[] = {
    "alignas", "alignof", "and", "asm", "assert", "atomic", "auto", "bool", "break", "case",
    "catch", "char", "class", "compl", "complex", "const", "constexpr", "continue", "default",
    "delete", "do", "double", "else", "enum", "errno", "explicit", "export", "extern", "false",
    "float", "for", "friend", "goto", "if", "inline", "int", "linux", "long", "mutable",
    "namespace", "new", "noexcept", "not", "nullptr", "operator", "or", "private", "protected",
    "public", "register", "requires", "restrict", "return", "short", "signed", "sizeof", "static",
    "stderr", "stdin", "stdout", "struct", "switch", "template", "this", "throw", "true", "try",
    "typedef", "typeid", "typename", "typeof", "union", "unix", "unsigned", "using", "virtual",
    "void", "volatile", "while", "xor", "concept", "decltype", "bitand", "bitor", "thread_local",
    "static_assert", "const_cast", "dynamic_cast", "static_cast", "reinterpret_cast", "wchar_t",
    "char8_t", "char16_t", "char32_t", "and_eq", "not_eq", "or_eq", "xor_eq", "co_await",
    "co_return", "co_yield", "consteval", "constinit", "i386",
    /* of generated functions */
    "call", "d", "done", "functions", "i", "j", "k", "memory", "pack", "out", "r", "request",
    "measure", "status", "timeout_ns", "userdata", "v"};

const char *tl_gen_word(struct tl_gen *g, const char *name) {
  bool is_taken = strcmp(name, g->handle) == 0;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) is_taken |= strcmp(name, words[i]) == 0;
  return is_taken ? tl_gen_text(g, "%s_", name) : name;
}

const char *tl_gen_capitals(struct tl_gen *g, const char *name) {
  char *text = tulle_memory_copy(&g->memory, name, strlen(name) + 1);
  if (!text) {
    g->failed = true;
    return "";
  }
  for (char *p = text; *p; p++)
    if (*p >= 'a' && *p <= 'z') *p = (char)(*p - 'a' + 'A');
  return text;
}

const char *tl_path_element(struct tl_gen *g, const char *path) {
  return tl_gen_text(g, "%s_element", path);
}
const char *tl_path_entry(struct tl_gen *g, const char *path) {
  return tl_gen_text(g, "%s_entry", path);
}
const char *tl_path_value(struct tl_gen *g, const char *path) {
  return tl_gen_text(g, "%s_value", path);
}

const char *tl_gen_index(struct tl_gen *g, int depth) {
  return tl_gen_text(g, "%c%.*s", "ijk"[depth % 3], depth / 3, "iiiiiii");
}

/* ---- slots ---- */

struct tl_slot tl_slot_of(struct tl_gen *g, const struct tl_schema_member *member,
                          const char *owner) {
  return (struct tl_slot){.name = tl_gen_word(g, member->name),
                          .said_name = member->name,
                          .path = tl_gen_text(g, "%s_%s", owner, member->name),
                          .type = member->type,
                          .is_optional = member->is_optional};
}

struct tl_slot tl_slot_in(const struct tl_slot *slot, const char *path,
                          const struct tl_schema_type *type) {
  return (struct tl_slot){
      .name = "value", .said_name = slot->said_name, .path = path, .type = type};
}

/* ---- types ---- */

bool tl_type_is_raw(const struct tl_schema_type *type) {
  return type->kind == TL_SCHEMA_ARRAY && type->element->kind == TL_SCHEMA_U8;
}

bool tl_type_is_wrapped(const struct tl_schema_type *type) {
  return type->kind == TL_SCHEMA_BYTES || type->kind == TL_SCHEMA_LIST ||
         type->kind == TL_SCHEMA_MAP || type->kind == TL_SCHEMA_ARRAY;
}

static const char *size_suffix(const struct tl_schema_type *type) {
  while (type->kind == TL_SCHEMA_ARRAY) type = type->element;
  if (type->kind == TL_SCHEMA_BYTES) return "_size";
  return type->kind == TL_SCHEMA_LIST || type->kind == TL_SCHEMA_MAP ? "_count" : "";
}

const char *tl_slot_size_suffix(const struct tl_slot *slot) {
  bool is_wrapped = slot->is_optional && slot->type->kind == TL_SCHEMA_ARRAY;
  return is_wrapped ? "" : size_suffix(slot->type);
}

const char *tl_type_name(struct tl_gen *g, const struct tl_schema_type *type, const char *path) {
  static const char *const numbers[] = {"bool",     "uint8_t", "uint16_t", "uint32_t",
                                        "uint64_t", "int8_t",  "int16_t",  "int32_t",
                                        "int64_t",  "float",   "double",   "const char *"};
  if (type->kind <= TL_SCHEMA_STRING) return numbers[type->kind];
  if (tl_type_is_wrapped(type)) return tl_gen_text(g, "struct %s", tl_path_element(g, path));
  return tl_gen_text(g, "%s %s_%s", type->kind == TL_SCHEMA_ENUM ? "enum" : "struct", g->name,
                     type->declaration->name);
}

static bool ends_in_star(const char *type) {
  return type[strlen(type) - 1] == '*';
}

const char *tl_type_pointer(struct tl_gen *g, const char *type) {
  if (ends_in_star(type)) return tl_gen_text(g, "%sconst *", type);
  return tl_gen_text(g, "const %s *", type);
}

/* What a text, bytes, a list or a map is in C: a pointer. */
static const char *pointer_name(struct tl_gen *g, const struct tl_schema_type *type,
                                const char *path) {
  if (type->kind == TL_SCHEMA_STRING) return "const char *";
  if (type->kind == TL_SCHEMA_BYTES) return "const void *";
  if (type->kind == TL_SCHEMA_MAP)
    return tl_gen_text(g, "const struct %s *", tl_path_entry(g, path));
  return tl_type_pointer(g, tl_type_name(g, type->element, path));
}

/* Text, bytes, a list or a map, or something optional: a pointer, with or without a size. */
static const char *declare_pointer(struct tl_gen *g, const char *pointer, const char *name,
                                   const char *dims, const char *suffix, enum tl_form form,
                                   const char *between) {
  const char *star = form == TL_FORM_OUT && !*dims ? "*" : "";
  const char *constant = form == TL_FORM_IN && *dims ? "const " : "";
  const char *first = tl_gen_text(g, "%s%s%s%s%s", pointer, star, constant, name, dims);
  if (!*suffix) return first;
  return tl_gen_text(g, "%s%s%ssize_t %s%s%s%s", first, between, constant, star, name, suffix,
                     dims);
}

static const char *declare_value(struct tl_gen *g, const char *type, bool is_struct,
                                 const char *name, const char *dims, enum tl_form form) {
  bool is_pointed = !*dims && (form == TL_FORM_OUT || (form == TL_FORM_IN && is_struct));
  const char *constant = form == TL_FORM_IN && (*dims || is_struct) ? "const " : "";
  return tl_gen_text(g, "%s%s %s%s%s", constant, type, is_pointed ? "*" : "", name, dims);
}

const char *tl_slot_declare(struct tl_gen *g, const struct tl_slot *slot, enum tl_form form,
                            const char *between) {
  const struct tl_schema_type *type = slot->type;
  const char *dims = "";
  if (slot->is_optional && type->kind == TL_SCHEMA_ARRAY)
    return declare_pointer(g, tl_gen_text(g, "const struct %s *", tl_path_value(g, slot->path)),
                           slot->name, "", "", form, between);
  for (; type->kind == TL_SCHEMA_ARRAY; type = type->element)
    dims = tl_gen_text(g, "%s[%u]", dims, type->bound);
  if (KIND_HAS_POINTER(type->kind))
    return declare_pointer(g, pointer_name(g, type, slot->path), slot->name, dims,
                           size_suffix(type), form, between);
  const char *name = tl_type_name(g, type, slot->path);
  if (slot->is_optional)
    return declare_pointer(g, tl_type_pointer(g, name), slot->name, "", "", form, between);
  bool is_struct = type->kind == TL_SCHEMA_STRUCT || type->kind == TL_SCHEMA_UNION;
  return declare_value(g, name, is_struct, slot->name, dims, form);
}

/* ---- sizes ---- */

size_t tl_head_size(size_t count) {
  return count < 16 ? 1 : count <= UINT16_MAX ? 3 : 5;
}

static size_t array_size(const struct tl_schema_type *type) {
  if (tl_type_is_raw(type)) return 5 + (size_t)type->bound;
  return tl_head_size(type->bound) + type->bound * tl_type_fixed_size(type->element);
}

static size_t declared_size(const struct tl_schema_declaration *declaration) {
  size_t sum = 0, most = 0;
  for (const struct tl_schema_member *m = declaration->members.first; m; m = m->next) {
    size_t size = m->type ? tl_type_fixed_size(m->type) : 0;
    sum += size;
    if (size > most) most = size;
  }
  if (declaration->kind == TL_SCHEMA_UNION) return 1 + 3 + most;
  return tl_head_size(declaration->members.count) + sum;
}

size_t tl_type_fixed_size(const struct tl_schema_type *type) {
  static const uint8_t sizes[] = {1, 2, 3, 5, 9, 2, 3, 5, 9, 5, 9, 5, 5, 5, 5};
  if (type->kind <= TL_SCHEMA_MAP) return sizes[type->kind];
  if (type->kind == TL_SCHEMA_ARRAY) return array_size(type);
  if (type->kind == TL_SCHEMA_ENUM) return 5;
  return declared_size(type->declaration);
}

bool tl_type_is_variable(const struct tl_schema_type *type) {
  if (KIND_HAS_POINTER(type->kind)) return true;
  if (type->kind == TL_SCHEMA_ARRAY) return tl_type_is_variable(type->element);
  if (type->kind != TL_SCHEMA_STRUCT && type->kind != TL_SCHEMA_UNION) return false;
  for (const struct tl_schema_member *m = type->declaration->members.first; m; m = m->next)
    if (m->type && tl_type_is_variable(m->type)) return true;
  return false;
}

/* Optional values are behind a pointer, whatever they are. */
static bool type_has_pointers(const struct tl_schema_type *type) {
  if (KIND_HAS_POINTER(type->kind)) return true;
  if (type->kind == TL_SCHEMA_ARRAY) return type_has_pointers(type->element);
  if (type->kind != TL_SCHEMA_STRUCT && type->kind != TL_SCHEMA_UNION) return false;
  for (const struct tl_schema_member *m = type->declaration->members.first; m; m = m->next)
    if (m->type && tl_slot_has_pointers(m)) return true;
  return false;
}

bool tl_slot_has_pointers(const struct tl_schema_member *member) {
  return member->is_optional || type_has_pointers(member->type);
}

/* ---- expressions ---- */

static const char *strip_star(const char *value) {
  return *value == '*' ? value + 1 : value;
}

struct tl_place tl_place_of_member(struct tl_gen *g, const char *object,
                                   const struct tl_slot *slot) {
  return (struct tl_place){tl_gen_text(g, "%s%s", object, slot->name),
                           tl_gen_text(g, "%s%s%s", object, slot->name, size_suffix(slot->type))};
}

struct tl_place tl_place_of_parameter(struct tl_gen *g, const struct tl_slot *slot,
                                      enum tl_form form) {
  enum tl_schema_kind kind = slot->type->kind;
  bool is_struct = kind == TL_SCHEMA_STRUCT || kind == TL_SCHEMA_UNION;
  bool is_array = kind == TL_SCHEMA_ARRAY && !slot->is_optional;
  bool is_pointed = !is_array && (form == TL_FORM_OUT || (is_struct && !slot->is_optional));
  const char *star = is_pointed ? "*" : "";
  return (struct tl_place){tl_gen_text(g, "%s%s", star, slot->name),
                           tl_gen_text(g, "%s%s%s", star, slot->name, size_suffix(slot->type))};
}

const char *tl_place_address(struct tl_gen *g, struct tl_place place) {
  return *place.value == '*' ? place.value + 1 : tl_gen_text(g, "&%s", place.value);
}

static const char *indexed(struct tl_gen *g, const char *value, const char *index) {
  return tl_gen_text(g, *value == '*' ? "(%s)[%s]" : "%s[%s]", value, index);
}

struct tl_place tl_place_index(struct tl_gen *g, struct tl_place place, const char *index) {
  return (struct tl_place){indexed(g, place.value, index), indexed(g, place.size, index)};
}

struct tl_place tl_place_inside(struct tl_gen *g, struct tl_place place, const char *member,
                                const struct tl_schema_type *type) {
  const char *arrow = *place.value == '*' ? "->" : ".";
  const char *value = tl_gen_text(g, "%s%s%s", strip_star(place.value), arrow, member);
  return (struct tl_place){value, tl_gen_text(g, "%s%s", value, size_suffix(type))};
}

struct tl_place tl_place_pointed(struct tl_gen *g, struct tl_place place) {
  return (struct tl_place){tl_gen_text(g, *place.value == '*' ? "*(%s)" : "*%s", place.value), ""};
}
