#include "cli/train_about.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define TEXT_LIMIT ((size_t)1 << 20)

enum { MODALITY, ANATOMY, LICENCE, DATA, INIT, TEXTS };

static sc_status set(sc_train_about *about, int which, const char *text)
{
    sc_free(about->text[which]);
    about->text[which] = NULL;
    return sc_string_copy(&about->text[which], text);
}

/* Its texts, and in those of its data that this is another prior than the one they describe. */
static sc_status inherit(sc_train_about *about, const char *path)
{
    sc_status status = SC_OK;
    sc_weights base;
    char *data = NULL;
    SC_TRY(sc_weights_read(&base, path));
    const sc_weights_record *r = &base.record;
    size_t size = strlen(r->data) + 128;
    SC_TRY(SC_ALLOC(&data, (int64_t)size, "data record"));
    snprintf(data, size, "%s%sfine-tuned from SHA-256 %s", r->data, r->data[0] ? "; " : "",
             base.hash);
    SC_TRY(set(about, MODALITY, r->modality));
    SC_TRY(set(about, ANATOMY, r->anatomy));
    SC_TRY(set(about, LICENCE, r->licence));
    SC_TRY(set(about, DATA, data));
    SC_TRY(set(about, INIT, base.hash));
cleanup:
    sc_free(data);
    sc_weights_free(&base);
    return status;
}

/* What the file says, instead. */
static sc_status take(sc_train_about *about, const char *path)
{
    static const char *const keys[] = {
        [MODALITY] = "modality", [ANATOMY] = "anatomy", [LICENCE] = "licence", [DATA] = "data"};
    void *text = NULL;
    size_t bytes;
    json_error_t error;
    json_t *object = NULL;
    sc_status status = SC_OK;
    SC_TRY(sc_file_read(&text, &bytes, path, TEXT_LIMIT));
    object = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    if (!object)
        SC_TRY(sc_fail(SC_ERR_FORMAT, "%s: line %d: %s", path, error.line, error.text));
    for (int i = MODALITY; i <= DATA; i++) {
        const char *value = json_string_value(json_object_get(object, keys[i]));
        if (!value)
            SC_TRY(sc_fail(SC_ERR_FORMAT, "%s: expected a text '%s'", path, keys[i]));
        if (i == LICENCE && about->text[i] && about->text[i][0] && strcmp(about->text[i], value))
            sc_log(SC_LOG_WARN, "%s: licence '%s', but the prior that --init starts from has '%s'",
                   path, value, about->text[i]);
        SC_TRY(set(about, i, value));
    }
cleanup:
    json_decref(object);
    sc_free(text);
    return status;
}

static void publish(sc_train_about *about)
{
    about->about = (sc_training_about){.modality = about->text[MODALITY],
                                       .anatomy = about->text[ANATOMY],
                                       .licence = about->text[LICENCE],
                                       .data = about->text[DATA],
                                       .init = about->text[INIT]};
}

sc_status sc_train_about_read(sc_train_about *about, const char *path, const char *init)
{
    sc_status status = SC_OK;
    *about = (sc_train_about){0};
    if (init)
        SC_TRY(inherit(about, init));
    if (path)
        SC_TRY(take(about, path));
    about->told = path != NULL;
    for (int i = MODALITY; i <= DATA; i++)
        if (!about->text[i])
            SC_TRY(set(about, i, ""));
    publish(about);
cleanup:
    if (status != SC_OK)
        sc_train_about_free(about);
    return status;
}

/* The prior that a run began from is that of its checkpoint, whatever --init says later. */
static sc_status keep_init(sc_train_about *about, const char *init)
{
    const char *now = about->text[INIT];
    if (now && (!init || strcmp(now, init) != 0))
        sc_log(SC_LOG_WARN, "--init: the checkpoint began from %s%s, which is kept",
               init ? "SHA-256 " : "no other prior", init ? init : "");
    return set(about, INIT, init);
}

sc_status sc_train_about_resume(sc_train_about *about, const sc_training_about *kept)
{
    sc_status status = SC_OK;
    const char *const text[] = {[MODALITY] = kept->modality,
                                [ANATOMY] = kept->anatomy,
                                [LICENCE] = kept->licence,
                                [DATA] = kept->data};
    if (!kept->licence) /* a checkpoint that says nothing */
        return SC_OK;
    if (about->told && kept->licence[0] && strcmp(about->text[LICENCE], kept->licence) != 0)
        sc_log(SC_LOG_WARN, "licence '%s', but the checkpoint has '%s'", about->text[LICENCE],
               kept->licence);
    for (int i = MODALITY; i <= DATA && !about->told; i++)
        SC_TRY(set(about, i, text[i] ? text[i] : ""));
    SC_TRY(keep_init(about, kept->init));
cleanup:
    publish(about);
    return status;
}

void sc_train_about_free(sc_train_about *about)
{
    for (int i = 0; i < TEXTS; i++)
        sc_free(about->text[i]);
    *about = (sc_train_about){0};
}
