/* Removal of readout oversampling; the contract is in scan_internal.h. */
#include "base/memory.h"
#include "io/scan_internal.h"
#include <string.h>

struct sc_crop {
    const sc_device *device;
    sc_fft *before, *after;
    sc_c32 *line, *kept_line; /* (lines, stored), (lines, kept); the same if stored == kept */
    int64_t stored, kept, lines;
};

sc_status sc_crop_create(sc_crop **made, const sc_device *device, int64_t stored, int64_t kept,
                         int64_t lines)
{
    sc_crop *crop = NULL;
    sc_status status = SC_OK;
    *made = NULL;
    SC_TRY(SC_ALLOC(&crop, 1, "crop"));
    *crop = (sc_crop){.device = device, .stored = stored, .kept = kept, .lines = lines};
    SC_TRY(SC_ALLOC(&crop->line, lines * stored, "lines"));
    crop->kept_line = crop->line;
    if (kept < stored) {
        const sc_kernels *k = device->kernels;
        crop->kept_line = NULL;
        SC_TRY(SC_ALLOC(&crop->kept_line, lines * kept, "lines"));
        SC_TRY(k->fft_create(device, &crop->before, 1, &stored, lines));
        SC_TRY(k->fft_create(device, &crop->after, 1, &kept, lines));
    }
    *made = crop;
    crop = NULL;
cleanup:
    sc_crop_free(crop);
    return status;
}

sc_c32 *sc_crop_lines(sc_crop *crop) { return crop->line; }

const sc_c32 *sc_crop_apply(sc_crop *crop)
{
    if (crop->kept == crop->stored)
        return crop->line;
    const sc_kernels *k = crop->device->kernels;
    int64_t start = crop->stored / 2 - crop->kept / 2;
    k->fft(crop->before, crop->line, crop->line, true);
    for (int64_t l = 0; l < crop->lines; l++)
        memcpy(crop->kept_line + l * crop->kept, crop->line + l * crop->stored + start,
               (size_t)crop->kept * sizeof *crop->line);
    k->fft(crop->after, crop->kept_line, crop->kept_line, false);
    return crop->kept_line;
}

void sc_crop_clear(sc_crop *crop)
{
    memset(crop->line, 0, (size_t)(crop->lines * crop->stored) * sizeof *crop->line);
}

void sc_crop_free(sc_crop *crop)
{
    if (!crop)
        return;
    if (crop->before)
        crop->device->kernels->fft_free(crop->before);
    if (crop->after)
        crop->device->kernels->fft_free(crop->after);
    if (crop->kept_line != crop->line)
        sc_free(crop->kept_line);
    sc_free(crop->line);
    sc_free(crop);
}
