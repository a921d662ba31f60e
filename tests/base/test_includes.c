/* The include graph of the house: reads every #include of the tree and fails on a forbidden one.
 * A folder may include those of its row below; another folder's *_internal.h is nobody's business
 * but that folder's. The second half plants forbidden includes in a copy of the tree and expects
 * each to be found. */
#include "base/file.h"
#include "base/memory.h"
#include "check.h"
#include <ctype.h>
#include <fts.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *folder, *may_include;
} rules[] = {
    {"base", ""},
    {"operators", "base"},
    {"prior", "base"},
    {"io", "base"},
    {"recon", "base operators prior"},
    {"protocols", "base operators prior io recon"},
    {"cli", "base operators prior io recon protocols"},
};
#define RULES (int)(sizeof rules / sizeof *rules)

typedef struct {
    int files, includes, forbidden;
    char first[PATH_MAX + 600]; /* the first forbidden one */
} findings;

static bool lists(const char *list, const char *word, size_t length)
{
    while (*list) {
        size_t n = strcspn(list, " ");
        if (n == length && strncmp(list, word, n) == 0)
            return true;
        list += n + (list[n] == ' ');
    }
    return false;
}

static bool ours(const char *word, size_t length)
{
    for (int i = 0; i < RULES; i++)
        if (strlen(rules[i].folder) == length && strncmp(rules[i].folder, word, length) == 0)
            return true;
    return false;
}

/* Why `target` may not be included in folder `rule`; NULL if it may. */
static const char *objection(int rule, const char *target)
{
    const char *slash = strchr(target, '/');
    size_t length = slash ? (size_t)(slash - target) : 0, end = strlen(target);
    const char *internal = "_internal.h";
    if (strstr(target, "../"))
        return "leaves its folder";
    if (!slash) /* beside it, or a system header; only programs may use the umbrella */
        return strcmp(target, "scorecon.h") == 0 && strcmp(rules[rule].folder, "cli") != 0
                   ? "the umbrella is for users"
                   : NULL;
    if (strncmp(target, "tests/", 6) == 0 || strncmp(target, "validation/", 11) == 0)
        return "the house does not stand on its tests";
    if (!ours(target, length) || lists(rules[rule].folder, target, length))
        return NULL;
    if (!lists(rules[rule].may_include, target, length))
        return "folder not allowed";
    if (end > strlen(internal) && strcmp(target + end - strlen(internal), internal) == 0)
        return "internal to its folder";
    return NULL;
}

/* Target of an #include line, or false. */
static bool parse_include(char target[256], const char *line)
{
    line += strspn(line, " \t");
    if (*line++ != '#')
        return false;
    line += strspn(line, " \t");
    if (strncmp(line, "include", 7) != 0)
        return false;
    line += 7 + strspn(line + 7, " \t");
    const char *close = *line == '"' ? "\"" : *line == '<' ? ">" : NULL;
    if (!close)
        return false;
    size_t length = strcspn(++line, close);
    if (length >= 256)
        return false;
    memcpy(target, line, length);
    target[length] = 0;
    return true;
}

static void read_file(findings *found, int rule, const char *path)
{
    void *data;
    size_t bytes;
    char target[256];
    int number = 1;
    if (sc_file_read(&data, &bytes, path, 1 << 24) != SC_OK)
        fail_msg("%s", sc_message());
    found->files++;
    for (const char *line = data; line; number++) {
        if (parse_include(target, line)) {
            const char *why = objection(rule, target);
            found->includes++;
            if (why && found->forbidden++ == 0)
                snprintf(found->first, sizeof found->first, "%s:%d: includes %s: %s", path, number,
                         target, why);
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    sc_free(data);
}

static bool is_source(const FTSENT *entry)
{
    const char *dot = strrchr(entry->fts_name, '.');
    return entry->fts_info == FTS_F && dot && lists(".c .h .cc .cu .cpp .cuh", dot, strlen(dot));
}

typedef void visitor(void *self, int rule, const char *path);

static void visit_sources(const char *root, visitor *visit, void *self)
{
    for (int i = 0; i < RULES; i++) {
        char folder[PATH_MAX];
        assert_int_equal(sc_path_join(folder, sizeof folder, root, rules[i].folder), SC_OK);
        char *roots[] = {folder, NULL};
        FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
        assert_non_null(walk);
        for (FTSENT *entry; (entry = fts_read(walk));)
            if (is_source(entry))
                visit(self, i, entry->fts_path);
        fts_close(walk);
    }
}

static void note(void *self, int rule, const char *path) { read_file(self, rule, path); }

static findings look_at(const char *root)
{
    findings found = {0};
    visit_sources(root, note, &found);
    return found;
}

static void no_folder_includes_what_it_may_not(void **state)
{
    (void)state;
    findings found = look_at(SC_SOURCE_DIR);
    assert_true(found.files > 20 && found.includes > 60);
    if (found.forbidden)
        fail_msg("%d forbidden includes; the first: %s", found.forbidden, found.first);
}

/* ---- the test of the test ---- */

static void copy_source(void *self, int rule, const char *path)
{
    sc_outdir *copy = self;
    const char *to;
    void *data;
    size_t bytes;
    (void)rule;
    assert_int_equal(sc_file_read(&data, &bytes, path, 1 << 24), SC_OK);
    assert_int_equal(sc_outdir_path(copy, &to, path + strlen(SC_SOURCE_DIR) + 1), SC_OK);
    FILE *file = fopen(to, "w"); /* not sc_file_write: no need to sync a scratch copy */
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    fclose(file);
    sc_free(data);
}

static void a_planted_include_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *file, *line, *why;
    } plants[] = {
        {"base/planted.c", "#include \"operators/operator.h\"\n", "not allowed"},
        {"base/cpu/planted.c", "\n  #  include <prior/score.h>\n", "planted.c:2"},
        {"operators/planted.c", "#include \"io/scan.h\"\n", "not allowed"},
        {"operators/deep/planted.h", "#include \"prior/sde.h\"\n", "not allowed"},
        {"prior/planted.c", "#include \"recon/problem.h\"\n", "not allowed"},
        {"io/planted.cc", "#include \"operators/operator.h\"\n", "not allowed"},
        {"recon/planted.c", "#include \"io/scan.h\"\n", "not allowed"},
        {"recon/planted.c", "#include \"base/file_internal.h\"\n", "internal"},
        {"protocols/planted.c", "#include \"cli/command.h\"\n", "not allowed"},
        {"protocols/planted.c", "#include \"../cli/command.h\"\n", "leaves its folder"},
        {"recon/planted.c", "#include \"scorecon.h\"\n", "umbrella"},
        {"cli/planted.c", "#include \"tests/base/check.h\"\n", "tests"},
        {"base/cuda/planted.cu", "#include \"recon/problem.h\"\n", "not allowed"},
    };
    char folder[] = "sc_test_includes.XXXXXX", place[64];
    assert_non_null(mkdtemp(folder));
    snprintf(place, sizeof place, "%s/tree", folder);
    sc_outdir *copy;
    assert_int_equal(sc_outdir_create(&copy, place), SC_OK);
    visit_sources(SC_SOURCE_DIR, copy_source, copy);
    const char *root, *planted;
    char kept_root[PATH_MAX];
    assert_int_equal(sc_outdir_path(copy, &root, ""), SC_OK);
    snprintf(kept_root, sizeof kept_root, "%s", root);
    assert_int_equal(look_at(kept_root).forbidden, 0);
    for (size_t i = 0; i < sizeof plants / sizeof *plants; i++) {
        assert_int_equal(sc_outdir_path(copy, &planted, plants[i].file), SC_OK);
        assert_int_equal(sc_file_write(planted, plants[i].line, strlen(plants[i].line)), SC_OK);
        findings found = look_at(kept_root);
        if (found.forbidden != 1 || !strstr(found.first, plants[i].why))
            fail_msg("%s in %s: found %d, %s", plants[i].line, plants[i].file, found.forbidden,
                     found.first);
        unlink(planted);
    }
    sc_outdir_discard(copy);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_folder_includes_what_it_may_not),
        cmocka_unit_test(a_planted_include_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
