/* The header of a .npy file is a Python dict literal with exactly three keys:
 *     {'descr': '<c8', 'fortran_order': False, 'shape': (3, 4), }
 * This is a strict parser of that literal and of nothing else of Python.
 */
#include "io/npy_internal.h"
#include <string.h>

typedef struct {
    const char *at, *end;
} cursor;

static void skip_space(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t'))
        c->at++;
}

static bool accept(cursor *c, char symbol)
{
    skip_space(c);
    if (c->at == c->end || *c->at != symbol)
        return false;
    c->at++;
    return true;
}

static bool accept_word(cursor *c, const char *word)
{
    skip_space(c);
    size_t n = strlen(word);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n))
        return false;
    c->at += n;
    return true;
}

/* A quoted string without escapes, copied to text[size]. */
static bool quoted(cursor *c, char *text, size_t size)
{
    skip_space(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"'))
        return false;
    char quote = *c->at++;
    size_t n = 0;
    for (; c->at < c->end && *c->at != quote; c->at++) {
        if (n + 1 >= size || *c->at == '\\')
            return false;
        text[n++] = *c->at;
    }
    text[n] = 0;
    return accept(c, quote);
}

static bool integer(cursor *c, int64_t *value)
{
    skip_space(c);
    if (c->at == c->end || *c->at < '0' || *c->at > '9')
        return false;
    *value = 0;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, *c->at - '0', value))
            return false;
    return true;
}

static sc_status descr(cursor *c, sc_npy_header *header)
{
    static const struct {
        char kind;
        const char *sizes;
    } known[] = {{'f', "248"}, {'c', "8"}, {'i', "1248"}, {'u', "1248"}, {'b', "1"}};
    char text[32];
    if (!quoted(c, text, sizeof text))
        return sc_fail(SC_ERR_UNSUPPORTED,
                       "header: descr is not a plain number type (structured arrays are not read)");
    if (!strcmp(text, "<c16") || !strcmp(text, ">c16")) {
        header->kind = 'c';
        header->size = 16;
        header->swapped = text[0] == '>';
        return SC_OK;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strlen(text) != 3 || !strchr("<>|", text[0]) || text[1] != known[i].kind ||
            !strchr(known[i].sizes, text[2]) || (text[0] == '|' && text[2] != '1'))
            continue;
        header->kind = text[1];
        header->size = text[2] - '0';
        header->swapped = text[0] == '>';
        return SC_OK;
    }
    return sc_fail(SC_ERR_UNSUPPORTED,
                   "header: dtype '%s', expected a float, complex, integer or bool type", text);
}

static sc_status fortran_order(cursor *c, sc_npy_header *header)
{
    header->fortran = accept_word(c, "True");
    if (header->fortran || accept_word(c, "False"))
        return SC_OK;
    return sc_fail(SC_ERR_FORMAT, "header: fortran_order is neither True nor False");
}

static sc_status shape(cursor *c, sc_npy_header *header)
{
    if (!accept(c, '('))
        return sc_fail(SC_ERR_FORMAT, "header: shape is not a tuple");
    header->rank = 0;
    while (!accept(c, ')')) {
        int64_t n;
        if (!integer(c, &n))
            return sc_fail(SC_ERR_FORMAT, "header: shape holds something else than sizes");
        if (header->rank == SC_MAX_RANK)
            return sc_fail(SC_ERR_UNSUPPORTED, "header: more than %d axes", SC_MAX_RANK);
        header->dim[header->rank++] = n;
        if (accept(c, ','))
            continue;
        if (header->rank < 2 || !accept(c, ')')) /* (5) is a number to Python, (5,) a shape */
            return sc_fail(SC_ERR_FORMAT, "header: shape is not a tuple");
        break;
    }
    return SC_OK;
}

static const struct {
    const char *name;
    sc_status (*parse)(cursor *, sc_npy_header *);
} keys[] = {{"descr", descr}, {"fortran_order", fortran_order}, {"shape", shape}};

enum { KEYS = sizeof keys / sizeof *keys };

static sc_status entry(cursor *c, sc_npy_header *header, bool seen[KEYS])
{
    char name[32];
    if (!quoted(c, name, sizeof name) || !accept(c, ':'))
        return sc_fail(SC_ERR_FORMAT, "header: not a dict of descr, fortran_order and shape");
    for (int i = 0; i < KEYS; i++) {
        if (strcmp(name, keys[i].name))
            continue;
        if (seen[i])
            return sc_fail(SC_ERR_FORMAT, "header: key '%s' twice", name);
        seen[i] = true;
        return keys[i].parse(c, header);
    }
    return sc_fail(SC_ERR_FORMAT, "header: unknown key '%s'", name);
}

sc_status sc_npy_header_parse(sc_npy_header *header, const char *text, size_t length)
{
    *header = (sc_npy_header){0};
    cursor c = {text, text + length};
    bool seen[KEYS] = {false};
    if (!accept(&c, '{'))
        return sc_fail(SC_ERR_FORMAT, "header: does not start with '{'");
    while (!accept(&c, '}')) {
        sc_status status = entry(&c, header, seen);
        if (status != SC_OK)
            return status;
        if (accept(&c, ','))
            continue;
        if (!accept(&c, '}'))
            return sc_fail(SC_ERR_FORMAT, "header: not closed by '}'");
        break;
    }
    skip_space(&c);
    if (c.at != c.end)
        return sc_fail(SC_ERR_FORMAT, "header: text after '}'");
    for (int i = 0; i < KEYS; i++)
        if (!seen[i])
            return sc_fail(SC_ERR_FORMAT, "header: key '%s' is missing", keys[i].name);
    return SC_OK;
}
