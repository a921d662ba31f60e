/* One table of image formats: what a file begins with decides. */
#include "io/image.h"
#include "io/cfl.h"
#include "io/dicom.h"
#include "io/image_internal.h"
#include "io/nifti.h"
#include "io/npy.h"
#include "io/tiff.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
    const char *path;
    bool folder;
    unsigned char head[512];
    size_t bytes;
} probe;

static bool is_out(const probe *p) { return p->folder && sc_image_is_out(p->path); }
static bool is_dicom(const probe *p) { return p->folder || sc_dicom_probe(p->head, p->bytes); }
static bool is_nifti(const probe *p) { return sc_nifti_probe(p->head, p->bytes); }
static bool is_npy(const probe *p) { return sc_npy_probe(p->head, p->bytes); }
static bool is_cfl(const probe *p) { return !p->folder && sc_cfl_probe(p->path); }

static bool is_tiff(const probe *p)
{
    return p->bytes >= 4 && (memcmp(p->head, "II*\0", 4) == 0 || memcmp(p->head, "MM\0*", 4) == 0 ||
                             memcmp(p->head, "II+\0", 4) == 0 || memcmp(p->head, "MM\0+", 4) == 0);
}

static sc_status read_dicom(sc_volume *volume, const char *path)
{
    return sc_dicom_read_series(volume, NULL, path);
}

static const struct {
    const char *name;
    bool (*probe)(const probe *);
    sc_status (*read)(sc_volume *volume, const char *path);
} formats[] = {
    {"OUT", is_out, sc_image_read_out},
    {"DICOM", is_dicom, read_dicom},
    {"NIfTI", is_nifti, sc_nifti_read},
    {"TIFF", is_tiff, sc_image_read_tiff},
    {"npy", is_npy, sc_image_read_npy},
    {"cfl", is_cfl, sc_image_read_cfl},
};
enum { FORMATS = sizeof formats / sizeof *formats };

static sc_status find_format(int *format, const char *path)
{
    struct stat info;
    probe p = {.path = path};
    bool there = stat(path, &info) == 0;
    int reason = errno;
    p.folder = there && S_ISDIR(info.st_mode);
    FILE *file = there && S_ISREG(info.st_mode) ? fopen(path, "rb") : NULL;
    if (file) {
        p.bytes = fread(p.head, 1, sizeof p.head, file);
        fclose(file);
    } else if (there && !p.folder)
        return sc_fail(SC_ERR_IO, "%s: %s", path,
                       S_ISREG(info.st_mode) ? strerror(errno) : "is no regular file");
    for (*format = 0; *format < FORMATS; (*format)++)
        if (formats[*format].probe(&p))
            return SC_OK;
    if (!there)
        return sc_fail(SC_ERR_IO, "%s: %s", path, strerror(reason));
    return sc_fail(SC_ERR_FORMAT, "%s: not an image: expected DICOM, NIfTI, TIFF, .npy, a pair of "
                                  ".cfl and .hdr, or a folder of DICOM or of recon's", path);
}

sc_status sc_image_recognise(const char **format, const char *path)
{
    int found;
    sc_status status = find_format(&found, path);
    *format = status == SC_OK ? formats[found].name : NULL;
    return status;
}

sc_status sc_image_read(sc_volume *volume, const char *path)
{
    int found;
    *volume = (sc_volume){0};
    sc_status status = find_format(&found, path);
    return status == SC_OK ? formats[found].read(volume, path) : status;
}
