/* Any bytes as a NIfTI file, plain or gzipped. */
#include "io/nifti.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sc_volume volume;
    fuzz_verdict(sc_nifti_read(&volume, fuzz_file("n.nii", data, size)));
    sc_volume_free(&volume);
    fuzz_remove("n.nii");
    return 0;
}
