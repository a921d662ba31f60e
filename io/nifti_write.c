/* Volumes as NIfTI-1, float32 or complex64, gzipped if the name asks for it.
 *
 * RAS = diag(-1, -1, 1) LPS. The sform is the affine; the qform its rotation, with code 0 if the
 * stack is sheared, because a quaternion cannot say that. The gzip header carries no time.
 */
#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "io/nifti.h"

#include <math.h>
#include <nifti2_io.h>
#include <string.h>
#include <zlib.h>

/* Largest difference between the affine and what its quaternion gives back. */
static double place(nifti_1_header *h, const sc_geometry *geometry)
{
    nifti_dmat44 ras = {0};
    ras.m[3][3] = 1;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++)
            ras.m[i][j] = i < 2 ? -geometry->affine[i][j] : geometry->affine[i][j];
    for (int j = 0; j < 4; j++) {
        h->srow_x[j] = (float)ras.m[0][j];
        h->srow_y[j] = (float)ras.m[1][j];
        h->srow_z[j] = (float)ras.m[2][j];
    }
    double b, c, d, x, y, z, dx, dy, dz, qfac;
    nifti_dmat44_to_quatern(ras, &b, &c, &d, &x, &y, &z, &dx, &dy, &dz, &qfac);
    h->quatern_b = (float)b;
    h->quatern_c = (float)c;
    h->quatern_d = (float)d;
    h->qoffset_x = (float)x;
    h->qoffset_y = (float)y;
    h->qoffset_z = (float)z;
    const double size[4] = {qfac, dx, dy, dz};
    for (int i = 0; i < 4; i++)
        h->pixdim[i] = (float)size[i];
    nifti_dmat44 back = nifti_quatern_to_dmat44(b, c, d, x, y, z, dx, dy, dz, qfac);
    double worst = 0;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            worst = fmax(worst, fabs(back.m[i][j] - ras.m[i][j]));
    return worst;
}

/* An affine cannot say that slices have uneven distances. */
static void warn_if_uneven(const sc_geometry *geometry)
{
    double worst = 0;
    for (int64_t k = 0; geometry->slice_position && k < geometry->slices; k++)
        for (int i = 0; i < 3; i++) {
            double even = geometry->affine[i][3] + (double)k * geometry->affine[i][2];
            worst = fmax(worst, fabs(geometry->slice_position[3 * k + i] - even));
        }
    if (worst > 0.01)
        sc_log(SC_LOG_WARN, "NIfTI: slices are not equidistant, positions are off by up to %.2g mm",
               worst);
}

static sc_status fill(nifti_1_header *h, const sc_volume *volume)
{
    const sc_array *x = &volume->data;
    memset(h, 0, sizeof *h);
    h->sizeof_hdr = 348;
    h->regular = 'r';
    h->dim[0] = 3;
    for (int i = 0; i < 3; i++) {
        if (x->dim[2 - i] > INT16_MAX)
            return sc_fail(SC_ERR_UNSUPPORTED, "NIfTI-1 holds at most 32767 voxels along an axis, "
                                               "found %lld", (long long)x->dim[2 - i]);
        h->dim[1 + i] = (short)x->dim[2 - i];
        h->pixdim[1 + i] = 1;
    }
    for (int i = 4; i < 8; i++)
        h->dim[i] = 1;
    h->datatype = x->dtype == SC_C32 ? NIFTI_TYPE_COMPLEX64 : NIFTI_TYPE_FLOAT32;
    h->bitpix = x->dtype == SC_C32 ? 64 : 32;
    h->vox_offset = 352;
    h->xyzt_units = NIFTI_UNITS_MM | NIFTI_UNITS_SEC;
    memcpy(h->magic, "n+1", 4);
    h->pixdim[0] = 1;
    if (volume->geometry.known) {
        warn_if_uneven(&volume->geometry);
        bool sheared = place(h, &volume->geometry) > 1e-3;
        h->qform_code = sheared ? 0 : NIFTI_XFORM_SCANNER_ANAT;
        h->sform_code = NIFTI_XFORM_SCANNER_ANAT;
    }
    return SC_OK;
}

/* *packed: gzip of `data`, to be freed; the same bytes for the same data. */
static sc_status gzip(void **packed, size_t *packed_bytes, const void *data, size_t bytes)
{
    sc_status status = SC_OK;
    z_stream z = {0};
    *packed = NULL;
    if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return sc_fail(SC_ERR_MEMORY, "not enough memory to compress");
    size_t room = deflateBound(&z, bytes), in = 0, out = 0;
    int code = Z_OK;
    SC_TRY(sc_alloc(packed, room, 1, "compressed NIfTI"));
    while (code == Z_OK) { /* zlib counts in 32 bits */
        z.next_in = (Bytef *)(uintptr_t)((const char *)data + in);
        z.next_out = (Bytef *)*packed + out;
        z.avail_in = bytes - in > 1u << 30 ? 1u << 30 : (uInt)(bytes - in);
        z.avail_out = room - out > 1u << 30 ? 1u << 30 : (uInt)(room - out);
        uInt in_before = z.avail_in, out_before = z.avail_out;
        code = deflate(&z, bytes - in > in_before ? Z_NO_FLUSH : Z_FINISH);
        in += in_before - z.avail_in;
        out += out_before - z.avail_out;
    }
    *packed_bytes = out;
    if (code != Z_STREAM_END)
        status = sc_fail(SC_ERR_INTERNAL, "compressing NIfTI: zlib says %d", code);
cleanup:
    deflateEnd(&z);
    if (status != SC_OK) {
        sc_free(*packed);
        *packed = NULL;
    }
    return status;
}

sc_status sc_nifti_write(const char *path, const sc_volume *volume)
{
    sc_status status;
    char *bytes = NULL;
    void *packed = NULL;
    nifti_1_header h;
    size_t length = strlen(path), size = 352 + sc_array_bytes(&volume->data);
    if (volume->data.rank != 3 || (volume->data.dtype != SC_F32 && volume->data.dtype != SC_C32))
        SC_TRY(sc_fail(SC_ERR_INTERNAL, "NIfTI: expected a float32 or complex64 volume"));
    SC_TRY(fill(&h, volume));
    SC_TRY(SC_ALLOC(&bytes, size, "NIfTI file"));
    memcpy(bytes, &h, sizeof h);
    memcpy(bytes + 352, volume->data.data, size - 352);
    if (length > 3 && strcmp(path + length - 3, ".gz") == 0) {
        SC_TRY(gzip(&packed, &size, bytes, size));
        SC_TRY(sc_file_write(path, packed, size));
    } else
        SC_TRY(sc_file_write(path, bytes, size));
cleanup:
    sc_free(packed);
    sc_free(bytes);
    return status;
}
