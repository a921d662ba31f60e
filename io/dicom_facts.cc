/* Facts that are both in sc_header and in DICOM attributes: one table for writing and reading. */
#include "io/dcmtk_internal.h"

#include <cstddef>
#include <cstdio>
#include <cstring>

namespace scorecon {

#define TEXT(tag, vr, field, keep_empty, plain)                                                    \
    {tag, vr, offsetof(sc_header, field), sizeof(sc_header::field), keep_empty, plain}

const std::vector<TextFact> text_facts = {
    TEXT(DCM_PatientName, SC_VR_PN, patient_name, true, true),
    TEXT(DCM_PatientID, SC_VR_LO, patient_id, true, true),
    TEXT(DCM_PatientBirthDate, SC_VR_DA, patient_birth_date, true, true),
    TEXT(DCM_PatientSex, SC_VR_CS, patient_sex, true, false),
    TEXT(DCM_PatientPosition, SC_VR_CS, patient_position, true, false),
    TEXT(DCM_StudyInstanceUID, SC_VR_UI, study_uid, true, false),
    TEXT(DCM_StudyDate, SC_VR_DA, study_date, true, true),
    TEXT(DCM_StudyTime, SC_VR_TM, study_time, true, true),
    TEXT(DCM_StudyID, SC_VR_SH, study_id, true, true),
    TEXT(DCM_AccessionNumber, SC_VR_SH, accession, true, true),
    TEXT(DCM_FrameOfReferenceUID, SC_VR_UI, frame_of_reference_uid, true, false),
    TEXT(DCM_Manufacturer, SC_VR_LO, vendor, true, true),
    TEXT(DCM_ManufacturerModelName, SC_VR_LO, model, false, true),
    TEXT(DCM_StationName, SC_VR_SH, station, false, true),
    TEXT(DCM_InstitutionName, SC_VR_LO, institution, false, true),
    TEXT(DCM_ProtocolName, SC_VR_LO, protocol, false, true),
    TEXT(DCM_SeriesDescription, SC_VR_LO, series_description, false, false),
};

const std::vector<NumberFact> number_facts = {
    {DCM_RepetitionTime, offsetof(sc_header, tr_ms), 1, true},
    {DCM_EchoTime, offsetof(sc_header, te_ms), 1, true},
    {DCM_InversionTime, offsetof(sc_header, ti_ms), 1, false},
    {DCM_FlipAngle, offsetof(sc_header, flip_deg), 1, false},
    {DCM_MagneticFieldStrength, offsetof(sc_header, field_tesla), 1, false},
    {DCM_ImagingFrequency, offsetof(sc_header, frequency_hz), 1e-6, false},
    {DCM_PatientWeight, offsetof(sc_header, weight_kg), 1, false},
};

void read_header(sc_header *header, DcmDataset &dataset)
{
    char *base = reinterpret_cast<char *>(header);
    sc_header_clear(header);
    (void)dataset.convertToUTF8(); /* where it fails the bytes stay: they are made legal below */
    for (const TextFact &row : text_facts) {
        OFString value;
        char legal[SC_DICOM_TEXT_SIZE];
        if (dataset.findAndGetOFStringArray(row.tag, value).bad())
            continue;
        if (sc_dicom_text(legal, value.c_str(), row.vr, nullptr) && strlen(legal) < row.size)
            memcpy(base + row.offset, legal, strlen(legal) + 1);
    }
    for (const NumberFact &row : number_facts) {
        double value;
        if (dataset.findAndGetFloat64(row.tag, value).bad())
            continue;
        value /= row.factor;
        memcpy(base + row.offset, &value, sizeof value);
    }
}

} // namespace scorecon
