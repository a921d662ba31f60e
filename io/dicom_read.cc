/* A series of DICOM images as a volume: list the frames of all files, sort them, then read pixels
 * file by file, so that memory holds one file beside the volume.
 */
#include "base/memory.h"
#include "base/progress.h"
#include "io/dcmtk_internal.h"
#include "io/dicom.h"

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fts.h>
#include <memory>
#include <sys/stat.h>

namespace {

using namespace scorecon;

int by_name(const FTSENT **a, const FTSENT **b) { return strcmp((*a)->fts_name, (*b)->fts_name); }

/* Regular files below a folder, sorted; links are not followed. */
sc_status list_files(std::vector<std::string> &files, const char *folder)
{
    std::string root = folder;
    char *roots[2] = {&root[0], nullptr};
    std::unique_ptr<FTS, int (*)(FTS *)> walk(
        fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name), fts_close);
    if (!walk)
        return sc_fail(SC_ERR_IO, "%s: cannot open: %s", folder, strerror(errno));
    while (FTSENT *entry = fts_read(walk.get())) {
        if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR)
            return sc_fail(SC_ERR_IO, "%s: %s", entry->fts_path, strerror(entry->fts_errno));
        if (entry->fts_info == FTS_F)
            files.emplace_back(entry->fts_path);
    }
    return SC_OK;
}

bool looks_like_dicom(const char *path)
{
    char head[132];
    std::unique_ptr<FILE, int (*)(FILE *)> file(fopen(path, "rb"), fclose);
    return file && fread(head, 1, sizeof head, file.get()) == sizeof head &&
           sc_dicom_probe(head, sizeof head);
}

sc_status list_file(std::vector<Frame> &frames, const char *path)
{
    DicomFile file;
    sc_status status = file.load(path, true);
    return status == SC_OK ? list_frames(frames, file, path) : status;
}

sc_status list_folder(std::vector<Frame> &frames, const char *path)
{
    std::vector<std::string> files;
    size_t foreign = 0, without_images = 0;
    sc_status status = list_files(files, path);
    for (const std::string &file : files) {
        size_t before = frames.size();
        if (status != SC_OK)
            return status;
        if (!looks_like_dicom(file.c_str())) {
            foreign++;
            continue;
        }
        status = list_file(frames, file.c_str());
        without_images += frames.size() == before;
    }
    if (status == SC_OK && frames.empty())
        return sc_fail(SC_ERR_INPUT, "%s: no DICOM images among %zu files (%zu are not DICOM, %zu "
                                     "hold no image of a stack)", path, files.size(), foreign,
                       without_images);
    if (status == SC_OK && foreign + without_images > 0)
        sc_log(SC_LOG_INFO, "DICOM: %zu files are not DICOM, %zu hold no image of a stack", foreign,
               without_images);
    return status;
}

/* Affine through first and last slice; each position by itself where they are not even. */
sc_status place(sc_geometry &geometry, const std::vector<Frame> &frames)
{
    const Frame &first = frames.front(), &last = frames.back();
    const int64_t slices = static_cast<int64_t>(frames.size());
    geometry.slices = slices;
    geometry.known = first.placed;
    if (!first.placed)
        return SC_OK;
    geometry.thickness_mm = first.thickness;
    const double *r = first.orientation, *p = r + 3;
    for (int i = 0; i < 3; i++) {
        int j = (i + 1) % 3, k = (i + 2) % 3;
        double single = first.thickness > 0 ? first.thickness : 1;
        geometry.affine[i][0] = r[i] * first.spacing[1];
        geometry.affine[i][1] = p[i] * first.spacing[0];
        geometry.affine[i][2] = slices > 1 ? (last.position[i] - first.position[i]) /
                                                 static_cast<double>(slices - 1)
                                           : (r[j] * p[k] - r[k] * p[j]) * single;
        geometry.affine[i][3] = first.position[i];
    }
    double worst = 0;
    for (int64_t k = 0; k < slices; k++)
        for (int i = 0; i < 3; i++)
            worst = std::fmax(worst, std::fabs(frames[static_cast<size_t>(k)].position[i] -
                                               geometry.affine[i][3] -
                                               static_cast<double>(k) * geometry.affine[i][2]));
    if (worst < 1e-6)
        return SC_OK;
    sc_status status = SC_ALLOC(&geometry.slice_position, 3 * slices, "slice positions");
    for (int64_t k = 0; status == SC_OK && k < slices; k++)
        memcpy(geometry.slice_position + 3 * k, frames[static_cast<size_t>(k)].position,
               sizeof(double[3]));
    return status;
}

sc_status read_slices(sc_volume &volume, sc_header *header, const std::vector<Frame> &frames)
{
    std::unique_ptr<DicomFile> file;
    const std::string *open = nullptr;
    for (size_t k = 0; k < frames.size(); k++) {
        const char *path = frames[k].path.c_str();
        sc_status status = SC_OK;
        if (!open || *open != frames[k].path) {
            file = std::make_unique<DicomFile>();
            status = file->load(path, false);
            open = &frames[k].path;
        }
        if (status != SC_OK)
            return status;
        sc_array slice = sc_array_slice(&volume.data, static_cast<int64_t>(k));
        status = read_pixels(static_cast<float *>(slice.data), *file, frames[k]);
        if (status != SC_OK)
            return sc_context(status, "%s", path);
        if (k == 0 && header)
            read_header(header, file->dataset());
    }
    return SC_OK;
}

sc_status read_series(sc_volume &volume, sc_header *header, const char *path)
{
    struct stat info;
    std::vector<Frame> frames;
    sc_status status;
    if (stat(path, &info) != 0)
        return sc_fail(SC_ERR_IO, "%s: %s", path, strerror(errno));
    SC_TRY(S_ISDIR(info.st_mode) ? list_folder(frames, path) : list_file(frames, path));
    if (frames.empty())
        return sc_fail(SC_ERR_INPUT, "%s: DICOM, but no image of a stack", path);
    SC_TRY(sort_series(frames, path));
    {
        const int64_t dim[3] = {static_cast<int64_t>(frames.size()), frames[0].rows,
                                frames[0].columns};
        status = sc_array_create(&volume.data, SC_F32, 3, dim);
        if (status == SC_OK)
            status = place(volume.geometry, frames);
        if (status == SC_OK)
            status = read_slices(volume, header, frames);
        if (frames[0].units == "HU")
            snprintf(volume.units, sizeof volume.units, "HU");
    }
cleanup:
    return status;
}

} // namespace

extern "C" sc_status sc_dicom_read_series(sc_volume *volume, sc_header *header, const char *path)
{
    *volume = sc_volume();
    if (header)
        sc_header_clear(header);
    sc_status status =
        guarded("reading DICOM", [&] { return read_series(*volume, header, path); });
    if (status != SC_OK) {
        sc_volume_free(volume);
        if (header)
            sc_header_clear(header);
    }
    return status;
}
