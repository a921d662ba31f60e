/* Speed of the operators at 8 coils x 230 x 180, beside what bounds them: the FFTs alone, done by
 * FFTW without centring in the same run. Prints a table in Markdown. Usage: operators [THREADS] */
#include <fftw3.h>
#include <scorecon.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { COILS = 8, NY = 230, NX = 180, N = NY * NX, ROUNDS = 40 };

/* One thread: processor time, which other work on the machine does not change; more: wall time. */
static clockid_t clock_used = CLOCK_PROCESS_CPUTIME_ID;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(clock_used, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void need(sc_status status)
{
    if (status != SC_OK) {
        fprintf(stderr, "%s\n", sc_message());
        exit(1);
    }
}

typedef void action(void *self);

/* The best of many: other work on the machine only adds. */
static double best(action *act, void *self)
{
    double least = 1e30;
    for (int i = 0; i < ROUNDS; i++) {
        double start = seconds();
        act(self);
        double time = seconds() - start;
        least = time < least ? time : least;
    }
    return least;
}

typedef struct {
    sc_op *op;
    float *x, *y, *z;
    void *work;
} bench;

static void forward(void *self)
{
    bench *b = self;
    sc_op_forward(b->op, b->y, b->x, b->work);
}

static void adjoint(void *self)
{
    bench *b = self;
    sc_op_adjoint(b->op, b->z, b->y, b->work);
}

static void normal(void *self)
{
    bench *b = self;
    sc_op_normal(b->op, b->z, b->x, b->work);
}

static void print_times(sc_op *op, const char *label)
{
    bench b = {.op = op};
    char text[128];
    need(SC_DEVICE_ALLOC(op->device, &b.x, sc_shape_floats(&op->domain)));
    need(SC_DEVICE_ALLOC(op->device, &b.z, sc_shape_floats(&op->domain)));
    need(SC_DEVICE_ALLOC(op->device, &b.y, sc_shape_floats(&op->range)));
    need(sc_op_work_create(op, &b.work));
    op->device->kernels->normal(op->device, b.x, sc_shape_floats(&op->domain), (sc_key){.seed = 1},
                                SC_DRAW_TEST, 0);
    double f = best(forward, &b), a = best(adjoint, &b), n = best(normal, &b);
    op->describe(op, text, sizeof text);
    printf("| %s%s | %.1f | %.1f | %.2f | %.2f | %.2f |\n", text, label, op->flops * 1e-6,
           (double)op->work_bytes / 1e6, f * 1e3, a * 1e3, n * 1e3);
    sc_device_release(op->device, b.x);
    sc_device_release(op->device, b.y);
    sc_device_release(op->device, b.z);
    sc_device_release(op->device, b.work);
    sc_op_free(op);
}

typedef struct {
    fftwf_plan plan;
    fftwf_complex *x;
    int threads;
} transforms;

static void transform_all(void *self)
{
    transforms *t = self;
#pragma omp parallel for num_threads(t->threads)
    for (int c = 0; c < COILS; c++)
        fftwf_execute_dft(t->plan, t->x + (size_t)c * N, t->x + (size_t)c * N);
}

static double fftw_seconds(int threads)
{
    transforms t = {.x = fftwf_alloc_complex((size_t)COILS * N), .threads = threads};
    if (!t.x)
        exit(1);
    for (int i = 0; i < COILS * N; i++)
        t.x[i][0] = t.x[i][1] = 0;
    t.plan = fftwf_plan_dft_2d(NY, NX, t.x, t.x, FFTW_FORWARD, FFTW_ESTIMATE);
    double time = best(transform_all, &t);
    fftwf_destroy_plan(t.plan);
    fftwf_free(t.x);
    return time;
}

static sc_op *make(const sc_device *device, const char *name)
{
    static sc_c32 maps[COILS * N];
    static float mask[N];
    const int64_t dim[2] = {NY, NX};
    sc_shape image = {SC_C32, 2, {NY, NX}}, coils = {SC_C32, 3, {COILS, NY, NX}};
    sc_op *op = NULL;
    for (int i = 0; i < COILS * N; i++)
        maps[i] = 0.35f;
    for (int i = 0; i < N; i++)
        mask[i] = i / NX % 4 == 0;
    switch (name[0]) {
    case 'm':
        need(sc_op_mask(&op, device, &coils, mask, N));
        break;
    case 'c':
        need(sc_op_coils(&op, device, maps, 1, COILS, 2, dim));
        break;
    case 'f':
        need(sc_op_fourier(&op, device, &coils, 2));
        break;
    case 'w':
        need(sc_op_wavelet(&op, device, &image, 2, "db2"));
        break;
    case 'g':
        need(sc_op_gradient(&op, device, &image, 2));
        break;
    default:
        need(sc_op_sense(&op, device, maps, mask, 1, COILS, 2, dim));
        break;
    }
    return op;
}

int main(int count, char **argument)
{
    int threads = count > 1 ? atoi(argument[1]) : 1;
    sc_device *device;
    need(sc_device_create_cpu(&device, threads));
    if (threads > 1)
        clock_used = CLOCK_MONOTONIC;
    printf("%d thread(s), %s time, best of %d\n\n", threads, threads > 1 ? "wall" : "processor",
           ROUNDS);
    printf("| operator | MFLOP forward | workspace MB | forward ms | adjoint ms | normal ms |\n");
    printf("| --- | --- | --- | --- | --- | --- |\n");
    const char *const names[] = {"mask", "coils", "fourier", "wavelet", "gradient", "sense"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        print_times(make(device, names[i]), names[i][0] == 'w' ? " (db2)" : "");
    printf("| %d FFTs of FFTW alone, not centred | | | %.2f | | %.2f |\n", COILS,
           fftw_seconds(threads) * 1e3, 2e3 * fftw_seconds(threads));
    sc_device_free(device);
    return 0;
}
