#include "base/scan.h"
#include "base/memory.h"
#include <math.h>

void sc_header_clear(sc_header *header)
{
    *header = (sc_header){.field_tesla = NAN,
                          .frequency_hz = NAN,
                          .tr_ms = NAN,
                          .te_ms = NAN,
                          .ti_ms = NAN,
                          .flip_deg = NAN,
                          .weight_kg = NAN};
}

void sc_scan_free(sc_scan *scan)
{
    if (!scan)
        return;
    sc_array_free(&scan->kspace);
    sc_array_free(&scan->mask);
    sc_array_free(&scan->calibration);
    sc_array_free(&scan->calibration_mask);
    sc_array_free(&scan->noise);
    sc_free(scan->frame);
    sc_geometry_free(&scan->geometry);
    *scan = (sc_scan){0};
    sc_header_clear(&scan->header);
}
