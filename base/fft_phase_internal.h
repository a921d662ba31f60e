/* The phases that centre a Fourier transform (kernel_bodies.h, sc_body_phase), made in double. */
#ifndef SC_BASE_FFT_PHASE_INTERNAL_H
#define SC_BASE_FFT_PHASE_INTERNAL_H

#include "base/kernel_bodies.h"
#include "base/status.h"

/* Tables of all axes, one after the other, before and after the transform: 2 sums of dims complex
 * numbers, to be freed with sc_free. *count: complex numbers in one half. */
sc_status sc_fft_phases(float **phases, int64_t *count, sc_dims dims);

#endif
