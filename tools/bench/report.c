#include "tools/bench/report.h"

#include <stdarg.h>

#include "tools/human.h"
#include "tools/json.h"

#define ROW_FORMAT "%-24s %-6s %-5s %-8s %12s %9s %9s %9s %9s %6s\n"

void tl_report_begin(const struct tl_command *c) {
  if (c->json) return;
  printf(ROW_FORMAT, "CASE", "PLACE", "PATH", "MODE", "CALLS/S", "P50", "P99", "P99.9", "LIMIT",
         "RATIO");
  fflush(stdout);
}

static void row_json(const struct tl_bench_row *r) {
  struct tl_json j = tl_json_on(stdout);
  tl_json_object(&j);
  tl_json_put_text(&j, "case", r->name);
  tl_json_put_text(&j, "path", r->path);
  tl_json_put_text(&j, "placement", r->placement);
  tl_json_put_text(&j, "mode", r->mode);
  tl_json_put_uint(&j, "payload_bytes", r->payload_bytes);
  tl_json_put_uint(&j, "in_flight", r->in_flight);
  tl_json_put_uint(&j, "p50_ns", r->p50_ns);
  tl_json_put_uint(&j, "p99_ns", r->p99_ns);
  tl_json_put_uint(&j, "p999_ns", r->p999_ns);
  tl_json_key(&j, "per_second");
  tl_json_number(&j, r->per_second, 0);
  tl_json_put_text(&j, "limit", r->limit);
  tl_json_key(&j, r->is_rate ? "limit_per_second" : "limit_p50_ns");
  if (r->limit)
    tl_json_number(&j, r->limit_value, 0);
  else
    tl_json_null(&j);
  tl_json_key(&j, "ratio");
  if (r->limit)
    tl_json_number(&j, r->ratio, 3);
  else
    tl_json_null(&j);
  tl_json_end(&j);
  tl_json_finish(&j);
}

static void row_text(const struct tl_bench_row *r) {
  char calls[TL_HUMAN_SIZE], p50[TL_HUMAN_SIZE], p99[TL_HUMAN_SIZE], p999[TL_HUMAN_SIZE],
      limit[TL_HUMAN_SIZE] = "-", ratio[16] = "-";
  if (r->limit && r->is_rate)
    tl_human_count((uint64_t)r->limit_value, limit);
  else if (r->limit)
    tl_human_duration((uint64_t)r->limit_value, limit);
  if (r->limit) snprintf(ratio, sizeof ratio, "%.2f", r->ratio);
  printf(ROW_FORMAT, r->name, r->placement, r->path, r->mode,
         tl_human_count((uint64_t)r->per_second, calls), tl_human_duration(r->p50_ns, p50),
         tl_human_duration(r->p99_ns, p99), tl_human_duration(r->p999_ns, p999), limit, ratio);
  if (r->limit) printf("  limit: %s\n", r->limit);
  fflush(stdout);
}

void tl_report_row(const struct tl_command *c, const struct tl_bench_row *row) {
  if (c->json)
    row_json(row);
  else
    row_text(row);
}

static double idle_ratio(const struct tl_bench_idle *i) {
  return i->limit_bytes > 0 ? i->touched_bytes / i->limit_bytes
                            : i->per_second / i->limit_per_second;
}

static void idle_json(const struct tl_bench_idle *i) {
  static const char *const zeros[] = {"payload_bytes", "in_flight", "p50_ns", "p99_ns", "p999_ns"};
  struct tl_json j = tl_json_on(stdout);
  tl_json_object(&j);
  tl_json_put_text(&j, "case", i->name);
  tl_json_put_text(&j, "path", i->path);
  tl_json_put_text(&j, "placement", "free");
  tl_json_put_text(&j, "mode", "default");
  for (size_t k = 0; k < sizeof zeros / sizeof *zeros; k++) tl_json_put_uint(&j, zeros[k], 0);
  tl_json_key(&j, "per_second");
  tl_json_number(&j, i->per_second, 3);
  tl_json_put_text(&j, "limit", i->limit);
  tl_json_key(&j, "limit_per_second");
  tl_json_number(&j, i->limit_per_second, 3);
  tl_json_key(&j, "ratio");
  tl_json_number(&j, idle_ratio(i), 3);
  tl_json_key(&j, "touched_bytes");
  tl_json_number(&j, i->touched_bytes, 0);
  tl_json_end(&j);
  tl_json_finish(&j);
}

void tl_report_idle(const struct tl_command *c, const struct tl_bench_idle *i) {
  char size[TL_HUMAN_SIZE], rate[48];
  if (c->json) {
    idle_json(i);
    return;
  }
  snprintf(rate, sizeof rate, "%.2f %s/s", i->per_second, i->what);
  printf("%-24s %-6s %-5s %-8s %12s", i->name, "free", i->path, "default", rate);
  if (i->limit_bytes > 0) printf(", %s touched", tl_human_bytes((uint64_t)i->touched_bytes, size));
  printf("  (ratio %.2f)\n  limit: %s\n", idle_ratio(i), i->limit);
  fflush(stdout);
}

void tl_report_note(const struct tl_command *c, const char *format, ...) {
  if (c->json || c->quiet) return;
  va_list args;
  va_start(args, format);
  vprintf(format, args);
  va_end(args);
  putchar('\n');
}
