/* What a run says of the prior that it makes: modality, anatomy, licence, attribution and the prior
 * that it began from. Its checkpoints hold it as JSON, so that a continuation does not have to be
 * told again what may be done with the weights.
 */
#include "base/memory.h"
#include "prior/training_internal.h"
#include <jansson.h>
#include <stdlib.h>

/* Command and program are not kept: a continuation has its own. */
static const struct {
    const char *key;
    size_t offset;
} kept[] = {{"modality", offsetof(sc_training_about, modality)},
            {"anatomy", offsetof(sc_training_about, anatomy)},
            {"licence", offsetof(sc_training_about, licence)},
            {"data", offsetof(sc_training_about, data)},
            {"init", offsetof(sc_training_about, init)}};

#define KEPT (sizeof kept / sizeof *kept)

static const char **text_of(sc_training_about *about, size_t i)
{
    return (const char **)((char *)about + kept[i].offset);
}

void sc_training_forget(sc_training_about *about)
{
    for (size_t i = 0; i < KEPT; i++)
        sc_free((char *)*text_of(about, i));
    *about = (sc_training_about){0};
}

static sc_status copy(sc_training_about *to, const sc_training_about *from)
{
    sc_status status = SC_OK;
    sc_training_about whole = *from;
    *to = (sc_training_about){0};
    for (size_t i = 0; i < KEPT; i++)
        SC_TRY(sc_string_copy((char **)text_of(to, i), *text_of(&whole, i)));
cleanup:
    if (status != SC_OK)
        sc_training_forget(to);
    return status;
}

sc_status sc_training_describe(sc_training *t, const sc_training_about *about)
{
    sc_training_about mine;
    sc_status status = copy(&mine, about);
    if (status != SC_OK)
        return status;
    sc_training_forget(&t->about);
    t->about = mine;
    return SC_OK;
}

const sc_training_about *sc_training_described(const sc_training *t) { return &t->about; }

sc_status sc_training_about_print(char **json, const sc_training_about *about)
{
    sc_training_about whole = *about;
    json_t *object = json_object();
    *json = NULL;
    for (size_t i = 0; i < KEPT; i++)
        if (*text_of(&whole, i))
            json_object_set_new(object, kept[i].key, json_string(*text_of(&whole, i)));
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    sc_status status = text ? sc_string_copy(json, text)
                            : sc_fail(SC_ERR_MEMORY, "checkpoint: no memory for what it says of "
                                                     "the prior");
    free(text);
    return status;
}

sc_status sc_training_about_parse(sc_training_about *about, const char *json)
{
    sc_training_about found = {0};
    *about = found;
    if (!json) /* of an older version */
        return SC_OK;
    json_t *object = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        return sc_fail(SC_ERR_FORMAT, "what the checkpoint says of the prior is no JSON object");
    }
    for (size_t i = 0; i < KEPT; i++)
        *text_of(&found, i) = json_string_value(json_object_get(object, kept[i].key));
    sc_status status = copy(about, &found);
    json_decref(object);
    return status;
}
