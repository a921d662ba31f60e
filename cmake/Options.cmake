option(SC_TESTS "build the tests" ON)
option(SC_FUZZ "build the libFuzzer targets (clang)" OFF)
option(SC_SANITIZE "AddressSanitizer and UBSan" OFF)
option(SC_CUDA "build the CUDA row where nvcc is found" ON)

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS ON) # POSIX
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

# No -ffast-math and no contraction: the same bytes on every build of one compiler.
set(SC_WARNINGS -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion)
if(CMAKE_C_COMPILER_ID MATCHES Clang)
  list(APPEND SC_WARNINGS -Wno-pass-failed) # "omp simd" allows, it does not demand
endif()
add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:-ffp-contract=off;-fno-math-errno>")
if(SC_SANITIZE)
  set(flags -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g)
  add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:${flags}>")
  add_link_options(-fsanitize=address,undefined)
endif()
