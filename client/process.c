#include "client/process.h"

#include <pthread.h>
#include <sys/mman.h>

#include "tulle/error.h"

static const uint64_t nobody;
const uint64_t *tl_process_page = &nobody;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t *page;
static uint64_t last_number; /* inherited by children, so each has one of its own */

static int page_map(void) {
  void *p = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return TULLE_E_NO_MEMORY;
  if (madvise(p, sizeof *page, MADV_WIPEONFORK) != 0) {
    munmap(p, sizeof *page);
    return TULLE_E_UNSUPPORTED;
  }
  tl_process_page = page = p; /* once: whoever has a handle to ask about came after it */
  return 0;
}

int tl_process_enter(uint64_t *out_number) {
  pthread_mutex_lock(&lock);
  int r = page ? 0 : page_map();
  if (!r && *page == 0) __atomic_store_n(page, ++last_number, __ATOMIC_RELAXED);
  if (!r) *out_number = *page;
  pthread_mutex_unlock(&lock);
  return r;
}
