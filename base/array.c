#include "base/array.h"
#include "base/memory.h"
#include <string.h>

#define LARGEST ((int64_t)1 << 40) /* elements; beyond any image, far from overflow in bytes */

static const struct {
    size_t size;
    const char *name;
} dtypes[] = {
    [SC_F32] = {4, "float32"}, [SC_C32] = {8, "complex64"}, [SC_U8] = {1, "uint8"},
    [SC_I32] = {4, "int32"},   [SC_BF16] = {2, "bfloat16"}, [SC_F64] = {8, "float64"},
    [SC_I64] = {8, "int64"},
};

size_t sc_dtype_size(sc_dtype dtype) { return dtypes[dtype].size; }

const char *sc_dtype_name(sc_dtype dtype) { return dtypes[dtype].name; }

sc_status sc_shape_count(int64_t *count, int rank, const int64_t *dim, int64_t limit)
{
    *count = 0;
    if (rank < 1 || rank > SC_MAX_RANK)
        return sc_fail(SC_ERR_INPUT, "array of rank %d, expected 1 to %d", rank, SC_MAX_RANK);
    int64_t n = 1;
    for (int i = 0; i < rank; i++) {
        if (dim[i] < 1)
            return sc_fail(SC_ERR_INPUT, "axis %d has size %lld, expected at least 1", i,
                           (long long)dim[i]);
        if (__builtin_mul_overflow(n, dim[i], &n) || n > limit)
            return sc_fail(SC_ERR_MEMORY, "array of more than %lld elements", (long long)limit);
    }
    *count = n;
    return SC_OK;
}

sc_status sc_array_create(sc_array *array, sc_dtype dtype, int rank, const int64_t *dim)
{
    *array = (sc_array){0};
    int64_t count;
    sc_status status = sc_shape_count(&count, rank, dim, LARGEST);
    if (status != SC_OK)
        return status;
    void *data;
    status = sc_alloc(&data, (size_t)count, sc_dtype_size(dtype), "array");
    if (status != SC_OK)
        return status;
    *array = sc_array_view(dtype, rank, dim, data);
    array->owned = true;
    return SC_OK;
}

void sc_array_free(sc_array *array)
{
    if (!array)
        return;
    if (array->owned)
        sc_free(array->data);
    *array = (sc_array){0};
}

int64_t sc_array_count(const sc_array *array)
{
    if (!array->data)
        return 0;
    int64_t n = 1;
    for (int i = 0; i < array->rank; i++)
        n *= array->dim[i];
    return n;
}

size_t sc_array_bytes(const sc_array *array)
{
    return (size_t)sc_array_count(array) * sc_dtype_size(array->dtype);
}

sc_array sc_array_view(sc_dtype dtype, int rank, const int64_t *dim, void *data)
{
    sc_array view = {.dtype = dtype, .rank = rank, .data = data};
    memcpy(view.dim, dim, (size_t)rank * sizeof *dim);
    return view;
}

sc_array sc_array_slice(const sc_array *array, int64_t index)
{
    sc_array view = sc_array_view(array->dtype, array->rank - 1, array->dim + 1, NULL);
    view.data = array->data; /* so that the count below is not that of an empty array */
    view.data = (char *)array->data + (size_t)index * sc_array_bytes(&view);
    return view;
}

sc_status sc_array_copy(sc_array *copy, const sc_array *array)
{
    sc_status status = sc_array_create(copy, array->dtype, array->rank, array->dim);
    if (status == SC_OK)
        memcpy(copy->data, array->data, sc_array_bytes(array));
    return status;
}
