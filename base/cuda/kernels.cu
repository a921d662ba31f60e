/* Every kernel of kernel_list.h and net_list_internal.h for CUDA. */
#include "base/cuda/launch_internal.h"
#include "base/kernel_list.h"
#include "base/net_list_internal.h"
