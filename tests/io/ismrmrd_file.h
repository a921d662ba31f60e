/* Hand-made ISMRMRD files for tests: a header that is changed before `begin`, then readouts. */
#ifndef SC_TESTS_IO_ISMRMRD_FILE_H
#define SC_TESTS_IO_ISMRMRD_FILE_H

#include "tests/io/io_test.h"

#include "base/memory.h"
#include "io/ismrmrd_write_internal.h"
#include "io/scan.h"
#include <math.h>

static sc_ismrmrd_writer made;
static sc_ismrmrd_xml made_xml;

static inline void matrix(int64_t nx, int64_t ny, int64_t nz)
{
    sc_ismrmrd_encoding *e = &made_xml.encoding[0];
    const int64_t n[3] = {nx, ny, nz};
    made_xml = (sc_ismrmrd_xml){.encodings = 1, .noise_bandwidth = NAN};
    sc_header_clear(&made_xml.header);
    for (int a = 0; a < 3; a++) {
        e->encoded.matrix[a] = e->recon.matrix[a] = n[a];
        e->encoded.fov_mm[a] = e->recon.fov_mm[a] = (double)n[a];
    }
    strcpy(e->trajectory, "cartesian");
}

static inline void wanted(int64_t nx, int64_t ny, int64_t nz)
{
    sc_ismrmrd_space *recon = &made_xml.encoding[0].recon;
    const int64_t n[3] = {nx, ny, nz};
    for (int a = 0; a < 3; a++) {
        recon->matrix[a] = n[a];
        recon->fov_mm[a] = (double)n[a];
    }
}

static inline void begin_with(const char *xml, int64_t readouts)
{
    assert_good(sc_ismrmrd_writer_open(&made, "dataset", xml, readouts));
}

static inline void begin(int64_t readouts)
{
    char *xml;
    assert_good(sc_ismrmrd_xml_write(&xml, &made_xml, 1));
    begin_with(xml, readouts);
    sc_free(xml);
}

/* What sample s of coil c holds, if value is that of the readout. */
static inline sc_c32 sample_value(float value, int c, int s)
{
    return value + 100.0f * (float)c + (float)s * I;
}

/* A whole, centred line of one coil, to be changed. */
static inline sc_readout line_of(int64_t samples)
{
    return (sc_readout){.samples = (uint16_t)samples,
                        .channels = 1,
                        .center = (uint16_t)(samples / 2),
                        .dwell_us = 5};
}

static inline void add_samples(sc_readout r, const sc_c32 *samples)
{
    assert_good(sc_ismrmrd_writer_add(&made, &r, samples));
}

static inline void add(sc_readout r, float value)
{
    static sc_c32 samples[4096];
    assert_true(r.samples * r.channels <= 4096);
    for (int c = 0; c < r.channels; c++)
        for (int s = 0; s < r.samples; s++)
            samples[c * r.samples + s] = sample_value(value, c, s);
    add_samples(r, samples);
}

static inline const char *finish(void)
{
    const char *path = in_scratch("made.h5");
    assert_good(sc_ismrmrd_writer_commit(&made, path));
    sc_ismrmrd_writer_close(&made);
    return path;
}

static inline void read_made(sc_scan *scan, const sc_scan_options *options)
{
    assert_good(sc_scan_read(scan, finish(), options));
}

static inline void made_refused(sc_status code, const char *message)
{
    sc_scan scan;
    assert_refused(sc_scan_read(&scan, finish(), NULL), code, message);
    assert_null(scan.kspace.data);
    assert_non_null(strstr(sc_message(), "made.h5: "));
}

static inline sc_c32 kspace_at(const sc_scan *s, int64_t frame, int64_t slice, int64_t coil,
                               int64_t z, int64_t y, int64_t x)
{
    return ((sc_c32 *)s->kspace.data)
        [((((frame * s->slices + slice) * s->coils + coil) * s->nz + z) * s->ny + y) * s->nx + x];
}

static inline float mask_at(const sc_scan *s, int64_t frame, int64_t slice, int64_t z, int64_t y,
                            int64_t x)
{
    return (
        (float *)s->mask.data)[(((frame * s->slices + slice) * s->nz + z) * s->ny + y) * s->nx + x];
}

#endif
