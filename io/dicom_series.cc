/* Frames become a series: one kind, in order of position along the slice normal, without doubles
 * or gaps (INTEGRATION.md section 3). Never by InstanceNumber, SliceLocation or file name: they lie.
 */
#include "io/dcmtk_internal.h"

#include "base/progress.h"

#include <algorithm>
#include <cmath>

namespace scorecon {

namespace {

bool same_kind(const Frame &a, const Frame &b)
{
    if (a.kind != b.kind || a.rows != b.rows || a.columns != b.columns || a.placed != b.placed ||
        a.units != b.units || std::fabs(a.echo_time - b.echo_time) > 1e-3)
        return false;
    for (int i = 0; i < 6 && a.placed; i++)
        if (std::fabs(a.orientation[i] - b.orientation[i]) > 1e-4)
            return false;
    for (int i = 0; i < 2 && a.placed; i++)
        if (std::fabs(a.spacing[i] - b.spacing[i]) > 1e-4 * a.spacing[i])
            return false;
    return true;
}

sc_status check_one_kind(const std::vector<Frame> &frames, const char *path)
{
    struct Group {
        const Frame *first;
        size_t count;
    };
    std::vector<Group> groups;
    for (const Frame &frame : frames) {
        auto group = std::find_if(groups.begin(), groups.end(),
                                  [&](const Group &g) { return same_kind(*g.first, frame); });
        if (group == groups.end())
            groups.push_back({&frame, 1});
        else
            group->count++;
    }
    if (groups.size() == 1)
        return SC_OK;
    std::string list;
    for (size_t i = 0; i < groups.size() && i < 6; i++)
        list += (i ? "; " : "") + groups[i].first->label + " (" + std::to_string(groups[i].count) +
                (groups[i].count == 1 ? " image)" : " images)");
    return sc_fail(SC_ERR_INPUT, "%s: holds %zu series, expected one: %s%s", path, groups.size(),
                   list.c_str(), groups.size() > 6 ? "; ..." : "");
}

double depth(const Frame &frame, const double n[3])
{
    return frame.position[0] * n[0] + frame.position[1] * n[1] + frame.position[2] * n[2];
}

sc_status drop_doubles(std::vector<Frame> &frames, const double n[3], const char *path)
{
    std::vector<Frame> kept;
    for (Frame &frame : frames) {
        if (kept.empty() || std::fabs(depth(frame, n) - depth(kept.back(), n)) >= 0.01)
            kept.push_back(frame);
        else if (frame.instance == kept.back().instance)
            sc_log(SC_LOG_WARN, "DICOM: an image is there twice, one is left out");
        else
            return sc_fail(SC_ERR_INPUT, "%s: two images lie in one place (%.2f mm along the "
                                         "normal): several times or contrasts in one series", path,
                           depth(frame, n));
    }
    frames.swap(kept);
    return SC_OK;
}

sc_status check_gaps(const std::vector<Frame> &frames, const double n[3], const char *path)
{
    std::vector<double> steps;
    for (size_t i = 1; i < frames.size(); i++)
        steps.push_back(depth(frames[i], n) - depth(frames[i - 1], n));
    if (steps.size() < 2)
        return SC_OK;
    std::vector<double> sorted = steps;
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<long>(sorted.size() / 2), sorted.end());
    double median = sorted[sorted.size() / 2];
    for (size_t i = 0; i < steps.size(); i++)
        if (std::fabs(steps[i] - median) > std::fmax(0.05, 0.01 * median))
            return sc_fail(SC_ERR_INPUT, "%s: slices %zu and %zu of %zu are %.2f mm apart, the "
                                         "others %.2f mm: slices are missing", path, i + 1, i + 2,
                           frames.size(), steps[i], median);
    return SC_OK;
}

} // namespace

sc_status sort_series(std::vector<Frame> &frames, const char *path)
{
    sc_status status = check_one_kind(frames, path);
    if (status != SC_OK)
        return status;
    if (!frames[0].placed) {
        for (const Frame &frame : frames)
            if (frame.path != frames[0].path)
                return sc_fail(SC_ERR_INPUT, "%s: images without a position cannot be put in order",
                               path);
        return SC_OK;
    }
    double n[3];
    const double *r = frames[0].orientation, *p = r + 3;
    for (int i = 0; i < 3; i++)
        n[i] = r[(i + 1) % 3] * p[(i + 2) % 3] - r[(i + 2) % 3] * p[(i + 1) % 3];
    std::stable_sort(frames.begin(), frames.end(), [&](const Frame &a, const Frame &b) {
        return depth(a, n) < depth(b, n);
    });
    status = drop_doubles(frames, n, path);
    return status == SC_OK ? check_gaps(frames, n, path) : status;
}

} // namespace scorecon
