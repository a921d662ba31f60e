/* SDEs as names of tensors say them: "ve378.std", "subvp.ald.x". */
#ifndef PARITY_SDES_H
#define PARITY_SDES_H

#include "report.h"
#include <prior/sde.h>

sc_sde_kind sde_kind_of(const char *prefix);

/* What the published code evaluates as 1 - exp(..) in float32, for a std: the variance (VP) or the
 * std (sub-VP); infinite for VE, which has no such cancellation. */
double sde_float32_difference(const sc_sde *sde, double std);

/* std against the published float32 ones: VE each number, VP and sub-VP that difference, whose
 * error is float32's of a number near 1. */
void compare_std(report *r, const char *kind, const char *name, const sc_sde *sde,
                 const double *ours, const tensor *theirs);

#endif
