/* A run as a table: a line a step, then what it costs. */
#include "base/memory.h"
#include "prior/network/network_internal.h"
#include <stdarg.h>
#include <stdio.h>

#define LINE 160

typedef struct {
    char *data;
    size_t size, used;
} text;

static void print(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void print(text *t, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int length = vsnprintf(t->data + t->used, t->size - t->used, format, list);
    va_end(list);
    size_t room = t->size - t->used - 1;
    t->used += length < 0 ? 0 : (size_t)length < room ? (size_t)length : room;
}

static void print_step(text *t, const sc_run *run, int i)
{
    const sc_step *s = &run->step[i];
    const sc_node *node = s->node;
    const sc_parameter *p =
        node->parameter[0] < 0 ? NULL : &run->network->parameter[node->parameter[0]];
    const sc_buffer *out = &run->buffer[node->out];
    char from[32];
    snprintf(from, sizeof from, s->c[1] && !s->conv ? "%d+%d" : "%d", s->c[0], s->c[1]);
    print(t, "%4d %-9s %-34s %8s to %-4d %4dx%-4d %9.1f %s%8zu..%-8zu %s\n", i, node->layer->name,
          p ? p->name : "", from, s->out_c, s->out_h, s->out_w, s->flops * 1e-6,
          node->accumulate ? "+" : " ", out->offset / 1024, (out->offset + out->bytes) / 1024,
          s->conv ? s->device->kernels->net->conv_describe(s->conv) : "");
}

sc_status sc_run_describe(const sc_run *run, char **result)
{
    sc_status status = SC_OK;
    text t = {.size = (size_t)(run->network->nodes + 4) * LINE};
    *result = NULL;
    SC_TRY(SC_ALLOC(&t.data, t.size, "description"));
    print(&t, "step layer     parameters                         channels          size    MFLOP"
              "  output KiB\n");
    for (int i = 0; i < run->network->nodes; i++)
        print_step(&t, run, i);
    size_t sum = 0;
    for (int i = 0; i < run->buffers; i++)
        sum += run->buffer[i].bytes;
    print(&t, "%d images of %d x %d: %lld parameters, %.2f GFLOP forward, %.1f MiB (%.1f MiB of "
              "buffers share %.1f MiB)\n", run->n, run->h, run->w, (long long)run->network->theta,
          sc_run_flops(run) * 1e-9, (double)sc_run_bytes(run) / 1048576, (double)sum / 1048576,
          (double)run->arena_bytes / 1048576);
    *result = t.data;
cleanup:
    return status;
}
