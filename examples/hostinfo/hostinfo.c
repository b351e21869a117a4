/*
 * Load, memory, disks and uptime of this machine, read from the kernel at each call.
 */
#include <mntent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "tulle/tulle.h"

#define RESULT_BYTES 16384
#define DISKS_MAX    32

static void put_uint(struct tulle_pack *w, const char *key, uint64_t v) {
  tulle_pack_text(w, key);
  tulle_pack_uint(w, v);
}

static void put_text(struct tulle_pack *w, const char *key, const char *text) {
  tulle_pack_text(w, key);
  tulle_pack_text(w, text);
}

static void put_double(struct tulle_pack *w, const char *key, double v) {
  tulle_pack_text(w, key);
  tulle_pack_double(w, v);
}

static void put_load(struct tulle_pack *w) {
  double one = 0, five = 0, fifteen = 0;
  unsigned running = 0, processes = 0;
  FILE *f = fopen("/proc/loadavg", "re");
  if (!f || fscanf(f, "%lf %lf %lf %u/%u", &one, &five, &fifteen, &running, &processes) != 5)
    w->failed = true;
  if (f) fclose(f);
  tulle_pack_map(w, 5);
  put_double(w, "one", one);
  put_double(w, "five", five);
  put_double(w, "fifteen", fifteen);
  put_uint(w, "running", running);
  put_uint(w, "processes", processes);
}

static void put_memory(struct tulle_pack *w) {
  static const char *const names[] = {
      "MemTotal:", "MemAvailable:", "MemFree:", "SwapTotal:", "SwapFree:"};
  static const char *const keys[] = {"total_bytes", "available_bytes", "free_bytes",
                                     "swap_total_bytes", "swap_free_bytes"};
  uint64_t values[5] = {0};
  char name[64];
  unsigned long long kib;
  FILE *f = fopen("/proc/meminfo", "re");
  if (!f) w->failed = true;
  while (f && fscanf(f, "%63s %llu%*[^\n]", name, &kib) == 2)
    for (int i = 0; i < 5; i++)
      if (!strcmp(name, names[i])) values[i] = kib * 1024;
  if (f) fclose(f);
  tulle_pack_map(w, 5);
  for (int i = 0; i < 5; i++) put_uint(w, keys[i], values[i]);
}

static void put_disk(struct tulle_pack *w, const struct mntent *m, const struct statvfs *s) {
  tulle_pack_map(w, 5);
  put_text(w, "path", m->mnt_dir);
  put_text(w, "device", m->mnt_fsname);
  put_text(w, "type", m->mnt_type);
  put_uint(w, "total_bytes", (uint64_t)s->f_blocks * s->f_frsize);
  put_uint(w, "available_bytes", (uint64_t)s->f_bavail * s->f_frsize);
}

/* Block devices and the root, each once; never a network file system, which could keep the caller waiting. */
static void put_disks(struct tulle_pack *w) {
  unsigned char buffer[RESULT_BYTES / 2];
  struct tulle_pack disks = tulle_pack_on(buffer, sizeof buffer);
  unsigned long seen[DISKS_MAX];
  size_t count = 0;
  FILE *f = setmntent("/proc/self/mounts", "re");
  for (struct mntent *m; f && count < DISKS_MAX && (m = getmntent(f));) {
    struct statvfs s;
    bool is_known = false;
    if (strncmp(m->mnt_fsname, "/dev/", 5) && strcmp(m->mnt_dir, "/")) continue;
    if (statvfs(m->mnt_dir, &s) || !s.f_blocks) continue;
    for (size_t i = 0; i < count; i++) is_known |= seen[i] == s.f_fsid;
    struct tulle_pack before = disks;
    if (!is_known) put_disk(&disks, m, &s);
    if (disks.failed)
      disks = before; /* more than fit into a result */
    else if (!is_known)
      seen[count++] = s.f_fsid;
  }
  if (f) endmntent(f);
  tulle_pack_array(w, count);
  tulle_pack_raw_(w, buffer, tulle_pack_size(&disks));
}

static uint64_t uptime_ns(void) {
  double seconds = 0;
  FILE *f = fopen("/proc/uptime", "re");
  if (!f || fscanf(f, "%lf", &seconds) != 1) seconds = 0;
  if (f) fclose(f);
  return (uint64_t)(seconds * 1e9);
}

static void put_uptime(struct tulle_pack *w) {
  tulle_pack_map(w, 1);
  put_uint(w, "uptime_ns", uptime_ns());
}

static void put_all(struct tulle_pack *w) {
  struct utsname names;
  uname(&names);
  tulle_pack_map(w, 6);
  put_text(w, "host", names.nodename);
  put_text(w, "kernel", names.release);
  tulle_pack_text(w, "load");
  put_load(w);
  tulle_pack_text(w, "memory");
  put_memory(w);
  tulle_pack_text(w, "disks");
  put_disks(w);
  put_uint(w, "uptime_ns", uptime_ns());
}

struct question {
  void (*put)(struct tulle_pack *w);
};

static int answer(struct tulle_call_context *call, void *userdata) {
  const struct question *question = userdata;
  unsigned char buffer[RESULT_BYTES];
  struct tulle_pack reply = tulle_pack_on(buffer, sizeof buffer);
  question->put(&reply);
  if (!tulle_pack_size(&reply)) return tulle_reply_error(call, TULLE_E_IO, "cannot read /proc");
  return tulle_reply(call, buffer, tulle_pack_size(&reply));
}

static void stop(int signal_number) {
  (void)signal_number;
  tulle_stop(NULL);
}

int main(void) {
  static struct question load = {put_load}, memory = {put_memory}, disks = {put_disks},
                         uptime = {put_uptime}, all = {put_all};
  static const struct tulle_procedure procedures[] = {{"load", answer, &load},
                                                      {"memory", answer, &memory},
                                                      {"disks", answer, &disks},
                                                      {"uptime", answer, &uptime},
                                                      {"all", answer, &all}};
  static const struct tulle_capability capabilities[] = {{"host/info", 1, NULL}};
  static const struct tulle_offer offer = {.name = "hostinfo",
                                           .procedures = procedures,
                                           .procedure_count = 5,
                                           .capabilities = capabilities,
                                           .capability_count = 1};
  signal(SIGTERM, stop);
  signal(SIGINT, stop);
  int r = tulle_offer(NULL, &offer, NULL);
  if (!r) r = tulle_serve(NULL, 1);
  if (r) fprintf(stderr, "hostinfo: %s\n", tulle_error_text(r));
  return tulle_error_exit(r);
}
