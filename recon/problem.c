#include "recon/problem.h"
#include "base/memory.h"

void sc_problem_free(sc_problem *problem)
{
    if (!problem)
        return;
    sc_op_free(problem->A);
    sc_op_free(problem->through);
    if (problem->y)
        sc_device_release(problem->device, problem->y);
    sc_free(problem->support);
    sc_free(problem->shading);
    sc_free(problem->maps);
    *problem = (sc_problem){0};
}

void sc_estimate_free(sc_estimate *estimate)
{
    if (!estimate)
        return;
    sc_array_free(&estimate->mean);
    sc_array_free(&estimate->std);
    sc_array_free(&estimate->samples);
    *estimate = (sc_estimate){0};
}
