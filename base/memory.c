#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64
#define LARGEST ((size_t)1 << 39) /* bytes: more is a wrong size, not a lack of memory */

sc_status sc_alloc(void **p, size_t count, size_t size, const char *what)
{
    *p = NULL;
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > LARGEST)
        return sc_fail(SC_ERR_MEMORY, "%s: %zu elements of %zu bytes are too many", what, count,
                       size);
    if (bytes == 0)
        return SC_OK;
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    *p = aligned_alloc(ALIGNMENT, bytes);
    if (!*p)
        return sc_fail(SC_ERR_MEMORY, "%s: no memory for %zu bytes", what, bytes);
    memset(*p, 0, bytes);
    return SC_OK;
}

void sc_free(void *p) { free(p); }
