/* What tulle_error_detail() tells: a sentence for each thread, about its last failure. */
#ifndef TL_CLIENT_DETAIL_H
#define TL_CLIENT_DETAIL_H

#include <stddef.h>

#define TL_DETAIL_BYTES 1024 /* a difference of two interfaces is the longest */

/* Copied, and cut to what fits; NULL: nothing is known. */
void tl_detail_set(const char *text);

/* This thread's, of TL_DETAIL_BYTES, to be written to. */
char *tl_detail_room(void);

#endif
