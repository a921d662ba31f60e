/* The likelihoods of data_term.h: a table of laws, each three functions of one datum in double.
 * Gaussian data stay on the device; the others are evaluated on the host, where the score's images
 * are, too.
 */
#include "recon/data_term.h"
#include "base/memory.h"
#include <math.h>

typedef struct {
    double y[2]; /* counts and magnitudes: y[0] */
    double sigma, scale, background;
} datum;

typedef struct {
    const char *name;
    bool uniform, host;
    /* log p(y | a), g its gradient */
    double (*point)(double g[2], const double a[2], const datum *d);
    double (*information)(const double a[2], const datum *d); /* NULL: 1 / sigma^2 */
    double (*best)(double a[2], const datum *d);              /* the greatest log p, and where */
} law;

enum { SLOPE_LIMIT = 10 }; /* standard deviations of a count (data_term.h) */

/* ---- modified Bessel functions: series below 15, asymptotic above; terms are positive below, and
 * the 15 terms above fall to 1e-13 ---- */

enum { SERIES_END = 15, ASYMPTOTIC_TERMS = 28 };

/* sum_k (z^2 / 4)^k / (k! (k + order)!) : I_order(z) = (z / 2)^order times that */
static double bessel_series(double z, int order)
{
    double q = z * z / 4, term = 1, sum = 1;
    for (int k = 1; term > 1e-17 * sum; k++) {
        term *= q / (k * (double)(k + order));
        sum += term;
    }
    return sum;
}

/* I_order(z) exp(-z) sqrt(2 pi z) */
static double bessel_asymptotic(double z, int order)
{
    double mu = 4.0 * order * order, term = 1, sum = 1;
    for (int k = 1; k <= ASYMPTOTIC_TERMS; k++) {
        term *= ((2 * k - 1) * (2 * k - 1) - mu) / (k * 8 * z);
        sum += term;
    }
    return sum;
}

double sc_log_bessel_i0e(double z)
{
    if (z < SERIES_END)
        return log(bessel_series(z, 0)) - z;
    return log(bessel_asymptotic(z, 0)) - 0.5 * log(2 * M_PI * z);
}

double sc_bessel_ratio(double z)
{
    if (z < SERIES_END)
        return z / 2 * bessel_series(z, 1) / bessel_series(z, 0);
    return bessel_asymptotic(z, 1) / bessel_asymptotic(z, 0);
}

/* ---- gaussian: also the reference of what the device does ---- */

static double gaussian_point(double g[2], const double a[2], const datum *d)
{
    double v = d->sigma * d->sigma;
    g[0] = (d->y[0] - a[0]) / v, g[1] = (d->y[1] - a[1]) / v;
    return -v * (g[0] * g[0] + g[1] * g[1]) / 2;
}

static double gaussian_best(double a[2], const datum *d)
{
    a[0] = d->y[0], a[1] = d->y[1];
    return 0;
}

/* ---- poisson ---- */

/* y log(mean) - mean, with 0 log 0 = 0 */
static double poisson_log(double y, double mean) { return (y > 0 ? y * log(mean) : 0) - mean; }

static double poisson_point(double g[2], const double a[2], const datum *d)
{
    double y = d->y[0], mean = d->scale * a[0] + d->background;
    double limit = y > 0 ? y / (1 + SLOPE_LIMIT / sqrt(y)) : 0;
    double at = fmax(mean, limit), slope = y > 0 ? y / at - 1 : -(mean > 0);
    g[0] = d->scale * slope;
    return d->scale > 0 ? poisson_log(y, at) + slope * (mean - at) : 0;
}

static double poisson_information(const double a[2], const datum *d)
{
    double mean = fmax(d->scale * a[0] + d->background, 0);
    return d->scale * d->scale / ((mean + d->y[0] + 1) / 2);
}

static double poisson_best(double a[2], const datum *d)
{
    a[0] = d->scale > 0 ? (d->y[0] - d->background) / d->scale : 0;
    return d->scale > 0 ? poisson_log(d->y[0], d->y[0]) : 0;
}

/* ---- transmission ---- */

/* The greatest expectation for which the likelihood is taken as it is. */
static double transmission_limit(const datum *d)
{
    double centre = fmax(d->y[0], d->background);
    return centre + SLOPE_LIMIT * sqrt(fmax(centre, 1));
}

/* With no background the logarithm of the expectation is linear in a, however large that is. */
static double transmission_log(double a, const datum *d)
{
    double mean = d->scale * exp(-a) + d->background, y = d->y[0];
    double logarithm = d->background > 0 ? log(mean) : log(d->scale) - a;
    return (y > 0 ? y * logarithm : 0) - mean;
}

static double transmission_point(double g[2], const double a[2], const datum *d)
{
    g[0] = 0;
    if (!(d->scale > 0))
        return 0;
    double least = log(d->scale / (transmission_limit(d) - d->background));
    double at = fmax(a[0], least), u = d->scale * exp(-at);
    g[0] = d->background > 0 ? u * (1 - d->y[0] / (u + d->background)) : u - d->y[0];
    return transmission_log(at, d) + g[0] * (a[0] - at);
}

static double transmission_information(const double a[2], const datum *d)
{
    double most = transmission_limit(d) - d->background;
    double u = fmin(d->scale * exp(-a[0]), most), measured = fmax(d->y[0] - d->background, 0);
    u = d->scale > 0 ? (u + measured + 1) / 2 : 0;
    return u > 0 ? u * u / (u + d->background) : 0;
}

/* Half a count at least, so that a ray without counts is as dense as it can be told to be. */
static double transmission_best(double a[2], const datum *d)
{
    double y = d->y[0];
    a[0] = d->scale > 0 ? log(d->scale / fmax(y - d->background, 0.5)) : 0;
    return d->scale > 0 ? poisson_log(y, fmax(y, d->background)) : 0;
}

/* ---- magnitude: log p = -(y - |a|)^2 / (2 sigma^2) + log(I0(z) exp(-z)), z = y |a| / sigma^2 ----
 */

static double magnitude_point(double g[2], const double a[2], const datum *d)
{
    double v = d->sigma * d->sigma, y = d->y[0], size = hypot(a[0], a[1]), z = y * size / v;
    /* d log I0 / d|a| over |a|; y^2 / (2 v) at |a| = 0 */
    double pull = z > 0 ? y / size * sc_bessel_ratio(z) : y * y / (2 * v);
    g[0] = a[0] * (pull - 1) / v, g[1] = a[1] * (pull - 1) / v;
    return -(y - size) * (y - size) / (2 * v) + sc_log_bessel_i0e(z);
}

/* |a| = y R(y |a| / v) by bisection: the right side is concave, so there is one root above 0 if
 * y^2 > 2 v, and none otherwise. */
static double magnitude_best(double a[2], const datum *d)
{
    double v = d->sigma * d->sigma, y = d->y[0], low = 0, high = y, g[2];
    for (int i = 0; i < 60 && y * y > 2 * v; i++) {
        double middle = (low + high) / 2;
        if (y * sc_bessel_ratio(y * middle / v) > middle)
            low = middle;
        else
            high = middle;
    }
    a[0] = low, a[1] = 0;
    return magnitude_point(g, a, d);
}

static const law laws[] = {
    [SC_DATA_GAUSSIAN] = {"gaussian", true, false, gaussian_point, NULL, gaussian_best},
    [SC_DATA_POISSON] = {"poisson", false, true, poisson_point, poisson_information, poisson_best},
    [SC_DATA_TRANSMISSION] = {"transmission", false, true, transmission_point,
                              transmission_information, transmission_best},
    [SC_DATA_MAGNITUDE] = {"magnitude", true, true, magnitude_point, NULL, magnitude_best},
};

/* ---- all data ---- */

struct sc_data_eval {
    const sc_data_term *term;
    const law *law;
    int64_t count;  /* elements of A's range */
    int parts;      /* real components of one */
    int y_parts;    /* real components of a datum */
    float *y;       /* host */
    float *a, *g;   /* (count, parts) host */
    float *scratch; /* (count, parts) device: gaussian */
};

static datum datum_at(const sc_data_eval *e, int64_t i)
{
    const sc_data_term *t = e->term;
    return (datum){.y = {e->y[i * e->y_parts], e->y_parts == 2 ? e->y[i * 2 + 1] : 0},
                   .sigma = t->sigma,
                   .scale = t->scales ? t->scales[i] : t->scale,
                   .background = t->backgrounds ? t->backgrounds[i] : t->background};
}

static sc_status check(const sc_data_eval *e)
{
    bool counts = e->law->information != NULL;
    if (!counts && !(e->term->sigma > 0))
        return sc_fail(SC_ERR_INPUT, "%s data: sigma: expected more than 0, found %g", e->law->name,
                       e->term->sigma);
    if (counts && e->parts == 2)
        return sc_fail(SC_ERR_INPUT, "%s data: expected a real operator, found a complex one",
                       e->law->name);
    for (int64_t i = 0; e->law->host && i < e->count; i++) {
        datum d = datum_at(e, i);
        if (!(d.y[0] >= 0 && isfinite(d.y[0])))
            return sc_fail(SC_ERR_INPUT, "%s data: datum %lld: expected a number >= 0, found %g",
                           e->law->name, (long long)i, d.y[0]);
        if (counts && !(d.scale >= 0 && d.background >= 0 && isfinite(d.scale + d.background)))
            return sc_fail(
                SC_ERR_INPUT,
                "%s data: datum %lld: expected scale and background >= 0, found %g and %g",
                e->law->name, (long long)i, d.scale, d.background);
    }
    return SC_OK;
}

sc_status sc_data_eval_create(sc_data_eval **eval, const sc_data_term *term)
{
    sc_status status = SC_OK;
    sc_data_eval *e = NULL;
    const sc_device *device = term->A->device;
    SC_TRY(SC_ALLOC(&e, 1, "likelihood"));
    e->term = term;
    e->law = &laws[term->law];
    e->count = sc_shape_elements(&term->A->range);
    e->parts = term->A->range.dtype == SC_C32 ? 2 : 1;
    e->y_parts = term->law == SC_DATA_GAUSSIAN ? e->parts : 1;
    int64_t floats = e->count * e->parts;
    SC_TRY(SC_ALLOC(&e->y, e->count * e->y_parts, "data"));
    SC_TRY(SC_ALLOC(&e->a, floats, "data"));
    SC_TRY(SC_ALLOC(&e->g, floats, "data"));
    if (!e->law->host)
        SC_TRY(SC_DEVICE_ALLOC(device, &e->scratch, floats));
    SC_TRY(device->kernels->download(device, e->y, term->y,
                                     (size_t)(e->count * e->y_parts) * sizeof *e->y));
    SC_TRY(check(e));
    *eval = e;
    return SC_OK;
cleanup:
    sc_data_eval_free(e);
    *eval = NULL;
    return status;
}

void sc_data_eval_free(sc_data_eval *e)
{
    if (!e)
        return;
    sc_device_release(e->term->A->device, e->scratch);
    sc_free(e->y);
    sc_free(e->a);
    sc_free(e->g);
    sc_free(e);
}

bool sc_data_eval_uniform(const sc_data_eval *e) { return e->law->uniform; }

static sc_status to_host(sc_data_eval *e, const float *a)
{
    const sc_device *device = e->term->A->device;
    return device->kernels->download(device, e->a, a, (size_t)(e->count * e->parts) * sizeof *e->a);
}

static sc_status to_device(sc_data_eval *e, float *z)
{
    const sc_device *device = e->term->A->device;
    return device->kernels->upload(device, z, e->g, (size_t)(e->count * e->parts) * sizeof *e->g);
}

static sc_status gaussian_at(sc_data_eval *e, double *value, float *g, const float *a)
{
    const sc_device *device = e->term->A->device;
    int64_t n = e->count * e->parts;
    double sigma = e->term->sigma;
    float w = (float)(1 / (sigma * sigma)), *out = g ? g : e->scratch;
    device->kernels->axpby(device, out, w, e->term->y, -w, a, n);
    if (value)
        *value = -sigma * sigma * device->kernels->dot(device, out, out, n) / 2;
    return SC_OK;
}

sc_status sc_data_eval_at(sc_data_eval *e, double *value, float *g, const float *a)
{
    sc_status status = SC_OK;
    double sum = 0;
    if (!e->law->host)
        return gaussian_at(e, value, g, a);
    SC_TRY(to_host(e, a));
    for (int64_t i = 0; i < e->count; i++) {
        double at[2] = {e->a[i * e->parts], e->parts == 2 ? e->a[i * 2 + 1] : 0}, slope[2] = {0, 0};
        datum d = datum_at(e, i);
        sum += e->law->point(slope, at, &d);
        for (int p = 0; p < e->parts; p++)
            e->g[i * e->parts + p] = (float)slope[p];
    }
    if (value)
        *value = sum;
    if (g)
        SC_TRY(to_device(e, g));
cleanup:
    return status;
}

sc_status sc_data_eval_root(sc_data_eval *e, float *root, const float *a)
{
    sc_status status = SC_OK;
    const sc_device *device = e->term->A->device;
    if (e->law->uniform) {
        device->kernels->fill(device, root, (float)(1 / e->term->sigma), e->count * e->parts);
        return SC_OK;
    }
    SC_TRY(to_host(e, a));
    for (int64_t i = 0; i < e->count; i++) {
        double at[2] = {e->a[i], 0};
        datum d = datum_at(e, i);
        e->g[i] = (float)sqrt(e->law->information(at, &d));
    }
    SC_TRY(to_device(e, root));
cleanup:
    return status;
}

sc_status sc_data_eval_best(sc_data_eval *e, float *a)
{
    for (int64_t i = 0; i < e->count; i++) {
        double best[2] = {0, 0};
        datum d = datum_at(e, i);
        e->law->best(best, &d);
        for (int p = 0; p < e->parts; p++)
            e->g[i * e->parts + p] = (float)best[p];
    }
    return to_device(e, a);
}

sc_status sc_data_eval_residual(sc_data_eval *e, double *residual, const float *a)
{
    double value = 0, best = 0, at[2];
    int64_t measured = e->term->measured ? e->term->measured : e->count;
    sc_status status = sc_data_eval_at(e, &value, NULL, a);
    for (int64_t i = 0; i < e->count; i++) {
        datum d = datum_at(e, i);
        best += e->law->best(at, &d);
    }
    *residual = 2 * (best - value) / (double)(measured * e->y_parts);
    return status;
}
