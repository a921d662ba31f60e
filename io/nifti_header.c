/* NIfTI headers, versions 1 (348 bytes) and 2 (540 bytes), either byte order (nifti1.h, nifti2.h).
 *
 * The structs, the byte swapping and the quaternions are libnifti2's. Its file reading is not
 * used: it prints, and allocates what a header asks for before it looks at the length of the file.
 */
#include "io/nifti_internal.h"

#include <math.h>
#include <nifti2_io.h>
#include <string.h>

/* Fields of version 1 that are read here, in version 2's struct. */
static void widen(nifti_2_header *wide, const nifti_1_header *h)
{
    memset(wide, 0, sizeof *wide);
    wide->sizeof_hdr = 348;
    wide->datatype = h->datatype;
    wide->bitpix = h->bitpix;
    for (int i = 0; i < 8; i++) {
        wide->dim[i] = h->dim[i];
        wide->pixdim[i] = (double)h->pixdim[i];
    }
    /* float: a wild offset must not overflow the integer */
    wide->vox_offset = h->vox_offset >= 0 && h->vox_offset < 1e9f ? (int64_t)h->vox_offset : -1;
    wide->scl_slope = (double)h->scl_slope;
    wide->scl_inter = (double)h->scl_inter;
    wide->xyzt_units = h->xyzt_units;
    wide->qform_code = h->qform_code;
    wide->sform_code = h->sform_code;
    wide->quatern_b = (double)h->quatern_b;
    wide->quatern_c = (double)h->quatern_c;
    wide->quatern_d = (double)h->quatern_d;
    wide->qoffset_x = (double)h->qoffset_x;
    wide->qoffset_y = (double)h->qoffset_y;
    wide->qoffset_z = (double)h->qoffset_z;
    for (int i = 0; i < 4; i++) {
        wide->srow_x[i] = (double)h->srow_x[i];
        wide->srow_y[i] = (double)h->srow_y[i];
        wide->srow_z[i] = (double)h->srow_z[i];
    }
}

static sc_status load(nifti_2_header *wide, bool *swapped, const void *data, size_t bytes)
{
    int32_t size = 0;
    if (bytes >= 4)
        memcpy(&size, data, 4);
    int32_t turned = (int32_t)__builtin_bswap32((uint32_t)size);
    *swapped = turned == 348 || turned == 540;
    if (*swapped)
        size = turned;
    if (size != 348 && size != 540)
        return sc_fail(SC_ERR_FORMAT, "not NIfTI: header size %d, expected 348 or 540", (int)size);
    if (bytes < (size_t)size)
        return sc_fail(SC_ERR_FORMAT, "NIfTI header is cut: %zu of %d bytes", bytes, (int)size);

    char magic[4];
    memcpy(magic, (const char *)data + (size == 348 ? 344 : 4), 4);
    if (memcmp(magic, "ni1", 4) == 0 || memcmp(magic, "ni2", 4) == 0)
        return sc_fail(SC_ERR_UNSUPPORTED, "NIfTI in two files (.hdr, .img): convert it to .nii");
    if (memcmp(magic, size == 348 ? "n+1" : "n+2", 4) != 0)
        return sc_fail(SC_ERR_FORMAT, "not NIfTI: wrong magic");
    if (size == 348) {
        nifti_1_header narrow;
        memcpy(&narrow, data, sizeof narrow);
        if (*swapped)
            nifti_swap_as_nifti1(&narrow);
        widen(wide, &narrow);
    } else {
        memcpy(wide, data, sizeof *wide);
        if (*swapped)
            nifti_swap_as_nifti2(wide);
        wide->sizeof_hdr = 540;
    }
    return SC_OK;
}

static sc_status shape(sc_nifti_header *header, const nifti_2_header *h)
{
    int64_t size[3] = {1, 1, 1};
    if (h->dim[0] < 1 || h->dim[0] > 7)
        return sc_fail(SC_ERR_FORMAT, "NIfTI dim[0] is %lld, expected 1 to 7", (long long)h->dim[0]);
    for (int i = 1; i <= h->dim[0]; i++) {
        if (h->dim[i] < 1 || h->dim[i] > INT32_MAX)
            return sc_fail(SC_ERR_FORMAT, "NIfTI dim[%d] is %lld, expected a positive size", i,
                           (long long)h->dim[i]);
        if (i <= 3)
            size[i - 1] = h->dim[i];
        else if (h->dim[i] != 1)
            return sc_fail(SC_ERR_UNSUPPORTED, "NIfTI dim[%d] is %lld, expected one volume", i,
                           (long long)h->dim[i]);
    }
    header->nx = size[0];
    header->ny = size[1];
    header->nz = size[2];
    return SC_OK;
}

/* Affine as it stands in the file; false if there is none that can be used. */
static bool place(double affine[3][4], const nifti_2_header *h)
{
    const int unit = h->xyzt_units & 7;
    const double mm = unit == NIFTI_UNITS_METER ? 1000 : unit == NIFTI_UNITS_MICRON ? 1e-3 : 1;
    if (h->sform_code > 0) {
        memcpy(affine[0], h->srow_x, sizeof affine[0]);
        memcpy(affine[1], h->srow_y, sizeof affine[1]);
        memcpy(affine[2], h->srow_z, sizeof affine[2]);
    } else if (h->qform_code > 0) {
        double qfac = h->pixdim[0] < 0 ? -1 : 1;
        nifti_dmat44 m = nifti_quatern_to_dmat44(h->quatern_b, h->quatern_c, h->quatern_d,
                                                 h->qoffset_x, h->qoffset_y, h->qoffset_z,
                                                 h->pixdim[1], h->pixdim[2], h->pixdim[3], qfac);
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 4; j++)
                affine[i][j] = m.m[i][j];
    } else
        return false;

    for (int j = 0; j < 4; j++) {
        double length = 0;
        for (int i = 0; i < 3; i++) {
            affine[i][j] *= mm;
            length += affine[i][j] * affine[i][j];
        }
        if (!isfinite(length) || (j < 3 && !(length > 0)))
            return false;
    }
    return true;
}

sc_status sc_nifti_header_parse(sc_nifti_header *header, const void *data, size_t bytes)
{
    nifti_2_header h;
    sc_status status;
    *header = (sc_nifti_header){.slope = 1};
    SC_TRY(load(&h, &header->swapped, data, bytes));
    SC_TRY(shape(header, &h));
    header->datatype = h.datatype;
    const int64_t first = h.sizeof_hdr == 348 ? 352 : 544; /* header and extension flag */
    header->offset = h.vox_offset == 0 ? first : h.vox_offset;
    if (header->offset < first)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "NIfTI data offset %lld lies inside the header",
                       (long long)header->offset));
    if (!isfinite(h.scl_slope) || !isfinite(h.scl_inter))
        SC_TRY(sc_fail(SC_ERR_FORMAT, "NIfTI scl_slope %g, scl_inter %g: not finite", h.scl_slope,
                       h.scl_inter));
    if (h.scl_slope != 0) {
        header->slope = h.scl_slope;
        header->intercept = h.scl_inter;
    }
    header->placed = place(header->affine, &h);
cleanup:
    return status;
}
