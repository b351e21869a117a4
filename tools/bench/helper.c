#include "tools/bench/helper.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/bench/bare.h"
#include "tools/bench/placement.h"

struct tl_helper_orders {
  uint32_t order; /* counted up for each job; its lowest bits say nothing */
  uint32_t done;  /* the order that is finished */
  uint32_t begun; /* the order that is begun */
  uint32_t stop;
  uint32_t must_end;
  int job;
  int cpu;
};

void *tl_helper_memory(size_t size) {
  void *p =
      mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  TL_ASSERT(p != MAP_FAILED);
  return p;
}

static void set_and_wake(uint32_t *word, uint32_t value) {
  __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
  bare_wake(word);
}

static void serve(struct tl_helper_orders *o, tl_helper_work *work, void *context) {
  uint32_t seen = 0;
  for (;;) {
    uint32_t order = __atomic_load_n(&o->order, __ATOMIC_ACQUIRE);
    if (__atomic_load_n(&o->must_end, __ATOMIC_ACQUIRE)) _exit(0);
    if (order == seen) {
      bare_sleep(&o->order, seen);
      continue;
    }
    seen = order;
    tl_placement_pin(0, o->cpu);
    set_and_wake(&o->begun, order);
    work(context, o->job, &o->stop);
    set_and_wake(&o->done, order);
  }
}

int tl_helper_fork(tl_helper_work *work, void *context, struct tl_helper *out) {
  struct tl_helper h = {.orders = tl_helper_memory(sizeof *h.orders)};
  pid_t parent = getpid();
  h.pid = fork();
  if (h.pid < 0) {
    munmap(h.orders, sizeof *h.orders);
    return -errno;
  }
  if (!h.pid) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0);
    signal(SIGINT, SIG_IGN); /* the parent says when it is over */
    serve(h.orders, work, context);
  }
  *out = h;
  return 0;
}

void tl_helper_end(struct tl_helper *h) {
  if (!h->pid) return;
  tl_helper_stop(h);
  set_and_wake(&h->orders->must_end, 1);
  kill(h->pid, SIGKILL);
  waitpid(h->pid, NULL, 0);
  munmap(h->orders, sizeof *h->orders);
  *h = (struct tl_helper){0};
}

static bool is_dead(const struct tl_helper *h) {
  siginfo_t info = {0};
  return waitid(P_PID, (id_t)h->pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid == h->pid;
}

static int wait_for(struct tl_helper *h, uint32_t *word, uint32_t wanted) {
  uint32_t now;
  while ((now = __atomic_load_n(word, __ATOMIC_ACQUIRE)) != wanted) {
    if (is_dead(h)) return TULLE_E_IO;
    bare_sleep(word, now);
  }
  return 0;
}

int tl_helper_start(struct tl_helper *h, int job, int cpu) {
  h->orders->job = job;
  h->orders->cpu = cpu;
  __atomic_store_n(&h->orders->stop, 0, __ATOMIC_RELEASE);
  uint32_t order = h->orders->order + 1;
  set_and_wake(&h->orders->order, order);
  return wait_for(h, &h->orders->begun, order);
}

void tl_helper_stop(struct tl_helper *h) {
  __atomic_store_n(&h->orders->stop, 1, __ATOMIC_SEQ_CST);
}

int tl_helper_join(struct tl_helper *h) {
  return wait_for(h, &h->orders->done, h->orders->order);
}
