/* Checkpoints and configurations that are refused: each with one line that names the file, where it
 * is and what is wrong. Nothing is executed, and memory is never taken on a file's word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "prior/import.h"
#include "prior/import_internal.h"
#include "prior/score_sde_config.h"
#include "tests/prior/torch_file.h"
#include <math.h>
#include <unistd.h>

static char folder[64], path[96], config_path[96];

static const char config_text[] =
    "{\"model\": {\"name\": \"ncsnpp\", \"nf\": 4, \"ch_mult\": [1], \"num_res_blocks\": 1,"
    " \"attn_resolutions\": [], \"scale_by_sigma\": true, \"embedding_type\": \"fourier\","
    " \"resblock_type\": \"biggan\", \"fir\": false, \"progressive\": \"none\","
    " \"progressive_input\": \"none\"},"
    " \"data\": {\"image_size\": 16, \"num_channels\": 1, \"centered\": false},"
    " \"training\": {\"sde\": \"vesde\", \"continuous\": true}}";

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "scorecon-refused-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/bad.pth", folder);
    snprintf(config_path, sizeof config_path, "%s/config.json", folder);
    return sc_file_write(config_path, config_text, sizeof config_text - 1) == SC_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    unlink(config_path);
    return rmdir(folder);
}

/* The file at `path` is refused, with one line that holds the file's name and `expected`. */
static void expect_refused(const char *expected)
{
    sc_weights weights;
    sc_import_options options = {.checkpoint = path, .config = config_path};
    sc_status status = sc_import_read(&weights, &options);
    const char *message = sc_message();
    if (status == SC_OK || !strstr(message, expected) || !strstr(message, "bad.pth"))
        print_error("expected '%s', got status %d: %s\n", expected, status, message);
    assert_true(status == SC_ERR_FORMAT || status == SC_ERR_UNSUPPORTED);
    assert_non_null(strstr(message, expected));
    assert_non_null(strstr(message, "bad.pth"));
    assert_null(strchr(message, '\n'));
    assert_null(weights.theta);
}

static void write_bytes(bytes b)
{
    bytes_write(path, &b);
}

/* ---- pickles ---- */

typedef struct {
    const char *pickle;
    size_t n;
    const char *expected;
} bad_pickle;

#define PICKLE(text, expected) {text, sizeof text - 1, expected}
#define STORE "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0000X\3\0\0\0cpu"
#define TENSOR "ctorch._utils\n_rebuild_tensor_v2\n("
#define HOOKS "\x89" "ccollections\nOrderedDict\n)RtR."

static const bad_pickle pickles[] = {
    PICKLE("\x80\2cos\nsystem\nX\4\0\0\0true\x85R.", "byte 2: GLOBAL: global os.system"),
    PICKLE("\x80\2cposix\nsystem\n.", "global posix.system"),
    PICKLE("\x80\2c__builtin__\neval\n.", "global __builtin__.eval"),
    PICKLE("\x80\2cbuiltins\ngetattr\n.", "global builtins.getattr"),
    PICKLE("\x80\2ctorch\nload\n.", "global torch.load"),
    PICKLE("\x80\2ctorch.cuda\nfloat32\n.", "global torch.cuda.float32"),
    PICKLE("\x80\2cnumpy.core.multiarray\n_reconstruct\n.", "global numpy.core.multiarray._reconstruct"),
    PICKLE("\x80\2ccollections\nOrderedDict\x1b[2J\n.", "OrderedDict?[2J"),
    PICKLE("\x80\4\x8c\2os\x8c\6system\x93.", "byte 14: STACK_GLOBAL: global os.system"),
    PICKLE("\x80\4K\1K\2\x93.", "STACK_GLOBAL: expected two texts"),
    PICKLE("\x80\2(ios\nsystem\n.", "byte 3: pickle opcode 0x69 (INST)"),
    PICKLE("\x80\2(cos\nsystem\no.", "global os.system"),
    PICKLE("\x80\2K\1\x82\1.", "(EXT1)"),
    PICKLE("\x80\4}\x92.", "(NEWOBJ_EX)"),
    PICKLE("\x80\2P0\n.", "(PERSID)"),
    PICKLE("\x80\2\xff.", "opcode 0xff (unknown)"),
    PICKLE("\x80\2K\1)R.", "REDUCE: a call of a whole number"),
    PICKLE("\x80\2ctorch\nFloatStorage\n)R.", "REDUCE: a call of torch.FloatStorage"),
    PICKLE("\x80\2ctorch\nfloat32\n)R.", "REDUCE: a call of torch.float32"),
    PICKLE("\x80\2ctorch\ndevice\n)\x81.", "NEWOBJ: a call of torch.device"),
    PICKLE("\x80\2ccollections\nOrderedDict\n]R.", "REDUCE: expected a tuple of arguments, found a list"),
    PICKLE("\x80\2ccollections\nOrderedDict\n]K\1a\x85R.", "OrderedDict: expected a tuple, found a whole number"),
    PICKLE("\x80\2]}b.", "BUILD: a list cannot have the state a dict"),
    PICKLE("\x80\2}K\1b.", "BUILD: a dict cannot have the state a whole number"),
    PICKLE("\x80\2ccollections\nOrderedDict\n}b.", "BUILD: a global cannot have"),
    PICKLE("\x80\2}", "the pickle ends without STOP"),
    PICKLE("\x80\2}.junk", "bytes follow STOP"),
    PICKLE("\x80\2.", "STOP: nothing on the stack"),
    PICKLE("\x80\2}}.", "are left on the stack"),
    PICKLE("\x80\2}(.", "STOP: nothing on the stack"),
    PICKLE("\x80\1}.", "pickle protocol 1"),
    PICKLE("\x80\6}.", "pickle protocol 6"),
    PICKLE("\x80\2X\xff\xff\xff\xff" "abc.", "a text of 4294967295 bytes"),
    PICKLE("\x80\2X\x10\0\0\0abc.", "BINUNICODE: needs 16 bytes, but 4 are left"),
    PICKLE("\x80\4\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.", "a text of 9223372036854775807 bytes"),
    PICKLE("\x80\2\x8a\xff\1\2\3.", "LONG1: needs 255 bytes"),
    PICKLE("\x80\2\x8b\xff\xff\xff\x7f.", "(LONG4)"),
    PICKLE("\x80\2h\7.", "BINGET: memo 7 was never set"),
    PICKLE("\x80\2j\xff\xff\xff\xff.", "LONG_BINGET: memo 4294967295"),
    PICKLE("\x80\2}r\xff\xff\xff\x7f.", "LONG_BINPUT: memo 2147483647, but the pickle has"),
    PICKLE("\x80\4\x95\xff\xff\xff\xff\xff\xff\xff\xff}.", "FRAME: a frame of"),
    PICKLE("\x80\2K\1K\2K\3s.", "SETITEM: on a whole number, expected a dict"),
    PICKLE("\x80\2}K\1a.", "APPEND: on a dict, expected a list"),
    PICKLE("\x80\2}(K\1u.", "SETITEMS: a key without a value"),
    PICKLE("\x80\2}u.", "SETITEMS: no mark"),
    PICKLE("\x80\2(u.", "SETITEMS: nothing on the stack"),
    PICKLE("\x80\2K\1(K\2s.", "SETITEM: nothing on the stack"), /* does not reach below the mark */
    PICKLE("\x80\2\x87.", "TUPLE3: fewer than 3"),
    PICKLE("\x80\2cxxxxxxxx", "GLOBAL: a name without an end"),
    PICKLE("\x80\2K\1Q.", "BINPERSID: persistent id: expected a tuple"),
    PICKLE("\x80\2(X\6\0\0\0moduleNNNNtQ.", "expected 'storage'"),
    PICKLE("\x80\2(X\7\0\0\0storageK\1X\1\0\0\0000X\3\0\0\0cpuK\1tQ.", "expected a storage class"),
    PICKLE("\x80\2" STORE "J\xff\xff\xff\xfftQ.", "a negative one"),
    PICKLE("\x80\2" STORE "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7ftQ.", "storage 0: 9223372036854775807 elements"),
    PICKLE("\x80\2" STORE "\x8a\x0a\0\0\0\0\0\0\0\0\0\1tQ.", "beyond 64 bits"),
    PICKLE("\x80\2" STORE "K\1tQ0" STORE "K\2tQ.", "(POP)"),
    PICKLE("\x80\2(" STORE "K\1tQ" STORE "K\2tQt.", "storage 0 is described twice"),
    /* tensors over a storage of 12 floats: offset, size, stride */
    PICKLE("\x80\2" TENSOR STORE "K\x0ctQK\0K\x0d\x85K\1\x85" HOOKS, "spans 13, but its storage has 12"),
    PICKLE("\x80\2" TENSOR STORE "K\x0ctQK\1K\x0c\x85K\1\x85" HOOKS, "from element 1 spans 12"),
    PICKLE("\x80\2" TENSOR STORE "K\x0ctQK\0K\3\x85K\6\x85" HOOKS, "spans 13"),
    PICKLE("\x80\2" TENSOR STORE "K\x0ctQJ\xff\xff\xff\xffK\3\x85K\1\x85" HOOKS, "tensor offset: expected a whole number of at least 0"),
    PICKLE("\x80\2" TENSOR STORE "K\x0ctQK\0J\xff\xff\xff\xff\x85K\1\x85" HOOKS, "tensor size"),
    PICKLE("\x80\2" TENSOR STORE "K\x0ctQK\0K\3\x85J\xff\xff\xff\xff\x85" HOOKS, "tensor stride"),
    PICKLE("\x80\2" TENSOR STORE "K\x0ctQK\0K\3\x85K\1K\1\x86" HOOKS, "1 sizes, but 2 strides"),
    PICKLE("\x80\2" TENSOR STORE "K\x0ctQK\0K\3\x85K\0\x85" HOOKS, "elements overlap"),
    PICKLE("\x80\2" TENSOR STORE "K\x0ctQK\0K\3K\3\x86K\2K\1\x86" HOOKS, "elements overlap"),
    PICKLE("\x80\2" TENSOR STORE "K\x0ctQK\0\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85K\2\x85" HOOKS, "beyond 64 bits"),
    PICKLE("\x80\2" TENSOR STORE "K\x0ctQ\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\3\x85K\1\x85" HOOKS, "from element 9223372036854775807"),
    PICKLE("\x80\2" TENSOR STORE "K\x0ctQK\0(K\1K\1K\1K\1K\1K\1K\1K\1K\1t(K\1K\1K\1K\1K\1K\1K\1K\1K\1t" HOOKS, "tensor size: expected 0 to 8 entries"),
    PICKLE("\x80\2" TENSOR "K\1K\0K\3\x85K\1\x85" HOOKS, "tensor: expected a storage"),
    /* sound pickles that are no checkpoint */
    PICKLE("\x80\2K\1.", "expected a dict, found a whole number"),
    PICKLE("\x80\2}.", "found an empty dict"),
    PICKLE("\x80\2}X\n\0\0\0state_dict}s.", "found 'state_dict'"),
    PICKLE("\x80\2}X\5\0\0\0modelK\1s.", "model: expected a dict of tensors, found a whole number"),
    PICKLE("\x80\2}X\5\0\0\0model}(X\1\0\0\0aK\1us.", "model: 'a' holds a whole number"),
    PICKLE("\x80\2}X\5\0\0\0model}(K\5K\1us.", "model: a key is a whole number"),
    PICKLE("\x80\2}(X\5\0\0\0model}X\5\0\0\0model}u.", "key 'model' occurs twice"),
    PICKLE("\x80\2}X\5\0\0\0model}s.", "ema: expected the dict of the averaged weights, found nothing"),
    PICKLE("\x80\2}(X\5\0\0\0model}X\3\0\0\0emaK\1u.", "ema: expected the dict"),
    PICKLE("\x80\2}(X\5\0\0\0model}X\3\0\0\0ema}u.", "shadow_params: expected a list"),
    PICKLE("\x80\2}(X\5\0\0\0model}X\3\0\0\0ema}X\r\0\0\0shadow_params]s" "u.", "all_modules.0.W of the configured network is missing"),
    PICKLE("\x80\2}(X\5\0\0\0model}X\3\0\0\0ema}X\r\0\0\0shadow_params]K\1as" "u.", "expected 0 tensors as the model has trained ones, found 1"),
};

static void hostile_pickles_are_refused_by_byte_and_name(void **state)
{
    (void)state;
    static const float numbers[12];
    for (size_t i = 0; i < sizeof pickles / sizeof *pickles; i++) {
        zip_file z = {0};
        zip_add(&z, "a/data.pkl", pickles[i].pickle, pickles[i].n, 0);
        zip_add(&z, "a/data/0", numbers, sizeof numbers, 0);
        write_bytes(zip_finish(&z, 0));
        expect_refused(pickles[i].expected);
    }
}

/* ---- pickles that want to grow ---- */

static void refuse_pickle(bytes *pickle, const char *expected)
{
    zip_file z = {0};
    zip_add(&z, "a/data.pkl", pickle->p, pickle->n, 0);
    free(pickle->p);
    *pickle = (bytes){0};
    write_bytes(zip_finish(&z, 0));
    expect_refused(expected);
}

static void deep_nesting_is_refused_without_recursion(void **state)
{
    (void)state;
    bytes b = {0};
    put_text(&b, "\x80\2");
    for (int i = 0; i < 200000; i++)
        put_op(&b, ']');
    for (int i = 0; i < 199999; i++)
        put_op(&b, 'a');
    put_op(&b, '.');
    refuse_pickle(&b, "APPEND: nested more than 64 deep");
    put_text(&b, "\x80\2");
    for (int i = 0; i < 100000; i++)
        put_op(&b, '(');
    refuse_pickle(&b, "MARK: more than 256 marks are open");
    put_text(&b, "\x80\2K\1");
    for (int i = 0; i < 100000; i++)
        put_op(&b, 0x85);
    put_op(&b, '.');
    refuse_pickle(&b, "TUPLE1: nested more than 64 deep");
}

/* Lists of ten times the list before: 10^60 entries if anyone expanded them. */
static void a_memo_bomb_costs_its_own_bytes_only(void **state)
{
    (void)state;
    bytes b = {0};
    put_text(&b, "\x80\2]q");
    put_op(&b, 0);
    for (int level = 1; level <= 60; level++) {
        put_text(&b, "](");
        for (int i = 0; i < 10; i++) {
            put_op(&b, 'h');
            put_op(&b, level - 1);
        }
        put_text(&b, "eq");
        put_op(&b, level);
        put_text(&b, "\x86"); /* of the last two, so that the stack stays short */
    }
    put_text(&b, ".");
    refuse_pickle(&b, "expected a dict, found a tuple");
    put_text(&b, "\x80\2}q");
    put_op(&b, 0);
    pickle_text(&b, "model");
    put_text(&b, "h");
    put_op(&b, 0);
    put_text(&b, "s."); /* a dict that holds itself */
    refuse_pickle(&b, "holds a dict, expected a tensor");
}

/* ---- archives ---- */

static bytes good_zip(const float *theta, const sc_network *network, int zip64)
{
    torch_file t = {0};
    torch_checkpoint(&t, network, theta, theta, "module.", NULL, 0);
    bytes b = torch_zip(&t, zip64);
    torch_file_free(&t);
    return b;
}

static void make_network(sc_network **network, float **theta)
{
    sc_score_sde_config config;
    assert_int_equal(sc_score_sde_config_read(&config, config_path), SC_OK);
    assert_int_equal(sc_network_create(network, &config.network), SC_OK);
    assert_int_equal(SC_ALLOC(theta, sc_network_parameter_count(*network), "theta"), SC_OK);
    for (int64_t i = 0; i < sc_network_parameter_count(*network); i++)
        (*theta)[i] = 1.f + (float)(i % 7);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    sc_network *network;
    float *theta;
    make_network(&network, &theta);
    for (int legacy = 0; legacy < 2; legacy++) {
        torch_file t = {.legacy = legacy};
        torch_checkpoint(&t, network, theta, theta, "module.", NULL, 0);
        bytes whole = legacy ? torch_legacy(&t) : torch_zip(&t, 1);
        torch_file_free(&t);
        for (size_t n = 0; n < whole.n; n += n < 200 || n + 200 > whole.n ? 1 : 197) {
            bytes cut = {0};
            put(&cut, whole.p, n);
            write_bytes(cut);
            expect_refused("bad.pth");
        }
        free(whole.p);
    }
    sc_network_free(network);
    sc_free(theta);
}

static void archives_that_lie_are_refused(void **state)
{
    (void)state;
    static const char pickle[] = "\x80\2" TENSOR STORE "K\x0ctQK\0K\x0c\x85K\1\x85" HOOKS;
    static const unsigned char data[64] = {0};
    const size_t n = sizeof pickle - 1;
    zip_file z = {0};
    zip_add(&z, "a/data.pkl", pickle, n, 8);
    write_bytes(zip_finish(&z, 0));
    expect_refused("entry a/data.pkl: is compressed");
    zip_add(&z, "a/data.pkl", pickle, n, 0);
    zip_add(&z, "a/data.pkl", pickle, n, 0);
    write_bytes(zip_finish(&z, 0));
    expect_refused("entry a/data.pkl occurs twice");
    zip_add(&z, "a/data.pkl", pickle, n, 0);
    zip_add(&z, "b/data.pkl", pickle, n, 0);
    write_bytes(zip_finish(&z, 0));
    expect_refused("expected one TOP/data.pkl in the archive, found 2");
    zip_add(&z, "a/other", pickle, n, 0);
    write_bytes(zip_finish(&z, 0));
    expect_refused("expected one TOP/data.pkl in the archive, found 0");
    zip_add(&z, "a/data.pkl", pickle, n, 0);
    zip_add(&z, "a/code/a.py", pickle, n, 8); /* its code is compressed */
    zip_add(&z, "a/constants.pkl", pickle, n, 0);
    write_bytes(zip_finish(&z, 0));
    expect_refused("TorchScript");
    zip_add(&z, "a/data.pkl", pickle, n, 0);
    zip_add(&z, "a/byteorder", "big", 3, 0);
    write_bytes(zip_finish(&z, 0));
    expect_refused("byteorder is 'big'");
    zip_add(&z, "a/data.pkl", pickle, n, 0);
    write_bytes(zip_finish(&z, 0));
    expect_refused("storage data/0 is missing");
    zip_add(&z, "a/data.pkl", pickle, n, 0);
    zip_add(&z, "a/data/0", data, 47, 0);
    write_bytes(zip_finish(&z, 0));
    expect_refused("storage data/0: expected 48 bytes, found 47");
}

/* Edits of a sound archive's directory. */
static void directories_that_lie_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at; /* in the first central record */
        int bytes;
        uint64_t value;
        const char *expected;
    } edits[] = {
        {8, 2, 1, "is encrypted"},
        {20, 4, 5, "local header and directory disagree"},
        {20, 4, 0x7ffffff0, "the data end at byte"},
        {24, 4, 0xfffffff0, "local header and directory disagree"},
        {42, 4, 0x7ffffff0, "the data end at byte"},
        {42, 4, 4, "no local header of that name"},
        {28, 2, 0, "a name of 0 bytes"},
        {28, 2, 0xffff, "directory is damaged"},
        {30, 2, 0xffff, "directory is damaged"},
        {0, 4, 0, "directory is damaged"},
        {46, 1, 0, "with a zero byte"},
        {46, 1, 'b', "local header and directory disagree"},
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        zip_file z = {0};
        zip_add(&z, "a/data.pkl", "\x80\2}.", 4, 0);
        size_t start = z.data.n;
        bytes b = zip_finish(&z, 0);
        for (int k = 0; k < edits[i].bytes; k++)
            b.p[start + edits[i].at + (size_t)k] = (unsigned char)(edits[i].value >> (8 * k));
        write_bytes(b);
        expect_refused(edits[i].expected);
    }
}

static void overlapping_entries_are_refused(void **state)
{
    (void)state;
    /* an entry whose data hold the local header of another */
    zip_file inner = {0}, z = {0};
    zip_add(&inner, "a/data/0", "01234567", 8, 0);
    zip_add(&z, "a/data.pkl", inner.data.p, inner.data.n, 0);
    size_t inside = z.data.n - inner.data.n;
    for (int k = 0; k < 4; k++)
        inner.directory.p[42 + k] = (unsigned char)(inside >> (8 * k));
    put(&z.directory, inner.directory.p, inner.directory.n);
    z.entries++;
    free(inner.data.p);
    free(inner.directory.p);
    write_bytes(zip_finish(&z, 0));
    expect_refused("entries a/data.pkl and a/data/0 overlap");
}

static void what_is_no_checkpoint_is_refused(void **state)
{
    (void)state;
    bytes b = {0};
    put_text(&b, "hello, this is text");
    write_bytes(b);
    expect_refused("neither zip nor pickle");
    b = (bytes){0};
    write_bytes(b);
    expect_refused("neither zip nor pickle");
    b = (bytes){0};
    put_text(&b, "\x80\2}.");
    write_bytes(b);
    expect_refused("no magic number");
    b = (bytes){0};
    put_number(&b, 0, 257);
    put_text(&b, "ustar");
    put_number(&b, 0, 512);
    write_bytes(b);
    expect_refused("is a tar archive");
}

/* ---- weights ---- */

static void expect_bad_weights(const sc_network *network, const float *raw, const float *averaged,
                               const double *sigmas, int64_t n, const char *expected)
{
    torch_file t = {0};
    torch_checkpoint(&t, network, raw, averaged, "", sigmas, n);
    write_bytes(torch_zip(&t, 0));
    torch_file_free(&t);
    expect_refused(expected);
}

static void weights_that_are_not_finite_or_not_there_are_refused(void **state)
{
    (void)state;
    sc_network *network;
    float *theta, *bad;
    const sc_parameter *p;
    make_network(&network, &theta);
    int64_t n = sc_network_parameter_count(network);
    int count = sc_network_parameters(network, &p);
    assert_int_equal(SC_ALLOC(&bad, n, "theta"), SC_OK);
    memcpy(bad, theta, (size_t)n * sizeof *bad);
    bad[p[3].offset] = NAN;
    bad[p[3].offset + 1] = INFINITY;
    char expected[160];
    snprintf(expected, sizeof expected, "tensor %s: holds 2 values that are not finite", p[3].name);
    expect_bad_weights(network, theta, bad, NULL, 0, expected);
    expect_bad_weights(network, theta, NULL, NULL, 0, "--raw takes the weights that are not averaged");
    sc_parameter *last = (sc_parameter *)&p[count - 1]; /* a wrong name: missing, and left over */
    char name[sizeof last->name];
    memcpy(name, last->name, sizeof name);
    snprintf(last->name, sizeof last->name, "all_modules.99.weight");
    torch_file t = {0};
    torch_checkpoint(&t, network, theta, theta, "", NULL, 0);
    memcpy(last->name, name, sizeof name);
    write_bytes(torch_zip(&t, 0));
    torch_file_free(&t);
    snprintf(expected, sizeof expected, "tensor %s of the configured network is missing", name);
    expect_refused(expected);
    sc_free(bad);
    sc_free(theta);
    sc_network_free(network);
}

/* Another network's checkpoint: the first tensor that differs is named with both shapes. */
static void a_configuration_of_another_network_is_refused(void **state)
{
    (void)state;
    sc_network *network;
    float *theta;
    sc_score_sde_config config;
    assert_int_equal(sc_score_sde_config_read(&config, config_path), SC_OK);
    config.network.nf = 8;
    assert_int_equal(sc_network_create(&network, &config.network), SC_OK);
    assert_int_equal(SC_ALLOC(&theta, sc_network_parameter_count(network), "theta"), SC_OK);
    expect_bad_weights(network, theta, theta, NULL, 0,
                       "tensor all_modules.0.W: expected 4 by the configuration, found 8");
    sc_free(theta);
    sc_network_free(network);
    config.network.nf = 4;
    config.network.num_res_blocks = 2;
    assert_int_equal(sc_network_create(&network, &config.network), SC_OK);
    assert_int_equal(SC_ALLOC(&theta, sc_network_parameter_count(network), "theta"), SC_OK);
    expect_bad_weights(network, theta, theta, NULL, 0, "tensor all_modules.");
    sc_free(theta);
    sc_network_free(network);
}

/* The buffer tells that sigma_max is not that of the training, which no shape would. */
static void sigmas_of_another_training_are_refused(void **state)
{
    (void)state;
    static const double other[3] = {378, 1.9, .01};
    sc_network *network;
    float *theta;
    sc_weights weights;
    sc_import_options options = {.checkpoint = path, .config = config_path};
    make_network(&network, &theta);
    torch_file t = {0};
    torch_checkpoint(&t, network, theta, theta, "", other, 3);
    write_bytes(torch_zip(&t, 0));
    torch_file_free(&t);
    assert_int_equal(sc_import_read(&weights, &options), SC_ERR_FORMAT);
    assert_non_null(strstr(sc_message(), "config.json: model: sigma_max and sigma_min are 50 and "
                                         "0.01, but the checkpoint's sigmas go from 378 to 0.01"));
    sc_free(theta);
    sc_network_free(network);
}

/* Any one byte changed: refused, or another checkpoint, but never a crash. */
static void flipped_bytes_never_crash(void **state)
{
    (void)state;
    sc_network *network;
    float *theta;
    make_network(&network, &theta);
    bytes whole = good_zip(theta, network, 0);
    sc_import_options options = {.checkpoint = path, .config = config_path};
    for (size_t i = 0; i < whole.n; i += 37) {
        sc_weights weights;
        bytes b = {0};
        put(&b, whole.p, whole.n);
        b.p[i] ^= (unsigned char)(1u << (i / 37 % 8));
        write_bytes(b);
        sc_status status = sc_import_read(&weights, &options);
        assert_true(status == SC_OK || status == SC_ERR_FORMAT || status == SC_ERR_UNSUPPORTED);
        sc_weights_free(&weights);
    }
    free(whole.p);
    sc_free(theta);
    sc_network_free(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_pickles_are_refused_by_byte_and_name),
        cmocka_unit_test(deep_nesting_is_refused_without_recursion),
        cmocka_unit_test(a_memo_bomb_costs_its_own_bytes_only),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(archives_that_lie_are_refused),
        cmocka_unit_test(directories_that_lie_are_refused),
        cmocka_unit_test(overlapping_entries_are_refused),
        cmocka_unit_test(what_is_no_checkpoint_is_refused),
        cmocka_unit_test(weights_that_are_not_finite_or_not_there_are_refused),
        cmocka_unit_test(a_configuration_of_another_network_is_refused),
        cmocka_unit_test(sigmas_of_another_training_are_refused),
        cmocka_unit_test(flipped_bytes_never_crash),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
