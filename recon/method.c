/* The table of methods: a new one is a file, a declaration and a line here. */
#include <stdio.h>
#include <string.h>

#include "recon/problem.h"

extern const sc_method sc_method_zero_filled, sc_method_cg_sense, sc_method_l1_wavelet,
    sc_method_tv, sc_method_annealed_proximal, sc_method_dds, sc_method_diffpir, sc_method_dps,
    sc_method_red_diff, sc_method_pc, sc_method_pula, sc_method_daps;

/* clang-format off: one line each */
const sc_method *const sc_methods[] = {
    &sc_method_zero_filled,
    &sc_method_cg_sense,
    &sc_method_l1_wavelet,
    &sc_method_tv,
    &sc_method_annealed_proximal,
    &sc_method_dds,
    &sc_method_diffpir,
    &sc_method_dps,
    &sc_method_red_diff,
    &sc_method_pc,
    &sc_method_pula,
    &sc_method_daps,
    NULL,
};
/* clang-format on */

sc_status sc_method_find(const sc_method **method, const char *name)
{
    char known[512] = "";
    size_t used = 0;
    *method = NULL;
    for (int i = 0; sc_methods[i]; i++) {
        if (strcmp(sc_methods[i]->name, name) == 0) {
            *method = sc_methods[i];
            return SC_OK;
        }
        if (used < sizeof known)
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "",
                                     sc_methods[i]->name);
    }
    return sc_fail(SC_ERR_USAGE, "method: expected one of %s, found '%s'", known, name);
}
