/* A well-formed HDF5 file with a hostile measurement in it: any XML, any readout headers, lists of
 * samples of any length.
 *
 * The plan is made from the same headers in memory first, which is quick; only what passes becomes
 * a file.
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

typedef struct {
    char *xml;
    int readouts;
    sc_readout readout[READOUTS];
    uint16_t length[READOUTS];
    float list[LIST];
} measurement;

static void parse(measurement *m, uint8_t count, input *in)
{
    m->xml = xml_of(in);
    m->readouts = count % READOUTS + 1;
    for (int r = 0; r < m->readouts; r++) {
        take(&m->readout[r], sizeof *m->readout, in);
        take(&m->length[r], sizeof *m->length, in);
    }
    fill(m->list, in);
}

static bool can_be_planned(measurement *m, const sc_scan_options *options)
{
    sc_ismrmrd raw = {.readouts = m->readouts, .readout = m->readout, .h5 = {.bytes = 1 << 20}};
    sc_ismrmrd_plan plan = {0};
    sc_geometry geometry = {0};
    sc_status status = sc_ismrmrd_xml_read(&raw.xml, m->xml);
    if (status == SC_OK)
        status = sc_ismrmrd_plan_make(&plan, &raw, options);
    if (status == SC_OK)
        status = sc_ismrmrd_geometry(&geometry, &plan);
    fuzz_verdict(status);
    sc_geometry_free(&geometry);
    sc_ismrmrd_plan_free(&plan);
    return status == SC_OK;
}

static void write_file(const char *path, const measurement *m)
{
    sc_ismrmrd_writer writer;
    if (sc_ismrmrd_writer_open(&writer, "dataset", m->xml, m->readouts) != SC_OK)
        abort();
    for (int r = 0; r < m->readouts; r++)
        if (sc_ismrmrd_writer_add_list(&writer, &m->readout[r], m->list, m->length[r] % LIST) !=
            SC_OK)
            abort();
    if (sc_ismrmrd_writer_commit(&writer, path) != SC_OK)
        abort();
    sc_ismrmrd_writer_close(&writer);
}

static void read_file(const char *path, const sc_scan_options *options, bool write)
{
    sc_scan scan;
    char *text;
    sc_status status = sc_scan_read(&scan, path, options);
    fuzz_verdict(status);
    if (status == SC_OK) {
        fuzz_verdict(sc_scan_describe(&text, &scan, write, true));
        sc_free(text);
        if (write)
            fuzz_verdict(sc_scan_write_ismrmrd(path, &scan, NULL));
    }
    sc_scan_free(&scan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static measurement m;
    input in = {data, data + size};
    uint8_t head[2];
    take(head, sizeof head, &in);
    parse(&m, head[0], &in);
    sc_scan_options options = sc_scan_options_default();
    options.calibration_as_data = head[1] & 1;
    options.keep_oversampling = head[1] & 2;
    options.slice = head[1] & 4 ? 0 : -1;
    options.trusted = true; /* the HDF5 around it is sound */
    if (m.xml && can_be_planned(&m, &options)) {
        const char *path = fuzz_path("i.h5");
        write_file(path, &m);
        read_file(path, &options, head[1] & 8);
    }
    free(m.xml);
    fuzz_remove("i.h5");
    return 0;
}
