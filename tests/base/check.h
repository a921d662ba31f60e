/* What every test of the ground floor includes. */
#ifndef SC_TESTS_BASE_CHECK_H
#define SC_TESTS_BASE_CHECK_H

#include "base/status.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The call fails with `code`, and its message contains `text`. */
static inline void check_failure(sc_status found, sc_status code, const char *text)
{
    if (found != code || !strstr(sc_message(), text))
        fail_msg("expected '%s' with '%s' in the message, found '%s': %s", sc_status_name(code),
                 text, sc_status_name(found), sc_message());
}

#endif
