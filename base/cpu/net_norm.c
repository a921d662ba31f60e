/* Group normalisation with fused shift and SiLU, forward and backward, on the CPU.
 *
 * Wu and He 2018, "Group normalization". Sums are taken per channel (channels are the contiguous
 * axis), over chunks of pixels whose size does not depend on the number of threads: float within
 * 64 pixels, double beyond. Channels are gathered into groups in double, so that a shift per
 * channel costs nothing, and a group may span both inputs.
 *
 * With u^ = (u - mean) / std, gz = gy silu'(z), m values a group:
 *     gu = (w gz - mean_group(w gz) - u^ mean_group(w gz u^)) / std.
 */
#include "base/cpu/net_internal.h"
#include "base/cpu/net_norm_internal.h"
#include <math.h>
#include <string.h>

#define CHUNK 1024 /* pixels a unit of work */
#define SHORT 64   /* pixels summed in float */
#define SUMS 3     /* per channel: forward u, u^2; backward gz, gz u^, u^ */
#define COEFFICIENTS 5
#define TILE 512   /* channels of one float accumulator */

typedef struct {
    const sc_norm_kernels *kernels;
    const sc_norm_shape *shape;
    const sc_norm_input *input;
    int channels;
    int64_t chunks;
    double *sums;       /* of one image (chunks, channels, SUMS) */
    float *coefficient; /* of one image (COEFFICIENTS, channels) */
} work;

static int64_t chunk_count(int64_t pixels) { return (pixels + CHUNK - 1) / CHUNK; }

static size_t image_doubles(const sc_norm_shape *s)
{
    int64_t channels = s->c[0] + s->c[1];
    size_t sums = (size_t)(chunk_count(s->pixels) * channels * SUMS);
    size_t parameters = (size_t)(2 * channels); /* gradient of weight and bias of one image */
    size_t coefficients = (size_t)(channels * COEFFICIENTS + 1) / 2;
    return (sums + parameters + coefficients + 7) / 8 * 8;
}

size_t sc_cpu_norm_scratch(const sc_norm_shape *s)
{
    return (size_t)s->n * image_doubles(s) * sizeof(double);
}

static const sc_norm_kernels *kernels_for(const sc_device *device)
{
#if defined(__x86_64__)
    if (device->lanes >= 8)
        return device->lanes >= 16 ? &sc_norm_avx512 : &sc_norm_avx2;
#endif
    (void)device;
    return &sc_norm_plain;
}

static work work_of(const sc_device *device, const sc_norm_shape *s, const sc_norm_input *input,
                    void *scratch, int image)
{
    work w = {.kernels = kernels_for(device), .shape = s, .input = input, .channels = s->c[0] + s->c[1],
              .chunks = chunk_count(s->pixels)};
    w.sums = (double *)scratch + (size_t)image * image_doubles(s);
    w.coefficient = (float *)(w.sums + w.chunks * w.channels * SUMS + 2 * w.channels);
    return w;
}

/* the two gradients of parameters of one image, behind its sums */
static double *parameter_sums(const work *w) { return w->sums + w->chunks * w->channels * SUMS; }

static void sum_chunk(const sc_norm_kernels *kernels, double *sums /* (c, SUMS) */, const float *x, int64_t pixels, int64_t stride,
                      int c)
{
    float a[TILE], b[TILE];
    for (int64_t p = 0; p < pixels; p += SHORT) {
        int64_t count = pixels - p < SHORT ? pixels - p : SHORT;
        kernels->sum(a, b, x + p * stride, count, stride, c);
        for (int i = 0; i < c; i++) {
            sums[SUMS * i] += a[i];
            sums[SUMS * i + 1] += b[i];
        }
    }
}

/* The part of one chunk of one image that lies in both inputs, in tiles of channels. */
static void sum_both(const work *w, int image, int64_t chunk)
{
    const sc_norm_shape *s = w->shape;
    int64_t first = chunk * CHUNK;
    int64_t pixels = s->pixels - first < CHUNK ? s->pixels - first : CHUNK;
    double *sums = w->sums + chunk * w->channels * SUMS;
    memset(sums, 0, sizeof *sums * (size_t)(w->channels * SUMS));
    for (int part = 0, base = 0; part < 2; base += s->c[part++]) {
        int c = s->c[part];
        for (int i = 0; i < c; i += TILE) {
            const float *x = w->input->x[part] + (image * s->pixels + first) * c + i;
            sum_chunk(w->kernels, sums + SUMS * (base + i), x, pixels, c, c - i < TILE ? c - i : TILE);
        }
    }
}

/* Sum over chunks into the first one, in order. */
static void gather(const work *w)
{
    int64_t n = (int64_t)w->channels * SUMS;
    for (int64_t chunk = 1; chunk < w->chunks; chunk++)
        for (int64_t i = 0; i < n; i++)
            w->sums[i] += w->sums[chunk * n + i];
}

/* z = a u + b with a = weight/std, b = bias + (shift - mean) a; moments from the sums of x:
 * sum (x+e) = S + P e, sum (x+e)^2 = Q + 2 e S + P e^2. */
static void moments_of(const work *w, float *moments, int image)
{
    const sc_norm_shape *s = w->shape;
    int size = w->channels / s->groups;
    const float *shift = w->input->shift ? w->input->shift + (int64_t)image * w->channels : NULL;
    for (int g = 0; g < s->groups; g++) {
        double sum = 0, square = 0, count = (double)size * (double)s->pixels;
        for (int i = g * size; i < (g + 1) * size; i++) {
            double e = shift ? shift[i] : 0, S = w->sums[SUMS * i], Q = w->sums[SUMS * i + 1];
            sum += S + (double)s->pixels * e;
            square += Q + 2 * e * S + (double)s->pixels * e * e;
        }
        double mean = sum / count, variance = square / count - mean * mean;
        moments[2 * g] = (float)mean;
        moments[2 * g + 1] = (float)(1 / sqrt((variance > 0 ? variance : 0) + s->epsilon));
    }
}

/* coefficient rows 0, 1: z = a x + b; rows 2, 3: u^ = r x + t */
static void coefficients_of(const work *w, const float *moments, int image)
{
    int C = w->channels, size = C / w->shape->groups;
    const float *shift = w->input->shift ? w->input->shift + (int64_t)image * C : NULL;
    float *f = w->coefficient;
    for (int i = 0; i < C; i++) {
        double mean = moments[2 * (i / size)], r = moments[2 * (i / size) + 1];
        double t = ((shift ? shift[i] : 0) - mean) * r;
        f[i] = (float)(w->input->weight[i] * r);
        f[C + i] = (float)(w->input->bias[i] + w->input->weight[i] * t);
        f[2 * C + i] = (float)r;
        f[3 * C + i] = (float)t;
    }
}

static void apply_both(const work *w, float *y, int image, int64_t chunk)
{
    const sc_norm_shape *s = w->shape;
    int64_t first = chunk * CHUNK;
    int64_t pixels = s->pixels - first < CHUNK ? s->pixels - first : CHUNK;
    y += (image * s->pixels + first) * w->channels;
    for (int part = 0, base = 0; part < 2; base += s->c[part++])
        if (s->c[part])
            w->kernels->apply(y + base, w->input->x[part] + (image * s->pixels + first) * s->c[part],
                              w->coefficient + base, w->channels, pixels, s->c[part], s->c[part],
                              s->silu);
}

/* One image, its chunks shared by `threads`. */
static void forward_image(const work *w, float *y, float *moments, int image, int threads)
{
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t chunk = 0; chunk < w->chunks; chunk++)
        sum_both(w, image, chunk);
    gather(w);
    moments_of(w, moments, image);
    coefficients_of(w, moments, image);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t chunk = 0; chunk < w->chunks; chunk++)
        apply_both(w, y, image, chunk);
}

/* Threads for images and threads within one: whole images first, so that an image's second pass
 * finds it in the cache of the core that read it. */
static int images_first(const sc_device *device, int n, int64_t chunks, int *within)
{
    int threads = device->threads;
    *within = n >= threads ? 1 : (int)(chunks < threads ? chunks : threads);
    return n >= threads ? threads : 1;
}

void sc_cpu_norm_forward(const sc_device *device, float *y, float *moments,
                         const sc_norm_input *input, const sc_norm_shape *s, void *scratch)
{
    int within, across = images_first(device, s->n, chunk_count(s->pixels), &within);
#pragma omp parallel for schedule(static) num_threads(across) if (across > 1)
    for (int image = 0; image < s->n; image++) {
        work w = work_of(device, s, input, scratch, image);
        forward_image(&w, y, moments + 2 * image * s->groups, image, within);
    }
}

static void sum_gradient(const work *w, const float *gy, int image, int64_t chunk)
{
    const sc_norm_shape *s = w->shape;
    int64_t first = chunk * CHUNK;
    int64_t pixels = s->pixels - first < CHUNK ? s->pixels - first : CHUNK;
    double *sums = w->sums + chunk * w->channels * SUMS;
    memset(sums, 0, sizeof *sums * (size_t)(w->channels * SUMS));
    float A[TILE], B[TILE], U[TILE];
    for (int part = 0, base = 0; part < 2; base += s->c[part++])
        for (int tile = 0; tile < s->c[part]; tile += TILE)
            for (int64_t p = first; p < first + pixels; p += SHORT) {
                int64_t count = first + pixels - p < SHORT ? first + pixels - p : SHORT;
                int c = s->c[part] - tile < TILE ? s->c[part] - tile : TILE, k = base + tile;
                int64_t pixel = image * s->pixels + p;
                w->kernels->sum_gradient(A, B, U, gy + pixel * w->channels + k,
                                         w->input->x[part] + pixel * s->c[part] + tile,
                                         w->coefficient + k, w->channels, count, s->c[part], c,
                                         s->silu);
                for (int i = 0; i < c; i++) {
                    sums[SUMS * (k + i)] += A[i];
                    sums[SUMS * (k + i) + 1] += B[i];
                    sums[SUMS * (k + i) + 2] += U[i];
                }
            }
}

/* gx = k0 gz + k1 + k2 x: coefficient rows 2, 3, 4 become k2, k1, k0. Gradients of weight and
 * bias of this image, and of the shift, come out of the same sums. */
static void gradient_coefficients(const work *w, const float *moments, float *gshift)
{
    const sc_norm_shape *s = w->shape;
    int C = w->channels, size = C / s->groups;
    double count = (double)size * (double)s->pixels, *parameters = parameter_sums(w);
    float *f = w->coefficient;
    for (int g = 0; g < s->groups; g++) {
        double mean_gz = 0, mean_gzu = 0, r = moments[2 * g + 1];
        for (int i = g * size; i < (g + 1) * size; i++) {
            mean_gz += w->input->weight[i] * w->sums[SUMS * i] / count;
            mean_gzu += w->input->weight[i] * w->sums[SUMS * i + 1] / count;
        }
        for (int i = g * size; i < (g + 1) * size; i++) {
            double A = w->sums[SUMS * i], t = f[3 * C + i];
            parameters[2 * i] = w->sums[SUMS * i + 1];
            parameters[2 * i + 1] = A;
            if (gshift)
                gshift[i] = (float)(r * (w->input->weight[i] * A - (double)s->pixels * mean_gz -
                                         mean_gzu * w->sums[SUMS * i + 2]));
            f[2 * C + i] = (float)(-r * r * mean_gzu);
            f[3 * C + i] = (float)(-r * (mean_gz + t * mean_gzu));
            f[4 * C + i] = (float)(r * w->input->weight[i]);
        }
    }
}

static void apply_gradient_both(const work *w, const sc_norm_gradient *gradient, const float *gy,
                                int image, int64_t chunk)
{
    const sc_norm_shape *s = w->shape;
    int64_t first = chunk * CHUNK, pixel = image * s->pixels + first;
    int64_t pixels = s->pixels - first < CHUNK ? s->pixels - first : CHUNK;
    for (int part = 0, base = 0; part < 2; base += s->c[part++])
        if (s->c[part] && gradient->x[part])
            w->kernels->apply_gradient(gradient->x[part] + pixel * s->c[part],
                                       gy + pixel * w->channels + base,
                                       w->input->x[part] + pixel * s->c[part],
                                       w->coefficient + base, w->channels, pixels, s->c[part],
                                       s->c[part], s->silu, gradient->add[part]);
}

static void backward_image(const work *w, const sc_norm_gradient *gradient, const float *gy,
                           const float *moments, int image, int threads)
{
    coefficients_of(w, moments, image);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t chunk = 0; chunk < w->chunks; chunk++)
        sum_gradient(w, gy, image, chunk);
    gather(w);
    gradient_coefficients(w, moments,
                          gradient->shift ? gradient->shift + (int64_t)image * w->channels : NULL);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t chunk = 0; chunk < w->chunks; chunk++)
        apply_gradient_both(w, gradient, gy, image, chunk);
}

void sc_cpu_norm_backward(const sc_device *device, const sc_norm_gradient *gradient,
                          const float *gy, const float *moments, const sc_norm_input *input,
                          const sc_norm_shape *s, void *scratch)
{
    int within, across = images_first(device, s->n, chunk_count(s->pixels), &within);
#pragma omp parallel for schedule(static) num_threads(across) if (across > 1)
    for (int image = 0; image < s->n; image++) {
        work w = work_of(device, s, input, scratch, image);
        backward_image(&w, gradient, gy, moments + 2 * image * s->groups, image, within);
    }
    for (int i = 0; i < s->c[0] + s->c[1]; i++) {
        double gweight = 0, gbias = 0;
        for (int image = 0; image < s->n; image++) {
            work w = work_of(device, s, input, scratch, image);
            gweight += parameter_sums(&w)[2 * i];
            gbias += parameter_sums(&w)[2 * i + 1];
        }
        gradient->weight[i] += (float)gweight;
        gradient->bias[i] += (float)gbias;
    }
}

