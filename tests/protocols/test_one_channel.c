/* A published prior of one channel, imported, reconstructs MR: complex images, and the record and
 * a warning say how it was applied.
 */
#include "job_fixture.h"

#include "base/file.h"
#include "io/npy.h"
#include "prior/import.h"
#include "prior/safetensors.h"
#include "prior/score_sde_config.h"
#include <jansson.h>
#include <math.h>

static int warnings;

static const char config_text[] =
    "{\"model\": {\"name\": \"ncsnpp\", \"nf\": 8, \"ch_mult\": [1, 1], \"num_res_blocks\": 1,"
    " \"attn_resolutions\": [], \"scale_by_sigma\": true, \"embedding_type\": \"fourier\","
    " \"resblock_type\": \"biggan\", \"fir\": true, \"progressive\": \"none\","
    " \"progressive_input\": \"residual\", \"sigma_max\": 378},"
    " \"data\": {\"image_size\": 32, \"num_channels\": 1, \"centered\": %s},"
    " \"training\": {\"sde\": \"vesde\", \"continuous\": true}}";

/* A state dict as a checkpoint, and the prior that becomes of it. */
static void import_prior(const char *prior, const char *centred)
{
    char config_path[256], checkpoint[256], text[1024];
    sc_score_sde_config config;
    sc_network *network;
    sc_weights weights;
    const sc_parameter *p;
    float *theta;
    sc_safetensor *tensor;
    in_folder(config_path, "config.json"), in_folder(checkpoint, "state.safetensors");
    int length = snprintf(text, sizeof text, config_text, centred);
    assert_int_equal(sc_file_write(config_path, text, (size_t)length), SC_OK);
    assert_int_equal(sc_score_sde_config_read(&config, config_path), SC_OK);
    assert_int_equal(sc_network_create(&network, &config.network), SC_OK);
    int count = sc_network_parameters(network, &p);
    int64_t numbers = sc_network_parameter_count(network);
    assert_int_equal(SC_ALLOC(&theta, numbers, "theta"), SC_OK);
    assert_int_equal(SC_ALLOC(&tensor, count, "tensors"), SC_OK);
    sc_network_initialise(network, theta, 1);
    for (int64_t i = 0; i < numbers; i++) /* layers that start at 0 shall speak */
        theta[i] += 0.01f * sinf((float)i);
    for (int i = 0; i < count; i++)
        tensor[i] = (sc_safetensor){p[i].name, sc_array_view(SC_F32, p[i].rank, p[i].dim,
                                                             theta + p[i].offset)};
    assert_int_equal(sc_safetensors_write(checkpoint, tensor, count, NULL, 0), SC_OK);
    sc_import_options how = {.checkpoint = checkpoint, .config = config_path, .modality = "MR"};
    assert_int_equal(sc_import_read(&weights, &how), SC_OK);
    assert_int_equal(sc_weights_write(prior, weights.network, weights.theta, &weights.record),
                     SC_OK);
    sc_weights_free(&weights);
    sc_network_free(network);
    sc_free(tensor);
    sc_free(theta);
}

/* With a phase, so that neither part is empty. */
static int make_files(void **state)
{
    (void)state;
    make_folder("one-channel");
    make_scan(1, 0.8f + 0.6f * _Complex_I);
    return 0;
}

static void listen(void *self, sc_log_level level, const char *message)
{
    (void)self;
    warnings += level == SC_LOG_WARN && strstr(message, "one channel") != NULL;
}

static void expect_record(void)
{
    char path[256];
    in_folder(path, "out/record.json");
    json_t *root = json_load_file(path, 0, NULL);
    assert_non_null(root);
    const json_t *prior = json_object_get(root, "prior");
    const json_t *list = json_object_get(root, "warning");
    assert_int_equal(json_integer_value(json_object_get(prior, "channels")), 1);
    const char *text = json_string_value(json_array_get(list, 0));
    assert_non_null(text);
    assert_non_null(strstr(text, "one channel and is applied to real and imaginary part"));
    json_decref(root);
}

/* The image of a run, both parts there. */
static void reconstruct(sc_array *image, const char *prior)
{
    char scan[256], output[256], path[256];
    char *option[] = {"levels=4", "cg=8"};
    sc_job job = sc_job_default();
    sc_job_report report;
    double parts[2] = {0};
    in_folder(scan, "scan.h5"), in_folder(output, "out"), in_folder(path, "out/image.npy");
    job.scan = scan, job.output = output, job.threads = 1;
    job.settings.prior = (char *)prior;
    job.settings.options = option, job.settings.options_count = 2;
    job.settings.formats = SC_FORMAT_NPY;
    warnings = 0;
    sc_log_set(listen, NULL);
    sc_status status = sc_job_run(&job, &report);
    sc_log_set(NULL, NULL);
    if (status != SC_OK)
        fail_msg("%s", sc_message());
    assert_int_equal(warnings, 1);
    assert_int_equal(sc_npy_read(image, path), SC_OK);
    assert_int_equal(sc_array_count(image), NY * NX);
    const float *x = image->data;
    for (int i = 0; i < 2 * NY * NX; i++) {
        assert_true(isfinite(x[i]));
        parts[i % 2] += (double)x[i] * x[i];
    }
    double ratio = sqrt(parts[1] / parts[0]);
    if (fabs(ratio - 0.75) > 0.1)
        fail_msg("imaginary to real part: %g, expected 0.75", ratio);
    expect_record();
    in_folder(path, "out");
    char command[300];
    snprintf(command, sizeof command, "rm -rf %s", path);
    assert_int_equal(system(command), 0);
}

/* A prior over 0 to 1 and one over -1 to 1 with the same weights are two priors. */
static void an_imported_prior_of_one_channel_reconstructs_complex_images(void **state)
{
    (void)state;
    char prior[256];
    sc_array image[2];
    in_folder(prior, "prior.safetensors");
    for (int i = 0; i < 2; i++) {
        import_prior(prior, i ? "true" : "false");
        reconstruct(&image[i], prior);
    }
    assert_memory_not_equal(image[0].data, image[1].data, sc_array_bytes(&image[0]));
    sc_array_free(&image[0]);
    sc_array_free(&image[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_imported_prior_of_one_channel_reconstructs_complex_images),
    };
    return cmocka_run_group_tests(tests, make_files, remove_folder);
}
