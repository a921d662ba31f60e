/* A well-formed HDF5 file with a hostile measurement in it: any XML, any readout headers, lists of
 * samples of any length.
 *
 * Input: number of readouts (1 byte), options (1), length of the XML (2, little endian), the XML,
 * then for each readout the bytes of an sc_readout and the length of its list (2). What is left
 * are the samples, used again and again.
 */
#include "base/memory.h"
#include "io/ismrmrd_write_internal.h"
#include "tests/fuzz/fuzz.h"

#define READOUTS 32
#define LIST 4096

typedef struct {
    const uint8_t *at, *end;
} input;

static size_t take(void *to, size_t bytes, input *in)
{
    size_t n = (size_t)(in->end - in->at) < bytes ? (size_t)(in->end - in->at) : bytes;
    memset(to, 0, bytes);
    memcpy(to, in->at, n);
    in->at += n;
    return n;
}

static void fill(float *list, const input *in)
{
    size_t n = (size_t)(in->end - in->at) / sizeof(float);
    for (size_t i = 0; i < LIST; i++) {
        list[i] = (float)i;
        if (n)
            memcpy(&list[i], in->at + i % n * sizeof(float), sizeof(float));
    }
}

static char *xml_of(input *in)
{
    uint16_t length;
    take(&length, sizeof length, in);
    char *text = calloc(1, (size_t)length + 1);
    if (text)
        take(text, length, in);
    return text;
}

static void write_file(const char *path, uint8_t count, input *in)
{
    static float list[LIST];
    sc_readout readout[READOUTS];
    uint16_t length[READOUTS];
    sc_ismrmrd_writer writer;
    char *xml = xml_of(in);
    int readouts = count % READOUTS + 1;
    for (int r = 0; r < readouts; r++) {
        take(&readout[r], sizeof *readout, in);
        take(&length[r], sizeof *length, in);
    }
    fill(list, in);
    if (!xml || sc_ismrmrd_writer_open(&writer, "dataset", xml, readouts) != SC_OK)
        abort();
    for (int r = 0; r < readouts; r++)
        if (sc_ismrmrd_writer_add_list(&writer, &readout[r], list, length[r] % LIST) != SC_OK)
            abort();
    if (sc_ismrmrd_writer_commit(&writer, path) != SC_OK)
        abort();
    sc_ismrmrd_writer_close(&writer);
    free(xml);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input in = {data, data + size};
    uint8_t head[2];
    sc_scan scan;
    char *text;
    take(head, sizeof head, &in);
    const char *path = fuzz_path("i.h5");
    write_file(path, head[0], &in);
    sc_scan_options options = sc_scan_options_default();
    options.calibration_as_data = head[1] & 1;
    options.keep_oversampling = head[1] & 2;
    options.slice = head[1] & 4 ? 0 : -1;
    sc_status status = sc_scan_read(&scan, path, &options);
    fuzz_verdict(status);
    if (status == SC_OK) {
        fuzz_verdict(sc_scan_describe(&text, &scan, head[1] & 8, true));
        sc_free(text);
        if (scan.nx < 512) /* what was read can be written */
            fuzz_verdict(sc_scan_write_ismrmrd(path, &scan, NULL));
    }
    sc_scan_free(&scan);
    fuzz_remove("i.h5");
    return 0;
}
