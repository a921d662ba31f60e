/* Memory of a run: one arena, buffers that are never alive together share bytes.
 *
 * Greedy by size (Pisarchyk and Lee 2020, "Efficient memory management for deep neural net
 * inference"): the largest first, each at the lowest place that is free for all of its life.
 */
#include "base/memory.h"
#include "prior/network/network_internal.h"
#include <stdlib.h>

static int by_size(const void *a, const void *b)
{
    const sc_buffer *x = *(sc_buffer *const *)a, *y = *(sc_buffer *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x < y ? -1 : x > y; /* qsort is not stable */
}

static bool alive_together(const sc_buffer *a, const sc_buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Insert into a list kept in the order of offsets. */
static void insert(sc_buffer **placed, int count, sc_buffer *buffer)
{
    int i = count;
    for (; i > 0 && placed[i - 1]->offset > buffer->offset; i--)
        placed[i] = placed[i - 1];
    placed[i] = buffer;
}

static size_t lowest_place(sc_buffer *const *placed, int count, const sc_buffer *buffer)
{
    size_t place = 0;
    for (int i = 0; i < count; i++) {
        if (!alive_together(placed[i], buffer))
            continue;
        if (placed[i]->offset >= place + buffer->bytes)
            return place;
        size_t end = placed[i]->offset + placed[i]->bytes;
        place = end > place ? end : place;
    }
    return place;
}

sc_status sc_plan_offsets(size_t *arena_bytes, sc_buffer *buffer, int count)
{
    sc_status status = SC_OK;
    sc_buffer **order = NULL, **placed = NULL;
    *arena_bytes = 0;
    SC_TRY(SC_ALLOC(&order, count, "memory plan"));
    SC_TRY(SC_ALLOC(&placed, count, "memory plan"));
    for (int i = 0; i < count; i++) {
        buffer[i].bytes = (buffer[i].bytes + 63) / 64 * 64;
        order[i] = &buffer[i];
    }
    qsort(order, (size_t)count, sizeof *order, by_size);
    for (int i = 0; i < count; i++) {
        order[i]->offset = lowest_place(placed, i, order[i]);
        insert(placed, i, order[i]);
        size_t end = order[i]->offset + order[i]->bytes;
        *arena_bytes = end > *arena_bytes ? end : *arena_bytes;
    }
cleanup:
    sc_free(placed);
    sc_free(order);
    return status;
}
