/* The chain of langevin.h. All systems are solved times r^2: (r^2 B^H B + I) step = r^2 rhs, where
 * B = W^1/2 A; data with the same information everywhere need no B, so that A's fused normal
 * serves.
 */
#include "recon/langevin.h"
#include "base/memory.h"
#include <math.h>

enum { NORM_ITERATIONS = 30 };

typedef struct {
    sc_op op;
    const sc_op *A;
    float *root;    /* W^1/2 */
    float *scratch; /* the same shape */
    int64_t m;
} weighted_op;

struct sc_langevin {
    const sc_data_term *term;
    const sc_device *device;
    sc_data_eval *eval;
    weighted_op weighted;
    const sc_op *system;   /* A, or weighted.op */
    double weight;         /* W where it is uniform, else 1: system's W^1/2 is in B */
    double norm;           /* |A^H A|, if asked for */
    int64_t n, m;          /* real components of image and data */
    float *rhs, *step;     /* (n) */
    float *data;           /* (m) */
    float *image_noise[2]; /* (n) of this step and the next, in turns */
    float *data_noise[2];  /* (m) the same */
    sc_cg_work cg;
    int64_t applications;
};

/* ---- B = W^1/2 A, for one thread: scratch is its own ---- */

static void weighted_normal(const sc_op *op, void *z, const void *x, void *work)
{
    const weighted_op *self = (const weighted_op *)op;
    const sc_kernels *k = op->device->kernels;
    sc_op_forward(self->A, self->scratch, x, work);
    k->multiply(op->device, self->scratch, self->scratch, self->root, self->m);
    k->multiply(op->device, self->scratch, self->scratch, self->root, self->m);
    sc_op_adjoint(self->A, z, self->scratch, work);
}

static sc_status create_weighted(sc_langevin *l)
{
    sc_status status = SC_OK;
    weighted_op *w = &l->weighted;
    const sc_op *A = l->term->A;
    *w = (weighted_op){.op = *A, .A = A, .m = l->m};
    w->op.name = "weighted";
    w->op.normal = weighted_normal;
    w->op.forward = w->op.adjoint = NULL; /* nobody asks for them */
    w->op.destroy = NULL;
    SC_TRY(SC_DEVICE_ALLOC(l->device, &w->root, l->m));
    SC_TRY(SC_DEVICE_ALLOC(l->device, &w->scratch, l->m));
cleanup:
    return status;
}

sc_status sc_langevin_create(sc_langevin **langevin, const sc_data_term *term, bool norm)
{
    sc_status status = SC_OK;
    sc_langevin *l = NULL;
    SC_TRY(SC_ALLOC(&l, 1, "Langevin chain"));
    l->term = term;
    l->device = term->A->device;
    l->n = sc_shape_floats(&term->A->domain);
    l->m = sc_shape_floats(&term->A->range);
    SC_TRY(sc_data_eval_create(&l->eval, term));
    SC_TRY(create_weighted(l));
    bool uniform = sc_data_eval_uniform(l->eval);
    l->system = uniform ? term->A : &l->weighted.op;
    l->weight = uniform ? 1 / (term->sigma * term->sigma) : 1;
    SC_TRY(SC_DEVICE_ALLOC(l->device, &l->rhs, l->n));
    SC_TRY(SC_DEVICE_ALLOC(l->device, &l->step, l->n));
    SC_TRY(SC_DEVICE_ALLOC(l->device, &l->data, l->m));
    for (int i = 0; i < 2; i++) {
        SC_TRY(SC_DEVICE_ALLOC(l->device, &l->image_noise[i], l->n));
        SC_TRY(SC_DEVICE_ALLOC(l->device, &l->data_noise[i], l->m));
    }
    SC_TRY(sc_cg_work_create(&l->cg, term->A));
    if (norm) {
        SC_TRY(sc_op_largest_eigenvalue(&l->norm, term->A, NORM_ITERATIONS, 0));
        l->applications += NORM_ITERATIONS;
    }
    *langevin = l;
    return SC_OK;
cleanup:
    sc_langevin_free(l);
    *langevin = NULL;
    return status;
}

void sc_langevin_free(sc_langevin *l)
{
    if (!l)
        return;
    sc_device_release(l->device, l->weighted.root);
    sc_device_release(l->device, l->weighted.scratch);
    sc_device_release(l->device, l->rhs);
    sc_device_release(l->device, l->step);
    sc_device_release(l->device, l->data);
    for (int i = 0; i < 2; i++) {
        sc_device_release(l->device, l->image_noise[i]);
        sc_device_release(l->device, l->data_noise[i]);
    }
    sc_cg_work_free(&l->cg, l->term->A);
    sc_data_eval_free(l->eval);
    sc_free(l);
}

static void draw(sc_langevin *l, int slot, sc_key key, uint32_t index)
{
    const sc_kernels *k = l->device->kernels;
    k->normal(l->device, l->image_noise[slot], l->n, key, SC_DRAW_LIKELIHOOD_IMAGE, index);
    k->normal(l->device, l->data_noise[slot], l->m, key, SC_DRAW_LIKELIHOOD_DATA, index);
}

/* x += a step of (r^2 B^H B + I)^-1 rhs */
static sc_status solve(sc_langevin *l, float *x, double r, sc_solve how)
{
    sc_cg_options options = {
        .a = r * r * l->weight, .b = 1, .iterations = how.iterations, .tolerance = how.tolerance};
    sc_cg_result result = {0};
    l->device->kernels->fill(l->device, l->step, 0, l->n);
    sc_status status =
        sc_cg_solve(l->step, l->rhs, l->system, &options, false, &l->cg, &result, NULL);
    l->applications += result.applications;
    l->device->kernels->axpby(l->device, x, 1, x, 1, l->step, l->n);
    return status;
}

/* data = grad log p(y | a) at a = A x; rhs = centre - x */
static sc_status slopes(sc_langevin *l, const float *x, const float *centre)
{
    const sc_kernels *k = l->device->kernels;
    sc_op_forward(l->term->A, l->data, x, l->cg.op_work);
    l->applications++;
    k->axpby(l->device, l->rhs, centre ? 1 : 0, centre ? centre : x, -1, x, l->n);
    return sc_data_eval_at(l->eval, NULL, l->data, l->data);
}

/* data = gamma data + spread W^1/2 (n_k + n_{k+1}) */
static void add_data_noise(sc_langevin *l, double gamma, double spread)
{
    const sc_kernels *k = l->device->kernels;
    float *sum = l->weighted.scratch;
    k->axpby(l->device, sum, 1, l->data_noise[0], 1, l->data_noise[1], l->m);
    k->multiply(l->device, sum, sum, l->weighted.root, l->m);
    k->axpby(l->device, l->data, (float)gamma, l->data, (float)spread, sum, l->m);
}

/* rhs = gamma rhs + r^2 A^H data + amplitude (n_k + n_{k+1}) */
static void gather(sc_langevin *l, double gamma, double r, double amplitude)
{
    const sc_kernels *k = l->device->kernels;
    sc_op_adjoint(l->term->A, l->step, l->data, l->cg.op_work);
    k->axpby(l->device, l->rhs, (float)gamma, l->rhs, (float)(r * r), l->step, l->n);
    for (int i = 0; i < 2; i++)
        k->axpby(l->device, l->rhs, 1, l->rhs, (float)amplitude, l->image_noise[i], l->n);
}

static sc_status implicit_step(sc_langevin *l, float *x, const float *centre, double r,
                               const sc_langevin_options *o)
{
    sc_status status = SC_OK;
    double spread = sqrt(o->gamma / 2);
    SC_TRY(slopes(l, x, centre));
    add_data_noise(l, o->gamma, spread);
    gather(l, o->gamma, r, spread * r);
    SC_TRY(solve(l, x, r, o->solve));
cleanup:
    return status;
}

/* M a number: x += M / r^2 (gamma r^2 g + sqrt(gamma / (2 M)) r^2 (n_k + n_{k+1})) */
static sc_status norm_step(sc_langevin *l, float *x, const float *centre, double r,
                           const sc_langevin_options *o, double metric)
{
    sc_status status = SC_OK;
    const sc_kernels *k = l->device->kernels;
    SC_TRY(slopes(l, x, centre));
    k->axpby(l->device, l->data, (float)o->gamma, l->data, 0, l->data, l->m);
    gather(l, o->gamma, r, sqrt(o->gamma / (2 * metric)) * r * r);
    k->axpby(l->device, x, 1, x, (float)(metric / (r * r)), l->rhs, l->n);
cleanup:
    return status;
}

sc_status sc_langevin_run(sc_langevin *l, float *x, const float *centre, double r,
                          const sc_langevin_options *o, sc_key key, uint32_t index)
{
    sc_status status = SC_OK;
    const sc_kernels *k = l->device->kernels;
    sc_op_forward(l->term->A, l->data, centre ? centre : x, l->cg.op_work);
    SC_TRY(sc_data_eval_root(l->eval, l->weighted.root, l->data));
    double root = k->max_abs(l->device, l->weighted.root, l->m);
    double metric = 1 / (1.05 * l->norm * root * root + 1 / (r * r));
    draw(l, 0, key, index);
    for (int j = 0; j < o->steps; j++) {
        draw(l, (j + 1) % 2, key, index + (uint32_t)j + 1);
        if (o->norm)
            SC_TRY(norm_step(l, x, centre, r, o, metric));
        else
            SC_TRY(implicit_step(l, x, centre, r, o));
    }
cleanup:
    return status;
}

/* The system without noise: W a_best for the data, 0 for the belief. */
sc_status sc_langevin_guess(sc_langevin *l, float *x, double r, sc_solve how)
{
    sc_status status = SC_OK;
    const sc_kernels *k = l->device->kernels;
    SC_TRY(sc_data_eval_best(l->eval, l->data));
    SC_TRY(sc_data_eval_root(l->eval, l->weighted.root, l->data));
    for (int i = 0; i < 2; i++)
        k->multiply(l->device, l->data, l->data, l->weighted.root, l->m);
    sc_op_adjoint(l->term->A, l->rhs, l->data, l->cg.op_work);
    k->axpby(l->device, l->rhs, (float)(r * r), l->rhs, 0, l->rhs, l->n);
    k->fill(l->device, x, 0, l->n);
    SC_TRY(solve(l, x, r, how));
cleanup:
    return status;
}

sc_status sc_langevin_residual(sc_langevin *l, double *residual, const float *x)
{
    sc_op_forward(l->term->A, l->data, x, l->cg.op_work);
    return sc_data_eval_residual(l->eval, residual, l->data);
}

int64_t sc_langevin_applications(const sc_langevin *l) { return l->applications; }
