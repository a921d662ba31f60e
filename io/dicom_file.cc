/* A DICOM file in memory: read once, inspected, then parsed from the very bytes that were
 * inspected. */
#include "io/dcmtk_internal.h"

#include "base/file.h"
#include "base/memory.h"

#include "dcmtk/dcmdata/dcistrmb.h"

namespace scorecon {

static const size_t largest_file = size_t(1) << 31; /* DICOM's lengths have 32 bits */

static sc_status parse(DcmFileFormat &file, const void *data, size_t bytes, bool to_pixels)
{
    DcmInputBufferStream stream;
    stream.setBuffer(data, static_cast<offile_off_t>(bytes));
    stream.setEos();
    file.transferInit();
    OFCondition condition =
        to_pixels ? file.readUntilTag(stream, EXS_Unknown, EGL_noChange, DCM_MaxReadLength,
                                      DCM_PixelData)
                  : file.read(stream, EXS_Unknown, EGL_noChange, DCM_MaxReadLength);
    file.transferEnd();
    if (condition.bad())
        return sc_fail(SC_ERR_FORMAT, "DICOM: %s", condition.text());
    return SC_OK;
}

sc_status DicomFile::load(const char *path, bool to_pixels)
{
    sc_status status;
    void *data = nullptr;
    size_t bytes = 0;
    sc_dicom_structure structure;
    SC_TRY(sc_file_read(&data, &bytes, path, largest_file));
    status = sc_dicom_inspect(&structure, data, bytes);
    if (status == SC_OK)
        status = parse(file_, data, bytes, to_pixels);
    has_pixels_ = structure.has_pixels;
    sc_context(status, "%s", path);
cleanup:
    sc_free(data);
    return status;
}

} // namespace scorecon
