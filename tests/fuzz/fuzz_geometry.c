/* Any bytes as a geometry file for 2 slices of 8 x 6. */
#include "io/geometry.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sc_geometry geometry;
    fuzz_verdict(sc_geometry_file_read(&geometry, fuzz_file("g.json", data, size), 2, 8, 6));
    sc_geometry_free(&geometry);
    fuzz_remove("g.json");
    return 0;
}
