/* The facts of sc_header in an ISMRMRD header: one table for reading and writing. */
#include "io/ismrmrd_internal.h"

#define TEXT(section, name, field)                                                                 \
    {                                                                                              \
        section, name, offsetof(sc_header, field), sizeof(((sc_header *)0)->field)                 \
    }
#define NUMBER(section, name, field)                                                               \
    {                                                                                              \
        section, name, offsetof(sc_header, field), 0                                               \
    }

const sc_ismrmrd_fact sc_ismrmrd_facts[] = {
    TEXT("subjectInformation", "patientName", patient_name),
    NUMBER("subjectInformation", "patientWeight_kg", weight_kg),
    TEXT("subjectInformation", "patientID", patient_id),
    TEXT("subjectInformation", "patientBirthdate", patient_birth_date),
    TEXT("subjectInformation", "patientGender", patient_sex),
    TEXT("studyInformation", "studyDate", study_date),
    TEXT("studyInformation", "studyTime", study_time),
    TEXT("studyInformation", "studyID", study_id),
    TEXT("studyInformation", "accessionNumber", accession),
    TEXT("studyInformation", "studyInstanceUID", study_uid),
    TEXT("measurementInformation", "measurementID", measurement_id),
    TEXT("measurementInformation", "patientPosition", patient_position),
    TEXT("measurementInformation", "protocolName", protocol),
    TEXT("measurementInformation", "seriesDescription", series_description),
    TEXT("measurementInformation", "frameOfReferenceUID", frame_of_reference_uid),
    TEXT("acquisitionSystemInformation", "systemVendor", vendor),
    TEXT("acquisitionSystemInformation", "systemModel", model),
    NUMBER("acquisitionSystemInformation", "systemFieldStrength_T", field_tesla),
    TEXT("acquisitionSystemInformation", "institutionName", institution),
    TEXT("acquisitionSystemInformation", "stationName", station),
    NUMBER("experimentalConditions", "H1resonanceFrequency_Hz", frequency_hz),
    NUMBER("sequenceParameters", "TR", tr_ms),
    NUMBER("sequenceParameters", "TE", te_ms),
    NUMBER("sequenceParameters", "TI", ti_ms),
    NUMBER("sequenceParameters", "flipAngle_deg", flip_deg),
    TEXT("sequenceParameters", "sequence_type", sequence_type),
};

const int sc_ismrmrd_fact_count = sizeof sc_ismrmrd_facts / sizeof *sc_ismrmrd_facts;
