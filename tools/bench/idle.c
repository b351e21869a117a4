#include "tools/bench/idle.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static FILE *open_of(pid_t pid, const char *what) {
  char path[128];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what);
  return fopen(path, "re");
}

static uint64_t wakes_of(pid_t pid, const char *thread) {
  char what[96], line[256];
  unsigned long long n = 0;
  snprintf(what, sizeof what, "task/%.32s/status", thread);
  FILE *f = open_of(pid, what);
  while (f && fgets(line, sizeof line, f))
    if (sscanf(line, "voluntary_ctxt_switches: %llu", &n) == 1) break;
  if (f) fclose(f);
  return n;
}

/* A mapping's first line has its name, the lines after it its numbers. */
static uint64_t shared_bytes_of(pid_t pid) {
  char line[512];
  unsigned long long total = 0, kib;
  bool is_memfd = false;
  FILE *f = open_of(pid, "smaps");
  while (f && fgets(line, sizeof line, f)) {
    if (strchr("0123456789abcdef", line[0]) && strchr(line, '-'))
      is_memfd = strstr(line, "/memfd:") != NULL;
    else if (is_memfd && sscanf(line, "Pss: %llu kB", &kib) == 1)
      total += kib * 1024;
  }
  if (f) fclose(f);
  return total;
}

struct tl_usage tl_usage_of(pid_t pid) {
  struct tl_usage u = {0};
  char path[64];
  if (!pid) pid = getpid();
  snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
  DIR *threads = opendir(path);
  struct dirent *e;
  while (threads && (e = readdir(threads)))
    if (e->d_name[0] != '.') u.wakes += wakes_of(pid, e->d_name);
  if (threads) closedir(threads);
  u.shared_bytes = shared_bytes_of(pid);
  return u;
}
