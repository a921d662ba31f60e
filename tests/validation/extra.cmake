# validation/parity, built against the folders it needs and run on the reference tensors.
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/validation/parity/*.c)
add_executable(parity ${sources})
target_include_directories(parity PRIVATE ${PROJECT_SOURCE_DIR})
target_compile_options(parity PRIVATE ${SC_WARNINGS})
foreach(part base operators prior)
  target_sources(parity PRIVATE $<TARGET_OBJECTS:sc_${part}>)
  target_link_libraries(parity PRIVATE ${SC_DEPENDS_${part}})
endforeach()
add_test(NAME validation/parity COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/validation/parity.sh
         $<TARGET_FILE:parity> ${PROJECT_SOURCE_DIR}/../shared/data/score_sde)
set_tests_properties(validation/parity PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600
                     ENVIRONMENT OMP_WAIT_POLICY=passive)
