/* What every cmocka test includes, in the order cmocka wants. */
#ifndef TL_TESTS_UNIT_TEST_H
#define TL_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
