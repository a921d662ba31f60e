/* A program outside the tree: denoise nothing, but use the library's public face. */
#include <scorecon.h>
#include <stdio.h>

int main(void)
{
    sc_device *device;
    if (sc_device_create_cpu(&device, 1) != SC_OK) {
        fprintf(stderr, "%s\n", sc_message());
        return sc_status_exit(SC_ERR_INTERNAL);
    }
    sc_shape shape = {SC_C32, 2, {15, 12}};
    sc_op *fourier;
    if (sc_op_fourier(&fourier, device, &shape, 2) != SC_OK) {
        fprintf(stderr, "%s\n", sc_message());
        return 1;
    }
    printf("%s %lld\n", fourier->name, (long long)sc_shape_elements(&fourier->range));
    sc_op_free(fourier);
    sc_device_free(device);
    return 0;
}
