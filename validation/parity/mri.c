/* mri_steps: data consistency of the score-MRI samplers, with the library's Fourier operator
 * (centred, unitary). `fast` and `ri` use an unnormalised FFT of the uncentred image followed by a
 * shift: that is sqrt(n) times ours of the image shifted. */
#include "parity.h"
#include <complex.h>
#include <math.h>
#include <operators/operator.h>
#include <string.h>

#define STEP 2e-6

typedef struct {
    const parity *p;
    const reference *r;
    int h, w;
    int64_t n; /* pixels */
    tensor mask;
    sc_op *fourier;
    void *work;
} mri;

/* The image with its index 0 moved to n / 2, or back. */
static void shift(sc_c32 *y, const sc_c32 *x, const mri *m, bool back)
{
    int dy = back ? m->h - m->h / 2 : m->h / 2, dx = back ? m->w - m->w / 2 : m->w / 2;
    for (int i = 0; i < m->h; i++)
        for (int j = 0; j < m->w; j++)
            y[(i + dy) % m->h * m->w + (j + dx) % m->w] = x[i * m->w + j];
}

static sc_c32 *complexes(const tensor *x)
{
    sc_c32 *y = POOL(sc_c32, x->count / 2);
    for (int64_t i = 0; i < x->count / 2; i++)
        y[i] = CMPLXF(x->v[2 * i], x->v[2 * i + 1]);
    return y;
}

static sc_c32 *reals(const double *x, int64_t n, double scale)
{
    sc_c32 *y = POOL(sc_c32, n);
    for (int64_t i = 0; i < n; i++)
        y[i] = CMPLXF(scale * x[i], 0);
    return y;
}

/* k (1 - mask) + y in the centred unitary Fourier domain of x, in place */
static void consist(const mri *m, sc_c32 *x, const sc_c32 *y, double y_scale)
{
    sc_c32 *k = POOL(sc_c32, m->n);
    sc_op_forward(m->fourier, k, x, m->work);
    for (int64_t i = 0; i < m->n; i++)
        k[i] = (float)(1 - m->mask.v[i]) * k[i] + (float)y_scale * y[i];
    sc_op_adjoint(m->fourier, x, k, m->work);
}

/* The same for the uncentred image and unnormalised data. */
static sc_c32 *consist_uncentred(const mri *m, const sc_c32 *x, const sc_c32 *y)
{
    sc_c32 *moved = POOL(sc_c32, m->n), *result = POOL(sc_c32, m->n);
    shift(moved, x, m, false);
    consist(m, moved, y, 1 / sqrt((double)m->n));
    shift(result, moved, m, true);
    return result;
}

static void compare(const mri *m, const char *name, const sc_c32 *x, const tensor *theirs)
{
    bool is_complex = theirs->count > m->n && theirs->dim[theirs->rank - 1] == 2;
    double *ours = POOL(double, theirs->count);
    for (int64_t i = 0; i < theirs->count / (is_complex ? 2 : 1); i++)
        if (is_complex) {
            ours[2 * i] = crealf(x[i]);
            ours[2 * i + 1] = cimagf(x[i]);
        } else
            ours[i] = crealf(x[i]);
    report_compare(m->p->report, "data consistency", name, ours, theirs->v, theirs->count,
                   RELATIVE(STEP));
}

static void real_part(sc_c32 *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = CMPLXF(crealf(x[i]), 0);
}

/* The consistent x; its x_mean is the same step of the consistent x once more. */
static void check_fast(const mri *m)
{
    tensor x = tensor_get(m->r, "x"), Fy = tensor_get(m->r, "Fy");
    tensor out = tensor_get(m->r, "fast.x"), mean = tensor_get(m->r, "fast.x_mean");
    tensor_get(m->r, "x_mean"); /* the published step does not use it */
    tensor noise = tensor_get(m->r, "fast.prior_noise"),
           start = tensor_get(m->r, "fast.x_init_sigma378");
    if (!x.v || !Fy.v || x.count != m->n || Fy.count != 2 * m->n)
        return;
    sc_c32 *y = complexes(&Fy), *moved = consist_uncentred(m, reals(x.v, m->n, 1), y);
    real_part(moved, m->n);
    if (out.v)
        compare(m, "fast.x", moved, &out);
    if (mean.v)
        compare(m, "fast.x_mean", consist_uncentred(m, moved, y), &mean);
    if (noise.v && start.v)
        compare(m, "fast.x_init_sigma378", consist_uncentred(m, reals(noise.v, m->n, 378), y),
                &start);
}

static void check_complex(const mri *m)
{
    tensor x = tensor_get(m->r, "ri.x"), Fy = tensor_get(m->r, "ri.Fy"),
           out = tensor_get(m->r, "ri.out");
    if (x.v && Fy.v && out.v && x.count == 2 * m->n && Fy.count == 2 * m->n)
        compare(m, "ri.out", consist_uncentred(m, complexes(&x), complexes(&Fy)), &out);
}

/* coil.dc: each coil image made consistent. coil.kaczmarz_lambL: x + L A^H (y - A x), A = mask F S,
 * S coil by coil, the sum of A^H over the coils added to every coil image. */
static void check_coils(const mri *m)
{
    tensor x = tensor_get(m->r, "coil.x"), y = tensor_get(m->r, "coil.y");
    tensor sens = tensor_get(m->r, "coil.sens"), dc = tensor_get(m->r, "coil.dc");
    if (!x.v || !tensor_alike(&x, &y))
        return;
    int64_t coils = x.count / 2 / m->n;
    sc_c32 *data = complexes(&y), *each = complexes(&x);
    for (int64_t c = 0; c < coils; c++)
        consist(m, each + c * m->n, data + c * m->n, 1);
    if (dc.v)
        compare(m, "coil.dc", each, &dc);
    for (int i = 0; i < reference_count(m->r); i++) {
        double lambda;
        const char *name = reference_name(m->r, i);
        if (!tensor_alike(&x, &sens) || sscanf(name, "coil.kaczmarz_lamb%lf", &lambda) != 1)
            continue;
        tensor theirs = tensor_get(m->r, "%s", name);
        sc_c32 *image = complexes(&x), *S = complexes(&sens), *k = POOL(sc_c32, m->n);
        sc_c32 *one = POOL(sc_c32, m->n), *sum = POOL(sc_c32, m->n);
        for (int64_t c = 0; c < coils; c++) {
            for (int64_t j = 0; j < m->n; j++)
                one[j] = S[c * m->n + j] * image[c * m->n + j];
            sc_op_forward(m->fourier, k, one, m->work);
            for (int64_t j = 0; j < m->n; j++)
                k[j] = (float)m->mask.v[j] * (data[c * m->n + j] - (float)m->mask.v[j] * k[j]);
            sc_op_adjoint(m->fourier, one, k, m->work);
            for (int64_t j = 0; j < m->n; j++)
                sum[j] += conjf(S[c * m->n + j]) * one[j];
        }
        for (int64_t j = 0; j < coils * m->n; j++)
            image[j] += (float)lambda * sum[j % m->n];
        compare(m, name, image, &theirs);
    }
}

/* The data themselves: Fy = mask F(gt). */
static void check_data(const mri *m)
{
    tensor gt = tensor_get(m->r, "gt"), Fy = tensor_get(m->r, "Fy");
    if (!gt.v || !Fy.v || gt.count != m->n || Fy.count != 2 * m->n)
        return;
    sc_c32 *moved = POOL(sc_c32, m->n), *k = POOL(sc_c32, m->n);
    shift(moved, reals(gt.v, m->n, sqrt((double)m->n)), m, false);
    sc_op_forward(m->fourier, k, moved, m->work);
    for (int64_t i = 0; i < m->n; i++)
        k[i] *= (float)m->mask.v[i];
    compare(m, "Fy of gt", k, &Fy);
}

sc_status check_mri(const parity *p, const reference *r)
{
    sc_status status = SC_OK;
    mri m = {.p = p, .r = r, .mask = tensor_get(r, "mask")};
    if (strcmp(p->device->kernels->name, "cpu") != 0) {
        report_absent(p->report, "data consistency", "steps", "compared on the CPU only");
        return SC_OK;
    }
    if (!m.mask.v || m.mask.rank < 2)
        return sc_fail(SC_ERR_FORMAT, "data consistency needs a mask");
    m.h = (int)m.mask.dim[m.mask.rank - 2];
    m.w = (int)m.mask.dim[m.mask.rank - 1];
    m.n = (int64_t)m.h * m.w;
    const sc_shape shape = {SC_C32, 2, {m.h, m.w}};
    SC_TRY(sc_op_fourier(&m.fourier, p->device, &shape, 2));
    SC_TRY(sc_op_work_create(m.fourier, &m.work));
    check_data(&m);
    check_fast(&m);
    check_complex(&m);
    check_coils(&m);
cleanup:
    if (m.fourier)
        sc_device_release(p->device, m.work);
    sc_op_free(m.fourier);
    return status;
}
