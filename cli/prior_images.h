/* What the commands about a prior share: the prior of --prior on the device of --device, images as
 * it expects them, stacks of images on disk.
 *
 * Images are read as `train` reads them (train_data.h): slices of files and folders without those
 * that hold no signal, CT as (HU + 1000) / 2000, others scaled to a 99.9th percentile of 1. A prior
 * of two channels takes a magnitude as the real part of an image without phase; one whose black is
 * not 0 gets black + (1 - black) x.
 */
#ifndef SC_CLI_PRIOR_IMAGES_H
#define SC_CLI_PRIOR_IMAGES_H

#include "cli/command.h"
#include "cli/train_data.h"
#include "prior/score.h"

typedef struct {
    const char *path;
    bool cuda;
    sc_precision precision;
} sc_cli_prior;

/* --prior (without it the shipped one, and wrong use if there is none) and --device: an argp child
 * whose input is a sc_cli_prior. */
extern const struct argp sc_cli_prior_argp;

#define SC_CLI_PATHS 1000

typedef struct {
    char *path[SC_CLI_PATHS];
    int paths, matrix; /* matrix: largest number of rows */
} sc_cli_input;

/* IMAGES..., at least one, and --matrix: an argp child whose input is a sc_cli_input. */
extern const struct argp sc_cli_input_argp;

/* *gpu: must outlive the score; NULL on the CPU. */
sc_status sc_cli_prior_load(sc_score **score, sc_device **gpu, const sc_cli_prior *prior,
                            int threads);

typedef struct {
    const sc_score *score; /* borrowed */
    sc_device *device;
    sc_slice_store *store;
    sc_train_data *data; /* (paths) */
    int paths, count;    /* count: images in all paths */
} sc_cli_images;

typedef struct {
    const char *name;
    float *x; /* (h, w, channels), to be freed with sc_free */
    int h, w;
    uint32_t key; /* of its numbers: the same wherever the image comes from */
} sc_cli_image;

/* Images with more rows than matrix are reduced, by cutting k-space. *set is to be freed after a
 * failure, too. output: a file whose folder may hold what memory does not, or NULL. */
sc_status sc_cli_images_open(sc_cli_images *set, const sc_score *score, const sc_cli_input *input,
                             const char *output);
sc_status sc_cli_images_get(sc_cli_image *image, sc_cli_images *set, int index);
void sc_cli_images_free(sc_cli_images *set);

/* x (n, h, w, channels): a .npy (n, y, x), complex for two channels; (n, y, x, channel) for more.
 */
sc_status sc_cli_stack_write(const char *path, float *x, int n, int h, int w, int channels);

/* The same read back, or one image (y, x), for a prior of `channels`. *x is to be freed. */
sc_status sc_cli_stack_read(float **x, int *n, int *h, int *w, int channels, const char *path);

#endif
