/* The XML header of an ISMRMRD file, through libxml2 with network, entities and DTDs off.
 *
 * The schema is not enforced: newer writers add elements that it lacks, so what we need is looked
 * up by local name and the rest is passed over. What we need must be well formed.
 */
#include "base/progress.h"
#include "io/ismrmrd_internal.h"
#include <ctype.h>
#include <errno.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static xmlNode *next_named(xmlNode *node, const char *name)
{
    while (node && (node->type != XML_ELEMENT_NODE || strcmp((const char *)node->name, name)))
        node = node->next;
    return node;
}

static xmlNode *child(const xmlNode *parent, const char *name)
{
    return parent ? next_named(parent->children, name) : NULL;
}

/* Text of an element, trimmed and cut to size - 1 bytes at a UTF-8 boundary; "" if absent. */
static void text_of(char *text, size_t size, const xmlNode *node)
{
    text[0] = 0;
    xmlChar *content = node ? xmlNodeGetContent(node) : NULL;
    if (!content)
        return;
    const char *start = (const char *)content + strspn((const char *)content, " \t\r\n");
    size_t n = strlen(start);
    while (n && strchr(" \t\r\n", start[n - 1]))
        n--;
    if (n > size - 1)
        for (n = size - 1; n && ((unsigned char)start[n] & 0xc0) == 0x80;)
            n--;
    memcpy(text, start, n);
    text[n] = 0;
    for (; *text; text++) /* messages are one line, whatever a header holds */
        if (iscntrl((unsigned char)*text))
            *text = ' ';
    xmlFree(content);
}

static sc_status number_of(double *value, const xmlNode *node)
{
    char text[64], *end;
    text_of(text, sizeof text, node);
    errno = 0;
    *value = strtod(text, &end);
    if (end == text || *end || !isfinite(*value))
        return sc_fail(SC_ERR_FORMAT, "header: <%s> is '%s', expected a number",
                       (const char *)node->name, text);
    return SC_OK;
}

static sc_status integer_of(int64_t *value, const xmlNode *node, int64_t low)
{
    double number;
    sc_status status = number_of(&number, node);
    if (status != SC_OK)
        return status;
    if (number != floor(number) || number < (double)low || number > UINT16_MAX)
        return sc_fail(SC_ERR_FORMAT, "header: <%s> is %g, expected an integer of %lld to %d",
                       (const char *)node->name, number, (long long)low, UINT16_MAX);
    *value = (int64_t)number;
    return SC_OK;
}

static const char *const axes[3] = {"x", "y", "z"};

static sc_status read_space(sc_ismrmrd_space *space, const xmlNode *encoding, const char *name)
{
    const xmlNode *node = child(encoding, name), *matrix = child(node, "matrixSize"),
                  *fov = child(node, "fieldOfView_mm");
    for (int a = 0; a < 3; a++) {
        const xmlNode *size = child(matrix, axes[a]), *length = child(fov, axes[a]);
        if (!size)
            return sc_fail(SC_ERR_FORMAT, "header: <%s> has no matrixSize <%s>", name, axes[a]);
        sc_status status = integer_of(&space->matrix[a], size, 1);
        space->fov_mm[a] = 0;
        if (status == SC_OK && length)
            status = number_of(&space->fov_mm[a], length);
        if (status != SC_OK)
            return status;
        if (space->fov_mm[a] < 0)
            return sc_fail(SC_ERR_FORMAT, "header: <%s> field of view is %g mm", name,
                           space->fov_mm[a]);
    }
    return SC_OK;
}

static sc_status read_limit(sc_ismrmrd_limit *limit, const xmlNode *limits, int step)
{
    static const char *const names[3] = {"kspace_encoding_step_0", "kspace_encoding_step_1",
                                         "kspace_encoding_step_2"};
    const xmlNode *node = child(limits, names[step]);
    int64_t *const values[3] = {&limit->minimum, &limit->maximum, &limit->center};
    static const char *const parts[3] = {"minimum", "maximum", "center"};
    limit->known = node != NULL;
    for (int i = 0; node && i < 3; i++) {
        const xmlNode *part = child(node, parts[i]);
        if (!part)
            return sc_fail(SC_ERR_FORMAT, "header: <%s> has no <%s>", names[step], parts[i]);
        sc_status status = integer_of(values[i], part, 0);
        if (status != SC_OK)
            return status;
    }
    return SC_OK;
}

static sc_status read_encoding(sc_ismrmrd_encoding *encoding, const xmlNode *node)
{
    sc_status status = SC_OK;
    SC_TRY(read_space(&encoding->encoded, node, "encodedSpace"));
    SC_TRY(read_space(&encoding->recon, node, "reconSpace"));
    for (int i = 0; i < 3; i++)
        SC_TRY(read_limit(&encoding->step[i], child(node, "encodingLimits"), i));
    text_of(encoding->trajectory, sizeof encoding->trajectory, child(node, "trajectory"));
    for (char *c = encoding->trajectory; *c; c++)
        *c = (char)tolower((unsigned char)*c);
cleanup:
    return status;
}

/* A fact that is not of its kind is absent, with a word in the log: no image depends on it. */
static void read_facts(sc_header *header, const xmlNode *root)
{
    sc_header_clear(header);
    for (size_t i = 0; i < (size_t)sc_ismrmrd_fact_count; i++) {
        const xmlNode *node =
            child(child(root, sc_ismrmrd_facts[i].section), sc_ismrmrd_facts[i].name);
        void *field = (char *)header + sc_ismrmrd_facts[i].offset;
        if (!node)
            continue;
        if (sc_ismrmrd_facts[i].size)
            text_of(field, sc_ismrmrd_facts[i].size, node);
        else if (number_of(field, node) != SC_OK) {
            *(double *)field = NAN;
            sc_log(SC_LOG_WARN, "header: <%s> is not a number and is left out",
                   sc_ismrmrd_facts[i].name);
        }
    }
    if (header->frequency_hz == 0) /* the schema demands the element: 0 is its "not known" */
        header->frequency_hz = NAN;
}

static sc_status read_root(sc_ismrmrd_xml *xml, const xmlNode *root)
{
    const xmlNode *system = child(root, "acquisitionSystemInformation"),
                  *bandwidth = child(system, "relativeReceiverNoiseBandwidth");
    sc_status status = SC_OK;
    xml->noise_bandwidth = NAN;
    read_facts(&xml->header, root);
    if (bandwidth) {
        SC_TRY(number_of(&xml->noise_bandwidth, bandwidth));
        if (!(xml->noise_bandwidth > 0.01 && xml->noise_bandwidth < 100))
            SC_TRY(sc_fail(SC_ERR_FORMAT, "header: relativeReceiverNoiseBandwidth is %g",
                           xml->noise_bandwidth));
    }
    for (xmlNode *node = child(root, "encoding"); node; node = next_named(node->next, "encoding")) {
        if (xml->encodings == SC_ISMRMRD_ENCODINGS)
            SC_TRY(sc_fail(SC_ERR_UNSUPPORTED, "header: more than %d encodings",
                           SC_ISMRMRD_ENCODINGS));
        SC_TRY(read_encoding(&xml->encoding[xml->encodings++], node));
    }
    if (xml->encodings == 0)
        status = sc_fail(SC_ERR_FORMAT, "header: no <encoding>");
cleanup:
    return status;
}

sc_status sc_ismrmrd_xml_read(sc_ismrmrd_xml *xml, const char *text)
{
    sc_status status = SC_OK;
    *xml = (sc_ismrmrd_xml){0};
    size_t length = strlen(text);
    if (length > SC_ISMRMRD_XML_LIMIT)
        return sc_fail(SC_ERR_FORMAT, "header of %zu bytes", length);
    xmlDoc *document = xmlReadMemory(text, (int)length, NULL, NULL,
                                     XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                         XML_PARSE_NOCDATA | XML_PARSE_COMPACT);
    if (!document)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "header is not well-formed XML"));
    if (document->intSubset || document->extSubset)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "header holds a document type declaration"));
    const xmlNode *root = xmlDocGetRootElement(document);
    if (!root || strcmp((const char *)root->name, "ismrmrdHeader"))
        SC_TRY(sc_fail(SC_ERR_FORMAT, "header is not <ismrmrdHeader>"));
    SC_TRY(read_root(xml, root));
cleanup:
    if (document)
        xmlFreeDoc(document);
    return status;
}
