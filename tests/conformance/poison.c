#include "tests/conformance/poison.h"

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

static int64_t scan(uintptr_t from, uintptr_t to, uint64_t mark) {
  int64_t found = 0;
  for (; from + 8 <= to; from++)
    if (*(const volatile unsigned char *)from == (unsigned char)mark &&
        memcmp((const void *)from, &mark, 8) == 0)
      found++;
  return found;
}

int64_t poison_scan(uint64_t inverted) {
  char line[512];
  int64_t found = 0, areas = 0;
  FILE *f = fopen("/proc/self/maps", "re");
  if (!f) return -1;
  while (fgets(line, sizeof line, f)) {
    uintptr_t from, to;
    if (!strstr(line, "memfd:") || sscanf(line, "%zx-%zx r", &from, &to) != 2) continue;
    found += scan(from, to, ~inverted);
    areas++;
  }
  fclose(f);
  return areas ? found : -1;
}
