/* Speed of the network's layers and of the shipped prior's network, forward and backward. Prints
 * tables in Markdown, after what this core can do at all. Usage: layers [THREADS [LANES]]; LANES 8 and
 * 0 take the kernels for processors without AVX-512, without AVX2. */
#include <base/kernel_net.h>
#include <prior/network/network.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 7 };

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

static float *ramp(size_t n)
{
    float *x = aligned_alloc(64, (n * sizeof *x + 63) / 64 * 64);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(i % 97) / 97 - .5f;
    return x;
}

typedef struct {
    int n, size, in, out, kernel;
} layer;

static const layer layers[] = {
    {16, 96, 2, 32, 3},  {16, 96, 32, 32, 3}, {16, 96, 64, 32, 3},   {16, 96, 32, 32, 1},
    {16, 96, 32, 2, 3},  {16, 48, 32, 32, 3}, {16, 24, 64, 64, 3},   {16, 12, 128, 128, 3},
    {1, 256, 32, 32, 3}, {1, 256, 64, 32, 3}, {1, 64, 64, 64, 3},  {1, 32, 256, 128, 3},
};

typedef struct {
    const sc_net_kernels *net;
    sc_conv *conv;
    float *x, *y, *W, *bias;
    void *packed, *scratch;
} bench;

typedef void action(bench *b);

static void forward(bench *b) { need(b->net->conv_forward(b->conv, b->y, b->x, b->packed, b->scratch)); }
static void data(bench *b)
{
    need(b->net->conv_backward_data(b->conv, b->x, b->y, b->packed, 0, b->scratch));
}
static void weights(bench *b)
{
    need(b->net->conv_backward_weights(b->conv, b->W, b->bias, b->x, b->y, b->scratch));
}

/* The best of many: other work on the machine only adds. */
static double best(action *act, bench *b)
{
    double least = 1e30;
    for (int i = 0; i < ROUNDS; i++) {
        double start = seconds();
        act(b);
        double time = seconds() - start;
        least = time < least ? time : least;
    }
    return least;
}

static void convolution(const sc_device *device, const layer *l)
{
    bench b = {.net = device->kernels->net};
    int64_t taps = l->kernel * l->kernel, pixels = (int64_t)l->n * l->size * l->size;
    sc_conv_shape shape = {.n = l->n, .h = l->size, .w = l->size, .in = l->in, .out = l->out,
                           .kernel = l->kernel, .stride = 1, .pad_low = l->kernel / 2,
                           .pad_high = l->kernel / 2, .out_stride = l->in * taps,
                           .in_stride = taps, .bias = 1, .scale = 1, .backward = 1};
    size_t packed, scratch;
    need(b.net->conv_create(device, &b.conv, &shape));
    b.net->conv_bytes(b.conv, &packed, &scratch);
    b.x = ramp((size_t)(pixels * l->in));
    b.y = ramp((size_t)(pixels * l->out));
    b.W = ramp((size_t)(taps * l->in * l->out));
    b.bias = ramp((size_t)l->out);
    b.packed = ramp(packed / sizeof(float));
    b.scratch = ramp(scratch / sizeof(float) + 1);
    need(b.net->conv_pack(b.conv, b.packed, b.W, b.bias, b.scratch));
    double gflop = 2e-9 * (double)(taps * l->in * l->out * pixels);
    double f = best(forward, &b), d = best(data, &b), w = best(weights, &b);
    printf("| %d x %d x %d, %d to %d, %dx%d | %.2f | %.2f ms | %.0f | %.0f | %.0f |\n", l->n, l->size,
           l->size, l->in, l->out, l->kernel, l->kernel, gflop, 1e3 * f, gflop / f, gflop / d,
           gflop / w);
    b.net->conv_free(b.conv);
    free(b.x), free(b.y), free(b.W), free(b.bias), free(b.packed), free(b.scratch);
}

static void network(const sc_device *device, int n, int h, int w, int backward)
{
    sc_network_config config = sc_network_config_default();
    sc_network *net;
    sc_run *run;
    need(sc_network_create(&net, &config));
    size_t parameters = (size_t)sc_network_parameter_count(net), size = (size_t)n * h * w * 2;
    float *theta = ramp(parameters), *gradient = ramp(parameters), *x = ramp(size), *d = ramp(size);
    double sigma[16], f = 1e30, b = 1e30;
    for (int i = 0; i < n; i++)
        sigma[i] = .1 * (i + 1);
    sc_network_initialise(net, theta, 1);
    need(sc_run_create(&run, net, device, n, h, w, backward));
    need(sc_run_set_theta(run, theta));
    for (int i = 0; i < ROUNDS; i++) {
        double start = seconds();
        need(sc_run_denoise(run, d, x, sigma));
        double middle = seconds();
        if (backward)
            need(sc_run_backward(run, gradient, NULL, d));
        double end = seconds();
        f = middle - start < f ? middle - start : f;
        b = end - middle < b ? end - middle : b;
    }
    double gflop = sc_run_flops(run) * 1e-9;
    printf("| %d x %d x %d | %.1f | %.0f MiB | %.0f ms | %.0f |", n, h, w, gflop,
           (double)sc_run_bytes(run) / 1048576, 1e3 * f, gflop / f);
    printf(backward ? " %.0f ms | %.0f |\n" : " | |\n", 1e3 * b, 2 * gflop / b);
    sc_run_free(run);
    sc_network_free(net);
    free(theta), free(gradient), free(x), free(d);
}

/* Ceilings: a large matrix product, and copies in the third cache and in memory. */
static void ceilings(const sc_device *device)
{
    const int64_t size = 1024, bytes[] = {(int64_t)16 << 20, (int64_t)512 << 20};
    float *a = ramp((size_t)(size * size)), *b = ramp((size_t)(size * size));
    float *c = ramp((size_t)(size * size)), *from = ramp((size_t)bytes[1] / 8);
    float *to = ramp((size_t)bytes[1] / 8);
    double least[3] = {1e30, 1e30, 1e30};
    for (int i = 0; i < 3 * ROUNDS; i++) {
        double start = seconds();
        if (i % 3 == 0)
            device->kernels->sgemm(device, c, a, b, size, size, size, 0, 0, 1, 0);
        else
            memcpy(to, from, (size_t)bytes[i % 3 - 1] / 2);
        double time = seconds() - start;
        least[i % 3] = time < least[i % 3] ? time : least[i % 3];
    }
    printf("sgemm of %d: %.0f GFLOP/s; copies, bytes read and written: %.1f GB/s over 16 MiB, %.1f "
           "GB/s over 512 MiB\n\n", (int)size, 2e-9 * (double)(size * size * size) / least[0],
           1e-9 * (double)bytes[0] / least[1], 1e-9 * (double)bytes[1] / least[2]);
    free(a), free(b), free(c), free(from), free(to);
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    sc_device *device;
    need(sc_device_create_cpu(&device, threads));
    if (argc > 2 && atoi(argv[2]) < device->lanes)
        device->lanes = atoi(argv[2]);
    if (threads > 1)
        clock_used = CLOCK_MONOTONIC;
    printf("%d thread%s, %s time, vectors of %d\n\n", threads, threads > 1 ? "s" : "",
           threads > 1 ? "wall" : "CPU", device->lanes);
    ceilings(device);
    printf("| convolution | GFLOP | forward | GFLOP/s | data gradient GFLOP/s | weight gradient "
           "GFLOP/s |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        convolution(device, &layers[i]);
    printf("\n| network of the shipped prior | GFLOP | memory | forward | GFLOP/s | backward | "
           "GFLOP/s |\n|---|---|---|---|---|---|---|\n");
    network(device, 1, 232, 184, 0);
    network(device, 1, 256, 256, 0);
    network(device, 16, 96, 96, 1);
    sc_device_free(device);
    return 0;
}
