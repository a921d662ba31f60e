/* Arrays and allocation: sizes are checked before they are used. */
#include "base/array.h"
#include "base/memory.h"
#include "check.h"

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    sc_array a;
    const int64_t huge[] = {INT64_MAX, INT64_MAX}, large[] = {1 << 20, 1 << 20, 2};
    const int64_t zero[] = {3, 0}, negative[] = {3, -1};
    check_failure(sc_array_create(&a, SC_C32, 2, huge), SC_ERR_MEMORY, "elements");
    assert_null(a.data);
    check_failure(sc_array_create(&a, SC_U8, 3, large), SC_ERR_MEMORY, "elements");
    check_failure(sc_array_create(&a, SC_F32, 2, zero), SC_ERR_INPUT, "axis 1 has size 0");
    check_failure(sc_array_create(&a, SC_F32, 2, negative), SC_ERR_INPUT, "axis 1 has size -1");
    check_failure(sc_array_create(&a, SC_F32, 0, zero), SC_ERR_INPUT, "rank 0");
    check_failure(sc_array_create(&a, SC_F32, 9, zero), SC_ERR_INPUT, "rank 9");
    void *p;
    check_failure(sc_alloc(&p, SIZE_MAX, 2, "thing"), SC_ERR_MEMORY, "thing");
    check_failure(sc_alloc(&p, SIZE_MAX, 1, "thing"), SC_ERR_MEMORY, "too many");
    check_failure(sc_alloc(&p, SIZE_MAX / 4, 1, "thing"), SC_ERR_MEMORY, "too many");
    assert_null(p);
}

static void a_count_is_refused_beyond_the_callers_limit(void **state)
{
    (void)state;
    const int64_t dim[] = {10, 10};
    int64_t count;
    assert_int_equal(sc_shape_count(&count, 2, dim, 100), SC_OK);
    assert_int_equal(count, 100);
    check_failure(sc_shape_count(&count, 2, dim, 99), SC_ERR_MEMORY, "99");
    assert_int_equal(count, 0);
}

static void arrays_are_zeroed_aligned_and_empty_after_free(void **state)
{
    (void)state;
    sc_array a;
    const int64_t dim[] = {3, 5, 7};
    assert_int_equal(sc_array_create(&a, SC_F32, 3, dim), SC_OK);
    assert_int_equal((uintptr_t)a.data % 64, 0);
    assert_int_equal(sc_array_count(&a), 105);
    assert_int_equal(sc_array_bytes(&a), 420);
    for (int i = 0; i < 105; i++)
        assert_true(((float *)a.data)[i] == 0);
    sc_array_free(&a);
    assert_null(a.data);
    assert_int_equal(sc_array_count(&a), 0);
    sc_array_free(&a);
    sc_array_free(NULL);
}

static void views_borrow_and_copies_own(void **state)
{
    (void)state;
    sc_array a, copy;
    const int64_t dim[] = {2, 3};
    assert_int_equal(sc_array_create(&a, SC_I32, 2, dim), SC_OK);
    for (int i = 0; i < 6; i++)
        ((int32_t *)a.data)[i] = i;
    sc_array row = sc_array_slice(&a, 1);
    assert_int_equal(row.rank, 1);
    assert_int_equal(row.dim[0], 3);
    assert_int_equal(((int32_t *)row.data)[0], 3);
    assert_int_equal(sc_array_copy(&copy, &row), SC_OK);
    sc_array_free(&row); /* a view frees nothing */
    sc_array_free(&a);
    assert_int_equal(((int32_t *)copy.data)[2], 5);
    sc_array_free(&copy);
}

static void every_dtype_has_a_size_and_a_name(void **state)
{
    (void)state;
    const size_t size[] = {4, 8, 1, 4, 2, 8, 8};
    for (int t = SC_F32; t <= SC_I64; t++) {
        assert_int_equal(sc_dtype_size((sc_dtype)t), size[t]);
        assert_true(strlen(sc_dtype_name((sc_dtype)t)) > 0);
    }
}

static void strings_are_copied(void **state)
{
    (void)state;
    char *copy;
    assert_int_equal(sc_string_copy(&copy, "text"), SC_OK);
    assert_string_equal(copy, "text");
    sc_free(copy);
    assert_int_equal(sc_string_copy(&copy, NULL), SC_OK);
    assert_null(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(a_count_is_refused_beyond_the_callers_limit),
        cmocka_unit_test(arrays_are_zeroed_aligned_and_empty_after_free),
        cmocka_unit_test(views_borrow_and_copies_own),
        cmocka_unit_test(every_dtype_has_a_size_and_a_name),
        cmocka_unit_test(strings_are_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
