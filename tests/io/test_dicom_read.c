/* DICOM in: what was written comes back, real files of many encodings have the values that another
 * reader found, and what is damaged or ambiguous gets one line. */
#include "tests/io/io_volume.h"

#include "base/memory.h"
#include "io/dicom.h"
#include "io/dicom_internal.h"

#include <jansson.h>

static const sc_dicom_options options = {.run = "run", .source = "source", .software = "0"};

static void write_series(const char *name, const sc_volume *volume, const sc_header *header,
                         const char *run)
{
    sc_outdir *outdir;
    sc_dicom_options chosen = options;
    chosen.run = run;
    assert_good(sc_outdir_create(&outdir, in_scratch(name)));
    assert_good(sc_dicom_write_series(outdir, "", volume, header, &chosen));
    assert_good(sc_outdir_commit(outdir));
}

static void written_series_comes_back(void **state)
{
    (void)state;
    sc_header header, found;
    sc_header_clear(&header);
    strcpy(header.patient_name, "M\xc3\xbcller^J");
    strcpy(header.study_date, "20240305");
    strcpy(header.patient_position, "HFS");
    header.te_ms = 12.5;
    header.frequency_hz = 123.2e6;
    for (int i = 0; i < PLANES; i++) {
        sc_volume out = make_volume(&planes[i], SC_F32, 4, 9, 7), in;
        for (int v = 0; v < 4 * 63; v++) /* units of any size come back */
            ((float *)out.data.data)[v] *= i % 2 ? 1e-12f : 1e10f;
        write_series("w", &out, &header, "w");
        assert_good(sc_dicom_read_series(&in, &found, in_scratch("w")));
        assert_int_equal(in.data.dim[0], 4);
        assert_int_equal(in.data.dim[1], 9);
        assert_int_equal(in.data.dim[2], 7);
        assert_true(in.geometry.known);
        double expected[3][4];
        bool down = planes[i].step < 0;
        memcpy(expected, out.geometry.affine, sizeof expected);
        for (int a = 0; a < 3 && down; a++) {
            expected[a][3] += 3 * expected[a][2];
            expected[a][2] = -expected[a][2];
        }
        assert_true(affine_difference(in.geometry.affine, expected) < 1e-9);
        const float *x = out.data.data, *y = in.data.data;
        double slope = 0;
        for (int v = 0; v < 4 * 63; v++)
            slope = fmax(slope, (double)x[v] / 32767);
        for (int k = 0; k < 4; k++)
            for (int v = 0; v < 63; v++)
                assert_true(fabs((double)x[(down ? 3 - k : k) * 63 + v] - (double)y[k * 63 + v]) <=
                            0.51 * slope);
        assert_string_equal(found.patient_name, header.patient_name);
        assert_string_equal(found.study_date, "20240305");
        assert_true(found.te_ms == 12.5 && fabs(found.frequency_hz - 123.2e6) < 1e-3);
        assert_true(isnan(found.tr_ms));
        run_command("rm -rf %s", in_scratch("w"));
        sc_volume_free(&out);
        sc_volume_free(&in);
    }
}

static void ambiguous_folders_get_one_line(void **state)
{
    (void)state;
    sc_header header;
    sc_header_clear(&header);
    sc_volume v = make_volume(&planes[0], SC_F32, 4, 9, 7), in;
    write_series("one", &v, &header, "one");
    write_series("two", &v, &header, "two");
    run_command("mkdir %s && cp -r %s %s %s", in_scratch("both"), in_scratch("one"),
                in_scratch("two"), in_scratch("both"));
    assert_refused(sc_dicom_read_series(&in, NULL, in_scratch("both")), SC_ERR_INPUT,
                   "holds 2 series, expected one: series 901, MR, 7 x 9 (4 images); series 901, MR");
    run_command("rm -r %s/two; cp %s/one/0001.dcm %s/again.dcm; echo hello > %s/note.txt",
                in_scratch("both"), in_scratch("both"), in_scratch("both"), in_scratch("both"));
    assert_good(sc_dicom_read_series(&in, NULL, in_scratch("both")));
    assert_int_equal(in.data.dim[0], 4);
    sc_volume_free(&in);
    run_command("rm %s/one/0002.dcm", in_scratch("both"));
    assert_refused(sc_dicom_read_series(&in, NULL, in_scratch("both")), SC_ERR_INPUT,
                   "slices are missing");
    run_command("rm -r %s/*; echo hello > %s/note.txt", in_scratch("both"), in_scratch("both"));
    assert_refused(sc_dicom_read_series(&in, NULL, in_scratch("both")), SC_ERR_INPUT,
                   "no DICOM images among 1 files");
    assert_refused(sc_dicom_read_series(&in, NULL, in_scratch("none")), SC_ERR_IO, "none");
    run_command("rm -rf %s %s %s", in_scratch("both"), in_scratch("one"), in_scratch("two"));
    sc_volume_free(&v);
}

/* ---- hostile structure ---- */

typedef struct {
    unsigned char byte[1 << 20];
    size_t n;
} file;

static void add(file *f, const void *data, size_t bytes)
{
    assert_true(f->n + bytes <= sizeof f->byte);
    memcpy(f->byte + f->n, data, bytes);
    f->n += bytes;
}

static void add_text(file *f, unsigned group, unsigned element, const char *vr, const char *text)
{
    size_t length = strlen(text), even = (length + 1) / 2 * 2;
    unsigned char head[8] = {(unsigned char)group, (unsigned char)(group >> 8),
                             (unsigned char)element, (unsigned char)(element >> 8),
                             (unsigned char)vr[0], (unsigned char)vr[1], (unsigned char)even, 0};
    add(f, head, 8);
    add(f, text, length);
    if (even > length)
        add(f, "", 1);
}

static file *begin(const char *syntax)
{
    file *f = calloc(1, sizeof *f);
    f->n = 128;
    add(f, "DICM", 4);
    add_text(f, 2, 0x10, "UI", syntax);
    return f;
}

static sc_status finish(file *f)
{
    sc_volume v;
    put_file(in_scratch("h.dcm"), f->byte, f->n);
    free(f);
    sc_status status = sc_dicom_read_series(&v, NULL, in_scratch("h.dcm"));
    assert_null(v.data.data);
    return status;
}

#define EXPLICIT "1.2.840.10008.1.2.1"
#define IMPLICIT "1.2.840.10008.1.2"

static void deep_nesting_is_refused_in_every_encoding(void **state)
{
    (void)state;
    static const char undefined_sq[] = "\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff"
                                       "\xfe\xff\x00\xe0\xff\xff\xff\xff";
    static const char undefined_un[] = "\x09\x00\x40\x11UN\0\0\xff\xff\xff\xff"
                                       "\xfe\xff\x00\xe0\xff\xff\xff\xff";
    static const char undefined_implicit[] = "\x08\x00\x40\x11\xff\xff\xff\xff"
                                             "\xfe\xff\x00\xe0\xff\xff\xff\xff";
    file *f = begin(EXPLICIT);
    for (int i = 0; i < 10000; i++)
        add(f, undefined_sq, sizeof undefined_sq - 1);
    assert_refused(finish(f), SC_ERR_FORMAT, "nested more than 64");

    f = begin(EXPLICIT);
    add(f, undefined_un, sizeof undefined_un - 1);
    for (int i = 0; i < 10000; i++)
        add(f, undefined_implicit, sizeof undefined_implicit - 1);
    assert_refused(finish(f), SC_ERR_FORMAT, "nested more than 64");

    /* lengths given: each element holds all the rest */
    f = begin(IMPLICIT);
    for (uint32_t i = 0, rest = 16 * 10000; i < 10000; i++, rest -= 16) {
        uint32_t outer = rest - 8, inner = rest - 16;
        add(f, "\x08\x00\x40\x11", 4);
        add(f, &outer, 4);
        add(f, "\xfe\xff\x00\xe0", 4);
        add(f, &inner, 4);
    }
    assert_refused(finish(f), SC_ERR_FORMAT, "nested more than 64");
}

static void inconsistent_structure_gets_one_line(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *message;
    } tails[] = {
        {"\x08\x00\x05\x00", 4, "is cut"},
        {"\x08\x00\x05\x00??\x02\x00II", 10, "VR that is none"},
        {"\x08\x00\x05\x00" "CS\x20\x00II", 10, "(0008,0005) at byte 160: runs past the end"},
        {"\x08\x00\x40\x11SQ\0\0\x10\0\0\0\x08\x00\x05\x00\x08\0\0\0\x08\x00\x05\x00\x08\0\0\0", 28,
         "an item was expected"},
        {"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff", 12, "no end"},
        {"\xfe\xff\x00\xe0\0\0\0\0", 8, "an item outside"},
        {"\x08\x00\x05\x00" "AT\0\0\xff\xff\xff\xff", 12, "is cut"},
        {"\xe0\x7f\x10\x00OW\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff", 20, "fragment"},
    };
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        file *f = begin(EXPLICIT);
        add(f, tails[i].bytes, tails[i].n);
        assert_refused(finish(f), SC_ERR_FORMAT, tails[i].message);
    }
    assert_refused(finish(begin("1.2.840.10008.1.2.4.90")), SC_ERR_UNSUPPORTED,
                   "JPEG 2000 Lossless) has no decoder here; convert it with: gdcmconv --raw");
    assert_refused(finish(begin("1.2.3.4")), SC_ERR_UNSUPPORTED, "1.2.3.4 is not known");
    assert_refused(finish(begin(EXPLICIT)), SC_ERR_INPUT, "no image");
    /* DCMTK would read on in the data set as if it were meta information */
    file *f = calloc(1, sizeof *f);
    f->n = 128;
    add(f, "DICM\x02\x00\x00\x00UL\x04\x00\xff\xff\x00\x00", 16);
    add_text(f, 2, 0x10, "UI", EXPLICIT);
    assert_refused(finish(f), SC_ERR_FORMAT, "ends at byte 172, its length says 65679");
    f = begin(EXPLICIT);
    add_text(f, 2, 0x10, "UI", IMPLICIT);
    assert_refused(finish(f), SC_ERR_FORMAT, "(0002,0010) at byte 160: is out of order");
    sc_volume v;
    put_text(in_scratch("t.dcm"), "hello");
    assert_refused(sc_dicom_read_series(&v, NULL, in_scratch("t.dcm")), SC_ERR_FORMAT,
                   "not a DICOM file");
}

/* Cut or spoil a good file at many places: a line or a volume, never a crash. */
static void spoilt_files_do_not_crash(void **state)
{
    (void)state;
    sc_header header;
    sc_header_clear(&header);
    sc_volume v = make_volume(&planes[0], SC_F32, 1, 5, 7), in;
    write_series("s", &v, &header, "s");
    FILE *good = fopen(in_scratch("s/0001.dcm"), "rb");
    unsigned char bytes[8192];
    size_t n = fread(bytes, 1, sizeof bytes, good);
    fclose(good);
    for (size_t cut = 0; cut < n; cut += 7) {
        put_file(in_scratch("c.dcm"), bytes, cut);
        assert_int_not_equal(sc_dicom_read_series(&in, NULL, in_scratch("c.dcm")), SC_OK);
    }
    for (size_t at = 132; at < n - 70; at++) {
        unsigned char keep = bytes[at];
        bytes[at] = (unsigned char)(at % 3 == 0 ? 0xff : at % 3 == 1 ? keep + 1 : keep ^ 0x20);
        put_file(in_scratch("c.dcm"), bytes, n);
        if (sc_dicom_read_series(&in, NULL, in_scratch("c.dcm")) == SC_OK)
            sc_volume_free(&in);
        bytes[at] = keep;
    }
    sc_volume_free(&v);
}

/* ---- real files ---- */

#define SINGLE SC_SHARED_DIR "/data/ct/dicom/single/"

static double get_number(const json_t *entry, const char *key)
{
    return json_number_value(json_object_get(entry, key));
}

/* Stored values, undone from the rescaled ones, against the other reader's sums. */
static void compare_with_entry(const char *name, const json_t *entry)
{
    char path[512];
    sc_volume v;
    snprintf(path, sizeof path, SINGLE "%s", name);
    sc_status status = sc_dicom_read_series(&v, NULL, path);
    if (status != SC_OK) {
        print_message("%s: %s\n", name, sc_message());
        assert_null(strchr(sc_message(), '\n'));
        return;
    }
    assert_int_equal(v.data.dim[1], get_number(entry, "rows"));
    assert_int_equal(v.data.dim[2], get_number(entry, "columns"));
    assert_int_equal(v.data.dim[0], get_number(entry, "frames"));
    if (json_object_get(entry, "stored_sum")) {
        const json_t *slope = json_object_get(entry, "slope");
        double a = json_is_number(slope) ? json_number_value(slope) : 1;
        double b = json_is_number(slope) ? get_number(entry, "intercept") : 0, sum = 0;
        const float *x = v.data.data;
        for (int64_t i = 0; i < sc_array_count(&v.data); i++)
            sum += nearbyint(((double)x[i] - b) / a);
        /* decoders of lossy JPEG round differently: 0.02 a pixel */
        bool lossy = strstr(json_string_value(json_object_get(entry, "transfer_syntax")), ".4.51");
        double off = fabs(sum - get_number(entry, "stored_sum"));
        if (off > 0)
            print_message("%s: sum %.0f, expected %.0f\n", name, sum,
                          get_number(entry, "stored_sum"));
        assert_true(off <= (lossy ? 0.02 * (double)sc_array_count(&v.data) : 0));
    }
    sc_volume_free(&v);
}

static void real_files_have_the_values_another_reader_found(void **state)
{
    (void)state;
    skip_unless("test -f " SINGLE "index.json", "the shared DICOM files are not here");
    json_t *index = json_load_file(SINGLE "index.json", 0, NULL), *entry;
    size_t i;
    json_array_foreach(index, i, entry)
        compare_with_entry(json_string_value(json_object_get(entry, "file")), entry);
    json_decref(index);
}

static void real_series_is_sorted_by_position(void **state)
{
    (void)state;
    const char *folder = SC_SHARED_DIR "/data/ct/dicom/series";
    skip_unless("test -d " SC_SHARED_DIR "/data/ct/dicom/series", "the shared series is not here");
    sc_volume v;
    sc_header header;
    assert_good(sc_dicom_read_series(&v, &header, folder));
    assert_int_equal(v.data.dim[0], 10);
    assert_int_equal(v.data.dim[1], 512);
    assert_string_equal(v.units, "HU");
    assert_true(fabs(v.geometry.affine[2][2] - 8) < 1e-3);
    sc_volume_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_series_comes_back),
        cmocka_unit_test(ambiguous_folders_get_one_line),
        cmocka_unit_test(deep_nesting_is_refused_in_every_encoding),
        cmocka_unit_test(inconsistent_structure_gets_one_line),
        cmocka_unit_test(spoilt_files_do_not_crash),
        cmocka_unit_test(real_files_have_the_values_another_reader_found),
        cmocka_unit_test(real_series_is_sorted_by_position),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
