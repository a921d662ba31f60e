target_link_options(test_scan_memory PRIVATE -Wl,--wrap=sc_alloc)
target_link_options(test_image_memory PRIVATE -Wl,--wrap=sc_alloc,--wrap=sc_file_write_all)
