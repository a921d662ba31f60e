/* The kernels of two rows on the same inputs. Elementwise kernels and reductions are the same
 * bodies in the same order, so their bytes are equal; libm's last bit may reach a normal, and
 * FFT and GEMM libraries add in their own order. */
#ifndef SC_TESTS_BASE_ROW_COMPARE_H
#define SC_TESTS_BASE_ROW_COMPARE_H

#include "kernel_check.h"

typedef struct {
    const sc_device *device;
    sc_c32 *x, *y, *maps, *z; /* on the device; z for results */
    float *weight;
    int64_t n; /* elements of one image; x, y, maps hold 6 of them, z holds 12 */
} row;

static inline void *to_device(const sc_device *device, void *host, int64_t floats)
{
    float *p;
    assert_int_equal(SC_DEVICE_ALLOC(device, &p, floats), SC_OK);
    assert_int_equal(device->kernels->upload(device, p, host, (size_t)floats * sizeof *p), SC_OK);
    sc_free(host);
    return p;
}

static inline row make_row(const sc_device *device, int64_t n)
{
    row r = {.device = device, .n = n};
    r.x = to_device(device, random_complex(6 * n, 1), 12 * n);
    r.y = to_device(device, random_complex(6 * n, 2), 12 * n);
    r.maps = to_device(device, random_complex(6 * n, 3), 12 * n);
    r.weight = to_device(device, random_floats(n, 4), n);
    assert_int_equal(SC_DEVICE_ALLOC(device, &r.z, 12 * n), SC_OK);
    return r;
}

static inline void free_row(row *r)
{
    void *parts[] = {r->x, r->y, r->maps, r->weight, r->z};
    for (int i = 0; i < 5; i++)
        sc_device_release(r->device, parts[i]);
}

typedef struct {
    const char *name;
    double tolerance; /* 0: same bytes */
    int64_t images;   /* complex images in the result */
    void (*run)(const row *r, const int64_t dim[3]);
} row_case;

#define ROW_CASE(name) static inline void row_##name(const row *r, const int64_t dim[3])
#define K(slot) r->device->kernels->slot

ROW_CASE(fill) { (void)dim, K(fill)(r->device, (float *)r->z, 3, 2 * r->n); }
ROW_CASE(axpby)
{
    (void)dim;
    K(axpby)(r->device, (float *)r->z, 1.5f, (float *)r->x, -0.3f, (float *)r->y, 2 * r->n);
}
ROW_CASE(multiply)
{
    (void)dim;
    K(multiply)(r->device, (float *)r->z, (float *)r->x, (float *)r->y, 2 * r->n);
}
ROW_CASE(normal)
{
    (void)dim;
    K(normal)(r->device, (float *)r->z, 2 * r->n - 1, (sc_key){.seed = 9, .slice = 2}, 3, 4);
}
ROW_CASE(cmultiply) { (void)dim, K(cmultiply)(r->device, r->z, r->x, r->y, true, r->n); }
ROW_CASE(mask) { (void)dim, K(mask)(r->device, r->z, r->weight, r->x, 3, r->n); }
ROW_CASE(coils_forward)
{
    (void)dim;
    K(coils_forward)(r->device, r->z, r->maps, r->x, 2, 3, r->n);
}
ROW_CASE(coils_adjoint)
{
    (void)dim;
    K(coils_adjoint)(r->device, r->z, r->maps, r->y, 2, 3, r->n);
}
ROW_CASE(soft) { (void)dim, K(soft)(r->device, r->z, r->x, 0.6f, r->n); }
ROW_CASE(shrink) { (void)dim, K(shrink)(r->device, r->z, r->x, 0.6f, 3, r->n); }
ROW_CASE(gradient) { K(gradient)(r->device, r->z, r->x, 3, dim); }
ROW_CASE(gradient_adjoint) { K(gradient_adjoint)(r->device, r->z, r->x, 3, dim); }

static const float row_filter[4] = {-0.12940952f, 0.22414387f, 0.83651630f, 0.48296291f};

/* along the last axis, and across the middle one; both even here */
ROW_CASE(wavelet_last)
{
    K(wavelet)(r->device, r->z, r->x, row_filter, 4, dim[0] * dim[1], dim[2], 1);
}
ROW_CASE(wavelet_last_adjoint)
{
    K(wavelet_adjoint)(r->device, r->z, r->x, row_filter, 4, dim[0] * dim[1], dim[2], 1);
}
ROW_CASE(wavelet_across)
{
    K(wavelet)(r->device, r->z, r->x, row_filter, 4, dim[0], dim[1], dim[2]);
}
ROW_CASE(wavelet_across_adjoint)
{
    K(wavelet_adjoint)(r->device, r->z, r->x, row_filter, 4, dim[0], dim[1], dim[2]);
}

static inline void row_fft_of(const row *r, const int64_t *dim, int rank, int64_t batch,
                              bool inverse)
{
    sc_fft *fft;
    assert_int_equal(K(fft_create)(r->device, &fft, rank, dim, batch), SC_OK);
    K(fft)(fft, r->z, r->x, inverse);
    K(fft)(fft, r->z, r->z, inverse); /* in place */
    K(fft_free)(fft);
}
ROW_CASE(fft_3d) { row_fft_of(r, dim, 3, 2, false); }
ROW_CASE(fft_2d) { row_fft_of(r, dim + 1, 2, dim[0], true); }
ROW_CASE(fft_plain)
{
    sc_fft *fft;
    assert_int_equal(K(fft_create)(r->device, &fft, 2, dim + 1, dim[0]), SC_OK);
    K(fill)(r->device, (float *)r->z, 1, 2 * r->n);
    K(axpby)(r->device, (float *)r->z, 1, (float *)r->x, 2, (float *)r->y, 2 * r->n);
    K(fft_plain)(fft, r->z, false);
    K(fft_plain)(fft, r->z, true);
    K(fft_free)(fft);
}
ROW_CASE(fft_odd)
{
    const int64_t odd[] = {dim[1] - 1, dim[2] - 1};
    row_fft_of(r, odd, 2, dim[0], false);
}
ROW_CASE(sgemm)
{
    int64_t m = dim[1], n = dim[2], k = 7, at = 0;
    for (int t = 0; t < 4; t++, at += m * n)
        K(sgemm)
    (r->device, (float *)r->z + at, (float *)r->x, (float *)r->y, m, n, k, t & 1, t & 2, 0.5f, 0);
    K(sgemm)
    (r->device, (float *)r->z, (float *)r->x, (float *)r->y, m, n, k, false, false, 0.5f, 2);
}

static const row_case row_cases[] = {
    {"fill", 0, 1, row_fill},
    {"axpby", 0, 1, row_axpby},
    {"multiply", 0, 1, row_multiply},
    {"normal", 1e-7, 1, row_normal},
    {"cmultiply", 0, 1, row_cmultiply},
    {"mask", 0, 3, row_mask},
    {"coils_forward", 0, 3, row_coils_forward},
    {"coils_adjoint", 0, 2, row_coils_adjoint},
    {"soft", 0, 1, row_soft},
    {"shrink", 0, 3, row_shrink},
    {"gradient", 0, 3, row_gradient},
    {"gradient_adjoint", 0, 1, row_gradient_adjoint},
    {"wavelet_last", 0, 1, row_wavelet_last},
    {"wavelet_last_adjoint", 0, 1, row_wavelet_last_adjoint},
    {"wavelet_across", 0, 1, row_wavelet_across},
    {"wavelet_across_adjoint", 0, 1, row_wavelet_across_adjoint},
    {"fft_3d", 1e-6, 2, row_fft_3d},
    {"fft_2d", 1e-6, 1, row_fft_2d},
    {"fft_plain", 1e-6, 1, row_fft_plain},
    {"fft_odd", 1e-6, 1, row_fft_odd},
    {"sgemm", 1e-6, 2, row_sgemm},
};

static inline float *row_result(const row *r, const row_case *c, const int64_t dim[3])
{
    float *host, *zero;
    int64_t floats = 2 * c->images * r->n;
    size_t bytes = (size_t)floats * sizeof *host;
    assert_int_equal(SC_ALLOC(&host, floats, "test"), SC_OK);
    assert_int_equal(SC_ALLOC(&zero, floats, "test"), SC_OK);
    assert_int_equal(K(upload)(r->device, r->z, zero, bytes), SC_OK);
    c->run(r, dim);
    assert_int_equal(K(download)(r->device, host, r->z, bytes), SC_OK);
    assert_int_equal(K(sync)(r->device), SC_OK);
    sc_free(zero);
    return host;
}

static inline void compare_rows_of(const sc_device *cpu, const sc_device *other,
                                   const int64_t dim[3])
{
    row a = make_row(cpu, dim[0] * dim[1] * dim[2]), b = make_row(other, a.n);
    for (size_t i = 0; i < sizeof row_cases / sizeof *row_cases; i++) {
        const row_case *c = &row_cases[i];
        float *x = row_result(&a, c, dim), *y = row_result(&b, c, dim);
        size_t bytes = (size_t)(2 * c->images * a.n) * sizeof *x;
        if (c->tolerance > 0)
            check_close(y, x, 2 * c->images * a.n, c->tolerance, c->name);
        else if (memcmp(x, y, bytes) != 0)
            fail_msg("%s: the rows' bytes differ", c->name);
        sc_free(x), sc_free(y);
    }
    const sc_kernels *k = cpu->kernels, *l = other->kernels;
    int64_t n = 2 * a.n;
    assert_true(k->dot(cpu, (float *)a.x, (float *)a.y, n) ==
                l->dot(other, (float *)b.x, (float *)b.y, n));
    assert_true(k->max_abs(cpu, (float *)a.x, n) == l->max_abs(other, (float *)b.x, n));
    assert_true(k->count_not_finite(cpu, (float *)a.x, n) ==
                l->count_not_finite(other, (float *)b.x, n));
    free_row(&a), free_row(&b);
}

static inline void compare_rows(const sc_device *cpu, const sc_device *other)
{
    static const int64_t dims[][3] = {{1, 2, 2}, {3, 4, 6}, {5, 18, 34}, {2, 130, 66}};
    for (int i = 0; i < 4; i++)
        compare_rows_of(cpu, other, dims[i]);
}

#undef K
#endif
