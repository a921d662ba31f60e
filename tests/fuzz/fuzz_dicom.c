/* Any bytes as a DICOM file. */
#include "io/dicom.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sc_volume volume;
    sc_header header;
    fuzz_verdict(sc_dicom_read_series(&volume, &header, fuzz_file("d.dcm", data, size)));
    sc_volume_free(&volume);
    fuzz_remove("d.dcm");
    return 0;
}
