/* What is known of an image's error, placed beside it: standard deviation and quantiles of the
 * samples (recon/uncertainty.h), the residual against the noise (recon/residual_map.h), posterior
 * over prior variance (recon/prior_share.h); and what the record says of them.
 */
#include "protocols/job_internal.h"
#include "recon/prior_share.h"
#include "recon/residual_map.h"
#include "recon/uncertainty.h"
#include <math.h>
#include <stdio.h>

#define LOW 0.05
#define HIGH 0.95

typedef struct {
    sc_running *run;
    const sc_problem *problem;
    int64_t frame, slice;
} where;

static sc_status put(const where *w, const sc_array *target, const sc_array *map, bool ratio)
{
    sc_array view = sc_series_frame(&w->run->series, target, w->frame, -1);
    return (ratio ? sc_finish_ratio : sc_finish_map)(&view, map, w->problem, &w->run->calibration,
                                                     w->slice);
}

/* NaN for all that samples would tell. */
static sc_status put_unknown(const where *w)
{
    sc_status status = SC_OK;
    sc_series *s = &w->run->series;
    const sc_problem *problem = w->problem;
    sc_estimate nothing = {0};
    sc_array map = {0};
    const sc_array *maps[] = {&s->std, &s->p05, &s->p95, &s->prior_share};
    SC_TRY(sc_array_create(&map, SC_F32, 2, (int64_t[]){problem->ny, problem->nx}));
    SC_TRY(sc_array_create(&nothing.mean, SC_C32, 3,
                           (int64_t[]){problem->sets, problem->ny, problem->nx}));
    for (int64_t i = 0; i < sc_array_count(&map); i++)
        ((float *)map.data)[i] = NAN;
    for (int64_t i = 0; i < sc_array_count(&nothing.mean); i++)
        ((sc_c32 *)nothing.mean.data)[i] = NAN;
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
        SC_TRY(put(w, maps[i], &map, false));
    for (int k = 0; k < w->run->samples; k++) {
        sc_array view = sc_series_frame(s, &s->samples, w->frame, k);
        SC_TRY(sc_finish_image(&view, &nothing, problem, &w->run->calibration, w->slice, -1));
    }
cleanup:
    sc_estimate_free(&nothing);
    sc_array_free(&map);
    return status;
}

static sc_status put_samples(const where *w, const sc_estimate *estimate)
{
    sc_status status = SC_OK;
    sc_series *s = &w->run->series;
    sc_array map = {0};
    const struct {
        double q;
        const sc_array *array;
    } quantiles[] = {{LOW, &s->p05}, {HIGH, &s->p95}};
    SC_TRY(put(w, &s->std, &estimate->std, false));
    for (int i = 0; i < 2; i++) {
        SC_TRY(sc_uncertainty_quantile(&map, &estimate->samples, quantiles[i].q));
        SC_TRY(put(w, quantiles[i].array, &map, false));
        sc_array_free(&map);
    }
    for (int k = 0; k < w->run->samples; k++) {
        sc_array view = sc_series_frame(s, &s->samples, w->frame, k);
        SC_TRY(sc_finish_image(&view, estimate, w->problem, &w->run->calibration, w->slice, k));
    }
cleanup:
    sc_array_free(&map);
    return status;
}

static sc_status put_residual(const where *w, sc_job_plane *plane, const sc_estimate *estimate,
                              sc_key key)
{
    sc_status status = SC_OK;
    sc_array map = {0}, mean = estimate->mean;
    const sc_array alone =
        sc_array_view(SC_C32, 4, (int64_t[]){1, mean.dim[0], mean.dim[1], mean.dim[2]}, mean.data);
    SC_TRY(sc_residual_map(&map, &plane->chi2_deviation,
                           estimate->samples.data ? &estimate->samples : &alone, w->problem, key));
    double sum = 0, count = 0;
    for (int64_t i = 0; i < sc_array_count(&map); i++) {
        double v = (double)((float *)map.data)[i];
        sum += isfinite(v) ? v : 0;
        count += isfinite(v) != 0;
    }
    plane->chi2_mean = count > 0 ? sum / count : 0;
    SC_TRY(put(w, &w->run->series.chi2, &map, true));
cleanup:
    sc_array_free(&map);
    return status;
}

static sc_status put_prior_share(const where *w, sc_estimate *estimate, const sc_score *score,
                                 sc_key key, const sc_progress *progress)
{
    sc_array map = {0};
    sc_status status = sc_prior_share(&map, estimate, w->problem, score, key, progress);
    if (status == SC_OK)
        status = put(w, &w->run->series.prior_share, &map, true);
    sc_array_free(&map);
    return status;
}

sc_status sc_job_place_maps(sc_running *run, int64_t index, sc_estimate *estimate,
                            const sc_problem *problem, const sc_score *score,
                            const sc_progress *progress)
{
    sc_status status = SC_OK;
    const sc_series *s = &run->series;
    sc_key key = {run->job->settings.seed, (uint32_t)index, 0};
    where w = {run, problem, index / run->calibration.planes.count,
               index % run->calibration.planes.count};
    if (s->chi2.data)
        SC_TRY(put_residual(&w, &run->plane[index], estimate, key));
    if (!s->std.data)
        goto cleanup;
    if (!estimate->samples.data) { /* the classical result stands in: its error is not known */
        status = put_unknown(&w);
        goto cleanup;
    }
    SC_TRY(put_samples(&w, estimate));
    if (score)
        SC_TRY(put_prior_share(&w, estimate, score, key, progress));
cleanup:
    return status;
}

/* ---- what is said of them ---- */

void sc_job_doubt_samples(char *text, size_t size, const sc_running *run)
{
    text[0] = 0;
    if (run->samples > 1 && sc_uncertainty_rule(run->samples, LOW) == SC_QUANTILE_STUDENT)
        snprintf(
            text, size,
            "%d samples are too few for 90 %% intervals of any law: the 5 %% and 95 %% maps take "
            "them for Gaussian; from 16 on they need not",
            run->samples);
}

static sc_status record_map(sc_record *record, const char *name, const char *meaning)
{
    char key[64], file[64];
    snprintf(key, sizeof key, "maps.%s.file", name);
    snprintf(file, sizeof file, "%s.npy", name);
    sc_status status = sc_record_set_text(record, key, file);
    snprintf(key, sizeof key, "maps.%s.meaning", name);
    return status == SC_OK ? sc_record_set_text(record, key, meaning) : status;
}

static sc_status record_samples(sc_record *record, const sc_running *run)
{
    sc_status status = SC_OK;
    char doubt[256];
    bool ranks = sc_uncertainty_rule(run->samples, LOW) == SC_QUANTILE_RANKS;
    SC_TRY(sc_record_set_integer(record, "maps.samples", run->samples));
    SC_TRY(record_map(record, "std", "standard deviation of the magnitude over the samples"));
    SC_TRY(
        record_map(record, "p05", "a further sample's magnitude is below with probability 0.05"));
    SC_TRY(
        record_map(record, "p95", "a further sample's magnitude is below with probability 0.95"));
    SC_TRY(sc_record_set_text(
        record, "maps.quantiles",
        ranks ? "ranks of one sample more, tails read as exponential: 90 % intervals hold 88 to "
                "92 % of further samples of any smooth law"
              : "Student's prediction limits: 90 % intervals hold 90 % of further samples if these "
                "are Gaussian, and promise nothing if not"));
    if (run->series.prior_share.data) {
        SC_TRY(record_map(record, "prior-share",
                          "variance of the samples over the variance that the prior leaves to "
                          "somebody who has seen the image at noise maps.prior-share.level, 7 x 7 "
                          "pixels together: 0 measured, 1 guessed"));
        SC_TRY(sc_record_set_number(record, "maps.prior-share.level", SC_PRIOR_LEVEL));
    }
    sc_job_doubt_samples(doubt, sizeof doubt, run);
    if (doubt[0])
        SC_TRY(sc_record_add_text(record, "warning", doubt));
cleanup:
    return status;
}

sc_status sc_job_record_maps(sc_record *record, const sc_running *run)
{
    sc_status status = SC_OK;
    if (run->series.std.data)
        SC_TRY(record_samples(record, run));
    if (!run->series.chi2.data)
        goto cleanup;
    SC_TRY(
        record_map(record, "chi2",
                   run->series.std.data
                       ? "residual of the samples carried back to the image, over what noise "
                         "leaves there, 7 x 7 pixels together: 1 is noise"
                       : "residual of the image carried back, over what noise leaves there, 7 x 7 "
                         "pixels together: up to 1 is noise, an estimate follows it"));
    for (int64_t i = 0; i < run->planes; i++) {
        SC_TRY(sc_record_add_number(record, "maps.chi2.mean", run->plane[i].chi2_mean));
        SC_TRY(sc_record_add_number(record, "maps.chi2.deviation_of_noise",
                                    run->plane[i].chi2_deviation));
    }
cleanup:
    return status;
}
