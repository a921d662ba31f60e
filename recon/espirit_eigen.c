/* The two dominant eigenvectors of G(r) at every pixel, by orthogonal iteration on G^4.
 *
 * Sixteen neighbouring pixels go through every step together, one a lane, so that the loops over
 * lanes become vector instructions. Eight steps on G^4 are thirty-two on G: the rest of the other
 * eigenvectors is (lambda_3 / lambda_1)^32. A last 2 x 2 problem tells the two vectors apart.
 */
#include "base/memory.h"
#include "base/random.h"
#include "recon/espirit_internal.h"
#include <math.h>
#include <string.h>

#define LANES 16
#define STEPS 8

typedef struct {
    float re[LANES], im[LANES];
} lanes;

/* z += x y, or x conj(y) */
static inline void add_product(lanes *z, const lanes *x, const lanes *y)
{
    for (int l = 0; l < LANES; l++) {
        z->re[l] += x->re[l] * y->re[l] - x->im[l] * y->im[l];
        z->im[l] += x->re[l] * y->im[l] + x->im[l] * y->re[l];
    }
}

/* x^H y over the coils */
static void inner(lanes *z, const lanes *x, const lanes *y, int coils)
{
    memset(z, 0, sizeof *z);
    for (int c = 0; c < coils; c++)
        for (int l = 0; l < LANES; l++) {
            z->re[l] += x[c].re[l] * y[c].re[l] + x[c].im[l] * y[c].im[l];
            z->im[l] += x[c].re[l] * y[c].im[l] - x[c].im[l] * y[c].re[l];
        }
}

static void normalise(lanes *v, int coils)
{
    float scale[LANES] = {0};
    for (int c = 0; c < coils; c++)
        for (int l = 0; l < LANES; l++)
            scale[l] += v[c].re[l] * v[c].re[l] + v[c].im[l] * v[c].im[l];
    for (int l = 0; l < LANES; l++)
        scale[l] = scale[l] > 1e-30f ? 1 / sqrtf(scale[l]) : 0;
    for (int c = 0; c < coils; c++)
        for (int l = 0; l < LANES; l++) {
            v[c].re[l] *= scale[l];
            v[c].im[l] *= scale[l];
        }
}

/* y -= x (x^H y), twice: once is not enough where y is nearly x */
static void orthogonalise(lanes *y, const lanes *x, int coils)
{
    for (int pass = 0; pass < 2; pass++) {
        lanes a;
        inner(&a, x, y, coils);
        for (int c = 0; c < coils; c++)
            for (int l = 0; l < LANES; l++) {
                y[c].re[l] -= x[c].re[l] * a.re[l] - x[c].im[l] * a.im[l];
                y[c].im[l] -= x[c].re[l] * a.im[l] + x[c].im[l] * a.re[l];
            }
    }
}

static void conjugate_upper(lanes *g, int coils)
{
    for (int c = 0; c < coils; c++)
        for (int d = 0; d < c; d++)
            for (int l = 0; l < LANES; l++) {
                g[d * coils + c].re[l] = g[c * coils + d].re[l];
                g[d * coils + c].im[l] = -g[c * coils + d].im[l];
            }
}

/* h = g g, Hermitian */
static void square(lanes *h, const lanes *g, int coils)
{
    for (int c = 0; c < coils; c++)
        for (int d = 0; d <= c; d++) {
            lanes *z = &h[c * coils + d];
            memset(z, 0, sizeof *z);
            for (int k = 0; k < coils; k++)
                add_product(z, &g[c * coils + k], &g[k * coils + d]);
        }
    conjugate_upper(h, coils);
}

static void apply(lanes *y, const lanes *g, const lanes *x, int coils)
{
    for (int c = 0; c < coils; c++) {
        memset(&y[c], 0, sizeof y[c]);
        for (int d = 0; d < coils; d++)
            add_product(&y[c], &g[c * coils + d], &x[d]);
    }
}

/* Eigenvectors of the 2 x 2 matrix [a, conj(b); b, d] of v0, v1: rotate them, larger first. */
static void separate(lanes *v0, lanes *v1, float value[2][LANES], const float *a, const lanes *b,
                     const float *d, int coils)
{
    float cosine[LANES], re[LANES], im[LANES];
    for (int l = 0; l < LANES; l++) {
        float size = hypotf(b->re[l], b->im[l]), half = 0.5f * (a[l] - d[l]);
        float angle = 0.5f * atan2f(size, half), root = hypotf(half, size);
        value[0][l] = 0.5f * (a[l] + d[l]) + root;
        value[1][l] = 0.5f * (a[l] + d[l]) - root;
        cosine[l] = cosf(angle);
        re[l] = size > 0 ? sinf(angle) * b->re[l] / size : 0;
        im[l] = size > 0 ? sinf(angle) * b->im[l] / size : 0;
    }
    for (int c = 0; c < coils; c++)
        for (int l = 0; l < LANES; l++) {
            float pr = v0[c].re[l], pi = v0[c].im[l], qr = v1[c].re[l], qi = v1[c].im[l];
            v0[c].re[l] = cosine[l] * pr + re[l] * qr - im[l] * qi;
            v0[c].im[l] = cosine[l] * pi + re[l] * qi + im[l] * qr;
            v1[c].re[l] = cosine[l] * qr - re[l] * pr - im[l] * pi;
            v1[c].im[l] = cosine[l] * qi - re[l] * pi + im[l] * pr;
        }
}

typedef struct {
    lanes *g, *power, *v, *w; /* (coil, coil) twice, (2, coil) twice */
    sc_c32 *row;              /* (pair, width): polynomial in x of one row */
} scratch;

static void iterate(scratch *s, float value[2][LANES], const lanes *start, int coils)
{
    size_t bytes = (size_t)coils * sizeof(lanes);
    square(s->power, s->g, coils);
    lanes *fourth = s->w + 2 * coils; /* (coil, coil) behind w */
    square(fourth, s->power, coils);
    memcpy(s->v, start, 2 * bytes);
    for (int step = 0; step < STEPS; step++) {
        apply(s->w, fourth, s->v, coils);
        apply(s->w + coils, fourth, s->v + coils, coils);
        normalise(s->w, coils);
        normalise(s->w + coils, coils);
        orthogonalise(s->w + coils, s->w, coils);
        normalise(s->w + coils, coils);
        memcpy(s->v, s->w, 2 * bytes);
    }
    lanes a, b, d;
    apply(s->w, s->g, s->v, coils);
    apply(s->w + coils, s->g, s->v + coils, coils);
    inner(&a, s->v, s->w, coils);
    inner(&b, s->v + coils, s->w, coils);
    inner(&d, s->v + coils, s->w + coils, coils);
    separate(s->v, s->v + coils, value, a.re, &b, d.re, coils);
}

/* Row y of the polynomial: sum over ey. */
static void collapse_row(sc_c32 *row, const sc_espirit_kernel *kernel, int64_t y, int64_t ny)
{
    int width = kernel->width;
    memset(row, 0, (size_t)(kernel->pairs * width) * sizeof *row);
    for (int ey = 0; ey < width; ey++) {
        double angle = 2 * M_PI * (double)((ey - width / 2) * (y - ny / 2)) / (double)ny;
        sc_c32 w = CMPLXF((float)cos(angle), (float)sin(angle));
        for (int pair = 0; pair < kernel->pairs; pair++)
            for (int ex = 0; ex < width; ex++)
                row[pair * width + ex] += w * kernel->q[(pair * width + ey) * width + ex];
    }
}

static void evaluate(lanes *g, const sc_c32 *row, const lanes *wave,
                     const sc_espirit_kernel *kernel)
{
    int coils = kernel->coils, width = kernel->width;
    for (int c = 0, pair = 0; c < coils; c++)
        for (int d = 0; d <= c; d++, pair++) {
            lanes *z = &g[c * coils + d];
            memset(z, 0, sizeof *z);
            for (int e = 0; e < width; e++) {
                float re = crealf(row[pair * width + e]), im = cimagf(row[pair * width + e]);
                for (int l = 0; l < LANES; l++) {
                    z->re[l] += re * wave[e].re[l] - im * wave[e].im[l];
                    z->im[l] += re * wave[e].im[l] + im * wave[e].re[l];
                }
            }
        }
    for (int c = 0; c < coils; c++)
        memset(g[c * coils + c].im, 0, sizeof g->im);
    conjugate_upper(g, coils);
}

/* Phase of the principal coil, and out of the lanes. */
static void store(sc_c32 *vectors, const lanes *v, const sc_espirit_kernel *kernel, int64_t at,
                  int count, int64_t n)
{
    int coils = kernel->coils;
    for (int s = 0; s < 2; s++)
        for (int l = 0; l < count; l++) {
            double complex sum = 0;
            for (int c = 0; c < coils; c++)
                sum += CMPLX(v[s * coils + c].re[l], v[s * coils + c].im[l]) *
                       conj(kernel->reference[c]);
            double size = cabs(sum);
            double complex turn = size > 0 ? conj(sum) / size : 1;
            for (int c = 0; c < coils; c++)
                vectors[(s * coils + c) * n + at + l] =
                    (sc_c32)(turn * CMPLX(v[s * coils + c].re[l], v[s * coils + c].im[l]));
        }
}

/* wave[block][e] = e^{2 pi i (e - k + 1)(x - nx/2) / nx} of sixteen x; the last block repeats. */
static sc_status waves_create(lanes **wave, const sc_espirit_kernel *kernel, int64_t nx)
{
    int width = kernel->width;
    int64_t blocks = (nx + LANES - 1) / LANES;
    sc_status status = SC_ALLOC(wave, blocks * width, "waves");
    for (int64_t i = 0; status == SC_OK && i < blocks * width * LANES; i++) {
        int64_t l = i % LANES, e = i / LANES % width, x = i / LANES / width * LANES + l;
        double angle = 2 * M_PI * (double)((e - width / 2) * (x - nx / 2)) / (double)nx;
        (*wave)[i / LANES].re[l] = (float)cos(angle);
        (*wave)[i / LANES].im[l] = (float)sin(angle);
    }
    return status;
}

static void solve_row(sc_c32 *vectors, float *values, scratch *s, const lanes *start,
                      const lanes *wave, const sc_espirit_kernel *kernel, int64_t y, int64_t ny,
                      int64_t nx)
{
    int64_t n = ny * nx;
    collapse_row(s->row, kernel, y, ny);
    for (int64_t x = 0; x < nx; x += LANES) {
        int count = nx - x < LANES ? (int)(nx - x) : LANES;
        float value[2][LANES];
        evaluate(s->g, s->row, wave + x / LANES * kernel->width, kernel);
        iterate(s, value, start, kernel->coils);
        store(vectors, s->v, kernel, y * nx + x, count, n);
        for (int l = 0; l < count; l++) {
            values[y * nx + x + l] = value[0][l];
            values[n + y * nx + x + l] = value[1][l];
        }
    }
}

sc_status sc_espirit_eigen(sc_c32 *vectors, float *values, const sc_espirit_kernel *kernel,
                           int64_t ny, int64_t nx, int threads)
{
    sc_status status = SC_OK;
    int coils = kernel->coils, squared = coils * coils;
    int64_t each = 3 * squared + 4 * coils; /* lanes of scratch a thread */
    lanes *wave = NULL, *work = NULL, *start = NULL;
    sc_c32 *rows = NULL;
    SC_TRY(waves_create(&wave, kernel, nx));
    SC_TRY(SC_ALLOC(&work, each * threads, "eigenvector work"));
    SC_TRY(SC_ALLOC(&rows, (int64_t)kernel->pairs * kernel->width * threads, "eigenvector work"));
    SC_TRY(SC_ALLOC(&start, 2 * coils, "start vectors"));
    for (int i = 0; i < 2 * coils; i++) { /* the same in every lane: pixels do not depend on it */
        float z[2];
        sc_random_normal(z, 2, (sc_key){.slice = (uint32_t)i}, SC_DRAW_POWER, 0xe5);
        for (int l = 0; l < LANES; l++) {
            start[i].re[l] = z[0];
            start[i].im[l] = z[1];
        }
    }
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int part = 0; part < threads; part++) {
        lanes *at = work + part * each;
        scratch s = {.g = at,
                     .power = at + squared,
                     .v = at + 2 * squared,
                     .w = at + 2 * squared + 2 * coils,
                     .row = rows + (int64_t)part * kernel->pairs * kernel->width};
        for (int64_t y = part; y < ny; y += threads)
            solve_row(vectors, values, &s, start, wave, kernel, y, ny, nx);
    }
cleanup:
    sc_free(wave);
    sc_free(work);
    sc_free(rows);
    sc_free(start);
    return status;
}
