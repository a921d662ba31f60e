/* Between the parts of the ISMRMRD reader: what the XML header says, what one readout's header
 * says, and the plan that gives every readout its place.
 *
 * Format: Inati et al. 2017, "ISMRM Raw data format", MRM 77:411, and its schema 1.x. Compounds
 * are read by member name: offsets differ between writers.
 */
#ifndef SC_IO_ISMRMRD_INTERNAL_H
#define SC_IO_ISMRMRD_INTERNAL_H

#include "base/scan.h"
#include "io/hdf5_internal.h"
#include "io/scan.h"

#define SC_ISMRMRD_XML_LIMIT (16 << 20)
#define SC_ISMRMRD_ENCODINGS 16
#define SC_ISMRMRD_CHANNELS 1024

/* The XML header. */
typedef struct {
    int64_t matrix[3]; /* x, y, z */
    double fov_mm[3];  /* 0: absent */
} sc_ismrmrd_space;

typedef struct {
    bool known;
    int64_t minimum, maximum, center;
} sc_ismrmrd_limit;

typedef struct {
    sc_ismrmrd_space encoded, recon;
    sc_ismrmrd_limit step[3]; /* kspace_encoding_step_0, 1, 2 */
    char trajectory[32];      /* lower case; empty: absent */
} sc_ismrmrd_encoding;

typedef struct {
    sc_header header;
    int encodings;
    sc_ismrmrd_encoding encoding[SC_ISMRMRD_ENCODINGS];
    double noise_bandwidth; /* relativeReceiverNoiseBandwidth; NaN: absent */
} sc_ismrmrd_xml;

/* Where a fact of sc_header stands in the XML, in the order of the schema; size 0 marks a number,
 * otherwise the field is a text of that size. Of lists (TE of each echo) the first is meant. */
typedef struct {
    const char *section, *name;
    size_t offset, size;
} sc_ismrmrd_fact;
extern const sc_ismrmrd_fact sc_ismrmrd_facts[];
extern const int sc_ismrmrd_fact_count;

/* SC_ERR_FORMAT naming the element that is missing or not a number of its kind. */
sc_status sc_ismrmrd_xml_read(sc_ismrmrd_xml *xml, const char *text);

/* *text: sc_free. Noise bandwidth NaN and absent header fields are left out. */
sc_status sc_ismrmrd_xml_write(char **text, const sc_ismrmrd_xml *xml, int64_t coils);

/* Flags of a readout; number n of the format's text is bit n - 1. */
#define SC_FLAG(number) (1ull << ((number)-1))
enum {
    SC_FLAG_NOISE = 19,
    SC_FLAG_CALIBRATION = 20,
    SC_FLAG_CALIBRATION_AND_IMAGING = 21,
    SC_FLAG_REVERSE = 22,
    SC_FLAG_PHASE_CORRECTION = 24,
    SC_FLAG_LAST_IN_MEASUREMENT = 25,
    SC_FLAG_COMPRESSION1 = 53
};

/* The members of an acquisition header that we use. */
typedef struct {
    uint64_t flags;
    uint16_t samples, channels, discard_pre, discard_post, center, encoding, trajectory_dimensions;
    uint16_t step1, step2, average, slice, contrast, phase, repetition, set, segment;
    float dwell_us;
    float position[3], read_dir[3], phase_dir[3], slice_dir[3];
} sc_readout;

/* An open measurement: group with xml and data. */
typedef struct {
    sc_hdf5 h5;
    hid_t group, data;
    sc_ismrmrd_xml xml;
    int64_t readouts;
    sc_readout *readout;
} sc_ismrmrd;

/* group NULL: the only one that holds xml and data. Reads header and all readout headers. On
 * failure *raw is closed. */
sc_status sc_ismrmrd_open(sc_ismrmrd *raw, const char *path, const char *group);
void sc_ismrmrd_close(sc_ismrmrd *raw);

/* Shows `visit` the samples (re, im; sample fastest, then channel) of each readout r with use[r],
 * their number checked against its header, in file order; block_end after every block of at most
 * SC_ISMRMRD_BLOCK readouts. Either stops the walk by failing. */
#define SC_ISMRMRD_BLOCK 64
typedef sc_status sc_ismrmrd_visit(void *self, int64_t r, const float *samples);
sc_status sc_ismrmrd_walk(const sc_ismrmrd *raw, const unsigned char *use, sc_ismrmrd_visit *visit,
                          sc_status (*block_end)(void *self), void *self,
                          const sc_progress *progress);

/* What a readout is used for, a set of bits. */
enum { SC_USE_IMAGE = 1, SC_USE_CALIBRATION = 2, SC_USE_NOISE = 4 };

typedef struct {
    int32_t frame, slice, kz, ky; /* on the grid of the imaging encoding */
    int32_t kx;                   /* of the first kept sample, in acquisition order of kx */
    int32_t first, count;         /* kept stored samples */
} sc_place;

typedef struct {
    const sc_ismrmrd *raw;
    const sc_ismrmrd_encoding *encoding;
    unsigned char *use; /* (readouts) */
    sc_place *place;    /* (readouts) */
    int64_t frames, slices, coils, nz, ny;
    int64_t nx_stored, nx; /* before and after oversampling is removed */
    int64_t image[3];      /* wanted x, y, z */
    sc_frame *frame;       /* (frames) */
    int64_t *slice_first;  /* (slices) a readout of each slice, for its geometry */
    int64_t noise_samples; /* kept per coil */
    double dwell_us;       /* of the imaging readouts; 0 unknown */
    bool calibration;      /* the scan has calibration-only readouts */
} sc_ismrmrd_plan;

/* Uses headers only: nothing large is allocated before the plan stands. */
sc_status sc_ismrmrd_plan_make(sc_ismrmrd_plan *plan, const sc_ismrmrd *raw,
                               const sc_scan_options *options);
void sc_ismrmrd_plan_free(sc_ismrmrd_plan *plan);

/* Size along an axis after cropping to the wanted field of view: n fov_recon / fov_encoded. The
 * recon matrix decides how that is rounded, and where the header has no field of view; a recon
 * matrix that asks for interpolation does not count. 1..n. */
int64_t sc_ismrmrd_wanted(const sc_ismrmrd_encoding *encoding, int axis);

/* Geometry of the wanted image from the readouts' positions and directions; unknown, with a
 * warning where something contradicts itself, if they are zero. Also orders the slices of the
 * plan by position, so call it before places are used. */
sc_status sc_ismrmrd_geometry(sc_geometry *geometry, sc_ismrmrd_plan *plan);

/* Fills the arrays of the scan from the samples. */
sc_status sc_ismrmrd_fill(sc_scan *scan, const sc_ismrmrd_plan *plan,
                          const sc_scan_options *options);

#endif
