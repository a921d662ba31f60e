/* scorecon import: a published PyTorch checkpoint becomes a prior. */
#include "cli/command.h"
#include "prior/import.h"
#include "base/memory.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    sc_cli cli;
    const char *output;
    sc_import_options import;
} arguments;

enum { KEY_CONFIG = 0x2000, KEY_RAW, KEY_MODALITY, KEY_ANATOMY, KEY_LICENCE, KEY_DATA };

static const struct argp_option options[] = {
    {"config", KEY_CONFIG, "JSON", 0, "the network's configuration, as below", 1},
    {"output", 'o', "FILE", 0, "the prior (safetensors)", 1},
    {"raw", KEY_RAW, 0, 0, "the last weights of the training instead of their average", 1},
    {"modality", KEY_MODALITY, "MR|CT", 0, "for the record: what it knows (default: any)", 1},
    {"anatomy", KEY_ANATOMY, "TEXT", 0, "for the record: knee, brain", 1},
    {"data", KEY_DATA, "TEXT", 0, "for the record: what it was trained on", 1},
    {"licence", KEY_LICENCE, "TEXT", 0, "for the record: of the weights", 1},
    {0},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &a->cli; return 0;
    case 'o': a->output = text; return 0;
    case KEY_CONFIG: a->import.config = text; return 0;
    case KEY_RAW: a->import.raw = true; return 0;
    case KEY_MODALITY: a->import.modality = text; return 0;
    case KEY_ANATOMY: a->import.anatomy = text; return 0;
    case KEY_DATA: a->import.data = text; return 0;
    case KEY_LICENCE: a->import.licence = text; return 0;
    case ARGP_KEY_ARG:
        if (a->import.checkpoint)
            argp_error(state, "one CHECKPOINT at a time, found also '%s'", text);
        a->import.checkpoint = text;
        return 0;
    case ARGP_KEY_END:
        if (!a->import.checkpoint || !a->import.config || !a->output)
            argp_error(state, "CHECKPOINT, --config JSON and -o FILE are needed");
        if (!strcmp(a->output, a->import.checkpoint) || !strcmp(a->output, a->import.config))
            argp_error(state, "-o %s would replace what is imported", a->output);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static void report(const sc_weights *weights, const arguments *a)
{
    const sc_network_config *network = sc_network_configuration(weights->network);
    long long parameters = (long long)sc_network_parameter_count(weights->network);
    json_t *facts = json_object(), *source = json_loads(weights->record.training, 0, NULL);
    json_object_set_new(facts, "prior", json_string(a->output));
    json_object_set_new(facts, "channels", json_integer(network->channels));
    json_object_set_new(facts, "parameters", json_integer(parameters));
    json_object_update_missing(facts, source);
    if (a->cli.json) {
        json_dumpf(facts, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        putchar('\n');
    } else {
        printf("%s: %d channel%s, %lld parameters, weights %s", a->output, network->channels,
               network->channels == 1 ? "" : "s", parameters,
               json_string_value(json_object_get(source, "weights")));
        const json_t *step = json_object_get(source, "step");
        if (step)
            printf(", step %lld of the training", (long long)json_integer_value(step));
        putchar('\n');
    }
    json_decref(source);
    json_decref(facts);
}

static sc_status import(const arguments *a)
{
    sc_weights weights;
    sc_status status = sc_import_read(&weights, &a->import);
    if (status == SC_OK)
        status = sc_weights_write(a->output, weights.network, weights.theta, &weights.record);
    if (status == SC_OK)
        report(&weights, a);
    sc_weights_free(&weights);
    return status;
}

int sc_command_import(int argc, char **argv)
{
    static const struct argp_child children[] = {{&sc_cli_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options, .parser = parse, .children = children,
        .args_doc = "CHECKPOINT --config JSON -o FILE",
        .doc = "Make a prior of a checkpoint of score_sde or score-MRI (.pth: training checkpoint "
               "or state dict; also a state dict as .safetensors). The file is read as data; "
               "nothing in it is executed.\v"
               "Example:\n  scorecon import checkpoint_95.pth --config config.json "
               "-o knee.safetensors\n\n"
               "config.json is the published configuration as JSON, made where its code is:\n\n"
               "python - >config.json <<'END'\n"
               "import json\n"
               "from configs.ve import fastmri_knee_320_ncsnpp_continuous as c\n"
               "print(json.dumps(c.get_config().to_dict(), default=str))\n"
               "END\n\n"
               "Or write it: {\"model\": {\"name\": \"ncsnpp\", \"nf\": 128, ...}, \"data\": "
               "{\"image_size\": 320, \"num_channels\": 1, \"centered\": false}, \"training\": "
               "{\"sde\": \"vesde\", \"continuous\": true}}; what is missing or unknown is named."};
    arguments a = {.import.program = "scorecon " SC_VERSION};
    sc_cli_parse(&argp, argc, argv, &a, &a.cli);
    return sc_cli_exit(&a.cli, import(&a));
}
