/*
 * Arithmetic as a service: what has no answer is an error that the interface declares.
 */
#include <signal.h>
#include <stdio.h>

#include "calculator.tulle.h"

static int add(struct tulle_call_context *call, int64_t a, int64_t b, int64_t *sum) {
  (void)call;
  return __builtin_add_overflow(a, b, sum) ? CALCULATOR_OVERFLOW : 0;
}

static int subtract(struct tulle_call_context *call, int64_t a, int64_t b, int64_t *difference) {
  (void)call;
  return __builtin_sub_overflow(a, b, difference) ? CALCULATOR_OVERFLOW : 0;
}

static int multiply(struct tulle_call_context *call, int64_t a, int64_t b, int64_t *product) {
  (void)call;
  return __builtin_mul_overflow(a, b, product) ? CALCULATOR_OVERFLOW : 0;
}

static int divide(struct tulle_call_context *call, int64_t a, int64_t b, int64_t *quotient,
                  int64_t *remainder) {
  (void)call;
  if (b == 0) return CALCULATOR_DIVISION_BY_ZERO;
  if (a == INT64_MIN && b == -1) return CALCULATOR_OVERFLOW;
  *quotient = a / b;
  *remainder = a % b;
  return 0;
}

static int total(struct tulle_call_context *call, const int64_t *numbers, size_t numbers_count,
                 int64_t *sum) {
  int r = 0;
  *sum = 0;
  for (size_t i = 0; i < numbers_count && !r; i++) r = add(call, *sum, numbers[i], sum);
  return r;
}

static void stop(int signal_number) {
  (void)signal_number;
  tulle_stop(NULL);
}

int main(void) {
  static const struct calculator_functions functions = {
      .add = add, .subtract = subtract, .multiply = multiply, .divide = divide, .total = total};
  signal(SIGTERM, stop);
  signal(SIGINT, stop);
  int r = calculator_offer(NULL, &functions, NULL, NULL, NULL);
  if (!r) r = tulle_serve(NULL, 1);
  if (r) fprintf(stderr, "calculator: %s\n", tulle_error_text(r));
  return tulle_error_exit(r);
}
