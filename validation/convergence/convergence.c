/* How fast each sampler's law approaches the one it aims at: W2 distance between what it draws of
 * Gaussian data N(0.5, 0.25) and the data diffused to the least noise level and denoised, for more
 * and more steps. JSON on stdout: a list of {sde, sampler, grid, corrector, evaluations (a step),
 * steps, distance}. */
#include "moments.h"
#include <jansson.h>
#include <stdio.h>

static const struct {
    const char *name;
    sc_sde sde;
} sdes[] = {{"VE", {SC_SDE_VE, 0.01, 50, 0, 0}},
            {"VP", {SC_SDE_VP, 0, 0, 0.1, 20}},
            {"sub-VP", {SC_SDE_SUBVP, 0, 0, 0.1, 20}}};

static const struct {
    const char *sampler, *grid, *corrector;
    int evaluations; /* a step */
} rows[] = {
    {"heun", "karras", "none", 2},
    {"heun", "log-sigma", "none", 2},
    {"edm", "karras", "none", 2},
    {"dpm++2m", "karras", "none", 1},
    {"dpm++2m", "log-sigma", "none", 1},
    {"dpm++2m-sde", "karras", "none", 1},
    {"dpm++2m-sde", "log-sigma", "none", 1},
    {"ancestral", "time", "none", 1},
    {"reverse-diffusion", "time", "none", 1},
    {"reverse-diffusion", "karras", "none", 1},
    {"euler-maruyama", "time", "none", 1},
    {"euler-maruyama", "karras", "none", 1},
    {"probability-flow", "time", "none", 1},
    {"ancestral", "published", "none", 1},
    {"reverse-diffusion", "published", "none", 1},
    {"euler-maruyama", "published", "none", 1},
    {"reverse-diffusion", "published", "annealed", 2},
    {"none", "published", "annealed", 1},
};

enum { LEAST = 16, MOST = 1024 };

/* snr of the corrector is 0.16, the default. */
static sc_status distance_of(double *distance, const sc_sde *sde, int row, int steps)
{
    sc_status status = SC_OK;
    const moments data = {0.5, 0.25};
    moments found, limit = moments_limit(&data, moments_least(sde, rows[row].grid));
    sc_options options = sc_options_default(sc_sample_options);
    char text[16];
    snprintf(text, sizeof text, "%d", steps);
    SC_TRY(sc_options_set(&options, "sampler", rows[row].sampler));
    SC_TRY(sc_options_set(&options, "grid", rows[row].grid));
    SC_TRY(sc_options_set(&options, "corrector", rows[row].corrector));
    SC_TRY(sc_options_set(&options, "steps", text));
    SC_TRY(moments_of(&found, &data, sde, &options, moments_published(rows[row].sampler)));
    *distance = moments_distance(&found, &limit);
cleanup:
    return status;
}

/* Without points where the SDE has no such sampler. */
static json_t *curve(int sde, int row)
{
    json_t *steps = json_array(), *distances = json_array();
    for (int n = LEAST; n <= MOST; n *= 2) {
        double distance;
        if (distance_of(&distance, &sdes[sde].sde, row, n) != SC_OK)
            continue; /* ancestral of sub-VP; tables of no more than beta_max steps */
        json_array_append_new(steps, json_integer(n));
        json_array_append_new(distances, json_real(distance));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:o, s:o}", "sde", sdes[sde].name, "sampler",
                     rows[row].sampler, "grid", rows[row].grid, "corrector", rows[row].corrector,
                     "evaluations", rows[row].evaluations, "steps", steps, "distance", distances);
}

int main(void)
{
    json_t *all = json_array();
    for (int sde = 0; sde < (int)(sizeof sdes / sizeof *sdes); sde++)
        for (int row = 0; row < (int)(sizeof rows / sizeof *rows); row++)
            json_array_append_new(all, curve(sde, row));
    int failed = json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    json_decref(all);
    return failed ? 1 : 0;
}
