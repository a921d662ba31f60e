/* The plane of an image in DICOM's words: orientation, spacing and the position of the first
 * voxel, from a volume's geometry (INTEGRATION.md section 2).
 *
 * ImageOrientationPatient = direction of increasing column index, then of increasing row index;
 * PixelSpacing = distance of rows, then of columns. Real slice positions are used where known:
 * the stack may have gaps or be sheared, each slice is right by itself.
 */
#include "base/memory.h"
#include "io/dicom_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* Unit vectors in double, the second made exactly orthogonal to the first: six values of 16
 * characters must pass a reader's test of orthogonality. */
static sc_status orient(sc_dicom_stack *stack, const sc_geometry *g)
{
    double u[2][3];
    for (int axis = 0; axis < 2; axis++) {
        for (int i = 0; i < 3; i++)
            u[axis][i] = g->affine[i][axis];
        double length = sqrt(dot(u[axis], u[axis]));
        if (!(length > 0) || !isfinite(length))
            return sc_fail(SC_ERR_INPUT, "geometry: pixel spacing %g mm, expected a positive size",
                           length);
        stack->pixel_spacing[1 - axis] = length;
        for (int i = 0; i < 3; i++)
            u[axis][i] /= length;
    }
    double skew = dot(u[0], u[1]);
    if (fabs(skew) > 1e-3)
        return sc_fail(SC_ERR_INPUT,
                       "geometry: rows and columns are not at right angles (cosine %.3g)", skew);
    for (int i = 0; i < 3; i++)
        u[1][i] -= skew * u[0][i];
    double length = sqrt(dot(u[1], u[1]));
    for (int i = 0; i < 3; i++) {
        stack->orientation[i] = u[0][i];
        stack->orientation[3 + i] = u[1][i] / length;
    }
    const double *r = stack->orientation, *p = r + 3;
    for (int i = 0; i < 3; i++)
        stack->normal[i] = r[(i + 1) % 3] * p[(i + 2) % 3] - r[(i + 2) % 3] * p[(i + 1) % 3];
    return SC_OK;
}

static double depth(const sc_dicom_stack *stack, int64_t slice)
{
    return dot(stack->position + 3 * slice, stack->normal);
}

/* Insertion sort: stacks are short and nearly sorted, up or down. */
static void sort_by_depth(sc_dicom_stack *stack)
{
    bool down = depth(stack, 0) > depth(stack, stack->slices - 1);
    for (int64_t k = 0; k < stack->slices; k++)
        stack->order[k] = down ? stack->slices - 1 - k : k;
    for (int64_t k = 1; k < stack->slices; k++) {
        int64_t slice = stack->order[k], at = k;
        for (; at > 0 && depth(stack, stack->order[at - 1]) > depth(stack, slice); at--)
            stack->order[at] = stack->order[at - 1];
        stack->order[at] = slice;
    }
}

/* Distance of neighbours: none may be zero; one number only if all agree. */
static sc_status space(sc_dicom_stack *stack)
{
    int64_t n = stack->slices;
    if (n < 2)
        return SC_OK;
    double mean = (depth(stack, stack->order[n - 1]) - depth(stack, stack->order[0])) / (double)(n - 1);
    stack->spacing = mean;
    for (int64_t k = 1; k < n; k++) {
        double step = depth(stack, stack->order[k]) - depth(stack, stack->order[k - 1]);
        if (!(step > 1e-3))
            return sc_fail(SC_ERR_INPUT, "geometry: slices %lld and %lld lie in one place",
                           (long long)stack->order[k - 1], (long long)stack->order[k]);
        if (fabs(step - mean) > fmax(0.01 * mean, 1e-3))
            stack->spacing = 0;
    }
    return SC_OK;
}

sc_status sc_dicom_stack_create(sc_dicom_stack *stack, const sc_geometry *geometry, int64_t slices)
{
    sc_status status = SC_OK;
    memset(stack, 0, sizeof *stack);
    if (!geometry->known)
        return sc_fail(SC_ERR_INPUT, "DICOM needs to know where the image lies in the patient, and "
                                     "the scan does not say: give it with --geometry FILE");
    if (geometry->slices != slices)
        return sc_fail(SC_ERR_INPUT, "geometry describes %lld slices, the image has %lld",
                       (long long)geometry->slices, (long long)slices);
    stack->slices = slices;
    SC_TRY(orient(stack, geometry));
    SC_TRY(SC_ALLOC(&stack->position, 3 * slices, "slice positions"));
    SC_TRY(SC_ALLOC(&stack->order, slices, "slice order"));
    for (int64_t k = 0; k < slices; k++)
        for (int i = 0; i < 3; i++) {
            double x = geometry->slice_position
                           ? geometry->slice_position[3 * k + i]
                           : geometry->affine[i][3] + (double)k * geometry->affine[i][2];
            if (!isfinite(x)) {
                status = sc_fail(SC_ERR_INPUT, "geometry: position of slice %lld is not finite",
                                 (long long)k);
                goto cleanup;
            }
            stack->position[3 * k + i] = x;
        }
    sort_by_depth(stack);
    SC_TRY(space(stack));
cleanup:
    if (status != SC_OK)
        sc_dicom_stack_free(stack);
    return status;
}

void sc_dicom_stack_free(sc_dicom_stack *stack)
{
    if (!stack)
        return;
    sc_free(stack->position);
    sc_free(stack->order);
    memset(stack, 0, sizeof *stack);
}
