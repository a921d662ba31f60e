/* sde_facts: what the SDEs are at given times, tables of the discretised ones, the sampler's times.
 */
#include "parity.h"
#include "sdes.h"
#include <math.h>
#include <string.h>

/* 0.00999999978 was 0.01 before somebody made it a float32 */
static double as_meant(double x)
{
    char text[32];
    double y = x;
    snprintf(text, sizeof text, "%.6g", x);
    sscanf(text, "%lf", &y);
    return fabs(y - x) <= 1e-6 * fabs(x) ? y : x;
}

sc_sde_kind sde_kind_of(const char *prefix)
{
    if (strncmp(prefix, "subvp", 5) == 0)
        return SC_SDE_SUBVP;
    return strncmp(prefix, "vp", 2) == 0 ? SC_SDE_VP : SC_SDE_VE;
}

double sde_float32_difference(const sc_sde *sde, double std)
{
    if (sde->kind == SC_SDE_VE)
        return INFINITY;
    return sde->kind == SC_SDE_VP ? std * std : std;
}

void compare_std(report *r, const char *kind, const char *name, const sc_sde *sde,
                 const double *ours, const tensor *theirs)
{
    double *a = POOL(double, theirs->count), *b = POOL(double, theirs->count);
    if (sde->kind == SC_SDE_VE) {
        report_compare(r, kind, name, ours, theirs->v, theirs->count, EACH(2e-6));
        return;
    }
    for (int64_t i = 0; i < theirs->count; i++) {
        a[i] = sde_float32_difference(sde, ours[i]);
        b[i] = sde_float32_difference(sde, theirs->v[i]);
    }
    report_compare(r, kind, name, a, b, theirs->count, ABSOLUTE(5e-7));
}

/* The SDE of a prefix, its range read off its own table where there is one. */
static sc_sde sde_of(const reference *r, const char *prefix, int *levels)
{
    sc_sde sde = {.kind = sde_kind_of(prefix),
                  .sigma_min = .01,
                  .sigma_max = 50,
                  .beta_min = .1,
                  .beta_max = 20};
    tensor sigma = tensor_get(r, "%s.discrete_sigmas", prefix);
    tensor beta = tensor_get(r, "%s.discrete_betas", prefix);
    if (sde.kind != SC_SDE_VE && !beta.v)
        beta = tensor_get(r, "vp.discrete_betas");
    *levels = 1000;
    if (sde.kind == SC_SDE_VE && sigma.v) {
        *levels = (int)sigma.count;
        sde.sigma_min = as_meant(sigma.v[0]);
        sde.sigma_max = as_meant(sigma.v[sigma.count - 1]);
    } else if (beta.v) {
        *levels = (int)beta.count;
        sde.beta_min = as_meant(beta.v[0] * *levels);
        sde.beta_max = as_meant(beta.v[beta.count - 1] * *levels);
    }
    return sde;
}

static double mean_at(const sc_sde *sde, double t) { return sc_sde_mean(sde, t); }

static const struct {
    const char *name;
    double (*at)(const sc_sde *sde, double t);
} functions[] = {{"mean_coeff", mean_at},
                 {"std", sc_sde_std},
                 {"drift_coeff", sc_sde_drift},
                 {"diffusion", sc_sde_diffusion}};

/* Against the exact numbers; the float32 ones as the published code gives them are shown beside,
 * and judged only where no exact ones are recorded: std of VP is off by 0.6 % at t = 1e-5. */
static void compare_functions(const parity *p, const reference *r, const char *prefix,
                              const sc_sde *sde, const tensor *t)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        char name[256];
        tensor exact = tensor_get(r, "%s.%s64", prefix, functions[i].name);
        tensor single = tensor_get(r, "%s.%s", prefix, functions[i].name);
        double *ours = POOL(double, t->count);
        for (int64_t k = 0; k < t->count; k++)
            ours[k] = functions[i].at(sde, t->v[k]);
        snprintf(name, sizeof name, "%s.%s64", prefix, functions[i].name);
        if (exact.v)
            report_compare(p->report, "exact functions of t", name, ours, exact.v, t->count,
                           EACH(1e-6));
        snprintf(name, sizeof name, "%s.%s", prefix, functions[i].name);
        if (!single.v)
            continue;
        report_compare(p->report, exact.v ? "published float32 functions of t" : "functions of t",
                       name, ours, single.v, t->count, exact.v ? SHOWN : EACH(1e-6));
        if (exact.v) {
            double own = 0;
            for (int64_t k = 0; k < t->count; k++)
                own = fmax(own, fabs(single.v[k] - exact.v[k]) / fabs(exact.v[k]));
            report_note(p->report, "published float32 is off by up to %.1e from the exact value",
                        own);
        }
    }
}

typedef double table_entry(const sc_sde *sde, int levels, int i);

static double alpha(const sc_sde *s, int n, int i) { return 1 - sc_sde_level_beta(s, n, i); }
static double alphabar(const sc_sde *s, int n, int i)
{
    return exp(sc_sde_level_log_alphabar(s, n, i));
}
static double root_alphabar(const sc_sde *s, int n, int i)
{
    return exp(sc_sde_level_log_alphabar(s, n, i) / 2);
}
static double rest(const sc_sde *s, int n, int i)
{
    return -expm1(sc_sde_level_log_alphabar(s, n, i));
}
static double descending(const sc_sde *s, int n, int i)
{
    return sc_sde_level_sigma(s, n, n - 1 - i);
}

/* Limits are those of float32: a sigma of 50 is exp of a float32 of 4, an alphabar a product of a
 * thousand float32, and 1 - alphabar (a root, compared squared) a difference from 1. */
static const struct {
    const char *name;
    table_entry *entry;
    limit at_most;
    bool squared;
} tables[] = {{"discrete_sigmas", sc_sde_level_sigma, {.each = 2e-6}, false},
              {"discrete_betas", sc_sde_level_beta, {.each = 1e-6}, false},
              {"alphas", alpha, {.each = 1e-6}, false},
              {"alphas_cumprod", alphabar, {.each = 1e-5}, false},
              {"sqrt_alphas_cumprod", root_alphabar, {.each = 1e-5}, false},
              {"sqrt_1m_alphas_cumprod", rest, {.absolute = 2e-6}, true}};

static void compare_table(const parity *p, const char *name, const tensor *theirs,
                          const sc_sde *sde, table_entry *entry, limit at_most, bool squared)
{
    double *ours = POOL(double, theirs->count), *table = POOL(double, theirs->count);
    for (int64_t i = 0; i < theirs->count; i++) {
        ours[i] = entry(sde, (int)theirs->count, (int)i);
        table[i] = squared ? theirs->v[i] * theirs->v[i] : theirs->v[i];
    }
    report_compare(p->report, "tables", name, ours, table, theirs->count, at_most);
}

static void compare_tables(const parity *p, const reference *r, const char *prefix,
                           const sc_sde *sde)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        char name[256];
        tensor theirs = tensor_get(r, "%s.%s", prefix, tables[i].name);
        snprintf(name, sizeof name, "%s.%s", prefix, tables[i].name);
        if (theirs.v)
            compare_table(p, name, &theirs, sde, tables[i].entry, tables[i].at_most,
                          tables[i].squared);
    }
}

/* "n2000_eps1e-5": times, levels and labels of the sampler. */
static void compare_grid(const parity *p, const reference *r, const char *name)
{
    int levels;
    double end;
    if (sscanf(name, "n%d_eps%lf", &levels, &end) != 2)
        return;
    tensor t = tensor_get(r, "steps.%s.t", name), index = tensor_get(r, "steps.%s.index", name);
    tensor label = tensor_get(r, "steps.%s.ve_disc_label", name);
    double *ours[3] = {POOL(double, levels), POOL(double, levels), POOL(double, levels)};
    for (int k = 0; k < levels; k++) {
        double time = ours[0][k] = sc_sde_grid_time(end, levels, k);
        ours[1][k] = sc_sde_time_level(time, levels);
        ours[2][k] = sc_sde_time_label(time, levels);
    }
    if (t.v && t.count == levels)
        report_compare(p->report, "sampler's times", name, ours[0], t.v, levels, ABSOLUTE(1e-7));
    if (index.v && index.count == levels)
        report_compare(p->report, "sampler's levels", name, ours[1], index.v, levels,
                       ABSOLUTE(1e-9));
    if (label.v && label.count == levels)
        report_compare(p->report, "sampler's labels", name, ours[2], label.v, levels,
                       ABSOLUTE(1e-9));
}

/* The part of a tensor's name before its first point, or of what follows `start`. */
static bool prefix_of(char prefix[96], const char *name, const char *start, const char *end)
{
    size_t n = strlen(start), whole = strlen(name), m = strlen(end);
    if (strncmp(name, start, n) != 0 || whole <= n + m || strcmp(name + whole - m, end) != 0)
        return false;
    snprintf(prefix, 96, "%.*s", (int)(whole - n - m), name + n);
    return true;
}

sc_status check_facts(const parity *p, const reference *r)
{
    tensor t = tensor_get(r, "t"), sigmas = tensor_get(r, "get_sigmas_descending64");
    for (int i = 0; i < reference_count(r); i++) {
        char prefix[96];
        int levels;
        if (prefix_of(prefix, reference_name(r, i), "", ".std")) {
            sc_sde sde = sde_of(r, prefix, &levels);
            if (t.v)
                compare_functions(p, r, prefix, &sde, &t);
            compare_tables(p, r, prefix, &sde);
        }
        if (prefix_of(prefix, reference_name(r, i), "steps.", ".t"))
            compare_grid(p, r, prefix);
    }
    if (sigmas.v) {
        sc_sde sde = {.kind = SC_SDE_VE,
                      .sigma_max = as_meant(sigmas.v[0]),
                      .sigma_min = as_meant(sigmas.v[sigmas.count - 1])};
        compare_table(p, "get_sigmas_descending64", &sigmas, &sde, descending, EACH(1e-6), false);
    }
    return SC_OK;
}
