/* Any bytes as a checkpoint. The first byte says what the others are: a file, the pickle inside a
 * sound archive (so that the fuzzer reaches the machine at once), or a configuration.
 */
#include "base/memory.h"
#include "prior/import_internal.h"
#include "prior/score_sde_config.h"
#include "tests/fuzz/fuzz.h"
#include "tests/prior/torch_file.h"

static const char config_text[] =
    "{\"model\": {\"name\": \"ncsnpp\", \"nf\": 4, \"ch_mult\": [1], \"num_res_blocks\": 1,"
    " \"attn_resolutions\": [], \"scale_by_sigma\": true, \"embedding_type\": \"fourier\","
    " \"resblock_type\": \"biggan\", \"fir\": false, \"progressive\": \"none\","
    " \"progressive_input\": \"none\"},"
    " \"data\": {\"image_size\": 16, \"num_channels\": 1, \"centered\": false},"
    " \"training\": {\"sde\": \"vesde\", \"continuous\": true}}";

static void configuration(const char *text, size_t size)
{
    sc_score_sde_config config;
    sc_network *network = NULL;
    sc_status status = sc_score_sde_config_parse(&config, text, size, "config");
    fuzz_verdict(status);
    if (status == SC_OK)
        fuzz_verdict(sc_network_create(&network, &config.network));
    sc_network_free(network);
}

static void checkpoint(const uint8_t *data, size_t size)
{
    static sc_network *network;
    sc_score_sde_config config;
    sc_import_facts facts;
    float *theta, *sigmas;
    int64_t count;
    if (!network && (sc_score_sde_config_parse(&config, config_text, sizeof config_text - 1, "config") ||
                     sc_network_create(&network, &config.network)))
        abort();
    const char *path = fuzz_file("c.pth", data, size);
    for (int raw = 0; raw < 2; raw++) {
        fuzz_verdict(sc_import_state(&theta, &sigmas, &count, &facts, network, path, raw));
        sc_free(theta);
        sc_free(sigmas);
    }
    fuzz_remove("c.pth");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t numbers[64];
    if (size == 0)
        return 0;
    const uint8_t *rest = data + 1;
    size--;
    if (*data % 3 == 0) {
        checkpoint(rest, size);
    } else if (*data % 3 == 1) {
        zip_file z = {0};
        zip_add(&z, "a/data.pkl", rest, size, 0);
        zip_add(&z, "a/data/0", numbers, 48, 0);
        zip_add(&z, "a/data/1", numbers, 16, 0);
        bytes archive = zip_finish(&z, 0);
        checkpoint(archive.p, archive.n);
        free(archive.p);
    } else {
        configuration((const char *)rest, size);
    }
    return 0;
}
