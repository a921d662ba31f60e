/* Coil maps of a plane: ESPIRiT from its calibration block, or given ones whitened. */
#include "base/memory.h"
#include "recon/prepare_internal.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Less support than this is a slice without signal: the maps are kept whole. */
#define SUPPORT_LEAST 0.02

sc_status sc_prepare_check_maps(const sc_array *maps, const sc_planes *planes, int64_t coils)
{
    int slices = maps->rank == 5;
    const int64_t *dim = maps->dim + slices;
    bool fits = maps->dtype == SC_C32 && (maps->rank == 4 || maps->rank == 5) &&
                (dim[0] == 1 || dim[0] == 2) && dim[1] == coils && dim[2] == planes->ny &&
                dim[3] == planes->nx && (!slices || maps->dim[0] == planes->count);
    if (fits)
        return SC_OK;
    char found[128] = "";
    size_t used = 0;
    for (int i = 0; i < maps->rank && used < sizeof found; i++)
        used += (size_t)snprintf(found + used, sizeof found - used, "%s%lld", i ? " x " : "",
                                 (long long)maps->dim[i]);
    return sc_fail(SC_ERR_INPUT,
                   "coil maps: expected complex [slice %lld x] set 1 or 2 x coil %lld x %lld x "
                   "%lld, found %s %s",
                   (long long)planes->count, (long long)coils, (long long)planes->ny,
                   (long long)planes->nx, sc_dtype_name(maps->dtype), found);
}

/* Unit root sum of squares where there is a map; support of the first set. */
static void normalise(sc_problem *problem)
{
    int64_t n = problem->ny * problem->nx;
    for (int s = 0; s < problem->sets; s++)
        for (int64_t i = 0; i < n; i++) {
            double sum = 0;
            for (int c = 0; c < problem->coils; c++) {
                double complex v = problem->maps[(s * problem->coils + c) * n + i];
                sum += creal(v) * creal(v) + cimag(v) * cimag(v);
            }
            double scale = sum > 0 ? 1 / sqrt(sum) : 0;
            for (int c = 0; c < problem->coils; c++) {
                sc_c32 *v = &problem->maps[(s * problem->coils + c) * n + i];
                *v = (sc_c32)(scale * (double complex) * v);
            }
            if (s == 0)
                problem->support[i] = sum > 0;
        }
}

/* Root sum of squares of the unwhitened first set. */
static sc_status shade(sc_problem *problem, const sc_whitener *whitener)
{
    sc_status status = SC_OK;
    int64_t n = problem->ny * problem->nx;
    sc_c32 *unwhitened = NULL;
    SC_TRY(SC_ALLOC(&unwhitened, whitener->coils * n, "unwhitened maps"));
    sc_unwhiten(unwhitened, whitener, problem->maps, n);
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int c = 0; c < whitener->coils; c++) {
            double complex v = unwhitened[c * n + i];
            sum += creal(v) * creal(v) + cimag(v) * cimag(v);
        }
        problem->shading[i] = (float)sqrt(sum);
    }
cleanup:
    sc_free(unwhitened);
    return status;
}

static sc_status given_maps(sc_problem *problem, const sc_calibration *calibration, int64_t slice)
{
    const sc_array *maps = calibration->options.maps;
    int64_t n = problem->ny * problem->nx, coils = calibration->whitener.coils;
    problem->sets = (int)maps->dim[maps->rank - 4];
    const sc_c32 *from = maps->data;
    if (maps->rank == 5)
        from += slice * problem->sets * coils * n;
    sc_status status =
        SC_ALLOC(&problem->maps, (int64_t)problem->sets * problem->coils * n, "coil maps");
    if (status != SC_OK)
        return status;
    for (int64_t i = 0; i < problem->sets * coils * n; i++)
        if (!isfinite(crealf(from[i])) || !isfinite(cimagf(from[i])))
            return sc_fail(SC_ERR_INPUT, "coil maps: not finite at set %lld coil %lld",
                           (long long)(i / n / coils), (long long)(i / n % coils));
    for (int s = 0; s < problem->sets; s++)
        sc_whiten(problem->maps + (int64_t)s * problem->coils * n, &calibration->whitener,
                  from + s * coils * n, n);
    return SC_OK;
}

static sc_status own_maps(sc_problem *problem, sc_prepare_facts *facts, const sc_plane *plane,
                          const sc_calibration *calibration, int threads, const char *source)
{
    sc_status status = SC_OK;
    const sc_options *values = &calibration->options.values;
    sc_c32 *block = NULL, *white = NULL;
    sc_espirit_maps maps = {0};
    sc_espirit_options options = {.kernel = (int)sc_options_get(values, "kernel"),
                                  .threshold = sc_options_get(values, "threshold"),
                                  .crop = sc_options_get(values, "crop"),
                                  .sets = (int)sc_options_get(values, "sets")};
    sc_block *b = &facts->block;
    SC_TRY(sc_block_read(&block, b, plane, (int64_t)sc_options_get(values, "calibration")));
    if (b->ny < options.kernel || b->nx < options.kernel) {
        status =
            sc_fail(SC_ERR_INPUT,
                    "%s: no coil maps given and too few calibration lines: the fully sampled "
                    "centre of k-space is %lld x %lld, at least %d x %d is needed",
                    source, (long long)b->ny, (long long)b->nx, options.kernel, options.kernel);
        goto cleanup;
    }
    SC_TRY(SC_ALLOC(&white, problem->coils * b->ny * b->nx, "calibration block"));
    sc_whiten(white, &calibration->whitener, block, b->ny * b->nx);
    SC_TRY(sc_espirit(&maps, white, problem->coils, b->ny, b->nx, problem->ny, problem->nx,
                      &options, threads));
    int64_t n = problem->ny * problem->nx, inside = 0;
    for (int64_t i = 0; i < n; i++)
        inside += maps.eigenvalue[i] > options.crop;
    facts->uncropped = (double)inside < SUPPORT_LEAST * (double)n;
    if (facts->uncropped) {
        sc_espirit_free(&maps);
        options.crop = 0;
        options.sets = 1;
        SC_TRY(sc_espirit(&maps, white, problem->coils, b->ny, b->nx, problem->ny, problem->nx,
                          &options, threads));
    }
    problem->sets = maps.sets;
    problem->maps = maps.maps;
    maps.maps = NULL;
    facts->second_share = maps.second_share;
cleanup:
    sc_espirit_free(&maps);
    sc_free(block);
    sc_free(white);
    return status;
}

sc_status sc_prepare_maps(sc_problem *problem, sc_prepare_facts *facts, const sc_plane *plane,
                          const sc_calibration *calibration, int64_t slice, int threads,
                          const char *source)
{
    sc_status status = SC_OK;
    int64_t n = problem->ny * problem->nx;
    problem->coils = calibration->whitener.virtual_coils;
    SC_TRY(SC_ALLOC(&problem->support, n, "support"));
    SC_TRY(SC_ALLOC(&problem->shading, n, "shading"));
    if (calibration->options.maps)
        SC_TRY(given_maps(problem, calibration, slice));
    else
        SC_TRY(own_maps(problem, facts, plane, calibration, threads, source));
    normalise(problem);
    SC_TRY(shade(problem, &calibration->whitener));
    facts->sets = problem->sets;
    facts->support = 0;
    for (int64_t i = 0; i < n; i++)
        facts->support += problem->support[i] / (double)n;
    if (facts->support == 0)
        status =
            sc_fail(SC_ERR_INPUT, "coil maps: zero everywhere in slice %lld", (long long)slice);
cleanup:
    return status;
}
