/* Segments. What a kernel refuses to a sealed memfd is tested in tests/unit/ring/segment.c. */
#include "transport/ring/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

#define SEALS_OF_CREATION (F_SEAL_SHRINK | F_SEAL_GROW)
#define SEALS_FOR_READERS (SEALS_OF_CREATION | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

static size_t page_bytes(enum tl_segment_kind kind) {
  return kind == TL_SEGMENT_PARTY ? TL_RING_PAGE_BYTES : 0;
}

bool tl_segment_is_size(uint32_t data_bytes) {
  return data_bytes >= TL_RING_BYTES_MIN && data_bytes <= TL_RING_BYTES_MAX &&
         !(data_bytes & (data_bytes - 1));
}

size_t tl_segment_bytes(enum tl_segment_kind kind, uint32_t data_bytes) {
  return page_bytes(kind) + data_bytes;
}

static int create_file(void) {
  int fd = memfd_create("tulle-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (fd < 0 && errno == EINVAL) fd = memfd_create("tulle-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  return fd < 0 ? -errno : fd;
}

static int fill_file(int fd, enum tl_segment_kind kind, uint32_t data_bytes) {
  off_t bytes = (off_t)tl_segment_bytes(kind, data_bytes);
  if (ftruncate(fd, bytes)) return -errno;
  /* Every page now, so that no touch of it can fail later. */
  if (fallocate(fd, 0, 0, bytes)) return errno == ENOSPC ? TULLE_E_NO_MEMORY : -errno;
  struct tl_ring_page start = {
      .magic = TL_RING_MAGIC, .version = TL_RING_LAYOUT_VERSION, .data_bytes = data_bytes};
  if (kind == TL_SEGMENT_PARTY && pwrite(fd, &start, sizeof start, 0) != (ssize_t)sizeof start)
    return TULLE_E_IO;
  return fcntl(fd, F_ADD_SEALS, SEALS_OF_CREATION) ? -errno : 0;
}

int tl_segment_create(enum tl_segment_kind kind, uint32_t data_bytes, int *out_fd) {
  if (!tl_segment_is_size(data_bytes)) return TULLE_E_INVALID;
  int fd = create_file();
  if (fd < 0) return fd;
  int r = fill_file(fd, kind, data_bytes);
  if (r) {
    close(fd);
    return r;
  }
  *out_fd = fd;
  return 0;
}

int tl_segment_seal(int fd) {
  return fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) ? -errno : 0;
}

int tl_segment_check(int fd, enum tl_segment_kind kind, enum tl_segment_role role,
                     uint32_t data_bytes) {
  int wanted = role == TL_SEGMENT_READER ? SEALS_FOR_READERS : SEALS_OF_CREATION;
  struct stat s;
  /* Only a memfd can carry these seals; and with them on, what is true of its size stays true. */
  int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & wanted) != wanted) return TULLE_E_REFUSED;
  if (fstat(fd, &s) || !S_ISREG(s.st_mode)) return TULLE_E_REFUSED;
  if (!tl_segment_is_size(data_bytes) || s.st_size != (off_t)tl_segment_bytes(kind, data_bytes))
    return TULLE_E_REFUSED;
  return 0;
}

static int check_page(const struct tl_ring_page *page, uint32_t data_bytes) {
  if (__atomic_load_n(&page->magic, __ATOMIC_RELAXED) != TL_RING_MAGIC) return TULLE_E_VERSION;
  if (__atomic_load_n(&page->version, __ATOMIC_RELAXED) != TL_RING_LAYOUT_VERSION)
    return TULLE_E_VERSION;
  if (__atomic_load_n(&page->data_bytes, __ATOMIC_RELAXED) != data_bytes) return TULLE_E_REFUSED;
  return 0;
}

/* The file at `base`, and its data area a second time behind that. */
static int map_file(int fd, uint8_t *base, size_t page, uint32_t data_bytes, int protection) {
  int flags = MAP_SHARED | MAP_FIXED;
  size_t first = page + data_bytes;
  if (mmap(base, first, protection, flags, fd, 0) == MAP_FAILED) return -errno;
  if (mmap(base + first, data_bytes, protection, flags, fd, (off_t)page) == MAP_FAILED)
    return -errno;
  return madvise(base, first + data_bytes, MADV_DONTFORK) ? -errno : 0;
}

int tl_segment_map(int fd, enum tl_segment_kind kind, enum tl_segment_role role,
                   uint32_t data_bytes, struct tl_segment *out_segment) {
  int r = tl_segment_check(fd, kind, role, data_bytes);
  if (r) return r;
  if (sysconf(_SC_PAGESIZE) != TL_RING_PAGE_BYTES) return TULLE_E_UNSUPPORTED;
  size_t page = page_bytes(kind), bytes = page + 2 * (size_t)data_bytes;
  uint8_t *base = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return -errno;
  r = map_file(fd, base, page, data_bytes,
               role == TL_SEGMENT_WRITER ? PROT_READ | PROT_WRITE : PROT_READ);
  if (!r && page) r = check_page((void *)base, data_bytes);
  if (r) {
    munmap(base, bytes);
    return r;
  }
  *out_segment = (struct tl_segment){page ? (void *)base : NULL, base + page, data_bytes};
  return 0;
}

unsigned tl_segment_version(int fd) {
  struct tl_ring_page start;
  size_t bytes = offsetof(struct tl_ring_page, write_position);
  if (fcntl(fd, F_GET_SEALS) < 0 || pread(fd, &start, bytes, 0) != (ssize_t)bytes) return 0;
  return start.magic == TL_RING_MAGIC ? start.version : 0;
}

void tl_segment_unmap(struct tl_segment *s) {
  if (!s->data) return;
  void *base = s->page ? (void *)s->page : s->data;
  munmap(base, (size_t)(s->data - (uint8_t *)base) + 2 * (size_t)s->data_bytes);
  *s = (struct tl_segment){0};
}
