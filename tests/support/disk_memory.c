#include "tests/support/disk_memory.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"

static struct disk_memory_names *seen(struct disk_memory *m) {
  return &m->names[m->latest];
}

static int *find(struct disk_memory_names *names, const char *name) {
  for (size_t i = 0; i < DISK_MEMORY_NAMES; i++)
    if (names->entries[i].inode >= 0 && strcmp(names->entries[i].name, name) == 0)
      return &names->entries[i].inode;
  return NULL;
}

static void set(struct disk_memory_names *names, const char *name, int inode) {
  int *place = find(names, name);
  for (size_t i = 0; !place && inode >= 0; i++) {
    TL_ASSERT(i < DISK_MEMORY_NAMES && strlen(name) < sizeof names->entries[i].name);
    if (names->entries[i].inode >= 0) continue;
    strcpy(names->entries[i].name, name);
    place = &names->entries[i].inode;
  }
  if (place) *place = inode;
}

/* Every change of names is a snapshot of its own, so that a cut can fall between any two. */
static struct disk_memory_names *change(struct disk_memory *m) {
  TL_ASSERT(m->latest + 1 < DISK_MEMORY_SNAPSHOTS);
  m->names[m->latest + 1] = m->names[m->latest];
  return &m->names[++m->latest];
}

static int step(struct disk_memory *m) {
  m->steps++;
  if (m->cut_at && m->steps == m->cut_at) m->is_dead = true;
  if (m->is_dead) return TULLE_E_IO;
  return m->fail_at && m->steps == m->fail_at ? m->fail_error : 0;
}

static bool is_named(const struct disk_memory *m, int inode) {
  for (size_t s = 0; s <= m->latest; s++)
    for (size_t i = 0; i < DISK_MEMORY_NAMES; i++)
      if (m->names[s].entries[i].inode == inode) return true;
  return false;
}

static int inode_new(struct disk_memory *m) {
  int inode = 0;
  while (is_named(m, inode)) inode++;
  TL_ASSERT(inode < DISK_MEMORY_INODES);
  free(m->inodes[inode].data);
  m->inodes[inode] = (struct disk_memory_inode){0};
  return inode;
}

static void inode_fill(struct disk_memory *m, int inode, const uint8_t *data, size_t size) {
  free(m->inodes[inode].data);
  m->inodes[inode].data = malloc(size + 1);
  TL_ASSERT(m->inodes[inode].data);
  memcpy(m->inodes[inode].data, data, size);
  m->inodes[inode].size = size;
}

static int memory_read(void *context, const char *name, uint8_t *out, size_t max,
                       size_t *out_size) {
  struct disk_memory *m = context;
  const int *inode = find(seen(m), name);
  if (m->is_dead) return TULLE_E_IO;
  if (!inode) return TULLE_E_NOT_FOUND;
  if (m->inodes[*inode].size > max) return TULLE_E_TOO_BIG;
  memcpy(out, m->inodes[*inode].data, m->inodes[*inode].size);
  *out_size = m->inodes[*inode].size;
  return 0;
}

static int memory_write(void *context, const char *name, const uint8_t *data, size_t size) {
  struct disk_memory *m = context;
  int r = step(m);
  if (r < 0) return r;
  int inode = inode_new(m);
  set(change(m), name, inode);
  inode_fill(m, inode, data, size / 2); /* until it is synced it may be torn */
  r = step(m);
  if (r < 0) return r;
  if (size) m->inodes[inode].data[0] ^= 0xff;
  r = step(m);
  if (r < 0) return r;
  inode_fill(m, inode, data, size);
  return 0;
}

static int memory_link(void *context, const char *from, const char *to) {
  struct disk_memory *m = context;
  int r = step(m);
  if (r < 0) return r;
  const int *inode = find(seen(m), from);
  if (!inode) return TULLE_E_NOT_FOUND;
  if (find(seen(m), to)) return TULLE_E_EXISTS;
  set(change(m), to, *inode);
  return 0;
}

static int memory_rename(void *context, const char *from, const char *to) {
  struct disk_memory *m = context;
  int r = step(m);
  if (r < 0) return r;
  const int *inode = find(seen(m), from);
  if (!inode) return TULLE_E_NOT_FOUND;
  int moved = *inode;
  struct disk_memory_names *names = change(m);
  set(names, from, -1);
  set(names, to, moved);
  return 0;
}

static int memory_remove(void *context, const char *name) {
  struct disk_memory *m = context;
  int r = step(m);
  if (r < 0) return r;
  if (!find(seen(m), name)) return TULLE_E_NOT_FOUND;
  set(change(m), name, -1);
  return 0;
}

static int memory_sync_directory(void *context) {
  struct disk_memory *m = context;
  int r = step(m);
  if (r < 0) return r;
  m->names[0] = *seen(m);
  m->latest = 0;
  return 0;
}

static struct tl_disk disk_of(struct disk_memory *memory) {
  return (struct tl_disk){memory,        memory_read,   memory_write,         memory_link,
                          memory_rename, memory_remove, memory_sync_directory};
}

void disk_memory_init(struct disk_memory *memory, struct tl_disk *out) {
  memset(memory, 0, sizeof *memory);
  for (size_t i = 0; i < DISK_MEMORY_NAMES; i++) memory->names[0].entries[i].inode = -1;
  *out = disk_of(memory);
}

void disk_memory_copy(const struct disk_memory *from, struct disk_memory *to, struct tl_disk *out) {
  *to = *from;
  for (size_t i = 0; i < DISK_MEMORY_INODES; i++) {
    to->inodes[i] = (struct disk_memory_inode){0};
    if (from->inodes[i].data) inode_fill(to, (int)i, from->inodes[i].data, from->inodes[i].size);
  }
  *out = disk_of(to);
}

void disk_memory_deinit(struct disk_memory *memory) {
  for (size_t i = 0; i < DISK_MEMORY_INODES; i++) free(memory->inodes[i].data);
}

size_t disk_memory_unsynced(const struct disk_memory *memory) {
  return memory->latest;
}

void disk_memory_restart(struct disk_memory *memory, size_t kept) {
  TL_ASSERT(kept <= memory->latest);
  memory->names[0] = memory->names[kept];
  memory->latest = 0;
  memory->steps = memory->fail_at = memory->cut_at = 0;
  memory->is_dead = false;
}

uint8_t *disk_memory_file(struct disk_memory *memory, const char *name, size_t *out_size) {
  const int *inode = find(seen(memory), name);
  if (!inode) return NULL;
  *out_size = memory->inodes[*inode].size;
  return memory->inodes[*inode].data;
}

void disk_memory_put(struct disk_memory *memory, const char *name, const uint8_t *data,
                     size_t size) {
  TL_ASSERT(memory->latest == 0);
  if (!data) {
    set(seen(memory), name, -1);
    return;
  }
  int inode = inode_new(memory);
  set(seen(memory), name, inode);
  inode_fill(memory, inode, data, size);
}
