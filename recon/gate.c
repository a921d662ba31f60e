/* The test of a result against its data (finish.h).
 *
 * M complex samples with noise sigma per real component: ||y - A x||^2 / (2 M sigma^2) is 1 for the
 * truth, to 1 / sqrt(M). A point estimate fits N unknowns to the noise at most: least squares
 * leaves 1 - N / M. Good is from 0.7 of that (noise known to 15 %) up to 1.5: on eight real scans
 * CG-SENSE, L1-wavelet and TV leave 0.7 to 1.2. A result is implausible, and must not be written as
 * if it were good, when it is not finite, is empty, leaves a fifth of the signal's energy in the
 * data unexplained, or a twentieth of it where that is more than ten times the noise. The residual
 * alone does not refuse: with little noise a map that is 1 % off makes it large, and the image is
 * right to 1 %. Zero-filled images of real scans leave up to 2 %, at up to 9 times the noise.
 */
#include "base/memory.h"
#include "recon/finish.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define RESIDUAL_HIGH 1.5
#define RESIDUAL_LOW 0.7
#define EXPLAINED_LEAST 0.8
#define RESIDUAL_GROSS 10    /* beyond doubt, however badly the noise was measured, ... */
#define EXPLAINED_WANTED 0.95 /* ... this is asked for */
#define SIGNAL_LEAST 0.1 /* of the noise's energy: with less there is nothing to explain */

static void warn(sc_gate *gate, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void warn(sc_gate *gate, const char *format, ...)
{
    if (gate->warnings == SC_GATE_WARNINGS)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(gate->warning[gate->warnings++], sizeof gate->warning[0], format, arguments);
    va_end(arguments);
}

static sc_status residual(double *energy, double *data, const sc_c32 *mean,
                          const sc_problem *problem)
{
    sc_status status = SC_OK;
    const sc_op *A = problem->A;
    const sc_kernels *kernels = problem->device->kernels;
    int64_t m = sc_shape_floats(&A->range), n = sc_shape_floats(&A->domain);
    float *r = NULL, *x = NULL;
    void *work = NULL;
    SC_TRY(SC_DEVICE_ALLOC(problem->device, &r, m));
    SC_TRY(SC_DEVICE_ALLOC(problem->device, &x, n));
    SC_TRY(sc_op_work_create(A, &work));
    SC_TRY(kernels->upload(problem->device, x, mean, (size_t)n * sizeof *x));
    sc_op_forward(A, r, x, work);
    kernels->axpby(problem->device, r, 1, problem->y, -1, r, m);
    *energy = kernels->dot(problem->device, r, r, m);
    *data = kernels->dot(problem->device, problem->y, problem->y, m);
    SC_TRY(kernels->sync(problem->device));
cleanup:
    sc_device_release(problem->device, r);
    sc_device_release(problem->device, x);
    if (work)
        sc_device_release(problem->device, work);
    return status;
}

/* Largest magnitude; SC_ERR_NUMERIC if not finite or 0. */
static sc_status look(double *peak, const sc_c32 *x, int64_t n)
{
    int64_t bad = 0;
    *peak = 0;
    for (int64_t i = 0; i < n; i++) {
        double size = cabs((double complex)x[i]);
        if (!isfinite(size))
            bad++;
        else
            *peak = fmax(*peak, size);
    }
    if (bad)
        return sc_fail(SC_ERR_NUMERIC, "the image holds %lld values that are not finite",
                       (long long)bad);
    if (*peak == 0)
        return sc_fail(SC_ERR_NUMERIC, "the image is empty");
    return SC_OK;
}

static void judge(sc_gate *gate, double signal, double noise)
{
    double least = gate->residual > RESIDUAL_GROSS ? EXPLAINED_WANTED : EXPLAINED_LEAST;
    if (signal > SIGNAL_LEAST * noise && gate->explained < least) {
        gate->fit = SC_FIT_IMPLAUSIBLE;
        warn(gate, "the image explains %.0f %% of the signal in the data (residual %.3g times the noise)",
             100 * gate->explained, gate->residual);
    } else if (gate->residual > gate->high) {
        gate->fit = SC_FIT_TOO_FAR;
        warn(gate,
             "the image does not explain the data to within the noise: residual %.2f, "
             "expected %.2f to %.2f",
             gate->residual, gate->low, gate->high);
    } else if (gate->residual < gate->low) {
        gate->fit = SC_FIT_TOO_CLOSE;
        warn(gate,
             "the image follows the data closer than their noise allows: residual %.2f, "
             "expected %.2f to %.2f",
             gate->residual, gate->low, gate->high);
    }
}

sc_status sc_gate_check(sc_gate *gate, const sc_estimate *estimate, const sc_problem *problem,
                        const sc_score *score)
{
    sc_status status = SC_OK;
    double energy = 0, data = 0;
    *gate = (sc_gate){.fit = SC_FIT_IMPLAUSIBLE};
    int64_t n = problem->ny * problem->nx, unknowns = 0;
    SC_TRY(look(&gate->peak, estimate->mean.data, problem->sets * n));
    SC_TRY(residual(&energy, &data, estimate->mean.data, problem));
    for (int64_t i = 0; i < n; i++)
        unknowns += (!problem->support || problem->support[i] > 0) * problem->sets;
    double noise = 2 * (double)problem->measured * problem->sigma * problem->sigma;
    double free_share = 1 - (double)unknowns / (double)problem->measured;
    gate->residual = energy / noise;
    gate->degrees = 2 * (double)problem->measured;
    gate->deviation = 1 / sqrt((double)problem->measured);
    gate->low = RESIDUAL_LOW * fmax(free_share, 0);
    gate->high = RESIDUAL_HIGH;
    gate->explained = 1 - fmax(energy - noise, 0) / fmax(data - noise, 1e-30);
    gate->fit = SC_FIT_GOOD;
    judge(gate, data - noise, noise);
    if (gate->peak > 5 || gate->peak < 0.2)
        warn(gate,
             "the image's brightest value is %.2g where about 1 to 2 was expected: the "
             "scale was misjudged",
             gate->peak);
    if (score && score->modality[0] && problem->maps && score->modality[0] != 'M')
        warn(gate, "the prior was trained on %s, the scan is MR", score->modality);
    if (gate->fit == SC_FIT_IMPLAUSIBLE)
        status = sc_fail(SC_ERR_NUMERIC, "%s", gate->warning[0]);
cleanup:
    return status;
}
