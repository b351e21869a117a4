/*
 * What the benchmark prints: a row per case, as a table for people or as one JSON object a line.
 *
 * The fields of the objects are a contract that scripts rely on (docs/json.md).
 */
#ifndef TL_TOOLS_BENCH_REPORT_H
#define TL_TOOLS_BENCH_REPORT_H

#include <stdint.h>

#include "tools/command.h"

struct tl_bench_row {
  const char *name;
  const char *path;      /* ring, udp, tcp */
  const char *placement; /* split, same, free */
  const char *mode;      /* spin, sleep, default */
  unsigned payload_bytes;
  unsigned in_flight;
  uint64_t p50_ns, p99_ns, p999_ns;
  double per_second;
  const char *limit;  /* what it is; NULL: none */
  double limit_value; /* ns, or per second if is_rate */
  bool is_rate;       /* the ratio is of rates: below 1 */
  double ratio;       /* 1.0 is the limit */
};

/* Headings of the table; nothing with --json. */
void tl_report_begin(const struct tl_command *c);
void tl_report_row(const struct tl_command *c, const struct tl_bench_row *row);

/* Something idle: what it does a second although nobody asks (`what`: "wakes", "packets"), the memory that it has touched (0:
 * not measured), and what one or the other is held to. */
struct tl_bench_idle {
  const char *name;
  const char *path;
  const char *what;
  double per_second;
  double touched_bytes;
  const char *limit; /* in words */
  double limit_per_second;
  double limit_bytes; /* 0: the limit is the rate */
};

void tl_report_idle(const struct tl_command *c, const struct tl_bench_idle *idle);

/* A line for people under the table: nothing with --json or --quiet. */
void tl_report_note(const struct tl_command *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
