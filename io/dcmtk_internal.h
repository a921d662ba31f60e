/* Where C meets C++: DCMTK is started once, its log is silent (its lines quote attribute values,
 * which name patients), and no exception leaves a guarded call.
 */
#ifndef SC_IO_DCMTK_INTERNAL_H
#define SC_IO_DCMTK_INTERNAL_H

#include "dcmtk/config/osconfig.h"
#include "dcmtk/dcmdata/dctk.h"

#include "base/status.h"
#include "io/dicom_internal.h"

#include <exception>
#include <new>
#include <string>
#include <vector>

namespace scorecon {

/* Registers the decoders; fails when the data dictionary, a file beside DCMTK, is missing. */
sc_status dicom_start();

/* Code value of maps that go with an image, scheme 99SCORECON. */
const char *const map_code = "uncertainty-map";

/* A DCMTK call went wrong: what, at which attribute. Never leaves guarded(). */
struct DicomFailure {
    OFCondition condition;
    DcmTagKey tag;
};

/* Run `body` (returns sc_status); exceptions become statuses. `what` goes in front of messages. */
template <class Body> sc_status guarded(const char *what, Body body)
{
    try {
        sc_status status = dicom_start();
        return status == SC_OK ? body() : status;
    } catch (const DicomFailure &failure) {
        return sc_fail(SC_ERR_FORMAT, "%s: attribute (%04x,%04x): %s", what,
                       failure.tag.getGroup(), failure.tag.getElement(), failure.condition.text());
    } catch (const std::bad_alloc &) {
        return sc_fail(SC_ERR_MEMORY, "%s: not enough memory", what);
    } catch (const std::exception &error) {
        return sc_fail(SC_ERR_INTERNAL, "%s: %s", what, error.what());
    } catch (...) {
        return sc_fail(SC_ERR_INTERNAL, "%s: unknown exception", what);
    }
}

inline void check(const OFCondition &condition, const DcmTagKey &tag)
{
    if (condition.bad())
        throw DicomFailure{condition, tag};
}

/* A fact that stands in sc_header and in an attribute. keep_empty: type 2, written without a value
 * too. `plain`: written as it is; the others need a decision (UIDs, sex, position). */
struct TextFact {
    DcmTagKey tag;
    sc_dicom_vr vr;
    size_t offset, size;
    bool keep_empty, plain;
};
struct NumberFact {
    DcmTagKey tag;
    size_t offset;
    double factor; /* attribute = factor * field */
    bool keep_empty;
};
extern const std::vector<TextFact> text_facts;
extern const std::vector<NumberFact> number_facts;

/* Header from an object's attributes; texts become UTF-8 where DCMTK can convert them. */
void read_header(sc_header *header, DcmDataset &dataset);

/* A file in memory, inspected and parsed. to_pixels: up to the pixel data, which is cheaper. */
class DicomFile {
public:
    sc_status load(const char *path, bool to_pixels);
    DcmDataset &dataset() { return *file_.getDataset(); }
    DcmMetaInfo &meta() { return *file_.getMetaInfo(); }
    bool has_pixels() const { return has_pixels_; }

private:
    DcmFileFormat file_;
    bool has_pixels_ = false;
};

/* One image of a series: a classic file, or a frame of a multi-frame file. */
struct Frame {
    std::string path;
    unsigned long number = 0; /* in its file */
    std::string instance;     /* SOPInstanceUID and frame number */
    std::string kind;         /* what all images of a series share, as text */
    std::string label;        /* for a list of series: nothing that identifies a patient */
    std::string units;
    int64_t rows = 0, columns = 0;
    bool placed = false; /* position, orientation and spacing are given */
    double position[3] = {0, 0, 0}, orientation[6] = {0}, spacing[2] = {0};
    double echo_time = 0, thickness = 0;
    double slope = 1, intercept = 0;
};

/* The image frames of a file appended to `frames`; none if it holds no image (reports, structure
 * sets, segmentations, directories). */
sc_status list_frames(std::vector<Frame> &frames, DicomFile &file, const char *path);

/* Pixels of frame `number`, rescaled, to x (rows, columns). Decompresses the file's pixel data on
 * the first call. */
sc_status read_pixels(float *x, DicomFile &file, const Frame &frame);

/* One series in order of position, doubles dropped. The message of a failure lists what is there. */
sc_status sort_series(std::vector<Frame> &frames, const char *path);

} // namespace scorecon

#endif
