/* Any bytes as a safetensors container. */
#include "prior/safetensors.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sc_safetensors *file;
    fuzz_verdict(sc_safetensors_parse(&file, data, size, "input.safetensors"));
    sc_safetensors_free(file);
    return 0;
}
