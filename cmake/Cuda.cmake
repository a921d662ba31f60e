# The CUDA row, where nvcc is: a module (libscorecon_cuda.so) that base/cuda_module.c opens when a
# CUDA device is asked for. The program itself links nothing of CUDA.
set(SC_DEFINES_base SC_VERSION="${PROJECT_VERSION}")
if(SC_CUDA)
  find_program(SC_NVCC nvcc HINTS /usr/local/cuda/bin)
endif()
if(NOT SC_CUDA OR NOT SC_NVCC)
  return()
endif()

set(CMAKE_CUDA_COMPILER ${SC_NVCC})
if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 75-real 80-real 90) # the last one also as PTX, for newer GPUs
endif()
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)
include(GNUInstallDirs)
list(APPEND SC_DEFINES_base SC_HAVE_CUDA SC_CUDA_LIBDIR="../${CMAKE_INSTALL_LIBDIR}/")

# Networks need cuDNN, in the toolkit's folders or in CUDNN_ROOT.
find_path(SC_CUDNN_INCLUDE cudnn.h HINTS ${CUDNN_ROOT}/include ${CUDAToolkit_INCLUDE_DIRS})
find_library(SC_CUDNN_LIBRARY cudnn HINTS ${CUDNN_ROOT}/lib ${CUDAToolkit_LIBRARY_DIR})
file(GLOB sources CONFIGURE_DEPENDS base/cuda/*.c base/cuda/*.cu)
if(SC_CUDNN_INCLUDE AND SC_CUDNN_LIBRARY)
  foreach(part MAJOR MINOR)
    file(STRINGS ${SC_CUDNN_INCLUDE}/cudnn_version.h line REGEX "define CUDNN_${part} ")
    string(REGEX REPLACE ".* " "" cudnn_${part} "${line}")
  endforeach()
  list(APPEND SC_DEFINES_base SC_HAVE_CUDNN="${cudnn_MAJOR}.${cudnn_MINOR}")
else()
  message(STATUS "cuDNN not found: networks are not evaluated on the GPU")
  list(FILTER sources EXCLUDE REGEX "/base/cuda/(net|dnn)[^/]*[.]c$")
endif()
add_library(scorecon_cuda MODULE ${sources} base/fft_phase.c)
set_target_properties(scorecon_cuda PROPERTIES C_VISIBILITY_PRESET hidden CUDA_VISIBILITY_PRESET hidden
                      CUDA_STANDARD 17 INSTALL_RPATH_USE_LINK_PATH ON)
target_include_directories(scorecon_cuda PRIVATE ${PROJECT_SOURCE_DIR})
target_compile_definitions(scorecon_cuda PRIVATE SC_VERSION="${PROJECT_VERSION}")
if(SC_CUDNN_INCLUDE AND SC_CUDNN_LIBRARY)
  target_include_directories(scorecon_cuda SYSTEM PRIVATE ${SC_CUDNN_INCLUDE})
  target_compile_definitions(scorecon_cuda PRIVATE SC_HAVE_CUDNN)
  target_link_libraries(scorecon_cuda PRIVATE ${SC_CUDNN_LIBRARY})
endif()
# No contraction, as on the CPU; -Wconversion would complain about nvcc's own stubs.
target_compile_options(scorecon_cuda PRIVATE $<$<COMPILE_LANGUAGE:C>:${SC_WARNINGS}>
                       $<$<COMPILE_LANGUAGE:CUDA>:--fmad=false;-Xcompiler=-Wall,-Wextra>)
target_link_options(scorecon_cuda PRIVATE LINKER:--no-undefined) # what is missing is told here
target_link_libraries(scorecon_cuda PRIVATE CUDA::cudart_static CUDA::cufft CUDA::cublas m)
install(TARGETS scorecon_cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
