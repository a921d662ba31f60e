/* Pickles that are refused: each with one line that names the file, the byte and the operation or
 * key. Nothing is executed, and memory is never taken on a file's word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/prior/import_refused.h"

typedef struct {
    const char *pickle;
    size_t n;
    const char *expected;
} bad_pickle;

#define PICKLE(text, expected) {text, sizeof text - 1, expected}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_pickles_are_refused_by_byte_and_name),
        cmocka_unit_test(deep_nesting_is_refused_without_recursion),
        cmocka_unit_test(a_memo_bomb_costs_its_own_bytes_only),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
