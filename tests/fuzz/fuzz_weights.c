/* Any bytes as a weights file. */
#include "prior/weights.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sc_weights weights;
    fuzz_verdict(sc_weights_read(&weights, fuzz_file("w.safetensors", data, size)));
    sc_weights_free(&weights);
    fuzz_remove("w.safetensors");
    return 0;
}
