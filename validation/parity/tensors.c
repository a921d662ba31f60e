#include "tensors.h"
#include <base/file.h>
#include <base/memory.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_LIMIT ((size_t)8 << 30)
#define NAME 256

static void **held;
static size_t holds, room;

void *pool(int64_t count, size_t size)
{
    void *p = NULL;
    if (holds == room) {
        room = room ? 2 * room : 1024;
        held = realloc(held, room * sizeof *held);
    }
    if (!held || sc_alloc(&p, (size_t)(count > 0 ? count : 1), size, "tensor") != SC_OK) {
        fprintf(stderr, "%s\n", held ? sc_message() : "not enough memory");
        exit(4);
    }
    return held[holds++] = p;
}

void pool_free(void)
{
    while (holds)
        sc_free(held[--holds]);
    free(held);
    held = NULL;
    room = 0;
}

static double read_one(const sc_array *a, int64_t i)
{
    /* a file may put its data anywhere: copied, not read through a pointer */
    const char *p = (const char *)a->data + i * (int64_t)sc_dtype_size(a->dtype);
    float f;
    double d;
    int32_t w;
    int64_t l;
    uint16_t half;
    switch (a->dtype) {
    case SC_F32:
        return memcpy(&f, p, sizeof f), f;
    case SC_F64:
        return memcpy(&d, p, sizeof d), d;
    case SC_I32:
        return memcpy(&w, p, sizeof w), w;
    case SC_I64:
        return memcpy(&l, p, sizeof l), (double)l;
    case SC_U8:
        return *(const unsigned char *)p;
    case SC_BF16:
        memcpy(&half, p, sizeof half);
        w = (int32_t)((uint32_t)half << 16);
        return memcpy(&f, &w, sizeof f), f;
    default:
        return NAN;
    }
}

sc_status reference_open(reference *r, const char *folder, const char *name)
{
    char path[4096];
    *r = (reference){0};
    snprintf(r->name, sizeof r->name, "%s", name);
    sc_status status = sc_path_join(path, sizeof path, folder, name);
    if (status != SC_OK || !sc_path_exists(path))
        return status;
    status = sc_safetensors_read(&r->file, path, FILE_LIMIT);
    if (status == SC_OK)
        r->seen = calloc((size_t)sc_safetensors_count(r->file) + 1, sizeof *r->seen);
    return status;
}

void reference_free(reference *r)
{
    sc_safetensors_free(r->file);
    free(r->seen);
    *r = (reference){0};
}

int reference_count(const reference *r) { return r->file ? sc_safetensors_count(r->file) : 0; }

const char *reference_name(const reference *r, int i)
{
    return sc_safetensors_tensor(r->file, i)->name;
}

bool reference_seen(const reference *r, int i) { return r->seen[i]; }

static const sc_safetensor *find(const reference *r, const char *format, va_list arguments)
{
    char name[NAME];
    vsnprintf(name, sizeof name, format, arguments);
    return r->file ? sc_safetensors_find(r->file, name) : NULL;
}

bool tensor_has(const reference *r, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const sc_safetensor *found = find(r, format, arguments);
    va_end(arguments);
    return found != NULL;
}

tensor tensor_get(const reference *r, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const sc_safetensor *found = find(r, format, arguments);
    va_end(arguments);
    tensor t = {0};
    if (!found)
        return t;
    r->seen[found - sc_safetensors_tensor(r->file, 0)] = true;
    t.rank = found->array.rank;
    t.count = sc_array_count(&found->array);
    if (t.count < 1)
        return (tensor){0};
    memcpy(t.dim, found->array.dim, sizeof t.dim);
    t.v = POOL(double, t.count);
    for (int64_t i = 0; i < t.count; i++)
        t.v[i] = read_one(&found->array, i);
    return t;
}

tensor tensor_slice(const tensor *x, int64_t index)
{
    tensor t = {.rank = x->rank - 1, .count = x->count / x->dim[0]};
    memcpy(t.dim, x->dim + 1, (size_t)t.rank * sizeof *t.dim);
    t.v = x->v + index * t.count;
    return t;
}

bool tensor_alike(const tensor *a, const tensor *b)
{
    bool alike = a->v && b->v && a->rank == b->rank;
    for (int i = 0; alike && i < a->rank; i++)
        alike = a->dim[i] == b->dim[i];
    return alike;
}

static int64_t inner(const tensor *x)
{
    int64_t n = 1;
    for (int i = 2; i < x->rank; i++)
        n *= x->dim[i];
    return n;
}

float *to_engine(const tensor *x)
{
    float *y = POOL(float, x->count);
    int64_t c = x->rank > 1 ? x->dim[1] : 1, p = inner(x), n = x->count / (c * p);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < c; k++)
            for (int64_t j = 0; j < p; j++)
                y[(i * p + j) * c + k] = (float)x->v[(i * c + k) * p + j];
    return y;
}

double *from_engine(const float *x, const tensor *like)
{
    double *y = POOL(double, like->count);
    int64_t c = like->rank > 1 ? like->dim[1] : 1, p = inner(like), n = like->count / (c * p);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < c; k++)
            for (int64_t j = 0; j < p; j++)
                y[(i * c + k) * p + j] = x[(i * p + j) * c + k];
    return y;
}

float *to_floats(const double *x, int64_t n)
{
    float *y = POOL(float, n);
    for (int64_t i = 0; i < n; i++)
        y[i] = (float)x[i];
    return y;
}

double *to_doubles(const float *x, int64_t n)
{
    double *y = POOL(double, n);
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i];
    return y;
}

double norm_of(const double *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}
