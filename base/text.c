#include "base/memory.h"
#include <string.h>

/* Apart from memory.c, so that --wrap=sc_alloc sees this call too. */
sc_status sc_string_copy(char **copy, const char *text)
{
    *copy = NULL;
    if (!text)
        return SC_OK;
    size_t length = strlen(text) + 1;
    sc_status status = sc_alloc((void **)copy, length, 1, "text");
    if (status == SC_OK)
        memcpy(*copy, text, length);
    return status;
}
