/* What `sample` is told of the image: --inpaint IMAGE with --mask, --colourise IMAGE. */
#ifndef SC_CLI_SAMPLE_KNOWN_H
#define SC_CLI_SAMPLE_KNOWN_H

#include "cli/prior_images.h"
#include "prior/condition.h"

typedef struct {
    const char *inpaint, *mask, *colourise; /* arguments; NULL: not given */
} sc_cli_observed;

typedef struct {
    int h, w;
    float *y;            /* (h, w, channels) */
    unsigned char *mask; /* (h, w, channels) */
    double *mix;         /* (channels, channels) or NULL */
    sc_condition condition;
} sc_cli_known;

/* The image is one slice, read and scaled as likelihood does. --colourise observes the mean of the
 * channels, for complex images that of real and imaginary part; a real .npy (y, x) is that mean
 * itself, in the prior's units. *known is to be freed after a failure, too. */
sc_status sc_cli_known_read(sc_cli_known *known, const sc_cli_observed *from,
                            const sc_score *score);
void sc_cli_known_free(sc_cli_known *known);

#endif
