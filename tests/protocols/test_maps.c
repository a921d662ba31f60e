/* The maps of what is known of an image: written as .npy and as DICOM series of their own,
 * described in the record, and where they promise less that is said. */
#include "job_fixture.h"

#include "base/file.h"
#include "io/npy.h"
#include <jansson.h>
#include <math.h>

static const char *const maps[] = {"std", "p05", "p95", "chi2", "prior-share"};
enum { MAPS = 5, SLICES = 2 };

static const char geometry[] =
    "{\"centre_mm\": [0, 0, 10], \"row_direction\": [1, 0, 0], \"column_direction\": [0, 1, 0],"
    " \"pixel_spacing_mm\": [2, 1.5], \"slice_spacing_mm\": 4, \"slice_thickness_mm\": 3}";

static int warnings;

static void listen(void *self, sc_log_level level, const char *message)
{
    (void)self;
    warnings += level == SC_LOG_WARN && strstr(message, "too few for 90 % intervals") != NULL;
}

static int make_files(void **state)
{
    (void)state;
    char path[256];
    make_folder("maps");
    make_scan(SLICES, 1);
    make_weights();
    in_folder(path, "geometry.json");
    assert_int_equal(sc_file_write(path, geometry, sizeof geometry - 1), SC_OK);
    return 0;
}

/* Into `output`; the network has learnt nothing, so its images are written by force. */
static bool fallback;

static void run_job(const char *output, int samples, bool residual_map)
{
    char scan[256], weights[256], place[256], out[256];
    char *option[] = {"levels=4", "cg=4", "sigma-min=0.06", "denoise=yes"};
    sc_job job = sc_job_default();
    sc_job_report report;
    in_folder(scan, "scan.h5"), in_folder(weights, "weights.safetensors");
    in_folder(place, "geometry.json"), in_folder(out, output);
    job.scan = scan, job.threads = 1, job.force = true, job.output = out;
    job.settings.prior = weights;
    job.settings.geometry = place;
    job.settings.samples = samples;
    job.settings.residual_map = residual_map;
    job.settings.fallback = fallback;
    job.settings.options = option, job.settings.options_count = fallback ? 4 : 2;
    job.settings.formats = SC_FORMAT_NPY | SC_FORMAT_DICOM;
    warnings = 0;
    sc_log_set(listen, NULL);
    sc_status status = sc_job_run(&job, &report);
    sc_log_set(NULL, NULL);
    if (status != SC_OK && status != SC_ERR_NUMERIC)
        fail_msg("%s: %s", output, sc_message());
}

/* path (256) of a file in an output folder; %s in format: name */
static void inside(char *path, const char *output, const char *format, const char *name)
{
    char file[64], relative[96];
    snprintf(file, sizeof file, format, name);
    snprintf(relative, sizeof relative, "%.20s/%.60s", output, file);
    in_folder(path, relative);
}

static bool exists(const char *output, const char *format, const char *name)
{
    char path[256];
    inside(path, output, format, name);
    return sc_path_exists(path);
}

static sc_array read_map(const char *output, const char *name)
{
    char path[256];
    sc_array map;
    inside(path, output, "%s.npy", name);
    assert_int_equal(sc_npy_read(&map, path), SC_OK);
    assert_int_equal(map.rank, 3);
    assert_true(map.dim[0] == SLICES && map.dim[1] == NY && map.dim[2] == NX);
    return map;
}

static json_t *read_record(const char *output)
{
    char path[256];
    inside(path, output, "%s", "record.json");
    json_t *root = json_load_file(path, 0, NULL);
    assert_non_null(root);
    return root;
}

static void samples_bring_all_maps(void **state)
{
    (void)state;
    run_job("samples", 16, false);
    assert_int_equal(warnings, 0); /* 16 are enough */
    json_t *root = read_record("samples"), *described = json_object_get(root, "maps");
    for (int i = 0; i < MAPS; i++) {
        assert_true(exists("samples", "%s.npy", maps[i]));
        assert_true(exists("samples", "dicom-%s/0002.dcm", maps[i]));
        json_t *map = json_object_get(described, maps[i]);
        assert_non_null(json_string_value(json_object_get(map, "file")));
        assert_non_null(json_string_value(json_object_get(map, "meaning")));
    }
    const char *rule = json_string_value(json_object_get(described, "quantiles"));
    assert_non_null(strstr(rule, "any smooth law"));
    json_decref(root);
}

static void maps_hold_what_their_names_say(void **state)
{
    (void)state;
    sc_array std = read_map("samples", "std"), low = read_map("samples", "p05"),
             high = read_map("samples", "p95"), chi2 = read_map("samples", "chi2"),
             share = read_map("samples", "prior-share");
    int64_t known = 0;
    for (int64_t i = 0; i < sc_array_count(&std); i++) {
        float s = ((float *)std.data)[i], l = ((float *)low.data)[i], h = ((float *)high.data)[i];
        assert_true(s >= 0 && l >= 0 && l <= h);
        assert_true(s == 0 || h - l > s); /* 3.3 of them for a Gaussian law */
        known += isfinite(((float *)chi2.data)[i]) && isfinite(((float *)share.data)[i]);
    }
    assert_true(known > NY * NX / 4);
    sc_array_free(&std), sc_array_free(&low), sc_array_free(&high);
    sc_array_free(&chi2), sc_array_free(&share);
}

/* 2 M values, of which 1 is expected with a spread of 1 / sqrt(M). */
static void the_record_states_degrees_of_freedom(void **state)
{
    (void)state;
    json_t *root = read_record("samples"), *residual = json_object_get(root, "residual");
    json_t *degrees = json_object_get(residual, "degrees_of_freedom");
    json_t *deviation = json_object_get(residual, "deviation_of_noise");
    assert_int_equal(json_array_size(degrees), SLICES);
    double d = json_number_value(json_array_get(degrees, 0));
    assert_true(d >= NY * NX && d <= 2 * 3 * NY * NX); /* three coils, about every second line */
    assert_true(fabs(json_number_value(json_array_get(deviation, 1)) * sqrt(d / 2) - 1) < 1e-6);
    json_decref(root);
}

static void few_samples_promise_less_and_say_so(void **state)
{
    (void)state;
    run_job("few", 4, false);
    assert_int_equal(warnings, 1);
    json_t *root = read_record("few"), *list = json_object_get(root, "warning"), *line;
    const char *rule =
        json_string_value(json_object_get(json_object_get(root, "maps"), "quantiles"));
    size_t i;
    bool said = false;
    assert_non_null(strstr(rule, "Gaussian"));
    json_array_foreach(list, i, line) said =
        said || strstr(json_string_value(line), "4 samples are too few");
    assert_true(said);
    json_decref(root);
}

static void a_point_estimate_has_a_residual_map_if_asked(void **state)
{
    (void)state;
    run_job("plain", 0, false);
    run_job("asked", 0, true);
    for (int i = 0; i < MAPS; i++) {
        bool wanted = !strcmp(maps[i], "chi2");
        assert_false(exists("plain", "%s.npy", maps[i]));
        assert_int_equal(exists("asked", "%s.npy", maps[i]), wanted);
        assert_int_equal(exists("asked", "dicom-%s/0001.dcm", maps[i]), wanted);
    }
}

/* An untrained prior that has the last word: what it makes is not the scan's image. */
static void what_the_data_refuse_falls_back(void **state)
{
    (void)state;
    fallback = true;
    run_job("fallback", 4, false);
    fallback = false;
    json_t *root = read_record("fallback"), *residual = json_object_get(root, "residual");
    double value = json_number_value(json_array_get(json_object_get(residual, "value"), 0));
    bool fell = json_is_true(json_object_get(json_object_get(root, "method"), "fell_back"));
    const char *fit = json_string_value(json_object_get(residual, "fit"));
    print_message("fell back: %d, residual %.2f, %s\n", fell, value, fit);
    assert_true(fell);
    json_t *list = json_object_get(root, "warning"), *line;
    size_t i;
    bool said = false;
    json_array_foreach(list, i, line) said =
        said || strstr(json_string_value(line), "the prior does not fit this scan");
    assert_true(said);
    assert_true(value < 1.5 && strcmp(fit, "too far") != 0);
    sc_array std = read_map("fallback", "std"), chi2 = read_map("fallback", "chi2");
    int64_t unknown = 0, known = 0;
    for (int64_t p = 0; p < sc_array_count(&std); p++) {
        unknown += isnan(((float *)std.data)[p]) != 0;
        known += isfinite(((float *)chi2.data)[p]) != 0;
    }
    assert_int_equal(unknown, sc_array_count(&std)); /* nothing is known of a classical result */
    assert_true(known > 0);
    sc_array_free(&std), sc_array_free(&chi2);
    json_decref(root);
}

/* By programs of others: dciodvfy finds no Error, each map is a series of its own and says what it
 * is. */
static void maps_are_legal_series_of_their_own(void **state)
{
    (void)state;
    char command[1024];
    if (system("command -v dciodvfy >/dev/null && command -v dcmdump >/dev/null") != 0) {
        print_message("skipped: dciodvfy or dcmdump is missing\n");
        skip();
    }
    snprintf(command, sizeof command,
             "cd %s/samples && for f in dicom*/*.dcm; do dciodvfy $f 2>&1; done >verdicts && "
             "grep -q SCImage verdicts && ! grep Error verdicts",
             folder);
    assert_int_equal(system(command), 0);
    const struct {
        const char *what; /* lines of a dump */
        int lines;
    } expected[] = {{"0020,000e dicom* | sort -u", MAPS + 1}, /* series */
                    {"0020,000d dicom* | sort -u", 1},        /* studies */
                    {"0008,103e dicom-* | grep 'NOT ANATOMY'", MAPS * SLICES},
                    {"0008,0008 dicom-* | grep SECONDARY", MAPS * SLICES}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        snprintf(command, sizeof command,
                 "cd %s/samples && values() { tag=$1; shift; for d in $@; do dcmdump -q +P $tag "
                 "$d/*.dcm | grep '^('; done; }; test $(values %s | wc -l) = %d",
                 folder, expected[i].what, expected[i].lines);
        if (system(command) != 0)
            fail_msg("%s: not %d lines", expected[i].what, expected[i].lines);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_bring_all_maps),
        cmocka_unit_test(maps_hold_what_their_names_say),
        cmocka_unit_test(the_record_states_degrees_of_freedom),
        cmocka_unit_test(few_samples_promise_less_and_say_so),
        cmocka_unit_test(a_point_estimate_has_a_residual_map_if_asked),
        cmocka_unit_test(what_the_data_refuse_falls_back),
        cmocka_unit_test(maps_are_legal_series_of_their_own),
    };
    return cmocka_run_group_tests(tests, make_files, remove_folder);
}
