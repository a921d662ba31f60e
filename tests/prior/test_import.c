/* Published checkpoints become priors: both containers, averaged and raw weights, any float type
 * and stride, to the bit. The files are made here (torch_file.h) or are the reference ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "prior/import.h"
#include "prior/import_internal.h"
#include "prior/safetensors.h"
#include "prior/score.h"
#include "prior/score_sde_config.h"
#include "tests/prior/torch_file.h"
#include <jansson.h>
#include <math.h>
#include <unistd.h>

static const char config_text[] =
    "{\"model\": {\"name\": \"ncsnpp\", \"nf\": 8, \"ch_mult\": [1, 2], \"num_res_blocks\": 1,"
    " \"attn_resolutions\": [8], \"scale_by_sigma\": true, \"embedding_type\": \"fourier\","
    " \"resblock_type\": \"biggan\", \"fir\": true, \"progressive\": \"none\","
    " \"progressive_input\": \"residual\", \"num_scales\": 10},"
    " \"data\": {\"image_size\": 16, \"num_channels\": 1, \"centered\": false},"
    " \"training\": {\"sde\": \"vesde\", \"continuous\": true}}";

#define SIGMAS 10

typedef struct {
    char folder[64], checkpoint[96], config[96], out[96];
    sc_network *network;
    float *raw, *averaged; /* theta; the Fourier part is the same */
    int64_t count;
    double sigmas[SIGMAS];
} fixture;

static int setup(void **state)
{
    static fixture f;
    sc_score_sde_config config;
    const sc_parameter *p;
    f = (fixture){0};
    snprintf(f.folder, sizeof f.folder, "scorecon-import-XXXXXX");
    assert_non_null(mkdtemp(f.folder));
    snprintf(f.checkpoint, sizeof f.checkpoint, "%s/a.pth", f.folder);
    snprintf(f.config, sizeof f.config, "%s/config.json", f.folder);
    snprintf(f.out, sizeof f.out, "%s/prior.safetensors", f.folder);
    assert_int_equal(sc_file_write(f.config, config_text, sizeof config_text - 1), SC_OK);
    assert_int_equal(sc_score_sde_config_read(&config, f.config), SC_OK);
    assert_int_equal(sc_network_create(&f.network, &config.network), SC_OK);
    f.count = sc_network_parameter_count(f.network);
    assert_int_equal(SC_ALLOC(&f.raw, f.count, "raw"), SC_OK);
    assert_int_equal(SC_ALLOC(&f.averaged, f.count, "averaged"), SC_OK);
    for (int64_t i = 0; i < f.count; i++) {
        f.raw[i] = sinf((float)i);
        f.averaged[i] = cosf((float)i);
    }
    for (int i = sc_network_parameters(f.network, &p); i-- > 0;)
        if (p[i].frozen)
            memcpy(f.averaged + p[i].offset, f.raw + p[i].offset,
                   (size_t)p[i].count * sizeof *f.raw);
    for (int i = 0; i < SIGMAS; i++)
        f.sigmas[i] = 50 * pow(.01 / 50, i / (SIGMAS - 1.));
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    sc_network_free(f->network);
    sc_free(f->raw);
    sc_free(f->averaged);
    unlink(f->checkpoint);
    unlink(f->config);
    unlink(f->out);
    rmdir(f->folder);
    return 0;
}

static void write_checkpoint(const fixture *f, int legacy, int zip64)
{
    torch_file t = {.legacy = legacy};
    torch_checkpoint(&t, f->network, f->raw, f->averaged, "module.", f->sigmas, SIGMAS);
    bytes b = legacy ? torch_legacy(&t) : torch_zip(&t, zip64);
    bytes_write(f->checkpoint, &b);
    torch_file_free(&t);
}

/* Import succeeds and gives theta to the bit. */
static void expect_theta(const fixture *f, int raw, const float *theta)
{
    sc_weights weights;
    sc_import_options options = {.checkpoint = f->checkpoint, .config = f->config, .raw = raw};
    sc_status status = sc_import_read(&weights, &options);
    if (status != SC_OK)
        print_error("%s\n", sc_message());
    assert_int_equal(status, SC_OK);
    assert_memory_equal(weights.theta, theta, (size_t)f->count * sizeof *theta);
    sc_weights_free(&weights);
}

static void averaged_and_raw_weights_of_a_zip_checkpoint(void **state)
{
    const fixture *f = *state;
    write_checkpoint(f, 0, 0);
    expect_theta(f, 0, f->averaged);
    expect_theta(f, 1, f->raw);
}

static void a_zip64_checkpoint_is_the_same(void **state)
{
    const fixture *f = *state;
    write_checkpoint(f, 0, 1);
    expect_theta(f, 0, f->averaged);
}

static void a_legacy_checkpoint_is_the_same(void **state)
{
    const fixture *f = *state;
    write_checkpoint(f, 1, 0);
    expect_theta(f, 0, f->averaged);
    expect_theta(f, 1, f->raw);
}

static void a_state_dict_alone_needs_no_average(void **state)
{
    const fixture *f = *state;
    static const char *const prefix[2] = {"", "module."};
    for (int i = 0; i < 2; i++) {
        torch_file t = {0};
        put_text(&t.pickle, "\x80\2");
        pickle_model(&t, f->network, f->raw, prefix[i], i ? f->sigmas : NULL, SIGMAS);
        put_text(&t.pickle, ".");
        bytes b = torch_zip(&t, 0);
        bytes_write(f->checkpoint, &b);
        torch_file_free(&t);
        expect_theta(f, 0, f->raw);
    }
}

static void a_safetensors_state_dict_is_accepted(void **state)
{
    const fixture *f = *state;
    const sc_parameter *p;
    int count = sc_network_parameters(f->network, &p);
    sc_safetensor *tensor;
    const int64_t n = SIGMAS;
    assert_int_equal(SC_ALLOC(&tensor, count + 1, "list"), SC_OK);
    for (int i = 0; i < count; i++)
        tensor[i] = (sc_safetensor){p[i].name, sc_array_view(SC_F32, p[i].rank, p[i].dim,
                                                             f->raw + p[i].offset)};
    tensor[count] = (sc_safetensor){"sigmas", sc_array_view(SC_F64, 1, &n, (void *)f->sigmas)};
    assert_int_equal(sc_safetensors_write(f->checkpoint, tensor, count + 1, NULL, 0), SC_OK);
    expect_theta(f, 0, f->raw);
    sc_free(tensor);
}

/* Every parameter a transposed view of one shared storage, as of a flattened model. */
static void strided_views_of_one_storage_are_gathered(void **state)
{
    const fixture *f = *state;
    const sc_parameter *p;
    int count = sc_network_parameters(f->network, &p);
    torch_file t = {0};
    float *shared = calloc((size_t)f->count + 3, sizeof *shared);
    int64_t offset = 3; /* the storage begins with numbers of nobody */
    int storage = add_storage(&t, shared, sizeof *shared, f->count + 3);
    float *data = (float *)(void *)t.storage[storage].data.p;
    free(shared);
    put_text(&t.pickle, "\x80\2");
    pickle_dict(&t.pickle, 1);
    for (int i = 0; i < count; i++) {
        int64_t stride[8], step = 1, dim[8] = {1, 1, 1, 1};
        for (int a = 0; a < p[i].rank; a++) { /* the first axis runs fastest */
            stride[a] = step;
            step *= dim[a] = p[i].dim[a];
        }
        for (int64_t k = 0; k < p[i].count; k++) {
            int64_t rest = k, at = 0;
            for (int a = p[i].rank - 1; a >= 0; a--) {
                at += rest % dim[a] * stride[a];
                rest /= dim[a];
            }
            data[offset + at] = f->raw[p[i].offset + k];
        }
        pickle_text(&t.pickle, p[i].name);
        pickle_tensor(&t, storage, "FloatStorage", offset, p[i].rank, p[i].dim, stride);
        offset += p[i].count;
    }
    pickle_end_dict(&t.pickle);
    put_text(&t.pickle, ".");
    bytes b = torch_zip(&t, 0);
    bytes_write(f->checkpoint, &b);
    torch_file_free(&t);
    expect_theta(f, 0, f->raw);
}

static void all_float_types_are_converted(void **state)
{
    (void)state;
    static const unsigned char f16[] = {0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00, 0xff, 0x7b, 0x00, 0x80, 0x00, 0x7c};
    static const float want16[] = {1, -2, 0x1p-24f, 65504, -0.f, INFINITY};
    static const unsigned char bf16[] = {0x80, 0x3f, 0x49, 0xc0};
    static const float want_bf16[] = {1, -3.140625f};
    static const double f64[] = {.1, -1e30};
    static const float want64[] = {.1f, -1e30f};
    float y[6];
    sc_torch_dtype_find("float16")->convert(y, f16, 6);
    assert_memory_equal(y, want16, sizeof want16);
    sc_torch_dtype_find("bfloat16")->convert(y, bf16, 2);
    assert_memory_equal(y, want_bf16, sizeof want_bf16);
    sc_torch_dtype_find("float64")->convert(y, f64, 2);
    assert_memory_equal(y, want64, sizeof want64);
}

static void the_prior_that_is_written_loads_and_denoises(void **state)
{
    const fixture *f = *state;
    sc_weights weights, again;
    sc_score *score;
    sc_import_options options = {.checkpoint = f->checkpoint, .config = f->config,
                                 .modality = "MR", .anatomy = "knee"};
    const double sigma = .5;
    float x[16 * 16], d[16 * 16];
    write_checkpoint(f, 0, 0);
    assert_int_equal(sc_import_read(&weights, &options), SC_OK);
    assert_int_equal(sc_weights_write(f->out, weights.network, weights.theta, &weights.record), SC_OK);
    assert_int_equal(sc_weights_read(&again, f->out), SC_OK);
    assert_memory_equal(again.theta, f->averaged, (size_t)f->count * sizeof *f->averaged);
    assert_string_equal(again.record.modality, "MR");
    assert_true(again.record.sde.kind == SC_SDE_VE && again.record.sde.sigma_max == 50);
    json_t *training = json_loads(again.record.training, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(training, "step")), 6);
    assert_string_equal(json_string_value(json_object_get(training, "weights")), "averaged");
    assert_int_equal(strlen(json_string_value(json_object_get(training, "sha256"))), 64);
    json_decref(training);
    sc_weights_free(&weights);
    sc_weights_free(&again);
    assert_int_equal(sc_score_load(&score, f->out, 1), SC_OK);
    for (int i = 0; i < 16 * 16; i++)
        x[i] = sinf(.1f * (float)i);
    assert_int_equal(sc_score_denoise(score, d, x, &sigma, 1, 16, 16), SC_OK);
    for (int i = 0; i < 16 * 16; i++)
        assert_true(isfinite(d[i]));
    sc_score_free(score);
}

/* ---- the reference checkpoints ---- */

#define SHARED SC_SHARED_DIR "/data/score_sde/"

static void expect_reference(const char *checkpoint, const char *config, const char *weights_file)
{
    sc_weights weights;
    sc_safetensors *file;
    const sc_parameter *p;
    sc_import_options options = {.checkpoint = checkpoint, .config = config};
    sc_status status = sc_import_read(&weights, &options);
    if (status != SC_OK)
        print_error("%s\n", sc_message());
    assert_int_equal(status, SC_OK);
    assert_int_equal(sc_safetensors_read(&file, weights_file, SC_WEIGHTS_LIMIT), SC_OK);
    int count = sc_network_parameters(weights.network, &p);
    assert_int_equal(count + 1, sc_safetensors_count(file)); /* and sigmas */
    for (int i = 0; i < count; i++) {
        const sc_safetensor *tensor = sc_safetensors_find(file, p[i].name);
        assert_non_null(tensor);
        assert_memory_equal(weights.theta + p[i].offset, tensor->array.data,
                            (size_t)p[i].count * sizeof(float));
    }
    sc_safetensors_free(file);
    sc_weights_free(&weights);
}

static void the_reference_checkpoints_are_read_to_the_bit(void **state)
{
    (void)state;
    if (!sc_path_exists(SHARED "tiny_ve.pth")) {
        print_message("skipped: no " SHARED ", so no reference checkpoints\n");
        skip();
    }
    expect_reference(SHARED "ncsnpp_ve.pth", SHARED "ncsnpp_ve.config.json", SHARED "ncsnpp_ve.safetensors");
    expect_reference(SHARED "tiny_ve.pth", SHARED "tiny_ve.config.json", SHARED "tiny_ve.safetensors");
    expect_reference(SHARED "tiny_ve.legacy.pth", SHARED "tiny_ve.config.json", SHARED "tiny_ve.safetensors");
    static const char *const names[] = {"ncsnpp_ve", "ddpmpp_vp", "ncsnpp_skip", "ddpm_vp", "tiny_ve"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char weights[256], config[256];
        snprintf(weights, sizeof weights, SHARED "%s.safetensors", names[i]);
        snprintf(config, sizeof config, SHARED "%s.config.json", names[i]);
        expect_reference(weights, config, weights);
    }
}

/* Sum, norm and first number of each raw tensor, as PyTorch saw them. */
static void the_raw_weights_have_the_recorded_sums(void **state)
{
    (void)state;
    sc_weights weights;
    const sc_parameter *p;
    sc_import_options options = {.checkpoint = SHARED "ncsnpp_ve.pth",
                                 .config = SHARED "ncsnpp_ve.config.json", .raw = true};
    if (!sc_path_exists(SHARED "ncsnpp_ve.pth.json")) {
        print_message("skipped: no " SHARED ", so no reference checkpoints\n");
        skip();
    }
    json_t *root = json_load_file(SHARED "ncsnpp_ve.pth.json", 0, NULL);
    const json_t *raw = json_object_get(root, "raw");
    assert_int_equal(sc_import_read(&weights, &options), SC_OK);
    int count = sc_network_parameters(weights.network, &p);
    assert_int_equal(count, json_object_size(raw));
    for (int i = 0; i < count; i++) {
        const json_t *facts = json_object_get(raw, p[i].name);
        double sum = 0, square = 0;
        for (int64_t k = 0; k < p[i].count; k++) {
            double x = weights.theta[p[i].offset + k];
            sum += x;
            square += x * x;
        }
        double l2 = json_number_value(json_object_get(facts, "l2"));
        assert_true(fabs(sqrt(square) - l2) <= 1e-9 * l2);
        assert_true(fabs(sum - json_number_value(json_object_get(facts, "sum"))) <= 1e-9 * (1 + l2));
        assert_true(weights.theta[p[i].offset] == json_number_value(json_object_get(facts, "first")));
    }
    json_decref(root);
    sc_weights_free(&weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(averaged_and_raw_weights_of_a_zip_checkpoint, setup, teardown),
        cmocka_unit_test_setup_teardown(a_zip64_checkpoint_is_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(a_legacy_checkpoint_is_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(a_state_dict_alone_needs_no_average, setup, teardown),
        cmocka_unit_test_setup_teardown(a_safetensors_state_dict_is_accepted, setup, teardown),
        cmocka_unit_test_setup_teardown(strided_views_of_one_storage_are_gathered, setup, teardown),
        cmocka_unit_test(all_float_types_are_converted),
        cmocka_unit_test_setup_teardown(the_prior_that_is_written_loads_and_denoises, setup, teardown),
        cmocka_unit_test(the_reference_checkpoints_are_read_to_the_bit),
        cmocka_unit_test(the_raw_weights_have_the_recorded_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
