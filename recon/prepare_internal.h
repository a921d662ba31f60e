/* Maps of one plane, in the whitened coils. */
#ifndef SC_RECON_PREPARE_INTERNAL_H
#define SC_RECON_PREPARE_INTERNAL_H

#include "recon/prepare.h"

/* Fills problem->sets, coils, maps, support, shading, and the facts about them, from the
 * calibration lines of `plane` (scanner's coils) or from the given maps. */
sc_status sc_prepare_maps(sc_problem *problem, sc_prepare_facts *facts, const sc_plane *plane,
                          const sc_calibration *calibration, int64_t slice, int threads,
                          const char *source);

/* Shape of given maps against the scan. */
sc_status sc_prepare_check_maps(const sc_array *maps, const sc_planes *planes, int64_t coils);

#endif
