/* Interfaces in the node: registered, told, and compared when a channel is opened. */
#include "node/state/interface.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/schema/schema.h"
#include "crypto/fingerprint.h"
#include "tests/unit/node/memory.h"
#include "tests/unit/test.h"

#define FIRST                                                                                      \
  "/// Counts.\ninterface textstat 1 {\n  count(bytes text) -> (u64 lines, u64 words);\n}\n"
#define NEWER                                                                                      \
  "interface textstat 1 {\n  count(bytes text) -> (u64 lines, u64 words);\n  reset();\n}\n"
#define OTHER "interface textstat 1 {\n  count(string text) -> (u64 lines, u64 words);\n}\n"

struct fixture {
  struct tl_node *node;
  struct tl_port *ports; /* a service's, and two clients' */
};

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  f->node = memory_node(NULL);
  f->ports = calloc(3, sizeof *f->ports);
  for (uint32_t i = 0; i < 3; i++)
    assert_int_equal(memory_attach(f->node, &f->ports[i], 1000 + i), 0);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  memory_node_free(f->node, f->ports, 3); /* asserts that nothing is charged any more */
  free(f->ports);
  free(f);
  return 0;
}

static void fingerprint_of(const char *text, uint8_t out[TL_FINGERPRINT_BYTES]) {
  struct tl_schema *schema;
  assert_int_equal(tl_schema_read(text, strlen(text), NULL, &schema), 0);
  assert_int_equal(tl_fingerprint(schema, out), 0);
  tl_schema_free(schema);
}

/* `fingerprint_text`: of which the fingerprint is; each of both may be NULL. */
static uint64_t send_with(struct tl_port *p, const char *procedure, const char *fingerprint_text,
                          const char *text) {
  static uint8_t args[TL_SERVICE_CALL_BYTES_MAX];
  uint8_t fingerprint[TL_FINGERPRINT_BYTES];
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_map(&w, 3);
  tulle_pack_text(&w, "service"), tulle_pack_text(&w, "textstat");
  if (fingerprint_text) fingerprint_of(fingerprint_text, fingerprint);
  tl_fingerprint_encode(&w, fingerprint_text, fingerprint);
  tulle_pack_text(&w, "interface");
  if (text)
    tulle_pack_text(&w, text);
  else
    tulle_pack_nil(&w);
  return memory_send(p, 0, procedure, args, tulle_pack_size(&w));
}

static int call_with(struct tl_port *p, const char *procedure, const char *fingerprint_text,
                     const char *text) {
  uint64_t id = send_with(p, procedure, fingerprint_text, text);
  const struct memory_reply *r = memory_reply_to(p, id);
  assert_non_null(r);
  return r->status;
}

static void assert_opens(struct tl_port *p, const char *fingerprint_text, const char *text) {
  size_t before = p->introductions;
  uint64_t id = send_with(p, "open", fingerprint_text, text);
  assert_null(memory_reply_to(p, id)); /* when both have it */
  assert_int_equal(p->introductions, before + 1);
}

static int describe(struct tl_port *p, uint64_t from, char *out, size_t out_size,
                    uint64_t *out_total, size_t *out_fingerprint_bytes) {
  uint8_t args[64];
  struct tulle_pack w = tulle_pack_on(args, sizeof args);
  tulle_pack_map(&w, 2);
  tulle_pack_text(&w, "service"), tulle_pack_text(&w, "textstat");
  tulle_pack_text(&w, "from"), tulle_pack_uint(&w, from);
  int r = memory_call(p, 0, "describe", args, tulle_pack_size(&w));
  if (r) return r;
  const struct memory_reply *reply = &p->replies[p->reply_count - 1];
  struct tulle_unpack body = tulle_unpack_on(reply->body, reply->size);
  struct tulle_unpack total = tulle_unpack_key(&body, "size");
  struct tulle_unpack text = tulle_unpack_key(&body, "text");
  struct tulle_unpack fingerprint = tulle_unpack_key(&body, "fingerprint");
  *out_total = tulle_unpack_uint(&total);
  tulle_unpack_string(&text, out, out_size);
  struct tulle_value v = tulle_unpack_any(&fingerprint);
  *out_fingerprint_bytes = v.type == TULLE_BYTES ? v.size : 0;
  assert_true(tulle_unpack_is_ok(&total) && tulle_unpack_is_ok(&text));
  return 0;
}

/* ---- registering ---- */

static void it_is_kept_charged_and_told(void **state) {
  struct fixture *f = *state;
  char text[TL_INTERFACE_PIECE_BYTES_MAX + 1];
  uint64_t total;
  size_t bytes;
  struct tl_account *account = f->ports[0].program->account;
  uint64_t before = account->used.amount[TL_RESOURCE_MEMORY];
  assert_int_equal(call_with(&f->ports[0], "register", FIRST, FIRST), 0);
  assert_int_equal(account->used.amount[TL_RESOURCE_MEMORY], before + strlen(FIRST));
  assert_int_equal(describe(&f->ports[1], 0, text, sizeof text, &total, &bytes), 0);
  assert_string_equal(text, FIRST); /* with its documentation */
  assert_int_equal(total, strlen(FIRST));
  assert_int_equal(bytes, TL_FINGERPRINT_BYTES);
  assert_int_equal(describe(&f->ports[1], 12, text, sizeof text, &total, &bytes), 0);
  assert_string_equal(text, FIRST + 12);
  assert_int_equal(describe(&f->ports[1], UINT64_MAX, text, sizeof text, &total, &bytes), 0);
  assert_string_equal(text, "");
  assert_int_equal(call_with(&f->ports[0], "register", NEWER, NEWER), 0); /* another one */
  assert_int_equal(account->used.amount[TL_RESOURCE_MEMORY], before + strlen(NEWER));
  assert_int_equal(call_with(&f->ports[0], "register", NULL, NULL), 0); /* and none */
  assert_int_equal(account->used.amount[TL_RESOURCE_MEMORY], before);
  assert_int_equal(describe(&f->ports[1], 0, text, sizeof text, &total, &bytes), 0);
  assert_int_equal(total, 0), assert_int_equal(bytes, 0);
}

static void its_form_is_made_canonical(void **state) {
  struct fixture *f = *state;
  char text[256];
  uint64_t total;
  size_t bytes;
  assert_int_equal(call_with(&f->ports[0], "register", FIRST,
                             "/** Counts. */ interface textstat 1 { /* a note */"
                             "count(bytes text)->(u64 lines,u64 words); };"),
                   0);
  assert_int_equal(describe(&f->ports[1], 0, text, sizeof text, &total, &bytes), 0);
  assert_string_equal(text, FIRST);
}

static void wrong_ones_are_refused(void **state) {
  struct fixture *f = *state;
  struct tl_port *p = &f->ports[0];
  static char large[TL_INTERFACE_BYTES_MAX + 2];
  assert_int_equal(call_with(p, "register", OTHER, FIRST), TULLE_E_INVALID);
  assert_non_null(strstr(memory_text(p), "fingerprint"));
  assert_int_equal(call_with(p, "register", FIRST, NULL), TULLE_E_INVALID);
  assert_int_equal(call_with(p, "register", NULL, FIRST), TULLE_E_INVALID);
  assert_int_equal(call_with(p, "register", FIRST, ""), TULLE_E_INVALID);
  assert_int_equal(call_with(p, "register", FIRST, "interface textstat 1 {\n  count(strng x);\n}"),
                   TULLE_E_INVALID);
  assert_non_null(strstr(memory_text(p), "line 2"));
  assert_non_null(strstr(memory_text(p), "did you mean 'string'?"));
  memset(large, ' ', sizeof large - 1);
  assert_int_equal(call_with(p, "register", FIRST, large), TULLE_E_TOO_BIG);
  large[TL_INTERFACE_BYTES_MAX] = 0; /* of the right size, but blank */
  assert_int_equal(call_with(p, "register", FIRST, large), TULLE_E_INVALID);
  memcpy(large, FIRST, strlen(FIRST));
  assert_int_equal(call_with(p, "register", FIRST, large), 0); /* what is only layout goes */
  assert_int_equal(p->program->account->used.amount[TL_RESOURCE_MEMORY] % 4096, strlen(FIRST));
  assert_null(p->cut);
}

static void a_fingerprint_of_another_size_or_type_is_refused(void **state) {
  struct fixture *f = *state;
  uint8_t args[128], zeros[TL_FINGERPRINT_BYTES + 1] = {0};
  for (size_t i = 0; i < 3; i++) {
    struct tulle_pack w = tulle_pack_on(args, sizeof args);
    tulle_pack_map(&w, 2), tulle_pack_text(&w, "service"), tulle_pack_text(&w, "textstat");
    tulle_pack_text(&w, "fingerprint");
    if (i == 2)
      tulle_pack_uint(&w, 7);
    else
      tulle_pack_bytes(&w, zeros, TL_FINGERPRINT_BYTES - 1 + 2 * i);
    assert_int_equal(memory_call(&f->ports[0], 0, "register", args, tulle_pack_size(&w)),
                     TULLE_E_INVALID);
    assert_int_equal(memory_call(&f->ports[0], 0, "open", args, tulle_pack_size(&w)),
                     TULLE_E_INVALID);
  }
}

static void an_account_that_is_full_takes_none(void **state) {
  (void)state;
  struct tl_charge limit = tl_node_limit(UINT64_C(1) << 30, 4096);
  limit.amount[TL_RESOURCE_MEMORY] = 16384; /* channel 0 */
  struct tl_node *node = memory_node(&limit);
  struct tl_port *p = calloc(1, sizeof *p);
  assert_int_equal(memory_attach(node, p, 1), 0);
  assert_int_equal(call_with(p, "register", FIRST, FIRST), TULLE_E_LIMIT);
  assert_int_equal(call_with(p, "register", NULL, NULL), 0);
  assert_int_equal(call_with(p, "register", FIRST, FIRST), TULLE_E_LIMIT); /* nor as an update */
  memory_node_free(node, p, 1);
  free(p);
}

/* ---- opening ---- */

static void the_same_opens_at_once(void **state) {
  struct fixture *f = *state;
  assert_int_equal(call_with(&f->ports[0], "register", FIRST, FIRST), 0);
  assert_opens(&f->ports[1], FIRST, NULL);
  assert_opens(&f->ports[1], NULL, NULL); /* who does not say anything */
}

static void a_service_without_one_opens_for_everybody(void **state) {
  struct fixture *f = *state;
  assert_int_equal(call_with(&f->ports[0], "register", NULL, NULL), 0);
  assert_opens(&f->ports[1], FIRST, NULL);
  assert_opens(&f->ports[1], FIRST, FIRST);
}

static void compatible_ones_open_in_both_directions(void **state) {
  struct fixture *f = *state;
  assert_int_equal(call_with(&f->ports[0], "register", FIRST, FIRST), 0);
  assert_int_equal(call_with(&f->ports[1], "open", NEWER, NULL), TULLE_E_INTERFACE);
  assert_opens(&f->ports[1], NEWER, NEWER);
  assert_int_equal(call_with(&f->ports[0], "register", NEWER, NEWER), 0);
  assert_int_equal(call_with(&f->ports[2], "open", FIRST, NULL), TULLE_E_INTERFACE);
  assert_opens(&f->ports[2], FIRST, FIRST);
}

static void others_are_refused_with_the_difference(void **state) {
  struct fixture *f = *state;
  struct tl_port *p = &f->ports[1];
  assert_int_equal(call_with(&f->ports[0], "register", FIRST, FIRST), 0);
  assert_int_equal(call_with(p, "open", OTHER, NULL), TULLE_E_INTERFACE);
  assert_int_equal(call_with(p, "open", OTHER, OTHER), TULLE_E_INTERFACE);
  assert_non_null(strstr(memory_text(p), "procedure count"));
  assert_non_null(strstr(memory_text(p), "text"));
  assert_int_equal(p->introductions, 0);
}

static void a_lying_opener_is_refused(void **state) {
  struct fixture *f = *state;
  struct tl_port *p = &f->ports[1];
  assert_int_equal(call_with(&f->ports[0], "register", FIRST, FIRST), 0);
  assert_int_equal(call_with(p, "open", OTHER, FIRST), TULLE_E_INVALID);
  assert_int_equal(call_with(p, "open", OTHER, "interface"), TULLE_E_INVALID);
  assert_int_equal(call_with(p, "open", NULL, FIRST), TULLE_E_INVALID);
  assert_int_equal(p->introductions, 0);
}

static void a_wrong_name_is_corrected(void **state) {
  struct fixture *f = *state;
  struct tl_port *p = &f->ports[1];
  assert_int_equal(call_with(&f->ports[0], "register", FIRST, FIRST), 0);
  assert_int_equal(memory_call_text(p, 0, "describe", "service", "textstad"), TULLE_E_NO_SERVICE);
  assert_non_null(strstr(memory_text(p), "did you mean 'textstat'?"));
  assert_int_equal(memory_call(p, 0, "describe", NULL, 0), TULLE_E_INVALID);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(it_is_kept_charged_and_told, setup, teardown),
      cmocka_unit_test_setup_teardown(its_form_is_made_canonical, setup, teardown),
      cmocka_unit_test_setup_teardown(wrong_ones_are_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(a_fingerprint_of_another_size_or_type_is_refused, setup,
                                      teardown),
      cmocka_unit_test(an_account_that_is_full_takes_none),
      cmocka_unit_test_setup_teardown(the_same_opens_at_once, setup, teardown),
      cmocka_unit_test_setup_teardown(a_service_without_one_opens_for_everybody, setup, teardown),
      cmocka_unit_test_setup_teardown(compatible_ones_open_in_both_directions, setup, teardown),
      cmocka_unit_test_setup_teardown(others_are_refused_with_the_difference, setup, teardown),
      cmocka_unit_test_setup_teardown(a_lying_opener_is_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(a_wrong_name_is_corrected, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
