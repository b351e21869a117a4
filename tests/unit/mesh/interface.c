/* Interfaces of other nodes' services: told, fetched, kept, and what a hostile member makes of it. */
#include "node/mesh/describe.h"

#include <stdlib.h>
#include <string.h>

#include "core/schema/schema.h"
#include "crypto/fingerprint.h"
#include "tests/unit/mesh/mate.h"
#include "tests/unit/test.h"

#define CLIENT 1
#define FIRST  "interface camera 1 {\n  shoot() -> (bytes image);\n}\n"
#define NEWER  "interface camera 1 {\n  shoot() -> (bytes image);\n  turn(i32 degrees);\n}\n"
#define OTHER  "interface camera 1 {\n  shoot() -> (string image);\n}\n"

static void fingerprint_of(const char *text, uint8_t out[TL_FINGERPRINT_BYTES]) {
  struct tl_schema *schema;
  assert_int_equal(tl_schema_read(text, strlen(text), NULL, &schema), 0);
  assert_int_equal(tl_fingerprint(schema, out), 0);
  tl_schema_free(schema);
}

/* The mate says that it offers `camera` with that interface. */
static struct mate *linked_with(struct mates *w, const char *text) {
  struct mate *m = mate_link(w, 0);
  struct tl_mesh_message offer = {.type = TL_MESH_SERVICE,
                                  .service = {.name = "camera", .has_interface = true}};
  fingerprint_of(text, offer.service.fingerprint);
  mate_say(m, &offer);
  mates_run(w, 20 * TL_MS);
  assert_non_null(mates_offer(w, "camera"));
  return m;
}

/* `text` NULL: no interface; `with_text`: not only its fingerprint. */
static uint64_t ask(struct mates *w, const char *procedure, const char *text, bool with_text) {
  static uint8_t args[4096];
  uint8_t fingerprint[TL_FINGERPRINT_BYTES];
  struct tulle_pack pack = tulle_pack_on(args, sizeof args);
  if (text) fingerprint_of(text, fingerprint);
  tulle_pack_map(&pack, 2 + with_text);
  tulle_pack_text(&pack, "service"), tulle_pack_text(&pack, "camera");
  tl_fingerprint_encode(&pack, text, fingerprint);
  if (with_text) tulle_pack_text(&pack, "interface"), tulle_pack_text(&pack, text);
  uint64_t id =
      memory_send(&w->programs[CLIENT], mates_now(w), procedure, args, tulle_pack_size(&pack));
  mates_run(w, 20 * TL_MS);
  return id;
}

/* 1: not answered yet. */
static int status_of(const struct mates *w, uint64_t id) {
  const struct memory_reply *r = memory_reply_to(&w->programs[CLIENT], id);
  return r ? r->status : 1;
}

static struct tl_mesh_message answer_to(const struct tl_mesh_message *request, const char *text,
                                        size_t piece) {
  size_t size = strlen(text), left = request->from < size ? size - (size_t)request->from : 0;
  return (struct tl_mesh_message){.type = TL_MESH_DESCRIPTION,
                                  .generation = request->generation,
                                  .from = request->from,
                                  .size = size,
                                  .blob = (const uint8_t *)text + size - left,
                                  .blob_size = left < piece ? left : piece};
}

static struct tl_mesh_message heard_request(struct mate *m) {
  struct tl_mesh_message request;
  assert_true(mate_hear(m, mate_lane(m, 0), TL_MESH_DESCRIBE, &request));
  assert_string_equal(request.name, "camera");
  return request;
}

/* Answers what was asked until the text is there, in pieces of that size. */
static void mate_tells(struct mates *w, struct mate *m, const char *text, size_t piece) {
  for (size_t told = 0; told < strlen(text); told += piece) {
    struct tl_mesh_message request = heard_request(m);
    assert_int_equal(request.from, told);
    struct tl_mesh_message answer = answer_to(&request, text, piece);
    mate_say(m, &answer);
    mates_run(w, 20 * TL_MS);
  }
}

static uint64_t memory_used(const struct mates *w) {
  return w->programs[CLIENT].program->account->used.amount[TL_RESOURCE_MEMORY];
}

/* ---- asking ---- */

static void it_is_fetched_once_and_kept(void **state) {
  struct mates *w = *state;
  struct tl_mesh_message unheard;
  struct mate *m = linked_with(w, FIRST);
  uint64_t before = memory_used(w), id = ask(w, "describe", NULL, false);
  assert_int_equal(status_of(w, id), 1);
  assert_int_equal(memory_used(w), before + TL_INTERFACE_BYTES_MAX);
  mate_tells(w, m, FIRST, 7);
  assert_int_equal(status_of(w, id), 0);
  assert_non_null(strstr(memory_text(&w->programs[CLIENT]), "shoot"));
  assert_int_equal(memory_used(w), before);
  id = ask(w, "describe", NULL, false);
  assert_int_equal(status_of(w, id), 0);
  assert_false(mate_hear(m, mate_lane(m, 0), TL_MESH_DESCRIBE, &unheard));
}

static void the_same_opens_at_once(void **state) {
  struct mates *w = *state;
  struct tl_mesh_message open;
  uint8_t fingerprint[TL_FINGERPRINT_BYTES];
  struct mate *m = linked_with(w, FIRST);
  ask(w, "open", FIRST, false);
  assert_true(mate_hear(m, m->opened, TL_MESH_CHANNEL_OPEN, &open));
  fingerprint_of(FIRST, fingerprint);
  assert_true(open.has_fingerprint);
  assert_memory_equal(open.fingerprint, fingerprint, sizeof fingerprint);
}

static void a_compatible_one_opens_after_a_look(void **state) {
  struct mates *w = *state;
  struct tl_mesh_message open;
  uint8_t fingerprint[TL_FINGERPRINT_BYTES];
  struct mate *m = linked_with(w, FIRST);
  assert_int_equal(status_of(w, ask(w, "open", NEWER, false)), TULLE_E_INTERFACE);
  assert_int_equal(m->opens, 0);
  uint64_t id = ask(w, "open", NEWER, true);
  mate_tells(w, m, FIRST, 4096);
  assert_int_equal(status_of(w, id), 1);
  assert_true(mate_hear(m, m->opened, TL_MESH_CHANNEL_OPEN, &open));
  fingerprint_of(FIRST, fingerprint); /* what it was compared with: the mate has the last word */
  assert_memory_equal(open.fingerprint, fingerprint, sizeof fingerprint);
}

static void another_one_is_refused_with_the_difference(void **state) {
  struct mates *w = *state;
  struct mate *m = linked_with(w, FIRST);
  uint64_t before = memory_used(w), id = ask(w, "open", OTHER, true);
  mate_tells(w, m, FIRST, 4096);
  assert_int_equal(status_of(w, id), TULLE_E_INTERFACE);
  assert_non_null(strstr(memory_text(&w->programs[CLIENT]), "procedure shoot"));
  assert_int_equal(status_of(w, ask(w, "open", OTHER, true)), TULLE_E_INTERFACE); /* kept */
  assert_int_equal(m->opens, 0);
  assert_int_equal(memory_used(w), before);
}

static void a_node_without_fingerprints_is_never_asked(void **state) {
  struct mates *w = *state;
  struct tl_mesh_message m0;
  struct mate *m = mate_link(w, 0);
  mate_offer(m, "camera");
  mates_run(w, 20 * TL_MS);
  assert_int_equal(status_of(w, ask(w, "describe", NULL, false)), 0);
  assert_int_equal(status_of(w, ask(w, "open", FIRST, true)), 1); /* opens */
  assert_true(mate_hear(m, m->opened, TL_MESH_CHANNEL_OPEN, &m0));
  assert_false(mate_hear(m, mate_lane(m, 0), TL_MESH_DESCRIBE, &m0));
}

/* ---- lies ---- */

static void lies_end_the_question_and_nothing_else(void **state) {
  struct mates *w = *state;
  struct mate *m = linked_with(w, FIRST);
  uint64_t before = memory_used(w);
  for (int lie = 0; lie < 7; lie++) {
    uint64_t id = ask(w, "describe", NULL, false);
    struct tl_mesh_message request = heard_request(m);
    struct tl_mesh_message answer = answer_to(&request, lie == 0 ? OTHER : FIRST, 4096);
    if (lie == 1) answer = answer_to(&request, "no interface at all", 4096);
    if (lie == 2) answer.size = TL_INTERFACE_BYTES_MAX + 1;
    if (lie == 3) answer.size = UINT64_MAX;
    if (lie == 4) answer.blob_size = 0;
    if (lie == 5) answer.from = 3;
    if (lie == 6) answer.size = answer.blob_size - 1;
    mate_say(m, &answer);
    mates_run(w, 20 * TL_MS);
    assert_int_equal(status_of(w, id), TULLE_E_BAD_MESSAGE);
    assert_int_equal(memory_used(w), before);
    assert_non_null(m->link);
  }
  uint64_t id = ask(w, "describe", NULL, false); /* nothing of it was kept */
  mate_tells(w, m, FIRST, 4096);
  assert_int_equal(status_of(w, id), 0);
}

static void answers_to_nothing_are_dropped(void **state) {
  struct mates *w = *state;
  struct mate *m = linked_with(w, FIRST);
  uint64_t id = ask(w, "describe", NULL, false);
  struct tl_mesh_message request = heard_request(m), answer = answer_to(&request, FIRST, 4096);
  answer.generation++;
  mate_say(m, &answer);
  mates_run(w, 20 * TL_MS);
  assert_int_equal(status_of(w, id), 1);
  answer.generation--, answer.code = TULLE_E_NO_SERVICE;
  mate_say(m, &answer);
  mates_run(w, 20 * TL_MS);
  assert_int_equal(status_of(w, id), TULLE_E_NO_SERVICE);
  mate_say(m, &answer);
  mates_run(w, 20 * TL_MS);
  assert_non_null(m->link);
}

static void silence_and_death_end_it(void **state) {
  struct mates *w = *state;
  struct mate *m = linked_with(w, FIRST);
  uint64_t before = memory_used(w), id = ask(w, "describe", NULL, false);
  mates_run(w, MATES_BUDGET_NS + TL_S);
  tl_node_timeout(w->node, mates_now(w));
  assert_int_equal(status_of(w, id), TULLE_E_DEADLINE);
  id = ask(w, "describe", NULL, false);
  tl_link_close(m->link, mates_now(w), 0);
  m->link = NULL;
  mate_turn(m);
  mates_run(w, 50 * TL_MS);
  assert_int_equal(status_of(w, id), TULLE_E_PEER_GONE);
  assert_int_equal(memory_used(w), before);
}

static void questions_are_bounded(void **state) {
  struct mates *w = *state;
  linked_with(w, FIRST);
  for (size_t i = 0; i < TL_DESCRIBE_FETCHES_MAX; i++)
    assert_int_equal(status_of(w, ask(w, "describe", NULL, false)), 1);
  assert_int_equal(status_of(w, ask(w, "describe", NULL, false)), TULLE_E_AGAIN);
  memory_detach(&w->programs[CLIENT], mates_now(w)); /* with all of them under way */
  assert_true(tl_list_is_empty(&w->mesh->describe.fetches));
}

/* ---- being asked ---- */

static void serve_with(struct mates *w, const char *text) {
  static uint8_t args[4096];
  uint8_t fingerprint[TL_FINGERPRINT_BYTES];
  struct tulle_pack pack = tulle_pack_on(args, sizeof args);
  fingerprint_of(text, fingerprint);
  tulle_pack_map(&pack, 3);
  tulle_pack_text(&pack, "service"), tulle_pack_text(&pack, "camera");
  tl_fingerprint_encode(&pack, true, fingerprint);
  tulle_pack_text(&pack, "interface"), tulle_pack_text(&pack, text);
  assert_int_equal(
      memory_call(&w->programs[0], mates_now(w), "register", args, tulle_pack_size(&pack)), 0);
}

static void this_node_tells_its_own(void **state) {
  struct mates *w = *state;
  struct tl_mesh_message told, request = {.type = TL_MESH_DESCRIBE, .generation = 5, .from = 10};
  struct mate *m = mate_link(w, 0);
  serve_with(w, FIRST);
  mates_run(w, 20 * TL_MS);
  assert_true(mate_hear(m, mate_lane(m, 0), TL_MESH_SERVICE, &told));
  assert_true(told.service.has_interface);
  strcpy(request.name, "camera");
  mate_say(m, &request);
  mates_run(w, 20 * TL_MS);
  assert_true(mate_hear(m, mate_lane(m, 0), TL_MESH_DESCRIPTION, &told));
  assert_int_equal(told.generation, 5), assert_int_equal(told.code, 0);
  assert_int_equal(told.size, strlen(FIRST)), assert_int_equal(told.blob_size, told.size - 10);
  assert_memory_equal(told.blob, FIRST + 10, told.blob_size);
  request.from = UINT64_MAX;
  mate_say(m, &request);
  strcpy(request.name, "nothing");
  mate_say(m, &request);
  mates_run(w, 20 * TL_MS);
  assert_true(mate_hear(m, mate_lane(m, 0), TL_MESH_DESCRIPTION, &told));
  assert_int_equal(told.code, TULLE_E_NOT_FOUND);
  assert_true(mate_hear(m, mate_lane(m, 0), TL_MESH_DESCRIPTION, &told));
  assert_int_equal(told.code, TULLE_E_NO_SERVICE);
}

static void a_channel_for_another_interface_is_refused(void **state) {
  struct mates *w = *state;
  struct tl_mesh_message got, open = {.type = TL_MESH_CHANNEL_OPEN, .has_fingerprint = true};
  struct mate *m = mate_link(w, 0);
  serve_with(w, FIRST);
  strcpy(open.name, "camera");
  fingerprint_of(NEWER, open.fingerprint);
  struct tl_lane *lane = mate_open(m, NULL);
  mate_write_message(m, lane, TL_MESH_OPEN, &open);
  mates_run(w, 50 * TL_MS);
  bool is_said = !m->resets && mate_hear(m, lane, TL_MESH_CHANNEL_CLOSED, &got);
  assert_int_equal(is_said ? (uint32_t)-got.code : m->reset_code, (uint32_t)-TULLE_E_INTERFACE);
  assert_int_equal(mates_proxies(w), 0);
  assert_int_equal(w->programs[0].connections, 1); /* to the node */
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, mates_setup, mates_teardown)
  const struct CMUnitTest tests[] = {
      TEST(it_is_fetched_once_and_kept),
      TEST(the_same_opens_at_once),
      TEST(a_compatible_one_opens_after_a_look),
      TEST(another_one_is_refused_with_the_difference),
      TEST(a_node_without_fingerprints_is_never_asked),
      TEST(lies_end_the_question_and_nothing_else),
      TEST(answers_to_nothing_are_dropped),
      TEST(silence_and_death_end_it),
      TEST(questions_are_bounded),
      TEST(this_node_tells_its_own),
      TEST(a_channel_for_another_interface_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
