#include "tests/conformance/poison.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 64

static void fill(void *at, size_t size, uint64_t mark) {
  for (size_t i = 0; i + 8 <= size; i += 8) memcpy((char *)at + i, &mark, 8);
  __asm__ volatile("" : : "r"(at) : "memory");
}

static __attribute__((noinline)) void spread_stack(uint64_t mark) {
  unsigned char frame[32768];
  fill(frame, sizeof frame, mark);
}

void poison_spread(uint64_t inverted) {
  void *blocks[BLOCKS];
  for (size_t i = 0; i < BLOCKS; i++) {
    blocks[i] = malloc(64u << i % 12);
    if (blocks[i]) fill(blocks[i], 64u << i % 12, ~inverted);
  }
  for (size_t i = 0; i < BLOCKS; i++) free(blocks[i]);
  spread_stack(~inverted);
}

/* Calls `look` with each area of memory that is shared: until it returns true. How many there were. */
static int64_t each_area(const char *rights, bool (*look)(uintptr_t, uintptr_t, void *),
                         void *userdata) {
  char line[512], has[8];
  int64_t areas = 0;
  FILE *f = fopen("/proc/self/maps", "re");
  if (!f) return 0;
  while (fgets(line, sizeof line, f)) {
    uintptr_t from, to;
    if (!strstr(line, "memfd:") || sscanf(line, "%zx-%zx %7s", &from, &to, has) != 3) continue;
    if (strncmp(has, rights, strlen(rights)) != 0) continue;
    areas++;
    if (look(from, to, userdata)) break;
  }
  fclose(f);
  return areas;
}

struct scan {
  uint64_t mark;
  int64_t found;
};

static bool scan(uintptr_t from, uintptr_t to, void *userdata) {
  struct scan *s = userdata;
  for (; from + 8 <= to; from++)
    if (*(const volatile unsigned char *)from == (unsigned char)s->mark &&
        memcmp((const void *)from, &s->mark, 8) == 0)
      s->found++;
  return false;
}

int64_t poison_scan(uint64_t inverted) {
  struct scan s = {~inverted, 0};
  return each_area("r", scan, &s) ? s.found : -1;
}

struct search {
  const unsigned char *bytes;
  size_t size;
  void *found;
};

static bool search(uintptr_t from, uintptr_t to, void *userdata) {
  struct search *s = userdata;
  s->found = memmem((const void *)from, to - from, s->bytes, s->size);
  return s->found;
}

volatile unsigned char *poison_find(const unsigned char *bytes, size_t size) {
  struct search s = {bytes, size, NULL};
  each_area("rw", search, &s);
  return s.found;
}
