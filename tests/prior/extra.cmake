target_link_libraries(test_network_fake PRIVATE fake_cuda)
set_tests_properties(prior/test_network_fake PROPERTIES LABELS cuda-fake)
set_tests_properties(prior/test_network_gpu PROPERTIES LABELS gpu SKIP_RETURN_CODE 77)

# Every allocation passes this test.
if(TARGET test_import_memory)
  target_link_options(test_import_memory PRIVATE -Wl,--wrap=sc_alloc)
endif()
