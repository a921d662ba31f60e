#include "report.h"
#include <base/json.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char group[96], kind[64], name[160], note[160];
    double relative, absolute; /* |a - b| / |b|; largest |a - b| */
    double share;              /* of what is allowed */
    int64_t numbers;
    limit at_most;
    verdict verdict;
} row;

struct report {
    char folder[4096], group[96];
    row *rows;
    int count, room;
};

static const char *const words[] = {
    [PASSED] = "ok", [FAILED] = "**BEYOND**", [JUST_SHOWN] = "", [NOT_AVAILABLE] = "not available"};

report *report_new(const char *folder)
{
    report *r = calloc(1, sizeof *r);
    if (!r)
        abort();
    snprintf(r->folder, sizeof r->folder, "%s", folder);
    return r;
}

void report_free(report *r)
{
    if (!r)
        return;
    free(r->rows);
    free(r);
}

void report_group(report *r, const char *group)
{
    snprintf(r->group, sizeof r->group, "%s", group);
}

static row *add(report *r, const char *kind, const char *name)
{
    if (r->count == r->room) {
        r->room = r->room ? 2 * r->room : 256;
        r->rows = realloc(r->rows, (size_t)r->room * sizeof *r->rows);
        if (!r->rows)
            abort();
    }
    row *x = &r->rows[r->count++];
    *x = (row){0};
    snprintf(x->group, sizeof x->group, "%s", r->group);
    snprintf(x->kind, sizeof x->kind, "%s", kind);
    snprintf(x->name, sizeof x->name, "%s", name);
    return x;
}

/* A NaN of ours must not pass: comparisons are written so that it fails them. */
static double at_least(double most, double x) { return x <= most || isnan(most) ? most : x; }

void report_compare(report *r, const char *kind, const char *name, const double *ours,
                    const double *theirs, int64_t n, limit at_most)
{
    row *x = add(r, kind, name);
    double error = 0, norm = 0, each = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = fabs(ours[i] - theirs[i]);
        error += d * d;
        norm += theirs[i] * theirs[i];
        x->absolute = at_least(x->absolute, d);
        each = at_least(each, d == 0 ? 0 : d / fabs(theirs[i]));
    }
    error = sqrt(error);
    norm = sqrt(norm);
    x->numbers = n;
    x->at_most = at_most;
    double scale = norm + (at_most.relative > 0 ? at_most.floor / at_most.relative : 0);
    x->relative = at_most.each > 0 ? each : error == 0 ? 0 : error / scale;
    double found = error, allowed = at_most.relative * norm + at_most.floor;
    if (at_most.absolute > 0)
        found = x->absolute, allowed = at_most.absolute;
    else if (at_most.each > 0)
        found = each, allowed = at_most.each;
    x->share = found == 0 ? 0 : found / allowed;
    bool judged = at_most.absolute > 0 || at_most.relative > 0 || at_most.each > 0;
    x->verdict = !judged ? JUST_SHOWN : found <= allowed ? PASSED : FAILED;
}

void report_note(report *r, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    row *x = &r->rows[r->count - 1];
    vsnprintf(x->note, sizeof x->note, format, arguments);
    va_end(arguments);
}

void report_absent(report *r, const char *kind, const char *name, const char *why)
{
    row *x = add(r, kind, name);
    x->verdict = NOT_AVAILABLE;
    snprintf(x->note, sizeof x->note, "%s", why);
}

void report_failure(report *r, const char *kind, const char *name, const char *why)
{
    row *x = add(r, kind, name);
    x->verdict = FAILED;
    x->relative = x->absolute = x->share = INFINITY;
    snprintf(x->note, sizeof x->note, "%s", why);
}

void report_append(report *r, const report *other)
{
    for (int i = 0; i < other->count; i++) {
        row *x = add(r, "", "");
        char group[sizeof x->group];
        memcpy(group, x->group, sizeof group);
        *x = other->rows[i];
        memcpy(x->group, group, sizeof group);
    }
}

void report_unread(report *r, const reference *file)
{
    for (int i = 0; i < reference_count(file); i++)
        if (!reference_seen(file, i))
            report_absent(r, "not compared", reference_name(file, i), "no rule for this tensor");
}

static int count_of(const report *r, verdict v)
{
    int n = 0;
    for (int i = 0; i < r->count; i++)
        n += r->rows[i].verdict == v;
    return n;
}

int report_failures(const report *r) { return count_of(r, FAILED); }

int report_rows(const report *r) { return r->count; }

static bool same(const row *a, const row *b)
{
    return strcmp(a->group, b->group) == 0 && strcmp(a->kind, b->kind) == 0;
}

static bool first_of_kind(const report *r, int i)
{
    for (int j = 0; j < i; j++)
        if (same(&r->rows[i], &r->rows[j]))
            return false;
    return true;
}

static bool first_of_group(const report *r, int i)
{
    for (int j = 0; j < i; j++)
        if (strcmp(r->rows[i].group, r->rows[j].group) == 0)
            return false;
    return true;
}

/* The row of a kind that says most: a failure, then what is nearest to its limit. */
static bool worse(const row *a, const row *b)
{
    if ((a->verdict == FAILED) != (b->verdict == FAILED))
        return a->verdict == FAILED;
    if ((a->verdict == NOT_AVAILABLE) != (b->verdict == NOT_AVAILABLE))
        return b->verdict == NOT_AVAILABLE;
    if (a->verdict == JUST_SHOWN || b->verdict == JUST_SHOWN)
        return a->relative > b->relative;
    return a->share > b->share;
}

static const row *worst_of_kind(const report *r, int i, int *count)
{
    const row *worst = &r->rows[i];
    *count = 0;
    for (int j = i; j < r->count; j++)
        if (same(&r->rows[i], &r->rows[j])) {
            ++*count;
            worst = worse(&r->rows[j], worst) ? &r->rows[j] : worst;
        }
    return worst;
}

static void print_limit(FILE *file, limit l)
{
    if (l.absolute > 0)
        fprintf(file, "%.0e abs", l.absolute);
    else if (l.relative > 0 || l.each > 0)
        fprintf(file, l.each > 0 ? "%.0e each" : "%.0e", l.each > 0 ? l.each : l.relative);
}

static void print_row(FILE *file, const row *x, const char *first, int count)
{
    fprintf(file, "| %s | ", first);
    if (count)
        fprintf(file, "%d | ", count);
    if (x->verdict == NOT_AVAILABLE)
        fprintf(file, "| | ");
    else
        fprintf(file, "%.1e | %.1e | ", x->relative, x->absolute);
    print_limit(file, x->at_most);
    fprintf(file, " | %s | ", words[x->verdict]);
    if (count > 1 || (count && x->verdict == NOT_AVAILABLE))
        fprintf(file, "%s%s", x->name, x->note[0] ? ": " : "");
    fprintf(file, "%s |\n", x->note);
}

static void print_verbose(const report *r, FILE *file, const char *group)
{
    fprintf(file,
            "\n| every quantity of %s | relative | largest | limit | | |\n"
            "|---|---|---|---|---|---|\n",
            group);
    for (int i = 0; i < r->count; i++) {
        char first[256];
        if (strcmp(r->rows[i].group, group) != 0)
            continue;
        snprintf(first, sizeof first, "%s: %s", r->rows[i].kind, r->rows[i].name);
        print_row(file, &r->rows[i], first, 0);
    }
}

static void print_group(const report *r, FILE *file, int i)
{
    const char *group = r->rows[i].group;
    fprintf(file,
            "\n### %s\n\n| quantity | compared | worst relative | largest difference | limit "
            "| | worst |\n|---|---|---|---|---|---|---|\n",
            group);
    for (int j = i; j < r->count; j++) {
        int count;
        if (strcmp(r->rows[j].group, group) != 0 || !first_of_kind(r, j))
            continue;
        const row *worst = worst_of_kind(r, j, &count);
        print_row(file, worst, worst->kind, count);
    }
}

void report_table(const report *r, FILE *file, bool verbose)
{
    for (int i = 0; i < r->count; i++)
        if (first_of_group(r, i)) {
            print_group(r, file, i);
            if (verbose)
                print_verbose(r, file, r->rows[i].group);
        }
    fprintf(file,
            "\n%d quantities: %d within their limit, %d beyond, %d only shown, %d not available\n",
            r->count, count_of(r, PASSED), count_of(r, FAILED), count_of(r, JUST_SHOWN),
            count_of(r, NOT_AVAILABLE));
}

static sc_status row_json(json_t *rows, const row *x)
{
    static const char *const verdicts[] = {"passed", "failed", "shown", "not available"};
    sc_status status = SC_OK;
    json_t *o = json_object();
    SC_TRY(sc_json_append(rows, o));
    SC_TRY(sc_json_set_string(o, "group", x->group));
    SC_TRY(sc_json_set_string(o, "kind", x->kind));
    SC_TRY(sc_json_set_string(o, "name", x->name));
    SC_TRY(sc_json_set_string(o, "verdict", verdicts[x->verdict]));
    if (x->note[0])
        SC_TRY(sc_json_set_string(o, "note", x->note));
    if (x->verdict == NOT_AVAILABLE)
        return SC_OK;
    SC_TRY(sc_json_set_int(o, "numbers", x->numbers));
    SC_TRY(sc_json_set_real(o, "relative", x->relative));
    SC_TRY(sc_json_set_real(o, "absolute", x->absolute));
    SC_TRY(sc_json_set_real(o, "limit_relative", x->at_most.relative));
    SC_TRY(sc_json_set_real(o, "limit_floor", x->at_most.floor));
    SC_TRY(sc_json_set_real(o, "limit_absolute", x->at_most.absolute));
    SC_TRY(sc_json_set_real(o, "limit_each", x->at_most.each));
cleanup:
    return status;
}

sc_status report_json(const report *r, const char *path)
{
    sc_status status = SC_OK;
    json_t *root = json_object(), *rows = json_array();
    SC_TRY(sc_json_set(root, "rows", rows));
    SC_TRY(sc_json_set_string(root, "folder", r->folder));
    SC_TRY(sc_json_set_int(root, "passed", count_of(r, PASSED)));
    SC_TRY(sc_json_set_int(root, "failed", count_of(r, FAILED)));
    SC_TRY(sc_json_set_int(root, "shown", count_of(r, JUST_SHOWN)));
    SC_TRY(sc_json_set_int(root, "not_available", count_of(r, NOT_AVAILABLE)));
    for (int i = 0; i < r->count; i++)
        SC_TRY(row_json(rows, &r->rows[i]));
    SC_TRY(sc_json_write(path, root));
cleanup:
    json_decref(root);
    return status;
}
