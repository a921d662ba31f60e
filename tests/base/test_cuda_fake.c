/* Label cuda-fake: the host side of the CUDA row on the fake runtime of tests/fake_cuda, against
 * the CPU row; what must fault faults; failures are kept and told. */
#include "check.h"
#include "row_compare.h"
#include "tests/fake_cuda/fixture.h"
#include <cublas_v2.h>
#include <cufft.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static int start(void **state) { return (void)state, start_rows(1); }

static void every_kernel_equals_the_cpu_row(void **state)
{
    (void)state;
    compare_rows(cpu, &fake);
}

/* Signal that ends a child which does `touch`; 0 if it lives. */
static int signal_of(void (*touch)(float *on_device, int64_t n))
{
    const int64_t n = 1024; /* a whole page: its end is the end of the mapping */
    float *x;
    assert_int_equal(SC_DEVICE_ALLOC(&fake, &x, n), SC_OK);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* not the sanitizer's report */
        touch(x, n);
        _exit(0);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    sc_device_release(&fake, x);
    return WIFSIGNALED(result) ? WTERMSIG(result) : 0;
}

static void read_one(float *x, int64_t n)
{
    volatile float *p = x;
    (void)p[n / 2];
}
static void write_one(float *x, int64_t n)
{
    volatile float *p = x;
    p[n - 1] = 1;
}
static void fill_all(float *x, int64_t n) { fake.kernels->fill(&fake, x, 1, n); }
static void fill_too_much(float *x, int64_t n) { fake.kernels->fill(&fake, x, 1, n + 1); }

static void host_code_that_touches_device_memory_faults(void **state)
{
    (void)state;
    assert_int_equal(signal_of(read_one), SIGSEGV);
    assert_int_equal(signal_of(write_one), SIGSEGV);
    assert_int_equal(signal_of(fill_all), 0);
    assert_int_equal(signal_of(fill_too_much), SIGSEGV);
}

static void device_memory_is_zeroed(void **state)
{
    (void)state;
    for (int64_t n = 1; n < 3000; n = 3 * n + 1) {
        float *x, *host = random_floats(n, 1);
        assert_int_equal(SC_DEVICE_ALLOC(&fake, &x, n), SC_OK);
        assert_int_equal(fake.kernels->download(&fake, host, x, (size_t)n * sizeof *x), SC_OK);
        for (int64_t i = 0; i < n; i++)
            assert_true(host[i] == 0);
        sc_device_release(&fake, x);
        sc_free(host);
    }
}

static void a_host_pointer_in_a_kernel_is_told_at_sync(void **state)
{
    (void)state;
    float host[4] = {1, 2, 3, 4}, *x;
    assert_int_equal(SC_DEVICE_ALLOC(&fake, &x, 4), SC_OK);
    fake.kernels->axpby(&fake, x, 1, host, 1, x, 4);
    check_failure(fake.kernels->sync(&fake), SC_ERR_IO, "fake error 700");
    sc_device_release(&fake, x);
}

static void the_first_failure_is_kept(void **state)
{
    (void)state;
    float host[4] = {1, 2, 3, 4}, *x, *y;
    assert_int_equal(SC_DEVICE_ALLOC(&fake, &x, 4), SC_OK);
    assert_int_equal(fake.kernels->upload(&fake, x, host, sizeof host), SC_OK);
    sc_fake_fail("axpby", 1, cudaErrorLaunchFailure);
    fake.kernels->axpby(&fake, x, 2, x, 0, x, 4);
    assert_int_equal(fake.kernels->sync(&fake), SC_OK);
    fake.kernels->axpby(&fake, x, 2, x, 0, x, 4);
    check_failure(fake.kernels->sync(&fake), SC_ERR_IO, "CUDA: axpby: fake error 719");
    fake.kernels->fill(&fake, x, 0, 4);
    check_failure(fake.kernels->sync(&fake), SC_ERR_IO, "CUDA: axpby");
    check_failure(fake.kernels->download(&fake, host, x, sizeof host), SC_ERR_IO, "axpby");
    check_failure(fake.kernels->upload(&fake, x, host, sizeof host), SC_ERR_IO, "axpby");
    check_failure(SC_DEVICE_ALLOC(&fake, &y, 4), SC_ERR_IO, "axpby");
    assert_null(y);
    assert_true(isnan(fake.kernels->dot(&fake, x, x, 4)));
    sc_fft *fft;
    const int64_t dim = 4;
    check_failure(fake.kernels->fft_create(&fake, &fft, 1, &dim, 1), SC_ERR_IO, "axpby");
    assert_null(fft);
    sc_device_release(&fake, x);
}

static void every_call_that_fails_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *call, *text;
        int error;
    } calls[] = {
        {"cudaStreamSynchronize", "upload", 719},
        {"cudaMemcpyAsync", "upload", 1},
        {"cudaMemsetAsync", "clearing", 1},
        {"dot", "dot", 719},
        {"cufftExecC2C", "fft: cuFFT", 6},
        {"cublasSgemm", "sgemm: cuBLAS", 13},
        {"phase", "phase", 719},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        sc_device device = {.threads = 1};
        float host[8] = {0}, *x = NULL, *z = NULL;
        const int64_t dim = 4;
        sc_fft *fft = NULL;
        assert_int_equal(sc_cuda_open(&device), SC_OK);
        const sc_kernels *k = device.kernels;
        assert_int_equal(SC_DEVICE_ALLOC(&device, &z, 8), SC_OK);
        assert_int_equal(k->fft_create(&device, &fft, 1, &dim, 1), SC_OK);
        sc_fake_fail(calls[i].call, 0, calls[i].error);
        (void)SC_DEVICE_ALLOC(&device, &x, 8);
        (void)k->upload(&device, x, host, sizeof host);
        (void)k->dot(&device, x, x, 8);
        if (x) {
            k->fft(fft, (sc_c32 *)x, (sc_c32 *)x, false);
            k->sgemm(&device, z, x, x, 2, 2, 2, false, false, 1, 0);
        }
        check_failure(k->sync(&device), SC_ERR_IO, calls[i].text);
        k->fft_free(fft);
        sc_device_release(&device, x);
        sc_device_release(&device, z);
        k->destroy(&device);
    }
}

static void lack_of_memory_is_told_and_not_kept(void **state)
{
    (void)state;
    float *x;
    sc_fft *fft;
    const int64_t dim = 4;
    sc_fake_fail("cudaMalloc", 0, cudaErrorMemoryAllocation);
    check_failure(SC_DEVICE_ALLOC(&fake, &x, 100), SC_ERR_MEMORY, "400 bytes");
    assert_null(x);
    assert_int_equal(SC_DEVICE_ALLOC(&fake, &x, 100), SC_OK);
    sc_fake_fail("cudaMalloc", 0, cudaErrorMemoryAllocation);
    check_failure(fake.kernels->fft_create(&fake, &fft, 1, &dim, 1), SC_ERR_MEMORY, "bytes");
    sc_fake_fail("cufftCreate", 0, CUFFT_ALLOC_FAILED);
    check_failure(fake.kernels->fft_create(&fake, &fft, 1, &dim, 1), SC_ERR_MEMORY, "cuFFT");
    sc_fake_fail("cufftMakePlanMany64", 0, CUFFT_ALLOC_FAILED);
    check_failure(fake.kernels->fft_create(&fake, &fft, 1, &dim, 1), SC_ERR_MEMORY, "cuFFT");
    assert_null(fft);
    assert_int_equal(fake.kernels->sync(&fake), SC_OK);
    sc_device_release(&fake, x);
}

static void opening_says_what_is_missing(void **state)
{
    (void)state;
    static const struct {
        const char *call, *text;
        int error;
    } calls[] = {
        {"cudaStreamCreateWithFlags", "stream", 719},
        {"cudaMalloc", "first allocation", 2},
        {"cublasCreate", "cuBLAS", 1},
    };
    sc_device device = {.threads = 1};
    int live = sc_fake_live();
    assert_string_equal(fake.description, "Fake, 2 GiB, CUDA 13.0");
    sc_fake_set_gpus(0, 0);
    check_failure(sc_cuda_open(&device), SC_ERR_UNSUPPORTED, "no driver");
    sc_fake_set_gpus(13000, 0);
    check_failure(sc_cuda_open(&device), SC_ERR_UNSUPPORTED, "no usable GPU");
    sc_fake_set_gpus(13000, 1);
    for (int i = 0; i < 3; i++) {
        sc_fake_fail(calls[i].call, 0, calls[i].error);
        check_failure(sc_cuda_open(&device), SC_ERR_UNSUPPORTED, calls[i].text);
        assert_null(device.context);
        assert_int_equal(sc_fake_live(), live);
    }
}

static void *sum_often(void *sum)
{
    int64_t n = 5000;
    float *x = to_device(&fake, random_floats(n, 7), n);
    for (int i = 0; i < 50; i++) {
        double found = fake.kernels->dot(&fake, x, x, n);
        if (i > 0 && found != *(double *)sum)
            found = NAN;
        *(double *)sum = found;
    }
    sc_device_release(&fake, x);
    return NULL;
}

static void threads_may_share_the_device(void **state)
{
    (void)state;
    pthread_t thread[3];
    double sum[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, sum_often, &sum[i]), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    assert_true(sum[0] == sum[1] && sum[1] == sum[2]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_kernel_equals_the_cpu_row),
        TEST(host_code_that_touches_device_memory_faults),
        TEST(device_memory_is_zeroed),
        TEST(a_host_pointer_in_a_kernel_is_told_at_sync),
        TEST(the_first_failure_is_kept),
        TEST(every_call_that_fails_is_named),
        TEST(lack_of_memory_is_told_and_not_kept),
        TEST(opening_says_what_is_missing),
        TEST(threads_may_share_the_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
