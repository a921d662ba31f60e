/* Orthogonal wavelet transform of any size: W = (periodic transform) o roll o zero-pad.
 *
 * An axis of n is split while its band has at least min(16, n) elements, L times, and padded with
 * zeros to P = a multiple of 2^L. There the periodic transform is orthogonal, so W^H W = I exactly
 * on the image, and W W^H is the projection on the range, which is larger than the domain.
 * Rolling the padded image before the transform gives another such W: cycle spinning (Coifman and
 * Donoho 1995) that wraps zeros, not anatomy. Filters: Daubechies 1988, decomposition low-pass.
 * Coefficients lie as usual: the coarse band at the start of each axis.
 */
#include "operators/operator_internal.h"
#include <assert.h>
#include <string.h>

enum { AXES = 3, SMALLEST_BAND = 16 };

typedef struct {
    const char *name;
    int taps;
    float low[8];
} wavelet_filter;

static const wavelet_filter filters[] = {
    {"haar", 2, {0.70710678118654752f, 0.70710678118654752f}},
    {"db2",
     4,
     {-0.1294095225512603f, 0.2241438680420134f, 0.8365163037378077f, 0.4829629131445341f}},
    {"db4",
     8,
     {-0.010597401785f, 0.032883011667f, 0.030841381836f, -0.187034811719f, -0.027983769417f,
      0.630880767930f, 0.714846570553f, 0.230377813309f}},
};

typedef struct {
    sc_op op;
    const wavelet_filter *filter;
    int64_t batch, n, padded_n; /* images, elements of one image, of one padded image */
    int64_t dim[AXES], padded[AXES];
    int levels[AXES], deepest;
} wavelet_op;

/* Elements between neighbours of the two leading axes. */
static void strides(int64_t stride[2], const int64_t dim[AXES])
{
    stride[0] = dim[1] * dim[2];
    stride[1] = dim[2];
}

/* The band that level `level` splits: what is left of the padded size. */
static void band_size(int64_t band[AXES], const wavelet_op *self, int level)
{
    for (int a = 0; a < AXES; a++)
        band[a] = self->padded[a] >> (level < self->levels[a] ? level : self->levels[a]);
}

/* One axis of a contiguous band. */
static void split_axis(const wavelet_op *self, sc_c32 *z, const sc_c32 *x, const int64_t band[AXES],
                       int axis, bool inverse)
{
    const sc_device *device = self->op.device;
    int64_t outer = 1, inner = 1;
    for (int a = 0; a < axis; a++)
        outer *= band[a];
    for (int a = axis + 1; a < AXES; a++)
        inner *= band[a];
    (inverse ? device->kernels->wavelet_adjoint : device->kernels->wavelet)(
        device, z, x, self->filter->low, self->filter->taps, outer, band[axis], inner);
}

/* One level in place on the padded image `a`: the band goes through the axes, alternating between
 * two contiguous buffers (`a` itself is one when the band is all of it), and back. */
static void transform_level(const wavelet_op *self, sc_c32 *a, sc_c32 *b, sc_c32 *c, int level,
                            bool inverse)
{
    const sc_device *device = self->op.device;
    int64_t band[AXES], whole_stride[2], band_stride[2];
    band_size(band, self, level);
    strides(whole_stride, self->padded);
    strides(band_stride, band);
    bool whole = level == 0;
    sc_c32 *now = whole ? a : b, *next = whole ? b : c;
    if (!whole)
        sc_copy_box(device, b, band_stride, a, whole_stride, band);
    for (int i = 0; i < AXES; i++) {
        int axis = inverse ? i : AXES - 1 - i;
        if (level >= self->levels[axis])
            continue;
        split_axis(self, next, now, band, axis, inverse);
        sc_c32 *swap = now;
        now = next;
        next = swap;
    }
    if (now != a)
        sc_copy_box(device, a, whole_stride, now, band_stride, band);
}

static void transform(const wavelet_op *self, sc_c32 *a, sc_c32 *b, sc_c32 *c, bool inverse)
{
    for (int i = 0; i < self->deepest; i++)
        transform_level(self, a, b, c, inverse ? self->deepest - 1 - i : i, inverse);
}

/* A run of the last axis that wraps at the padded size is two pieces. */
static void move_row(const wavelet_op *self, sc_c32 *padded, sc_c32 *image, int64_t shift, bool pad)
{
    int64_t n = self->dim[2], size = self->padded[2];
    int64_t first = size - shift < n ? size - shift : n;
    const struct {
        sc_c32 *padded, *image;
        int64_t n;
    } piece[2] = {{padded + shift, image, first}, {padded, image + first, n - first}};
    for (int i = 0; i < 2; i++)
        if (piece[i].n > 0)
            sc_copy(self->op.device, pad ? piece[i].padded : piece[i].image,
                    pad ? piece[i].image : piece[i].padded, 2 * piece[i].n);
}

/* Between the image and its padded form, moved by `shift` on the torus of the padded size. */
static void move_rows(const wavelet_op *self, sc_c32 *padded, sc_c32 *image,
                      const int64_t shift[AXES], bool pad)
{
    int64_t stride[2], padded_stride[2];
    strides(stride, self->dim);
    strides(padded_stride, self->padded);
    for (int64_t i = 0; i < self->dim[0]; i++)
        for (int64_t j = 0; j < self->dim[1]; j++) {
            int64_t p = (i + shift[0]) % self->padded[0], q = (j + shift[1]) % self->padded[1];
            move_row(self, padded + p * padded_stride[0] + q * padded_stride[1],
                     image + i * stride[0] + j * stride[1], shift[2], pad);
        }
}

static void pad(const wavelet_op *self, sc_c32 *padded, const sc_c32 *x, const int64_t shift[AXES])
{
    if (self->padded_n > self->n)
        self->op.device->kernels->fill(self->op.device, (float *)padded, 0, 2 * self->padded_n);
    move_rows(self, padded, (sc_c32 *)x, shift, true);
}

static const int64_t unshifted[AXES];

static void forward(const sc_op *op, void *y, const void *x, void *work)
{
    const wavelet_op *self = (const wavelet_op *)op;
    size_t bytes = (size_t)self->padded_n * sizeof(sc_c32);
    sc_c32 *b = sc_work_take(&work, bytes), *c = sc_work_take(&work, bytes);
    for (int64_t i = 0; i < self->batch; i++) {
        sc_c32 *a = (sc_c32 *)y + i * self->padded_n;
        pad(self, a, (const sc_c32 *)x + i * self->n, unshifted);
        transform(self, a, b, c, false);
    }
}

static void adjoint(const sc_op *op, void *x, const void *y, void *work)
{
    const wavelet_op *self = (const wavelet_op *)op;
    size_t bytes = (size_t)self->padded_n * sizeof(sc_c32);
    sc_c32 *a = sc_work_take(&work, bytes), *b = sc_work_take(&work, bytes),
           *c = sc_work_take(&work, bytes);
    for (int64_t i = 0; i < self->batch; i++) {
        sc_copy(op->device, a, (const sc_c32 *)y + i * self->padded_n, 2 * self->padded_n);
        transform(self, a, b, c, true);
        move_rows(self, a, (sc_c32 *)x + i * self->n, unshifted, false);
    }
}

static void normal(const sc_op *op, void *z, const void *x, void *work)
{
    (void)work;
    sc_copy(op->device, z, x, sc_shape_floats(&op->domain));
}

void sc_op_wavelet_shrink(const sc_op *op, sc_c32 *z, const sc_c32 *x, float threshold,
                          const int64_t shift[3], void *work)
{
    const wavelet_op *self = (const wavelet_op *)op;
    size_t bytes = (size_t)self->padded_n * sizeof(sc_c32);
    sc_c32 *a = sc_work_take(&work, bytes), *b = sc_work_take(&work, bytes),
           *c = sc_work_take(&work, bytes);
    int64_t wrapped[AXES];
    assert(op->forward == forward);
    for (int i = 0; i < AXES; i++)
        wrapped[i] = shift[i] % self->padded[i];
    for (int64_t i = 0; i < self->batch; i++) {
        pad(self, a, x + i * self->n, wrapped);
        transform(self, a, b, c, false);
        op->device->kernels->soft(op->device, a, a, threshold, self->padded_n);
        transform(self, a, b, c, true);
        move_rows(self, a, z + i * self->n, wrapped, false);
    }
}

void sc_op_wavelet_period(const sc_op *op, int64_t period[3])
{
    const wavelet_op *self = (const wavelet_op *)op;
    assert(op->forward == forward);
    for (int i = 0; i < AXES; i++)
        period[i] = (int64_t)1 << self->levels[i];
}

static void destroy(sc_op *op) { sc_free(op); }

static const wavelet_filter *find_filter(const char *name)
{
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++)
        if (strcmp(filters[i].name, name) == 0)
            return &filters[i];
    return NULL;
}

static int count_levels(int64_t n)
{
    int64_t smallest = n < SMALLEST_BAND ? n : SMALLEST_BAND;
    int levels = 0;
    for (int64_t band = n; band >= smallest && band > 1; band = (band + 1) / 2)
        levels++;
    return levels;
}

/* Axes, levels and padded sizes; the image axes are the last of the three. */
static void plan(wavelet_op *self, const sc_shape *shape, int rank)
{
    self->batch = sc_shape_batch(shape, rank);
    self->n = self->padded_n = 1;
    for (int a = 0; a < AXES; a++) {
        int axis = a - (AXES - rank);
        self->dim[a] = axis < 0 ? 1 : shape->dim[shape->rank - rank + axis];
        self->levels[a] = count_levels(self->dim[a]);
        int64_t multiple = (int64_t)1 << self->levels[a];
        self->padded[a] = (self->dim[a] + multiple - 1) / multiple * multiple;
        self->n *= self->dim[a];
        self->padded_n *= self->padded[a];
        if (self->levels[a] > self->deepest)
            self->deepest = self->levels[a];
        if (axis >= 0)
            self->op.range.dim[shape->rank - rank + axis] = self->padded[a];
    }
    /* Levels shrink geometrically: 4/3 of the first in 2D bounds them all. */
    self->op.flops =
        4.0 * self->filter->taps * rank * 4 / 3 * (double)self->batch * (double)self->padded_n;
}

sc_status sc_op_wavelet(sc_op **op, const sc_device *device, const sc_shape *shape, int rank,
                        const char *filter)
{
    wavelet_op *self = NULL;
    sc_status status = SC_OK;
    *op = NULL;
    assert(shape->dtype == SC_C32 && rank >= 1 && rank <= AXES);
    const wavelet_filter *found = find_filter(filter);
    if (!found)
        return sc_fail(SC_ERR_USAGE, "wavelet: expected haar, db2 or db4, found '%s'", filter);
    SC_TRY(SC_ALLOC(&self, 1, "wavelet operator"));
    self->filter = found;
    self->op = (sc_op){.name = "wavelet",
                       .device = device,
                       .domain = *shape,
                       .range = *shape,
                       .forward = forward,
                       .adjoint = adjoint,
                       .normal = normal,
                       .destroy = destroy,
                       .describe = sc_op_describe};
    plan(self, shape, rank);
    sc_op_set_work(&self->op, 3 * sc_work_size((size_t)self->padded_n * sizeof(sc_c32)));
    *op = &self->op;
cleanup:
    return status;
}
