/* Any bytes as a protocol. */
#include "protocols/protocol.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sc_protocol *protocol;
    fuzz_verdict(sc_protocol_parse(&protocol, data, size, "input.yaml"));
    sc_protocol_free(protocol);
    return 0;
}
