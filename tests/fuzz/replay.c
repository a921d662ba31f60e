/* Feeds a fuzz target every file in the folders given: the committed seeds, as an ordinary test. */
#include "tests/fuzz/fuzz.h"
#include <dirent.h>

static int replay(const char *path)
{
    static uint8_t data[1 << 20];
    FILE *file = fopen(path, "rb");
    if (!file)
        return 0;
    size_t size = fread(data, 1, sizeof data, file);
    fclose(file);
    uint8_t *copy = malloc(size ? size : 1); /* exact, so that a sanitizer sees its end */
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    return 1;
}

int main(int argc, char **argv)
{
    int inputs = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        for (struct dirent *entry = folder ? readdir(folder) : NULL; entry;
             entry = readdir(folder)) {
            char path[1024];
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            if (entry->d_name[0] != '.')
                inputs += replay(path);
        }
        if (folder)
            closedir(folder);
    }
    printf("%d inputs\n", inputs);
    return inputs == 0;
}
