/* Any bytes as a .npy file. */
#include "io/npy.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sc_array array;
    fuzz_verdict(sc_npy_read(&array, fuzz_file("npy", data, size)));
    sc_array_free(&array);
    fuzz_remove("npy");
    return 0;
}
