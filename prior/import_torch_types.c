/* Number types of torch, and their conversion to float. */
#include "prior/import_internal.h"
#include <string.h>

static void from_float(float *y, const void *x, int64_t n)
{
    memcpy(y, x, (size_t)n * sizeof *y);
}

static void from_double(float *y, const void *x, int64_t n)
{
    const char *p = x;
    double value;
    for (int64_t i = 0; i < n; i++) {
        memcpy(&value, p + i * (int64_t)sizeof value, sizeof value);
        y[i] = (float)value;
    }
}

static void from_bfloat16(float *y, const void *x, int64_t n)
{
    const unsigned char *p = x;
    for (int64_t i = 0; i < n; i++) { /* the upper half of a float */
        uint32_t bits = (uint32_t)p[2 * i] << 16 | (uint32_t)p[2 * i + 1] << 24;
        memcpy(&y[i], &bits, sizeof bits);
    }
}

/* IEEE binary16: sign, 5 bits of exponent with bias 15, 10 of fraction. */
static float half(uint32_t h)
{
    uint32_t sign = (h & 0x8000u) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ffu, bits;
    float value;
    if (exponent == 0) {
        value = (float)fraction * 0x1p-24f; /* subnormal: exact */
        return sign ? -value : value;
    }
    bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | fraction << 13;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void from_half(float *y, const void *x, int64_t n)
{
    const unsigned char *p = x;
    for (int64_t i = 0; i < n; i++)
        y[i] = half((uint32_t)p[2 * i] | (uint32_t)p[2 * i + 1] << 8);
}

const sc_torch_dtype sc_torch_dtypes[] = {
    {"float32", "FloatStorage", 4, from_float},
    {"float64", "DoubleStorage", 8, from_double},
    {"float16", "HalfStorage", 2, from_half},
    {"bfloat16", "BFloat16Storage", 2, from_bfloat16},
    {"int64", "LongStorage", 8, NULL},
    {"int32", "IntStorage", 4, NULL},
    {"int16", "ShortStorage", 2, NULL},
    {"int8", "CharStorage", 1, NULL},
    {"uint8", "ByteStorage", 1, NULL},
    {"bool", "BoolStorage", 1, NULL},
    {"complex64", "ComplexFloatStorage", 8, NULL},
    {"complex128", "ComplexDoubleStorage", 16, NULL},
    {NULL, NULL, 0, NULL},
};

const sc_torch_dtype *sc_torch_dtype_find(const char *name)
{
    for (const sc_torch_dtype *t = sc_torch_dtypes; t->name; t++)
        if (strcmp(t->name, name) == 0)
            return t;
    return NULL;
}
