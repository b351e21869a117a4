/*
 * The client's side: a function for each procedure.
 */
#include "tools/gen/c/code.h"

#define FOR_EACH_PROCEDURE(p, g)                                                                   \
  for (const struct tl_schema_procedure *p = (g)->schema->self.procedures.first; p; p = p->next)

/* ---- prototypes, which the functions begin with as well ---- */

static const char *prototype_of_call(struct tl_gen *g, const struct tl_schema_procedure *p) {
  return tl_gen_text(g, "int %s_%s(struct %s *%s%s)", g->name, p->name, g->handle, g->handle,
                     tl_gen_declare_all(g, p, true));
}

static const char *prototype_of_within(struct tl_gen *g, const struct tl_schema_procedure *p) {
  return tl_gen_text(g, "int %s_%s_within(uint64_t timeout_ns, struct %s *%s%s)", g->name, p->name,
                     g->handle, g->handle, tl_gen_declare_all(g, p, true));
}

static const char *prototype_of_async(struct tl_gen *g, const struct tl_schema_procedure *p) {
  return tl_gen_text(g,
                     "int %s_%s_async(struct %s *%s%s, uint64_t timeout_ns, %s_%s_done *done, "
                     "void *userdata, struct tulle_pending **out)",
                     g->name, p->name, g->handle, g->handle,
                     tl_gen_declare_some(g, p, TL_SCHEMA_IN), g->name, p->name);
}

static void declare_procedure(struct tl_gen *g, const struct tl_schema_procedure *p) {
  tl_out_comment(g->out, 0, p->documentation);
  tl_out_line(g->out, 0, "%s;", prototype_of_call(g, p));
  if (!p->is_oneway) {
    tl_out_line(g->out, 0, "%s;", prototype_of_within(g, p));
    tl_out_line(g->out, 0, "typedef void %s_%s_done(void *userdata, int status%s);", g->name,
                p->name, tl_gen_declare_some(g, p, TL_SCHEMA_OUT));
    tl_out_line(g->out, 0, "%s;", prototype_of_async(g, p));
  }
  tl_out_gap(g->out);
}

static const char *prototype_of_open(struct tl_gen *g, bool is_named) {
  return tl_gen_text(g,
                     is_named ? "int %s_open_as(struct tulle *t, const char *service, const struct "
                                "tulle_target *target, struct %s **out)"
                              : "int %s_open(struct tulle *t, const struct tulle_target *target, "
                                "struct %s **out)",
                     g->name, g->handle);
}

void tl_gen_client_header(struct tl_gen *g) {
  tl_out_line(g->out, 0, "/* ---- clients ---- */");
  tl_out_gap(g->out);
  tl_out_comment(g->out, 0, g->schema->self.documentation);
  tl_out_line(g->out, 0, "struct %s;", g->handle);
  tl_out_gap(g->out);
  tl_out_line(g->out, 0, "/** Opens a channel to the service '%s', or to one of another name. */",
              g->name);
  tl_out_line(g->out, 0, "%s;", prototype_of_open(g, false));
  tl_out_line(g->out, 0, "%s;", prototype_of_open(g, true));
  tl_out_gap(g->out);
  tl_out_line(g->out, 0, "/** Returns NULL, accepts NULL. */");
  tl_out_line(g->out, 0, "struct %s *%s_close(struct %s *%s);", g->handle, g->name, g->handle,
              g->handle);
  tl_out_gap(g->out);
  tl_out_line(g->out, 0, "struct tulle_channel *%s_channel(struct %s *%s);", g->name, g->handle,
              g->handle);
  tl_out_gap(g->out);
  FOR_EACH_PROCEDURE(p, g)
  declare_procedure(g, p);
}

/* ---- functions ---- */

static void write_request(struct tl_gen *g, const struct tl_schema_procedure *p) {
  tl_out_line(g->out, 0, "static void request_%s(struct tulle_request *request, struct %s *%s%s) {",
              p->name, g->handle, g->handle, tl_gen_declare_some(g, p, TL_SCHEMA_IN));
  tl_gen_pack_some(g, p, TL_SCHEMA_IN,
                   tl_gen_text(g, "tulle_request_begin(request, %s, \"%s.%s\", &measure)",
                               g->handle, g->name, p->name));
  tl_out_line(g->out, 0, "}");
  tl_out_gap(g->out);
}

/* What the request is given: in what came as in, the content of what came as inout. */
static const char *hand_arguments(struct tl_gen *g, const struct tl_schema_procedure *p) {
  const char *text = "";
  for (const struct tl_schema_member *m = p->parameters.first; m; m = m->next) {
    if (!(m->direction & TL_SCHEMA_IN)) continue;
    bool is_inout = m->direction & TL_SCHEMA_OUT;
    text =
        tl_gen_text(g, "%s%s", text, tl_gen_hand(g, m, is_inout ? TL_HAND_ON_CONTENT : TL_HAND_ON));
  }
  return text;
}

static void write_result(struct tl_gen *g, const struct tl_schema_member *m) {
  struct tl_slot slot = tl_slot_of(g, m, "");
  bool is_array = m->type->kind == TL_SCHEMA_ARRAY && !m->is_optional;
  const char *suffixes[] = {"", tl_slot_size_suffix(&slot)};
  for (int i = 0; i < 1 + (*suffixes[1] != 0); i++) {
    const char *s = suffixes[i], *n = slot.name;
    if (is_array)
      tl_out_line(g->out, 2, "memcpy(%s%s, v.%s%s, sizeof v.%s%s);", n, s, n, s, n, s);
    else
      tl_out_line(g->out, 2, "*%s%s = v.%s%s;", n, s, n, s);
  }
}

/* What is absent is not written when it is decoded. */
static bool has_optional_result(const struct tl_schema_procedure *p) {
  for (const struct tl_schema_member *m = p->parameters.first; m; m = m->next)
    if ((m->direction & TL_SCHEMA_OUT) && m->is_optional) return true;
  return false;
}

static void write_within(struct tl_gen *g, const struct tl_schema_procedure *p) {
  tl_out_line(g->out, 0, "%s {", prototype_of_within(g, p));
  tl_out_line(g->out, 2, "struct tulle_request request;");
  if (p->reply_count) tl_out_line(g->out, 2, "struct %s_values v;", tl_gen_owner(g, p));
  if (has_optional_result(p)) tl_out_line(g->out, 2, "memset(&v, 0, sizeof v);");
  tl_out_line(g->out, 2, "request_%s(&request, %s%s);", p->name, g->handle, hand_arguments(g, p));
  tl_out_line(g->out, 2, "int r = tulle_request_call(&request, timeout_ns, %s);",
              tl_gen_takes_memory(p) ? "memory" : "NULL");
  tl_out_line(g->out, 2, "if (r) return r;");
  if (p->reply_count)
    tl_out_line(g->out, 2, "(void)decode_results_of_%s(&request.results, &v);", p->name);
  else
    tl_out_line(g->out, 2, "(void)tulle_decode_nothing(&request.results);");
  tl_out_line(g->out, 2,
              p->reply_count ? "r = tulle_request_end(&request);"
                             : "return tulle_request_end(&request);");
  if (p->reply_count) tl_out_line(g->out, 2, "if (r) return r;");
  for (const struct tl_schema_member *m = p->parameters.first; m; m = m->next)
    if (m->direction & TL_SCHEMA_OUT) write_result(g, m);
  if (p->reply_count) tl_out_line(g->out, 2, "return 0;");
  tl_out_line(g->out, 0, "}");
  tl_out_gap(g->out);
}

static void write_call(struct tl_gen *g, const struct tl_schema_procedure *p) {
  const char *handed = "";
  bool is_owed = tl_gen_takes_memory(p);
  for (const struct tl_schema_member *m = p->parameters.first; m; m = m->next) {
    if (is_owed && (m->direction & TL_SCHEMA_OUT)) {
      handed = tl_gen_text(g, "%s, memory", handed);
      is_owed = false;
    }
    handed = tl_gen_text(g, "%s%s", handed, tl_gen_hand(g, m, TL_HAND_ON));
  }
  tl_out_line(g->out, 0, "%s {", prototype_of_call(g, p));
  tl_out_line(g->out, 2, "return %s_%s_within(0, %s%s);", g->name, p->name, g->handle, handed);
  tl_out_line(g->out, 0, "}");
  tl_out_gap(g->out);
}

static void write_one_way(struct tl_gen *g, const struct tl_schema_procedure *p) {
  tl_out_line(g->out, 0, "%s {", prototype_of_call(g, p));
  tl_out_line(g->out, 2, "struct tulle_request request;");
  tl_out_line(g->out, 2, "request_%s(&request, %s%s);", p->name, g->handle, hand_arguments(g, p));
  tl_out_line(g->out, 2, "return tulle_request_one_way(&request);");
  tl_out_line(g->out, 0, "}");
  tl_out_gap(g->out);
}

static void write_done(struct tl_gen *g, const struct tl_schema_procedure *p) {
  tl_out_line(g->out, 0,
              "static void done_%s(void *userdata, int status, const struct tulle_result *result) "
              "{",
              p->name);
  tl_out_line(g->out, 2, "struct tulle_completed completed;");
  if (p->reply_count) {
    tl_out_line(g->out, 2, "struct %s_values v;", tl_gen_owner(g, p));
    tl_out_line(g->out, 2, "memset(&v, 0, sizeof v);");
  }
  tl_out_line(g->out, 2, "tulle_completed_begin(&completed, userdata, status, result);");
  if (p->reply_count)
    tl_out_line(g->out, 2,
                "if (!completed.status) (void)decode_results_of_%s(&completed.results, &v);",
                p->name);
  else
    tl_out_line(g->out, 2,
                "if (!completed.status) (void)tulle_decode_nothing(&completed.results);");
  tl_out_line(g->out, 2, "tulle_completed_check(&completed, \"%s.%s\");", g->name, p->name);
  tl_out_line(g->out, 2, "((%s_%s_done *)completed.done)(completed.userdata, completed.status%s);",
              g->name, p->name, tl_gen_hand_some(g, p, TL_SCHEMA_OUT, TL_HAND_VALUE));
  tl_out_line(g->out, 2, "tulle_completed_end(&completed);");
  tl_out_line(g->out, 0, "}");
  tl_out_gap(g->out);
}

static void write_async(struct tl_gen *g, const struct tl_schema_procedure *p) {
  tl_out_line(g->out, 0, "%s {", prototype_of_async(g, p));
  tl_out_line(g->out, 2, "struct tulle_request request;");
  tl_out_line(g->out, 2, "request_%s(&request, %s%s);", p->name, g->handle,
              tl_gen_hand_some(g, p, TL_SCHEMA_IN, TL_HAND_ON));
  tl_out_line(g->out, 2,
              "return tulle_request_async(&request, timeout_ns, done_%s, (void (*)(void))done, "
              "userdata, out);",
              p->name);
  tl_out_line(g->out, 0, "}");
  tl_out_gap(g->out);
}

static void write_life(struct tl_gen *g) {
  tl_out_line(g->out, 0, "%s {", prototype_of_open(g, true));
  tl_out_line(g->out, 2, "struct tulle_target whole;");
  tl_out_line(g->out, 2, "struct tulle_channel *channel;");
  tl_out_line(g->out, 2, "memset(&whole, 0, sizeof whole);");
  tl_out_line(g->out, 2, "if (target) whole = *target;");
  tl_out_line(g->out, 2, "whole.interface = &%s_interface;", g->name);
  tl_out_line(g->out, 2, "int r = tulle_channel_open(t, service, &whole, &channel);");
  tl_out_line(g->out, 2, "if (!r) *out = (struct %s *)channel;", g->handle);
  tl_out_line(g->out, 2, "return r;");
  tl_out_line(g->out, 0, "}");
  tl_out_gap(g->out);
  tl_out_line(g->out, 0, "%s {", prototype_of_open(g, false));
  tl_out_line(g->out, 2, "return %s_open_as(t, \"%s\", target, out);", g->name, g->name);
  tl_out_line(g->out, 0, "}");
  tl_out_gap(g->out);
  tl_out_line(g->out, 0, "struct tulle_channel *%s_channel(struct %s *%s) {", g->name, g->handle,
              g->handle);
  tl_out_line(g->out, 2, "return (struct tulle_channel *)%s;", g->handle);
  tl_out_line(g->out, 0, "}");
  tl_out_gap(g->out);
  tl_out_line(g->out, 0, "struct %s *%s_close(struct %s *%s) {", g->handle, g->name, g->handle,
              g->handle);
  tl_out_line(g->out, 2, "(void)tulle_channel_close(%s_channel(%s));", g->name, g->handle);
  tl_out_line(g->out, 2, "return NULL;");
  tl_out_line(g->out, 0, "}");
  tl_out_gap(g->out);
}

void tl_gen_client(struct tl_gen *g) {
  tl_out_line(g->out, 0, "/* ---- clients ---- */");
  tl_out_gap(g->out);
  write_life(g);
  FOR_EACH_PROCEDURE(p, g) {
    write_request(g, p);
    if (p->is_oneway) {
      write_one_way(g, p);
    } else {
      write_within(g, p);
      write_call(g, p);
      write_done(g, p);
      write_async(g, p);
    }
  }
}
