# Tests that are scripts or need special linking.
if(TARGET scorecon)
  file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cli/test_*.sh)
  foreach(script ${scripts})
    get_filename_component(name ${script} NAME_WE)
    add_test(NAME cli/${name} COMMAND bash ${script} $<TARGET_FILE:scorecon>)
    set_tests_properties(cli/${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 900)
  endforeach()
  if(NOT SC_SANITIZE)
    add_test(NAME install/example COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/install/run.sh ${PROJECT_BINARY_DIR})
  endif()
endif()

# Parts of the command line that are no programs: a test, the sources that it is linked with.
function(sc_cli_test name)
  list(TRANSFORM ARGN PREPEND ${PROJECT_SOURCE_DIR}/cli/ OUTPUT_VARIABLE sources)
  add_executable(${name} ${CMAKE_CURRENT_SOURCE_DIR}/cli/${name}.c ${sources})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR} ${SC_INCLUDES_base})
  target_compile_options(${name} PRIVATE ${SC_WARNINGS})
  foreach(part base io prior)
    target_sources(${name} PRIVATE $<TARGET_OBJECTS:sc_${part}>)
    target_link_libraries(${name} PRIVATE ${SC_DEPENDS_${part}})
  endforeach()
  target_link_libraries(${name} PRIVATE PkgConfig::CMOCKA)
  add_test(NAME cli/${name} COMMAND ${name})
endfunction()
sc_cli_test(test_train_kspace train_kspace.c)
sc_cli_test(test_train_data train_data.c train_read.c train_kspace.c train_store.c)
sc_cli_test(test_progress common.c)

# Every plan and every evaluation of a network pass the test.
if(TARGET test_network_pool)
  target_link_options(test_network_pool PRIVATE -Wl,--wrap=sc_run_create,--wrap=sc_run_denoise)
endif()

# Every allocation and every write passes the test.
if(TARGET test_failures)
  target_link_options(test_failures PRIVATE -Wl,--wrap=sc_alloc,--wrap=sc_file_write_all)
endif()
