/* A whole scan of random samples, for tests. */
#ifndef SC_TESTS_IO_SCAN_TEST_H
#define SC_TESTS_IO_SCAN_TEST_H

#include "tests/io/ismrmrd_file.h"

#include "base/random.h"
#include "io/scan_internal.h"

static inline void make_scan(sc_scan *s, int64_t frames, int64_t slices, int64_t coils, int64_t nz,
                             int64_t ny, int64_t nx)
{
    const int64_t dim[6] = {frames, slices, coils, nz, ny, nx};
    *s = (sc_scan){.readout = 'x'};
    sc_header_clear(&s->header);
    assert_good(sc_array_create(&s->kspace, SC_C32, 6, dim));
    sc_random_normal(s->kspace.data, 2 * sc_array_count(&s->kspace), (sc_key){.seed = 1},
                     SC_DRAW_TEST, 0);
    assert_good(sc_scan_from_kspace(s));
    s->image_nx = nx;
    s->image_ny = ny;
    s->image_nz = nz;
}

#endif
