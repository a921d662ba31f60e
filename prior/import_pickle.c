/* A pickle machine that holds data and nothing else: values in one array, containers as chains of
 * cells, so there is no recursion and memory grows with the bytes read: an opcode makes at most
 * one value and one cell. The opcodes are those of PyTorch's own restricted reader and the few of
 * protocol 4 that need no code; a global is a row of a whitelist (import_torch_calls.c), never a
 * thing that runs. All others are refused by name.
 */
#include "prior/import_internal.h"
#include <string.h>

#define TEXT_LIMIT ((size_t)1 << 20)
#define GLOBAL_LIMIT 200 /* bytes of a module's or a global's name */
#define MARKS_LIMIT 256
#define NOTHING UINT32_MAX

static sc_status push_index(sc_pickle_array *array, uint32_t x)
{
    sc_status status = sc_pickle_grow(array, sizeof x);
    if (status == SC_OK)
        ((uint32_t *)array->p)[array->count++] = x;
    return status;
}

static uint32_t index_at(const sc_pickle_array *array, size_t i) { return ((uint32_t *)array->p)[i]; }

/* ---- reading and the stack ---- */

static sc_status take(const unsigned char **bytes, sc_pickle *p, uint64_t n)
{
    *bytes = NULL;
    if (n > p->bytes - p->at)
        return sc_fail(SC_ERR_FORMAT, "needs %llu bytes, but %zu are left",
                       (unsigned long long)n, p->bytes - p->at);
    *bytes = p->data + p->at;
    p->at += (size_t)n;
    return SC_OK;
}

static sc_status take_number(uint64_t *x, sc_pickle *p, int bytes)
{
    const unsigned char *b;
    sc_status status = take(&b, p, (uint64_t)bytes);
    *x = 0;
    for (int i = bytes - 1; i >= 0 && status == SC_OK; i--)
        *x = *x << 8 | b[i];
    return status;
}

static sc_status push(sc_pickle *p, sc_pickle_value value)
{
    uint32_t index;
    sc_status status = sc_pickle_add(p, &index, value);
    return status == SC_OK ? push_index(&p->stack, index) : status;
}

/* Height of the stack above the last mark. */
static size_t above_mark(const sc_pickle *p)
{
    size_t floor = p->mark.count ? index_at(&p->mark, p->mark.count - 1) : 0;
    return p->stack.count - floor;
}

static sc_status pop(uint32_t *index, sc_pickle *p)
{
    *index = 0;
    if (!above_mark(p))
        return sc_fail(SC_ERR_FORMAT, "nothing on the stack to take");
    *index = index_at(&p->stack, --p->stack.count);
    return SC_OK;
}

static sc_status top(uint32_t *index, sc_pickle *p)
{
    sc_status status = pop(index, p);
    if (status == SC_OK)
        p->stack.count++;
    return status;
}

static sc_status pop_mark(size_t *floor, sc_pickle *p)
{
    *floor = 0;
    if (!p->mark.count)
        return sc_fail(SC_ERR_FORMAT, "no mark on the stack");
    *floor = index_at(&p->mark, --p->mark.count);
    return SC_OK;
}

/* ---- opcodes; `argument` is the row's ---- */

static sc_status op_constant(sc_pickle *p, int kind)
{
    return push(p, (sc_pickle_value){.kind = (uint8_t)kind});
}

static sc_status op_bool(sc_pickle *p, int truth)
{
    return push(p, (sc_pickle_value){.kind = SC_PICKLE_BOOL, .as.whole = truth});
}

static sc_status op_whole(sc_pickle *p, int bytes)
{
    uint64_t x;
    sc_status status = take_number(&x, p, bytes);
    int64_t signed_x = bytes == 4 ? (int32_t)(uint32_t)x : (int64_t)x;
    return status == SC_OK
               ? push(p, (sc_pickle_value){.kind = SC_PICKLE_WHOLE, .as.whole = signed_x})
               : status;
}

static sc_status op_long(sc_pickle *p, int unused)
{
    (void)unused;
    sc_status status = SC_OK;
    uint64_t n, x = 0;
    const unsigned char *b;
    SC_TRY(take_number(&n, p, 1));
    SC_TRY(take(&b, p, n));
    if (n > 8) {
        status = push(p, (sc_pickle_value){.kind = SC_PICKLE_LONG, .count = (uint32_t)n, .as.text = b});
    } else {
        for (uint64_t i = n; i-- > 0;) /* two's complement, little-endian */
            x = x << 8 | b[i];
        if (n && n < 8 && b[n - 1] & 0x80)
            x |= ~(uint64_t)0 << (8 * n);
        status = push(p, (sc_pickle_value){.kind = SC_PICKLE_WHOLE, .as.whole = (int64_t)x});
    }
cleanup:
    return status;
}

static sc_status op_real(sc_pickle *p, int unused)
{
    (void)unused;
    const unsigned char *b;
    sc_status status = take(&b, p, 8);
    uint64_t bits = 0;
    double x;
    for (int i = 0; i < 8 && status == SC_OK; i++) /* big-endian */
        bits = bits << 8 | b[i];
    memcpy(&x, &bits, sizeof x);
    return status == SC_OK ? push(p, (sc_pickle_value){.kind = SC_PICKLE_REAL, .as.real = x}) : status;
}

static sc_status op_text(sc_pickle *p, int length_bytes)
{
    sc_status status = SC_OK;
    uint64_t n;
    const unsigned char *b;
    SC_TRY(take_number(&n, p, length_bytes));
    if (n > TEXT_LIMIT)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "a text of %llu bytes, at most %zu are allowed",
                       (unsigned long long)n, TEXT_LIMIT));
    SC_TRY(take(&b, p, n));
    SC_TRY(push(p, (sc_pickle_value){.kind = SC_PICKLE_TEXT, .count = (uint32_t)n, .as.text = b}));
cleanup:
    return status;
}

static sc_status op_mark(sc_pickle *p, int unused)
{
    (void)unused;
    if (p->mark.count >= MARKS_LIMIT)
        return sc_fail(SC_ERR_FORMAT, "more than %d marks are open: nested too deep", MARKS_LIMIT);
    return push_index(&p->mark, (uint32_t)p->stack.count);
}

/* A tuple of what lies on the stack from `floor` on. */
static sc_status make_tuple(sc_pickle *p, size_t floor)
{
    sc_status status = SC_OK;
    uint32_t tuple;
    SC_TRY(sc_pickle_add(p, &tuple, (sc_pickle_value){.kind = SC_PICKLE_TUPLE}));
    for (size_t i = floor; i < p->stack.count; i++)
        SC_TRY(sc_pickle_append(p, tuple, 0, index_at(&p->stack, i)));
    p->stack.count = floor;
    SC_TRY(push_index(&p->stack, tuple));
cleanup:
    return status;
}

static sc_status op_tuple(sc_pickle *p, int count)
{
    size_t floor;
    if (count < 0) {
        sc_status status = pop_mark(&floor, p);
        return status == SC_OK ? make_tuple(p, floor) : status;
    }
    if (above_mark(p) < (size_t)count)
        return sc_fail(SC_ERR_FORMAT, "fewer than %d values on the stack", count);
    return make_tuple(p, p->stack.count - (size_t)count);
}

/* Append what lies from `floor` on, `step` places an entry, to the container below it. */
static sc_status fill(sc_pickle *p, size_t floor, size_t step)
{
    sc_status status = SC_OK;
    sc_pickle_kind expected = step == 2 ? SC_PICKLE_DICT : SC_PICKLE_LIST;
    size_t end = p->stack.count;
    uint32_t container;
    p->stack.count = floor;
    SC_TRY(top(&container, p));
    if (sc_pickle_at(p, container)->kind != expected)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "on %s, expected %s",
                       sc_pickle_kind_name(sc_pickle_at(p, container)->kind),
                       sc_pickle_kind_name(expected)));
    if ((end - floor) % step)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "a key without a value"));
    for (size_t i = floor; i < end; i += step)
        SC_TRY(sc_pickle_append(p, container, index_at(&p->stack, i),
                                index_at(&p->stack, i + step - 1)));
cleanup:
    return status;
}

static sc_status op_fill_one(sc_pickle *p, int step)
{
    if (above_mark(p) < (size_t)step)
        return sc_fail(SC_ERR_FORMAT, "nothing on the stack to take");
    return fill(p, p->stack.count - (size_t)step, (size_t)step);
}

static sc_status op_fill(sc_pickle *p, int step)
{
    size_t floor;
    sc_status status = pop_mark(&floor, p);
    return status == SC_OK ? fill(p, floor, (size_t)step) : status;
}

static sc_status put(sc_pickle *p, uint64_t index)
{
    sc_status status = SC_OK;
    uint32_t value;
    SC_TRY(top(&value, p));
    if (index >= p->bytes || index >= SC_PICKLE_ELEMENTS) /* a put takes a byte at least */
        SC_TRY(sc_fail(SC_ERR_FORMAT, "memo %llu, but the pickle has %zu bytes",
                       (unsigned long long)index, p->bytes));
    while (p->memo.count <= index)
        SC_TRY(push_index(&p->memo, NOTHING));
    ((uint32_t *)p->memo.p)[index] = value;
cleanup:
    return status;
}

static sc_status op_put(sc_pickle *p, int bytes)
{
    uint64_t index;
    sc_status status = take_number(&index, p, bytes);
    return status == SC_OK ? put(p, index) : status;
}

static sc_status op_memoize(sc_pickle *p, int unused)
{
    (void)unused;
    return put(p, p->memo.count);
}

static sc_status op_get(sc_pickle *p, int bytes)
{
    uint64_t index;
    sc_status status = take_number(&index, p, bytes);
    if (status != SC_OK)
        return status;
    if (index >= p->memo.count || index_at(&p->memo, index) == NOTHING)
        return sc_fail(SC_ERR_FORMAT, "memo %llu was never set", (unsigned long long)index);
    return push_index(&p->stack, index_at(&p->memo, index));
}

static sc_status push_global(sc_pickle *p, const unsigned char *module, size_t module_bytes,
                             const unsigned char *name, size_t name_bytes)
{
    int64_t index;
    sc_status status = sc_pickle_global(&index, module, module_bytes, name, name_bytes);
    return status == SC_OK ? push(p, (sc_pickle_value){.kind = SC_PICKLE_GLOBAL, .as.whole = index})
                           : status;
}

static sc_status take_line(const unsigned char **line, size_t *n, sc_pickle *p)
{
    size_t left = p->bytes - p->at, most = left < GLOBAL_LIMIT ? left : GLOBAL_LIMIT;
    const unsigned char *end = most ? memchr(p->data + p->at, '\n', most) : NULL;
    *line = p->data;
    *n = 0;
    if (!end)
        return sc_fail(SC_ERR_FORMAT, "a name without an end within %d bytes", GLOBAL_LIMIT);
    *line = p->data + p->at;
    *n = (size_t)(end - *line);
    p->at += *n + 1;
    return SC_OK;
}

static sc_status op_global(sc_pickle *p, int unused)
{
    (void)unused;
    sc_status status = SC_OK;
    const unsigned char *module, *name;
    size_t module_bytes, name_bytes;
    SC_TRY(take_line(&module, &module_bytes, p));
    SC_TRY(take_line(&name, &name_bytes, p));
    SC_TRY(push_global(p, module, module_bytes, name, name_bytes));
cleanup:
    return status;
}

static sc_status op_stack_global(sc_pickle *p, int unused)
{
    (void)unused;
    sc_status status = SC_OK;
    uint32_t name, module;
    SC_TRY(pop(&name, p));
    SC_TRY(pop(&module, p));
    const sc_pickle_value *n = sc_pickle_at(p, name), *m = sc_pickle_at(p, module);
    if (n->kind != SC_PICKLE_TEXT || m->kind != SC_PICKLE_TEXT)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "expected two texts, found %s and %s",
                       sc_pickle_kind_name(m->kind), sc_pickle_kind_name(n->kind)));
    SC_TRY(push_global(p, m->as.text, m->count, n->as.text, n->count));
cleanup:
    return status;
}

enum { CALL, NEW };

static sc_status op_call(sc_pickle *p, int how)
{
    sc_status status = SC_OK;
    uint32_t arguments, callee, result;
    SC_TRY(pop(&arguments, p));
    SC_TRY(pop(&callee, p));
    SC_TRY(how == CALL ? sc_pickle_call(p, &result, callee, arguments)
                       : sc_pickle_new(p, &result, callee, arguments));
    SC_TRY(push_index(&p->stack, result));
cleanup:
    return status;
}

static sc_status op_build(sc_pickle *p, int unused)
{
    (void)unused;
    sc_status status = SC_OK;
    uint32_t state, object;
    SC_TRY(pop(&state, p));
    SC_TRY(top(&object, p));
    SC_TRY(sc_pickle_build(p, object, state));
cleanup:
    return status;
}

static sc_status op_persistent(sc_pickle *p, int unused)
{
    (void)unused;
    sc_status status = SC_OK;
    uint32_t id, result;
    SC_TRY(pop(&id, p));
    SC_TRY(sc_pickle_persistent(p, &result, id));
    SC_TRY(push_index(&p->stack, result));
cleanup:
    return status;
}

static sc_status op_protocol(sc_pickle *p, int unused)
{
    (void)unused;
    uint64_t version;
    sc_status status = take_number(&version, p, 1);
    if (status == SC_OK && (version < 2 || version > 5))
        status = sc_fail(SC_ERR_UNSUPPORTED, "pickle protocol %d, expected 2 to 5", (int)version);
    return status;
}

/* Frames only help a reader that reads ahead. */
static sc_status op_frame(sc_pickle *p, int unused)
{
    (void)unused;
    uint64_t length;
    sc_status status = take_number(&length, p, 8);
    if (status == SC_OK && length > p->bytes - p->at)
        status = sc_fail(SC_ERR_FORMAT, "a frame of %llu bytes, but %zu are left",
                         (unsigned long long)length, p->bytes - p->at);
    return status;
}

static sc_status op_stop(sc_pickle *p, int unused)
{
    (void)unused;
    sc_status status = pop(&p->result, p);
    if (status == SC_OK && (p->stack.count || p->mark.count))
        status = sc_fail(SC_ERR_FORMAT, "%zu values and %zu marks are left on the stack",
                         p->stack.count, p->mark.count);
    return status;
}

/* Without a function: known, and refused. */
static const struct opcode {
    const char *name;
    sc_status (*run)(sc_pickle *, int);
    int argument;
} opcodes[256] = {
    [0x80] = {"PROTO", op_protocol, 0},
    ['.'] = {"STOP", op_stop, 0},
    ['('] = {"MARK", op_mark, 0},
    ['}'] = {"EMPTY_DICT", op_constant, SC_PICKLE_DICT},
    [']'] = {"EMPTY_LIST", op_constant, SC_PICKLE_LIST},
    [')'] = {"EMPTY_TUPLE", op_constant, SC_PICKLE_TUPLE},
    [0x8f] = {"EMPTY_SET", op_constant, SC_PICKLE_SET},
    ['N'] = {"NONE", op_constant, SC_PICKLE_NONE},
    [0x88] = {"NEWTRUE", op_bool, 1},
    [0x89] = {"NEWFALSE", op_bool, 0},
    ['t'] = {"TUPLE", op_tuple, -1},
    [0x85] = {"TUPLE1", op_tuple, 1},
    [0x86] = {"TUPLE2", op_tuple, 2},
    [0x87] = {"TUPLE3", op_tuple, 3},
    ['s'] = {"SETITEM", op_fill_one, 2},
    ['u'] = {"SETITEMS", op_fill, 2},
    ['a'] = {"APPEND", op_fill_one, 1},
    ['e'] = {"APPENDS", op_fill, 1},
    ['J'] = {"BININT", op_whole, 4},
    ['K'] = {"BININT1", op_whole, 1},
    ['M'] = {"BININT2", op_whole, 2},
    [0x8a] = {"LONG1", op_long, 0},
    ['G'] = {"BINFLOAT", op_real, 0},
    ['X'] = {"BINUNICODE", op_text, 4},
    ['U'] = {"SHORT_BINSTRING", op_text, 1},
    [0x8c] = {"SHORT_BINUNICODE", op_text, 1},
    [0x8d] = {"BINUNICODE8", op_text, 8},
    ['C'] = {"SHORT_BINBYTES", op_text, 1}, /* numpy's scalars in protocol 3 and later */
    ['h'] = {"BINGET", op_get, 1},
    ['j'] = {"LONG_BINGET", op_get, 4},
    ['q'] = {"BINPUT", op_put, 1},
    ['r'] = {"LONG_BINPUT", op_put, 4},
    [0x94] = {"MEMOIZE", op_memoize, 0},
    ['c'] = {"GLOBAL", op_global, 0},
    [0x93] = {"STACK_GLOBAL", op_stack_global, 0},
    ['R'] = {"REDUCE", op_call, CALL},
    [0x81] = {"NEWOBJ", op_call, NEW},
    ['b'] = {"BUILD", op_build, 0},
    ['Q'] = {"BINPERSID", op_persistent, 0},
    [0x95] = {"FRAME", op_frame, 0},
    ['0'] = {"POP", NULL, 0},
    ['1'] = {"POP_MARK", NULL, 0},
    ['2'] = {"DUP", NULL, 0},
    ['B'] = {"BINBYTES", NULL, 0},
    ['F'] = {"FLOAT", NULL, 0},
    ['I'] = {"INT", NULL, 0},
    ['L'] = {"LONG", NULL, 0},
    ['P'] = {"PERSID", NULL, 0},
    ['S'] = {"STRING", NULL, 0},
    ['T'] = {"BINSTRING", NULL, 0},
    ['V'] = {"UNICODE", NULL, 0},
    ['d'] = {"DICT", NULL, 0},
    ['g'] = {"GET", NULL, 0},
    ['i'] = {"INST", NULL, 0},
    ['l'] = {"LIST", NULL, 0},
    ['o'] = {"OBJ", NULL, 0},
    ['p'] = {"PUT", NULL, 0},
    [0x82] = {"EXT1", NULL, 0},
    [0x83] = {"EXT2", NULL, 0},
    [0x84] = {"EXT4", NULL, 0},
    [0x8b] = {"LONG4", NULL, 0},
    [0x8e] = {"BINBYTES8", NULL, 0},
    [0x90] = {"ADDITEMS", NULL, 0},
    [0x91] = {"FROZENSET", NULL, 0},
    [0x92] = {"NEWOBJ_EX", NULL, 0},
    [0x96] = {"BYTEARRAY8", NULL, 0},
    [0x97] = {"NEXT_BUFFER", NULL, 0},
    [0x98] = {"READONLY_BUFFER", NULL, 0},
};

static sc_status run_one(sc_pickle *p, bool *stopped)
{
    size_t at = p->at;
    if (p->at >= p->bytes)
        return sc_fail(SC_ERR_FORMAT, "byte %zu: the pickle ends without STOP", at);
    unsigned char code = p->data[p->at++];
    const struct opcode *op = &opcodes[code];
    if (!op->run)
        return sc_fail(SC_ERR_FORMAT, "byte %zu: pickle opcode 0x%02x (%s) is not one that a "
                       "checkpoint may hold", at, code, op->name ? op->name : "unknown");
    *stopped = code == '.';
    return sc_context(op->run(p, op->argument), "byte %zu: %s", at, op->name);
}

sc_status sc_pickle_read(sc_pickle *p, size_t *used, const void *data, size_t bytes)
{
    sc_status status = SC_OK;
    bool stopped = false;
    *p = (sc_pickle){.data = data, .bytes = bytes};
    *used = 0;
    while (!stopped && status == SC_OK)
        status = run_one(p, &stopped);
    if (status != SC_OK) {
        sc_pickle_free(p);
        return status;
    }
    *used = p->at;
    return SC_OK;
}
