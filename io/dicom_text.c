/* Texts, numbers and UIDs as DICOM's value representations want them (PS3.5 section 6.2).
 *
 * Scanner headers are free text; what is illegal in a VR is mended where the meaning survives
 * (a control character becomes a space, a long text is cut between characters) and dropped where
 * it does not (a date that is none): a wrong fact is worse than an absent one.
 */
#include "io/dicom_internal.h"
#include "base/file.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sc_dicom_uid(char uid[SC_DICOM_UID_SIZE], const char *kind, const char *key, int64_t index)
{
    char inner[65], hex[65], text[256];
    sc_sha256(inner, key, strlen(key));
    int n = snprintf(text, sizeof text, "scorecon:uid:v1%c%s%c%s%c%lld", 0, kind, 0, inner, 0,
                     (long long)index);
    sc_sha256(hex, text, (size_t)n);

    uint32_t limb[4]; /* big-endian 128 bits */
    for (int i = 0; i < 4; i++) {
        char part[9];
        memcpy(part, hex + 8 * i, 8);
        part[8] = 0;
        limb[i] = (uint32_t)strtoul(part, NULL, 16);
    }
    limb[1] = (limb[1] & 0xffff0fffu) | 0x8000u; /* UUID version 8 */
    limb[2] = (limb[2] & 0x3fffffffu) | 0x80000000u;

    char digits[40]; /* 2^128 has 39 */
    int at = (int)sizeof digits - 1;
    digits[at] = 0;
    while (limb[0] | limb[1] | limb[2] | limb[3]) {
        uint64_t rest = 0;
        for (int i = 0; i < 4; i++) {
            uint64_t value = rest << 32 | limb[i];
            limb[i] = (uint32_t)(value / 10);
            rest = value % 10;
        }
        digits[--at] = (char)('0' + rest);
    }
    snprintf(uid, SC_DICOM_UID_SIZE, "2.25.%s", digits + at);
}

bool sc_dicom_is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text > 126)
            return false;
    return true;
}

/* Bytes of the UTF-8 character at s, 0 if it is none (overlong forms and surrogates are none). */
static size_t character_bytes(const char *s)
{
    const unsigned char *u = (const unsigned char *)s;
    if (u[0] < 0x80)
        return 1;
    size_t n = u[0] >= 0xf0 && u[0] < 0xf5 ? 4 : u[0] >= 0xe0 && u[0] < 0xf0 ? 3 : u[0] >= 0xc2 && u[0] < 0xe0 ? 2 : 0;
    for (size_t i = 1; i < n; i++)
        if ((u[i] & 0xc0) != 0x80)
            return 0;
    if (n == 3 && ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f)))
        return 0;
    if (n == 4 && ((u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f)))
        return 0;
    return n;
}

static bool is_control(const char *s, size_t bytes)
{
    unsigned char c = (unsigned char)s[0];
    return (bytes == 1 && (c < 32 || c == 127)) ||
           (bytes == 2 && c == 0xc2 && (unsigned char)s[1] < 0xa0); /* C1 */
}

/* One character of `text` made legal, in `one`; returns the bytes taken from `text`. */
static size_t legal_character(char one[5], const char *text, bool lines)
{
    size_t bytes = character_bytes(text);
    memset(one, 0, 5);
    if (bytes == 0)
        one[0] = '?';
    else if (is_control(text, bytes))
        one[0] = lines && (*text == '\n' || *text == '\r') ? *text : ' ';
    else if (!lines && *text == '\\')
        one[0] = '/';
    else
        memcpy(one, text, bytes);
    return bytes ? bytes : 1;
}

/* Copy at most `limit` characters; in a person's name the limit holds for each of the at most
 * three groups between '='. */
static bool copy_text(char *out, const char *text, size_t limit, bool name, bool lines)
{
    size_t used = 0, count = 0, groups = 1;
    bool whole = true;
    while (*text) {
        char one[5];
        whole = whole && character_bytes(text) > 0;
        text += legal_character(one, text, lines);
        if (name && one[0] == '=') {
            if (++groups > 3)
                break;
            count = 0;
        } else if (++count > limit) {
            whole = false;
            continue;
        }
        size_t length = strlen(one);
        if (used + length >= SC_DICOM_TEXT_SIZE)
            break;
        memcpy(out + used, one, length);
        used += length;
    }
    while (used > 0 && out[used - 1] == ' ')
        used--;
    out[used] = 0;
    size_t lead = strspn(out, " ");
    memmove(out, out + lead, used - lead + 1);
    return whole && *text == 0;
}

static bool number_between(const char *s, int digits, int low, int high)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if (!isdigit((unsigned char)s[i]))
            return false;
        value = 10 * value + (s[i] - '0');
    }
    return value >= low && value <= high;
}

static size_t without(char *out, size_t size, const char *text, char drop)
{
    size_t n = 0;
    for (; *text && n + 1 < size; text++)
        if (*text != drop && *text != ' ')
            out[n++] = *text;
    out[n] = 0;
    return n;
}

static bool date(char *out, const char *text)
{
    size_t n = without(out, 16, text, '-');
    return n == 8 && number_between(out, 4, 1800, 2999) && number_between(out + 4, 2, 1, 12) &&
           number_between(out + 6, 2, 1, 31);
}

static bool time_of_day(char *out, const char *text)
{
    size_t n = without(out, 24, text, ':');
    size_t dot = strcspn(out, ".");
    if ((dot != 6 && dot != 4 && dot != 2) || (out[dot] == '.' && dot != 6) ||
        !number_between(out, 2, 0, 23) || (dot > 2 && !number_between(out + 2, 2, 0, 59)) ||
        (dot > 4 && !number_between(out + 4, 2, 0, 60)))
        return false;
    if (n > 13)
        out[n = 13] = 0; /* six digits of a second */
    for (size_t i = 7; i < n; i++)
        if (!isdigit((unsigned char)out[i]))
            return false;
    return n != 7; /* a dot needs digits */
}

static bool identifier(char *out, const char *text)
{
    size_t n = without(out, SC_DICOM_UID_SIZE + 1, text, ' ');
    if (n == 0 || n > 64)
        return false;
    for (size_t i = 0; i < n; i++) {
        bool first = i == 0 || out[i - 1] == '.';
        bool last = i + 1 == n || out[i + 1] == '.';
        if (!(isdigit((unsigned char)out[i]) ? !(first && out[i] == '0' && !last)
                                             : out[i] == '.' && !first && i + 1 < n))
            return false;
    }
    return true;
}

static bool code(char *out, const char *text)
{
    size_t n = 0;
    for (; *text && n <= 16; text++) {
        int c = toupper((unsigned char)*text);
        if (!isupper(c) && !isdigit(c) && c != ' ' && c != '_')
            return false;
        out[n++] = (char)c;
    }
    out[n] = 0;
    return n <= 16;
}

bool sc_dicom_text(char out[SC_DICOM_TEXT_SIZE], const char *text, sc_dicom_vr vr, bool *clipped)
{
    static const struct {
        size_t limit;
        bool lines;
        bool (*strict)(char *, const char *);
    } rule[] = {
        [SC_VR_CS] = {16, false, code},       [SC_VR_SH] = {16, false, NULL},
        [SC_VR_LO] = {64, false, NULL},       [SC_VR_PN] = {64, false, NULL},
        [SC_VR_ST] = {1024, true, NULL},      [SC_VR_DA] = {8, false, date},
        [SC_VR_TM] = {13, false, time_of_day}, [SC_VR_UI] = {64, false, identifier},
    };
    bool cut = false;
    out[0] = 0;
    if (text == NULL)
        text = "";
    if (!rule[vr].strict)
        cut = !copy_text(out, text, rule[vr].limit, vr == SC_VR_PN, rule[vr].lines);
    else if (!rule[vr].strict(out, text)) {
        out[0] = 0;
        cut = text[0] != 0;
    }
    if (clipped)
        *clipped = cut;
    return out[0] != 0;
}

void sc_dicom_ds(char out[17], double value)
{
    char text[40];
    for (int digits = 17; digits > 0; digits--) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strlen(text) <= 16)
            break;
    }
    for (char *p = text; *p; p++)
        if (*p == ',') /* a caller's locale */
            *p = '.';
    const char *kept = strcmp(text, "-0") == 0 ? "0" : text;
    memcpy(out, kept, strlen(kept) + 1); /* one digit always fits */
}
