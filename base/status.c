#include "base/status.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_SIZE 1024

static _Thread_local char message[MESSAGE_SIZE];

/* Names and texts of files get into messages, and a message is one line. */
static void one_line(void)
{
    for (char *c = message; *c; c++)
        if (iscntrl((unsigned char)*c))
            *c = ' ';
}

sc_status sc_fail(sc_status code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    one_line();
    return code;
}

sc_status sc_context(sc_status code, const char *format, ...)
{
    if (code == SC_OK)
        return code;
    char inner[MESSAGE_SIZE];
    memcpy(inner, message, sizeof inner);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < sizeof message && !strncmp(inner, message, (size_t)length) &&
        inner[length] == ':')
        memcpy(message, inner, sizeof message); /* said already */
    else if (length >= 0 && (size_t)length + 3 < sizeof message) { /* what does not fit is cut */
        int room = (int)sizeof message - length - 3;
        snprintf(message + length, (size_t)room + 3, ": %.*s", room, inner);
    }
    one_line();
    return code;
}

const char *sc_message(void) { return message; }

static const struct {
    const char *name;
    int exit;
} codes[] = {
    [SC_OK] = {"good", 0},
    [SC_ERR_INPUT] = {"bad data", 1},
    [SC_ERR_FORMAT] = {"bad file", 1},
    [SC_ERR_IO] = {"system refused", 1},
    [SC_ERR_MEMORY] = {"not enough memory", 1},
    [SC_ERR_USAGE] = {"wrong use", 2},
    [SC_ERR_UNSUPPORTED] = {"unsupported", 1},
    [SC_ERR_NUMERIC] = {"implausible result", 1},
    [SC_ERR_CANCELLED] = {"cancelled", 130},
    [SC_ERR_INTERNAL] = {"internal error", 4},
};

const char *sc_status_name(sc_status code) { return codes[code].name; }

int sc_status_exit(sc_status code) { return codes[code].exit; }
