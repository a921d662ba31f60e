/* pc_steps: one predictor or corrector step each, with given score and noise. The SDEs are those of
 * the README: VE(0.01, 50), VP(0.1, 20), sub-VP(0.1, 20), N = 1000. */
#include "parity.h"
#include "sdes.h"
#include <prior/reverse_step.h>
#include <string.h>

#define STEP 2e-6    /* single steps */
#define CANCELS 1e-4 /* sigma_i^2 - sigma_{i-1}^2 of float32 sigmas */

enum { LEVELS = 1000 };

typedef struct {
    const parity *p;
    const reference *r;
    const char *prefix;
    sc_sde sde;
    sc_reverse_step step;
    tensor x, score, noise, noise2;
    float *fx, *fscore, *fnoise, *fnoise2; /* the same as floats, order as in the file */
    double snr, slope;                     /* slope: the score is score - slope x */
} steps;

static void compare(const steps *s, const char *kind, const char *what, const double *ours,
                    double most)
{
    char name[256];
    tensor theirs = tensor_get(s->r, "%s.%s", s->prefix, what);
    snprintf(name, sizeof name, "%s.%s", s->prefix, what);
    if (theirs.v)
        report_compare(s->p->report, kind, name, ours, theirs.v, theirs.count, RELATIVE(most));
}

static void compare_floats(const steps *s, const char *kind, const char *step, const char *what,
                           const float *ours, double most)
{
    char name[192];
    snprintf(name, sizeof name, "%s.%s", step, what);
    compare(s, kind, name, to_doubles(ours, s->x.count), most);
}

/* ---- the SDE itself ---- */

static void check_sde(const steps *s)
{
    int n = s->step.n;
    bool ve = s->sde.kind == SC_SDE_VE;
    int64_t count = s->step.count;
    double *drift = POOL(double, s->x.count), *diffusion = POOL(double, n), *std = POOL(double, n);
    double *mean = POOL(double, s->x.count), *f = POOL(double, s->x.count), *g = POOL(double, n);
    double *flow = POOL(double, s->x.count), *logp = POOL(double, n);
    for (int k = 0; k < n; k++) {
        double t = s->step.t[k];
        diffusion[k] = sc_sde_diffusion(&s->sde, t);
        std[k] = sc_sde_std(&s->sde, t);
        logp[k] = sc_sde_prior_log_density(&s->sde, s->fx + k * count, count);
        for (int64_t i = k * count; i < (k + 1) * count; i++) {
            drift[i] = sc_sde_drift(&s->sde, t) * s->x.v[i];
            mean[i] = sc_sde_mean(&s->sde, t) * s->x.v[i];
        }
    }
    sc_reverse_discretise(f, g, &s->step, s->fx);
    sc_reverse_flow(flow, &s->step, s->fx, s->fscore);
    compare(s, "SDE", "sde.drift", drift, STEP);
    compare(s, "SDE", "sde.diffusion", diffusion, STEP);
    compare(s, "SDE", "marginal.mean", mean, STEP);
    tensor published = tensor_get(s->r, "%s.marginal.std", s->prefix);
    if (published.v)
        compare_std(s->p->report, "SDE", "marginal.std", &s->sde, std, &published);
    compare(s, "SDE", "pf_ode_drift", flow, STEP);
    compare(s, "SDE", "prior_logp", logp, STEP);
    /* sqrt(alpha) - 1 is evaluated in float32 */
    compare(s, "discretised SDE", "discretize.f", f, s->sde.kind == SC_SDE_VP ? CANCELS : STEP);
    compare(s, "discretised SDE", "discretize.G", g, ve ? CANCELS : STEP);
}

/* ---- predictors ---- */

static const struct {
    const char *name;
    sc_predictor predictor;
    bool flow;
} predictors[] = {{"reverse_diffusion", SC_PREDICT_REVERSE, false},
                  {"reverse_diffusion_pf", SC_PREDICT_REVERSE, true},
                  {"euler_maruyama", SC_PREDICT_EULER, false},
                  {"ancestral", SC_PREDICT_ANCESTRAL, false}};

static sc_status check_predictors(const steps *s)
{
    sc_status status = SC_OK;
    float *next = POOL(float, s->x.count), *mean = POOL(float, s->x.count);
    for (size_t i = 0; i < sizeof predictors / sizeof *predictors; i++) {
        const char *name = predictors[i].name;
        double most = s->sde.kind == SC_SDE_VE && predictors[i].predictor != SC_PREDICT_EULER
                          ? CANCELS
                          : STEP;
        if (!tensor_has(s->r, "%s.%s.x", s->prefix, name))
            continue;
        SC_TRY(sc_reverse_predict(next, mean, predictors[i].predictor, &s->step, s->fx, s->fscore,
                                  s->fnoise, predictors[i].flow));
        compare_floats(s, "predictor steps", name, "x", next, most);
        compare_floats(s, "predictor steps", name, "x_mean", mean, most);
    }
cleanup:
    return status;
}

/* ---- correctors ---- */

/* score - slope x, as float32 */
static float *linear_score(const steps *s, const float *x)
{
    float *y = POOL(float, s->x.count);
    for (int64_t i = 0; i < s->x.count; i++)
        y[i] = (float)(s->score.v[i] - s->slope * x[i]);
    return y;
}

static void check_corrector(const steps *s, const char *name, sc_corrector corrector)
{
    char key[96];
    int64_t count = s->x.count;
    float *next = POOL(float, count), *mean = POOL(float, count);
    double *e = POOL(double, s->step.n);
    sc_reverse_correct(next, mean, e, corrector, &s->step, s->snr, true, s->fx, s->fscore,
                       s->fnoise);
    compare_floats(s, "corrector steps", name, "x", next, STEP);
    compare_floats(s, "corrector steps", name, "x_mean", mean, STEP);
    snprintf(key, sizeof key, "%s.step_size", name);
    compare(s, "corrector steps", key, e, STEP);
    sc_reverse_correct(next, mean, e, corrector, &s->step, s->snr, false, s->fx, s->fscore,
                       s->fnoise);
    snprintf(key, sizeof key, "%s.step_size_per_image", name);
    compare(s, "corrector steps", key, e, STEP);

    sc_reverse_correct(next, NULL, NULL, corrector, &s->step, s->snr, true, s->fx,
                       linear_score(s, s->fx), s->fnoise);
    sc_reverse_correct(next, mean, NULL, corrector, &s->step, s->snr, true, next,
                       linear_score(s, next), s->fnoise2);
    snprintf(key, sizeof key, "%s_2steps_linear", name);
    compare_floats(s, "two corrector steps", key, "x", next, STEP);
    compare_floats(s, "two corrector steps", key, "x_mean", mean, STEP);
}

sc_status check_steps(const parity *p, const reference *r)
{
    static const char *const prefixes[] = {"ve", "vp", "subvp"};
    sc_status status = SC_OK;
    tensor t = tensor_get(r, "t"), snr = tensor_get(r, "snr"), b = tensor_get(r, "linear_b");
    steps s = {.p = p,
               .r = r,
               .x = tensor_get(r, "x"),
               .score = tensor_get(r, "score"),
               .noise = tensor_get(r, "noise"),
               .noise2 = tensor_get(r, "noise2")};
    if (!t.v || !s.x.v || s.x.dim[0] != t.count || !tensor_alike(&s.x, &s.score) ||
        !tensor_alike(&s.x, &s.noise) || !snr.v)
        return sc_fail(SC_ERR_FORMAT, "steps need t, x, score, noise and snr");
    s.noise2 = s.noise2.v ? s.noise2 : s.noise;
    s.snr = snr.v[0];
    s.slope = b.v ? b.v[0] : 0.3;
    s.fx = to_floats(s.x.v, s.x.count);
    s.fscore = to_floats(s.score.v, s.x.count);
    s.fnoise = to_floats(s.noise.v, s.x.count);
    s.fnoise2 = to_floats(s.noise2.v, s.x.count);
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        s.prefix = prefixes[i];
        s.sde = (sc_sde){.kind = sde_kind_of(s.prefix),
                         .sigma_min = .01,
                         .sigma_max = 50,
                         .beta_min = .1,
                         .beta_max = 20};
        s.step = (sc_reverse_step){.sde = &s.sde,
                                   .levels = LEVELS,
                                   .n = (int)t.count,
                                   .count = s.x.count / t.count,
                                   .t = t.v};
        check_sde(&s);
        SC_TRY(check_predictors(&s));
        check_corrector(&s, "langevin", SC_CORRECT_LANGEVIN);
        check_corrector(&s, "ald", SC_CORRECT_ANNEALED);
    }
cleanup:
    return status;
}
