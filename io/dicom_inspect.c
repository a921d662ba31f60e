/* A look at a DICOM file's structure, without recursion (PS3.5 section 7, PS3.10 section 7).
 *
 * DCMTK parses nested sequences by recursion, so a small file can exhaust its stack. This walk
 * keeps its own stack of 64, and refuses what would make a parser see another structure than it
 * does: lengths beyond their container, VRs that are not in the standard. Data that merely look
 * like a sequence (implicit VR has no VRs) are followed as one, but do not make the file bad.
 */
#include "base/memory.h"
#include "io/dicom.h"
#include "io/dicom_internal.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { DEPTH = 64, ELEMENTS = 20000000, INFLATED = 1 << 30 };
#define UNDEFINED 0xffffffffu

typedef struct {
    const char *uid, *name;
    bool implicit, big, deflated, decodable;
    const char *advice;
} syntax;

#define CONVERT "convert it with: gdcmconv --raw IN OUT"
static const syntax syntaxes[] = {
    {"1.2.840.10008.1.2", "Implicit VR Little Endian", true, false, false, true, ""},
    {"1.2.840.10008.1.2.1", "Explicit VR Little Endian", false, false, false, true, ""},
    {"1.2.840.10008.1.2.1.99", "Deflated Explicit VR", false, false, true, true, ""},
    {"1.2.840.10008.1.2.2", "Explicit VR Big Endian", false, true, false, true, ""},
    {"1.2.840.10008.1.2.5", "RLE", false, false, false, true, ""},
    {"1.2.840.10008.1.2.4.50", "JPEG Baseline", false, false, false, true, ""},
    {"1.2.840.10008.1.2.4.51", "JPEG Extended", false, false, false, true, ""},
    {"1.2.840.10008.1.2.4.57", "JPEG Lossless", false, false, false, true, ""},
    {"1.2.840.10008.1.2.4.70", "JPEG Lossless SV1", false, false, false, true, ""},
    {"1.2.840.10008.1.2.4.80", "JPEG-LS Lossless", false, false, false, true, ""},
    {"1.2.840.10008.1.2.4.81", "JPEG-LS", false, false, false, true, ""},
    {"1.2.840.10008.1.2.4.90", "JPEG 2000 Lossless", false, false, false, false, CONVERT},
    {"1.2.840.10008.1.2.4.91", "JPEG 2000", false, false, false, false, CONVERT},
    {"1.2.840.10008.1.2.4.92", "JPEG 2000 Part 2 Lossless", false, false, false, false, CONVERT},
    {"1.2.840.10008.1.2.4.93", "JPEG 2000 Part 2", false, false, false, false, CONVERT},
    {"1.2.840.10008.1.2.4.201", "HTJ2K Lossless", false, false, false, false, "recode it"},
    {"1.2.840.10008.1.2.4.202", "HTJ2K Lossless RPCL", false, false, false, false, "recode it"},
    {"1.2.840.10008.1.2.4.203", "HTJ2K", false, false, false, false, "recode it"},
};

static const char vrs[] = "AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST "
                          "SV TM UC UI UL UN UR US UT UV ";
static const char long_vrs[] = "OB OD OF OL OV OW SQ SV UC UN UR UT UV ";

typedef struct {
    size_t end;     /* UNDEFINED_END: a delimiter ends it */
    bool items;     /* holds items (a sequence), else elements (an item, the data set) */
    bool fragments; /* encapsulated pixels: items without structure */
    bool implicit;  /* inside UN of undefined length all is implicit */
    bool guessed;   /* may be no sequence at all */
} container;
#define UNDEFINED_END ((size_t)-1)

typedef struct {
    const unsigned char *data;
    size_t bytes, at, elements;
    bool big, has_pixels;
    int depth;
    container stack[DEPTH];
} walk;

static uint32_t u16(const walk *w, size_t at)
{
    const unsigned char *p = w->data + at;
    return w->big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t u32(const walk *w, size_t at)
{
    return w->big ? u16(w, at) << 16 | u16(w, at + 2) : u16(w, at + 2) << 16 | u16(w, at);
}

static bool has_vr(const char *list, const unsigned char *vr)
{
    const char two[4] = {(char)vr[0], (char)vr[1], ' ', 0};
    return strstr(list, two) != NULL && vr[0] >= 'A' && vr[1] >= 'A';
}

/* End of what may be read now: of the innermost container that has one. */
static size_t limit(const walk *w)
{
    for (int i = w->depth; i-- > 0;)
        if (w->stack[i].end != UNDEFINED_END)
            return w->stack[i].end;
    return w->bytes;
}

/* Leave the innermost guess, as if it had been opaque data. False if nothing here is guessed. */
static bool forgive(walk *w)
{
    while (w->depth > 1)
        if (w->stack[--w->depth].guessed && w->stack[w->depth].end != UNDEFINED_END) {
            w->at = w->stack[w->depth].end;
            return true;
        }
    return false;
}

static sc_status bad(walk *w, size_t at, const char *what)
{
    char tag[12] = "";
    for (int i = 0; i < w->depth; i++)
        if (w->stack[i].guessed)
            return forgive(w) ? SC_OK : sc_fail(SC_ERR_FORMAT, "DICOM: %s", what);
    if (at + 4 <= w->bytes)
        snprintf(tag, sizeof tag, "(%04x,%04x)", u16(w, at), u16(w, at + 2));
    return sc_fail(SC_ERR_FORMAT, "DICOM: element %s at byte %zu: %s", tag, at, what);
}

static sc_status enter(walk *w, container inside)
{
    inside.guessed = inside.guessed || w->stack[w->depth - 1].guessed;
    if (w->depth == DEPTH)
        return sc_fail(SC_ERR_FORMAT, "DICOM: sequences are nested more than %d deep", DEPTH);
    w->stack[w->depth++] = inside;
    return SC_OK;
}

/* An item, or a delimiter, inside a sequence. */
static sc_status step_item(walk *w)
{
    const container *here = &w->stack[w->depth - 1];
    size_t at = w->at, end = limit(w);
    if (end - at < 8)
        return bad(w, at, "is cut");
    uint32_t tag = u16(w, at) << 16 | u16(w, at + 2), length = u32(w, at + 4);
    w->at += 8;
    if (tag == 0xfffee0dd && here->end == UNDEFINED_END) {
        w->depth--;
        return SC_OK;
    }
    if (tag != 0xfffee000)
        return bad(w, at, "an item was expected");
    if (length != UNDEFINED && length > end - w->at)
        return bad(w, at, "runs past the end of its sequence");
    if (here->fragments) {
        if (length == UNDEFINED)
            return bad(w, at, "a fragment of unknown length");
        w->at += length;
        return SC_OK;
    }
    return enter(w, (container){.end = length == UNDEFINED ? UNDEFINED_END : w->at + length,
                                .implicit = here->implicit});
}

static bool starts_with_item(const walk *w, uint32_t length)
{
    return length >= 8 && u16(w, w->at) == 0xfffe && u16(w, w->at + 2) == 0xe000;
}

/* Value of an element whose header is read: enter it, or step over it. */
static sc_status step_value(walk *w, size_t at, const unsigned char *vr, uint32_t length)
{
    const container *here = &w->stack[w->depth - 1];
    bool un = vr && memcmp(vr, "UN", 2) == 0, sq = vr && memcmp(vr, "SQ", 2) == 0;
    bool other = vr && vr[0] == 'O';
    if (length == UNDEFINED) {
        if (vr && !un && !sq && !other)
            return bad(w, at, "has no length");
        return enter(w, (container){.end = UNDEFINED_END, .items = true, .fragments = other,
                                    .implicit = here->implicit || un});
    }
    if (length > limit(w) - w->at)
        return bad(w, at, "runs past the end of what holds it");
    bool looks = (un || here->implicit) && starts_with_item(w, length);
    if (sq || looks)
        return enter(w, (container){.end = w->at + length, .items = true, .guessed = !sq,
                                    .implicit = here->implicit || un});
    w->at += length;
    return SC_OK;
}

/* An element of the data set or of an item. */
static sc_status step_element(walk *w)
{
    const container *here = &w->stack[w->depth - 1];
    size_t at = w->at, end = limit(w);
    if (end - at < 8)
        return bad(w, at, "is cut");
    uint32_t tag = u16(w, at) << 16 | u16(w, at + 2);
    if (tag == 0xfffee00d && here->end == UNDEFINED_END && w->depth > 1) {
        w->at += 8;
        w->depth--;
        return SC_OK;
    }
    if (tag >> 16 == 0xfffe)
        return bad(w, at, "an item outside a sequence");
    w->has_pixels = w->has_pixels || (tag == 0x7fe00010 && w->depth == 1);
    if (here->implicit) {
        w->at += 8;
        return step_value(w, at, NULL, u32(w, at + 4));
    }
    const unsigned char *vr = w->data + at + 4;
    if (!has_vr(vrs, vr))
        return bad(w, at, "has a VR that is none");
    if (!has_vr(long_vrs, vr)) {
        w->at += 8;
        return step_value(w, at, vr, u16(w, at + 6));
    }
    if (end - at < 12)
        return bad(w, at, "is cut");
    w->at += 12;
    return step_value(w, at, vr, u32(w, at + 8));
}

/* The data set from byte `start` on. */
static sc_status walk_all(bool *has_pixels, const unsigned char *data, size_t bytes, size_t start,
                          const syntax *s)
{
    walk w = {.data = data, .bytes = bytes, .at = start, .big = s->big, .depth = 1};
    w.stack[0] = (container){.end = bytes, .implicit = s->implicit};
    sc_status status = SC_OK;
    while (status == SC_OK) {
        while (w.depth > 1 && w.at >= w.stack[w.depth - 1].end)
            w.depth--;
        if (w.depth == 1 && w.at >= bytes) {
            *has_pixels = w.has_pixels;
            return SC_OK;
        }
        if (w.at >= bytes)
            return bad(&w, bytes, "a sequence has no end");
        if (++w.elements > ELEMENTS)
            return sc_fail(SC_ERR_FORMAT, "DICOM: more than %d elements", ELEMENTS);
        status = w.stack[w.depth - 1].items ? step_item(&w) : step_element(&w);
    }
    return status;
}

/* Inflate all; into `plain` if given, else only count. */
static sc_status inflate_all(unsigned char *plain, size_t *plain_bytes, const unsigned char *data,
                             size_t bytes)
{
    unsigned char waste[16384];
    z_stream z = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)bytes};
    int code = inflateInit2(&z, -15);
    if (code != Z_OK)
        return sc_fail(SC_ERR_MEMORY, "not enough memory to inflate DICOM");
    while (code == Z_OK && z.total_out <= INFLATED) {
        z.next_out = plain ? plain + z.total_out : waste;
        z.avail_out = plain ? (uInt)(*plain_bytes - z.total_out) : (uInt)sizeof waste;
        code = inflate(&z, Z_NO_FLUSH);
    }
    *plain_bytes = z.total_out;
    inflateEnd(&z);
    return code == Z_STREAM_END ? SC_OK
                                : sc_fail(SC_ERR_FORMAT, "DICOM: deflated data set is damaged or "
                                                         "larger than 1 GiB");
}

static sc_status walk_deflated(bool *has_pixels, const unsigned char *data, size_t bytes,
                               const syntax *s)
{
    sc_status status;
    unsigned char *plain = NULL;
    size_t plain_bytes;
    SC_TRY(inflate_all(NULL, &plain_bytes, data, bytes));
    SC_TRY(SC_ALLOC(&plain, plain_bytes + 1, "inflated DICOM")); /* + 1: zlib wants room to end */
    plain_bytes++;
    SC_TRY(inflate_all(plain, &plain_bytes, data, bytes));
    SC_TRY(walk_all(has_pixels, plain, plain_bytes, 0, s));
cleanup:
    sc_free(plain);
    return status;
}

bool sc_dicom_probe(const void *data, size_t bytes)
{
    return bytes >= 132 && memcmp((const char *)data + 128, "DICM", 4) == 0;
}

/* TransferSyntaxUID, and where the data set begins: after group 0002, which is explicit VR. DCMTK
 * believes the group's length and takes what follows for more of the group, so it must be right; and
 * an element that is there twice could be read either way. */
static sc_status read_meta(char uid[SC_DICOM_UID_SIZE], size_t *start, const void *data, size_t bytes)
{
    walk w = {.data = data, .bytes = bytes, .at = 132, .depth = 1};
    w.stack[0] = (container){.end = bytes};
    uid[0] = 0;
    size_t said = 0; /* end of the group, if its length is given */
    for (uint32_t last = 0; w.at + 8 <= bytes && u16(&w, w.at) == 2;) {
        size_t at = w.at;
        uint32_t element = u16(&w, at + 2);
        if (element <= last && at > 132)
            return bad(&w, at, "is out of order");
        sc_status status = step_element(&w);
        if (status != SC_OK)
            return status;
        if (w.depth > 1)
            return bad(&w, at, "a sequence among the file's meta information");
        if (element == 0 && w.at == at + 12)
            said = w.at + u32(&w, at + 8);
        if (element == 0x0010 && w.at - at - 8 < SC_DICOM_UID_SIZE)
            snprintf(uid, SC_DICOM_UID_SIZE, "%.*s", (int)(w.at - at - 8), w.data + at + 8);
        last = element;
    }
    *start = w.at;
    if (said != 0 && said != w.at)
        return sc_fail(SC_ERR_FORMAT, "DICOM: the file's meta information ends at byte %zu, its "
                                      "length says %zu", w.at, said);
    if (uid[0] == 0)
        return sc_fail(SC_ERR_FORMAT, "DICOM: no transfer syntax in the file's meta information");
    for (size_t n = strlen(uid); n > 0 && uid[n - 1] == ' '; n--)
        uid[n - 1] = 0;
    return SC_OK;
}

static sc_status find_syntax(const syntax **found, const char *uid)
{
    for (size_t i = 0; i < sizeof syntaxes / sizeof *syntaxes; i++)
        if (strcmp(uid, syntaxes[i].uid) == 0) {
            *found = &syntaxes[i];
            return syntaxes[i].decodable
                       ? SC_OK
                       : sc_fail(SC_ERR_UNSUPPORTED, "DICOM transfer syntax %s (%s) has no decoder "
                                                     "here; %s", uid, syntaxes[i].name,
                                 syntaxes[i].advice);
        }
    return sc_fail(SC_ERR_UNSUPPORTED, "DICOM transfer syntax %s is not known here", uid);
}

sc_status sc_dicom_inspect(sc_dicom_structure *structure, const void *data, size_t bytes)
{
    const syntax *s = NULL;
    size_t start;
    sc_status status;
    *structure = (sc_dicom_structure){.syntax = ""};
    if (!sc_dicom_probe(data, bytes))
        return sc_fail(SC_ERR_FORMAT, "not a DICOM file: no \"DICM\" at byte 128");
    SC_TRY(read_meta(structure->syntax, &start, data, bytes));
    SC_TRY(find_syntax(&s, structure->syntax));
    if (s->deflated)
        SC_TRY(walk_deflated(&structure->has_pixels, (const unsigned char *)data + start,
                             bytes - start, s));
    else
        SC_TRY(walk_all(&structure->has_pixels, data, bytes, start, s));
cleanup:
    return status;
}
