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

# A part of the command line that is no program.
add_executable(test_train_kspace ${CMAKE_CURRENT_SOURCE_DIR}/cli/test_train_kspace.c
               ${PROJECT_SOURCE_DIR}/cli/train_kspace.c)
target_include_directories(test_train_kspace PRIVATE ${PROJECT_SOURCE_DIR} ${SC_INCLUDES_base})
target_compile_options(test_train_kspace PRIVATE ${SC_WARNINGS})
sc_test_links(test_train_kspace base)
target_link_libraries(test_train_kspace PRIVATE PkgConfig::CMOCKA)
add_test(NAME cli/test_train_kspace COMMAND test_train_kspace)

# Every allocation and every write passes the test.
if(TARGET test_failures)
  target_link_options(test_failures PRIVATE -Wl,--wrap=sc_alloc,--wrap=sc_file_write_all)
endif()
