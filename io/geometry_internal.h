/* Geometry as JSON, for its own file and for the run record. */
#ifndef SC_IO_GEOMETRY_INTERNAL_H
#define SC_IO_GEOMETRY_INTERNAL_H

#include "base/volume.h"
#include <jansson.h>

/* NULL if memory is short. */
json_t *sc_geometry_to_json(const sc_geometry *geometry);

/* Messages do not name the file. On failure *geometry is empty. */
sc_status sc_geometry_from_json(sc_geometry *geometry, const json_t *json, int64_t slices,
                                int64_t ny, int64_t nx);

#endif
