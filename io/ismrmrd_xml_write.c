/* The XML header of an ISMRMRD file, in the schema's order of elements. */
#include "base/memory.h"
#include "io/ismrmrd_internal.h"
#include <libxml/tree.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static xmlNode *add(xmlNode *parent, const char *name, const char *text)
{
    return xmlNewTextChild(parent, NULL, (const xmlChar *)name, (const xmlChar *)text);
}

static void add_number(xmlNode *parent, const char *name, double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.9g", value);
    add(parent, name, text);
}

/* Section of the header with the facts that are present; NULL if there are none. */
static xmlNode *add_section(xmlNode *root, const sc_header *header, const char *section)
{
    xmlNode *node = NULL;
    for (int i = 0; i < sc_ismrmrd_fact_count; i++) {
        const sc_ismrmrd_fact *fact = &sc_ismrmrd_facts[i];
        const char *field = (const char *)header + fact->offset;
        double number;
        memcpy(&number, field, sizeof number);
        bool present =
            fact->size ? field[0] && xmlCheckUTF8((const unsigned char *)field) : !isnan(number);
        if (!present || strcmp(fact->section, section))
            continue;
        if (!node)
            node = add(root, section, NULL);
        if (fact->size)
            add(node, fact->name, field);
        else
            add_number(node, fact->name, number);
    }
    return node;
}

static void add_space(xmlNode *encoding, const char *name, const sc_ismrmrd_space *space)
{
    static const char *const axes[3] = {"x", "y", "z"};
    xmlNode *node = add(encoding, name, NULL);
    xmlNode *matrix = add(node, "matrixSize", NULL), *fov = add(node, "fieldOfView_mm", NULL);
    for (int a = 0; a < 3; a++) {
        add_number(matrix, axes[a], (double)space->matrix[a]);
        add_number(fov, axes[a], space->fov_mm[a]);
    }
}

static void add_encoding(xmlNode *root, const sc_ismrmrd_encoding *encoding)
{
    static const char *const steps[3] = {"kspace_encoding_step_0", "kspace_encoding_step_1",
                                         "kspace_encoding_step_2"};
    xmlNode *node = add(root, "encoding", NULL);
    add_space(node, "encodedSpace", &encoding->encoded);
    add_space(node, "reconSpace", &encoding->recon);
    xmlNode *limits = add(node, "encodingLimits", NULL);
    for (int i = 0; i < 3; i++) {
        const sc_ismrmrd_limit *limit = &encoding->step[i];
        if (!limit->known)
            continue;
        xmlNode *step = add(limits, steps[i], NULL);
        add_number(step, "minimum", (double)limit->minimum);
        add_number(step, "maximum", (double)limit->maximum);
        add_number(step, "center", (double)limit->center);
    }
    add(node, "trajectory", encoding->trajectory);
}

/* Noise bandwidth and channels stand between the field strength and the institution. */
static void add_system(xmlNode *root, const sc_ismrmrd_xml *xml, int64_t coils)
{
    xmlNode *node = add_section(root, &xml->header, "acquisitionSystemInformation"), *at;
    if (!node)
        node = add(root, "acquisitionSystemInformation", NULL);
    for (at = node->children; at; at = at->next)
        if (!strcmp((const char *)at->name, "institutionName") ||
            !strcmp((const char *)at->name, "stationName"))
            break;
    char text[32];
    xmlNode *const added[2] = {xmlNewNode(NULL, (const xmlChar *)"relativeReceiverNoiseBandwidth"),
                               xmlNewNode(NULL, (const xmlChar *)"receiverChannels")};
    const double value[2] = {xml->noise_bandwidth, (double)coils};
    for (int i = 0; i < 2; i++) {
        if (isnan(value[i])) {
            xmlFreeNode(added[i]);
            continue;
        }
        snprintf(text, sizeof text, "%.9g", value[i]);
        xmlNodeAddContent(added[i], (const xmlChar *)text);
        if (at)
            xmlAddPrevSibling(at, added[i]);
        else
            xmlAddChild(node, added[i]);
    }
}

static void add_all(xmlNode *root, const sc_ismrmrd_xml *xml, int64_t coils)
{
    add_section(root, &xml->header, "subjectInformation");
    add_section(root, &xml->header, "studyInformation");
    if (xml->header.patient_position[0]) /* the schema has no measurement without it */
        add_section(root, &xml->header, "measurementInformation");
    add_system(root, xml, coils);
    if (!add_section(root, &xml->header, "experimentalConditions"))
        add_number(add(root, "experimentalConditions", NULL), "H1resonanceFrequency_Hz", 0);
    for (int i = 0; i < xml->encodings; i++)
        add_encoding(root, &xml->encoding[i]);
    add_section(root, &xml->header, "sequenceParameters");
}

sc_status sc_ismrmrd_xml_write(char **text, const sc_ismrmrd_xml *xml, int64_t coils)
{
    xmlChar *dump = NULL;
    int length = 0;
    sc_status status = SC_OK;
    *text = NULL;
    xmlDoc *document = xmlNewDoc((const xmlChar *)"1.0");
    xmlNode *root = document ? xmlNewNode(NULL, (const xmlChar *)"ismrmrdHeader") : NULL;
    if (!root)
        SC_TRY(sc_fail(SC_ERR_MEMORY, "no memory for the XML header"));
    xmlDocSetRootElement(document, root);
    xmlSetNs(root, xmlNewNs(root, (const xmlChar *)"http://www.ismrm.org/ISMRMRD", NULL));
    add_all(root, xml, coils);
    xmlDocDumpFormatMemory(document, &dump, &length, 1);
    if (!dump)
        SC_TRY(sc_fail(SC_ERR_MEMORY, "no memory for the XML header"));
    SC_TRY(sc_string_copy(text, (const char *)dump));
cleanup:
    if (dump)
        xmlFree(dump);
    if (document)
        xmlFreeDoc(document);
    return status;
}
