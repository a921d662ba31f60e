/* Input: the .hdr up to the first 0 byte, then the .cfl. Read as a scan, and masked by itself. */
#include "io/scan.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, 0, size);
    size_t text = end ? (size_t)(end - data) : size, rest = end ? size - text - 1 : 0;
    sc_scan scan;
    fuzz_file("c.hdr", data, text);
    const char *path = fuzz_file("c.cfl", data + size - rest, rest);
    sc_scan_options options = sc_scan_options_default();
    options.mask = path;
    fuzz_verdict(sc_scan_read(&scan, path, NULL));
    sc_scan_free(&scan);
    fuzz_verdict(sc_scan_read(&scan, path, &options));
    sc_scan_free(&scan);
    fuzz_remove("c.hdr");
    fuzz_remove("c.cfl");
    return 0;
}
