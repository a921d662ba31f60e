/* Every kernel of kernel_list.h for CUDA. */
#include "base/cuda/launch_internal.h"
#include "base/kernel_list.h"
