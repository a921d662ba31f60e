target_link_options(test_scan_memory PRIVATE -Wl,--wrap=sc_alloc)
