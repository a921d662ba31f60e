/* A stack of slices as one problem, so that they go down the noise levels together and a data step
 * can couple them (through_slice.h).
 *
 *     whole: A = blocks of the slices' operators, y one after the other, sets = slices x sets,
 *            through = D_z, differences between neighbours in common units and phase
 *
 * Each slice keeps its own scale, to which the prior is used; whole.sigma is the brightest slice's
 * and the others' data are rescaled to it. D_z compares physical images in units of the brightest
 * slice: weight_k = scale_k shading_k / its mean exp(-i phi_k), for the phase of coil maps is a
 * convention of each slice: phi_k is the phase of its CG-SENSE image at low resolution. Pixels that
 * either slice's support leaves out are not compared.
 */
#ifndef SC_RECON_STACK_H
#define SC_RECON_STACK_H

#include "recon/problem.h"

typedef struct {
    int slices;
    sc_problem *slice; /* (slices) owned; y is NULL: it is in whole */
    sc_problem whole;
} sc_stack;

/* Takes `slice` (slices >= 2, of one size and as many sets, in the order in which they lie), also
 * on failure; the array is copied, its elements are emptied. device: of the whole; on the CPU the
 * slices' devices should have one thread, for they are shared out to `threads`. slope: size of a
 * pixel over the distance of slices. *stack is empty on failure. */
sc_status sc_stack_join(sc_stack *stack, const sc_device *device, sc_problem *slice, int slices,
                        double slope, int threads);
void sc_stack_free(sc_stack *stack); /* an empty one is fine */

/* Slice `index` with its data, as before joining: good until the next call or sc_stack_free. */
sc_status sc_stack_slice(sc_problem **slice, sc_stack *stack, int index);

/* Slice `index` of an estimate of the whole, as if it had been estimated alone: mean, and with
 * samples those and their standard deviation, 0 outside the support; the cost is the whole's, for
 * all slices took part in each evaluation. *part is empty on entry and on failure. */
sc_status sc_stack_part(sc_estimate *part, const sc_stack *stack, const sc_estimate *whole,
                        int index);

/* Bytes that reconstructing such a stack takes, problems included, with as many samples kept and
 * `batch` of them at a time. */
double sc_stack_bytes(int64_t slices, int sets, int coils, int64_t ny, int64_t nx, int samples,
                      int batch, int threads);

/* weight (slices, y, x) and pair (slices - 1, y, x), owned by the caller, for D_z of these slices:
 * what sc_stack_join uses. */
sc_status sc_stack_weights(sc_c32 **weight, float **pair, const sc_problem *slice, int slices,
                           double slope);

#endif
