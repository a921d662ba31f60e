/* Any bytes as an ISMRMRD header; what is understood is written and understood again. */
#include "base/memory.h"
#include "io/ismrmrd_internal.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sc_ismrmrd_xml xml;
    char *text = malloc(size + 1), *written = NULL;
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    sc_status status = sc_ismrmrd_xml_read(&xml, text);
    fuzz_verdict(status);
    if (status == SC_OK) /* what was read can be written and read again */
        fuzz_verdict(sc_ismrmrd_xml_write(&written, &xml, 1));
    if (written && sc_ismrmrd_xml_read(&xml, written) != SC_OK)
        abort();
    sc_free(written);
    free(text);
    return 0;
}
