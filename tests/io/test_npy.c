/* .npy against numpy both ways, and what malformed files get. */
#include "tests/io/io_test.h"

#include "base/array.h"
#include "io/npy.h"

static void need_numpy(void) { skip_unless(PYTHON " -c 'import numpy'", "no numpy"); }

/* Expression i is saved as n<i>.npy; one start of Python for all. */
static void numpy_save(int count, const char *const *expression)
{
    FILE *script = fopen(in_scratch("save.py"), "w");
    assert_non_null(script);
    fprintf(script, "import numpy as np\n");
    for (int i = 0; i < count; i++)
        fprintf(script, "np.save('%s/n%d.npy', %s)\n", scratch, i, expression[i]);
    fclose(script);
    assert_int_equal(run_command(PYTHON " %s", in_scratch("save.py")), 0);
}

static const char *saved(int i)
{
    char name[16];
    snprintf(name, sizeof name, "n%d.npy", i);
    return in_scratch(name);
}

static const struct {
    const char *expression; /* holds 0..23 as (2, 3, 4) */
    sc_dtype dtype;
} numpy_types[] = {
    {"np.arange(24).reshape(2,3,4).astype('<f4')", SC_F32},
    {"np.arange(24).reshape(2,3,4).astype('<f8')", SC_F32},
    {"np.arange(24).reshape(2,3,4).astype('<f2')", SC_F32},
    {"np.arange(24).reshape(2,3,4).astype('>f4')", SC_F32},
    {"np.arange(24).reshape(2,3,4).astype('i1')", SC_F32},
    {"np.arange(24).reshape(2,3,4).astype('>i2')", SC_F32},
    {"np.arange(24).reshape(2,3,4).astype('<u2')", SC_F32},
    {"np.arange(24).reshape(2,3,4).astype('<i4')", SC_F32},
    {"np.arange(24).reshape(2,3,4).astype('<u4')", SC_F32},
    {"np.arange(24).reshape(2,3,4).astype('<i8')", SC_F32},
    {"np.arange(24).reshape(2,3,4).astype('<u8')", SC_F32},
    {"np.arange(24).reshape(2,3,4).astype('u1')", SC_U8},
    {"np.asfortranarray(np.arange(24).reshape(2,3,4).astype('<f4'))", SC_F32},
    {"np.asfortranarray(np.arange(24).reshape(2,3,4).astype('>f8'))", SC_F32},
};

static void single_slices_are_those_of_the_whole(const char *path, const sc_array *whole)
{
    int rank;
    int64_t dim[SC_MAX_RANK];
    bool fortran;
    sc_array slice;
    assert_good(sc_npy_shape(&rank, dim, &fortran, path));
    assert_true(rank == whole->rank && !memcmp(dim, whole->dim, (size_t)rank * sizeof *dim));
    for (int64_t k = 0; k < dim[0]; k++) {
        sc_array expected = sc_array_slice(whole, k);
        if (fortran) {
            assert_int_equal(sc_npy_read_slice(&slice, path, k), SC_ERR_UNSUPPORTED);
            continue;
        }
        assert_good(sc_npy_read_slice(&slice, path, k));
        assert_true(slice.dtype == whole->dtype && slice.rank == rank - 1);
        assert_memory_equal(slice.data, expected.data, sc_array_bytes(&expected));
        sc_array_free(&slice);
    }
    if (!fortran) {
        assert_int_equal(sc_npy_read_slice(&slice, path, dim[0]), SC_ERR_USAGE);
        assert_null(slice.data);
    }
}

static void every_number_type_and_order_of_numpy_is_read(void **state)
{
    (void)state;
    enum { TYPES = sizeof numpy_types / sizeof *numpy_types };
    const char *expression[TYPES];
    need_numpy();
    for (int k = 0; k < TYPES; k++)
        expression[k] = numpy_types[k].expression;
    numpy_save(TYPES, expression);
    for (int k = 0; k < TYPES; k++) {
        sc_array a;
        assert_good(sc_npy_read(&a, saved(k)));
        assert_int_equal(a.dtype, numpy_types[k].dtype);
        assert_int_equal(a.rank, 3);
        assert_true(a.dim[0] == 2 && a.dim[1] == 3 && a.dim[2] == 4);
        for (int i = 0; i < 24; i++)
            assert_true((a.dtype == SC_U8 ? ((uint8_t *)a.data)[i] : ((float *)a.data)[i]) ==
                        (float)i);
        single_slices_are_those_of_the_whole(saved(k), &a);
        sc_array_free(&a);
    }
}

static void complex_bool_scalar_and_half_values_are_read(void **state)
{
    (void)state;
    need_numpy();
    sc_array a;
    static const char *const expression[] = {
        "np.array([1.5-2j, 1e13+1e-12j]).astype('<c8')",
        "np.array([1.5-2j, 1e13+1e-12j]).astype('<c16')",
        "np.array([1.5-2j, 1e13+1e-12j]).astype('>c8')",
        "np.array([1.5-2j, 1e13+1e-12j]).astype('>c16')",
        "np.array([True, False, True])",
        "np.float32(3)",
        "np.array([-2**-24, 65504, -np.inf, 0.1], 'f2')",
    };
    numpy_save(7, expression);
    for (int k = 0; k < 4; k++) {
        assert_good(sc_npy_read(&a, saved(k)));
        assert_int_equal(a.dtype, SC_C32);
        sc_c32 *v = a.data;
        assert_true(crealf(v[0]) == 1.5f && cimagf(v[0]) == -2 && crealf(v[1]) == 1e13f &&
                    cimagf(v[1]) == 1e-12f);
        sc_array_free(&a);
    }
    assert_good(sc_npy_read(&a, saved(4)));
    assert_true(a.dtype == SC_U8 && !memcmp(a.data, "\1\0\1", 3));
    sc_array_free(&a);
    assert_good(sc_npy_read(&a, saved(5)));
    assert_true(a.rank == 1 && a.dim[0] == 1 && *(float *)a.data == 3);
    sc_array_free(&a);
    assert_good(sc_npy_read(&a, saved(6)));
    float *h = a.data;
    assert_true(h[0] == -0x1p-24f && h[1] == 65504 && h[2] < -1e38f && h[3] == 0.0999755859375f);
    sc_array_free(&a);
}

static void numpy_reads_what_we_write(void **state)
{
    (void)state;
    need_numpy();
    static const struct {
        sc_dtype dtype;
        const char *name;
    } types[] = {{SC_F32, "float32"},
                 {SC_C32, "complex64"},
                 {SC_U8, "uint8"},
                 {SC_I32, "int32"},
                 {SC_F64, "float64"}};
    FILE *script = fopen(in_scratch("load.py"), "w");
    assert_non_null(script);
    fprintf(script, "import numpy as np\n");
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        for (int rank = 1; rank <= 8; rank += 3) {
            sc_array a;
            const int64_t dim[8] = {3, 1, 2, 2, 1, 1, 2, 1};
            assert_good(sc_array_create(&a, types[k].dtype, rank, dim));
            for (size_t i = 0; i < sc_array_bytes(&a); i++)
                ((unsigned char *)a.data)[i] = (unsigned char)(i % 60); /* no NaN */
            char name[16];
            snprintf(name, sizeof name, "w%d-%d.npy", (int)k, rank);
            const char *path = in_scratch(name);
            assert_good(sc_npy_write(path, &a));
            fprintf(script,
                    "a = np.load('%s'); b = a.tobytes()\n"
                    "assert a.dtype == '%s' and a.shape == (3,1,2,2,1,1,2,1)[:%d]\n"
                    "assert b == bytes(i %% 60 for i in range(len(b)))\n",
                    path, types[k].name, rank);
            FILE *file = fopen(path, "rb");
            assert_non_null(file);
            fseek(file, 0, SEEK_END);
            assert_int_equal((ftell(file) - (long)sc_array_bytes(&a)) % 64, 0);
            fclose(file);
            sc_array_free(&a);
        }
    }
    fclose(script);
    assert_int_equal(run_command(PYTHON " %s", in_scratch("load.py")), 0);
}

/* version 1 with a given dict and data of zeros */
static const char *crafted(const char *dict, size_t data)
{
    static char file[4096];
    memset(file, 0, sizeof file);
    memcpy(file, "\x93NUMPY\1", 7);
    size_t n = strlen(dict);
    file[8] = (char)(n & 255);
    file[9] = (char)(n >> 8);
    memcpy(file + 10, dict, n);
    const char *path = in_scratch("c.npy");
    put_file(path, file, 10 + n + data);
    return path;
}

static void header_is_parsed_strictly(void **state)
{
    (void)state;
    sc_array a;
    assert_good(sc_npy_read(
        &a, crafted("{ \"shape\" : ( 2 , 3 ) ,'fortran_order':False,'descr':'|u1'}  \n", 6)));
    sc_array_free(&a);
    static const struct {
        const char *dict;
        size_t data;
        sc_status code;
        const char *message;
    } bad[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 11, SC_ERR_FORMAT,
         "promises 12 bytes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 13, SC_ERR_FORMAT,
         "holds 13"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (3,), }", 24, SC_ERR_UNSUPPORTED,
         "'|O'"},
        {"{'descr': '<U4', 'fortran_order': False, 'shape': (3,), }", 48, SC_ERR_UNSUPPORTED,
         "'<U4'"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,), }", 12,
         SC_ERR_UNSUPPORTED, "structured"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (3,), }", 12, SC_ERR_FORMAT,
         "fortran_order"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3), }", 12, SC_ERR_FORMAT, "tuple"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }", 12, SC_ERR_FORMAT, "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0,), }", 0, SC_ERR_INPUT, "size 0"},
        {"{'descr': '<f4', 'fortran_order': False, }", 12, SC_ERR_FORMAT, "'shape' is missing"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", 12,
         SC_ERR_FORMAT, "twice"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'x': 1}", 12, SC_ERR_FORMAT,
         "unknown key 'x'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,)", 12, SC_ERR_FORMAT, "'}'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} x", 12, SC_ERR_FORMAT, "after"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 12,
         SC_ERR_FORMAT, "shape"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", 0,
         SC_ERR_MEMORY, "more than"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1073741824, 1024)}", 0, SC_ERR_FORMAT,
         "promises"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,3)}", 12,
         SC_ERR_UNSUPPORTED, "axes"},
        {"", 0, SC_ERR_FORMAT, "'{'"},
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        assert_refused(sc_npy_read(&a, crafted(bad[k].dict, bad[k].data)), bad[k].code,
                       bad[k].message);
        assert_null(a.data);
        assert_non_null(strstr(sc_message(), "c.npy"));
    }
}

static void cut_and_foreign_files_are_refused(void **state)
{
    (void)state;
    sc_array a;
    assert_refused(sc_npy_read(&a, in_scratch("absent.npy")), SC_ERR_IO, "absent.npy");
    put_text(in_scratch("f.npy"), "not an array at all, but long enough");
    assert_refused(sc_npy_read(&a, in_scratch("f.npy")), SC_ERR_FORMAT, "not a .npy");
    put_text(in_scratch("f.npy"), "");
    assert_refused(sc_npy_read(&a, in_scratch("f.npy")), SC_ERR_FORMAT, "not a .npy");
    put_file(in_scratch("f.npy"), "\x93NUMPY\1\0\377\377{}", 12);
    assert_refused(sc_npy_read(&a, in_scratch("f.npy")), SC_ERR_FORMAT, "header of 65535 bytes");
    put_file(in_scratch("f.npy"), "\x93NUMPY\2\0\377\377\377\377", 12);
    assert_refused(sc_npy_read(&a, in_scratch("f.npy")), SC_ERR_FORMAT, "header of");
    put_file(in_scratch("f.npy"), "\x93NUMPY\2\0\1\0", 10);
    assert_refused(sc_npy_read(&a, in_scratch("f.npy")), SC_ERR_FORMAT, "cut short");
    put_file(in_scratch("f.npy"), "\x93NUMPY\4\0\1\0{}", 12);
    assert_refused(sc_npy_read(&a, in_scratch("f.npy")), SC_ERR_UNSUPPORTED, "version 4");
}

static void double_beyond_float32_is_refused(void **state)
{
    (void)state;
    need_numpy();
    sc_array a;
    numpy_save(1, (const char *const[]){"np.array([1.0, 1e300])"});
    assert_refused(sc_npy_read(&a, saved(0)), SC_ERR_INPUT, "1e+300");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_type_and_order_of_numpy_is_read),
        cmocka_unit_test(complex_bool_scalar_and_half_values_are_read),
        cmocka_unit_test(numpy_reads_what_we_write),
        cmocka_unit_test(header_is_parsed_strictly),
        cmocka_unit_test(cut_and_foreign_files_are_refused),
        cmocka_unit_test(double_beyond_float32_is_refused),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
