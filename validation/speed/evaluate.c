/* One network, timed for pytorch.py, which drives it through its standard input and output.
 *
 * Usage: evaluate MODEL N H W THREADS FOLDER; MODEL is a prior (.safetensors) or a network's
 * configuration (.json), whose weights are then drawn. Writes parameters.txt (name, shape), theta,
 * x, sigma, d and gradient (of <d, D> with respect to theta) into FOLDER as float32. Then answers
 * each line "evaluate" and "step" with processor and wall seconds of one evaluation, or of one
 * forward, backward and reordering of weights.
 */
#include <base/device.h>
#include <prior/network/network.h>
#include <prior/weights.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void need(sc_status status)
{
    if (status != SC_OK) {
        fprintf(stderr, "%s\n", sc_message());
        exit(1);
    }
}

static float *floats(size_t n) { return calloc(n, sizeof(float)); }

/* Uniform in -1..1, the same everywhere. */
static float draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)(*state >> 40) / 8388608.f - 1.f;
}

static char *text_of(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 65536);
    if (!file || !fread(text, 1, 65535, file)) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(1);
    }
    fclose(file);
    return text;
}

/* Published initial values leave the last convolution of every block at nearly zero: add some. */
static void drawn_model(sc_weights *model, const char *path)
{
    sc_network_config config;
    char *text = text_of(path);
    need(sc_network_config_parse(&config, text));
    need(sc_network_create(&model->network, &config));
    int64_t n = sc_network_parameter_count(model->network);
    uint64_t state = 1;
    model->theta = floats((size_t)n);
    sc_network_initialise(model->network, model->theta, 1);
    for (int64_t i = 0; i < n; i++)
        model->theta[i] += .02f * draw(&state);
    free(text);
}

typedef struct {
    const char *folder;
    int n, h, w, channels;
    size_t size;
    sc_weights model;
    sc_run *run, *training; /* without and with backward */
    float *x, *d, *gradient;
    double sigma[64];
} bench;

static void write_floats(const bench *b, const char *name, const float *x, size_t n)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.f32", b->folder, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(x, sizeof *x, n, file) != n || fclose(file)) {
        fprintf(stderr, "%s: cannot be written\n", path);
        exit(1);
    }
}

static void write_parameters(const bench *b)
{
    char path[4096];
    const sc_parameter *p;
    int count = sc_network_parameters(b->model.network, &p);
    snprintf(path, sizeof path, "%s/parameters.txt", b->folder);
    FILE *file = fopen(path, "w");
    for (int i = 0; file && i < count; i++) {
        fprintf(file, "%s", p[i].name);
        for (int k = 0; k < p[i].rank; k++)
            fprintf(file, " %lld", (long long)p[i].dim[k]);
        fprintf(file, "\n");
    }
    if (!file || fclose(file))
        exit(1);
    char *json;
    need(sc_network_config_print(&json, sc_network_configuration(b->model.network)));
    snprintf(path, sizeof path, "%s/network.json", b->folder);
    file = fopen(path, "w");
    if (!file || fputs(json, file) < 0 || fclose(file))
        exit(1);
}

static void step(bench *b)
{
    need(sc_run_denoise(b->training, b->d, b->x, b->sigma));
    need(sc_run_backward(b->training, b->gradient, NULL, b->d));
    need(sc_run_set_theta(b->training, b->model.theta));
}

static void evaluate(bench *b) { need(sc_run_denoise(b->run, b->d, b->x, b->sigma)); }

static void results(bench *b)
{
    float sigma[64];
    size_t parameters = (size_t)sc_network_parameter_count(b->model.network);
    for (int i = 0; i < b->n; i++)
        sigma[i] = (float)b->sigma[i];
    step(b);
    write_floats(b, "gradient", b->gradient, parameters);
    evaluate(b);
    write_floats(b, "d", b->d, b->size);
    write_floats(b, "x", b->x, b->size);
    write_floats(b, "sigma", sigma, (size_t)b->n);
    write_floats(b, "theta", b->model.theta, parameters);
    write_parameters(b);
}

static void serve(bench *b)
{
    char line[64];
    printf("%.3f GFLOP\n", 1e-9 * sc_run_flops(b->run));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        void (*act)(bench *) = strcmp(line, "step\n") ? evaluate : step;
        double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
        act(b);
        printf("%.6f %.6f\n", seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu,
               seconds(CLOCK_MONOTONIC) - wall);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    bench b = {0};
    sc_device *device;
    uint64_t state = 2;
    if (argc != 7)
        return fprintf(stderr, "usage: evaluate MODEL N H W THREADS FOLDER\n"), 1;
    b.n = atoi(argv[2]), b.h = atoi(argv[3]), b.w = atoi(argv[4]), b.folder = argv[6];
    need(sc_device_create_cpu(&device, atoi(argv[5])));
    if (strstr(argv[1], ".json"))
        drawn_model(&b.model, argv[1]);
    else
        need(sc_weights_read(&b.model, argv[1]));
    b.channels = sc_network_configuration(b.model.network)->channels;
    b.size = (size_t)b.n * (size_t)b.h * (size_t)b.w * (size_t)b.channels;
    b.x = floats(b.size), b.d = floats(b.size);
    b.gradient = floats((size_t)sc_network_parameter_count(b.model.network));
    for (size_t i = 0; i < b.size; i++)
        b.x[i] = draw(&state);
    for (int i = 0; i < b.n && i < 64; i++)
        b.sigma[i] = .05 * (i + 1);
    need(sc_run_create(&b.run, b.model.network, device, b.n, b.h, b.w, 0));
    need(sc_run_create(&b.training, b.model.network, device, b.n, b.h, b.w, 1));
    need(sc_run_set_theta(b.run, b.model.theta));
    need(sc_run_set_theta(b.training, b.model.theta));
    results(&b);
    serve(&b);
    return 0;
}
