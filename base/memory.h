/* The one door to memory: every allocation of the library passes sc_alloc, so that a test can
 * fail the n-th (link with --wrap=sc_alloc), and every size is checked for overflow.
 */
#ifndef SC_BASE_MEMORY_H
#define SC_BASE_MEMORY_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* *p: count * size bytes, zeroed, aligned to 64; NULL on failure and for count 0.
 * SC_ERR_MEMORY with `what` in the message when the product overflows or memory is short. */
sc_status sc_alloc(void **p, size_t count, size_t size, const char *what);

void sc_free(void *p); /* NULL is fine */

/* Typed allocation: SC_TRY(SC_ALLOC(&x, n, "image")). */
#define SC_ALLOC(pointer, count, what)                                                             \
    sc_alloc((void **)(pointer), (size_t)(count), sizeof **(pointer), (what))

/* Copy of a string, NULL stays NULL. */
sc_status sc_string_copy(char **copy, const char *text);

#ifdef __cplusplus
}
#endif
#endif
