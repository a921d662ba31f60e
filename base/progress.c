#include "base/progress.h"
#include <stdarg.h>
#include <stdio.h>

sc_status sc_progress_step(const sc_progress *progress, const char *phase, double done,
                           double total)
{
    if (!progress)
        return SC_OK;
    if (progress->cancelled && progress->cancelled(progress->self))
        return sc_fail(SC_ERR_CANCELLED, "stopped during %s", phase);
    if (progress->report)
        progress->report(progress->self, phase, done, total);
    return SC_OK;
}

static void report_part(void *self, const char *phase, double done, double total)
{
    const sc_progress_part *p = self;
    if (p->outer && p->outer->report)
        p->outer->report(p->outer->self, phase, p->index + done / total, p->count);
}

static bool part_cancelled(void *self)
{
    const sc_progress_part *p = self;
    return p->outer && p->outer->cancelled && p->outer->cancelled(p->outer->self);
}

sc_progress sc_progress_of(sc_progress_part *part)
{
    return (sc_progress){part, report_part, part_cancelled};
}

static sc_log_sink *log_sink;
static void *log_self;

void sc_log_set(sc_log_sink *sink, void *self)
{
    log_sink = sink;
    log_self = self;
}

void sc_log(sc_log_level level, const char *format, ...)
{
    if (!log_sink)
        return;
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    log_sink(log_self, level, message);
}
