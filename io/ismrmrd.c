/* The ISMRMRD reader: headers, plan, geometry, samples. */
#include "base/memory.h"
#include "io/ismrmrd_internal.h"
#include "io/scan_internal.h"
#include <string.h>

bool sc_ismrmrd_probe(const sc_scan_probe *probe)
{
    return sc_hdf5_probe(probe->head, probe->bytes);
}

sc_status sc_ismrmrd_read(sc_scan *scan, const char *path, const sc_scan_options *options)
{
    sc_ismrmrd raw;
    sc_ismrmrd_plan plan = {0};
    sc_status status = sc_ismrmrd_open(&raw, path, options->group);
    if (status != SC_OK)
        return status;
    SC_TRY(sc_ismrmrd_plan_make(&plan, &raw, options));
    SC_TRY(sc_ismrmrd_geometry(&scan->geometry, &plan));
    scan->header = raw.xml.header;
    scan->frames = plan.frames;
    scan->slices = plan.slices;
    scan->coils = plan.coils;
    scan->nz = plan.nz;
    scan->ny = plan.ny;
    scan->nx = plan.nx;
    scan->image_nx = plan.image[0];
    scan->image_ny = plan.image[1];
    scan->image_nz = plan.image[2];
    scan->readout = 'x';
    scan->frame = plan.frame;
    plan.frame = NULL; /* now the scan's */
    SC_TRY(sc_ismrmrd_fill(scan, &plan, options));
cleanup:
    sc_ismrmrd_plan_free(&plan);
    sc_ismrmrd_close(&raw);
    return status;
}
