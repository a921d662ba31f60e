target_link_options(test_file PRIVATE -Wl,--wrap=sc_file_write_all)
target_link_options(test_short_memory PRIVATE -Wl,--wrap=sc_alloc)

# The CUDA row on the fake runtime: kernels.cu is compiled as C, a launch is a loop.
set(cuda ${PROJECT_SOURCE_DIR}/base/cuda)
set(fake ${PROJECT_SOURCE_DIR}/tests/fake_cuda)
set_source_files_properties(${cuda}/kernels.cu PROPERTIES LANGUAGE C)
add_library(fake_cuda OBJECT ${cuda}/device.c ${cuda}/fft.c ${cuda}/gemm.c ${cuda}/kernels.cu
            ${cuda}/dnn.c ${cuda}/net.c ${cuda}/net_attention.c ${cuda}/net_conv.c
            ${cuda}/net_norm.c ${cuda}/record.c ${fake}/runtime.c ${fake}/libraries.c ${fake}/dnn.c ${fake}/graph.c)
target_include_directories(fake_cuda PUBLIC ${fake}/include ${PROJECT_SOURCE_DIR})
target_compile_options(fake_cuda PRIVATE ${SC_WARNINGS})
target_compile_definitions(fake_cuda PRIVATE SC_CUDA_LAUNCH="tests/fake_cuda/launch.h"
                           SC_HAVE_CUDNN)
target_link_libraries(fake_cuda PRIVATE PkgConfig::FFTW PkgConfig::OPENBLAS)
target_link_libraries(test_cuda_fake PRIVATE fake_cuda)
target_link_libraries(test_cuda_net_fake PRIVATE fake_cuda)
set_tests_properties(base/test_cuda_fake base/test_cuda_net_fake PROPERTIES LABELS cuda-fake)

set_tests_properties(base/test_cuda_gpu PROPERTIES LABELS gpu SKIP_RETURN_CODE 77)
