/*
 * Values of the interface `store` in memory that was full of a pattern before, so that a byte of padding
 * that leaves would be seen. Included behind store.tulle.h.
 */
#ifndef TESTS_UNIT_TYPED_VALUES_H
#define TESTS_UNIT_TYPED_VALUES_H

#include <string.h>

#define PATTERN 0xa7 /* no value below has a byte of it */

struct store_values {
  struct store_size boxes[2];
  struct store_figure figures[6];
  struct store_entry_counts_entry counts[3];
  struct store_strict_m_entry strict[2];
  uint32_t numbers[3];
  enum store_color tint;
  struct store_entry_digest_value digest;
  struct store_size extent;
  struct store_entry full, bare;
  uint16_t shorts[2];
  struct store_deep_cube_element_element inner[2];
  struct store_deep_cube_element outer[2];
  struct store_deep_blobs_element blobs[2];
  const char *names[2];
  struct store_deep_maps_element_entry map_entries[2];
  struct store_deep_maps_element maps[2];
  struct store_deep_points_element points[1];
  struct store_deep_odd_value odd;
  struct store_deep_addresses_element addresses[1];
  struct store_deep_by_color_entry by_color[2];
  struct store_deep deep;
  struct store_all all;
};

static inline void fill_figures(struct store_values *v) {
  v->boxes[0].width = 1, v->boxes[0].height = UINT32_MAX;
  v->boxes[1].width = 0, v->boxes[1].height = 300;
  v->figures[0].is = STORE_FIGURE_CIRCLE, v->figures[0].circle = 1.5;
  v->figures[1].is = STORE_FIGURE_BOX, v->figures[1].box = v->boxes[0];
  v->figures[2].is = STORE_FIGURE_NOTHING;
  v->figures[3].is = STORE_FIGURE_PATH, v->figures[3].path = v->boxes, v->figures[3].path_count = 2;
  v->figures[4].is = STORE_FIGURE_BLOB, v->figures[4].blob = "x\0y", v->figures[4].blob_size = 3;
  v->figures[5].is = STORE_FIGURE_M, v->figures[5].m[0] = 0.5f, v->figures[5].m[1] = -1;
}

static inline void fill_entry(struct store_values *v) {
  fill_figures(v);
  v->counts[0].key = "one", v->counts[0].value = 1;
  v->counts[1].key = "", v->counts[1].value = INT64_MIN;
  v->counts[2].key = "\xc3\xa9t\xc3\xa9", v->counts[2].value = INT64_MAX;
  v->strict[0].key = 255, v->strict[0].value = "last";
  v->strict[1].key = 0, v->strict[1].value = "first";
  v->numbers[0] = 0, v->numbers[1] = 128, v->numbers[2] = UINT32_MAX;
  v->tint = STORE_COLOR_BLUE;
  memcpy(v->digest.value, "abcd", 4);
  v->extent = v->boxes[1];
  struct store_entry *e = &v->full;
  e->name = "full", e->figures = v->figures, e->figures_count = 6;
  for (size_t i = 0; i < sizeof e->key; i++) e->key[i] = (uint8_t)i;
  e->counts = v->counts, e->counts_count = 3;
  e->one.is = STORE_STRICT_M, e->one.m = v->strict, e->one.m_count = 2;
  e->tint = &v->tint, e->note = "", e->raw = "", e->raw_size = 0;
  e->numbers = v->numbers, e->numbers_count = 3, e->digest = &v->digest, e->extent = &v->extent;
  e = &v->bare;
  e->name = "", e->figures = NULL, e->figures_count = 0, e->counts = NULL, e->counts_count = 0;
  memset(e->key, 0, sizeof e->key);
  e->one.is = STORE_STRICT_A, e->one.a = 9;
  e->tint = NULL, e->note = NULL, e->raw = NULL, e->raw_size = 0, e->numbers = NULL;
  e->numbers_count = 0, e->digest = NULL, e->extent = NULL;
}

static inline void fill_deep(struct store_values *v) {
  struct store_deep *d = &v->deep;
  v->shorts[0] = 7, v->shorts[1] = 65535;
  for (int i = 0; i < 2; i++) {
    v->inner[i].value = v->shorts, v->inner[i].value_count = (size_t)i;
    v->outer[i].value = v->inner, v->outer[i].value_count = (size_t)(2 - i);
    v->blobs[i].value = "\1\2", v->blobs[i].value_size = (size_t)i;
    v->map_entries[i].key = (uint32_t)(5 - i), v->map_entries[i].value = v->names;
    v->map_entries[i].value_count = (size_t)(2 - i);
    v->maps[i].value = v->map_entries, v->maps[i].value_count = (size_t)(2 * i);
    v->odd.value[i] = v->numbers, v->odd.value_count[i] = (size_t)(3 * i);
    v->by_color[i].value = v->boxes[i];
    d->tails[i] = v->shorts, d->tails_count[i] = (size_t)(1 + i);
    d->boxes[i] = v->boxes[i];
    memcpy(d->keys[i], i ? "wxyz" : "stuv", 4);
    for (int j = 0; j < 3; j++) d->matrix[i][j] = i - j;
  }
  v->names[0] = d->names[1] = "alpha", v->names[1] = d->names[0] = "";
  for (int i = 0; i < 3; i++) v->points[0].value[i] = (float)i;
  memcpy(v->addresses[0].value, "ADDR", 4);
  v->by_color[0].key = STORE_COLOR_BLUE, v->by_color[1].key = STORE_COLOR_RED;
  d->cube = v->outer, d->cube_count = 2, d->blobs = v->blobs, d->blobs_count = 2;
  d->maps = v->maps, d->maps_count = 2, d->points = v->points, d->points_count = 1;
  d->odd = &v->odd, d->default_ = STORE_COLOR_GREEN;
  d->addresses = v->addresses, d->addresses_count = 1;
  d->by_color = v->by_color, d->by_color_count = 2;
}

static inline void fill_values(struct store_values *v) {
  memset(v, PATTERN, sizeof *v);
  fill_entry(v);
  fill_deep(v);
  struct store_all *a = &v->all;
  a->b = true, a->u1 = 255, a->u2 = 65535, a->u4 = UINT32_MAX, a->u8 = UINT64_MAX;
  a->i1 = INT8_MIN, a->i2 = INT16_MIN, a->i4 = INT32_MIN, a->i8 = INT64_MIN;
  a->f4 = 0.25f, a->f8 = -1e300, a->p = STORE_PLAIN_C, a->s = STORE_SHADE_DARK;
}

#endif
