/* Parity with the published code: reads a folder of reference tensors in the form of score_sde's
 * and prints the relative error of every quantity in it.
 *
 *     parity [-v] [--json FILE] [--device cpu|cuda] [--threads N] [--only WORD] FOLDER
 *
 * Files are found by pattern: NAME.config.json is a network, *.pth a checkpoint, any other
 * .safetensors is known by the tensors in it. Exit status 1 when a quantity is beyond its limit.
 */
#include "parity.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES = 512 };

typedef struct {
    char name[NAMES][96];
    int count;
} names;

typedef struct {
    const char *folder, *json, *device, *only;
    int threads;
    bool verbose;
} arguments;

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

static sc_status list_folder(names *files, const char *folder)
{
    DIR *directory = opendir(folder);
    if (!directory)
        return sc_fail(SC_ERR_IO, "%s: cannot be read", folder);
    for (struct dirent *e; (e = readdir(directory)) && files->count < NAMES;)
        if (e->d_name[0] != '.' && strlen(e->d_name) < sizeof files->name[0])
            strcpy(files->name[files->count++], e->d_name);
    closedir(directory);
    qsort(files->name, (size_t)files->count, sizeof files->name[0], by_name);
    return SC_OK;
}

/* NAME of every NAME.config.json */
static void find_networks(names *networks, const names *files)
{
    for (int i = 0; i < files->count; i++)
        if (ends_with(files->name[i], ".config.json")) {
            size_t n = strlen(files->name[i]) - strlen(".config.json");
            memcpy(networks->name[networks->count], files->name[i], n);
            networks->name[networks->count++][n] = 0;
        }
}

/* A .safetensors that is NAME.safetensors, NAME.io.safetensors or NAME.grads.safetensors. */
static bool belongs_to_network(const char *file, const names *networks)
{
    static const char *const rest[] = {".safetensors", ".io.safetensors", ".grads.safetensors"};
    for (int i = 0; i < networks->count; i++)
        for (int k = 0; k < 3; k++) {
            size_t n = strlen(networks->name[i]);
            if (strncmp(file, networks->name[i], n) == 0 && strcmp(file + n, rest[k]) == 0)
                return true;
        }
    return false;
}

typedef sc_status check(const parity *p, const reference *r);

/* What a file is by a tensor that it must hold, or the end of some name; and whether a network
 * belongs to it, which it does not name. */
static const struct {
    const char *tensor, *end;
    check *run;
    bool of_network;
} kinds[] = {
    {"step0.x0", NULL, check_training, true},
    {"corrector.noise", NULL, check_sampler, true},
    {"predictor.noise", NULL, check_sampler, true},
    {NULL, ".epsilon", check_flow, true},
    {"sampler.latent", NULL, check_flow, true},
    {NULL, ".reverse_diffusion.x", check_steps, false},
    {NULL, ".langevin.x", check_steps, false},
    {NULL, ".mean_coeff", check_facts, false},
    {NULL, ".ve_disc_label", check_facts, false},
    {"fast.x", NULL, check_mri, false},
    {"coil.dc", NULL, check_mri, false},
    {"temb.labels", NULL, check_operations, false},
    {NULL, ".gin0", check_operations, false},
};

static bool has_end(const reference *r, const char *end)
{
    for (int i = 0; i < reference_count(r); i++)
        if (ends_with(reference_name(r, i), end))
            return true;
    return false;
}

/* With every network that fits; reported is the one with the fewest failures. */
static sc_status with_best_network(const parity *p, const reference *r, check *run)
{
    sc_status status = sc_fail(NO_FIT, "no network of the folder fits this file");
    report *best = NULL;
    for (int i = 0; i < p->networks; i++) {
        parity one = *p;
        one.candidate = i;
        one.report = report_new(p->folder);
        sc_status found = run(&one, r);
        if (found != SC_OK && found != NO_FIT)
            report_failure(one.report, "error", p->network[i], sc_message());
        if (found != NO_FIT && (!best || report_failures(one.report) < report_failures(best))) {
            report *worse = best;
            best = one.report;
            one.report = worse;
            status = SC_OK;
        }
        report_free(one.report);
    }
    if (best)
        report_append(p->report, best);
    report_free(best);
    return status;
}

static sc_status check_file(const parity *p, const reference *r)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].tensor ? tensor_has(r, "%s", kinds[i].tensor) : has_end(r, kinds[i].end))
            return kinds[i].of_network ? with_best_network(p, r, kinds[i].run) : kinds[i].run(p, r);
    return SC_OK; /* every tensor of it is then unread */
}

static void finish_section(const parity *p, sc_status status)
{
    if (status != SC_OK)
        report_failure(p->report, "error", sc_status_name(status), sc_message());
    pool_free();
}

static void single_file(const parity *p, const char *file)
{
    char group[96];
    reference r;
    snprintf(group, sizeof group, "%.*s", (int)(strlen(file) - strlen(".safetensors")), file);
    report_group(p->report, group);
    sc_status status = reference_open(&r, p->folder, file);
    if (status == SC_OK)
        status = check_file(p, &r);
    if (status == SC_OK)
        report_unread(p->report, &r);
    reference_free(&r);
    finish_section(p, status);
}

static bool wanted(const arguments *a, const char *name)
{
    return !a->only || strstr(name, a->only);
}

static void check_folder(const parity *p, const arguments *a, const names *files,
                         const names *networks)
{
    for (int i = 0; i < networks->count; i++)
        if (wanted(a, networks->name[i])) {
            report_group(p->report, networks->name[i]);
            finish_section(p, check_network(p, networks->name[i]));
        }
    for (int i = 0; i < files->count; i++) {
        const char *file = files->name[i];
        if (!wanted(a, file))
            continue;
        if (ends_with(file, ".pth")) {
            report_group(p->report, file);
            finish_section(p, check_checkpoint(p, file));
        } else if (ends_with(file, ".safetensors") && !belongs_to_network(file, networks))
            single_file(p, file);
    }
}

static sc_status run(const arguments *a, int *failures)
{
    static names files, networks;
    sc_status status = SC_OK;
    sc_device *device = NULL;
    report *r = report_new(a->folder);
    bool cuda = strcmp(a->device, "cuda") == 0;
    SC_TRY(cuda ? sc_device_create_cuda(&device) : sc_device_create_cpu(&device, a->threads));
    SC_TRY(list_folder(&files, a->folder));
    find_networks(&networks, &files);
    parity p = {.report = r,
                .device = device,
                .folder = a->folder,
                .slack = cuda ? 10 : 1,
                .network = networks.name,
                .networks = networks.count};
    check_folder(&p, a, &files, &networks);
    if (report_rows(r) == 0)
        SC_TRY(sc_fail(SC_ERR_INPUT, "%s: no reference tensors", a->folder));
    printf("%s\n", device->description);
    report_table(r, stdout, a->verbose);
    if (a->json)
        SC_TRY(report_json(r, a->json));
    *failures = report_failures(r);
cleanup:
    report_free(r);
    sc_device_free(device);
    return status;
}

/* An option's value, and the place after it. */
static bool option(const char **value, const char *name, int argc, char **argv, int *i)
{
    if (strcmp(argv[*i], name) != 0 || *i + 1 >= argc)
        return false;
    *value = argv[++*i];
    return true;
}

static bool read_arguments(arguments *a, int argc, char **argv)
{
    const char *threads = "1";
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "-v") == 0)
            a->verbose = true;
        else if (!option(&a->json, "--json", argc, argv, &i) &&
                 !option(&a->device, "--device", argc, argv, &i) &&
                 !option(&a->only, "--only", argc, argv, &i) &&
                 !option(&threads, "--threads", argc, argv, &i)) {
            if (argv[i][0] == '-' || a->folder)
                return false;
            a->folder = argv[i];
        }
    a->threads = atoi(threads);
    return a->folder && a->threads >= 0 &&
           (strcmp(a->device, "cpu") == 0 || strcmp(a->device, "cuda") == 0);
}

int main(int argc, char **argv)
{
    arguments a = {.device = "cpu"};
    int failures = 0;
    if (!read_arguments(&a, argc, argv)) {
        fprintf(stderr, "usage: parity [-v] [--json FILE] [--device cpu|cuda] [--threads N] "
                        "[--only WORD] FOLDER\n");
        return 2;
    }
    sc_status status = run(&a, &failures);
    if (status != SC_OK) {
        fprintf(stderr, "%s\n", sc_message());
        return sc_status_exit(status);
    }
    return failures ? 1 : 0;
}
