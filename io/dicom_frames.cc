/* What images a file holds, and what a series is made of: classic files are one frame, enhanced
 * multi-frame ones keep each frame's facts in functional groups, shared or its own (PS3.3 C.7.6.16).
 */
#include "io/dcmtk_internal.h"

#include "base/progress.h"

#include <cmath>
#include <cstdio>
#include <cstring>

namespace scorecon {

namespace {

const unsigned long most_frames = 65535;
const int64_t largest_side = 16384;

std::string text(DcmItem &item, const DcmTagKey &tag)
{
    OFString value;
    return item.findAndGetOFStringArray(tag, value).good() ? std::string(value.c_str()) : "";
}

bool numbers(double *value, unsigned long count, DcmItem *item, const DcmTagKey &tag)
{
    for (unsigned long i = 0; i < count; i++)
        if (!item || item->findAndGetFloat64(tag, value[i], i).bad() || !std::isfinite(value[i]))
            return false;
    return true;
}

std::vector<DcmItem *> items(DcmItem &dataset, const DcmTagKey &tag)
{
    std::vector<DcmItem *> found;
    DcmSequenceOfItems *sequence = nullptr;
    if (dataset.findAndGetSequence(tag, sequence).good() && sequence)
        for (DcmObject *o = nullptr; (o = sequence->nextInContainer(o)) != nullptr;)
            found.push_back(static_cast<DcmItem *>(o));
    return found;
}

/* Where the facts of one frame stand: its own group, the shared one, the data set itself. */
struct Places {
    DcmItem *own, *shared, *dataset;

    DcmItem *group(const DcmTagKey &tag) const
    {
        DcmItem *item = nullptr;
        if (own && own->findAndGetSequenceItem(tag, item, 0).good() && item)
            return item;
        if (shared && shared->findAndGetSequenceItem(tag, item, 0).good() && item)
            return item;
        return own || shared ? nullptr : dataset;
    }
};

/* Attributes whose values separate one stack of images from another. */
const DcmTagKey kind_tags[] = {
    DCM_SeriesInstanceUID,          DCM_SOPClassUID,  DCM_FrameOfReferenceUID,
    DCM_TemporalPositionIdentifier, DCM_TriggerTime,  DCM_DiffusionBValue,
    DCM_EchoNumbers,                DCM_RescaleType,
};

std::string image_type_3(DcmItem &dataset)
{
    OFString value;
    return dataset.findAndGetOFString(DCM_ImageType, value, 2).good() ? std::string(value.c_str())
                                                                     : "";
}

void place(Frame &frame, const Places &places)
{
    DcmItem *measures = places.group(DCM_PixelMeasuresSequence);
    frame.placed =
        numbers(frame.position, 3, places.group(DCM_PlanePositionSequence),
                DCM_ImagePositionPatient) &&
        numbers(frame.orientation, 6, places.group(DCM_PlaneOrientationSequence),
                DCM_ImageOrientationPatient) &&
        numbers(frame.spacing, 2, measures, DCM_PixelSpacing) && frame.spacing[0] > 0 &&
        frame.spacing[1] > 0;
    if (!numbers(&frame.thickness, 1, measures, DCM_SliceThickness) || frame.thickness < 0)
        frame.thickness = 0;
}

/* Classic MR has no rescale: a series may state the scale of its integers as a mapping to real
 * world values, as this program's own do. Other units than 1 are another quantity: left alone. */
bool real_world_scale(Frame &frame, const Places &places)
{
    DcmItem *map = places.group(DCM_RealWorldValueMappingSequence), *units = nullptr;
    if (map == places.dataset &&
        places.dataset->findAndGetSequenceItem(DCM_RealWorldValueMappingSequence, map, 0).bad())
        return false;
    return map &&
           map->findAndGetSequenceItem(DCM_MeasurementUnitsCodeSequence, units, 0).good() &&
           text(*units, DCM_CodeValue) == "1" &&
           numbers(&frame.slope, 1, map, DCM_RealWorldValueSlope) &&
           numbers(&frame.intercept, 1, map, DCM_RealWorldValueIntercept);
}

sc_status rescale(Frame &frame, const Places &places)
{
    DcmItem *transform = places.group(DCM_PixelValueTransformationSequence);
    bool given = numbers(&frame.slope, 1, transform, DCM_RescaleSlope) &&
                 numbers(&frame.intercept, 1, transform, DCM_RescaleIntercept);
    if (!given && !real_world_scale(frame, places)) {
        frame.slope = 1;
        frame.intercept = 0;
    }
    if (transform)
        frame.units = text(*transform, DCM_RescaleType);
    if (frame.units.empty() && text(*places.dataset, DCM_Modality) == "CT")
        frame.units = "HU"; /* RescaleType is younger than CT */
    if (frame.slope == 0)
        return sc_fail(SC_ERR_FORMAT, "DICOM: RescaleSlope is 0");
    return SC_OK;
}

void separate(Frame &frame, const Places &places)
{
    for (const DcmTagKey &tag : kind_tags)
        frame.kind += text(*places.dataset, tag) + "|";
    frame.kind += image_type_3(*places.dataset) + "|";
    DcmItem *content = places.group(DCM_FrameContentSequence);
    if (content && content != places.dataset)
        frame.kind += text(*content, DCM_StackID) + "|" + text(*content, DCM_TemporalPositionIndex);
    DcmItem *echo = places.group(DCM_MREchoSequence);
    bool enhanced = echo != places.dataset;
    if (!numbers(&frame.echo_time, 1, echo, enhanced ? DCM_EffectiveEchoTime : DCM_EchoTime))
        frame.echo_time = 0;
}

/* "series 4, CT, 512 x 512" */
void label(Frame &frame, DcmItem &dataset)
{
    char words[96];
    snprintf(words, sizeof words, "series %.12s, %.16s, %lld x %lld",
             text(dataset, DCM_SeriesNumber).c_str(), text(dataset, DCM_Modality).c_str(),
             static_cast<long long>(frame.columns), static_cast<long long>(frame.rows));
    frame.label = words;
    for (char &c : frame.label) /* from a file: no control characters in a message */
        if (static_cast<unsigned char>(c) < 32 || static_cast<unsigned char>(c) > 126)
            c = '?';
}

sc_status shape(Frame &frame, unsigned long *frames, DcmItem &dataset)
{
    Uint16 rows = 0, columns = 0, samples = 0;
    Sint32 count = 1;
    dataset.findAndGetUint16(DCM_Rows, rows);
    dataset.findAndGetUint16(DCM_Columns, columns);
    dataset.findAndGetUint16(DCM_SamplesPerPixel, samples);
    if (dataset.tagExists(DCM_NumberOfFrames) &&
        dataset.findAndGetSint32(DCM_NumberOfFrames, count).bad())
        count = 0;
    if (samples != 1)
        return sc_fail(SC_ERR_UNSUPPORTED, "DICOM: %d samples a pixel, expected 1 (grey)", samples);
    std::string photometric = text(dataset, DCM_PhotometricInterpretation);
    if (photometric != "MONOCHROME1" && photometric != "MONOCHROME2")
        return sc_fail(SC_ERR_UNSUPPORTED, "DICOM: expected grey pixels (MONOCHROME1 or 2)");
    if (dataset.tagExists(DCM_ModalityLUTSequence))
        return sc_fail(SC_ERR_UNSUPPORTED, "DICOM: values behind a Modality LUT");
    if (rows < 1 || columns < 1 || rows > largest_side || columns > largest_side)
        return sc_fail(SC_ERR_FORMAT, "DICOM: %d x %d pixels, expected 1 to %lld each", columns,
                       rows, static_cast<long long>(largest_side));
    if (count < 1 || static_cast<unsigned long>(count) > most_frames)
        return sc_fail(SC_ERR_FORMAT, "DICOM: NumberOfFrames is not within 1 to %lu", most_frames);
    frame.rows = rows;
    frame.columns = columns;
    *frames = static_cast<unsigned long>(count);
    return SC_OK;
}

/* Derived objects that are no images of a scan, and images that are no part of a stack. */
bool is_wanted(DcmItem &dataset)
{
    DcmItem *code = nullptr;
    if (dataset.findAndGetSequenceItem(DCM_DerivationCodeSequence, code, 0).good() && code &&
        text(*code, DCM_CodeValue) == map_code)
        return false;
    static const char *const unwanted[] = {UID_SegmentationStorage, UID_MediaStorageDirectoryStorage,
                                           UID_ParametricMapStorage};
    std::string sop_class = text(dataset, DCM_SOPClassUID);
    for (const char *uid : unwanted)
        if (sop_class == uid)
            return false;
    return image_type_3(dataset) != "LOCALIZER";
}

} // namespace

sc_status list_frames(std::vector<Frame> &frames, DicomFile &file, const char *path)
{
    DcmDataset &dataset = file.dataset();
    if (!file.has_pixels() || !is_wanted(dataset))
        return SC_OK;
    Frame common;
    unsigned long count = 0;
    sc_status status = shape(common, &count, dataset);
    if (status != SC_OK)
        return sc_context(status, "%s", path);
    common.path = path;
    label(common, dataset);

    std::vector<DcmItem *> own = items(dataset, DCM_PerFrameFunctionalGroupsSequence);
    std::vector<DcmItem *> shared = items(dataset, DCM_SharedFunctionalGroupsSequence);
    if (!own.empty() && own.size() != count)
        return sc_fail(SC_ERR_FORMAT, "%s: DICOM: %lu frames, but functional groups of %zu", path,
                       count, own.size());
    for (unsigned long f = 0; f < count; f++) {
        Frame frame = common;
        Places places = {own.empty() ? nullptr : own[f], shared.empty() ? nullptr : shared[0],
                         &dataset};
        frame.number = f;
        frame.instance = text(dataset, DCM_SOPInstanceUID) + "#" + std::to_string(f);
        place(frame, places);
        if (count > 1 && own.empty())
            frame.placed = false; /* one position cannot hold for all */
        separate(frame, places);
        status = rescale(frame, places);
        if (status != SC_OK)
            return sc_context(status, "%s", path);
        frames.push_back(frame);
    }
    return SC_OK;
}

} // namespace scorecon
