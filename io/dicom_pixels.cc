/* Stored values become numbers: BitsAllocated, BitsStored, sign, padding, rescale, in this order
 * (PS3.3 C.7.6.3, C.7.5.1.1.2, C.11.1).
 *
 * MONOCHROME1 is a matter of display and changes nothing here. Padding marks what was never
 * measured: it becomes air in CT, else 0.
 */
#include "io/dcmtk_internal.h"

#include <cmath>

namespace scorecon {

namespace {

struct Layout {
    Uint16 allocated = 0, stored = 0, high = 0, is_signed = 0;
    bool padded = false;
    double pad_low = 0, pad_high = 0; /* stored values, inclusive */
};

double us_or_ss(DcmDataset &dataset, const DcmTagKey &tag, bool is_signed, bool *found)
{
    Uint16 us = 0;
    Sint16 ss = 0;
    bool unsigned_found = dataset.findAndGetUint16(tag, us).good();
    *found = dataset.findAndGetSint16(tag, ss).good() || unsigned_found;
    if (!unsigned_found)
        us = static_cast<Uint16>(ss);
    else if (is_signed)
        ss = static_cast<Sint16>(us);
    return is_signed ? ss : us;
}

sc_status read_layout(Layout &layout, DcmDataset &dataset)
{
    dataset.findAndGetUint16(DCM_BitsAllocated, layout.allocated);
    dataset.findAndGetUint16(DCM_BitsStored, layout.stored);
    dataset.findAndGetUint16(DCM_PixelRepresentation, layout.is_signed);
    layout.high = static_cast<Uint16>(layout.stored - 1);
    dataset.findAndGetUint16(DCM_HighBit, layout.high);
    if ((layout.allocated != 8 && layout.allocated != 16 && layout.allocated != 32) ||
        layout.stored < 1 || layout.stored > layout.allocated || layout.high >= layout.allocated ||
        layout.high + 1 < layout.stored)
        return sc_fail(SC_ERR_UNSUPPORTED, "DICOM: %d bits allocated, %d stored, high bit %d",
                       layout.allocated, layout.stored, layout.high);
    double other;
    bool range;
    layout.pad_low = us_or_ss(dataset, DCM_PixelPaddingValue, layout.is_signed, &layout.padded);
    other = us_or_ss(dataset, DCM_PixelPaddingRangeLimit, layout.is_signed, &range);
    layout.pad_high = range ? std::fmax(layout.pad_low, other) : layout.pad_low;
    layout.pad_low = range ? std::fmin(layout.pad_low, other) : layout.pad_low;
    return SC_OK;
}

double stored_value(Uint32 word, const Layout &layout)
{
    Uint32 value = word >> (layout.high + 1 - layout.stored);
    if (layout.stored < 32)
        value &= (1u << layout.stored) - 1;
    bool negative = layout.is_signed && (value >> (layout.stored - 1) & 1);
    return negative ? value - std::ldexp(1.0, layout.stored) : value;
}

template <class Word>
void convert(float *x, const Word *word, const Frame &frame, const Layout &layout, double padding)
{
    const int64_t count = frame.rows * frame.columns;
    for (int64_t i = 0; i < count; i++) {
        double value = stored_value(word[i], layout);
        bool pad = layout.padded && value >= layout.pad_low && value <= layout.pad_high;
        x[i] = static_cast<float>(pad ? padding : value * frame.slope + frame.intercept);
    }
}

sc_status too_few(unsigned long found, int64_t expected)
{
    return sc_fail(SC_ERR_FORMAT, "DICOM: %lu pixels, expected %lld", found,
                   static_cast<long long>(expected));
}

/* Uncompressed pixels in memory. The sizes were limited when the frames were listed. */
sc_status decode(DcmDataset &dataset, int64_t bytes)
{
    if (bytes > int64_t(1) << 31)
        return sc_fail(SC_ERR_UNSUPPORTED, "DICOM: %lld bytes of pixels in one file, at most 2 GiB",
                       static_cast<long long>(bytes));
    OFCondition condition = dataset.chooseRepresentation(EXS_LittleEndianExplicit, nullptr);
    if (condition.bad())
        return sc_fail(SC_ERR_FORMAT, "DICOM: pixel data cannot be decoded: %s", condition.text());
    return SC_OK;
}

} // namespace

sc_status read_pixels(float *x, DicomFile &file, const Frame &frame)
{
    DcmDataset &dataset = file.dataset();
    Layout layout;
    const int64_t size = frame.rows * frame.columns, skip = size * static_cast<int64_t>(frame.number);
    const double padding = frame.units == "HU" ? -1000 : 0;
    unsigned long count = 0;
    sc_status status;
    SC_TRY(read_layout(layout, dataset));
    SC_TRY(decode(dataset, (skip + size) * layout.allocated / 8));
    if (layout.allocated == 8) {
        const Uint8 *words = nullptr;
        check(dataset.findAndGetUint8Array(DCM_PixelData, words, &count), DCM_PixelData);
        if (!words || static_cast<int64_t>(count) < skip + size)
            return too_few(count, skip + size);
        convert(x, words + skip, frame, layout, padding);
    } else if (layout.allocated == 16) {
        const Uint16 *words = nullptr;
        check(dataset.findAndGetUint16Array(DCM_PixelData, words, &count), DCM_PixelData);
        if (!words || static_cast<int64_t>(count) < skip + size)
            return too_few(count, skip + size);
        convert(x, words + skip, frame, layout, padding);
    } else {
        const Uint32 *words = nullptr;
        check(dataset.findAndGetUint32Array(DCM_PixelData, words, &count), DCM_PixelData);
        if (!words || static_cast<int64_t>(count) < skip + size)
            return too_few(count, skip + size);
        convert(x, words + skip, frame, layout, padding);
    }
cleanup:
    return status;
}

} // namespace scorecon
