/* The model that a file becomes, and the bounds that no file passes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/schema/schema.h"
#include "tests/unit/schema/golden.h"
#include "tests/unit/test.h"

static struct tl_schema_problems problems;

static struct tl_schema *schema_of(const char *text) {
  struct tl_schema *schema = NULL;
  int r = tl_schema_read(text, strlen(text), &problems, &schema);
  if (r) fail_msg("line %u: %s", problems.items[0].line, problems.items[0].text);
  assert_int_equal(problems.count, 0);
  return schema;
}

static const struct tl_schema_member *member(const struct tl_schema_members *list,
                                             const char *name) {
  for (const struct tl_schema_member *m = list->first; m; m = m->next)
    if (!strcmp(m->name, name)) return m;
  fail_msg("no member %s", name);
  return NULL;
}

static const struct tl_schema_declaration *declared(const struct tl_schema *s, const char *name) {
  for (const struct tl_schema_declaration *d = s->first; d; d = d->next)
    if (!strcmp(d->name, name)) return d;
  fail_msg("no type %s", name);
  return NULL;
}

static void the_page_is_understood(void **state) {
  (void)state;
  struct text text = text_read("tests/unit/schema/canonical/store.tulle");
  struct tl_schema *s = schema_of(text.data);
  assert_string_equal(s->self.name, "store");
  assert_int_equal(s->version, 3);
  assert_int_equal(s->self.procedures.count, 5);
  assert_int_equal(s->declaration_count, 6);
  assert_int_equal(member(&s->errors, "full")->number, 2);
  assert_int_equal(member(&s->streams, "changes")->direction, TL_SCHEMA_OUT);
  assert_int_equal(member(&s->streams, "import")->direction, TL_SCHEMA_IN);
  assert_int_equal(member(&s->signals, "almost_full")->type->kind, TL_SCHEMA_U32);
  const struct tl_schema_declaration *entry = declared(s, "entry"), *color = declared(s, "color");
  assert_int_equal(member(&entry->members, "name")->type->bound, 64);
  assert_int_equal(member(&entry->members, "key")->type->kind, TL_SCHEMA_ARRAY);
  assert_int_equal(member(&entry->members, "key")->type->bound, 32);
  assert_int_equal(member(&entry->members, "key")->type->element->kind, TL_SCHEMA_U8);
  assert_int_equal(member(&entry->members, "counts")->type->key->kind, TL_SCHEMA_STRING);
  assert_int_equal(member(&entry->members, "counts")->type->element->kind, TL_SCHEMA_I64);
  assert_int_equal(member(&entry->members, "counts")->type->bound, 16);
  assert_true(member(&entry->members, "tint")->is_optional);
  assert_ptr_equal(member(&entry->members, "tint")->type->declaration, color);
  assert_true(color->is_open);
  assert_int_equal(member(&color->members, "blue")->number, 7);
  assert_null(member(&declared(s, "figure")->members, "nothing")->type);
  assert_int_equal(member(&declared(s, "figure")->members, "nothing")->number, 2);
  tl_schema_free(s);
  text_free(&text);
}

/* Whoever reads the page and tries its example is not told that it is wrong. */
static void the_example_is_the_pages(void **state) {
  (void)state;
  struct text page = text_read("docs/interface-language.md"),
              text = text_read("tests/unit/schema/canonical/store.tulle");
  struct text indented = {NULL, 0};
  FILE *f = open_memstream(&indented.data, &indented.size);
  for (char *line = strtok(text.data, "\n"); line; line = strtok(NULL, "\n"))
    fprintf(f, "    %s\n", line);
  fclose(f);
  size_t found = 0, lines = 0;
  for (char *line = strtok(indented.data, "\n"); line; line = strtok(NULL, "\n"), lines++)
    found += strstr(page.data, line) != NULL;
  assert_int_equal(found, lines);
  text_free(&indented);
  text_free(&text);
  text_free(&page);
}

static void procedures_know_their_sides(void **state) {
  (void)state;
  struct tl_schema *s = schema_of("interface p 1 { error late, lost;\n"
                                  "f(u8 a, out u8 b, inout u8 c, in optional p d) -> (u8 e)\n"
                                  "fails lost;\n"
                                  "oneway g(); callback h(u8 a) fails late; }");
  const struct tl_schema_procedure *f = s->self.procedures.first;
  assert_int_equal(f->parameters.count, 5);
  assert_int_equal(f->request_count, 3);
  assert_int_equal(f->reply_count, 3);
  assert_int_equal(f->failure_count, 1);
  assert_string_equal(f->failures->error->name, "lost");
  assert_int_equal(member(&f->parameters, "c")->direction, TL_SCHEMA_INOUT);
  assert_int_equal(member(&f->parameters, "e")->direction, TL_SCHEMA_OUT);
  assert_ptr_equal(member(&f->parameters, "d")->type->declaration, &s->self);
  assert_true(f->next->is_oneway);
  const struct tl_schema_declaration *h = declared(s, "h");
  assert_int_equal(h->kind, TL_SCHEMA_CALLBACK);
  assert_int_equal(h->procedures.count, 1);
  assert_string_equal(h->procedures.first->name, "h");
  tl_schema_free(s);
}

static void types_come_behind_what_they_need(void **state) {
  (void)state;
  struct tl_schema *s =
      schema_of("interface n 1 { struct a { list<b> x; map<c, u8> y; } union b { d x; c y; }\n"
                "callback e(a x); struct d { u8 x; } enum c { x } }");
  char order[16] = "";
  for (const struct tl_schema_declaration *d = s->first_by_need; d; d = d->next_by_need)
    strcat(order, d->name);
  assert_string_equal(order, "dcba");
  tl_schema_free(s);
}

static void documentation_is_kept(void **state) {
  (void)state;
  struct tl_schema *s =
      schema_of("/** A.\n *\n *  B. */ interface d 1 {\n/// C\n/// D\n"
                "struct s { /** E */ u8 a, b; }\n/***/ f(); /** F */ oneway g();}");
  assert_string_equal(s->self.documentation, "A.\n\n B.");
  assert_string_equal(declared(s, "s")->documentation, "C\nD");
  assert_string_equal(declared(s, "s")->members.first->documentation, "E");
  assert_null(declared(s, "s")->members.first->next->documentation);
  assert_null(s->self.procedures.first->documentation);
  assert_string_equal(s->self.procedures.first->next->documentation, "F");
  tl_schema_free(s);
}

/* Cut anywhere, the page's example is refused, with a problem that stands inside it. */
static void every_truncation_is_refused(void **state) {
  (void)state;
  struct text text = text_read("tests/unit/schema/canonical/store.tulle");
  size_t whole = (size_t)(strrchr(text.data, '}') - text.data);
  for (size_t size = 0; size <= whole; size++) {
    struct tl_schema *s = NULL;
    char *exact = malloc(size ? size : 1);
    memcpy(exact, text.data, size);
    assert_int_equal(tl_schema_read(exact, size, &problems, &s), TULLE_E_INVALID);
    assert_true(problems.count > 0);
    for (size_t i = 0; i < problems.count; i++) assert_true(problems.items[i].offset <= size);
    free(exact);
  }
  text_free(&text);
}

/* ---- bounds ---- */

static struct text made(void (*make)(FILE *f, unsigned count), unsigned count) {
  struct text t = {NULL, 0};
  FILE *f = open_memstream(&t.data, &t.size);
  fputs("interface made 1 {\n", f);
  make(f, count);
  fputs("}\n", f);
  fclose(f);
  return t;
}

/* `most` is read, one more is refused with `why`. */
static void assert_bound(void (*make)(FILE *f, unsigned count), unsigned most, const char *why) {
  struct text right = made(make, most), wrong = made(make, most + 1);
  struct tl_schema *s = schema_of(right.data);
  tl_schema_free(s);
  assert_int_equal(tl_schema_read(wrong.data, wrong.size, &problems, &s), TULLE_E_INVALID);
  if (!strstr(problems.items[0].text, why)) fail_msg("'%s'", problems.items[0].text);
  assert_int_equal(tl_schema_read(wrong.data, wrong.size, NULL, &s), TULLE_E_INVALID);
  text_free(&right);
  text_free(&wrong);
}

static void fields(FILE *f, unsigned count) {
  fputs("struct s {", f);
  for (unsigned i = 0; i < count; i++) fprintf(f, "u8 a%u;\n", i);
  fputs("}", f);
}

static void procedures(FILE *f, unsigned count) {
  for (unsigned i = 0; i < count; i++) fprintf(f, "a%u();\n", i);
}

static void errors(FILE *f, unsigned count) {
  for (unsigned i = 0; i < count; i++) fprintf(f, "error a%u;\n", i);
}

static void types(FILE *f, unsigned count) {
  for (unsigned i = 0; i < count; i++) fprintf(f, "struct a%u { u8 x; }\n", i);
}

static void parameters(FILE *f, unsigned count) {
  fputs("a(u8 a", f);
  for (unsigned i = 1; i < count; i++) fprintf(f, ", u8 a%u", i);
  fputs(");", f);
}

/* The interface's name is one of them. */
static void names(FILE *f, unsigned count) {
  for (unsigned i = 1; i < count; i++) {
    if (i % 1001 == 1) fprintf(f, "%senum e%u {", i > 1 ? "}\n" : "", i);
    if (i % 1001 != 1) fprintf(f, "a%u,\n", i);
  }
  fputs("}", f);
}

static void text_bytes(FILE *f, unsigned count) {
  for (unsigned i = 0; i < count - (sizeof "interface made 1 {\n" - 1) - 2; i++) putc(' ', f);
}

/* Each field of 5 bytes is a line of 80 in the canonical form. */
static void long_types(FILE *f, unsigned count) {
  for (unsigned k = 0; k < 5; k++) {
    fprintf(f, "struct s%u { list<list<list<list<list<list<string>>>>>> a", k);
    for (unsigned i = 1; i < 1000; i++) fprintf(f, ",b%u", i);
    fputs(";}\n", f);
  }
  fprintf(f, "struct t { u8 a");
  for (unsigned i = 1; i < count; i++) fprintf(f, ",b%u", i);
  fputs(";}\n", f);
}

static void bounds_hold(void **state) {
  (void)state;
  assert_bound(fields, TL_SCHEMA_MEMBERS_MAX, "at most 1024");
  assert_bound(procedures, TL_SCHEMA_MEMBERS_MAX, "at most 1024");
  assert_bound(errors, TL_SCHEMA_MEMBERS_MAX, "at most 1024");
  assert_bound(types, TL_SCHEMA_MEMBERS_MAX, "at most 1024");
  assert_bound(parameters, TL_SCHEMA_PARAMETERS_MAX, "at most 32");
  assert_bound(names, TL_SCHEMA_NAMES_MAX, "at most 8192");
  assert_bound(text_bytes, TL_SCHEMA_TEXT_BYTES_MAX, "more than 262144");
}

static void a_form_that_is_too_long_is_refused(void **state) {
  (void)state;
  struct tl_schema *s = NULL;
  struct text text = made(long_types, 800);
  assert_true(text.size < TL_SCHEMA_TEXT_BYTES_MAX / 4);
  assert_int_equal(tl_schema_read(text.data, text.size, &problems, &s), TULLE_E_INVALID);
  assert_non_null(strstr(problems.items[0].text, "canonical form"));
  text_free(&text);
}

static void failures(FILE *f, unsigned count) {
  fputs("error e; f() fails e", f);
  for (unsigned i = 1; i < count; i++) fputs(",\ne", f);
  fputs(";", f);
}

static void failures_are_bounded(void **state) {
  (void)state;
  struct tl_schema *s = NULL;
  struct text text = made(failures, TL_SCHEMA_MEMBERS_MAX + 1);
  assert_int_equal(tl_schema_read(text.data, text.size, &problems, &s), TULLE_E_INVALID);
  bool found = false;
  for (size_t i = 0; i < problems.count; i++)
    found |= strstr(problems.items[i].text, "at most 1024") != NULL;
  assert_true(found);
  text_free(&text);
}

/* Nothing that is nested makes the reader nest with it. */
static void nesting_does_not_reach_the_stack(void **state) {
  (void)state;
  static const char *const pieces[] = {"list<", "map<", "{",   "[", "(",  "struct a {",
                                       "f(",    "/*",   "///", "}", "->", "interface a {"};
  static char text[TL_SCHEMA_TEXT_BYTES_MAX];
  struct tl_schema *s = NULL;
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
    size_t size = (size_t)sprintf(text, "interface a 1 { f(");
    while (size + 16 < sizeof text) size += (size_t)sprintf(text + size, "%s", pieces[i]);
    assert_int_equal(tl_schema_read(text, size, &problems, &s), TULLE_E_INVALID);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_page_is_understood),
      cmocka_unit_test(the_example_is_the_pages),
      cmocka_unit_test(procedures_know_their_sides),
      cmocka_unit_test(types_come_behind_what_they_need),
      cmocka_unit_test(documentation_is_kept),
      cmocka_unit_test(every_truncation_is_refused),
      cmocka_unit_test(bounds_hold),
      cmocka_unit_test(a_form_that_is_too_long_is_refused),
      cmocka_unit_test(failures_are_bounded),
      cmocka_unit_test(nesting_does_not_reach_the_stack),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
