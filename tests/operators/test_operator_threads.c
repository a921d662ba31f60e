/* Operators are immutable: two threads with a workspace each get the bytes that one gets, and the
 * number of threads inside a kernel does not change them either. */
#include "operator_check.h"
#include <pthread.h>

enum { COILS = 4, NY = 115, NX = 91, ROUNDS = 4 };

static sc_op *make_sense(const sc_device *device, bool lines)
{
    const int64_t dim[2] = {NY, NX};
    sc_c32 *maps = random_maps(2, COILS, NY * NX, 21);
    float *mask = random_mask(NY, NX, lines, 22);
    sc_op *op;
    check_ok(sc_op_sense(&op, device, maps, mask, 2, COILS, 2, dim));
    sc_free(maps);
    sc_free(mask);
    return op;
}

static sc_op *make_wavelet(const sc_device *device)
{
    const int64_t dim[3] = {2, NY, NX};
    sc_shape shape = complex_shape(3, dim);
    sc_op *op;
    check_ok(sc_op_wavelet(&op, device, &shape, 2, "db2"));
    return op;
}

static void *apply_often(void *argument)
{
    op_check *c = argument;
    for (int i = 0; i < ROUNDS; i++) {
        sc_op_forward(c->op, c->y2, c->x, c->work);
        sc_op_adjoint(c->op, c->z, c->y, c->work);
        sc_op_normal(c->op, c->z2, c->x, c->work);
    }
    return NULL;
}

static void expect_same_bytes(const op_check *a, const op_check *b)
{
    assert_memory_equal(a->y2, b->y2, (size_t)a->m * sizeof(float));
    assert_memory_equal(a->z, b->z, (size_t)a->n * sizeof(float));
    assert_memory_equal(a->z2, b->z2, (size_t)a->n * sizeof(float));
}

static void run_from_two_threads(sc_op *op)
{
    pthread_t thread[2];
    op_check alone = op_check_begin(op, 1);
    op_check together[2] = {op_check_begin(op, 1), op_check_begin(op, 1)};
    apply_often(&alone);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, apply_often, &together[i]), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    for (int i = 0; i < 2; i++) {
        expect_same_bytes(&alone, &together[i]);
        op_check_end(&together[i]);
    }
    op_check_end(&alone);
    sc_op_free(op);
}

static void two_callers_get_the_bytes_of_one(void **state)
{
    sc_device *device = cpu(1);
    run_from_two_threads(make_sense(device, false));
    run_from_two_threads(make_sense(device, true));
    run_from_two_threads(make_wavelet(device));
    sc_device_free(device);
    (void)state;
}

static void compare(sc_op *one, sc_op *two)
{
    op_check a = op_check_begin(one, 1), b = op_check_begin(two, 1);
    apply_often(&a);
    apply_often(&b);
    expect_same_bytes(&a, &b);
    op_check_end(&a);
    op_check_end(&b);
    sc_op_free(one);
    sc_op_free(two);
}

static void one_and_two_threads_give_the_same_bytes(void **state)
{
    sc_device *one = cpu(1), *two = cpu(2);
    compare(make_sense(one, false), make_sense(two, false));
    compare(make_sense(one, true), make_sense(two, true));
    compare(make_wavelet(one), make_wavelet(two));
    sc_device_free(one);
    sc_device_free(two);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_callers_get_the_bytes_of_one),
        cmocka_unit_test(one_and_two_threads_give_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
