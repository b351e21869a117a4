/*
 * The service's side: the table of its functions, and what stands between it and the calls.
 */
#include "tools/gen/c/code.h"

#define FOR_EACH_PROCEDURE(p, g)                                                                   \
  for (const struct tl_schema_procedure *p = (g)->schema->self.procedures.first; p; p = p->next)

static const char *prototype_of_offer(struct tl_gen *g) {
  return tl_gen_text(g,
                     "int %s_offer(struct tulle *t, const struct %s_functions *functions, void "
                     "*object, const struct tulle_offer *offer, struct tulle_service **out)",
                     g->name, g->name);
}

static const char *prototype_of_reply(struct tl_gen *g, const struct tl_schema_procedure *p) {
  return tl_gen_text(g, "int %s_%s_reply(struct tulle_call_context *call%s)", g->name, p->name,
                     tl_gen_declare_some(g, p, TL_SCHEMA_OUT));
}

void tl_gen_server_header(struct tl_gen *g) {
  tl_out_line(g->out, 0, "/* ---- services ---- */");
  tl_out_gap(g->out);
  tl_out_comment(g->out, 0,
                 "What a service does. A function returns 0, a positive error of the interface, a "
                 "negative\none of tulle's, or TULLE_LATER to answer later. Those that are NULL "
                 "are not offered.");
  tl_out_line(g->out, 0, "struct %s_functions {", g->name);
  FOR_EACH_PROCEDURE(p, g) {
    tl_out_comment(g->out, 2, p->documentation);
    tl_out_line(g->out, 2, "int (*%s)(struct tulle_call_context *call%s);", tl_gen_word(g, p->name),
                tl_gen_declare_all(g, p, false));
  }
  tl_out_line(g->out, 0, "};");
  tl_out_gap(g->out);
  tl_out_comment(g->out, 0,
                 tl_gen_text(g,
                             "Offers the service as '%s', or as offer->name. `functions` and what "
                             "`object` is, which\ntulle_call_object() gives to them, have to stay "
                             "where they are. `offer` and `out` may be NULL.",
                             g->name));
  tl_out_line(g->out, 0, "%s;", prototype_of_offer(g));
  tl_out_gap(g->out);
  bool has_replies = false;
  FOR_EACH_PROCEDURE(p, g)
  has_replies |= !p->is_oneway;
  if (has_replies)
    tl_out_line(g->out, 0, "/* Answers of functions that have returned TULLE_LATER. */");
  FOR_EACH_PROCEDURE(p, g)
  if (!p->is_oneway) tl_out_line(g->out, 0, "%s;", prototype_of_reply(g, p));
  if (has_replies) tl_out_gap(g->out);
}

static void write_reply(struct tl_gen *g, const struct tl_schema_procedure *p) {
  tl_out_line(g->out, 0, "%s {", prototype_of_reply(g, p));
  tl_out_line(g->out, 2, "struct tulle_answer answer;");
  tl_gen_pack_some(
      g, p, TL_SCHEMA_OUT,
      tl_gen_text(g, "tulle_answer_begin(&answer, call, \"%s.%s\", &measure)", g->name, p->name));
  tl_out_line(g->out, 2, "return tulle_answer_end(&answer);");
  tl_out_line(g->out, 0, "}");
  tl_out_gap(g->out);
}

/* What the function is given: arguments by value, and where its results go. */
static const char *hand_values(struct tl_gen *g, const struct tl_schema_procedure *p) {
  const char *text = "";
  for (const struct tl_schema_member *m = p->parameters.first; m; m = m->next)
    text =
        tl_gen_text(g, "%s%s", text,
                    tl_gen_hand(g, m, m->direction & TL_SCHEMA_OUT ? TL_HAND_ROOM : TL_HAND_VALUE));
  return text;
}

static bool needs_zeros(const struct tl_schema_procedure *p) {
  for (const struct tl_schema_member *m = p->parameters.first; m; m = m->next)
    if (m->is_optional || m->direction == TL_SCHEMA_OUT) return true;
  return false;
}

static void write_serve(struct tl_gen *g, const struct tl_schema_procedure *p) {
  const char *call =
      tl_gen_text(g, "functions->%s(call%s)", tl_gen_word(g, p->name), hand_values(g, p));
  tl_out_line(g->out, 0, "static int serve_%s(struct tulle_call_context *call, void *userdata) {",
              p->name);
  tl_out_line(g->out, 2,
              "const struct %s_functions *functions = (const struct %s_functions *)userdata;",
              g->name, g->name);
  tl_out_line(g->out, 2, "struct tulle_decoder d;");
  if (p->parameters.count) tl_out_line(g->out, 2, "struct %s_values v;", tl_gen_owner(g, p));
  if (needs_zeros(p)) tl_out_line(g->out, 2, "memset(&v, 0, sizeof v);");
  tl_out_line(g->out, 2, "tulle_decode_call(&d, call);");
  tl_out_line(g->out, 2, "if (%s) return tulle_refuse_call(call, &d, \"%s.%s\");",
              p->request_count ? tl_gen_text(g, "decode_arguments_of_%s(&d, &v)", p->name)
                               : "tulle_decode_nothing(&d)",
              g->name, p->name);
  if (p->is_oneway) {
    tl_out_line(g->out, 2, "return %s;", call);
  } else {
    tl_out_line(g->out, 2, "int r = %s;", call);
    tl_out_line(g->out, 2, "return r ? r : %s_%s_reply(call%s);", g->name, p->name,
                tl_gen_hand_some(g, p, TL_SCHEMA_OUT, TL_HAND_VALUE));
  }
  tl_out_line(g->out, 0, "}");
  tl_out_gap(g->out);
}

static void write_offer(struct tl_gen *g) {
  size_t count = g->schema->self.procedures.count;
  tl_out_line(g->out, 0, "%s {", prototype_of_offer(g));
  tl_out_line(g->out, 2, "struct tulle_offer whole;");
  tl_out_line(g->out, 2, "memset(&whole, 0, sizeof whole);");
  tl_out_line(g->out, 2, "if (offer) whole = *offer;");
  tl_out_line(g->out, 2, "whole.interface = &%s_interface;", g->name);
  if (!count) {
    tl_out_line(g->out, 2, "(void)functions;");
    tl_out_line(g->out, 2,
                "return tulle_offer_procedures(t, \"%s\", NULL, 0, object, &whole, out);", g->name);
  } else {
    tl_out_line(g->out, 2, "const struct tulle_procedure procedures[] = {");
    FOR_EACH_PROCEDURE(p, g)
    tl_out_line(g->out, 6, "{\"%s\", functions->%s ? serve_%s : NULL, (void *)functions},", p->name,
                tl_gen_word(g, p->name), p->name);
    tl_out_line(g->out, 2, "};");
    tl_out_line(g->out, 2,
                "return tulle_offer_procedures(t, \"%s\", procedures, %zu, object, &whole, out);",
                g->name, count);
  }
  tl_out_line(g->out, 0, "}");
}

void tl_gen_server(struct tl_gen *g) {
  tl_out_line(g->out, 0, "/* ---- services ---- */");
  tl_out_gap(g->out);
  FOR_EACH_PROCEDURE(p, g) {
    if (!p->is_oneway) write_reply(g, p);
    write_serve(g, p);
  }
  write_offer(g);
}
