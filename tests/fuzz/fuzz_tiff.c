/* Any bytes as a TIFF file. */
#include "io/tiff.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sc_array pages;
    fuzz_verdict(sc_tiff_parse(&pages, data, size, "input.tif"));
    sc_array_free(&pages);
    return 0;
}
