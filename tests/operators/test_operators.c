/* Every operator and compositions of them: exact adjoints, normals, linearity, for sizes even and
 * odd, 2D and 3D, one set of maps and two. */
#include "operator_check.h"

static const int64_t sizes2[][2] = {{16, 16}, {17, 23}, {1, 9}, {30, 7}, {46, 36}, {65, 48}};
static const int64_t sizes3[][3] = {{5, 9, 12}, {8, 16, 17}, {3, 7, 11}};
enum { COUNT2 = sizeof sizes2 / sizeof sizes2[0], COUNT3 = sizeof sizes3 / sizeof sizes3[0] };

static sc_op *make_mask(const sc_device *device, const sc_shape *shape, int64_t n)
{
    sc_op *op;
    float *weight = NULL;
    check_ok(SC_ALLOC(&weight, n, "weight"));
    random_floats(weight, n, 5, 5);
    check_ok(sc_op_mask(&op, device, shape, weight, n));
    sc_free(weight);
    return op;
}

static sc_op *make_coils(const sc_device *device, int sets, int coils, int rank, const int64_t *dim)
{
    sc_op *op;
    int64_t n = 1;
    for (int a = 0; a < rank; a++)
        n *= dim[a];
    sc_c32 *maps = random_maps(sets, coils, n, 11);
    check_ok(sc_op_coils(&op, device, maps, sets, coils, rank, dim));
    sc_free(maps);
    return op;
}

static sc_op *make_sense(const sc_device *device, int sets, int coils, int rank, const int64_t *dim,
                         bool lines)
{
    sc_op *op;
    int64_t rows = 1, columns = dim[rank - 1];
    for (int a = 0; a < rank - 1; a++)
        rows *= dim[a];
    sc_c32 *maps = random_maps(sets, coils, rows * columns, 11);
    float *mask = random_mask(rows, columns, lines, 3);
    mask[0] = 1.5f; /* several averages */
    check_ok(sc_op_sense(&op, device, maps, mask, sets, coils, rank, dim));
    sc_free(maps);
    sc_free(mask);
    return op;
}

static void mask_is_exact(void **state)
{
    sc_device *device = cpu(1);
    for (int i = 0; i < COUNT2; i++) {
        const int64_t dim[3] = {4, sizes2[i][0], sizes2[i][1]};
        sc_shape shape = complex_shape(3, dim), real = shape;
        real.dtype = SC_F32;
        check_operator(make_mask(device, &shape, dim[1] * dim[2]));
        check_operator(make_mask(device, &real, dim[1] * dim[2]));
    }
    sc_device_free(device);
    (void)state;
}

static void coils_are_exact_with_one_and_two_sets(void **state)
{
    sc_device *device = cpu(2);
    for (int sets = 1; sets <= 2; sets++) {
        for (int i = 0; i < COUNT2; i++)
            check_operator(make_coils(device, sets, 5, 2, sizes2[i]));
        for (int i = 0; i < COUNT3; i++)
            check_operator(make_coils(device, sets, 3, 3, sizes3[i]));
    }
    sc_device_free(device);
    (void)state;
}

static void fourier_is_exact(void **state)
{
    sc_device *device = cpu(2);
    sc_op *op;
    for (int i = 0; i < COUNT2; i++) {
        const int64_t dim[3] = {3, sizes2[i][0], sizes2[i][1]};
        sc_shape shape = complex_shape(3, dim);
        for (int rank = 1; rank <= 3; rank++) {
            check_ok(sc_op_fourier(&op, device, &shape, rank));
            check_operator(op);
        }
    }
    sc_device_free(device);
    (void)state;
}

static void gradient_is_exact(void **state)
{
    sc_device *device = cpu(1);
    sc_op *op;
    for (int i = 0; i < COUNT2; i++) {
        sc_shape shape = complex_shape(2, sizes2[i]);
        check_ok(sc_op_gradient(&op, device, &shape, 2));
        check_operator(op);
    }
    for (int i = 0; i < COUNT3; i++) {
        sc_shape shape = complex_shape(3, sizes3[i]);
        check_ok(sc_op_gradient(&op, device, &shape, 3));
        check_operator(op);
    }
    sc_device_free(device);
    (void)state;
}

static void sense_is_exact_with_one_and_two_sets(void **state)
{
    sc_device *device = cpu(2);
    for (int sets = 1; sets <= 2; sets++)
        for (int lines = 0; lines < 2; lines++) {
            for (int i = 0; i < COUNT2; i++)
                check_operator(make_sense(device, sets, 4, 2, sizes2[i], lines));
            for (int i = 0; i < COUNT3; i++)
                check_operator(make_sense(device, sets, 3, 3, sizes3[i], lines));
        }
    sc_device_free(device);
    (void)state;
}

/* mask o Fourier o coils, part by part */
static sc_op *make_chain(const sc_device *device, int sets, int coils, const int64_t dim[2],
                         const sc_c32 *maps, const float *mask)
{
    sc_op *part[3], *op;
    const int64_t range[3] = {coils, dim[0], dim[1]};
    sc_shape shape = complex_shape(3, range);
    check_ok(sc_op_coils(&part[0], device, maps, sets, coils, 2, dim));
    check_ok(sc_op_fourier(&part[1], device, &shape, 2));
    check_ok(sc_op_mask(&part[2], device, &shape, mask, dim[0] * dim[1]));
    check_ok(sc_op_chain(&op, part, 3));
    return op;
}

static void fused_sense_equals_the_chain(void **state)
{
    sc_device *device = cpu(1);
    for (int i = 0; i < COUNT2; i++)
        for (int sets = 1; sets <= 2; sets++)
            for (int lines = 0; lines < 2; lines++) {
                const int64_t *dim = sizes2[i], n = dim[0] * dim[1];
                sc_c32 *maps = random_maps(sets, 4, n, 13);
                float *mask = random_mask(dim[0], dim[1], lines, 4);
                sc_op *chain = make_chain(device, sets, 4, dim, maps, mask), *sense;
                check_ok(sc_op_sense(&sense, device, maps, mask, sets, 4, 2, dim));
                op_check a = op_check_begin(chain, 1), b = op_check_begin(sense, 1);
                assert_true(sc_shape_equal(&chain->domain, &sense->domain));
                assert_true(sc_shape_equal(&chain->range, &sense->range));
                sc_op_forward(chain, a.y2, a.x, a.work);
                sc_op_forward(sense, b.y2, b.x, b.work);
                expect_below(distance(a.y2, b.y2, a.m), 1e-5 * norm(a.x, a.n), "forward", sense, 1);
                sc_op_adjoint(chain, a.z, a.y, a.work);
                sc_op_adjoint(sense, b.z, b.y, b.work);
                expect_below(distance(a.z, b.z, a.n), 1e-5 * norm(a.y, a.m), "adjoint", sense, 1);
                sc_op_normal(chain, a.z, a.x, a.work);
                sc_op_normal(sense, b.z, b.x, b.work);
                expect_below(distance(a.z, b.z, a.n), 1e-5 * norm(a.x, a.n), "normal", sense, 1);
                op_check_end(&a);
                op_check_end(&b);
                sc_op_free(sense);
                check_operator(chain);
                sc_free(maps);
                sc_free(mask);
            }
    sc_device_free(device);
    (void)state;
}

static void stacks_and_chains_of_each_other_are_exact(void **state)
{
    sc_device *device = cpu(1);
    for (int i = 0; i < COUNT2; i++) {
        const int64_t dim[3] = {1, sizes2[i][0], sizes2[i][1]};
        sc_shape shape = complex_shape(3, dim);
        sc_op *stacked[3], *chained[3], *op;
        check_ok(sc_op_gradient(&stacked[0], device, &shape, 2));
        stacked[1] = make_sense(device, 1, 3, 2, sizes2[i], false);
        check_ok(sc_op_wavelet(&stacked[2], device, &shape, 2, "db2"));
        chained[0] = make_mask(device, &shape, dim[1] * dim[2]);
        check_ok(sc_op_fourier(&chained[1], device, &shape, 2));
        check_ok(sc_op_stack(&chained[2], stacked, 3));
        check_ok(sc_op_chain(&op, chained, 3));
        check_operator(op);
        sc_op *single[1] = {make_sense(device, 1, 2, 2, sizes2[i], true)};
        check_ok(sc_op_chain(&op, single, 1));
        check_operator(op);
    }
    sc_device_free(device);
    (void)state;
}

/* Four slices of two sets, three coils each. */
static sc_op *make_blocks(const sc_device *device, const int64_t dim[2], int threads)
{
    sc_op *part[4], *op;
    for (int k = 0; k < 4; k++) {
        sc_op *slice = make_sense(device, 2, 3, 2, dim, k & 1);
        sc_op *chained[2] = {slice, NULL};
        sc_shape range = slice->range;
        chained[1] = make_mask(device, &range, sc_shape_elements(&range));
        check_ok(sc_op_chain(&part[k], chained, 2));
    }
    check_ok(sc_op_blocks(&op, device, part, 4, threads));
    return op;
}

static void blocks_are_exact_and_the_same_on_all_threads(void **state)
{
    sc_device *device = cpu(1);
    for (int i = 0; i < COUNT2; i++) {
        sc_op *one = make_blocks(device, sizes2[i], 1), *three = make_blocks(device, sizes2[i], 3);
        op_check a = op_check_begin(one, 4), b = op_check_begin(three, 4);
        assert_int_equal(one->domain.dim[0], 4);
        sc_op_forward(one, a.y, a.x, a.work);
        sc_op_forward(three, b.y, b.x, b.work);
        assert_memory_equal(a.y, b.y, (size_t)a.m * sizeof *a.y);
        sc_op_normal(one, a.z, a.x, a.work);
        sc_op_normal(three, b.z, b.x, b.work);
        assert_memory_equal(a.z, b.z, (size_t)a.n * sizeof *a.z);
        op_check_end(&a);
        op_check_end(&b);
        sc_op_free(one);
        check_operator(three);
    }
    sc_device_free(device);
    (void)state;
}

static void a_scaled_operator_is_the_factor_times_the_inner(void **state)
{
    sc_device *device = cpu(1);
    sc_op *inner = make_sense(device, 1, 3, 2, sizes2[0], true), *op;
    check_ok(sc_op_scaled(&op, inner, 0.25));
    op_check a = op_check_begin(inner, 2), b = op_check_begin(op, 2);
    sc_op_forward(inner, a.y, a.x, a.work);
    sc_op_forward(op, b.y, b.x, b.work);
    for (int64_t i = 0; i < a.m; i++)
        assert_true(b.y[i] == 0.25f * a.y[i]);
    op_check_end(&a);
    op_check_end(&b);
    check_operator(op);
    sc_op_free(inner);
    sc_device_free(device);
    (void)state;
}

/* Weighted and not, complex and real; with two sets the second takes no part. */
static void slice_differences_are_exact(void **state)
{
    sc_device *device = cpu(2);
    for (int i = 0; i < COUNT2; i++)
        for (int sets = 1; sets <= 2; sets++) {
            const int64_t n = sizes2[i][0] * sizes2[i][1];
            sc_shape shape = {SC_C32, 4, {3, sets, sizes2[i][0], sizes2[i][1]}};
            sc_c32 *weight = random_maps(1, 3, n, 9);
            float *pair = random_mask(2 * sizes2[i][0], sizes2[i][1], true, 6);
            sc_op *op;
            check_ok(sc_op_slice_difference(&op, device, &shape, weight, pair));
            check_operator(op);
            check_ok(sc_op_slice_difference(&op, device, &shape, NULL, pair));
            check_operator(op);
            shape.dtype = SC_F32;
            check_ok(sc_op_slice_difference(&op, device, &shape, NULL, pair));
            check_operator(op);
            check_ok(sc_op_slice_difference(&op, device, &shape, NULL, NULL));
            op_check c = op_check_begin(op, 5);
            sc_op_forward(op, c.y, c.x, c.work);
            for (int64_t p = 0; p < n; p++)
                assert_true(c.y[n + p] == c.x[2 * sets * n + p] - c.x[sets * n + p]);
            op_check_end(&c);
            check_operator(op);
            sc_free(weight);
            sc_free(pair);
        }
    sc_device_free(device);
    (void)state;
}

/* everything measured and maps of unit root sum of squares */
static void full_sampling_with_unit_maps_is_the_identity(void **state)
{
    sc_device *device = cpu(2);
    for (int i = 0; i < COUNT2; i++) {
        const int64_t *dim = sizes2[i], n = dim[0] * dim[1];
        sc_c32 *maps = random_maps(1, 6, n, 17);
        float *mask = NULL;
        sc_op *op;
        check_ok(SC_ALLOC(&mask, n, "mask"));
        for (int64_t p = 0; p < n; p++)
            mask[p] = 1;
        check_ok(sc_op_sense(&op, device, maps, mask, 1, 6, 2, dim));
        op_check c = op_check_begin(op, 1);
        sc_op_normal(op, c.z, c.x, c.work);
        expect_below(distance(c.z, c.x, c.n), 2e-6 * norm(c.x, c.n), "A^H A - I", op, 1);
        double largest;
        check_ok(sc_op_largest_eigenvalue(&largest, op, 5, 1));
        assert_true(fabs(largest - 1) < 1e-5);
        op_check_end(&c);
        sc_op_free(op);
        sc_free(maps);
        sc_free(mask);
    }
    sc_device_free(device);
    (void)state;
}

static void largest_eigenvalue_of_weights_is_their_largest_square(void **state)
{
    sc_device *device = cpu(1);
    const int64_t dim[1] = {40};
    sc_shape shape = complex_shape(1, dim);
    float weight[40];
    sc_op *op;
    double value;
    for (int i = 0; i < 40; i++)
        weight[i] = i == 13 ? 3.0f : (float)i / 40;
    check_ok(sc_op_mask(&op, device, &shape, weight, 40));
    check_ok(sc_op_largest_eigenvalue(&value, op, 30, 2));
    assert_true(fabs(value - 9) < 1e-4);
    sc_op_free(op);
    memset(weight, 0, sizeof weight);
    check_ok(sc_op_mask(&op, device, &shape, weight, 40));
    check_ok(sc_op_largest_eigenvalue(&value, op, 30, 2));
    assert_true(value == 0);
    sc_op_free(op);
    sc_device_free(device);
    (void)state;
}

static void failed_compositions_free_their_parts(void **state)
{
    sc_device *device = cpu(1);
    const int64_t dim[2] = {6, 5};
    sc_shape shape = complex_shape(2, dim);
    sc_op *op;
    assert_int_equal(sc_op_wavelet(&op, device, &shape, 2, "db3"), SC_ERR_USAGE);
    assert_null(op);
    assert_non_null(strstr(sc_message(), "db3"));
    sc_op_free(NULL);
    sc_device_free(device);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mask_is_exact),
        cmocka_unit_test(coils_are_exact_with_one_and_two_sets),
        cmocka_unit_test(fourier_is_exact),
        cmocka_unit_test(gradient_is_exact),
        cmocka_unit_test(sense_is_exact_with_one_and_two_sets),
        cmocka_unit_test(fused_sense_equals_the_chain),
        cmocka_unit_test(stacks_and_chains_of_each_other_are_exact),
        cmocka_unit_test(blocks_are_exact_and_the_same_on_all_threads),
        cmocka_unit_test(a_scaled_operator_is_the_factor_times_the_inner),
        cmocka_unit_test(slice_differences_are_exact),
        cmocka_unit_test(full_sampling_with_unit_maps_is_the_identity),
        cmocka_unit_test(largest_eigenvalue_of_weights_is_their_largest_square),
        cmocka_unit_test(failed_compositions_free_their_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
