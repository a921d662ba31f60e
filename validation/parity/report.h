/* What was compared: one row a quantity, a table of the worst of each kind, JSON.
 * Relative error is |a - b| / |b|, Euclidean norms of the whole tensor in double precision.
 */
#ifndef PARITY_REPORT_H
#define PARITY_REPORT_H

#include "tensors.h"
#include <stdio.h>

typedef struct report report;

/* A quantity passes when |a - b| <= relative |b| + floor as norms (its relative error is then that
 * of |b| + floor / relative: what is zero in exact arithmetic is measured by the floor); where
 * `absolute` is given, when no number is off by more; where `each` is given, when no number is off
 * by more than that part of itself. All zero: shown, not judged. */
typedef struct {
    double relative, floor, absolute, each;
} limit;

#define RELATIVE(x) ((limit){.relative = (x)})
#define ABSOLUTE(x) ((limit){.absolute = (x)})
#define EACH(x) ((limit){.each = (x)})
#define SHOWN ((limit){0})

typedef enum { PASSED, FAILED, JUST_SHOWN, NOT_AVAILABLE } verdict;

report *report_new(const char *folder);
void report_free(report *r); /* NULL is fine */
/* Rows that follow belong to this network or file. */
void report_group(report *r, const char *group);

/* ours against theirs, n numbers; kind: what the table's line is called. */
void report_compare(report *r, const char *kind, const char *name, const double *ours,
                    const double *theirs, int64_t n, limit at_most);
/* The row just added says this beside its numbers. */
void report_note(report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A quantity of the folder that the library cannot give, and why: not a failure. */
void report_absent(report *r, const char *kind, const char *name, const char *why);
/* A failure without numbers. */
void report_failure(report *r, const char *kind, const char *name, const char *why);

/* The rows of another report follow. */
void report_append(report *r, const report *other);

/* Every tensor of the file that nobody read is not available. */
void report_unread(report *r, const reference *file);

int report_failures(const report *r);
int report_rows(const report *r);
/* Markdown; verbose: every quantity. */
void report_table(const report *r, FILE *file, bool verbose);
sc_status report_json(const report *r, const char *path);

#endif
