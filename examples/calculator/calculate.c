/*
 * calculate A OPERATION B: one call of the calculator, wherever it runs.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "calculator.tulle.h"

static bool read_number(const char *text, int64_t *out) {
  char *end;
  errno = 0;
  *out = strtoll(text, &end, 10);
  return !errno && end != text && !*end;
}

static int calculate(struct calculator *calculator, int64_t a, char operation, int64_t b) {
  int64_t result, remainder = 0;
  int r = TULLE_E_INVALID;
  if (operation == '+') r = calculator_add(calculator, a, b, &result);
  if (operation == '-') r = calculator_subtract(calculator, a, b, &result);
  if (operation == 'x') r = calculator_multiply(calculator, a, b, &result);
  if (operation == '/') r = calculator_divide(calculator, a, b, &result, &remainder);
  if (r) return r;
  printf("%" PRId64, result);
  if (remainder) printf(" remainder %" PRId64, remainder);
  puts("");
  return 0;
}

int main(int argc, char **argv) {
  struct calculator *calculator;
  int64_t a, b;
  if (argc != 4 || !read_number(argv[1], &a) || !read_number(argv[3], &b))
    return fprintf(stderr, "usage: calculate A + B, or - x / (for example: calculate 7 / 2)\n"), 2;
  int r = calculator_open(NULL, NULL, &calculator);
  if (!r) {
    r = calculate(calculator, a, argv[2][0], b);
    calculator = calculator_close(calculator);
  }
  if (r) fprintf(stderr, "calculate: %s\n", calculator_error_text(r));
  return r > 0 ? 1 : tulle_error_exit(r);
}
