/* The wavelet: adjoint, W^H W = I for any size, shifts, thresholds. */
#include "operator_check.h"

static const int64_t sizes2[][2] = {{16, 16}, {17, 23},  {1, 9},  {30, 7},
                                    {2, 3},   {115, 90}, {33, 64}};
static const int64_t sizes3[][3] = {{5, 9, 12}, {8, 16, 17}, {3, 37, 21}};
static const char *const filters[] = {"haar", "db2", "db4"};
enum { COUNT2 = sizeof sizes2 / sizeof sizes2[0], COUNT3 = sizeof sizes3 / sizeof sizes3[0] };

static sc_op *make(const sc_device *device, int rank, const int64_t *size, int batch,
                   const char *filter)
{
    int64_t dim[4] = {batch};
    memcpy(dim + 1, size, (size_t)rank * sizeof *size);
    sc_shape shape = complex_shape(rank + 1, dim);
    sc_op *op;
    check_ok(sc_op_wavelet(&op, device, &shape, rank, filter));
    return op;
}

static void wavelet_is_exact_for_any_size(void **state)
{
    sc_device *device = cpu(2);
    for (int f = 0; f < 3; f++) {
        for (int i = 0; i < COUNT2; i++)
            check_operator(make(device, 2, sizes2[i], 2, filters[f]));
        for (int i = 0; i < COUNT3; i++)
            check_operator(make(device, 3, sizes3[i], 1, filters[f]));
    }
    sc_device_free(device);
    (void)state;
}

static void check_identity(sc_op *op)
{
    op_check c = op_check_begin(op, 1);
    sc_op_forward(op, c.y2, c.x, c.work);
    sc_op_adjoint(op, c.z, c.y2, c.work);
    expect_below(distance(c.z, c.x, c.n), 2e-6 * norm(c.x, c.n), "W^H W - I", op, 1);
    expect_below(fabs(norm(c.y2, c.m) / norm(c.x, c.n) - 1), 1e-6, "norm", op, 1);
    op_check_end(&c);
    sc_op_free(op);
}

static void adjoint_inverts_the_transform(void **state)
{
    sc_device *device = cpu(1);
    for (int f = 0; f < 3; f++) {
        for (int i = 0; i < COUNT2; i++)
            check_identity(make(device, 2, sizes2[i], 2, filters[f]));
        for (int i = 0; i < COUNT3; i++)
            check_identity(make(device, 3, sizes3[i], 1, filters[f]));
    }
    sc_device_free(device);
    (void)state;
}

/* W W^H y = y where the domain is as large as the range: 48 = 3 x 16 */
static void transform_is_orthogonal_for_sizes_that_need_no_padding(void **state)
{
    sc_device *device = cpu(1);
    const int64_t size[2] = {48, 32};
    sc_op *op = make(device, 2, size, 1, "db2");
    assert_true(sc_shape_equal(&op->domain, &op->range));
    op_check c = op_check_begin(op, 1);
    sc_op_adjoint(op, c.z, c.y, c.work);
    sc_op_forward(op, c.y2, c.z, c.work);
    expect_below(distance(c.y, c.y2, c.m), 2e-6 * norm(c.y, c.m), "W W^H - I", op, 1);
    op_check_end(&c);
    sc_op_free(op);
    sc_device_free(device);
    (void)state;
}

/* Daubechies filters with p vanishing moments: a polynomial of degree p - 1 has no details away
 * from where the padded axis wraps. A ramp tells db2 from a filter that only sums to sqrt 2. */
static void details_of_a_ramp_vanish(void **state)
{
    sc_device *device = cpu(1);
    const int64_t size[1] = {16};
    sc_op *op = make(device, 1, size, 1, "db2");
    op_check c = op_check_begin(op, 1);
    for (int i = 0; i < 16; i++) {
        c.x[2 * i] = (float)i;
        c.x[2 * i + 1] = 0;
    }
    sc_op_forward(op, c.y2, c.x, c.work);
    for (int i = 8 + 1; i < 16 - 1; i++)
        assert_true(fabsf(c.y2[2 * i]) < 1e-5f);
    op_check_end(&c);
    sc_op_free(op);
    sc_device_free(device);
    (void)state;
}

static void shrinking_by_nothing_is_the_identity_for_every_shift(void **state)
{
    sc_device *device = cpu(1);
    for (int i = 0; i < COUNT2; i++) {
        sc_op *op = make(device, 2, sizes2[i], 2, "db2");
        op_check c = op_check_begin(op, 1);
        for (int64_t s = 0; s < 20; s += 3) {
            const int64_t shift[3] = {0, s, 19 - s};
            sc_op_wavelet_shrink(op, (sc_c32 *)c.z, (const sc_c32 *)c.x, 0, shift, c.work);
            expect_below(distance(c.z, c.x, c.n), 2e-6 * norm(c.x, c.n), "shrink by 0", op, 1);
        }
        op_check_end(&c);
        sc_op_free(op);
    }
    sc_device_free(device);
    (void)state;
}

/* unshifted: W^H soft(W x) done by hand; in place gives the same */
static void shrinking_is_soft_thresholding_of_coefficients(void **state)
{
    sc_device *device = cpu(1);
    for (int i = 0; i < COUNT2; i++) {
        const int64_t none[3] = {0, 0, 0};
        sc_op *op = make(device, 2, sizes2[i], 1, "db4");
        op_check c = op_check_begin(op, 1);
        sc_op_forward(op, c.y2, c.x, c.work);
        for (int64_t e = 0; e < c.m; e += 2) {
            float length = hypotf(c.y2[e], c.y2[e + 1]);
            float scale = length > 0.5f ? 1 - 0.5f / length : 0;
            c.y2[e] *= scale;
            c.y2[e + 1] *= scale;
        }
        sc_op_adjoint(op, c.z, c.y2, c.work);
        sc_op_wavelet_shrink(op, (sc_c32 *)c.z2, (const sc_c32 *)c.x, 0.5f, none, c.work);
        expect_below(distance(c.z, c.z2, c.n), 2e-6 * norm(c.x, c.n), "shrink", op, 1);
        sc_op_wavelet_shrink(op, (sc_c32 *)c.x, (const sc_c32 *)c.x, 0.5f, none, c.work);
        assert_memory_equal(c.x, c.z2, (size_t)c.n * sizeof(float));
        op_check_end(&c);
        sc_op_free(op);
    }
    sc_device_free(device);
    (void)state;
}

/* the transform has no more than `period` different shifts along an axis */
static void shifts_repeat_with_the_period(void **state)
{
    sc_device *device = cpu(1);
    const int64_t size[2] = {40, 21};
    sc_op *op = make(device, 2, size, 1, "db2");
    op_check c = op_check_begin(op, 1);
    int64_t period[3];
    sc_op_wavelet_period(op, period);
    assert_int_equal(period[0], 1);
    assert_int_equal(period[1], 4);
    assert_int_equal(period[2], 2);
    const int64_t shift[3] = {0, 1, 1}, later[3] = {0, 1 + period[1], 1 + period[2]};
    sc_op_wavelet_shrink(op, (sc_c32 *)c.z, (const sc_c32 *)c.x, 0.7f, shift, c.work);
    sc_op_wavelet_shrink(op, (sc_c32 *)c.z2, (const sc_c32 *)c.x, 0.7f, later, c.work);
    expect_below(distance(c.z, c.z2, c.n), 2e-6 * norm(c.x, c.n), "periodic shift", op, 1);
    sc_op_wavelet_shrink(op, (sc_c32 *)c.z2, (const sc_c32 *)c.x, 0.7f, (int64_t[3]){0, 2, 0},
                         c.work);
    assert_true(distance(c.z, c.z2, c.n) > 1e-3 * norm(c.x, c.n));
    op_check_end(&c);
    sc_op_free(op);
    sc_device_free(device);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wavelet_is_exact_for_any_size),
        cmocka_unit_test(adjoint_inverts_the_transform),
        cmocka_unit_test(transform_is_orthogonal_for_sizes_that_need_no_padding),
        cmocka_unit_test(details_of_a_ramp_vanish),
        cmocka_unit_test(shrinking_by_nothing_is_the_identity_for_every_shift),
        cmocka_unit_test(shrinking_is_soft_thresholding_of_coefficients),
        cmocka_unit_test(shifts_repeat_with_the_period),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
