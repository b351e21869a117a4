/* Marks of a program's own memory, to be looked for where nobody sent them. */
#ifndef TL_TESTS_CONFORMANCE_POISON_H
#define TL_TESTS_CONFORMANCE_POISON_H

#include <stddef.h>
#include <stdint.h>

/* The mark is the complement of `inverted`, so that asking about it does not spread it. */

/* Leaves it all over the heap and the stack that later calls will use. */
void poison_spread(uint64_t inverted);

/* How often it stands in the memory that this process shares with others; negative: cannot tell. */
int64_t poison_scan(uint64_t inverted);

/* Where the bytes stand in memory that this process shares with others and may write itself, or NULL. */
volatile unsigned char *poison_find(const unsigned char *bytes, size_t size);

#endif
