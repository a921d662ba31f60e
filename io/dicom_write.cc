/* Classic MR Image Storage, one file a slice (PS3.3 A.4; INTEGRATION.md section 5); maps that go with an
 * image as Secondary Capture Image Storage (PS3.3 A.8.1) with the image's plane and a rescale.
 *
 * What is written comes from four places: the header (facts of patient and scan, in the tables
 * below), the geometry, the options (what was done), and the pixels. Type 2 attributes without a
 * value are present and empty, type 3 ones absent. One dataset serves all slices: only what
 * differs from slice to slice is set anew.
 */
#include "base/memory.h"
#include "base/progress.h"
#include "io/dcmtk_internal.h"
#include "io/dicom.h"

#include "dcmtk/dcmdata/dcostrmb.h"

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string>
#include <strings.h>
#include <vector>

namespace {

using scorecon::check;
using scorecon::guarded;

const Uint16 stored_max = 32767; /* also fits a reader that takes the pixels for signed */
const Uint16 unknown = 0; /* stored value of a map where there is none */

/* One item of the object, and whether any text in it needs UTF-8. */
class Attributes {
public:
    Attributes(DcmItem &item, bool &utf8) : item_(item), utf8_(utf8) {}

    void word(const DcmTagKey &tag, const char *value) /* our own, known to be legal */
    {
        check(item_.putAndInsertString(tag, value), tag);
    }
    void empty(const DcmTagKey &tag) { check(item_.insertEmptyElement(tag), tag); }
    void text(const DcmTagKey &tag, const char *value, sc_dicom_vr vr, bool keep_empty)
    {
        char legal[SC_DICOM_TEXT_SIZE];
        bool clipped;
        bool any = sc_dicom_text(legal, value, vr, &clipped);
        if (clipped)
            sc_log(SC_LOG_WARN, "DICOM attribute (%04x,%04x) was %s", tag.getGroup(),
                   tag.getElement(), any ? "shortened or mended" : "not legal and is left out");
        utf8_ = utf8_ || !sc_dicom_is_ascii(legal);
        if (any)
            word(tag, legal);
        else if (keep_empty)
            empty(tag);
    }
    void us(const DcmTagKey &tag, Uint16 value)
    {
        check(item_.putAndInsertUint16(tag, value), tag);
    }
    void fd(const DcmTagKey &tag, double value)
    {
        check(item_.putAndInsertFloat64(tag, value), tag);
    }
    void is(const DcmTagKey &tag, long long value) { word(tag, std::to_string(value).c_str()); }
    void ds(const DcmTagKey &tag, const double *value, int count)
    {
        std::string joined;
        for (int i = 0; i < count; i++) {
            char one[17];
            sc_dicom_ds(one, value[i]);
            joined += (i ? "\\" : "") + std::string(one);
        }
        word(tag, joined.c_str());
    }
    void ds(const DcmTagKey &tag, double value) { ds(tag, &value, 1); }
    Attributes item(const DcmTagKey &sequence) /* a new last item */
    {
        DcmItem *inner = nullptr;
        check(item_.findOrCreateSequenceItem(sequence, inner, -2), sequence);
        return Attributes(*inner, utf8_);
    }
    void code(const DcmTagKey &sequence, const char *value, const char *scheme, const char *meaning)
    {
        Attributes inner = item(sequence);
        inner.word(DCM_CodeValue, value);
        inner.word(DCM_CodingSchemeDesignator, scheme);
        inner.word(DCM_CodeMeaning, meaning);
    }

private:
    DcmItem &item_;
    bool &utf8_;
};

/* What no source tells: required by the standard, empty. */
const DcmTagKey empty_attributes[] = {DCM_ReferringPhysicianName, DCM_PositionReferenceIndicator,
                                      DCM_Laterality};
const DcmTagKey empty_of_sequence[] = {DCM_ScanOptions, DCM_EchoTrainLength};

/* Names that scanners give their sequences, compared without case; all else is research mode. */
const struct {
    const char *name, *code;
} sequences[] = {
    {"SE", "SE"},           {"SpinEcho", "SE"}, {"TSE", "SE"},          {"TurboSpinEcho", "SE"},
    {"FSE", "SE"},          {"GR", "GR"},       {"GRE", "GR"},          {"GradientEcho", "GR"},
    {"Flash", "GR"},        {"SPGR", "GR"},     {"EPI", "EP"},
};

const char *scanning_sequence(const char *name)
{
    for (const auto &row : sequences)
        if (strcasecmp(name, row.name) == 0)
            return row.code;
    return "RM";
}

const char *one_of(const char *text, const char *const *allowed)
{
    for (; *allowed; allowed++)
        if (text && strcmp(text, *allowed) == 0)
            return text;
    return nullptr;
}

void choice(Attributes &a, const DcmTagKey &tag, const char *text, const char *const *allowed)
{
    const char *value = one_of(text, allowed);
    if (value)
        a.word(tag, value);
    else
        a.empty(tag);
}

void put_header(Attributes &a, const sc_header &header)
{
    static const char *const sexes[] = {"M", "F", "O", nullptr};
    static const char *const positions[] = {"HFP", "HFS", "HFDR", "HFDL", "FFDR",
                                            "FFDL", "FFP", "FFS", nullptr};
    const char *base = reinterpret_cast<const char *>(&header);
    for (const auto &row : scorecon::text_facts)
        if (row.plain)
            a.text(row.tag, base + row.offset, row.vr, row.keep_empty);
    choice(a, DCM_PatientSex, header.patient_sex, sexes);
    choice(a, DCM_PatientPosition, header.patient_position, positions);
    for (const DcmTagKey &tag : empty_attributes)
        a.empty(tag);
}

void put_sequence(Attributes &a, const sc_header &header, const char *acquisition)
{
    static const char *const acquisitions[] = {"2D", "3D", nullptr};
    const char *base = reinterpret_cast<const char *>(&header);
    for (const auto &row : scorecon::number_facts) {
        double value;
        memcpy(&value, base + row.offset, sizeof value);
        if (std::isfinite(value))
            a.ds(row.tag, value * row.factor);
        else if (row.keep_empty)
            a.empty(row.tag);
    }
    a.word(DCM_ScanningSequence, scanning_sequence(header.sequence_type));
    a.word(DCM_SequenceVariant, "NONE");
    for (const DcmTagKey &tag : empty_of_sequence)
        a.empty(tag);
    choice(a, DCM_MRAcquisitionType, acquisition, acquisitions);
}

/* The source's UID if it has one, else one derived from `key`. */
void put_uid(Attributes &a, const DcmTagKey &tag, const char *given, const char *kind,
             const char *key)
{
    char uid[SC_DICOM_TEXT_SIZE];
    if (!sc_dicom_text(uid, given, SC_VR_UI, nullptr))
        sc_dicom_uid(uid, kind, key, 0);
    a.word(tag, uid);
}

void put_identity(Attributes &a, const sc_header &header, const sc_dicom_options &options)
{
    const char *study = header.study_uid[0]        ? header.study_uid
                        : header.measurement_id[0] ? header.measurement_id
                                                   : options.source;
    a.word(DCM_SOPClassUID,
           options.map ? UID_SecondaryCaptureImageStorage : UID_MRImageStorage);
    a.word(DCM_Modality, options.map ? "OT" : "MR");
    put_uid(a, DCM_StudyInstanceUID, header.study_uid, "study", study);
    put_uid(a, DCM_SeriesInstanceUID, "", "series", options.run);
    put_uid(a, DCM_FrameOfReferenceUID, header.frame_of_reference_uid, "frame of reference", study);
    a.is(DCM_SeriesNumber, options.series_number > 0 ? options.series_number : 901);
    std::string description =
        options.description ? options.description : "scorecon reconstruction";
    std::string comment = options.comment ? options.comment : "";
    if (options.map) {
        description = std::string("MAP, NOT ANATOMY: ") + options.map->words;
        comment = "Map, not anatomy: " + std::string(options.map->words) + ". " + comment;
        a.word(DCM_ConversionType, "SYN");
        a.empty(DCM_PatientOrientation); /* its module knows no plane */
    }
    a.text(DCM_SeriesDescription, description.c_str(), SC_VR_LO, false);
    a.text(DCM_ImageComments, comment.c_str(), SC_VR_ST, false);
}

/* A reader must be able to tell a learned image from a measured one, wherever he looks. */
void put_derivation(Attributes &a, const sc_dicom_options &options)
{
    std::string text = options.derivation ? options.derivation : "Reconstructed from raw data";
    if (options.prior)
        text += ". Machine learning: what was not measured is estimated with a learned prior (" +
                std::string(options.prior) + ")";
    text += ". Input SHA-256 " + std::string(options.source).substr(0, 16) + ".";
    std::string type = "DERIVED\\PRIMARY\\OTHER";
    if (options.map) {
        text = std::string("Map, not anatomy: ") + options.map->words + ". Of: " + text;
        type = std::string("DERIVED\\SECONDARY\\OTHER\\") + options.map->kind;
        a.code(DCM_DerivationCodeSequence, scorecon::map_code, "99SCORECON",
               "Map of what is known of an image");
    }
    a.word(DCM_ImageType, type.c_str());
    a.text(DCM_DerivationDescription, text.c_str(), SC_VR_ST, false);
    if (options.prior)
        a.code(DCM_DerivationCodeSequence, "score-recon", "99SCORECON",
               "Score-based image reconstruction");
    a.word(DCM_BurnedInAnnotation, "NO");
    a.word(DCM_LossyImageCompression, "00");

    Attributes equipment = a.item(DCM_ContributingEquipmentSequence);
    equipment.word(DCM_Manufacturer, "scorecon");
    equipment.code(DCM_PurposeOfReferenceCodeSequence, "109102", "DCM", "Processing Equipment");
    equipment.word(DCM_ManufacturerModelName, "scorecon");
    equipment.text(DCM_SoftwareVersions, options.software, SC_VR_LO, false);
    equipment.word(DCM_ContributionDescription, options.prior
                                                    ? "Image reconstruction with machine learning"
                                                    : "Image reconstruction");
}

void put_plane(Attributes &a, const sc_dicom_stack &stack, const sc_geometry &geometry)
{
    a.ds(DCM_ImageOrientationPatient, stack.orientation, 6);
    a.ds(DCM_PixelSpacing, stack.pixel_spacing, 2);
    if (geometry.thickness_mm > 0)
        a.ds(DCM_SliceThickness, geometry.thickness_mm);
    else
        a.empty(DCM_SliceThickness);
    if (stack.spacing > 0)
        a.ds(DCM_SpacingBetweenSlices, stack.spacing);
}

/* Image: stored = round(value / slope), windows in stored values, because classic MR has no rescale.
 * Map: stored = 1 + round(value / slope), 0 where unknown, windows in real values. One slope for the
 * series. */
struct Scale {
    double slope;
    int first;  /* stored value of 0 */
    int window; /* 99.5 % of the known values are stored below first + window */

    Uint16 stored(double value) const
    {
        if (!std::isfinite(value))
            return unknown;
        return static_cast<Uint16>(first + std::fmax(0, std::nearbyint(value / slope)));
    }
};

sc_status find_largest(double *largest, const sc_array *image, bool is_map)
{
    const float *x = static_cast<const float *>(image->data);
    int64_t count = sc_array_count(image), negative = 0;
    *largest = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!is_map && !std::isfinite(x[i]))
            return sc_fail(SC_ERR_INPUT, "image: value %lld is not finite",
                           static_cast<long long>(i));
        negative += x[i] < 0;
        if (std::isfinite(x[i]))
            *largest = std::fmax(*largest, static_cast<double>(x[i]));
    }
    if (negative > 0)
        sc_log(SC_LOG_WARN, "DICOM: %lld negative values of %lld are stored as 0",
               static_cast<long long>(negative), static_cast<long long>(count));
    return SC_OK;
}

sc_status find_scale(Scale *scale, const sc_array *image, bool is_map)
{
    const float *x = static_cast<const float *>(image->data);
    double largest, known = 0;
    sc_status status = find_largest(&largest, image, is_map);
    if (status != SC_OK)
        return status;
    scale->first = is_map ? unknown + 1 : 0;
    scale->slope = largest > 0 ? largest / (stored_max - scale->first) : 1;
    std::vector<int64_t> histogram(stored_max + 1);
    for (int64_t i = 0; i < sc_array_count(image); i++)
        if (std::isfinite(x[i])) {
            histogram[static_cast<size_t>(scale->stored(x[i]) - scale->first)]++;
            known++;
        }
    int64_t below = 0;
    scale->window = 0;
    while (scale->window < stored_max && static_cast<double>(below) < 0.995 * known)
        below += histogram[static_cast<size_t>(scale->window++)];
    return SC_OK;
}

void put_scale(Attributes &a, const Scale &scale, int64_t rows, int64_t columns,
               const sc_dicom_map *map)
{
    a.us(DCM_SamplesPerPixel, 1);
    a.word(DCM_PhotometricInterpretation, "MONOCHROME2");
    a.us(DCM_Rows, static_cast<Uint16>(rows));
    a.us(DCM_Columns, static_cast<Uint16>(columns));
    a.us(DCM_BitsAllocated, 16);
    a.us(DCM_BitsStored, 16);
    a.us(DCM_HighBit, 15);
    a.us(DCM_PixelRepresentation, 0);
    double width = std::fmax(1, scale.window);
    if (map) { /* the window is of real values, which may be small: LINEAR asks for a width of 1 */
        width *= scale.slope;
        a.word(DCM_VOILUTFunction, "LINEAR_EXACT");
        a.us(DCM_PixelPaddingValue, unknown);
        a.ds(DCM_RescaleSlope, scale.slope);
        a.ds(DCM_RescaleIntercept, -scale.slope * scale.first);
        a.word(DCM_RescaleType, "US");
    }
    a.ds(DCM_WindowCenter, width / 2);
    a.ds(DCM_WindowWidth, width);

    Attributes real = a.item(DCM_RealWorldValueMappingSequence);
    real.word(DCM_LUTExplanation, map ? map->words : "Magnitude in the units of the reconstruction");
    real.word(DCM_LUTLabel, map ? map->kind : "MAGNITUDE");
    real.us(DCM_RealWorldValueFirstValueMapped, static_cast<Uint16>(scale.first));
    real.us(DCM_RealWorldValueLastValueMapped, 65535);
    real.fd(DCM_RealWorldValueIntercept, -scale.slope * scale.first);
    real.fd(DCM_RealWorldValueSlope, scale.slope);
    real.code(DCM_MeasurementUnitsCodeSequence, "1", "UCUM", "no units");
}

/* What differs from slice to slice; number: 0, 1, ... along the normal. */
void put_slice(Attributes &a, DcmItem &dataset, const sc_dicom_stack &stack, int64_t number,
               const Scale &scale, const sc_array &slice, const char *run)
{
    const double *position = stack.position + 3 * stack.order[number];
    char uid[SC_DICOM_UID_SIZE];
    sc_dicom_uid(uid, "instance", run, number);
    a.word(DCM_SOPInstanceUID, uid);
    a.is(DCM_InstanceNumber, number + 1);
    a.ds(DCM_ImagePositionPatient, position, 3);
    a.ds(DCM_SliceLocation, position[0] * stack.normal[0] + position[1] * stack.normal[1] +
                                position[2] * stack.normal[2]);

    const float *x = static_cast<const float *>(slice.data);
    std::vector<Uint16> stored(static_cast<size_t>(sc_array_count(&slice)));
    Uint16 low = stored_max, high = 0;
    for (size_t i = 0; i < stored.size(); i++) {
        stored[i] = scale.stored(x[i]);
        low = std::min(low, stored[i]);
        high = std::max(high, stored[i]);
    }
    a.us(DCM_SmallestImagePixelValue, low);
    a.us(DCM_LargestImagePixelValue, high);
    check(dataset.putAndInsertUint16Array(DCM_PixelData, stored.data(), stored.size()),
          DCM_PixelData);
}

/* To memory first: DCMTK's own saving reports success on a full disk. */
sc_status save(DcmFileFormat &file, const char *path)
{
    const E_TransferSyntax syntax = EXS_LittleEndianExplicit;
    check(file.validateMetaInfo(syntax, EWM_createNewMeta), DCM_FileMetaInformationVersion);
    std::vector<char> buffer(file.calcElementLength(syntax, EET_UndefinedLength) + 4096u);
    DcmOutputBufferStream stream(buffer.data(), static_cast<offile_off_t>(buffer.size()));
    file.transferInit();
    OFCondition condition = file.write(stream, syntax, EET_UndefinedLength, nullptr, EGL_recalcGL);
    file.transferEnd();
    check(condition, DCM_PixelData);
    void *bytes = nullptr;
    offile_off_t length = 0;
    stream.flushBuffer(bytes, length);
    return sc_file_write(path, bytes, static_cast<size_t>(length));
}

sc_status write_slices(sc_outdir *outdir, const char *folder, const sc_volume &volume,
                       const sc_dicom_stack &stack, const sc_header &header,
                       const sc_dicom_options &options)
{
    DcmFileFormat file;
    DcmDataset &dataset = *file.getDataset();
    bool utf8 = false;
    Attributes a(dataset, utf8);
    Scale scale;
    sc_status status = find_scale(&scale, &volume.data, options.map != nullptr);
    if (status != SC_OK)
        return status;
    put_header(a, header);
    if (!options.map)
        put_sequence(a, header, options.acquisition);
    put_identity(a, header, options);
    put_derivation(a, options);
    put_plane(a, stack, volume.geometry);
    put_scale(a, scale, volume.data.dim[1], volume.data.dim[2], options.map);
    if (utf8)
        a.word(DCM_SpecificCharacterSet, "ISO_IR 192");

    for (int64_t number = 0; number < stack.slices; number++) {
        sc_array slice = sc_array_slice(&volume.data, stack.order[number]);
        put_slice(a, dataset, stack, number, scale, slice, options.run);
        char name[512];
        const char *path = nullptr;
        snprintf(name, sizeof name, "%s%s%04lld.dcm", folder, folder[0] ? "/" : "",
                 static_cast<long long>(number + 1));
        status = sc_outdir_path(outdir, &path, name);
        if (status == SC_OK)
            status = save(file, path);
        if (status != SC_OK)
            return status;
    }
    return SC_OK;
}

} // namespace

extern "C" sc_status sc_dicom_write_series(sc_outdir *outdir, const char *folder,
                                           const sc_volume *magnitude, const sc_header *header,
                                           const sc_dicom_options *options)
{
    const sc_array &image = magnitude->data;
    if (image.dtype != SC_F32 || image.rank != 3)
        return sc_fail(SC_ERR_INTERNAL, "DICOM: expected a float32 volume (slice, y, x), found %s "
                                        "of rank %d", sc_dtype_name(image.dtype), image.rank);
    if (image.dim[1] > 65535 || image.dim[2] > 65535)
        return sc_fail(SC_ERR_UNSUPPORTED, "DICOM: %lld x %lld pixels, at most 65535 x 65535",
                       static_cast<long long>(image.dim[2]), static_cast<long long>(image.dim[1]));
    sc_dicom_stack stack;
    sc_status status = sc_dicom_stack_create(&stack, &magnitude->geometry, image.dim[0]);
    if (status != SC_OK)
        return status;
    status = guarded("writing DICOM", [&] {
        return write_slices(outdir, folder, *magnitude, stack, *header, *options);
    });
    sc_dicom_stack_free(&stack);
    return status;
}
