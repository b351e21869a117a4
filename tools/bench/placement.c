#include "tools/bench/placement.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PINNED_MAX 16

static const char *const names[] = {"free", "same", "split"};

static struct {
  pid_t pid;
  cpu_set_t before;
} pinned[PINNED_MAX];
static size_t pinned_count;

const char *tl_placement_name(enum tl_placement p) {
  return names[p];
}

enum tl_placement tl_placement_parse(const char *name) {
  for (int i = 0; i < TL_PLACEMENTS; i++)
    if (!strcmp(names[i], name)) return (enum tl_placement)i;
  return TL_PLACEMENTS;
}

/* What this process was allowed when it first asked: pinning itself must not change the answer. */
static const cpu_set_t *allowed(void) {
  static cpu_set_t set;
  static bool is_known;
  if (!is_known && !sched_getaffinity(0, sizeof set, &set)) is_known = true;
  return &set;
}

static int nth_cpu(int n) {
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET((size_t)cpu, allowed()) && n-- == 0) return cpu;
  return -1;
}

bool tl_placement_can_split(void) {
  return nth_cpu(1) >= 0;
}

int tl_placement_cpu(enum tl_placement p, int side) {
  allowed();
  if (p == TL_PLACE_FREE) return -1;
  return nth_cpu(p == TL_PLACE_SPLIT ? side : 0);
}

static int set_threads(pid_t pid, const cpu_set_t *set) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
  DIR *tasks = opendir(path);
  struct dirent *e;
  int r = tasks ? 0 : -errno;
  while (tasks && (e = readdir(tasks)))
    if (e->d_name[0] != '.' && sched_setaffinity((pid_t)atoi(e->d_name), sizeof *set, set) &&
        errno != ESRCH)
      r = -errno;
  if (tasks) closedir(tasks);
  return r;
}

static int remember(pid_t pid, size_t *out) {
  for (size_t i = 0; i < pinned_count; i++)
    if (pinned[i].pid == pid) {
      *out = i;
      return 0;
    }
  if (pinned_count == PINNED_MAX) return TULLE_E_LIMIT;
  if (sched_getaffinity(pid, sizeof pinned[0].before, &pinned[pinned_count].before)) return -errno;
  pinned[pinned_count].pid = pid;
  *out = pinned_count++;
  return 0;
}

int tl_placement_pin(pid_t pid, int cpu) {
  size_t i = 0;
  allowed();
  if (!pid) pid = getpid();
  int r = remember(pid, &i);
  if (r) return r;
  if (cpu < 0) return set_threads(pid, &pinned[i].before);
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)cpu, &set);
  return set_threads(pid, &set);
}

void tl_placement_restore(void) {
  for (size_t i = 0; i < pinned_count; i++) set_threads(pinned[i].pid, &pinned[i].before);
}
