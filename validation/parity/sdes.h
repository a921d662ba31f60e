/* SDEs as names of tensors say them: "ve378.std", "subvp.ald.x". */
#ifndef PARITY_SDES_H
#define PARITY_SDES_H

#include <prior/sde.h>

sc_sde_kind sde_kind_of(const char *prefix);

#endif
