/* Object and coils on the fine grid. Positions are in fields of view from the centre: -0.5 ... 0.5.
 */
#ifndef SC_RECON_SIMULATE_INTERNAL_H
#define SC_RECON_SIMULATE_INTERNAL_H

#include "recon/simulate.h"

#define SC_SIMULATE_COILS 128 /* at most */

typedef struct {
    int coils;
    double shading;                    /* as in sc_simulate_options */
    double centre;                     /* root sum of squares at the centre, before scaling */
    double axis[SC_SIMULATE_COILS][2]; /* direction of the dipole, from the centre outwards */
    double height[SC_SIMULATE_COILS];
} sc_simulate_array;

sc_simulate_array sc_simulate_coils(int coils, double shading);

/* Sensitivities of all coils at one point; root sum of squares 1 at the centre. */
void sc_simulate_sensitivity(double complex *s /*(coils)*/, const sc_simulate_array *array,
                             double x, double y, double z);

#define SC_SIMULATE_PHASE_TERMS 8
/* Smooth phase of the object in radians. */
double sc_simulate_phase(const float coefficient[SC_SIMULATE_PHASE_TERMS], double x, double y,
                         double z);

/* Image (h, w), f32 or c32, to (ny, nx) by cubic convolution (Keys 1981, a = -1/2); centres n/2
 * coincide, the field of view is the same. Overshoot of a magnitude below 0 is cut off. */
void sc_simulate_resample(sc_c32 *fine, int64_t ny, int64_t nx, const void *image, sc_dtype dtype,
                          int64_t h, int64_t w);

#endif
