/* Raw bytes of an HDF5 file, ISMRMRD or fastMRI. Much of what is found here is libhdf5's own: see
 * tests/fuzz/README.md. */
#include "io/scan.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sc_scan scan;
    fuzz_verdict(sc_scan_read(&scan, fuzz_file("h.h5", data, size), NULL));
    sc_scan_free(&scan);
    fuzz_remove("h.h5");
    return 0;
}
