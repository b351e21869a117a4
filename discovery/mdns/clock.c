/*
 * A steady clock for avahi, which reads the wall clock for every timer: after a step back by an
 * hour it answers no query for an hour (avahi/avahi#231).
 *
 * This program's gettimeofday() takes the place of libc's for every library in the process. It
 * returns the time since boot, shifted so that it looks like a date; nobody in here needs the true
 * one.
 */
#include <sys/time.h>
#include <time.h>

#define DATE_OFFSET_S 1000000000

__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict tv,
                                                        void *restrict zone) {
  struct timespec t;
  (void)zone;
  clock_gettime(CLOCK_BOOTTIME, &t);
  tv->tv_sec = t.tv_sec + DATE_OFFSET_S;
  tv->tv_usec = t.tv_nsec / 1000;
  return 0;
}
