/* Writes checkpoints byte by byte as torch.save does, and as it never would: pickle opcodes, zip
 * and legacy containers. For tests: memory is not checked, files go to a temporary folder.
 */
#ifndef SC_TESTS_TORCH_FILE_H
#define SC_TESTS_TORCH_FILE_H

#include "prior/network/network.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    unsigned char *p;
    size_t n, room;
} bytes;

static inline void put(bytes *b, const void *data, size_t n)
{
    if (b->n + n > b->room)
        b->p = realloc(b->p, b->room = 2 * (b->n + n) + 64);
    if (n)
        memcpy(b->p + b->n, data, n);
    b->n += n;
}

static inline void put_number(bytes *b, uint64_t x, int n)
{
    for (int i = 0; i < n; i++) {
        unsigned char c = i < 8 ? (unsigned char)(x >> (8 * i)) : 0;
        put(b, &c, 1);
    }
}

static inline void put_text(bytes *b, const char *text) { put(b, text, strlen(text)); }
static inline void put_op(bytes *b, int code) { put_number(b, (uint64_t)code, 1); }

/* ---- pickle ---- */

static inline void pickle_text(bytes *b, const char *text)
{
    put_op(b, 'X');
    put_number(b, strlen(text), 4);
    put_text(b, text);
}

static inline void pickle_whole(bytes *b, int64_t x)
{
    put_op(b, x >= INT32_MIN && x <= INT32_MAX ? 'J' : 0x8a);
    if (x >= INT32_MIN && x <= INT32_MAX) {
        put_number(b, (uint64_t)x, 4);
    } else {
        put_op(b, 8);
        put_number(b, (uint64_t)x, 8);
    }
}

static inline void pickle_real(bytes *b, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, 8);
    put_op(b, 'G');
    for (int i = 7; i >= 0; i--)
        put_op(b, (int)(bits >> (8 * i) & 255));
}

static inline void pickle_global(bytes *b, const char *module, const char *name)
{
    put_op(b, 'c');
    put_text(b, module);
    put_text(b, "\n");
    put_text(b, name);
    put_text(b, "\n");
}

static inline void pickle_wholes(bytes *b, const int64_t *x, int n)
{
    put_op(b, '(');
    for (int i = 0; i < n; i++)
        pickle_whole(b, x[i]);
    put_op(b, 't');
}

/* Left open: what follows is inside the dict; pickle_end_dict closes it. */
static inline void pickle_dict(bytes *b, int ordered)
{
    if (ordered) {
        pickle_global(b, "collections", "OrderedDict");
        put_text(b, ")R(");
    } else {
        put_text(b, "}(");
    }
}

static inline void pickle_end_dict(bytes *b) { put_text(b, "u"); }

/* ---- storages and tensors ---- */

typedef struct {
    bytes pickle;
    struct {
        char key[16];
        bytes data;
        int64_t count;
    } storage[512];
    int storages;
    int legacy;
} torch_file;

static inline void torch_file_free(torch_file *t)
{
    for (int i = 0; i < t->storages; i++)
        free(t->storage[i].data.p);
    free(t->pickle.p);
    *t = (torch_file){0};
}

/* A new storage of raw numbers; its index. */
static inline int add_storage(torch_file *t, const void *data, size_t size, int64_t count)
{
    int i = t->storages++;
    snprintf(t->storage[i].key, sizeof t->storage[i].key, "%d", i);
    put(&t->storage[i].data, data, size * (size_t)count);
    t->storage[i].count = count;
    return i;
}

static inline void pickle_storage(torch_file *t, int storage, const char *class)
{
    bytes *b = &t->pickle;
    put_text(b, "(");
    pickle_text(b, "storage");
    pickle_global(b, "torch", class);
    pickle_text(b, t->storage[storage].key);
    pickle_text(b, "cuda:0");
    pickle_whole(b, t->storage[storage].count);
    put_text(b, t->legacy ? "NtQ" : "tQ");
}

static inline void pickle_tensor(torch_file *t, int storage, const char *class, int64_t offset,
                                 int rank, const int64_t *dim, const int64_t *stride)
{
    bytes *b = &t->pickle;
    pickle_global(b, "torch._utils", "_rebuild_tensor_v2");
    put_text(b, "(");
    pickle_storage(t, storage, class);
    pickle_whole(b, offset);
    pickle_wholes(b, dim, rank);
    pickle_wholes(b, stride, rank);
    put_op(b, 0x89);
    pickle_global(b, "collections", "OrderedDict");
    put_text(b, ")RtR");
}

/* Strides of C order. */
static inline void contiguous(int64_t *stride, int rank, const int64_t *dim)
{
    int64_t step = 1;
    for (int i = rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= dim[i];
    }
}

static inline void pickle_floats(torch_file *t, const float *x, int rank, const int64_t *dim)
{
    int64_t stride[8], count = 1;
    for (int i = 0; i < rank; i++)
        count *= dim[i];
    contiguous(stride, rank, dim);
    pickle_tensor(t, add_storage(t, x, sizeof *x, count), "FloatStorage", 0, rank, dim, stride);
}

/* ---- containers ---- */

typedef struct {
    bytes data, directory;
    int entries;
} zip_file;

/* method 0: stored. The directory's record and the local header may be made to disagree by editing
 * the bytes afterwards. */
static inline void zip_add(zip_file *z, const char *name, const void *data, size_t n, int method)
{
    size_t header = z->data.n;
    for (int central = 0; central < 2; central++) {
        bytes *b = central ? &z->directory : &z->data;
        put_number(b, central ? 0x02014b50 : 0x04034b50, 4);
        if (central)
            put_number(b, 20, 2);
        put_number(b, 20, 2);
        put_number(b, 0, 2);
        put_number(b, (uint64_t)method, 2);
        put_number(b, 0, 8); /* time, date, crc */
        put_number(b, n, 4);
        put_number(b, n, 4);
        put_number(b, strlen(name), 2);
        put_number(b, 0, 2);
        if (central) {
            put_number(b, 0, 10);
            put_number(b, header, 4);
        }
        put_text(b, name);
        if (!central)
            put(b, data, n);
    }
    z->entries++;
}

/* The whole archive; with zip64 all sizes of the end record stand in the larger one. */
static inline bytes zip_finish(zip_file *z, int zip64)
{
    bytes out = {0};
    put(&out, z->data.p, z->data.n);
    put(&out, z->directory.p, z->directory.n);
    if (zip64) {
        size_t record = out.n;
        put_number(&out, 0x06064b50, 4);
        put_number(&out, 44, 8);
        put_number(&out, 0, 12);
        put_number(&out, (uint64_t)z->entries, 8);
        put_number(&out, (uint64_t)z->entries, 8);
        put_number(&out, z->directory.n, 8);
        put_number(&out, z->data.n, 8);
        put_number(&out, 0x07064b50, 4);
        put_number(&out, 0, 4);
        put_number(&out, record, 8);
        put_number(&out, 1, 4);
    }
    put_number(&out, 0x06054b50, 4);
    put_number(&out, 0, 4);
    put_number(&out, zip64 ? 0xffff : (uint64_t)z->entries, 2);
    put_number(&out, zip64 ? 0xffff : (uint64_t)z->entries, 2);
    put_number(&out, zip64 ? 0xffffffff : z->directory.n, 4);
    put_number(&out, zip64 ? 0xffffffff : z->data.n, 4);
    put_number(&out, 0, 2);
    free(z->data.p);
    free(z->directory.p);
    *z = (zip_file){0};
    return out;
}

static inline bytes torch_zip(const torch_file *t, int zip64)
{
    zip_file z = {0};
    char name[64];
    zip_add(&z, "archive/data.pkl", t->pickle.p, t->pickle.n, 0);
    zip_add(&z, "archive/byteorder", "little", 6, 0);
    for (int i = 0; i < t->storages; i++) {
        snprintf(name, sizeof name, "archive/data/%s", t->storage[i].key);
        zip_add(&z, name, t->storage[i].data.p, t->storage[i].data.n, 0);
    }
    zip_add(&z, "archive/version", "3\n", 2, 0);
    return zip_finish(&z, zip64);
}

static inline bytes torch_legacy(const torch_file *t)
{
    static const unsigned char preamble[] =
        "\x80\2\x8a\n\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." /* magic number */
        "\x80\2M\xe9\3.";                                       /* protocol 1001 */
    bytes out = {0};
    put(&out, preamble, sizeof preamble - 1);
    put_text(&out, "\x80\2}");
    pickle_text(&out, "little_endian");
    put_text(&out, "\x88s.");
    put(&out, t->pickle.p, t->pickle.n);
    put_text(&out, "\x80\2](");
    for (int i = 0; i < t->storages; i++)
        pickle_text(&out, t->storage[i].key);
    put_text(&out, "e.");
    for (int i = 0; i < t->storages; i++) {
        put_number(&out, (uint64_t)t->storage[i].count, 8);
        put(&out, t->storage[i].data.p, t->storage[i].data.n);
    }
    return out;
}

/* ---- a whole training checkpoint of a network ---- */

static inline void pickle_model(torch_file *t, const sc_network *network, const float *theta,
                                const char *prefix, const double *sigmas, int64_t sigma_count)
{
    const sc_parameter *p;
    int count = sc_network_parameters(network, &p);
    char name[128];
    const int64_t one = 1;
    pickle_dict(&t->pickle, 1);
    if (sigmas) {
        snprintf(name, sizeof name, "%ssigmas", prefix);
        pickle_text(&t->pickle, name);
        pickle_tensor(t, add_storage(t, sigmas, sizeof *sigmas, sigma_count), "DoubleStorage", 0, 1,
                      &sigma_count, &one);
    }
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s%s", prefix, p[i].name);
        pickle_text(&t->pickle, name);
        pickle_floats(t, theta + p[i].offset, p[i].rank, p[i].dim);
    }
    pickle_end_dict(&t->pickle);
    put_text(&t->pickle, "}"); /* _metadata, as state_dict() has it */
    pickle_text(&t->pickle, "_metadata");
    put_text(&t->pickle, "}sb");
}

static inline void pickle_average(torch_file *t, const sc_network *network, const float *theta)
{
    const sc_parameter *p;
    int count = sc_network_parameters(network, &p);
    bytes *b = &t->pickle;
    pickle_dict(b, 0);
    pickle_text(b, "decay");
    pickle_real(b, .999);
    pickle_text(b, "num_updates");
    pickle_whole(b, 7);
    pickle_text(b, "shadow_params");
    put_text(b, "](");
    for (int i = 0; i < count; i++)
        if (!p[i].frozen)
            pickle_floats(t, theta + p[i].offset, p[i].rank, p[i].dim);
    put_text(b, "e");
    pickle_end_dict(b);
}

/* lr as the warm-up leaves it: a numpy scalar */
static inline void pickle_optimizer(bytes *b)
{
    pickle_dict(b, 0);
    pickle_text(b, "lr");
    pickle_global(b, "numpy.core.multiarray", "scalar");
    pickle_global(b, "numpy", "dtype");
    pickle_text(b, "f8");
    put_text(b, "K\1K\1\x87R(K\3");
    pickle_text(b, "<");
    put_text(b, "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff");
    put_number(b, 'K', 1);
    put_number(b, 0, 1);
    put_text(b, "tb");
    pickle_global(b, "_codecs", "encode");
    pickle_text(b, "eightbyt");
    pickle_text(b, "latin1");
    put_text(b, "\x86R\x86R");
    pickle_end_dict(b);
}

static inline void torch_checkpoint(torch_file *t, const sc_network *network, const float *raw,
                                    const float *averaged, const char *prefix, const double *sigmas,
                                    int64_t sigma_count)
{
    bytes *b = &t->pickle;
    put_text(b, "\x80\2");
    pickle_dict(b, 0);
    pickle_text(b, "optimizer");
    pickle_optimizer(b);
    pickle_text(b, "model");
    pickle_model(t, network, raw, prefix, sigmas, sigma_count);
    if (averaged) {
        pickle_text(b, "ema");
        pickle_average(t, network, averaged);
    }
    pickle_text(b, "step");
    pickle_whole(b, 6);
    pickle_end_dict(b);
    put_text(b, ".");
}

static inline void bytes_write(const char *path, bytes *b)
{
    FILE *f = fopen(path, "wb");
    // an empty file is a case of its own, and fwrite takes no null pointer even for no bytes
    if (!f || (b->n && fwrite(b->p, 1, b->n, f) != b->n) || fclose(f))
        abort();
    free(b->p);
    *b = (bytes){0};
}

#endif
