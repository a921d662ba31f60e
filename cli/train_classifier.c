#include "cli/train_classifier.h"
#include <math.h>
#include <stdio.h>

static void report(void *self, int64_t images, double loss)
{
    const sc_cli *cli = self;
    if (!cli->quiet)
        fprintf(stderr, "%lld images, loss %.4f\n", (long long)images, loss);
}

static void print_result(const sc_cli *cli, const sc_classifier_result *r)
{
    if (cli->json) {
        json_t *levels = json_array();
        for (int i = 0; r->images && i < SC_VALIDATION_LEVELS; i++)
            json_array_append_new(levels, json_pack("{s:f, s:f, s:f}", "sigma",
                                                    sc_validation_sigma[i], "accuracy",
                                                    r->accuracy[i], "log_loss", r->log_loss[i]));
        sc_cli_print_json(json_pack("{s:I, s:i, s:i, s:o}", "seen", (json_int_t)r->seen, "classes",
                                    r->classes, "images", r->images, "levels", levels),
                          JSON_COMPACT | JSON_REAL_PRECISION(7));
        return;
    }
    if (!r->images)
        return;
    printf("%d images of %d classes, by chance %.4f and %.4f\n%8s %9s %9s\n", r->images, r->classes,
           1.0 / r->classes, log(r->classes), "sigma", "accuracy", "log loss");
    for (int i = 0; i < SC_VALIDATION_LEVELS; i++)
        printf("%8g %9.4f %9.4f\n", sc_validation_sigma[i], r->accuracy[i], r->log_loss[i]);
}

sc_status sc_train_classifier(const sc_cli *cli, const char *path, const sc_image_source *train,
                              const sc_image_source *val, const sc_network_config *config,
                              const sc_options *options, const sc_training_about *about,
                              double hours)
{
    const sc_network_config standard = sc_classifier_config_default();
    const sc_classifier_job job = {.train = train,
                                   .val = val,
                                   .config = config ? config : &standard,
                                   .options = options,
                                   .about = about,
                                   .hours = hours,
                                   .threads = cli->threads,
                                   .progress = sc_cli_progress(cli),
                                   .self = (void *)cli,
                                   .report = report};
    sc_classifier_result result;
    sc_status status = sc_classifier_train(&result, path, &job);
    if (status == SC_OK)
        print_result(cli, &result);
    return status;
}
