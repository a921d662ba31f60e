/* From a stored image to a training example: a crop of random position, flipped, sometimes turned
 * and zoomed, of random brightness, and for complex networks with a smooth random phase.
 *
 * Every draw is a function of (seed, step, item): SC_DRAW_DATASET + purpose with key.slice = step
 * and key.sample = item, so an example can be made again alone.
 */
#ifndef SC_PRIOR_AUGMENT_H
#define SC_PRIOR_AUGMENT_H

#include "base/array.h"
#include "base/random.h"

/* Where training images come from. The library does not read files itself. */
typedef struct {
    void *self;
    int count;
    const double *weight; /* (count) relative frequency of each image; NULL: all alike */
    const double *scale;  /* (count) what the values are divided by, where that is known, as for CT:
                             brightness is left alone; NULL: sc_image_scale of each */
    /* image: a view, f32 or c32 (y, x), valid until the next get. One thread at a time. */
    sc_status (*get)(void *self, sc_array *image, int index);
    const char *(*name)(void *self, int index); /* for messages and the data's fingerprint */
} sc_image_source;

/* Purposes within SC_DRAW_DATASET. */
enum {
    SC_DATASET_PICK,     /* which image */
    SC_DATASET_GEOMETRY, /* crop, flips, turn, zoom */
    SC_DATASET_PHASE,
    SC_DATASET_SIGMA,
    SC_DATASET_NOISE
};

/* What may be left out; the position of the crop stays random. */
enum {
    SC_WITHOUT_FLIPS = 1, /* and transposition */
    SC_WITHOUT_TURN = 2,
    SC_WITHOUT_ZOOM = 4,
    SC_WITHOUT_BRIGHTNESS = 8,
    SC_WITHOUT_PHASE = 16 /* of complex networks */
};

typedef struct {
    int crop;         /* height and width of the example */
    int channels;     /* 2: (re, im) with random phase; 1: the values themselves */
    unsigned without; /* bits of the above */
    bool fixed;       /* validation: centre crop, no flips, no resampling, brightness 1 */
} sc_augmentation;

/* 99.9th percentile of the magnitude of an image, the scale of the priors. SC_ERR_INPUT if the
 * image holds a number that is not finite, or is empty (percentile 0). */
sc_status sc_image_scale(double *scale, const sc_array *image);

/* x (crop, crop, channels) = example of image / scale. Smaller images are padded with zeros. */
void sc_augment(float *x, const sc_array *image, double scale, const sc_augmentation *how,
                sc_key key);

#endif
