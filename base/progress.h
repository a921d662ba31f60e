/* Progress, cancelling and logging through callbacks: the library itself never prints. */
#ifndef SC_BASE_PROGRESS_H
#define SC_BASE_PROGRESS_H

#include "base/status.h"
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    void *self;
    /* done of total steps of a phase ("slices", "training"); may be NULL */
    void (*report)(void *self, const char *phase, double done, double total);
    bool (*cancelled)(void *self); /* may be NULL; must be callable from any thread */
} sc_progress;

/* Report, and SC_ERR_CANCELLED if the caller wants to stop. NULL progress is fine. */
sc_status sc_progress_step(const sc_progress *progress, const char *phase, double done,
                           double total);

/* One of `count` equal parts of a longer job: its progress is passed on as that of the whole. */
typedef struct {
    const sc_progress *outer; /* may be NULL */
    int index, count;
} sc_progress_part;

/* Borrows the part, whose index may move on meanwhile. */
sc_progress sc_progress_of(sc_progress_part *part);

typedef enum { SC_LOG_DEBUG, SC_LOG_INFO, SC_LOG_WARN, SC_LOG_ERROR } sc_log_level;

typedef void sc_log_sink(void *self, sc_log_level level, const char *message);

/* The process-wide sink; NULL (the default) drops messages. Set before threads start. */
void sc_log_set(sc_log_sink *sink, void *self);
void sc_log(sc_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif
#endif
